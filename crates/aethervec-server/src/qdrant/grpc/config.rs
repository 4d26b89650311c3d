//! Parts of a collection's configuration that are kept as JSON, to be shown again.
#![expect(deprecated, reason = "where something is kept is told in two ways")]

use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::Object;
use qdrant_client::qdrant as proto;
use serde_json::{Value, json};

/// An object that is being put together.
#[derive(Debug, Default)]
pub(super) struct Fields(Object);

impl Fields {
    /// The same with this field, if it has a value.
    pub(super) fn with(mut self, name: &str, value: Option<impl Into<Value>>) -> Fields {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
        self
    }

    pub(super) fn into_object(self) -> Object {
        self.0
    }
}

fn number(object: &Object, name: &str) -> Option<u64> {
    object.get(name).and_then(Value::as_u64)
}

fn flag(object: &Object, name: &str) -> Option<bool> {
    object.get(name).and_then(Value::as_bool)
}

/// Where something is held, as JSON has it.
pub(super) fn memory(memory: Option<i32>) -> Option<&'static str> {
    use proto::Memory;
    match Memory::try_from(memory?) {
        Ok(Memory::Cold) => Some("cold"),
        Ok(Memory::Cached) => Some("cached"),
        Ok(Memory::Pinned) => Some("pinned"),
        Ok(Memory::Unknown) | Err(_) => None,
    }
}

/// Where something is held, as messages have it.
pub(super) fn memory_number(memory: Option<&Value>) -> Option<i32> {
    use proto::Memory;
    match memory?.as_str()? {
        "cold" => Some(Memory::Cold.into()),
        "cached" => Some(Memory::Cached.into()),
        "pinned" => Some(Memory::Pinned.into()),
        _ => None,
    }
}

pub(super) fn hnsw(it: proto::HnswConfigDiff) -> Object {
    Fields::default()
        .with("m", it.m)
        .with("ef_construct", it.ef_construct)
        .with("full_scan_threshold", it.full_scan_threshold)
        .with("max_indexing_threads", it.max_indexing_threads)
        .with("on_disk", it.on_disk)
        .with("payload_m", it.payload_m)
        .with("inline_storage", it.inline_storage)
        .with("memory", memory(it.memory))
        .into_object()
}

pub(super) fn hnsw_message(object: &Object) -> proto::HnswConfigDiff {
    proto::HnswConfigDiff {
        m: number(object, "m"),
        ef_construct: number(object, "ef_construct"),
        full_scan_threshold: number(object, "full_scan_threshold"),
        max_indexing_threads: number(object, "max_indexing_threads"),
        on_disk: flag(object, "on_disk"),
        payload_m: number(object, "payload_m"),
        inline_storage: flag(object, "inline_storage"),
        memory: memory_number(object.get("memory")),
    }
}

pub(super) fn wal(it: proto::WalConfigDiff) -> Object {
    Fields::default()
        .with("wal_capacity_mb", it.wal_capacity_mb)
        .with("wal_segments_ahead", it.wal_segments_ahead)
        .with("wal_retain_closed", it.wal_retain_closed)
        .into_object()
}

pub(super) fn wal_message(object: &Object) -> proto::WalConfigDiff {
    proto::WalConfigDiff {
        wal_capacity_mb: number(object, "wal_capacity_mb"),
        wal_segments_ahead: number(object, "wal_segments_ahead"),
        wal_retain_closed: number(object, "wal_retain_closed"),
    }
}

pub(super) fn optimizers(it: proto::OptimizersConfigDiff) -> Object {
    use proto::max_optimization_threads::Variant;
    let threads = it
        .max_optimization_threads
        .and_then(|threads| threads.variant);
    let threads = threads.map(|threads| match threads {
        Variant::Value(count) => Value::from(count),
        Variant::Setting(_) => Value::from("auto"),
    });
    Fields::default()
        .with("deleted_threshold", it.deleted_threshold)
        .with("vacuum_min_vector_number", it.vacuum_min_vector_number)
        .with("default_segment_number", it.default_segment_number)
        .with("max_segment_size", it.max_segment_size)
        .with("memmap_threshold", it.memmap_threshold)
        .with("indexing_threshold", it.indexing_threshold)
        .with("flush_interval_sec", it.flush_interval_sec)
        .with(
            "max_optimization_threads",
            threads.or(it.deprecated_max_optimization_threads.map(Value::from)),
        )
        .with("prevent_unoptimized", it.prevent_unoptimized)
        .into_object()
}

pub(super) fn optimizers_message(object: &Object) -> proto::OptimizersConfigDiff {
    use proto::max_optimization_threads::Variant;
    let threads = number(object, "max_optimization_threads");
    proto::OptimizersConfigDiff {
        deleted_threshold: object.get("deleted_threshold").and_then(Value::as_f64),
        vacuum_min_vector_number: number(object, "vacuum_min_vector_number"),
        default_segment_number: number(object, "default_segment_number"),
        max_segment_size: number(object, "max_segment_size"),
        memmap_threshold: number(object, "memmap_threshold"),
        indexing_threshold: number(object, "indexing_threshold"),
        flush_interval_sec: number(object, "flush_interval_sec"),
        deprecated_max_optimization_threads: threads,
        max_optimization_threads: threads.map(|count| proto::MaxOptimizationThreads {
            variant: Some(Variant::Value(count)),
        }),
        prevent_unoptimized: flag(object, "prevent_unoptimized"),
    }
}

/// How vectors shall be quantized.
pub(super) fn quantization(config: proto::QuantizationConfig) -> Result<Option<Value>> {
    use proto::quantization_config::Quantization;
    Ok(match config.quantization {
        None => None,
        Some(Quantization::Scalar(it)) => Some(scalar(&it)),
        Some(Quantization::Product(it)) => Some(product(&it)?),
        Some(Quantization::Binary(it)) => Some(binary(&it)),
        Some(Quantization::Turboquant(_)) => return Err(no_turbo()),
    })
}

/// How vectors shall be quantized from now on.
pub(super) fn quantization_diff(config: proto::QuantizationConfigDiff) -> Result<Option<Value>> {
    use proto::quantization_config_diff::Quantization;
    Ok(match config.quantization {
        None => None,
        Some(Quantization::Scalar(it)) => Some(scalar(&it)),
        Some(Quantization::Product(it)) => Some(product(&it)?),
        Some(Quantization::Binary(it)) => Some(binary(&it)),
        Some(Quantization::Disabled(_)) => Some(Value::from("Disabled")),
        Some(Quantization::Turboquant(_)) => return Err(no_turbo()),
    })
}

fn no_turbo() -> Failure {
    Failure::unsupported("turbo quantization")
}

fn scalar(it: &proto::ScalarQuantization) -> Value {
    let fields = Fields::default()
        .with("type", Some("int8"))
        .with("quantile", it.quantile)
        .with("always_ram", it.always_ram)
        .with("memory", memory(it.memory));
    json!({"scalar": fields.into_object()})
}

const COMPRESSIONS: [&str; 5] = ["x4", "x8", "x16", "x32", "x64"];

fn product(it: &proto::ProductQuantization) -> Result<Value> {
    let compression = usize::try_from(it.compression).ok();
    let compression = compression.and_then(|number| COMPRESSIONS.get(number));
    let compression = compression.ok_or_else(|| Failure::wrong("the compression is not known"))?;
    let fields = Fields::default()
        .with("compression", Some(*compression))
        .with("always_ram", it.always_ram)
        .with("memory", memory(it.memory));
    Ok(json!({"product": fields.into_object()}))
}

fn binary(it: &proto::BinaryQuantization) -> Value {
    let fields = Fields::default()
        .with("always_ram", it.always_ram)
        .with("memory", memory(it.memory));
    json!({"binary": fields.into_object()})
}

pub(super) fn quantization_message(value: &Value) -> Option<proto::QuantizationConfig> {
    use proto::quantization_config::Quantization;
    let (kind, params) = value.as_object()?.iter().next()?;
    let params = params.as_object()?;
    let always_ram = flag(params, "always_ram");
    let memory = memory_number(params.get("memory"));
    #[expect(clippy::cast_possible_truncation, reason = "it came as an f32")]
    let quantile = params
        .get("quantile")
        .and_then(Value::as_f64)
        .map(|it| it as f32);
    let compression = params.get("compression").and_then(Value::as_str);
    let compression = COMPRESSIONS
        .iter()
        .position(|name| Some(*name) == compression);
    let quantization = match &kind[..] {
        "scalar" => Quantization::Scalar(proto::ScalarQuantization {
            r#type: proto::QuantizationType::Int8.into(),
            quantile,
            always_ram,
            memory,
        }),
        "product" => Quantization::Product(proto::ProductQuantization {
            compression: compression.and_then(|it| i32::try_from(it).ok())?,
            always_ram,
            memory,
        }),
        "binary" => Quantization::Binary(proto::BinaryQuantization {
            always_ram,
            memory,
            ..proto::BinaryQuantization::default()
        }),
        _ => return None,
    };
    Some(proto::QuantizationConfig {
        quantization: Some(quantization),
    })
}

/// Of strict mode only whether it is on is understood: it is refused then.
pub(super) fn strict_mode(it: &proto::StrictModeConfig) -> Object {
    Fields::default().with("enabled", it.enabled).into_object()
}

pub(super) fn strict_mode_message(object: &Object) -> proto::StrictModeConfig {
    proto::StrictModeConfig {
        enabled: flag(object, "enabled"),
        ..proto::StrictModeConfig::default()
    }
}

pub(super) fn sparse(it: proto::SparseVectorParams) -> Object {
    let index = it.index.map(|index| {
        Fields::default()
            .with("full_scan_threshold", index.full_scan_threshold)
            .with("on_disk", index.on_disk)
            .with("memory", memory(index.memory))
            .into_object()
    });
    let modifier = match it.modifier.map(proto::Modifier::try_from) {
        Some(Ok(proto::Modifier::Idf)) => Some("idf"),
        Some(Ok(proto::Modifier::None)) => Some("none"),
        _ => None,
    };
    Fields::default()
        .with("index", index)
        .with("modifier", modifier)
        .into_object()
}

pub(super) fn sparse_message(object: &Object) -> proto::SparseVectorParams {
    let index = object.get("index").and_then(Value::as_object);
    let modifier = object.get("modifier").and_then(Value::as_str);
    proto::SparseVectorParams {
        index: index.map(|index| proto::SparseIndexConfig {
            full_scan_threshold: number(index, "full_scan_threshold"),
            on_disk: flag(index, "on_disk"),
            datatype: None,
            memory: memory_number(index.get("memory")),
        }),
        modifier: modifier.map(|name| match name {
            "idf" => proto::Modifier::Idf.into(),
            _ => proto::Modifier::None.into(),
        }),
    }
}
