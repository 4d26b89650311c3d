//! The older requests to search, recommend and discover: each is a query.

use super::{
    ContextPair, Discover, Filter, GroupsRequest, LookupLocation, Query, QueryRequest, Recommend,
    RecommendStrategy, SearchParams, Vector, VectorInput, WithLookup, WithPayload, WithVector,
};
use serde::Deserialize;

/// What these requests have in common.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Common {
    pub(crate) filter: Option<Filter>,
    pub(crate) params: Option<SearchParams>,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: Option<usize>,
    pub(crate) with_payload: Option<WithPayload>,
    #[serde(alias = "with_vectors")]
    pub(crate) with_vector: Option<WithVector>,
    pub(crate) score_threshold: Option<f32>,
}

impl Common {
    fn query(self, query: Query) -> QueryRequest {
        QueryRequest {
            query: Some(query),
            filter: self.filter,
            params: self.params,
            limit: self.limit,
            offset: self.offset,
            with_payload: self.with_payload,
            with_vector: self.with_vector,
            score_threshold: self.score_threshold,
            ..QueryRequest::default()
        }
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct SearchRequest {
    pub(crate) vector: NamedVector,
    #[serde(flatten)]
    pub(crate) common: Common,
}

/// A vector, with the name of its field or without.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum NamedVector {
    Named { name: String, vector: Vector },
    Default(Vector),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct RecommendRequest {
    #[serde(default)]
    pub(crate) positive: Vec<VectorInput>,
    #[serde(default)]
    pub(crate) negative: Vec<VectorInput>,
    #[serde(default)]
    pub(crate) strategy: Option<RecommendStrategy>,
    #[serde(default)]
    pub(crate) using: Option<String>,
    #[serde(default)]
    pub(crate) lookup_from: Option<LookupLocation>,
    #[serde(flatten)]
    pub(crate) common: Common,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct DiscoverRequest {
    #[serde(default)]
    pub(crate) target: Option<VectorInput>,
    #[serde(default)]
    pub(crate) context: Option<Vec<ContextPair>>,
    #[serde(default)]
    pub(crate) using: Option<String>,
    #[serde(default)]
    pub(crate) lookup_from: Option<LookupLocation>,
    #[serde(flatten)]
    pub(crate) common: Common,
}

/// Several requests that see one state.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Searches<T> {
    pub(crate) searches: Vec<T>,
}

/// A request whose results come in groups.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Groups<T> {
    #[serde(flatten)]
    pub(crate) request: T,
    pub(crate) group_by: String,
    #[serde(default)]
    pub(crate) group_size: Option<usize>,
    #[serde(default)]
    pub(crate) with_lookup: Option<WithLookup>,
}

impl From<SearchRequest> for QueryRequest {
    fn from(request: SearchRequest) -> QueryRequest {
        let (using, vector) = match request.vector {
            NamedVector::Named { name, vector } => (Some(name), vector),
            NamedVector::Default(vector) => (None, vector),
        };
        QueryRequest {
            using,
            ..request.common.query(Query::Nearest(vector.into()))
        }
    }
}

impl From<RecommendRequest> for QueryRequest {
    fn from(request: RecommendRequest) -> QueryRequest {
        let recommend = Recommend {
            positive: request.positive,
            negative: request.negative,
            strategy: request.strategy,
        };
        QueryRequest {
            using: request.using,
            lookup_from: request.lookup_from,
            ..request.common.query(Query::Recommend(recommend))
        }
    }
}

impl From<DiscoverRequest> for QueryRequest {
    fn from(request: DiscoverRequest) -> QueryRequest {
        let context = request.context.unwrap_or_default();
        let query = match request.target {
            Some(target) => Query::Discover(Discover { target, context }),
            None => Query::Context(context),
        };
        QueryRequest {
            using: request.using,
            lookup_from: request.lookup_from,
            ..request.common.query(query)
        }
    }
}

impl<T: Into<QueryRequest>> From<Groups<T>> for GroupsRequest {
    fn from(groups: Groups<T>) -> GroupsRequest {
        GroupsRequest {
            query: groups.request.into(),
            group_by: groups.group_by,
            group_size: groups.group_size,
            with_lookup: groups.with_lookup,
        }
    }
}
