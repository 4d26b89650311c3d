//! AetherVec over the network: an async client of its gRPC API.
//!
//! ```no_run
//! use aethervec_client::VectorDatabaseClient;
//!
//! # async fn example() -> aethervec_client::Result<()> {
//! let client = VectorDatabaseClient::connect("http://localhost:9090").await?;
//!
//! let vectors = vec![("a", [1.0, 0.0]), ("b", [0.0, 1.0])];
//! let inserted = client.insert_vectors(vectors).await?;
//! println!("{} vectors", inserted.count);
//!
//! let query = [0.9, 0.1];
//! for vector in client.query_similar(query, 10).await?.vectors {
//!     println!("{} {:.3}", vector.id, vector.similarity);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Beyond these short forms: [`collection`](VectorDatabaseClient::collection) for documents, filters and queries,
//! [`transact`](VectorDatabaseClient::transact) for transactions over collections, [`snapshot`](VectorDatabaseClient::snapshot)
//! for a state that stays, [`importer`](VectorDatabaseClient::importer) for very many documents, and
//! [`options`](VectorDatabaseClient::options) for keys, certificates, tenants and timeouts.
//!
//! Documents, filters, queries and patches are those of the embedded database, whose crate is `aethervec`: what a program builds of
//! them works with either.
//!
//! ```text
//! client   administration   collection   search   session   stream      what a program holds
//!             call                            deadline, repetition, metadata
//!         pool      retry                     connections; what may be repeated, and when
//! ```

mod administration;
mod call;
mod client;
mod collection;
mod description;
mod error;
mod found;
mod options;
mod pool;
mod retry;
mod schema;
mod search;
mod session;
mod short;
mod stream;

pub use administration::{
    LongOperation, OperationProgress, OperationState, OperationStatus, Quota, Quotas,
};
pub use client::{Health, VectorDatabaseClient};
pub use collection::Collection;
pub use description::{DenseState, DescribedIndex, Description, IndexState, RecallState};
pub use error::{Error, ErrorKind, Result};
pub use found::{Found, Group, Hit};
pub use options::ConnectOptions;
pub use retry::Retry;
pub use session::{Snapshot, Transaction};
pub use short::{Inserted, Similar, SimilarVector, Trained, Vector};
pub use stream::{Export, Importer};

pub use aethervec::{
    AliasChange, AsOf, BinaryField, CollectionSchema, DenseField, DocId, Document, FacetCount,
    FacetRequest, Filter, GroupRequest, IndexConfig, Isolation, Matrix, MatrixRequest, Metric,
    MultiField, Outcome, Patch, PayloadIndexKind, Prefetch, Query, QueryRequest, ScrollPage,
    ScrollRequest, SearchRequest, SeqNo, SparseField, Timestamp, Upserted, VectorField, Write,
};
