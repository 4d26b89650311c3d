//! Vector indexes as pure compute: numbers and bytes in, numbers and bytes out.
//!
//! [`Flat`] compares with every vector and is exact, as is [`Exact`] for bits, sparse and several vectors; [`Hnsw`]
//! walks a graph, [`Ivf`] scans codes in buckets; both are approximate. All speak of points ([`PointId`]) only, are safe to
//! use from many threads at once, and do no I/O: a graph or buckets are written to any [`std::io::Write`] and opened from an
//! [`Image`] of those bytes.
//!
//! `memory` is the only module with `unsafe`; everything above it is checked Rust.

#![deny(unsafe_code)]

mod doubt;
mod drift;
mod error;
mod exact;
mod flat;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod hnsw;
mod ivf;
mod kmeans;
mod memory;
mod nearest;
mod order;
mod pages;
mod partition;
mod point;
mod points;
pub mod quantize;
mod selection;
mod work;

pub use drift::{Drift, DriftScratch, DriftStats, DriftSummary, ImageCache, Row, Store};
pub use error::{Error, ErrorKind, Result};
pub use exact::{
    BinaryRows, Exact, Frequencies, MultiQuery, MultiRows, Rows, SparseRef, SparseRows,
};
pub use flat::Flat;
pub use hnsw::{
    BatchScratch, CheckSummary, CheckpointInfo, Consolidation, Hnsw, HnswParams, Scratch,
    SearchParams, verify_checkpoint,
};
pub use ivf::{Ivf, IvfParams, IvfScratch};
pub use memory::Image;
pub use point::{Candidate, PointId};
pub use selection::Selection;
pub use work::BuildOptions;
