//! Several dense vectors to a document.

use super::Vector;
use crate::error::{Error, Result};

/// Several dense vectors of one dimension, compared by MaxSim: one for each token of a text, for example.
///
/// ```
/// use aethervec::MultiVector;
///
/// let vector = MultiVector::new([vec![1.0, 0.0], vec![0.6, 0.8], vec![0.0, 1.0]])?;
/// assert_eq!((vector.len(), vector.dim()), (3, 2));
/// assert!(MultiVector::new([vec![1.0, 0.0], vec![1.0]]).is_err());
/// # Ok::<(), aethervec::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MultiVector {
    dim: usize,
    components: Vector,
}

impl MultiVector {
    /// These vectors.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when their dimensions differ.
    pub fn new<V: AsRef<[f32]>>(vectors: impl IntoIterator<Item = V>) -> Result<MultiVector> {
        let mut components = Vec::new();
        let mut dim = None;
        for (position, vector) in vectors.into_iter().enumerate() {
            let vector = vector.as_ref();
            let first = *dim.get_or_insert(vector.len());
            if vector.len() != first {
                return Err(Error::invalid(format!(
                    "vector {position}: it has {} components, and those before have {first}",
                    vector.len()
                )));
            }
            components.extend_from_slice(vector);
        }
        Ok(MultiVector {
            dim: dim.unwrap_or_default(),
            components: Vector::F32(components),
        })
    }

    /// The vectors of `dim` components that stand one behind the other in `components`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when a part is left over.
    pub fn from_components(dim: usize, components: impl Into<Vector>) -> Result<MultiVector> {
        let components = components.into();
        if components
            .dim()
            .checked_rem(dim)
            .unwrap_or(components.dim())
            != 0
        {
            return Err(Error::invalid(format!(
                "vectors: {} components do not divide into vectors of {dim}",
                components.dim()
            )));
        }
        Ok(MultiVector { dim, components })
    }

    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.components.dim().checked_div(self.dim).unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The components of each.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The components of all, one vector behind the other.
    pub fn components(&self) -> &Vector {
        &self.components
    }

    pub(crate) fn into_components(self) -> Vector {
        self.components
    }
}
