//! Sorted tables: immutable files of entries in the order of internal keys.
//!
//! ```text
//! Writer   add (ascending) ... finish        Reader   get, iter, iter_once, verify
//!   block_builder  index  filter  properties     block  index  filter  properties  table_iter
//!                  format: constants, footer, checksums, codecs: the bytes of docs/formats/sstable.md
//! ```
//!
//! Never here: which tables there are, levels, snapshots. A table knows its own file only.

mod block;
mod block_builder;
mod block_iter;
mod filter;
mod format;
mod index;
mod properties;
mod reader;
mod table_iter;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use block::Block;
pub(crate) use filter::hash;
pub(crate) use properties::Properties;
pub(crate) use reader::Reader;
pub(crate) use table_iter::TableIter;
pub(crate) use writer::{TableInfo, Writer};
