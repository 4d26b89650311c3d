//! Sorted tables: immutable files of entries in the order of internal keys. The bytes: docs/formats/sstable.md.
mod stub;
pub(crate) use stub::{Block, Properties, Reader, TableInfo, TableIter, Writer};
