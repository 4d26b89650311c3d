//! A borrowed vector of any element type.

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::element::ElementType;
use crate::kernel::Kernels;

/// A borrowed vector in the element type in which it is stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum VectorRef<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// 16-bit floats.
    F16(&'a [f16]),
    /// Unsigned bytes.
    U8(&'a [u8]),
}

impl VectorRef<'_> {
    /// Number of components.
    pub fn dim(self) -> usize {
        match self {
            VectorRef::F32(vector) => vector.len(),
            VectorRef::F16(vector) => vector.len(),
            VectorRef::U8(vector) => vector.len(),
        }
    }

    /// The type of the components.
    pub fn element(self) -> ElementType {
        match self {
            VectorRef::F32(_) => ElementType::F32,
            VectorRef::F16(_) => ElementType::F16,
            VectorRef::U8(_) => ElementType::U8,
        }
    }

    /// Replaces what `out` holds by the components as floats; exact for each element type.
    pub fn to_f32(self, out: &mut Vec<f32>) {
        out.clear();
        match self {
            VectorRef::F32(vector) => out.extend_from_slice(vector),
            VectorRef::F16(vector) => {
                out.resize(vector.len(), 0.0);
                vector.convert_to_f32_slice(out);
            }
            VectorRef::U8(vector) => out.extend(vector.iter().map(|&byte| f32::from(byte))),
        }
    }

    /// The squared length.
    pub fn square(self, kernels: Kernels) -> f32 {
        match self {
            VectorRef::F32(vector) => kernels.dot_f32(vector, vector),
            VectorRef::F16(vector) => kernels.dot_f16(vector, vector),
            VectorRef::U8(vector) => kernels.dot_u8(vector, vector) as f32,
        }
    }

    /// Whether no component is NaN or infinite.
    pub fn is_finite(self) -> bool {
        match self {
            VectorRef::F32(vector) => vector.iter().all(|component| component.is_finite()),
            VectorRef::F16(vector) => vector.iter().all(|component| component.is_finite()),
            VectorRef::U8(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_every_element_type() {
        let mut out = vec![9.0];
        VectorRef::F32(&[1.0, -2.5]).to_f32(&mut out);
        assert_eq!(out, [1.0, -2.5]);
        let halves: Vec<f16> = (0..37)
            .map(|i| f16::from_f32(i as f32 * 0.25 - 4.0))
            .collect();
        VectorRef::F16(&halves).to_f32(&mut out);
        assert_eq!(
            out,
            (0..37).map(|i| i as f32 * 0.25 - 4.0).collect::<Vec<_>>()
        );
        VectorRef::U8(&[0, 255]).to_f32(&mut out);
        assert_eq!(out, [0.0, 255.0]);
    }

    #[test]
    fn finds_what_is_not_finite() {
        assert!(VectorRef::F32(&[1.0]).is_finite());
        assert!(!VectorRef::F32(&[1.0, f32::NAN]).is_finite());
        assert!(!VectorRef::F16(&[f16::INFINITY]).is_finite());
        assert!(VectorRef::U8(&[255]).is_finite());
    }
}
