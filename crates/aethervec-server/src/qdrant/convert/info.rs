//! What there is to know about a collection, in the dialect's words.

use super::schema::Declared;
use crate::qdrant::error::Result;
use crate::qdrant::model::{
    CollectionConfig, CollectionInfo, CollectionParams, CollectionStatus, Datatype, Distance,
    Object, OptimizerStatus, PayloadSchema, UpdateQueue, VectorParams, VectorsInfo,
};
use aethervec::{
    Collection, CollectionSchema, ElementType, Filter, HnswParams, IndexConfig, Metric,
    PayloadIndexKind, PayloadIndexState, VectorField,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The size of the units that Qdrant counts vectors in, by default from how many on they have a graph.
const FULL_SCAN_THRESHOLD_KB: u64 = 10_000;

/// All about `collection`, as it is now.
pub(crate) fn info(collection: &Collection) -> Result<CollectionInfo> {
    let schema = collection.schema();
    let (declared, metadata) = Declared::split(&schema.metadata);
    let status = collection.index_status();
    let indexes = collection.payload_indexes();
    let is_building = indexes
        .iter()
        .any(|index| index.state != PayloadIndexState::Ready);
    let view = collection.view()?;
    let mut payload_schema = BTreeMap::new();
    for index in &indexes {
        let key = index.path.to_string();
        let filled = !Filter::is_empty(index.path.clone());
        let schema = PayloadSchema {
            data_type: data_type(index.kind),
            params: declared.indexes.get(&key).cloned(),
            points: view.count_matching(&filled)?,
        };
        payload_schema.insert(key, schema);
    }
    Ok(CollectionInfo {
        status: match &status.error {
            Some(_) => CollectionStatus::Red,
            None if status.pending > 0 || is_building => CollectionStatus::Yellow,
            None => CollectionStatus::Green,
        },
        optimizer_status: match status.error {
            Some(error) => OptimizerStatus::Error(error),
            None => OptimizerStatus::Ok,
        },
        indexed_vectors_count: status.indexed,
        points_count: view.count()?,
        segments_count: 1,
        update_queue: UpdateQueue {
            length: status.pending,
        },
        config: config(&schema, declared, metadata),
        payload_schema,
    })
}

/// What the type of an index is called.
fn data_type(kind: PayloadIndexKind) -> &'static str {
    match kind {
        PayloadIndexKind::FoldedText => PayloadIndexKind::Text.name(),
        kind => kind.name(),
    }
}

fn config(schema: &CollectionSchema, declared: Declared, metadata: Object) -> CollectionConfig {
    let hnsw = schema.fields.values().find_map(graph);
    let mut hnsw_config = object(json!({
        "m": hnsw.map_or(HnswParams::DEFAULT.m, |hnsw| hnsw.m),
        "ef_construct": hnsw.map_or(HnswParams::DEFAULT.ef_construction, |hnsw| hnsw.ef_construction),
        "full_scan_threshold": FULL_SCAN_THRESHOLD_KB,
        "max_indexing_threads": 0,
        "on_disk": false,
    }));
    // The graph is as it is, whatever was asked for later.
    let actual = ["m", "ef_construct"];
    let asked = declared.hnsw_config.clone().into_iter();
    hnsw_config.extend(asked.filter(|(key, _)| hnsw.is_none() || !actual.contains(&&key[..])));
    let mut optimizer_config = object(json!({
        "deleted_threshold": 0.2,
        "vacuum_min_vector_number": 1000,
        "default_segment_number": 0,
        "max_segment_size": null,
        "memmap_threshold": null,
        "indexing_threshold": 10_000,
        "flush_interval_sec": 5,
        "max_optimization_threads": null,
    }));
    optimizer_config.extend(declared.optimizers_config.clone());
    let mut wal_config = object(json!({
        "wal_capacity_mb": 32,
        "wal_segments_ahead": 0,
        "wal_retain_closed": 1,
    }));
    wal_config.extend(declared.wal_config.clone());
    CollectionConfig {
        params: params(schema, &declared),
        hnsw_config,
        optimizer_config,
        wal_config,
        quantization_config: declared.quantization_config,
        strict_mode_config: declared.strict_mode_config,
        metadata,
    }
}

fn graph(field: &VectorField) -> Option<HnswParams> {
    match field {
        VectorField::Dense(dense) => match &dense.index {
            IndexConfig::Hnsw(hnsw) => Some(*hnsw),
            // If it is to be a graph, it is this one.
            IndexConfig::Auto(_) => Some(HnswParams::DEFAULT),
            _ => None,
        },
        _ => None,
    }
}

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}

fn params(schema: &CollectionSchema, declared: &Declared) -> CollectionParams {
    let number = |name: &str| {
        let number = declared.params.get(name).and_then(Value::as_u64);
        number.and_then(|number| u32::try_from(number).ok())
    };
    let mut vectors = BTreeMap::new();
    let mut sparse_vectors = BTreeMap::new();
    for (name, field) in &schema.fields {
        match field {
            VectorField::Sparse(sparse) => {
                let params = declared.sparse_vectors.get(name);
                let mut params = params.cloned().unwrap_or_default();
                match sparse.idf {
                    true => params.insert("modifier".to_owned(), "idf".into()),
                    false => params.remove("modifier"),
                };
                sparse_vectors.insert(name.clone(), params);
            }
            field => {
                if let Some(params) = vector(field, declared.vectors.get(name)) {
                    vectors.insert(name.clone(), params);
                }
            }
        }
    }
    let single = vectors.remove("");
    let vectors = match single {
        Some(single) if vectors.is_empty() && !declared.is_named => VectorsInfo::Single(single),
        Some(single) => {
            vectors.insert(String::new(), single);
            VectorsInfo::Named(vectors)
        }
        None => VectorsInfo::Named(vectors),
    };
    CollectionParams {
        vectors: Some(vectors),
        sparse_vectors,
        shard_number: number("shard_number").unwrap_or(1),
        replication_factor: number("replication_factor").unwrap_or(1),
        write_consistency_factor: number("write_consistency_factor").unwrap_or(1),
        on_disk_payload: declared.params.get("on_disk_payload") != Some(&Value::Bool(false)),
    }
}

/// The parameters of a field; the dialect has none for one of bits.
fn vector(field: &VectorField, extras: Option<&Object>) -> Option<VectorParams> {
    let (dim, metric, element, is_multi) = match field {
        VectorField::Dense(dense) => (dense.dim, dense.metric, dense.element, false),
        VectorField::Multi(multi) => (multi.dim, multi.metric, multi.element, true),
        _ => return None,
    };
    let extra = |name: &str| extras.and_then(|extras| extras.get(name)).cloned();
    let extra_object = |name: &str| extra(name).map(object);
    Some(VectorParams {
        size: dim,
        distance: match metric {
            Metric::Cosine => Distance::Cosine,
            Metric::L2Squared => Distance::Euclid,
            Metric::InnerProduct => Distance::Dot,
        },
        hnsw_config: extra_object("hnsw_config"),
        quantization_config: extra("quantization_config"),
        on_disk: extra("on_disk").and_then(|value| value.as_bool()),
        datatype: match element {
            ElementType::F32 => extra("datatype").map(|_| Datatype::Float32),
            ElementType::F16 => Some(Datatype::Float16),
            ElementType::U8 => Some(Datatype::Uint8),
        },
        multivector_config: is_multi.then(|| object(json!({"comparator": "max_sim"}))),
        memory: extra("memory").and_then(|value| value.as_str().map(str::to_owned)),
    })
}
