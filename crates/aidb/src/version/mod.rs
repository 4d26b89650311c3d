//! Which tables exist: versions in memory, and the manifest on disk.
//!
//! ```text
//! Edit ──apply──► Catalog (what the manifest says)      Manifest writes edits as numbered files
//!   └───────────► Version (open tables by level), which readers hold
//! ```
//!
//! Never here: when tables are made or merged.

mod catalog;
mod edit;
mod look_many;
mod manifest;
mod run_iter;
mod table;
#[cfg(test)]
pub(crate) mod testing;
mod tree;

pub(crate) use catalog::{Catalog, ValueFileUse};
pub(crate) use edit::{Edit, TablePlace};
pub(crate) use manifest::{Manifest, Refused, first_manifest, inspect, numbers};
pub(crate) use run_iter::RunIter;
pub(crate) use table::{Table, TableMeta};
pub(crate) use tree::{LEVELS, Run, Tree, Version, runs_of};
