//! What is acceptable from outside: each error names the field, the value and the limit.

use crate::error::{Error, Result};
use crate::id::DocId;
use crate::limits;
use crate::schema::{
    BinaryField, CollectionSchema, DenseField, IndexConfig, MultiField, VectorField,
};
use serde_json::{Map, Value};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

mod vectors;

pub(crate) use vectors::{binary, multi_query, query, sparse, stored};

/// Fails when `value` is not in `range`.
pub(crate) fn range<T: PartialOrd + Display>(
    field: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{field}: {value} is out of range: it must be {}..={}",
        range.start(),
        range.end()
    )))
}

/// Fails when `recall` is no share of hits.
pub(crate) fn recall(recall: f32) -> Result<()> {
    if recall > 0.0 && recall <= 1.0 {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "recall: {recall} is out of range: it must be above 0 and at most 1"
    )))
}

/// Fails when a field of `schema` is outside of its limits.
pub(crate) fn schema(schema: &CollectionSchema) -> Result<()> {
    if schema.fields.len() > limits::VECTOR_FIELDS_MAX {
        return Err(Error::invalid(format!(
            "fields: there are {}: at most {} are allowed",
            schema.fields.len(),
            limits::VECTOR_FIELDS_MAX
        )));
    }
    if let Some(ttl) = schema.ttl {
        self::ttl(ttl)?;
    }
    metadata(&schema.metadata)?;
    schema
        .fields
        .iter()
        .try_for_each(|(name, spec)| field(name, spec))
}

/// Fails when so much cannot be kept with a collection.
pub(crate) fn metadata(metadata: &Map<String, Value>) -> Result<()> {
    let bytes = Value::Object(metadata.clone()).to_string().len();
    if bytes <= limits::METADATA_BYTES_MAX {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "metadata: it has {bytes} bytes: at most {} are allowed",
        limits::METADATA_BYTES_MAX
    )))
}

/// Fails when documents cannot be made to stay for `ttl`.
pub(crate) fn ttl(ttl: Duration) -> Result<()> {
    let allowed = Duration::from_millis(1)..=limits::TTL_MAX;
    if allowed.contains(&ttl) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "ttl: {ttl:?} is out of range: it must be {:?}..={:?}; None is for ever",
        allowed.start(),
        allowed.end()
    )))
}

/// Fails when a vector field cannot be called `name`, or is outside of its limits.
pub(crate) fn field(name: &str, spec: &VectorField) -> Result<()> {
    // The default field has no name.
    if !name.is_empty() {
        self::name("field name", name, limits::VECTOR_FIELD_NAME_BYTES_MAX)?;
    }
    let checked = match spec {
        VectorField::Dense(DenseField { dim, index, .. }) => {
            range("dim", *dim, 1..=limits::DIM_MAX).and_then(|()| self::index(index))
        }
        VectorField::Binary(BinaryField { bits }) => range("bits", *bits, 1..=limits::BITS_MAX),
        VectorField::Sparse(_) => Ok(()),
        VectorField::Multi(MultiField { dim, .. }) => range("dim", *dim, 1..=limits::DIM_MAX),
    };
    checked.map_err(|error| in_field(error, name))
}

fn index(index: &IndexConfig) -> Result<()> {
    match index {
        IndexConfig::Flat | IndexConfig::Auto(_) => Ok(()),
        IndexConfig::Hnsw(params) => {
            range("index.m", params.m, limits::M_RANGE)?;
            range(
                "index.ef_construction",
                params.ef_construction,
                limits::EF_CONSTRUCTION_RANGE,
            )
        }
        IndexConfig::Ivf(params) | IndexConfig::Drift(params) => range(
            "index.bucket_points",
            params.bucket_points,
            limits::BUCKET_POINTS_RANGE,
        ),
    }
}

/// Says which vector field an error is about, unless it is the default one.
pub(crate) fn in_field(error: Error, name: &str) -> Error {
    if name.is_empty() {
        error
    } else {
        error.within(&format!("field {name:?}"))
    }
}

/// Fails when `name` cannot be the name of a collection.
pub(crate) fn collection_name(name: &str) -> Result<()> {
    self::name("collection name", name, limits::COLLECTION_NAME_BYTES_MAX)
}

/// Fails when `name` cannot be the alias of a collection.
pub(crate) fn alias(name: &str) -> Result<()> {
    self::name("alias", name, limits::COLLECTION_NAME_BYTES_MAX)
}

/// Fails when `name` cannot be a name of `what`.
fn name(what: &str, name: &str, bytes_max: usize) -> Result<()> {
    let wrong = |reason: String| Err(Error::invalid(format!("{what}: {name:?} {reason}")));
    if name.is_empty() {
        return wrong("is empty".to_owned());
    }
    if name.len() > bytes_max {
        let shown: String = name.chars().take(32).collect();
        return Err(Error::invalid(format!(
            "{what}: {shown:?}… has {} bytes: at most {bytes_max} are allowed",
            name.len(),
        )));
    }
    if name == "." || name == ".." {
        return wrong("is a path".to_owned());
    }
    match name
        .chars()
        .find(|&c| c == '/' || c == '\\' || c.is_control())
    {
        Some(c) => wrong(format!("contains {c:?}, which names may not")),
        None => Ok(()),
    }
}

/// Fails when `id` is empty or too long.
pub(crate) fn id(id: &DocId) -> Result<()> {
    let DocId::Str(text) = id else { return Ok(()) };
    if text.is_empty() {
        return Err(Error::invalid(
            "id: \"\" is empty: at least 1 byte is needed",
        ));
    }
    if text.len() > limits::ID_BYTES_MAX {
        let shown: String = text.chars().take(32).collect();
        return Err(Error::invalid(format!(
            "id: {shown:?}… has {} bytes: at most {} are allowed",
            text.len(),
            limits::ID_BYTES_MAX
        )));
    }
    Ok(())
}

/// Appends the JSON of `payload` to `out`; fails when it is no object, too deep or too large.
pub(crate) fn payload(payload: &Value, out: &mut Vec<u8>) -> Result<()> {
    if !payload.is_object() {
        return Err(Error::invalid(format!(
            "payload: {} is not a JSON object",
            kind_of(payload)
        )));
    }
    if !depth_within(payload, limits::PAYLOAD_DEPTH_MAX) {
        return Err(Error::invalid(format!(
            "payload: it is nested deeper than {} levels, which is the limit",
            limits::PAYLOAD_DEPTH_MAX
        )));
    }
    let start = out.len();
    serde_json::to_writer(&mut *out, payload)
        .map_err(|error| Error::invalid(format!("payload: it is not JSON: {error}")))?;
    let bytes = out.len() - start;
    if bytes > limits::PAYLOAD_BYTES_MAX {
        return Err(Error::invalid(format!(
            "payload: it has {bytes} bytes as JSON: at most {} are allowed",
            limits::PAYLOAD_BYTES_MAX
        )));
    }
    Ok(())
}

/// What a batch may hold, without looking into the documents.
pub(crate) fn batch_len(documents: usize) -> Result<()> {
    if documents > limits::BATCH_DOCUMENTS_MAX {
        return Err(Error::invalid(format!(
            "batch: it has {documents} documents: at most {} are allowed in one call",
            limits::BATCH_DOCUMENTS_MAX
        )));
    }
    Ok(())
}

/// Fails when the bytes of a batch are too many.
pub(crate) fn batch_bytes(bytes: usize) -> Result<()> {
    if bytes > limits::BATCH_BYTES_MAX {
        return Err(Error::invalid(format!(
            "batch: it has {bytes} bytes or more: at most {} are allowed in one call",
            limits::BATCH_BYTES_MAX
        )));
    }
    Ok(())
}

/// Fails when a transaction cannot change so many documents.
pub(crate) fn transaction_documents(documents: usize) -> Result<()> {
    if documents > limits::TRANSACTION_DOCUMENTS_MAX {
        return Err(Error::invalid(format!(
            "transaction: it changes {documents} documents or more: at most {} are allowed; change them in parts",
            limits::TRANSACTION_DOCUMENTS_MAX
        )));
    }
    Ok(())
}

/// Fails when a transaction cannot hold so many bytes.
pub(crate) fn transaction_bytes(bytes: usize) -> Result<()> {
    if bytes > limits::TRANSACTION_BYTES_MAX {
        return Err(Error::invalid(format!(
            "transaction: it has {bytes} bytes or more: at most {} are allowed; write them in parts",
            limits::TRANSACTION_BYTES_MAX
        )));
    }
    Ok(())
}

/// Says which document of a batch an error is about.
pub(crate) fn in_document(error: Error, position: usize, id: &DocId) -> Error {
    match id {
        DocId::Str(text) if text.len() > 64 => error.within(&format!("document {position}")),
        id => error.within(&format!(
            "document {position} (id {id:?})",
            id = id.to_string()
        )),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Whether `value` has at most `levels` levels of arrays and objects. Looks no deeper than that.
fn depth_within(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(values) => {
            levels > 0 && values.iter().all(|value| depth_within(value, levels - 1))
        }
        Value::Object(fields) => {
            levels > 0 && fields.values().all(|value| depth_within(value, levels - 1))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests;
