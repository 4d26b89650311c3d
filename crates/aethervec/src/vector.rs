//! Vectors as users give them and get them back: of all kinds, and several to a document.
//!
//! What is given is checked against a field's declaration only when it is written or searched for; these types hold
//! anything.

mod binary;
mod dense;
mod multi;
mod query;
mod sparse;

pub use binary::BinaryVector;
pub use dense::Vector;
pub use multi::MultiVector;
pub use query::QueryVector;
pub use sparse::SparseVector;

/// A vector of any kind.
#[derive(Clone, Debug, PartialEq)]
pub enum VectorValue {
    /// For a dense field.
    Dense(Vector),
    /// For a binary field.
    Binary(BinaryVector),
    /// For a sparse field.
    Sparse(SparseVector),
    /// For a field of several dense vectors.
    Multi(MultiVector),
}

impl VectorValue {
    /// What the documentation calls its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            VectorValue::Dense(_) => "dense",
            VectorValue::Binary(_) => "binary",
            VectorValue::Sparse(_) => "sparse",
            VectorValue::Multi(_) => "multi",
        }
    }

    /// The vector, if it is dense.
    pub fn as_dense(&self) -> Option<&Vector> {
        match self {
            VectorValue::Dense(vector) => Some(vector),
            _ => None,
        }
    }
}

impl<V: Into<Vector>> From<V> for VectorValue {
    fn from(vector: V) -> VectorValue {
        VectorValue::Dense(vector.into())
    }
}

impl From<BinaryVector> for VectorValue {
    fn from(vector: BinaryVector) -> VectorValue {
        VectorValue::Binary(vector)
    }
}

impl From<SparseVector> for VectorValue {
    fn from(vector: SparseVector) -> VectorValue {
        VectorValue::Sparse(vector)
    }
}

impl From<MultiVector> for VectorValue {
    fn from(vector: MultiVector) -> VectorValue {
        VectorValue::Multi(vector)
    }
}

/// The vectors of a document, by the name of their field; `""` is the default field.
///
/// ```
/// use aethervec::{SparseVector, Vectors};
///
/// let vectors = Vectors::from(vec![0.6, 0.8]).with("words", SparseVector::new([(17, 1.5)]));
/// assert_eq!(vectors.len(), 2);
/// assert!(vectors.get("words").is_some() && vectors.get("image").is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vectors(Vec<(String, VectorValue)>);

impl Vectors {
    /// No vectors.
    pub fn new() -> Vectors {
        Vectors::default()
    }

    /// The same with this vector in `field`, in place of the one that was there.
    #[must_use]
    pub fn with(mut self, field: impl Into<String>, vector: impl Into<VectorValue>) -> Vectors {
        self.insert(field, vector);
        self
    }

    /// Puts a vector into `field`: returns the one that was there.
    pub fn insert(
        &mut self,
        field: impl Into<String>,
        vector: impl Into<VectorValue>,
    ) -> Option<VectorValue> {
        let (field, vector) = (field.into(), vector.into());
        match self.position(&field) {
            Ok(position) => Some(std::mem::replace(&mut self.0[position].1, vector)),
            Err(position) => {
                self.0.insert(position, (field, vector));
                None
            }
        }
    }

    /// Takes the vector of `field` out.
    pub fn remove(&mut self, field: &str) -> Option<VectorValue> {
        let position = self.position(field).ok()?;
        Some(self.0.remove(position).1)
    }

    /// The vector of `field`, if there is one.
    pub fn get(&self, field: &str) -> Option<&VectorValue> {
        let position = self.position(field).ok()?;
        Some(&self.0[position].1)
    }

    /// Field and vector, ordered by the field's name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &VectorValue)> {
        self.0.iter().map(|(field, vector)| (&field[..], vector))
    }

    /// How many fields have a vector.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no field has one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, field: &str) -> Result<usize, usize> {
        self.0
            .binary_search_by(|(name, _)| name.as_str().cmp(field))
    }
}

impl IntoIterator for Vectors {
    type Item = (String, VectorValue);
    type IntoIter = std::vec::IntoIter<(String, VectorValue)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Of several vectors for one field the last one stays.
impl<F: Into<String>, V: Into<VectorValue>> FromIterator<(F, V)> for Vectors {
    fn from_iter<I: IntoIterator<Item = (F, V)>>(vectors: I) -> Vectors {
        let mut collected = Vectors::new();
        for (field, vector) in vectors {
            collected.insert(field, vector);
        }
        collected
    }
}

/// One vector, in the default field.
impl<V: Into<VectorValue>> From<V> for Vectors {
    fn from(vector: V) -> Vectors {
        Vectors(vec![(String::new(), vector.into())])
    }
}
