//! What the documents of a collection may hold: vector fields, and how they are indexed.

use super::language;
use crate::error::{ApiError, ApiResult};
use aethervec::{
    AutoParams, BinaryField, CollectionSchema, DenseField, ElementType, HnswParams, IndexConfig,
    IvfParams, Metric, MultiField, SparseField, VectorField,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;

/// What a collection's documents may hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Schema {
    /// Components of the default field's vectors; short for `fields` with nothing but a dense field called "".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dim: Option<usize>,
    /// Metric of the default field; with `dim` only. Default: cosine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metric: Option<MetricName>,
    /// The vector fields by name; the one called "" is the default field.
    pub(crate) fields: BTreeMap<String, Field>,
    /// Milliseconds that documents stay that do not say so themselves; none: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ttl_ms: Option<u64>,
    /// Whatever shall be kept with the collection.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = language::Payload)]
    pub(crate) metadata: Map<String, Value>,
}

/// What the vectors of a field are.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Field {
    /// One dense vector to a document.
    Dense {
        /// Components of each vector.
        dim: usize,
        #[serde(default)]
        metric: MetricName,
        #[serde(default)]
        element: Element,
        #[serde(default)]
        index: Index,
    },
    /// Bits, compared by how many differ.
    Binary {
        /// Bits of each vector.
        bits: usize,
    },
    /// Few components out of very many dimensions.
    Sparse {
        /// Whether components of queries count the more, the rarer their dimensions are.
        #[serde(default)]
        idf: bool,
    },
    /// Several dense vectors to a document, compared by MaxSim.
    Multi {
        /// Components of each vector.
        dim: usize,
        #[serde(default)]
        metric: MetricName,
        #[serde(default)]
        element: Element,
    },
}

/// How vectors are compared.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MetricName {
    #[default]
    Cosine,
    L2,
    Dot,
}

/// How components are stored.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Element {
    #[default]
    F32,
    F16,
    U8,
}

/// How vectors are found.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Index {
    /// What suits the vectors: a scan of few, then buckets or a graph.
    Auto {
        /// About so many bytes are to be enough for the index.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        memory_bytes_max: Option<u64>,
    },
    /// A navigable graph.
    Hnsw {
        /// Links of a node.
        #[serde(default = "m")]
        m: u16,
        /// Candidates held while inserting.
        #[serde(default = "ef_construction")]
        ef_construction: u16,
    },
    /// Buckets of what is near to each other.
    Ivf {
        /// Points of a bucket.
        #[serde(default = "bucket_points")]
        bucket_points: u16,
    },
    /// Buckets in the database itself, which maintain themselves: for more vectors than memory holds.
    Drift {
        /// Points of a bucket.
        #[serde(default = "bucket_points")]
        bucket_points: u16,
    },
    /// Each search compares with everything.
    Flat {},
}

fn m() -> u16 {
    HnswParams::DEFAULT.m
}

fn ef_construction() -> u16 {
    HnswParams::DEFAULT.ef_construction
}

fn bucket_points() -> u16 {
    IvfParams::DEFAULT.bucket_points
}

impl Default for Index {
    fn default() -> Self {
        Index::from(&IndexConfig::default())
    }
}

impl TryFrom<Schema> for CollectionSchema {
    type Error = ApiError;

    fn try_from(schema: Schema) -> ApiResult<CollectionSchema> {
        let mut fields = schema.fields;
        if let Some(dim) = schema.dim {
            let field = Field::Dense {
                dim,
                metric: schema.metric.unwrap_or_default(),
                element: Element::default(),
                index: Index::default(),
            };
            if fields.insert(String::new(), field).is_some() {
                return Err(ApiError::invalid(
                    "dim, fields: both say what the default field is: give one of them",
                ));
            }
        } else if schema.metric.is_some() {
            return Err(ApiError::invalid("metric: it needs dim beside it"));
        }
        let fields = fields.into_iter();
        Ok(CollectionSchema {
            fields: fields
                .map(|(name, field)| (name, VectorField::from(field)))
                .collect(),
            ttl: schema.ttl_ms.map(Duration::from_millis),
            metadata: schema.metadata,
        })
    }
}

impl From<&CollectionSchema> for Schema {
    fn from(schema: &CollectionSchema) -> Schema {
        let fields = schema.fields.iter();
        Schema {
            dim: None,
            metric: None,
            fields: fields
                .map(|(name, field)| (name.clone(), Field::from(field)))
                .collect(),
            ttl_ms: schema
                .ttl
                .map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)),
            metadata: schema.metadata.clone(),
        }
    }
}

impl From<Field> for VectorField {
    fn from(field: Field) -> VectorField {
        match field {
            Field::Dense {
                dim,
                metric,
                element,
                index,
            } => VectorField::Dense(DenseField {
                dim,
                metric: metric.into(),
                element: element.into(),
                index: index.into(),
            }),
            Field::Binary { bits } => VectorField::Binary(BinaryField { bits }),
            Field::Sparse { idf } => VectorField::Sparse(SparseField { idf }),
            Field::Multi {
                dim,
                metric,
                element,
            } => VectorField::Multi(MultiField {
                dim,
                metric: metric.into(),
                element: element.into(),
            }),
        }
    }
}

impl From<&VectorField> for Field {
    fn from(field: &VectorField) -> Field {
        match field {
            VectorField::Dense(field) => Field::Dense {
                dim: field.dim,
                metric: field.metric.into(),
                element: field.element.into(),
                index: Index::from(&field.index),
            },
            VectorField::Binary(BinaryField { bits }) => Field::Binary { bits: *bits },
            VectorField::Multi(field) => Field::Multi {
                dim: field.dim,
                metric: field.metric.into(),
                element: field.element.into(),
            },
            field => Field::Sparse {
                idf: *field == VectorField::Sparse(SparseField { idf: true }),
            },
        }
    }
}

impl From<Index> for IndexConfig {
    fn from(index: Index) -> IndexConfig {
        match index {
            Index::Hnsw { m, ef_construction } => {
                IndexConfig::Hnsw(HnswParams { m, ef_construction })
            }
            Index::Ivf { bucket_points } => IndexConfig::Ivf(IvfParams { bucket_points }),
            Index::Drift { bucket_points } => IndexConfig::Drift(IvfParams { bucket_points }),
            Index::Auto { memory_bytes_max } => IndexConfig::Auto(AutoParams { memory_bytes_max }),
            Index::Flat {} => IndexConfig::Flat,
        }
    }
}

impl From<&IndexConfig> for Index {
    fn from(index: &IndexConfig) -> Index {
        match index {
            IndexConfig::Hnsw(params) => Index::Hnsw {
                m: params.m,
                ef_construction: params.ef_construction,
            },
            IndexConfig::Auto(params) => Index::Auto {
                memory_bytes_max: params.memory_bytes_max,
            },
            IndexConfig::Ivf(params) => Index::Ivf {
                bucket_points: params.bucket_points,
            },
            IndexConfig::Drift(params) => Index::Drift {
                bucket_points: params.bucket_points,
            },
            _ => Index::Flat {},
        }
    }
}

impl From<MetricName> for Metric {
    fn from(metric: MetricName) -> Metric {
        match metric {
            MetricName::Cosine => Metric::Cosine,
            MetricName::L2 => Metric::L2Squared,
            MetricName::Dot => Metric::InnerProduct,
        }
    }
}

impl From<Metric> for MetricName {
    fn from(metric: Metric) -> MetricName {
        match metric {
            Metric::Cosine => MetricName::Cosine,
            Metric::L2Squared => MetricName::L2,
            Metric::InnerProduct => MetricName::Dot,
        }
    }
}

impl From<Element> for ElementType {
    fn from(element: Element) -> ElementType {
        match element {
            Element::F32 => ElementType::F32,
            Element::F16 => ElementType::F16,
            Element::U8 => ElementType::U8,
        }
    }
}

impl From<ElementType> for Element {
    fn from(element: ElementType) -> Element {
        match element {
            ElementType::F32 => Element::F32,
            ElementType::F16 => Element::F16,
            ElementType::U8 => Element::U8,
        }
    }
}
