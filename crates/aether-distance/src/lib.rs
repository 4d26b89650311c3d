//! Distances between vectors: the metrics, and the SIMD kernels that compute them.
//!
//! Slices in, numbers out: nothing here allocates, does I/O or knows what an index is. [`Kernels`] is chosen
//! once (per index, not per distance) and is a plain value from then on. `scalar` is the truth: each SIMD
//! kernel is tested against it. This is the only crate with SIMD `unsafe`.

#[macro_use]
mod simd;

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod element;
mod fast_scan;
mod kernel;
mod matrix;
mod metric;
mod plain;
mod prefetch;
mod query;
mod scalar;
mod sketch;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86_64;

pub use element::{ElementType, ParseElementTypeError};
pub use fast_scan::{BLOCK_CODES, LINE_GROUPS, ScanFactors, ScanFormula, TableLine};
pub use kernel::{DIM_MAX, Kernels};
pub use matrix::dot_products;
pub use metric::{Distance, Metric, ParseMetricError};
pub use prefetch::{prefetch, prefetch_at};
pub use query::Query;
pub use sketch::{SKETCH_COLUMNS, SKETCH_DIMS, SketchBlock};
pub use vector::VectorRef;
