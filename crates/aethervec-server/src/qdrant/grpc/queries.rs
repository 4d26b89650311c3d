//! Queries and what they are made of, also in the older requests.

use super::expression::formula;
use super::filter::{moment, optional};
use super::values::{count, id, need, with_payload, with_vectors};
use super::vectors::{input, inputs, vector};
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{
    Common, ContextPair, Direction, Discover, DiscoverRequest, Fusion, Groups, GroupsRequest,
    IdfParams, LookupLocation, Mmr, NamedVector, OrderBy, Prefetch, QuantizationSearchParams,
    Query, QueryRequest, Recommend, RecommendRequest, RecommendStrategy, Rrf, SearchParams,
    SearchRequest, Vector, VectorInput, WithLookup,
};
use proto::query::Variant;
use qdrant_client::qdrant as proto;
use serde_json::Value;

pub(super) fn query_request(request: proto::QueryPoints) -> Result<QueryRequest> {
    Ok(QueryRequest {
        prefetch: prefetches(request.prefetch)?,
        query: query(request.query)?,
        using: request.using,
        filter: optional(request.filter)?,
        params: request.params.map(params).transpose()?,
        score_threshold: request.score_threshold,
        limit: request.limit.map(count),
        offset: request.offset.map(count),
        with_vector: with_vectors(request.with_vectors),
        with_payload: with_payload(request.with_payload),
        lookup_from: request.lookup_from.map(lookup),
    })
}

pub(super) fn groups_request(request: proto::QueryPointGroups) -> Result<GroupsRequest> {
    Ok(GroupsRequest {
        query: QueryRequest {
            prefetch: prefetches(request.prefetch)?,
            query: query(request.query)?,
            using: request.using,
            filter: optional(request.filter)?,
            params: request.params.map(params).transpose()?,
            score_threshold: request.score_threshold,
            limit: request.limit.map(count),
            offset: None,
            with_vector: with_vectors(request.with_vectors),
            with_payload: with_payload(request.with_payload),
            lookup_from: request.lookup_from.map(lookup),
        },
        group_by: request.group_by,
        group_size: request.group_size.map(count),
        with_lookup: request.with_lookup.map(with_lookup),
    })
}

fn with_lookup(lookup: proto::WithLookup) -> WithLookup {
    WithLookup::Lookup {
        collection: lookup.collection,
        with_payload: with_payload(lookup.with_payload),
        with_vectors: with_vectors(lookup.with_vectors),
    }
}

fn prefetches(all: Vec<proto::PrefetchQuery>) -> Result<Vec<Prefetch>> {
    let prefetch = |prefetch: proto::PrefetchQuery| {
        Ok(Prefetch {
            prefetch: prefetches(prefetch.prefetch)?,
            query: query(prefetch.query)?,
            using: prefetch.using,
            filter: optional(prefetch.filter)?,
            params: prefetch.params.map(params).transpose()?,
            score_threshold: prefetch.score_threshold,
            limit: prefetch.limit.map(count),
            lookup_from: prefetch.lookup_from.map(lookup),
        })
    };
    all.into_iter().map(prefetch).collect()
}

fn query(query: Option<proto::Query>) -> Result<Option<Query>> {
    let Some(query) = query else { return Ok(None) };
    Ok(Some(match need(query.variant, "the kind of a query")? {
        Variant::Nearest(vector) => Query::Nearest(input(Some(vector))?),
        Variant::NearestWithMmr(nearest) => {
            let mmr = nearest.mmr.unwrap_or_default();
            Query::NearestWithMmr(
                input(nearest.nearest)?,
                Mmr {
                    diversity: mmr.diversity,
                    candidates_limit: mmr.candidates_limit.map(|limit| limit as usize),
                },
            )
        }
        Variant::Recommend(recommend) => Query::Recommend(Recommend {
            positive: inputs(recommend.positive)?,
            negative: inputs(recommend.negative)?,
            strategy: strategy(recommend.strategy)?,
        }),
        Variant::Discover(discover) => Query::Discover(Discover {
            target: input(discover.target)?,
            context: pairs(discover.context.unwrap_or_default())?,
        }),
        Variant::Context(context) => Query::Context(pairs(context)?),
        Variant::OrderBy(order) => Query::OrderBy(order_by(order)?),
        Variant::Fusion(fusion) => Query::Fusion(match proto::Fusion::try_from(fusion) {
            Ok(proto::Fusion::Rrf) => Fusion::Rrf,
            Ok(proto::Fusion::Dbsf) => Fusion::Dbsf,
            Err(_) => return Err(Failure::wrong(format!("fusion {fusion} is not known"))),
        }),
        Variant::Rrf(rrf) => Query::Rrf(Rrf {
            k: rrf.k,
            weights: (!rrf.weights.is_empty()).then_some(rrf.weights),
        }),
        Variant::Formula(of) => Query::Formula(formula(of)?),
        Variant::Sample(_) => Query::Sample,
        Variant::RelevanceFeedback(_) => Query::Unsupported("relevance_feedback"),
        Variant::Text(_) => Query::Unsupported("text"),
    }))
}

fn pairs(context: proto::ContextInput) -> Result<Vec<ContextPair>> {
    let pair = |pair: proto::ContextInputPair| {
        Ok(ContextPair {
            positive: input(pair.positive)?,
            negative: input(pair.negative)?,
        })
    };
    context.pairs.into_iter().map(pair).collect()
}

fn strategy(strategy: Option<i32>) -> Result<Option<RecommendStrategy>> {
    let Some(strategy) = strategy else {
        return Ok(None);
    };
    Ok(Some(match proto::RecommendStrategy::try_from(strategy) {
        Ok(proto::RecommendStrategy::AverageVector) => RecommendStrategy::AverageVector,
        Ok(proto::RecommendStrategy::BestScore) => RecommendStrategy::BestScore,
        Ok(proto::RecommendStrategy::SumScores) => RecommendStrategy::SumScores,
        Err(_) => return Err(Failure::wrong(format!("strategy {strategy} is not known"))),
    }))
}

pub(super) fn order_by(order: proto::OrderBy) -> Result<OrderBy> {
    use proto::start_from::Value::{Datetime, Float, Integer, Timestamp};
    let direction = order.direction.unwrap_or_default();
    let start_from = order.start_from.and_then(|start| start.value);
    Ok(OrderBy {
        key: order.key,
        direction: match proto::Direction::try_from(direction) {
            Ok(proto::Direction::Asc) => Direction::Asc,
            Ok(proto::Direction::Desc) => Direction::Desc,
            Err(_) => {
                return Err(Failure::wrong(format!(
                    "direction {direction} is not known"
                )));
            }
        },
        start_from: start_from.map(|start| match start {
            Float(number) => Value::from(number),
            Integer(number) => Value::from(number),
            Timestamp(at) => moment(&at),
            Datetime(text) => Value::from(text),
        }),
    })
}

fn params(params: proto::SearchParams) -> Result<SearchParams> {
    let corpus = optional(params.idf.and_then(|idf| idf.corpus))?;
    let quantization = params.quantization;
    Ok(SearchParams {
        hnsw_ef: params.hnsw_ef.map(count),
        exact: params.exact,
        quantization: quantization.map(|quantization| QuantizationSearchParams {
            oversampling: quantization.oversampling,
        }),
        idf: corpus.map(IdfParams::Corpus),
    })
}

fn lookup(location: proto::LookupLocation) -> LookupLocation {
    LookupLocation {
        collection: location.collection_name,
        vector: location.vector_name,
    }
}

pub(super) fn search(request: proto::SearchPoints) -> Result<QueryRequest> {
    let vector = given(request.vector, request.sparse_indices)?;
    let search = SearchRequest {
        vector: named(request.vector_name, vector),
        common: Common {
            filter: optional(request.filter)?,
            params: request.params.map(params).transpose()?,
            limit: Some(count(request.limit)),
            offset: request.offset.map(count),
            with_payload: with_payload(request.with_payload),
            with_vector: with_vectors(request.with_vectors),
            score_threshold: request.score_threshold,
        },
    };
    Ok(search.into())
}

pub(super) fn search_groups(request: proto::SearchPointGroups) -> Result<GroupsRequest> {
    let vector = given(request.vector, request.sparse_indices)?;
    let search = SearchRequest {
        vector: named(request.vector_name, vector),
        common: Common {
            filter: optional(request.filter)?,
            params: request.params.map(params).transpose()?,
            limit: Some(request.limit as usize),
            offset: None,
            with_payload: with_payload(request.with_payload),
            with_vector: with_vectors(request.with_vectors),
            score_threshold: request.score_threshold,
        },
    };
    Ok(GroupsRequest::from(Groups {
        request: search,
        group_by: request.group_by,
        group_size: Some(request.group_size as usize),
        with_lookup: request.with_lookup.map(with_lookup),
    }))
}

/// A vector that is sparse if it has indices.
fn given(values: Vec<f32>, indices: Option<proto::SparseIndices>) -> Result<Vector> {
    match indices {
        Some(indices) => Vector::sparse(indices.data, values).map_err(Failure::wrong),
        None => Ok(Vector::Dense(values)),
    }
}

fn named(name: Option<String>, vector: Vector) -> NamedVector {
    match name {
        Some(name) => NamedVector::Named { name, vector },
        None => NamedVector::Default(vector),
    }
}

/// Examples: points, and then vectors.
fn examples(ids: Vec<proto::PointId>, vectors: Vec<proto::Vector>) -> Result<Vec<VectorInput>> {
    let ids = ids.into_iter().map(|point| Ok(VectorInput::Id(id(point)?)));
    let vectors = vectors.into_iter().map(|one| Ok(vector(one)?.into()));
    ids.chain(vectors).collect()
}

pub(super) fn recommend(request: proto::RecommendPoints) -> Result<QueryRequest> {
    let recommend = RecommendRequest {
        positive: examples(request.positive, request.positive_vectors)?,
        negative: examples(request.negative, request.negative_vectors)?,
        strategy: strategy(request.strategy)?,
        using: request.using,
        lookup_from: request.lookup_from.map(lookup),
        common: Common {
            filter: optional(request.filter)?,
            params: request.params.map(params).transpose()?,
            limit: Some(count(request.limit)),
            offset: request.offset.map(count),
            with_payload: with_payload(request.with_payload),
            with_vector: with_vectors(request.with_vectors),
            score_threshold: request.score_threshold,
        },
    };
    Ok(recommend.into())
}

pub(super) fn recommend_groups(request: proto::RecommendPointGroups) -> Result<GroupsRequest> {
    let recommend = RecommendRequest {
        positive: examples(request.positive, request.positive_vectors)?,
        negative: examples(request.negative, request.negative_vectors)?,
        strategy: strategy(request.strategy)?,
        using: request.using,
        lookup_from: request.lookup_from.map(lookup),
        common: Common {
            filter: optional(request.filter)?,
            params: request.params.map(params).transpose()?,
            limit: Some(request.limit as usize),
            offset: None,
            with_payload: with_payload(request.with_payload),
            with_vector: with_vectors(request.with_vectors),
            score_threshold: request.score_threshold,
        },
    };
    Ok(GroupsRequest::from(Groups {
        request: recommend,
        group_by: request.group_by,
        group_size: Some(request.group_size as usize),
        with_lookup: request.with_lookup.map(with_lookup),
    }))
}

pub(super) fn discover(request: proto::DiscoverPoints) -> Result<QueryRequest> {
    let target = request.target.and_then(|target| target.target);
    let target = target.map(|proto::target_vector::Target::Single(one)| example(Some(one)));
    let pair = |pair: proto::ContextExamplePair| {
        Ok(ContextPair {
            positive: example(pair.positive)?,
            negative: example(pair.negative)?,
        })
    };
    let context = request.context.into_iter().map(pair);
    let discover = DiscoverRequest {
        target: target.transpose()?,
        context: Some(context.collect::<Result<_>>()?),
        using: request.using,
        lookup_from: request.lookup_from.map(lookup),
        common: Common {
            filter: optional(request.filter)?,
            params: request.params.map(params).transpose()?,
            limit: Some(count(request.limit)),
            offset: request.offset.map(count),
            with_payload: with_payload(request.with_payload),
            with_vector: with_vectors(request.with_vectors),
            score_threshold: None,
        },
    };
    Ok(discover.into())
}

fn example(example: Option<proto::VectorExample>) -> Result<VectorInput> {
    use proto::vector_example::Example::{Id, Vector};
    match need(example.and_then(|example| example.example), "an example")? {
        Id(point) => Ok(VectorInput::Id(id(point)?)),
        Vector(given) => Ok(vector(given)?.into()),
    }
}
