//! Documents as users give them and get them back.

use crate::id::DocId;
use aether_distance::{Distance, ElementType, VectorRef};
use half::f16;
use serde_json::Value;

/// One thing to find: an id, a vector and, if wanted, a payload.
///
/// ```
/// use aethervec::Document;
/// use serde_json::json;
///
/// let document = Document::new(vec![0.1; 128], "my-doc").with_payload(json!({"title": "A document"}));
/// assert_eq!(document.vector.dim(), 128);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What it is called. Unique in its collection.
    pub id: DocId,
    /// Where it lies. Its collection fixes the dimension and the type in which components are stored.
    pub vector: Vector,
    /// A JSON object, returned with each hit.
    pub payload: Option<Value>,
}

impl Document {
    /// A document without payload.
    pub fn new(vector: impl Into<Vector>, id: impl Into<DocId>) -> Document {
        Document {
            id: id.into(),
            vector: vector.into(),
            payload: None,
        }
    }

    /// The same document with this payload, which must be a JSON object.
    #[must_use]
    pub fn with_payload(self, payload: Value) -> Document {
        Document {
            payload: Some(payload),
            ..self
        }
    }
}

/// The components of a vector.
///
/// A collection accepts any of the three and stores its own [`ElementType`]. Wider values must fit: a `f32` that is
/// beyond the range of `f16`, or no integer in `0..=255` for a `u8` collection, is an error. Rounding to `f16` is not.
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

    /// Becomes a copy of `other`, in the memory that it has if the element type is the same.
    pub(crate) fn clone_from_ref(&mut self, other: VectorRef<'_>) {
        fn refill<T: Copy>(out: &mut Vec<T>, components: &[T]) {
            out.clear();
            out.extend_from_slice(components);
        }
        match (self, other) {
            (Vector::F32(out), VectorRef::F32(components)) => refill(out, components),
            (Vector::F16(out), VectorRef::F16(components)) => refill(out, components),
            (Vector::U8(out), VectorRef::U8(components)) => refill(out, components),
            (out, VectorRef::F32(components)) => *out = Vector::F32(components.to_vec()),
            (out, VectorRef::F16(components)) => *out = Vector::F16(components.to_vec()),
            (out, VectorRef::U8(components)) => *out = Vector::U8(components.to_vec()),
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

/// A document that a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Which document.
    pub id: DocId,
    /// How far its vector is from the query, exactly: smaller is nearer under every metric. Squared Euclidean distance
    /// for `l2`, the negated inner product for `dot`, one minus the cosine for `cosine`.
    pub distance: Distance,
    /// The same for people: the Euclidean distance for `l2` (smaller is nearer), the inner product for `dot` and the
    /// cosine for `cosine` (greater is nearer).
    pub score: f32,
    /// The document's payload, if it has one and it was asked for.
    pub payload: Option<Value>,
    /// The document's vector, if it was asked for.
    pub vector: Option<Vector>,
}

/// What a search shall find.
///
/// ```
/// use aethervec::SearchRequest;
///
/// let request = SearchRequest { ef: Some(200), ..SearchRequest::new(&[0.1; 128], 10) };
/// assert!(!request.exact);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SearchRequest<'a> {
    /// The query: as many components as the collection has; needs no normalization.
    pub vector: &'a [f32],
    /// How many hits: 1 to [`K_MAX`](crate::limits::K_MAX).
    pub k: usize,
    /// How many candidates a graph search holds, at least `k` of them are used. More: recall rises, speed falls.
    /// `None`: a default that grows with `k`.
    pub ef: Option<usize>,
    /// Compare with every document instead of searching the graph: slow, and always right.
    pub exact: bool,
    /// Whether hits carry payloads.
    pub with_payload: bool,
    /// Whether hits carry vectors.
    pub with_vector: bool,
}

impl<'a> SearchRequest<'a> {
    /// The `k` nearest to `vector`, approximately, with payloads.
    pub fn new(vector: &'a [f32], k: usize) -> SearchRequest<'a> {
        SearchRequest {
            vector,
            k,
            ef: None,
            exact: false,
            with_payload: true,
            with_vector: false,
        }
    }
}

/// Which page of a collection's documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrollRequest {
    /// Only documents behind this id, in the order of [`DocId`]. `None` starts at the first.
    pub after: Option<DocId>,
    /// How many documents at most: 1 to [`SCROLL_LIMIT_MAX`](crate::limits::SCROLL_LIMIT_MAX).
    pub limit: usize,
}

/// A page of documents, ordered by id.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrollPage {
    /// The documents.
    pub documents: Vec<Document>,
    /// What to put into [`ScrollRequest::after`] for the next page; `None` when there is nothing more.
    pub next: Option<DocId>,
}

/// What an upsert did. An id that occurs several times in one batch counts once: the last one wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upserted {
    /// Documents that were not there before.
    pub inserted: usize,
    /// Documents that took the place of one with the same id.
    pub replaced: usize,
}
