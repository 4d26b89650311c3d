//! Sparse vectors.

use aether_index::SparseRef;

/// A vector of which most components are 0: the others, by the number of their dimension.
///
/// ```
/// use aethervec::SparseVector;
///
/// let vector = SparseVector::new([(70_000, 0.5), (3, 2.0)]);
/// assert_eq!((vector.indices(), vector.values()), (&[3, 70_000][..], &[2.0, 0.5][..]));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SparseVector {
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl SparseVector {
    /// These components, in any order. A dimension may occur once.
    pub fn new(components: impl IntoIterator<Item = (u32, f32)>) -> SparseVector {
        let mut components: Vec<(u32, f32)> = components.into_iter().collect();
        components.sort_by_key(|&(index, _)| index);
        let (indices, values) = components.into_iter().unzip();
        SparseVector { indices, values }
    }

    /// The dimensions, ascending.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// The component of each dimension.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// How many components there are.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether all components are 0.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    pub(crate) fn as_ref(&self) -> SparseRef<'_> {
        SparseRef {
            indices: &self.indices,
            values: &self.values,
        }
    }

    /// Dimension and component, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u32, f32)> {
        self.indices
            .iter()
            .copied()
            .zip(self.values.iter().copied())
    }
}

impl From<Vec<(u32, f32)>> for SparseVector {
    fn from(components: Vec<(u32, f32)>) -> SparseVector {
        SparseVector::new(components)
    }
}
