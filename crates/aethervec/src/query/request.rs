//! What can be asked: the request as data, built in Rust or read from JSON. `docs/queries.md` is the manual.

use super::cursor::Cursor;
use super::kinds::Query;
use super::select::{PayloadSelector, VectorSelector};
use crate::error::Result;
use crate::filter::Filter;
use crate::id::DocId;
use crate::limits;
use crate::text::place;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a query shall find, and how.
///
/// A query is a tree. A stage without `prefetch` looks at all documents that its filter lets through; one with `prefetch` looks at
/// the documents that those stages have found: to fuse them, to score them again, or to order them otherwise.
///
/// ```
/// use aethervec::{AetherDB, Document, Filter, IndexConfig, Prefetch, Query, QueryRequest};
/// use serde_json::json;
///
/// # let dir = tempfile::tempdir().unwrap();
/// let db = AetherDB::open(dir.path())?;
/// let notes = db.create_collection("notes", 2, "cosine", IndexConfig::default())?;
/// notes.upsert(Document::new(vec![1.0, 0.0], "a").with_payload(json!({"body": "the red house", "year": 2021})))?;
/// notes.upsert(Document::new(vec![0.8, 0.6], "b").with_payload(json!({"body": "a house by the sea", "year": 2024})))?;
///
/// // Hybrid: what is near, and what has the words, fused.
/// let request = QueryRequest::new(Query::rrf())
///     .prefetch(Prefetch::new(Query::nearest([0.6, 0.8])).limit(50))
///     .prefetch(Prefetch::new(Query::text("body", "sea house")).limit(50))
///     .filter(Filter::gte("year", 2020))
///     .limit(10);
/// assert_eq!(notes.query(&request)?.hits[0].id.to_string(), "b");
/// # Ok::<(), aethervec::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct QueryRequest {
    /// The stages whose results this one begins with; none: all documents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prefetch: Vec<Prefetch>,
    /// How documents are scored and ordered; `None`: by id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<Query>,
    /// The vector field that vectors are compared in; `""` is the default field.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub using: String,
    /// Which documents count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// Worse scores are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_threshold: Option<f64>,
    /// How hard to look for what is near.
    #[serde(skip_serializing_if = "Effort::is_default")]
    pub effort: Effort,
    /// How many hits at most: 1 to [`K_MAX`](crate::limits::K_MAX), together with `offset`.
    pub limit: usize,
    /// So many of the first hits are left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub offset: usize,
    /// Where the page before ended: [`QueryResponse::next`] of its response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// What hits carry of their payloads.
    pub with_payload: PayloadSelector,
    /// Which vectors hits carry.
    pub with_vectors: VectorSelector,
}

/// A stage whose results another stage begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Prefetch {
    /// As [`QueryRequest::prefetch`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prefetch: Vec<Prefetch>,
    /// As [`QueryRequest::query`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<Query>,
    /// As [`QueryRequest::using`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub using: String,
    /// As [`QueryRequest::filter`]. That of the request holds here too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// As [`QueryRequest::score_threshold`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_threshold: Option<f64>,
    /// As [`QueryRequest::effort`].
    #[serde(skip_serializing_if = "Effort::is_default")]
    pub effort: Effort,
    /// How many results at most: 1 to [`K_MAX`](crate::limits::K_MAX).
    pub limit: usize,
}

/// How hard to look for what is near.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Effort {
    /// As is good for most.
    #[default]
    Default,
    /// As much as it takes to find this share of the exact answer, on average: above 0, to 1. The first queries are answered
    /// exactly, and show how much that is.
    Recall(f32),
    /// So many candidates are held by an approximate search: 1 to [`EF_MAX`](crate::limits::EF_MAX).
    Ef(usize),
    /// Compare with every document.
    Exact,
}

impl Effort {
    fn is_default(&self) -> bool {
        *self == Effort::Default
    }
}

/// What a query has found.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct QueryResponse {
    /// The documents, best first; of equal ones the one with the smaller id comes first.
    pub hits: Vec<QueryHit>,
    /// For the next page; `None` when there is nothing more.
    pub next: Option<Cursor>,
}

/// A document that a query found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct QueryHit {
    /// Which document.
    pub id: DocId,
    /// How good it is: see [`Query`] for what that means and which way it goes.
    pub score: f64,
    /// What was asked for of its payload.
    pub payload: Option<Value>,
    /// Its vectors in the fields that were asked for.
    pub vectors: crate::vector::Vectors,
}

impl Default for QueryRequest {
    /// The first documents by id.
    fn default() -> Self {
        QueryRequest {
            prefetch: Vec::new(),
            query: None,
            using: String::new(),
            filter: None,
            score_threshold: None,
            effort: Effort::Default,
            limit: limits::QUERY_LIMIT_DEFAULT,
            offset: 0,
            cursor: None,
            with_payload: PayloadSelector::All,
            with_vectors: VectorSelector::None,
        }
    }
}

impl QueryRequest {
    /// The documents that are best by `query`.
    pub fn new(query: Query) -> QueryRequest {
        QueryRequest {
            query: Some(query),
            ..QueryRequest::default()
        }
    }

    /// The request that `json` spells.
    ///
    /// ```
    /// use aethervec::QueryRequest;
    ///
    /// let request = QueryRequest::from_json(r#"{
    ///     "prefetch": [
    ///         {"query": {"nearest": [0.1, 0.2]}, "limit": 50},
    ///         {"query": {"text": {"path": "body", "words": "red house"}}, "limit": 50}
    ///     ],
    ///     "query": {"rrf": {"k": 60}},
    ///     "filter": {"field": "lang", "eq": "en"},
    ///     "limit": 5
    /// }"#)?;
    /// assert_eq!(request.prefetch.len(), 2);
    ///
    /// let error = QueryRequest::from_json(r#"{"limitt": 5}"#).unwrap_err();
    /// assert!(error.to_string().starts_with("query, line 1, column 2: unknown field `limitt`"));
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid); the message shows the place.
    pub fn from_json(json: &str) -> Result<QueryRequest> {
        serde_json::from_str(json).map_err(|error| place::json_error("query", json, &error))
    }

    /// The same with one more prefetch.
    #[must_use]
    pub fn prefetch(mut self, prefetch: Prefetch) -> QueryRequest {
        self.prefetch.push(prefetch);
        self
    }

    /// The same in another vector field.
    #[must_use]
    pub fn using(self, field: impl Into<String>) -> QueryRequest {
        QueryRequest {
            using: field.into(),
            ..self
        }
    }

    /// The same with this filter.
    #[must_use]
    pub fn filter(self, filter: Filter) -> QueryRequest {
        QueryRequest {
            filter: Some(filter),
            ..self
        }
    }

    /// The same without worse scores.
    #[must_use]
    pub fn score_threshold(self, score: f64) -> QueryRequest {
        QueryRequest {
            score_threshold: Some(score),
            ..self
        }
    }

    /// The same with this effort.
    #[must_use]
    pub fn effort(self, effort: Effort) -> QueryRequest {
        QueryRequest { effort, ..self }
    }

    /// The same with so many hits at most.
    #[must_use]
    pub fn limit(self, limit: usize) -> QueryRequest {
        QueryRequest { limit, ..self }
    }

    /// The same without so many of the first hits.
    #[must_use]
    pub fn offset(self, offset: usize) -> QueryRequest {
        QueryRequest { offset, ..self }
    }

    /// The same from where a page ended.
    #[must_use]
    pub fn cursor(self, cursor: impl Into<Option<Cursor>>) -> QueryRequest {
        QueryRequest {
            cursor: cursor.into(),
            ..self
        }
    }

    /// The same with this of the payloads.
    #[must_use]
    pub fn with_payload(self, with_payload: impl Into<PayloadSelector>) -> QueryRequest {
        QueryRequest {
            with_payload: with_payload.into(),
            ..self
        }
    }

    /// The same with these vectors.
    #[must_use]
    pub fn with_vectors(self, with_vectors: impl Into<VectorSelector>) -> QueryRequest {
        QueryRequest {
            with_vectors: with_vectors.into(),
            ..self
        }
    }
}

impl Default for Prefetch {
    /// The first documents by id.
    fn default() -> Self {
        Prefetch {
            prefetch: Vec::new(),
            query: None,
            using: String::new(),
            filter: None,
            score_threshold: None,
            effort: Effort::Default,
            limit: limits::QUERY_LIMIT_DEFAULT,
        }
    }
}

impl Prefetch {
    /// The documents that are best by `query`.
    pub fn new(query: Query) -> Prefetch {
        Prefetch {
            query: Some(query),
            ..Prefetch::default()
        }
    }

    /// The same with one more prefetch of its own.
    #[must_use]
    pub fn prefetch(mut self, prefetch: Prefetch) -> Prefetch {
        self.prefetch.push(prefetch);
        self
    }

    /// The same in another vector field.
    #[must_use]
    pub fn using(self, field: impl Into<String>) -> Prefetch {
        Prefetch {
            using: field.into(),
            ..self
        }
    }

    /// The same with this filter.
    #[must_use]
    pub fn filter(self, filter: Filter) -> Prefetch {
        Prefetch {
            filter: Some(filter),
            ..self
        }
    }

    /// The same without worse scores.
    #[must_use]
    pub fn score_threshold(self, score: f64) -> Prefetch {
        Prefetch {
            score_threshold: Some(score),
            ..self
        }
    }

    /// The same with this effort.
    #[must_use]
    pub fn effort(self, effort: Effort) -> Prefetch {
        Prefetch { effort, ..self }
    }

    /// The same with so many results at most.
    #[must_use]
    pub fn limit(self, limit: usize) -> Prefetch {
        Prefetch { limit, ..self }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
fn is_zero(number: &usize) -> bool {
    *number == 0
}
