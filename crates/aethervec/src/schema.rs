//! What a collection is made of.

use crate::error::{Error, Result};
use aether_distance::{ElementType, Metric};
use aether_index::{HnswParams, IvfParams};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What a collection's documents may hold.
///
/// ```
/// use aethervec::{BinaryField, CollectionSchema, DenseField, ElementType, IndexConfig, Metric, SparseField};
///
/// let schema = CollectionSchema::new(384, Metric::Cosine, IndexConfig::default())
///     .with_field("image", DenseField {
///         element: ElementType::F16,
///         ..DenseField::new(512, Metric::Cosine, IndexConfig::default())
///     })
///     .with_field("fingerprint", BinaryField { bits: 256 })
///     .with_field("words", SparseField::default());
/// assert_eq!(schema.fields.len(), 4);
/// assert_eq!(schema.dense("image").map(|field| field.dim), Some(512));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CollectionSchema {
    /// The vector fields by name: at most [`VECTOR_FIELDS_MAX`](crate::limits::VECTOR_FIELDS_MAX). The one called `""` is the
    /// default field. A document may lack a vector in any of them.
    pub fields: BTreeMap<String, VectorField>,
    /// How long documents stay that do not say so themselves, from when they are written; none: for ever.
    pub ttl: Option<Duration>,
    /// Whatever shall be kept with the collection: at most [`METADATA_BYTES_MAX`](crate::limits::METADATA_BYTES_MAX) of JSON.
    pub metadata: Map<String, Value>,
}

impl CollectionSchema {
    /// A default field of `f32` vectors.
    pub fn new(dim: usize, metric: Metric, index: IndexConfig) -> CollectionSchema {
        CollectionSchema::of(DenseField::new(dim, metric, index))
    }

    /// This default field, and no other.
    pub fn of(field: impl Into<VectorField>) -> CollectionSchema {
        CollectionSchema::default().with_field("", field)
    }

    /// The same with this field.
    #[must_use]
    pub fn with_field(
        mut self,
        name: impl Into<String>,
        field: impl Into<VectorField>,
    ) -> CollectionSchema {
        self.fields.insert(name.into(), field.into());
        self
    }

    /// The field called `name`, if there is one and it is dense.
    pub fn dense(&self, name: &str) -> Option<&DenseField> {
        match self.fields.get(name)? {
            VectorField::Dense(field) => Some(field),
            _ => None,
        }
    }
}

/// What the vectors of a field are, and how they are compared and found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum VectorField {
    /// One dense vector to a document.
    Dense(DenseField),
    /// Bits, compared by how many differ.
    Binary(BinaryField),
    /// Few components out of very many dimensions, compared by the inner product.
    Sparse(SparseField),
    /// Several dense vectors to a document, compared by MaxSim.
    Multi(MultiField),
}

impl VectorField {
    /// What the documentation calls its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            VectorField::Dense(_) => "dense",
            VectorField::Binary(_) => "binary",
            VectorField::Sparse(_) => "sparse",
            VectorField::Multi(_) => "multi",
        }
    }
}

/// A field with one dense vector to a document.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseField {
    /// Components of each vector: 1 to [`DIM_MAX`](crate::limits::DIM_MAX).
    pub dim: usize,
    /// How vectors are compared.
    pub metric: Metric,
    /// How components are stored.
    pub element: ElementType,
    /// How vectors are found.
    pub index: IndexConfig,
}

impl DenseField {
    /// A field of `f32` vectors.
    pub fn new(dim: usize, metric: Metric, index: IndexConfig) -> DenseField {
        DenseField {
            dim,
            metric,
            element: ElementType::F32,
            index,
        }
    }
}

/// A field of bits. Each search compares with all, exactly: they are kept in memory, and the first use of the collection
/// after opening reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinaryField {
    /// Bits of each vector: 1 to [`BITS_MAX`](crate::limits::BITS_MAX).
    pub bits: usize,
}

/// A field of sparse vectors. Searches are exact, and look only at vectors that share a dimension with the query: the
/// others, whose inner product is 0, are not found. Kept in memory, and read by the first use after opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SparseField {
    /// Whether the components of a query count the more, the rarer their dimensions are: each is multiplied by
    /// `ln(1 + (n - f + 0.5) / (f + 0.5))` first, where `n` documents have a vector in this field and `f` of these a component in
    /// that dimension (BM25's inverse document frequency). What is counted is all that the reader sees, whatever its filter,
    /// but for what its own transaction has staged.
    pub idf: bool,
}

/// A field with several dense vectors to a document, at most [`MULTI_VECTORS_MAX`](crate::limits::MULTI_VECTORS_MAX).
///
/// *MaxSim*: for each vector of the query the similarity of the one that is most similar to it, and the sum of these.
/// Each search compares with all, exactly: they are kept in memory, and the first use of the collection after opening
/// reads them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MultiField {
    /// Components of each vector: 1 to [`DIM_MAX`](crate::limits::DIM_MAX).
    pub dim: usize,
    /// How two vectors are compared. The similarity is the cosine for `cosine`, the inner product for `dot`, and the
    /// negated squared distance for `l2`.
    pub metric: Metric,
    /// How components are stored.
    pub element: ElementType,
}

impl MultiField {
    /// A field of `f32` vectors.
    pub fn new(dim: usize, metric: Metric) -> MultiField {
        MultiField {
            dim,
            metric,
            element: ElementType::F32,
        }
    }
}

impl From<DenseField> for VectorField {
    fn from(field: DenseField) -> VectorField {
        VectorField::Dense(field)
    }
}

impl From<BinaryField> for VectorField {
    fn from(field: BinaryField) -> VectorField {
        VectorField::Binary(field)
    }
}

impl From<SparseField> for VectorField {
    fn from(field: SparseField) -> VectorField {
        VectorField::Sparse(field)
    }
}

impl From<MultiField> for VectorField {
    fn from(field: MultiField) -> VectorField {
        VectorField::Multi(field)
    }
}

impl fmt::Display for VectorField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VectorField::Dense(DenseField {
                dim,
                metric,
                element,
                index,
            }) => write!(f, "dense (dim {dim}, {metric}, {element}), {index}"),
            VectorField::Binary(BinaryField { bits }) => write!(f, "binary ({bits} bits)"),
            VectorField::Sparse(SparseField { idf }) => {
                f.write_str(if *idf { "sparse (idf)" } else { "sparse" })
            }
            VectorField::Multi(MultiField {
                dim,
                metric,
                element,
            }) => write!(f, "multi (dim {dim}, {metric}, {element})"),
        }
    }
}

/// How the vectors of a dense field are found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum IndexConfig {
    /// None: each search compares with every vector, exactly. All vectors are kept in memory, and the first use of
    /// the collection after opening reads them. For few vectors and for ground truth.
    Flat,
    /// A navigable small-world graph: approximate and fast. Few vectors are searched exactly until a graph is
    /// worthwhile.
    Hnsw(HnswParams),
    /// Buckets of short codes around centroids: approximate. Built in a quarter of the time of a graph and smaller, and
    /// faster where nearly all of the nearest are to be found; slower from some hundred thousand vectors on. Few vectors are
    /// searched exactly until buckets are worthwhile.
    Ivf(IvfParams),
    /// Buckets in the database itself, which maintain themselves: approximate. Memory is needed for the centroids, and as much as there
    /// is ([`DbOptions::bucket_cache_bytes`](crate::DbOptions)) for copies of buckets; exact vectors are read from the documents. Each change
    /// is small and saved at once, however many vectors there are. Writes wait while more than 256 MiB of vectors are not in buckets yet. For more vectors than memory holds, and for those that come and go all the time. Few
    /// vectors are searched exactly until buckets are worthwhile.
    Drift(IvfParams),
    /// What suits the vectors that there are: an exact scan, buckets, or a graph, chosen by how many there are, their
    /// dimension and the metric, and again whenever that changes. [`index_status`](crate::Collection::index_status) tells what
    /// was chosen, and why.
    Auto(AutoParams),
}

/// What an index that is chosen by itself has to keep to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AutoParams {
    /// About so many bytes of memory are to be enough for the index, vectors included. Where the fastest index would take more, a
    /// smaller one is taken; where that would, too, one in the database itself ([`IndexConfig::Drift`]). While one index takes the place of another both are there. `None`: no limit.
    pub memory_bytes_max: Option<u64>,
}

impl IndexConfig {
    /// The names that [`new_with_default_config`](IndexConfig::new_with_default_config) knows.
    pub const NAMES: [&'static str; 5] = ["auto", "hnsw", "ivf", "drift", "flat"];

    /// The index called `name`, with its default parameters.
    ///
    /// ```
    /// use aethervec::IndexConfig;
    ///
    /// assert_eq!(IndexConfig::new_with_default_config("auto")?, IndexConfig::default());
    /// let error = IndexConfig::new_with_default_config("btree").unwrap_err();
    /// assert_eq!(error.to_string(), "index: \"btree\" is not known: it must be one of auto, hnsw, ivf, drift, flat");
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when no index has this name.
    pub fn new_with_default_config(name: &str) -> Result<IndexConfig> {
        match name {
            "auto" => Ok(IndexConfig::default()),
            "hnsw" => Ok(IndexConfig::Hnsw(HnswParams::DEFAULT)),
            "ivf" => Ok(IndexConfig::Ivf(IvfParams::DEFAULT)),
            "drift" => Ok(IndexConfig::Drift(IvfParams::DEFAULT)),
            "flat" => Ok(IndexConfig::Flat),
            _ => Err(unknown("index", name, &IndexConfig::NAMES)),
        }
    }

    /// What [`new_with_default_config`](IndexConfig::new_with_default_config) calls it.
    pub fn name(&self) -> &'static str {
        match self {
            IndexConfig::Flat => "flat",
            IndexConfig::Hnsw(_) => "hnsw",
            IndexConfig::Ivf(_) => "ivf",
            IndexConfig::Drift(_) => "drift",
            IndexConfig::Auto(_) => "auto",
        }
    }
}

/// What suits the vectors.
impl Default for IndexConfig {
    fn default() -> Self {
        IndexConfig::Auto(AutoParams::default())
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
            IndexConfig::Ivf(params) => {
                write!(f, "ivf (bucket_points {})", params.bucket_points)
            }
            IndexConfig::Drift(params) => {
                write!(f, "drift (bucket_points {})", params.bucket_points)
            }
            IndexConfig::Auto(params) => match params.memory_bytes_max {
                None => f.write_str("auto"),
                Some(bytes) => write!(f, "auto (memory_bytes_max {bytes})"),
            },
        }
    }
}

/// A collection's name and schema.
#[derive(Clone, Debug, PartialEq)]
pub struct CollectionInfo {
    /// Its name.
    pub name: String,
    /// What its documents may hold.
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
