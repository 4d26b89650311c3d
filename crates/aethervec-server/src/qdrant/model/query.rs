//! Requests that read points.

use super::vectors::vector_of_list;
use super::{Filter, Formula, PointId, Vector, WithPayload, WithVector, one_or_many};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// What a query shall find.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct QueryRequest {
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) prefetch: Vec<Prefetch>,
    pub(crate) query: Option<Query>,
    pub(crate) using: Option<String>,
    pub(crate) filter: Option<Filter>,
    pub(crate) params: Option<SearchParams>,
    pub(crate) score_threshold: Option<f32>,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: Option<usize>,
    #[serde(alias = "with_vectors")]
    pub(crate) with_vector: Option<WithVector>,
    pub(crate) with_payload: Option<WithPayload>,
    pub(crate) lookup_from: Option<LookupLocation>,
}

/// A stage whose results another one begins with.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Prefetch {
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) prefetch: Vec<Prefetch>,
    pub(crate) query: Option<Query>,
    pub(crate) using: Option<String>,
    pub(crate) filter: Option<Filter>,
    pub(crate) params: Option<SearchParams>,
    pub(crate) score_threshold: Option<f32>,
    pub(crate) limit: Option<usize>,
    pub(crate) lookup_from: Option<LookupLocation>,
}

/// Several queries that see one state.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct QueryBatch {
    pub(crate) searches: Vec<QueryRequest>,
}

/// A query whose results come in groups.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct GroupsRequest {
    #[serde(flatten)]
    pub(crate) query: QueryRequest,
    pub(crate) group_by: String,
    #[serde(default)]
    pub(crate) group_size: Option<usize>,
    #[serde(default)]
    pub(crate) with_lookup: Option<WithLookup>,
}

/// What groups carry from another collection: its name, or more.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum WithLookup {
    Name(String),
    Lookup {
        collection: String,
        #[serde(default)]
        with_payload: Option<WithPayload>,
        #[serde(default, alias = "with_vector")]
        with_vectors: Option<WithVector>,
    },
}

/// How points are scored and ordered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Query {
    Nearest(VectorInput),
    NearestWithMmr(VectorInput, Mmr),
    Recommend(Recommend),
    Discover(Discover),
    Context(Vec<ContextPair>),
    OrderBy(OrderBy),
    Fusion(Fusion),
    Rrf(Rrf),
    Formula(Formula),
    Sample,
    /// What is known to the dialect, and not to us: its name.
    Unsupported(&'static str),
}

/// A vector, or a point that has one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum VectorInput {
    Id(PointId),
    Vector(Vector),
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Mmr {
    pub(crate) diversity: Option<f32>,
    pub(crate) candidates_limit: Option<usize>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Recommend {
    #[serde(deserialize_with = "nullable")]
    pub(crate) positive: Vec<VectorInput>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) negative: Vec<VectorInput>,
    pub(crate) strategy: Option<RecommendStrategy>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RecommendStrategy {
    AverageVector,
    BestScore,
    SumScores,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Discover {
    pub(crate) target: VectorInput,
    #[serde(default, deserialize_with = "one_or_many")]
    pub(crate) context: Vec<ContextPair>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct ContextPair {
    pub(crate) positive: VectorInput,
    pub(crate) negative: VectorInput,
}

/// The order of a value in the payload: its key, or more.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "OrderByJson")]
pub(crate) struct OrderBy {
    pub(crate) key: String,
    pub(crate) direction: Direction,
    /// A number, or a string that names a moment.
    pub(crate) start_from: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OrderByJson {
    Key(String),
    Object {
        key: String,
        #[serde(default)]
        direction: Option<Direction>,
        #[serde(default)]
        start_from: Option<Value>,
    },
}

impl From<OrderByJson> for OrderBy {
    fn from(json: OrderByJson) -> OrderBy {
        match json {
            OrderByJson::Key(key) => OrderBy {
                key,
                ..OrderBy::default()
            },
            OrderByJson::Object {
                key,
                direction,
                start_from,
            } => OrderBy {
                key,
                direction: direction.unwrap_or_default(),
                start_from,
            },
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    #[default]
    Asc,
    Desc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fusion {
    Rrf,
    Dbsf,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Rrf {
    pub(crate) k: Option<u32>,
    pub(crate) weights: Option<Vec<f32>>,
}

/// How hard to look. What is about the layout of indexes that are not ours is accepted and has no effect.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct SearchParams {
    pub(crate) hnsw_ef: Option<usize>,
    pub(crate) exact: Option<bool>,
    pub(crate) quantization: Option<QuantizationSearchParams>,
    pub(crate) idf: Option<IdfParams>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct QuantizationSearchParams {
    pub(crate) oversampling: Option<f64>,
}

/// What the rarity of a sparse vector's dimensions is counted in.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum IdfParams {
    Global,
    Corpus(Filter),
}

/// Where the vectors of points are looked up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct LookupLocation {
    pub(crate) collection: String,
    #[serde(default)]
    pub(crate) vector: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct PointsRequest {
    pub(crate) ids: Vec<PointId>,
    #[serde(default)]
    pub(crate) with_payload: Option<WithPayload>,
    #[serde(default, alias = "with_vectors")]
    pub(crate) with_vector: Option<WithVector>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ScrollRequest {
    pub(crate) offset: Option<PointId>,
    pub(crate) limit: Option<usize>,
    pub(crate) filter: Option<Filter>,
    pub(crate) with_payload: Option<WithPayload>,
    #[serde(alias = "with_vectors")]
    pub(crate) with_vector: Option<WithVector>,
    pub(crate) order_by: Option<OrderBy>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct CountRequest {
    pub(crate) filter: Option<Filter>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct FacetRequest {
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) filter: Option<Filter>,
    #[serde(default)]
    pub(crate) limit: Option<usize>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct MatrixRequest {
    pub(crate) filter: Option<Filter>,
    pub(crate) sample: Option<usize>,
    pub(crate) limit: Option<usize>,
    pub(crate) using: Option<String>,
}

/// `null` is an empty list.
fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The objects that a query, or a vector in one, can be; the fields of one kind are there.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct QueryObject {
    nearest: Option<VectorInput>,
    mmr: Option<Mmr>,
    recommend: Option<Recommend>,
    discover: Option<Discover>,
    #[serde(deserialize_with = "pairs")]
    context: Option<Vec<ContextPair>>,
    order_by: Option<OrderBy>,
    fusion: Option<Fusion>,
    rrf: Option<Rrf>,
    formula: Option<Value>,
    defaults: Option<Value>,
    sample: Option<Sample>,
    relevance_feedback: Option<Value>,
    text: Option<Value>,
    image: Option<Value>,
    object: Option<Value>,
    model: Option<Value>,
    options: Option<Value>,
    indices: Option<Vec<u32>>,
    values: Option<Vec<f32>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sample {
    Random,
}

fn pairs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<ContextPair>>, D::Error> {
    one_or_many(deserializer).map(Some)
}

impl QueryObject {
    fn into_query(self) -> Result<Query, String> {
        let queries = [
            self.recommend.map(Query::Recommend),
            self.discover.map(Query::Discover),
            self.context.map(Query::Context),
            self.order_by.map(Query::OrderBy),
            self.fusion.map(Query::Fusion),
            self.rrf.map(Query::Rrf),
            self.sample.map(|Sample::Random| Query::Sample),
            self.relevance_feedback
                .map(|_| Query::Unsupported("relevance_feedback")),
        ];
        let mut queries = queries.into_iter().flatten();
        if let Some(query) = queries.next() {
            return Ok(query);
        }
        match (self.nearest, self.mmr, self.formula) {
            (Some(nearest), None, None) => return Ok(Query::Nearest(nearest)),
            (Some(nearest), Some(mmr), None) => return Ok(Query::NearestWithMmr(nearest, mmr)),
            (None, None, Some(formula)) => {
                return Formula::from_json(formula, self.defaults).map(Query::Formula);
            }
            _ => {}
        }
        match (self.indices, self.values) {
            (Some(indices), Some(values)) => {
                Vector::sparse(indices, values).map(|vector| Query::Nearest(vector.into()))
            }
            _ if self.text.is_some() || self.image.is_some() || self.object.is_some() => {
                Err(super::vectors::NO_INFERENCE.to_owned())
            }
            _ => Err("the query says nothing that is known".to_owned()),
        }
    }
}

impl From<Vector> for VectorInput {
    fn from(vector: Vector) -> VectorInput {
        VectorInput::Vector(vector)
    }
}

impl<'de> Deserialize<'de> for Query {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Query, D::Error> {
        struct QueryVisitor;

        impl<'de> Visitor<'de> for QueryVisitor {
            type Value = Query;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a query: a vector, the ID of a point, or an object such as {\"recommend\": …}",
                )
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Query, E> {
                Ok(Query::Nearest(VectorInput::Id(PointId(number.into()))))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Query, E> {
                let id = PointId::parse(text).map_err(E::custom)?;
                Ok(Query::Nearest(VectorInput::Id(id)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Query, A::Error> {
                Ok(Query::Nearest(vector_of_list(seq)?.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Query, A::Error> {
                let object = QueryObject::deserialize(MapAccessDeserializer::new(map))?;
                object.into_query().map_err(de::Error::custom)
            }
        }

        deserializer.deserialize_any(QueryVisitor)
    }
}

impl<'de> Deserialize<'de> for VectorInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<VectorInput, D::Error> {
        struct InputVisitor;

        impl<'de> Visitor<'de> for InputVisitor {
            type Value = VectorInput;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a vector, or the ID of a point")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<VectorInput, E> {
                Ok(VectorInput::Id(PointId(number.into())))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<VectorInput, E> {
                PointId::parse(text).map(VectorInput::Id).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<VectorInput, A::Error> {
                Ok(vector_of_list(seq)?.into())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<VectorInput, A::Error> {
                let vector = Vector::deserialize(MapAccessDeserializer::new(map))?;
                Ok(VectorInput::Vector(vector))
            }
        }

        deserializer.deserialize_any(InputVisitor)
    }
}
