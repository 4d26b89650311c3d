//! Queries: trees of stages in both, and the same kinds of scoring.

use super::{filter, limit, path, vectors};
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{
    self, Direction, Fusion, GroupsRequest, IdfParams, KeySelector, SearchParams, VectorInput,
    WithLookup, WithPayload, WithVector,
};
use aethervec::{
    CollectionSchema, ContextPair, Discover, Effort, Filter, GroupRequest, Input, InputDocument,
    Lookup, Mmr, OrderBy, PayloadIndexInfo, PayloadIndexKind, PayloadSelector, Prefetch, Query,
    QueryRequest, Recommend, RecommendStrategy, Rrf, Sample, VectorSelector, limits,
};
use serde_json::Value;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

const LIMIT_DEFAULT: usize = 10;
const GROUP_SIZE_DEFAULT: usize = 3;
const RRF_K_DEFAULT: u32 = 2;

/// What is known of the collection that requests are about.
#[derive(Debug)]
pub(crate) struct Reader<'c> {
    pub(crate) schema: &'c CollectionSchema,
    pub(crate) indexes: &'c [PayloadIndexInfo],
}

/// What the hits of a request shall look like, where the engine's are not as the dialect's.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Whether scores mean something; else they are 1.
    pub(crate) is_scored: bool,
    /// What hits are ordered by, if that is a value of theirs.
    pub(crate) order_by: Option<OrderBy>,
    pub(crate) with_payload: PayloadSelector,
    pub(crate) with_vectors: VectorSelector,
}

/// What stages have in common.
struct Stage {
    prefetch: Vec<model::Prefetch>,
    query: Option<model::Query>,
    using: String,
    filter: Option<model::Filter>,
    params: Option<SearchParams>,
    lookup_from: Option<model::LookupLocation>,
    limit: usize,
}

/// The same for the engine.
struct Converted {
    prefetch: Vec<Prefetch>,
    query: Option<Query>,
    using: String,
    filter: Option<Filter>,
    effort: Effort,
}

impl Reader<'_> {
    /// The engine's request for `request`.
    pub(crate) fn query(&self, request: model::QueryRequest) -> Result<(QueryRequest, Asked)> {
        let with_payload = payload_selector(request.with_payload, false)?;
        let with_vectors = vector_selector(request.with_vector);
        let limit = limit(request.limit.unwrap_or(LIMIT_DEFAULT))?;
        let stage = self.stage(Stage {
            prefetch: request.prefetch,
            query: request.query,
            using: request.using.unwrap_or_default(),
            filter: request.filter,
            params: request.params,
            lookup_from: request.lookup_from,
            limit,
        })?;
        let order_by = match &stage.query {
            Some(Query::OrderBy(order)) => Some(order.clone()),
            _ => None,
        };
        let asked = Asked {
            is_scored: !matches!(
                stage.query,
                None | Some(Query::OrderBy(_) | Query::Sample(_))
            ),
            order_by,
            with_payload,
            with_vectors,
        };
        let mut converted = QueryRequest::default()
            .limit(limit)
            .offset(request.offset.unwrap_or(0))
            .effort(stage.effort)
            .using(stage.using)
            .with_vectors(asked.with_vectors.clone())
            .with_payload(asked.payload_read());
        converted.prefetch = stage.prefetch;
        converted.query = stage.query;
        converted.filter = stage.filter;
        converted.score_threshold = request.score_threshold.map(f64::from);
        Ok((converted, asked))
    }

    /// The engine's request for groups.
    pub(crate) fn groups(&self, request: GroupsRequest) -> Result<(GroupRequest, Asked)> {
        let (query, asked) = self.query(request.query)?;
        let group_size = limit(request.group_size.unwrap_or(GROUP_SIZE_DEFAULT))?;
        let mut groups = GroupRequest::new(query, path(&request.group_by)?).group_size(group_size);
        groups.lookup = match request.with_lookup {
            None => None,
            Some(WithLookup::Name(collection)) => Some(Lookup {
                collection,
                with_payload: PayloadSelector::All,
                with_vectors: VectorSelector::None,
            }),
            Some(WithLookup::Lookup {
                collection,
                with_payload,
                with_vectors,
            }) => Some(Lookup {
                collection,
                with_payload: payload_selector(with_payload, true)?,
                with_vectors: vector_selector(with_vectors),
            }),
        };
        Ok((groups, asked))
    }

    /// The engine's request for a page in the order of a value.
    pub(crate) fn ordered(
        &self,
        order_by: model::OrderBy,
        filter: Option<model::Filter>,
        limit: usize,
        asked: &mut Asked,
    ) -> Result<QueryRequest> {
        let (order_by, start) = self.order_by(order_by)?;
        asked.order_by = Some(order_by.clone());
        let mut request = QueryRequest::new(Query::OrderBy(order_by))
            .limit(limit)
            .with_payload(asked.payload_read())
            .with_vectors(asked.with_vectors.clone());
        request.filter = both(filter.map(filter::filter).transpose()?, start);
        Ok(request)
    }

    /// The order that `order` asks for, and which documents take part in it.
    fn order_by(&self, order: model::OrderBy) -> Result<(OrderBy, Option<Filter>)> {
        let path = path(&order.key)?;
        let is_moment = |index: &PayloadIndexInfo| {
            index.path == path && index.kind == PayloadIndexKind::Datetime
        };
        let datetime = matches!(order.start_from, Some(Value::String(_)))
            || self.indexes.iter().any(is_moment);
        let mut range = model::Range::default();
        let (direction, start) = match order.direction {
            Direction::Asc => (aethervec::Direction::Asc, &mut range.gte),
            Direction::Desc => (aethervec::Direction::Desc, &mut range.lte),
        };
        *start = order.start_from;
        let start = start.is_some().then(|| {
            filter::condition(model::Condition {
                key: Some(order.key),
                range: Some(range),
                ..model::Condition::default()
            })
        });
        let order_by = OrderBy {
            path,
            direction,
            datetime,
        };
        Ok((order_by, start.transpose()?))
    }

    fn stage(&self, stage: Stage) -> Result<Converted> {
        if stage.query.is_none() && !stage.prefetch.is_empty() {
            return Err(Failure::wrong(
                "A query is needed to merge the prefetches. Can't have prefetches without defining a query.",
            ));
        }
        let mut filter = stage.filter.map(filter::filter).transpose()?;
        let query = match stage.query {
            Some(model::Query::OrderBy(order)) => {
                let (order_by, start) = self.order_by(order)?;
                filter = both(filter, start);
                Some(Query::OrderBy(order_by))
            }
            Some(query) => {
                let inputs = Inputs {
                    schema: self.schema,
                    using: &stage.using,
                    lookup_from: stage.lookup_from,
                };
                Some(inputs.query(query, stage.limit)?)
            }
            None => None,
        };
        let prefetch = stage.prefetch.into_iter().map(|stage| self.prefetch(stage));
        Ok(Converted {
            prefetch: prefetch.collect::<Result<_>>()?,
            query,
            using: stage.using,
            filter,
            effort: effort(stage.params.as_ref())?,
        })
    }

    fn prefetch(&self, prefetch: model::Prefetch) -> Result<Prefetch> {
        let limit = limit(prefetch.limit.unwrap_or(LIMIT_DEFAULT))?;
        let stage = self.stage(Stage {
            prefetch: prefetch.prefetch,
            query: prefetch.query,
            using: prefetch.using.unwrap_or_default(),
            filter: prefetch.filter,
            params: prefetch.params,
            lookup_from: prefetch.lookup_from,
            limit,
        })?;
        let mut converted = Prefetch::default()
            .limit(limit)
            .effort(stage.effort)
            .using(stage.using);
        converted.prefetch = stage.prefetch;
        converted.query = stage.query;
        converted.filter = stage.filter;
        converted.score_threshold = prefetch.score_threshold.map(f64::from);
        Ok(converted)
    }
}

impl Asked {
    /// What is read of payloads: the value that hits are ordered by must be there.
    fn payload_read(&self) -> PayloadSelector {
        match self.order_by {
            Some(_) => PayloadSelector::All,
            None => self.with_payload.clone(),
        }
    }
}

fn both(first: Option<Filter>, second: Option<Filter>) -> Option<Filter> {
    match (first, second) {
        (Some(first), Some(second)) => Some(first.and(second)),
        (first, second) => first.or(second),
    }
}

/// Where the vectors of a query come from.
struct Inputs<'c> {
    schema: &'c CollectionSchema,
    using: &'c str,
    lookup_from: Option<model::LookupLocation>,
}

impl Inputs<'_> {
    fn query(&self, query: model::Query, limit: usize) -> Result<Query> {
        Ok(match query {
            model::Query::Nearest(input) => Query::Nearest(self.input(input)?),
            model::Query::NearestWithMmr(input, mmr) => Query::Mmr(Mmr {
                nearest: self.input(input)?,
                diversity: mmr.diversity.map_or(0.5, f64::from),
                candidates: mmr.candidates_limit.unwrap_or(limit),
            }),
            model::Query::Recommend(recommend) => self.recommend(recommend)?,
            model::Query::Discover(discover) => Query::Discover(Discover {
                target: self.input(discover.target)?,
                context: self.pairs(discover.context)?,
            }),
            model::Query::Context(pairs) => Query::Context(self.pairs(pairs)?),
            model::Query::Fusion(Fusion::Rrf) => rrf(&model::Rrf::default())?,
            model::Query::Fusion(Fusion::Dbsf) => Query::dbsf(),
            model::Query::Rrf(parameters) => rrf(&parameters)?,
            model::Query::Formula(formula) => Query::Formula(aethervec::Formula {
                expression: formula.expression,
                defaults: formula.defaults,
            }),
            model::Query::Sample => Query::Sample(Sample {
                seed: RandomState::new().build_hasher().finish(),
            }),
            model::Query::OrderBy(_) => {
                return Err(Failure::internal("an order has no vectors"));
            }
            model::Query::Unsupported(name) => {
                return Err(Failure::unsupported(format!("a query by {name}")));
            }
        })
    }

    fn recommend(&self, recommend: model::Recommend) -> Result<Query> {
        if recommend.positive.is_empty() && recommend.negative.is_empty() {
            return Err(Failure::wrong(
                "At least one positive or negative vector is required",
            ));
        }
        let strategy = match recommend.strategy {
            None | Some(model::RecommendStrategy::AverageVector) => {
                RecommendStrategy::AverageVector
            }
            Some(model::RecommendStrategy::BestScore) => RecommendStrategy::BestScore,
            Some(model::RecommendStrategy::SumScores) => RecommendStrategy::SumScores,
        };
        Ok(Query::Recommend(Recommend {
            positive: self.inputs(recommend.positive)?,
            negative: self.inputs(recommend.negative)?,
            strategy,
        }))
    }

    fn input(&self, input: VectorInput) -> Result<Input> {
        let field = vectors::field(self.schema, self.using)?;
        match input {
            VectorInput::Id(id) => {
                let lookup = self.lookup_from.as_ref();
                Ok(Input::Document(InputDocument {
                    id: id.0,
                    collection: lookup.map(|from| from.collection.clone()),
                    using: lookup.and_then(|from| from.vector.clone()),
                }))
            }
            VectorInput::Vector(vector) => {
                Ok(Input::Vector(vectors::value(self.using, field, vector)?))
            }
        }
    }

    fn inputs(&self, inputs: Vec<VectorInput>) -> Result<Vec<Input>> {
        inputs.into_iter().map(|input| self.input(input)).collect()
    }

    fn pairs(&self, pairs: Vec<model::ContextPair>) -> Result<Vec<ContextPair>> {
        let pair = |pair: model::ContextPair| {
            Ok(ContextPair {
                positive: self.input(pair.positive)?,
                negative: self.input(pair.negative)?,
            })
        };
        pairs.into_iter().map(pair).collect()
    }
}

/// Ranks begin at 0 in the dialect, and at 1 in the engine.
fn rrf(parameters: &model::Rrf) -> Result<Query> {
    let k = parameters.k.unwrap_or(RRF_K_DEFAULT);
    if k == 0 {
        return Err(Failure::out_of_range("rrf.k", k, "1 or larger"));
    }
    let weights = parameters.weights.iter().flatten();
    Ok(Query::Rrf(Rrf {
        k: f64::from(k - 1),
        weights: weights.map(|weight| f64::from(*weight)).collect(),
    }))
}

fn effort(params: Option<&SearchParams>) -> Result<Effort> {
    if let Some(IdfParams::Corpus(_)) = params.and_then(|params| params.idf.as_ref()) {
        return Err(Failure::unsupported("`idf` of a `corpus`"));
    }
    Ok(match params {
        Some(params) if params.exact == Some(true) => Effort::Exact,
        Some(SearchParams {
            hnsw_ef: Some(ef), ..
        }) if *ef > 0 => Effort::Ef((*ef).min(limits::EF_MAX)),
        _ => Effort::Default,
    })
}

/// What of payloads is asked for; `default` tells whether all is when nothing is said.
pub(crate) fn payload_selector(
    with_payload: Option<WithPayload>,
    default: bool,
) -> Result<PayloadSelector> {
    let paths = |keys: Vec<String>| keys.iter().map(|key| path(key)).collect::<Result<_>>();
    Ok(match with_payload {
        None => default.into(),
        Some(WithPayload::Enable(all)) => all.into(),
        Some(WithPayload::Keys(keys) | WithPayload::Selector(KeySelector::Include(keys))) => {
            PayloadSelector::Include(paths(keys)?)
        }
        Some(WithPayload::Selector(KeySelector::Exclude(keys))) => {
            PayloadSelector::Exclude(paths(keys)?)
        }
    })
}

/// Which vectors are asked for.
pub(crate) fn vector_selector(with_vector: Option<WithVector>) -> VectorSelector {
    match with_vector {
        None => VectorSelector::None,
        Some(WithVector::Enable(all)) => all.into(),
        Some(WithVector::Names(names)) => VectorSelector::Fields(names),
    }
}
