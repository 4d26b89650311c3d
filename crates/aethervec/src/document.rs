//! Documents as users give them and get them back.

use crate::filter::Filter;
use crate::id::DocId;
use crate::timestamp::Timestamp;
use crate::vector::{QueryVector, Vector, VectorValue, Vectors};
use aether_distance::Distance;
use serde_json::Value;

/// One thing to find: an id, vectors and, if wanted, a payload.
///
/// ```
/// use aethervec::{Document, SparseVector};
/// use serde_json::json;
///
/// let document = Document::new(vec![0.1; 128], "my-doc")
///     .with_vector("words", SparseVector::new([(17, 0.5), (4_711, 1.5)]))
///     .with_payload(json!({"title": "A document"}));
/// assert_eq!(document.vector().map(|vector| vector.dim()), Some(128));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What it is called. Unique in its collection.
    pub id: DocId,
    /// Where it lies, in each of the collection's vector fields that it has a vector for.
    pub vectors: Vectors,
    /// A JSON object, returned with each hit.
    pub payload: Option<Value>,
    /// When it ends: from then on it is not there any more for whoever reads, though older snapshots see it. To the
    /// millisecond. None: when its collection says, or never.
    pub expires_at: Option<Timestamp>,
}

impl Document {
    /// A document without payload. A single vector is one for the default field.
    pub fn new(vectors: impl Into<Vectors>, id: impl Into<DocId>) -> Document {
        Document {
            id: id.into(),
            vectors: vectors.into(),
            payload: None,
            expires_at: None,
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

    /// The same document, which ends at `moment`.
    #[must_use]
    pub fn expiring_at(self, moment: Timestamp) -> Document {
        Document {
            expires_at: Some(moment),
            ..self
        }
    }

    /// The same document with this vector in `field`.
    #[must_use]
    pub fn with_vector(
        mut self,
        field: impl Into<String>,
        vector: impl Into<VectorValue>,
    ) -> Document {
        self.vectors.insert(field, vector);
        self
    }

    /// The vector of the default field, if it has one and that is dense.
    pub fn vector(&self) -> Option<&Vector> {
        self.vectors.get("")?.as_dense()
    }
}

/// A document that a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Which document.
    pub id: DocId,
    /// How far its vector is from the query, exactly: smaller is nearer in every field. Squared Euclidean distance
    /// for `l2`, the negated inner product for `dot` and for sparse vectors, one minus the cosine for `cosine`, how
    /// many bits differ for binary vectors, the negated MaxSim for several vectors.
    pub distance: Distance,
    /// The same for people: the Euclidean distance for `l2` and the bits that differ for binary vectors (smaller is
    /// nearer); the inner product for `dot` and for sparse vectors, the cosine for `cosine`, MaxSim for several vectors
    /// (greater is nearer).
    pub score: f32,
    /// The document's payload, if it has one and it was asked for.
    pub payload: Option<Value>,
    /// The document's vectors, if they were asked for.
    pub vectors: Vectors,
}

impl Hit {
    /// The vector of the default field, if vectors were asked for, and it has one that is dense.
    pub fn vector(&self) -> Option<&Vector> {
        self.vectors.get("")?.as_dense()
    }
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
    /// The query: a vector of the kind that the field holds.
    pub vector: QueryVector<'a>,
    /// The field to search in; `""` is the default field. Documents without a vector there are not found.
    pub using: &'a str,
    /// How many hits: 1 to [`K_MAX`](crate::limits::K_MAX).
    pub k: usize,
    /// Which documents may be found; `None`: all. Searched for directly, however few they are, so that there are `k` hits
    /// unless fewer documents satisfy it. Fast where [payload indexes](crate::Collection::create_payload_index) cover it.
    pub filter: Option<&'a Filter>,
    /// Which share of the hits of an [exact](SearchRequest::exact) search is to be found, on average: above 0, to 1. The
    /// first queries are answered exactly, and show what effort that takes. Instead of `ef`.
    pub recall: Option<f32>,
    /// How many candidates an approximate search holds, at least `k` of them are used. More: recall rises, speed falls.
    /// `None`: what `recall` takes, or else a default that grows with `k`.
    pub ef: Option<usize>,
    /// Compare with every document instead of searching the graph or the buckets: slow, and always right.
    pub exact: bool,
    /// Whether hits carry payloads.
    pub with_payload: bool,
    /// Whether hits carry vectors.
    pub with_vectors: bool,
}

impl<'a> SearchRequest<'a> {
    /// The `k` nearest to `vector` in the default field, approximately, with payloads.
    pub fn new(vector: impl Into<QueryVector<'a>>, k: usize) -> SearchRequest<'a> {
        SearchRequest {
            vector: vector.into(),
            using: "",
            k,
            filter: None,
            recall: None,
            ef: None,
            exact: false,
            with_payload: true,
            with_vectors: false,
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

/// A page of documents, ordered by id. A [query](crate::Collection::query) without a query gives pages, too: of what satisfies a filter, and
/// with a [`Cursor`](crate::Cursor) that can be kept and that goes on at the moment of its page.
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
