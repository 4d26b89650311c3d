//! Schemas as the server reads them.

use crate::error::{Error, Result};
use aethervec::{
    BinaryField, CollectionSchema, DenseField, HnswParams, IndexConfig, IvfParams, MultiField,
    SparseField, VectorField,
};
use serde_json::{Map, Value, json};

/// `{"fields": {"": {"kind": "dense", …}}, "ttl_ms": …, "metadata": {…}}`.
pub(crate) fn to_json(schema: &CollectionSchema) -> Result<Value> {
    let fields = schema.fields.iter();
    let fields = fields.map(|(name, field)| Ok((name.clone(), field_to_json(field)?)));
    let mut json = json!({
        "fields": fields.collect::<Result<Map<_, _>>>()?,
        "metadata": schema.metadata,
    });
    if let Some(ttl) = schema.ttl {
        json["ttl_ms"] = json!(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
    }
    Ok(json)
}

/// `{"kind": "dense", …}`.
pub(crate) fn field_to_json(field: &VectorField) -> Result<Value> {
    Ok(match field {
        VectorField::Dense(DenseField {
            dim,
            metric,
            element,
            index,
        }) => json!({
            "kind": "dense", "dim": dim, "metric": metric.to_string(), "element": element.to_string(),
            "index": index_to_json(index)?,
        }),
        VectorField::Binary(BinaryField { bits }) => json!({"kind": "binary", "bits": bits}),
        VectorField::Sparse(SparseField { idf }) => json!({"kind": "sparse", "idf": idf}),
        VectorField::Multi(MultiField {
            dim,
            metric,
            element,
        }) => json!({
            "kind": "multi", "dim": dim, "metric": metric.to_string(), "element": element.to_string(),
        }),
        other => return Err(unknown("field", other.kind())),
    })
}

fn index_to_json(index: &IndexConfig) -> Result<Value> {
    Ok(match index {
        IndexConfig::Flat => json!({"kind": "flat"}),
        IndexConfig::Hnsw(HnswParams { m, ef_construction }) => {
            json!({"kind": "hnsw", "m": m, "ef_construction": ef_construction})
        }
        IndexConfig::Ivf(IvfParams { bucket_points }) => {
            json!({"kind": "ivf", "bucket_points": bucket_points})
        }
        IndexConfig::Drift(IvfParams { bucket_points }) => {
            json!({"kind": "drift", "bucket_points": bucket_points})
        }
        IndexConfig::Auto(params) => match params.memory_bytes_max {
            Some(bytes) => json!({"kind": "auto", "memory_bytes_max": bytes}),
            None => json!({"kind": "auto"}),
        },
        other => return Err(unknown("index", other.name())),
    })
}

fn unknown(what: &str, name: &str) -> Error {
    Error::invalid(format!("{what}: this client does not know {name:?}"))
}
