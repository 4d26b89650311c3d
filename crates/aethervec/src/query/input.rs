//! Vectors as queries name them: given, or those of a document.

use crate::id::DocId;
use crate::vector::{QueryVector, Vector, VectorValue};
use serde::{Deserialize, Serialize};

/// A vector, or a document that has one.
///
/// In JSON vectors look as those of documents do; a document is `{"id": 7}`, perhaps with `"collection"` and `"using"`.
///
/// ```
/// use aethervec::Input;
///
/// let given: Input = serde_json::from_str("[0.5, 1]").unwrap();
/// assert_eq!(given, Input::from([0.5, 1.0]));
/// let named: Input = serde_json::from_str(r#"{"id": "a"}"#).unwrap();
/// assert_eq!(named, Input::id("a"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Input {
    /// This vector.
    Vector(VectorValue),
    /// The vector of a document, which is then no hit itself.
    Document(InputDocument),
}

/// Whose vector an [`Input`] is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputDocument {
    /// The document.
    pub id: DocId,
    /// The collection that it is in; `None`: the one that is queried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// The vector field; `None`: the one that is queried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub using: Option<String>,
}

impl Input {
    /// The vector of the document called `id`.
    pub fn id(id: impl Into<DocId>) -> Input {
        Input::Document(InputDocument {
            id: id.into(),
            collection: None,
            using: None,
        })
    }
}

impl<V: Into<VectorValue>> From<V> for Input {
    fn from(vector: V) -> Input {
        Input::Vector(vector.into())
    }
}

/// A vector that searches: dense ones as `f32`.
pub(super) fn searching(vector: VectorValue) -> VectorValue {
    match vector {
        VectorValue::Dense(vector) => VectorValue::Dense(Vector::F32(vector.to_f32())),
        vector => vector,
    }
}

/// `vector`, which [`searching`] has made, as a search wants it.
pub(super) fn borrow(vector: &VectorValue) -> QueryVector<'_> {
    match vector {
        VectorValue::Dense(Vector::F32(components)) => QueryVector::Dense(components),
        VectorValue::Dense(_) => QueryVector::Dense(&[]),
        VectorValue::Binary(vector) => QueryVector::Binary(vector),
        VectorValue::Sparse(vector) => QueryVector::Sparse(vector),
        VectorValue::Multi(vector) => QueryVector::Multi(vector),
    }
}
