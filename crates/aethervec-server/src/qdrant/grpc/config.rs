//! Parts of a collection's configuration that are kept as JSON, to be shown again.
#![expect(deprecated, reason = "where something is kept is told in two ways")]

use crate::qdrant::model::Object;
use qdrant_client::qdrant as proto;
use serde_json::Value;

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

pub(super) fn number(object: &Object, name: &str) -> Option<u64> {
    object.get(name).and_then(Value::as_u64)
}

pub(super) fn word<'o>(object: &'o Object, name: &str) -> Option<&'o str> {
    object.get(name).and_then(Value::as_str)
}

pub(super) fn flag(object: &Object, name: &str) -> Option<bool> {
    object.get(name).and_then(Value::as_bool)
}

/// Names in the order of the numbers that messages have for them; the empty one is for what has no name.
pub(super) struct Names<const N: usize>(pub(super) [&'static str; N]);

impl<const N: usize> Names<N> {
    /// What JSON has for a number of a message.
    pub(super) fn name(&self, number: Option<i32>) -> Option<&'static str> {
        let position = usize::try_from(number?).ok()?;
        let name = self.0.get(position).copied();
        name.filter(|name| !name.is_empty())
    }

    /// What messages have for a name of JSON.
    pub(super) fn number(&self, name: Option<&str>) -> Option<i32> {
        let position = self.0.iter().position(|known| Some(*known) == name)?;
        i32::try_from(position).ok()
    }
}

/// Where something is held.
pub(super) const MEMORY: Names<4> = Names(["", "cold", "cached", "pinned"]);

/// Where something is held, as JSON has it.
pub(super) fn memory(memory: Option<i32>) -> Option<&'static str> {
    MEMORY.name(memory)
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
        memory: MEMORY.number(word(object, "memory")),
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
            memory: MEMORY.number(word(index, "memory")),
        }),
        modifier: modifier.map(|name| match name {
            "idf" => proto::Modifier::Idf.into(),
            _ => proto::Modifier::None.into(),
        }),
    }
}
