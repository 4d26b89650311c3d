//! Many vectors of one length in one run of memory.

use aether_distance::{ElementType, VectorRef};
use half::f16;

/// Vectors of one dimension and element type, by their place.
#[derive(Debug)]
pub(crate) struct Matrix {
    dim: usize,
    components: Components,
}

#[derive(Debug)]
enum Components {
    F32(Vec<f32>),
    F16(Vec<f16>),
    U8(Vec<u8>),
}

impl Matrix {
    /// Without vectors.
    pub(crate) fn new(dim: usize, element: ElementType) -> Matrix {
        let components = match element {
            ElementType::F32 => Components::F32(Vec::new()),
            ElementType::F16 => Components::F16(Vec::new()),
            ElementType::U8 => Components::U8(Vec::new()),
        };
        Matrix { dim, components }
    }

    /// Adds a vector behind the others.
    ///
    /// # Panics
    /// If its dimension or element type is another one.
    pub(crate) fn push(&mut self, vector: VectorRef<'_>) {
        assert_eq!(vector.dim(), self.dim);
        match (&mut self.components, vector) {
            (Components::F32(all), VectorRef::F32(row)) => all.extend_from_slice(row),
            (Components::F16(all), VectorRef::F16(row)) => all.extend_from_slice(row),
            (Components::U8(all), VectorRef::U8(row)) => all.extend_from_slice(row),
            (_, row) => unreachable!("a vector of {} among others", row.element()),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        let components = match &self.components {
            Components::F32(all) => all.len(),
            Components::F16(all) => all.len(),
            Components::U8(all) => all.len(),
        };
        components / self.dim
    }

    /// One of them.
    pub(crate) fn row(&self, i: usize) -> VectorRef<'_> {
        let range = i * self.dim..(i + 1) * self.dim;
        match &self.components {
            Components::F32(all) => VectorRef::F32(&all[range]),
            Components::F16(all) => VectorRef::F16(&all[range]),
            Components::U8(all) => VectorRef::U8(&all[range]),
        }
    }
}
