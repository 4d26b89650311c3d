//! Searches and queries, and what they find.

use super::language;
use aethervec::{
    DocId, Document, Explanation, FacetCount, FacetRequest, Filter, Path, QueryGroup, QueryHit,
    QueryRequest, QueryResponse, QueryVector, SearchRequest, Vector, VectorValue, Vectors,
};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::time::Duration;
use utoipa::ToSchema;

/// What is near to a vector.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Search {
    /// The vector to search for: an array of numbers, or an object for sparse and binary vectors.
    #[schema(value_type = language::Vector)]
    pub(crate) vector: VectorValue,
    /// The vector field; "" is the default one.
    #[serde(default)]
    pub(crate) using: String,
    /// How many documents.
    #[serde(default = "k")]
    pub(crate) k: usize,
    /// Which documents may be found.
    #[schema(value_type = Option<language::Filter>)]
    pub(crate) filter: Option<Filter>,
    /// Which share of the exact answer is to be found, on average.
    pub(crate) recall: Option<f32>,
    /// How many candidates a search holds. Instead of `recall`.
    pub(crate) ef: Option<usize>,
    /// Compare with every document.
    #[serde(default)]
    pub(crate) exact: bool,
    /// Whether hits carry payloads.
    #[serde(default = "yes")]
    pub(crate) with_payload: bool,
    /// Whether hits carry vectors.
    #[serde(default)]
    pub(crate) with_vectors: bool,
}

/// Several searches of one state.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchBatch {
    pub(crate) requests: Vec<Search>,
}

/// Several queries of one state.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueryBatch {
    #[schema(value_type = Vec<language::Query>)]
    pub(crate) requests: Vec<QueryRequest>,
}

/// Which values of a payload field to count.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Facet {
    /// Path of the field.
    #[schema(value_type = language::Path)]
    pub(crate) path: Path,
    /// Which documents count.
    #[schema(value_type = Option<language::Filter>)]
    pub(crate) filter: Option<Filter>,
    /// How many values, the most frequent ones.
    #[serde(default = "k")]
    pub(crate) limit: usize,
}

/// The most frequent values.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Facets {
    pub(crate) values: Vec<Counted>,
}

/// A value, and how many documents have it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CountedValue)]
pub(crate) struct Counted {
    pub(crate) value: Value,
    pub(crate) count: u64,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Found {
    /// The documents, best first.
    pub(crate) hits: Vec<Hit>,
    /// For the next page; not there when there is nothing more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// What each of several requests has found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FoundBatch {
    /// In the order of the requests.
    pub(crate) results: Vec<Found>,
}

/// A document that was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Hit {
    #[schema(value_type = language::DocId)]
    pub(crate) id: DocId,
    /// How good it is, in the field's metric.
    pub(crate) score: f64,
    /// How far it is: smaller is nearer in every metric. Of searches only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) distance: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) payload: Option<Value>,
    /// Its vectors by field.
    #[serde(skip_serializing_if = "is_empty", serialize_with = "by_field")]
    #[schema(value_type = language::VectorsByField)]
    pub(crate) vectors: Vectors,
}

/// Hits by a value of their payload.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Groups {
    pub(crate) groups: Vec<Group>,
}

/// Hits with the same value.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Group {
    pub(crate) value: Value,
    pub(crate) hits: Vec<Hit>,
    /// The document that is called so in the collection that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<language::Document>)]
    pub(crate) lookup: Option<Document>,
}

/// How a search was answered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Explained {
    /// What was done, in this order.
    pub(crate) steps: Vec<Step>,
    /// How many documents were found.
    pub(crate) hits: usize,
    /// Microseconds that it took.
    pub(crate) took_us: u64,
}

/// A step of a search.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// What was decided, and on what grounds.
    pub(crate) detail: String,
    /// How many points came out of it.
    pub(crate) points: u64,
    /// Microseconds from the beginning of the whole to its own.
    pub(crate) at_us: u64,
    /// Microseconds that it took.
    pub(crate) took_us: u64,
}

fn k() -> usize {
    10
}

fn yes() -> bool {
    true
}

fn is_empty(vectors: &Vectors) -> bool {
    vectors.is_empty()
}

fn by_field<S: Serializer>(vectors: &Vectors, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(vectors.len()))?;
    for (field, vector) in vectors.iter() {
        map.serialize_entry(field, vector)?;
    }
    map.end()
}

impl Search {
    /// As the engine is asked.
    pub(crate) fn request(&self) -> SearchRequest<'_> {
        SearchRequest {
            using: &self.using,
            filter: self.filter.as_ref(),
            recall: self.recall,
            ef: self.ef,
            exact: self.exact,
            with_payload: self.with_payload,
            with_vectors: self.with_vectors,
            ..SearchRequest::new(query_vector(&self.vector), self.k)
        }
    }
}

/// A vector to search for. What requests spell is of `f32`, or not dense.
fn query_vector(vector: &VectorValue) -> QueryVector<'_> {
    match vector {
        VectorValue::Dense(Vector::F32(vector)) => QueryVector::Dense(vector),
        VectorValue::Dense(_) => QueryVector::Dense(&[]),
        VectorValue::Binary(vector) => QueryVector::Binary(vector),
        VectorValue::Sparse(vector) => QueryVector::Sparse(vector),
        VectorValue::Multi(vector) => QueryVector::Multi(vector),
    }
}

impl From<Facet> for FacetRequest {
    fn from(facet: Facet) -> FacetRequest {
        FacetRequest {
            path: facet.path,
            filter: facet.filter,
            limit: facet.limit,
        }
    }
}

impl From<Vec<FacetCount>> for Facets {
    fn from(counts: Vec<FacetCount>) -> Facets {
        let values = counts.into_iter().map(|facet| Counted {
            value: facet.value,
            count: facet.count,
        });
        Facets {
            values: values.collect(),
        }
    }
}

impl From<Vec<aethervec::Hit>> for Found {
    fn from(hits: Vec<aethervec::Hit>) -> Found {
        Found {
            hits: hits.into_iter().map(Hit::from).collect(),
            next: None,
        }
    }
}

impl From<QueryResponse> for Found {
    fn from(response: QueryResponse) -> Found {
        Found {
            hits: response.hits.into_iter().map(Hit::from).collect(),
            next: response.next.map(|cursor| cursor.to_string()),
        }
    }
}

impl<T: Into<Found>> From<Vec<T>> for FoundBatch {
    fn from(results: Vec<T>) -> FoundBatch {
        FoundBatch {
            results: results.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<aethervec::Hit> for Hit {
    fn from(hit: aethervec::Hit) -> Hit {
        Hit {
            id: hit.id,
            score: f64::from(hit.score),
            distance: Some(hit.distance.0),
            payload: hit.payload,
            vectors: hit.vectors,
        }
    }
}

impl From<QueryHit> for Hit {
    fn from(hit: QueryHit) -> Hit {
        Hit {
            id: hit.id,
            score: hit.score,
            distance: None,
            payload: hit.payload,
            vectors: hit.vectors,
        }
    }
}

impl From<Vec<QueryGroup>> for Groups {
    fn from(groups: Vec<QueryGroup>) -> Groups {
        let groups = groups.into_iter().map(|group| Group {
            value: group.value,
            hits: group.hits.into_iter().map(Hit::from).collect(),
            lookup: group.lookup,
        });
        Groups {
            groups: groups.collect(),
        }
    }
}

impl From<Explanation> for Explained {
    fn from(explanation: Explanation) -> Explained {
        Explained {
            steps: explanation.steps.into_iter().map(Step::from).collect(),
            hits: explanation.hits,
            took_us: micros(explanation.took),
        }
    }
}

impl From<aethervec::Step> for Step {
    fn from(step: aethervec::Step) -> Step {
        Step {
            name: step.name,
            detail: step.detail,
            points: step.points,
            at_us: micros(step.at),
            took_us: micros(step.took),
        }
    }
}

/// For a log.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Step {
            name,
            detail,
            points,
            took_us,
            ..
        } = self;
        write!(f, "{name} {took_us} µs, {points} points: {detail}")
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
