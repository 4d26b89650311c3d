//! How the catalog writes down what a vector field is.

use crate::error::{Error, Result};
use crate::schema::{
    self, AutoParams, BinaryField, DenseField, IndexConfig, MultiField, SparseField, VectorField,
};
use aether_index::{HnswParams, IvfParams};
use serde::{Deserialize, Serialize};

/// What a vector field is.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum KindRecord {
    Dense {
        dim: usize,
        metric: String,
        element: String,
        index: IndexRecord,
    },
    Binary {
        bits: usize,
    },
    Sparse {
        #[serde(skip_serializing_if = "is_false", default)]
        idf: bool,
    },
    Multi {
        dim: usize,
        metric: String,
        element: String,
    },
}

/// How a dense field is searched.
#[derive(Serialize, Deserialize)]
pub(crate) struct IndexRecord {
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    m: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ef_construction: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    bucket_points: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    memory_bytes_max: Option<u64>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl From<&VectorField> for KindRecord {
    fn from(field: &VectorField) -> KindRecord {
        match field {
            VectorField::Dense(field) => KindRecord::Dense {
                dim: field.dim,
                metric: field.metric.to_string(),
                element: field.element.to_string(),
                index: IndexRecord::from(&field.index),
            },
            VectorField::Binary(BinaryField { bits }) => KindRecord::Binary { bits: *bits },
            VectorField::Sparse(SparseField { idf }) => KindRecord::Sparse { idf: *idf },
            VectorField::Multi(field) => KindRecord::Multi {
                dim: field.dim,
                metric: field.metric.to_string(),
                element: field.element.to_string(),
            },
        }
    }
}

impl TryFrom<KindRecord> for VectorField {
    type Error = Error;

    fn try_from(record: KindRecord) -> Result<VectorField> {
        Ok(match record {
            KindRecord::Dense {
                dim,
                metric,
                element,
                index,
            } => VectorField::Dense(DenseField {
                dim,
                metric: schema::parse_metric(&metric)?,
                element: schema::parse_element(&element)?,
                index: IndexConfig::try_from(index)?,
            }),
            KindRecord::Binary { bits } => VectorField::Binary(BinaryField { bits }),
            KindRecord::Sparse { idf } => VectorField::Sparse(SparseField { idf }),
            KindRecord::Multi {
                dim,
                metric,
                element,
            } => VectorField::Multi(MultiField {
                dim,
                metric: schema::parse_metric(&metric)?,
                element: schema::parse_element(&element)?,
            }),
        })
    }
}

impl From<&IndexConfig> for IndexRecord {
    fn from(index: &IndexConfig) -> IndexRecord {
        let mut record = IndexRecord {
            kind: index.name().to_owned(),
            m: None,
            ef_construction: None,
            bucket_points: None,
            memory_bytes_max: None,
        };
        match index {
            IndexConfig::Flat => {}
            IndexConfig::Hnsw(params) => {
                record.m = Some(params.m);
                record.ef_construction = Some(params.ef_construction);
            }
            IndexConfig::Ivf(params) | IndexConfig::Drift(params) => {
                record.bucket_points = Some(params.bucket_points);
            }
            IndexConfig::Auto(params) => record.memory_bytes_max = params.memory_bytes_max,
        }
        record
    }
}

impl TryFrom<IndexRecord> for IndexConfig {
    type Error = Error;

    fn try_from(record: IndexRecord) -> Result<IndexConfig> {
        match record {
            IndexRecord { kind, .. } if kind == "flat" => Ok(IndexConfig::Flat),
            IndexRecord {
                kind,
                memory_bytes_max,
                ..
            } if kind == "auto" => Ok(IndexConfig::Auto(AutoParams { memory_bytes_max })),
            IndexRecord {
                kind,
                m: Some(m),
                ef_construction: Some(ef_construction),
                ..
            } if kind == "hnsw" => Ok(IndexConfig::Hnsw(HnswParams { m, ef_construction })),
            IndexRecord {
                kind,
                bucket_points: Some(bucket_points),
                ..
            } if kind == "ivf" => Ok(IndexConfig::Ivf(IvfParams { bucket_points })),
            IndexRecord {
                kind,
                bucket_points: Some(bucket_points),
                ..
            } if kind == "drift" => Ok(IndexConfig::Drift(IvfParams { bucket_points })),
            IndexRecord { kind, .. } => Err(Error::corruption(format!(
                "index {kind:?} is not known or incomplete"
            ))),
        }
    }
}
