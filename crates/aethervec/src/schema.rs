//! What a collection is made of.

use crate::error::{Error, Result};
use aether_distance::{ElementType, Metric};
use aether_index::HnswParams;
use std::fmt;

/// What is fixed when a collection is created.
///
/// ```
/// use aethervec::{CollectionSchema, ElementType, IndexConfig, Metric};
///
/// let schema = CollectionSchema {
///     element: ElementType::F16,
///     ..CollectionSchema::new(384, Metric::Cosine, IndexConfig::default())
/// };
/// assert_eq!(schema.element.to_string(), "f16");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CollectionSchema {
    /// Components of each vector: 1 to [`DIM_MAX`](crate::limits::DIM_MAX).
    pub dim: usize,
    /// How vectors are compared.
    pub metric: Metric,
    /// How components are stored.
    pub element: ElementType,
    /// How documents are found.
    pub index: IndexConfig,
}

impl CollectionSchema {
    /// A collection of `f32` vectors.
    pub fn new(dim: usize, metric: Metric, index: IndexConfig) -> CollectionSchema {
        CollectionSchema {
            dim,
            metric,
            element: ElementType::F32,
            index,
        }
    }
}

/// How the documents of a collection are found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum IndexConfig {
    /// No graph: each search compares with every vector, exactly. All vectors are kept in memory, and the first use of
    /// the collection after opening reads them. For small collections and for ground truth.
    Flat,
    /// A navigable small-world graph: approximate and fast. Collections of few documents are searched exactly until a
    /// graph is worthwhile.
    Hnsw(HnswParams),
}

impl IndexConfig {
    /// The names that [`new_with_default_config`](IndexConfig::new_with_default_config) knows.
    pub const NAMES: [&'static str; 2] = ["hnsw", "flat"];

    /// The index called `name`, with its default parameters.
    ///
    /// ```
    /// use aethervec::IndexConfig;
    ///
    /// assert_eq!(IndexConfig::new_with_default_config("hnsw")?, IndexConfig::default());
    /// let error = IndexConfig::new_with_default_config("btree").unwrap_err();
    /// assert_eq!(error.to_string(), "index: \"btree\" is not known: it must be one of hnsw, flat");
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when no index has this name.
    pub fn new_with_default_config(name: &str) -> Result<IndexConfig> {
        match name {
            "hnsw" => Ok(IndexConfig::default()),
            "flat" => Ok(IndexConfig::Flat),
            _ => Err(unknown("index", name, &IndexConfig::NAMES)),
        }
    }

    /// What [`new_with_default_config`](IndexConfig::new_with_default_config) calls it.
    pub fn name(&self) -> &'static str {
        match self {
            IndexConfig::Flat => "flat",
            IndexConfig::Hnsw(_) => "hnsw",
        }
    }
}

/// HNSW with its default parameters.
impl Default for IndexConfig {
    fn default() -> Self {
        IndexConfig::Hnsw(HnswParams::DEFAULT)
    }
}

impl fmt::Display for IndexConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IndexConfig::Flat => f.write_str("flat"),
            IndexConfig::Hnsw(params) => {
                write!(
                    f,
                    "hnsw (m {}, ef_construction {})",
                    params.m, params.ef_construction
                )
            }
        }
    }
}

/// A collection's name and schema.
#[derive(Clone, Debug, PartialEq)]
pub struct CollectionInfo {
    /// Its name.
    pub name: String,
    /// What was fixed when it was created.
    pub schema: CollectionSchema,
}

/// The metric called `name`.
pub(crate) fn parse_metric(name: &str) -> Result<Metric> {
    name.parse()
        .map_err(|_| unknown("metric", name, &["cosine", "l2", "dot"]))
}

/// The element type called `name`.
pub(crate) fn parse_element(name: &str) -> Result<ElementType> {
    name.parse()
        .map_err(|_| unknown("element", name, &["f32", "f16", "u8"]))
}

fn unknown(field: &str, name: &str, known: &[&str]) -> Error {
    Error::invalid(format!(
        "{field}: {name:?} is not known: it must be one of {}",
        known.join(", ")
    ))
}
