//! What is acceptable from outside: each error names the field, the value and the limit.

use crate::document::Document;
use crate::error::{Error, Result};
use crate::id::DocId;
use crate::limits;
use crate::schema::{
    BinaryField, CollectionSchema, DenseField, IndexConfig, MultiField, SparseField, VectorField,
};
use crate::vector::{Vector, VectorValue};
use aether_distance::{ElementType, Metric, VectorRef};
use half::f16;
use half::slice::HalfFloatSliceExt;
use serde_json::Value;
use std::fmt::Display;
use std::ops::RangeInclusive;

/// The greatest finite `f16`.
const F16_MAX: f32 = 65_504.0;

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

/// Fails when a field of `schema` is outside of its limits.
pub(crate) fn schema(schema: &CollectionSchema) -> Result<()> {
    if schema.fields.len() > limits::VECTOR_FIELDS_MAX {
        return Err(Error::invalid(format!(
            "fields: there are {}: at most {} are allowed",
            schema.fields.len(),
            limits::VECTOR_FIELDS_MAX
        )));
    }
    schema
        .fields
        .iter()
        .try_for_each(|(name, spec)| field(name, spec))
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
        VectorField::Sparse(SparseField {}) => Ok(()),
        VectorField::Multi(MultiField { dim, .. }) => range("dim", *dim, 1..=limits::DIM_MAX),
    };
    checked.map_err(|error| in_field(error, name))
}

fn index(index: &IndexConfig) -> Result<()> {
    if let IndexConfig::Hnsw(params) = index {
        range("index.m", params.m, limits::M_RANGE)?;
        range(
            "index.ef_construction",
            params.ef_construction,
            limits::EF_CONSTRUCTION_RANGE,
        )?;
    }
    Ok(())
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

/// Fails when a query does not suit a dense field.
pub(crate) fn query(field: &DenseField, query: &[f32]) -> Result<()> {
    dim(field.dim, query.len())?;
    floats(query)?;
    norm(field.metric, VectorRef::F32(query))
}

/// A vector in the form in which a field stores it; fails when it does not suit the field.
pub(crate) fn stored(field: &VectorField, vector: VectorValue) -> Result<VectorValue> {
    match (field, vector) {
        (VectorField::Dense(field), VectorValue::Dense(vector)) => {
            self::vector(field, vector).map(VectorValue::Dense)
        }
        (field, vector) => Err(Error::invalid(format!(
            "vector: it is {}: the field holds {} ones",
            vector.kind(),
            field.kind()
        ))),
    }
}

/// The vector in the element type of a dense field; fails when it does not suit the field.
pub(crate) fn vector(field: &DenseField, vector: Vector) -> Result<Vector> {
    dim(field.dim, vector.dim())?;
    match &vector {
        Vector::F32(components) => floats(components)?,
        Vector::F16(components) => halves(components)?,
        Vector::U8(_) => {}
    }
    let stored = convert(vector, field.element)?;
    norm(field.metric, stored.as_ref())?;
    Ok(stored)
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

/// Says which document of a batch an error is about.
pub(crate) fn in_document(error: Error, position: usize, document: &Document) -> Error {
    match &document.id {
        DocId::Str(text) if text.len() > 64 => error.within(&format!("document {position}")),
        id => error.within(&format!(
            "document {position} (id {id:?})",
            id = id.to_string()
        )),
    }
}

fn dim(expected: usize, found: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "vector: it has {found} components: the field's dim is {expected}"
    )))
}

fn floats(components: &[f32]) -> Result<()> {
    // The fold has no early exit, so that it runs at the speed of memory; NaN fails the comparison too.
    let good = components.iter().fold(true, |good, c| {
        good & (c.abs() <= limits::COMPONENT_ABS_MAX)
    });
    if good {
        return Ok(());
    }
    let (position, value) = components
        .iter()
        .enumerate()
        .find(|(_, c)| c.is_nan() || c.abs() > limits::COMPONENT_ABS_MAX)
        .expect("the fold has seen one");
    Err(bad_component(position, *value))
}

fn halves(components: &[f16]) -> Result<()> {
    // All exponent bits set: infinite or NaN.
    let good = components
        .iter()
        .fold(true, |good, c| good & (c.to_bits() & 0x7c00 != 0x7c00));
    if good {
        return Ok(());
    }
    let (position, value) = components
        .iter()
        .enumerate()
        .find(|(_, c)| !c.is_finite())
        .expect("the fold has seen one");
    Err(bad_component(position, value.to_f32()))
}

fn bad_component(position: usize, value: f32) -> Error {
    let reason = if value.is_finite() {
        format!(
            "its magnitude may be at most {:e}",
            limits::COMPONENT_ABS_MAX
        )
    } else {
        "components must be finite".to_owned()
    };
    Error::invalid(format!(
        "vector: component {position} is {value:?}: {reason}"
    ))
}

/// Under cosine a vector needs a direction.
fn norm(metric: Metric, vector: VectorRef<'_>) -> Result<()> {
    if metric != Metric::Cosine {
        return Ok(());
    }
    let squared: f32 = match vector {
        VectorRef::F32(components) => components.iter().map(|c| c * c).sum(),
        // The smallest f16 squared is a normal f32, and one component that is not zero is enough.
        VectorRef::F16(components) => {
            let any = components
                .iter()
                .fold(0, |any, c| any | (c.to_bits() & 0x7fff));
            f32::from(any)
        }
        VectorRef::U8(components) => f32::from(components.iter().fold(0, |any, c| any | c)),
    };
    if squared >= f32::MIN_POSITIVE {
        return Ok(());
    }
    Err(Error::invalid(
        "vector: it is zero (or nearly so): under cosine a vector needs a direction",
    ))
}

fn convert(vector: Vector, element: ElementType) -> Result<Vector> {
    Ok(match (vector, element) {
        (vector @ Vector::F32(_), ElementType::F32)
        | (vector @ Vector::F16(_), ElementType::F16)
        | (vector @ Vector::U8(_), ElementType::U8) => vector,
        (vector, ElementType::F32) => Vector::F32(vector.to_f32()),
        (vector, ElementType::F16) => Vector::F16(to_f16(&vector.to_f32())?),
        (vector, ElementType::U8) => Vector::U8(to_u8(&vector.to_f32())?),
    })
}

fn to_f16(components: &[f32]) -> Result<Vec<f16>> {
    let mut halves = vec![f16::ZERO; components.len()];
    halves.convert_from_f32_slice(components);
    match halves.iter().position(|half| !half.is_finite()) {
        None => Ok(halves),
        Some(position) => Err(Error::invalid(format!(
            "vector: component {position} is {:?}: an f16 field holds magnitudes up to {F16_MAX}",
            components[position]
        ))),
    }
}

fn to_u8(components: &[f32]) -> Result<Vec<u8>> {
    let to_byte = |(position, &value): (usize, &f32)| {
        if value.fract() == 0.0 && (0.0..=255.0).contains(&value) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked: an integer in 0..=255"
            )]
            return Ok(value as u8);
        }
        Err(Error::invalid(format!(
            "vector: component {position} is {value:?}: a u8 field holds integers in 0..=255"
        )))
    };
    components.iter().enumerate().map(to_byte).collect()
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
