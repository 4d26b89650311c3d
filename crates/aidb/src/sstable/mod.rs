//! Sorted tables: immutable files of entries in the order of internal keys.
//!
//! ```text
//! Writer   add (ascending) ... finish        Reader   get, iter, iter_once, verify
//!   block_builder  separators  filter            partitions: separators  filter  block      table_iter  verify
//!                  format: constants, footer, checksums, codecs: the bytes of docs/formats/sstable.md
//! ```
//!
//! Never here: which tables there are, levels, snapshots. A table knows its own file only.

mod block;
mod block_builder;
mod block_iter;
mod codec;
#[cfg(any(fuzzing, test))]
mod examine;
mod fetch;
mod filter;
mod format;
mod partition;
mod partitions;
mod properties;
mod reader;
mod separators;
mod source;
mod table_iter;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

#[cfg(any(fuzzing, test))]
pub(crate) use examine::examine;
pub(crate) use fetch::{Fetched, Look, Wanted};
pub(crate) use filter::hash;
pub(crate) use properties::Properties;
pub(crate) use reader::Reader;
pub(crate) use table_iter::TableIter;
pub(crate) use writer::{TableInfo, Writer};
