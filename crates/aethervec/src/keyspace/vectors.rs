//! The bytes of vectors in a row of `points`: little endian, without a header, because the field's declaration says the
//! rest; but for the [`Form`] of components, which stands in the row.
//!
//! ```text
//! dense   dim × component
//! binary  bits / 8 bytes, rounded up
//! sparse  n × dimension (u32), ascending; n × component (f32)
//! multi   n × dim × component
//! ```

use super::Form;
use crate::schema::{BinaryField, DenseField, MultiField, VectorField};
use crate::vector::{BinaryVector, MultiVector, SparseVector, Vector, VectorValue};
use aether_distance::{ElementType, VectorRef};
use half::f16;

/// A vector in a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored<'a> {
    pub(crate) form: Form,
    pub(crate) bytes: &'a [u8],
}

/// The form in which `vector` takes least.
pub(crate) fn form(vector: &VectorValue) -> Form {
    match vector {
        VectorValue::Dense(Vector::F32(components)) => Form::of(components),
        VectorValue::Multi(vectors) => match vectors.components() {
            Vector::F32(components) => Form::of(components),
            _ => Form::Plain,
        },
        _ => Form::Plain,
    }
}

/// Bytes that `vector` takes as it is.
pub(crate) fn plain_bytes(vector: &VectorValue) -> usize {
    match vector {
        VectorValue::Dense(vector) => vector.dim() * vector.element().bytes(),
        VectorValue::Binary(vector) => vector.as_bytes().len(),
        VectorValue::Sparse(vector) => vector.len() * 8,
        VectorValue::Multi(vectors) => {
            let components = vectors.components();
            components.dim() * components.element().bytes()
        }
    }
}

/// Bytes that `vector` takes in a form that it has.
pub(crate) fn encoded_bytes(vector: &VectorValue, form: Form) -> usize {
    let bytes = plain_bytes(vector);
    match form {
        Form::Plain => bytes,
        // Only floats have another one.
        form => bytes / Form::Plain.float_bytes() * form.float_bytes(),
    }
}

/// Appends the bytes of `vector` in a form that it has.
pub(crate) fn encode(vector: &VectorValue, form: Form, out: &mut Vec<u8>) {
    match vector {
        VectorValue::Dense(vector) => encode_dense(vector.as_ref(), form, out),
        VectorValue::Binary(vector) => out.extend_from_slice(vector.as_bytes()),
        VectorValue::Sparse(vector) => {
            out.extend(
                vector
                    .indices()
                    .iter()
                    .flat_map(|index| index.to_le_bytes()),
            );
            out.extend(vector.values().iter().flat_map(|value| value.to_le_bytes()));
        }
        VectorValue::Multi(vectors) => encode_dense(vectors.components().as_ref(), form, out),
    }
}

/// The vector of a field that is declared as `field`; fails with what is wrong.
pub(crate) fn decode(stored: Stored<'_>, field: &VectorField) -> Result<VectorValue, String> {
    let Stored { bytes, form } = stored;
    match *field {
        VectorField::Dense(DenseField { dim, element, .. }) => {
            let mut vector = buffer(element);
            decode_dense(stored, dim, &mut vector)?;
            Ok(VectorValue::Dense(vector))
        }
        VectorField::Binary(BinaryField { bits }) => {
            expect_plain(form)?;
            expect_bytes(bytes, bits.div_ceil(8))?;
            Ok(VectorValue::Binary(BinaryVector::from_bytes(bytes)))
        }
        VectorField::Sparse(_) => {
            expect_plain(form)?;
            decode_sparse(bytes).map(VectorValue::Sparse)
        }
        VectorField::Multi(MultiField { dim, element, .. }) => {
            let components = bytes.len() / component_bytes(element, form)?;
            if !components.is_multiple_of(dim) {
                return Err(format!(
                    "its vectors have {} bytes, which is no multiple of one of them",
                    bytes.len()
                ));
            }
            let mut vectors = buffer(element);
            decode_dense(stored, components, &mut vectors)?;
            MultiVector::from_components(dim, vectors)
                .map(VectorValue::Multi)
                .map_err(|error| error.to_string())
        }
    }
}

/// The vector of a field that is declared as `field`, where its bytes are its components.
pub(crate) fn lend<'a>(stored: Stored<'a>, field: &VectorField) -> Option<VectorRef<'a>> {
    match (field, stored) {
        (
            &VectorField::Dense(DenseField {
                dim,
                element: ElementType::U8,
                ..
            }),
            Stored {
                form: Form::Plain,
                bytes,
            },
        ) if bytes.len() == dim => Some(VectorRef::U8(bytes)),
        _ => None,
    }
}

/// As [`decode`], in the memory that `out` has if it is dense and of the right element type.
pub(crate) fn decode_into(
    stored: Stored<'_>,
    field: &VectorField,
    out: &mut VectorValue,
) -> Result<(), String> {
    match (field, &mut *out) {
        (VectorField::Dense(field), VectorValue::Dense(vector))
            if vector.element() == field.element =>
        {
            decode_dense(stored, field.dim, vector)
        }
        _ => {
            *out = decode(stored, field)?;
            Ok(())
        }
    }
}

/// Replaces what `out` holds by `dim` components of its element type.
fn decode_dense(stored: Stored<'_>, dim: usize, out: &mut Vector) -> Result<(), String> {
    let Stored { bytes, form } = stored;
    expect_bytes(bytes, dim * component_bytes(out.element(), form)?)?;
    match out {
        Vector::F32(components) => form.decode(bytes, components),
        Vector::F16(components) => {
            components.clear();
            let halves = bytes.as_chunks().0.iter();
            components.extend(halves.map(|bytes| f16::from_le_bytes(*bytes)));
        }
        Vector::U8(components) => {
            components.clear();
            components.extend_from_slice(bytes);
        }
    }
    Ok(())
}

/// Bytes of a component in a form that only floats may have, unless it is the plain one.
fn component_bytes(element: ElementType, form: Form) -> Result<usize, String> {
    match (element, form) {
        (ElementType::F32, form) => Ok(form.float_bytes()),
        (element, form) => expect_plain(form).map(|()| element.bytes()),
    }
}

/// An empty vector to decode into.
pub(crate) fn buffer(element: ElementType) -> Vector {
    match element {
        ElementType::F32 => Vector::F32(Vec::new()),
        ElementType::F16 => Vector::F16(Vec::new()),
        ElementType::U8 => Vector::U8(Vec::new()),
    }
}

fn decode_sparse(bytes: &[u8]) -> Result<SparseVector, String> {
    let ascending = |indices: &[u32]| indices.is_sorted_by(|a, b| a < b);
    let (indices, values) = bytes.split_at(bytes.len() / 8 * 4);
    let indices: Vec<u32> = indices
        .as_chunks()
        .0
        .iter()
        .map(|bytes| u32::from_le_bytes(*bytes))
        .collect();
    if !bytes.len().is_multiple_of(8) || !ascending(&indices) {
        return Err("its sparse vector is malformed".to_owned());
    }
    Ok(SparseVector::new(indices.into_iter().zip(floats(values))))
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    let chunks = bytes.as_chunks().0.iter();
    chunks.map(|bytes| f32::from_le_bytes(*bytes))
}

fn expect_bytes(bytes: &[u8], expected: usize) -> Result<(), String> {
    if bytes.len() == expected {
        return Ok(());
    }
    Err(format!(
        "its vector has {} bytes where {expected} are expected",
        bytes.len()
    ))
}

fn expect_plain(form: Form) -> Result<(), String> {
    match form {
        Form::Plain => Ok(()),
        form => Err(format!(
            "its vector is stored in the form {form:?}, which is one of floats"
        )),
    }
}

fn encode_dense(vector: VectorRef<'_>, form: Form, out: &mut Vec<u8>) {
    match vector {
        VectorRef::F32(components) => form.encode(components, out),
        VectorRef::F16(components) => {
            let start = out.len();
            out.resize(start + 2 * components.len(), 0);
            out[start..]
                .chunks_exact_mut(2)
                .zip(components)
                .for_each(|(b, c)| b.copy_from_slice(&c.to_le_bytes()));
        }
        VectorRef::U8(components) => out.extend_from_slice(components),
    }
}
