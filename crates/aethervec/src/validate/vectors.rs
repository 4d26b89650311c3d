//! Which vectors suit a field, and the form in which it stores them.

use crate::error::{Error, Result};
use crate::limits;
use crate::schema::{BinaryField, DenseField, MultiField, VectorField};
use crate::vector::{BinaryVector, MultiVector, SparseVector, Vector, VectorValue};
use aether_distance::{ElementType, Metric, VectorRef};
use half::f16;
use half::slice::HalfFloatSliceExt;
use std::borrow::Cow;

/// The greatest finite `f16`.
const F16_MAX: f32 = 65_504.0;

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
        (VectorField::Binary(field), VectorValue::Binary(vector)) => {
            binary(field, &vector).map(|()| VectorValue::Binary(vector))
        }
        (VectorField::Sparse(_), VectorValue::Sparse(vector)) => {
            sparse(&vector).map(|()| VectorValue::Sparse(vector))
        }
        (VectorField::Multi(field), VectorValue::Multi(vectors)) => {
            multi(field, vectors).map(VectorValue::Multi)
        }
        (field, vector) => Err(Error::invalid(format!(
            "vector: it is {}: the field holds {} ones",
            vector.kind(),
            field.kind()
        ))),
    }
}

/// The vector in the element type of a dense field; fails when it does not suit the field.
fn vector(field: &DenseField, vector: Vector) -> Result<Vector> {
    dim(field.dim, vector.dim())?;
    let stored = components(vector, field.element)?;
    norm(field.metric, stored.as_ref())?;
    Ok(stored)
}

/// Fails when a vector does not suit a binary field.
pub(crate) fn binary(field: &BinaryField, vector: &BinaryVector) -> Result<()> {
    let bytes = vector.as_bytes();
    let expected = field.bits.div_ceil(8);
    if bytes.len() != expected {
        return Err(Error::invalid(format!(
            "vector: it has {} bytes: the field's {} bits take {expected}",
            bytes.len(),
            field.bits
        )));
    }
    let unused = expected * 8 - field.bits;
    match bytes.last() {
        Some(last) if last.trailing_zeros() < u32::try_from(unused).unwrap_or(8) => {
            Err(Error::invalid(format!(
                "vector: one of the last {unused} bits is 1: the field has {} bits",
                field.bits
            )))
        }
        _ => Ok(()),
    }
}

/// Fails when a sparse vector cannot be stored or searched for.
pub(crate) fn sparse(vector: &SparseVector) -> Result<()> {
    if vector.len() > limits::SPARSE_COMPONENTS_MAX {
        return Err(Error::invalid(format!(
            "vector: it has {} components that are given: at most {} are allowed",
            vector.len(),
            limits::SPARSE_COMPONENTS_MAX
        )));
    }
    let indices = vector.indices();
    if let Some(twice) = indices.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::invalid(format!(
            "vector: dimension {} is given twice",
            twice[0]
        )));
    }
    floats(vector.values())
}

/// The vectors in the element type of the field; fails when they do not suit it.
fn multi(field: &MultiField, vectors: MultiVector) -> Result<MultiVector> {
    multi_shape(field, &vectors)?;
    let stored = components(vectors.into_components(), field.element)?;
    each_norm(field, stored.as_ref())?;
    MultiVector::from_components(field.dim, stored)
}

/// The components of a query; fails when it does not suit a field of several vectors.
pub(crate) fn multi_query<'a>(
    field: &MultiField,
    vectors: &'a MultiVector,
) -> Result<Cow<'a, [f32]>> {
    multi_shape(field, vectors)?;
    let components: Cow<'a, [f32]> = match vectors.components() {
        Vector::F32(components) => components.into(),
        others => others.to_f32().into(),
    };
    floats(&components)?;
    each_norm(field, VectorRef::F32(&components))?;
    Ok(components)
}

fn multi_shape(field: &MultiField, vectors: &MultiVector) -> Result<()> {
    let range = |what: &str, found: usize, limit: usize| {
        if found > limit {
            return Err(Error::invalid(format!(
                "vectors: {found} {what} are given: at most {limit} are allowed"
            )));
        }
        Ok(())
    };
    if vectors.is_empty() {
        return Err(Error::invalid("vectors: at least one is needed"));
    }
    range("vectors", vectors.len(), limits::MULTI_VECTORS_MAX)?;
    range(
        "components",
        vectors.components().dim(),
        limits::MULTI_COMPONENTS_MAX,
    )?;
    dim(field.dim, vectors.dim())
}

/// As [`norm`], for vectors that stand one behind the other.
fn each_norm(field: &MultiField, vectors: VectorRef<'_>) -> Result<()> {
    let check = |vector| norm(field.metric, vector);
    match vectors {
        VectorRef::F32(all) => all
            .chunks(field.dim)
            .try_for_each(|vector| check(VectorRef::F32(vector))),
        VectorRef::F16(all) => all
            .chunks(field.dim)
            .try_for_each(|vector| check(VectorRef::F16(vector))),
        VectorRef::U8(all) => all
            .chunks(field.dim)
            .try_for_each(|vector| check(VectorRef::U8(vector))),
    }
}

/// Components in the element type in which they are stored.
fn components(given: Vector, element: ElementType) -> Result<Vector> {
    match &given {
        Vector::F32(components) => floats(components)?,
        Vector::F16(components) => halves(components)?,
        Vector::U8(_) => {}
    }
    convert(given, element)
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
