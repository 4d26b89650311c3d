//! AetherVec: an embedded, transactional vector database.
//!
//! ```
//! use aethervec::{AetherDB, Document, IndexConfig};
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("my_data");
//! let db = AetherDB::new(&path)?;
//! let config = IndexConfig::new_with_default_config("hnsw")?;
//! let collection = db.create_collection("my_vectors", 128, "cosine", config)?;
//! collection.upsert(Document::new(vec![0.1; 128], "my-doc"))?;
//! let hits = collection.search(&vec![0.1; 128], 10)?;
//! assert_eq!(hits[0].id.to_string(), "my-doc");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Documents are durable when a write returns, and found by every search that begins later. A
//! [snapshot](AetherDB::snapshot) is one state of the whole database. Everything durable is a key in one transactional
//! engine, `aidb`; an index is derived from those keys.

mod aliases;
mod ann;
#[cfg(feature = "arrow")]
pub mod arrow;
mod catalog;
mod check;
mod collection;
mod database;
mod document;
mod document_json;
mod error;
mod expiry;
mod fields;
mod filter;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod id;
mod index;
mod inner;
mod jsonl;
mod keyspace;
pub mod limits;
mod options;
mod overlay;
mod payload;
mod plan;
mod query;
mod rows;
mod schema;
mod search;
mod snapshot;
mod text;
mod timestamp;
mod transaction;
mod validate;
mod vector;
mod vector_json;
mod version;
mod view;
mod whole;
mod write;

pub use aether_distance::{Distance, ElementType, Metric};
pub use aether_index::DriftStats;
pub use aether_index::{HnswParams, IvfParams};
pub use aidb::{AsOf, Durability, Isolation, SeqNo};
pub use aliases::AliasChange;
pub use check::{CheckReport, CollectionCheck, Problem, ProblemKind};
pub use collection::Collection;
pub use database::{AetherDB, DbStats};
pub use document::{Document, Hit, ScrollPage, ScrollRequest, SearchRequest, Upserted};
pub use error::{Error, ErrorKind, Result};
pub use filter::{
    Bounds, Filter, GeoBox, GeoPoint, GeoPolygon, Number, Path, Range, RangeValue, Scalar, Test,
    TextMode, TextTest,
};
pub use id::DocId;
pub use index::core::{DenseStatus, IndexStatus};
pub use options::DbOptions;
pub use payload::{
    FacetCount, FacetRequest, LoadedPayloadIndex, PayloadIndexInfo, PayloadIndexKind,
    PayloadIndexState,
};
pub use plan::calibration::MeasuredRecall;
pub use plan::explain::{Explanation, Step, record_steps};
pub use query::{
    ContextPair, Cursor, Dbsf, Decay, Direction, Discover, Div, Effort, Expression, Formula,
    GeoDistance, GroupRequest, Input, InputDocument, Lookup, Matrix, MatrixPair, MatrixRequest,
    Mmr, Operation, OrderBy, PayloadSelector, Pow, Prefetch, Query, QueryGroup, QueryHit,
    QueryRequest, QueryResponse, Recommend, RecommendStrategy, Rrf, Sample, TextQuery,
    VectorSelector,
};
pub use schema::{
    AutoParams, BinaryField, CollectionInfo, CollectionSchema, DenseField, IndexConfig, MultiField,
    SparseField, VectorField,
};
pub use snapshot::DbSnapshot;
pub use timestamp::Timestamp;
pub use transaction::{Savepoint, Transaction};
pub use vector::{
    BinaryVector, MultiVector, QueryVector, SparseVector, Vector, VectorValue, Vectors,
};
pub use view::CollectionView;
pub use write::{Outcome, Patch, Write};

pub use half::f16;
pub use uuid::Uuid;

/// So that the examples of the README are run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}
