//! Dense vectors, in each of the element types.

use aether_distance::{ElementType, VectorRef};
use half::f16;

/// The components of a dense vector.
///
/// A field accepts any of the three and stores its own [`ElementType`]. Wider values must fit: a `f32` that is
/// beyond the range of `f16`, or no integer in `0..=255` for a `u8` field, is an error. Rounding to `f16` is not.
#[derive(Clone, Debug, PartialEq)]
pub enum Vector {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 16-bit floats.
    F16(Vec<f16>),
    /// Unsigned bytes.
    U8(Vec<u8>),
}

impl Vector {
    /// Number of components.
    pub fn dim(&self) -> usize {
        self.as_ref().dim()
    }

    /// The type of the components.
    pub fn element(&self) -> ElementType {
        self.as_ref().element()
    }

    /// A borrowed view.
    pub fn as_ref(&self) -> VectorRef<'_> {
        match self {
            Vector::F32(components) => VectorRef::F32(components),
            Vector::F16(components) => VectorRef::F16(components),
            Vector::U8(components) => VectorRef::U8(components),
        }
    }

    /// The components as 32-bit floats; exact.
    ///
    /// ```
    /// # use aethervec::Vector;
    /// assert_eq!(Vector::from(vec![0u8, 255]).to_f32(), [0.0, 255.0]);
    /// ```
    pub fn to_f32(&self) -> Vec<f32> {
        let mut components = Vec::new();
        self.as_ref().to_f32(&mut components);
        components
    }
}

impl From<Vec<f32>> for Vector {
    fn from(components: Vec<f32>) -> Vector {
        Vector::F32(components)
    }
}

impl From<&[f32]> for Vector {
    fn from(components: &[f32]) -> Vector {
        Vector::F32(components.to_vec())
    }
}

impl From<&Vec<f32>> for Vector {
    fn from(components: &Vec<f32>) -> Vector {
        Vector::F32(components.clone())
    }
}

impl<const DIM: usize> From<[f32; DIM]> for Vector {
    fn from(components: [f32; DIM]) -> Vector {
        Vector::F32(components.to_vec())
    }
}

impl From<Vec<f16>> for Vector {
    fn from(components: Vec<f16>) -> Vector {
        Vector::F16(components)
    }
}

impl From<Vec<u8>> for Vector {
    fn from(components: Vec<u8>) -> Vector {
        Vector::U8(components)
    }
}
