//! A table of the current or an earlier version: what is known of it, and its reader, opened when first needed.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::file_name;
use crate::files::Files;
use crate::key;
use crate::sstable::{Properties, Reader, TableInfo};

/// What the manifest keeps of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableMeta {
    pub(crate) number: u64,
    pub(crate) info: TableInfo,
}

impl TableMeta {
    pub(crate) fn smallest_user_key(&self) -> &[u8] {
        key::user_key(&self.info.smallest)
    }

    /// True when all of its keys, and the ranges that it deletes, end before `user_key`. The largest key of a table
    /// that ends with a deleted range is the end of that range, which is excluded: compare by this, never by itself.
    pub(crate) fn ends_before(&self, user_key: &[u8]) -> bool {
        key::ends_before(&self.info.largest, user_key)
    }

    /// The first user key that is greater than all of its keys, and not in the ranges that it deletes.
    pub(crate) fn end(&self) -> Bytes {
        let (largest, trailer) = key::split(&self.info.largest);
        if trailer == key::EXCLUSIVE_TRAILER {
            return self.info.largest.slice(..largest.len());
        }
        [largest, &[0]].concat().into()
    }

    /// True when its range of user keys and that of `other` share a key.
    pub(crate) fn overlaps(&self, other: &TableMeta) -> bool {
        !self.ends_before(other.smallest_user_key()) && !other.ends_before(self.smallest_user_key())
    }

    /// True when a table that tells this about itself is the one that is meant.
    fn is_described_by(&self, table: &Properties) -> bool {
        let info = &self.info;
        (info.entries, info.tombstones, info.min_seq, info.max_seq)
            == (
                table.entries,
                table.tombstones,
                table.min_seq,
                table.max_seq,
            )
            && (&info.smallest, &info.largest) == (&table.smallest, &table.largest)
            && (info.merges, info.range_deletes) == (table.merges, table.range_deletes)
            && info.values == table.values
    }

    /// True when `user_key` stands within its range.
    pub(crate) fn spans(&self, user_key: &[u8]) -> bool {
        self.smallest_user_key() <= user_key && !self.ends_before(user_key)
    }
}

/// A table file; it is discarded with its last holder once it has been marked obsolete.
pub(crate) struct Table {
    pub(crate) meta: TableMeta,
    files: Arc<Files>,
    reader: OnceLock<Arc<Reader>>,
    opening: Mutex<()>,
    obsolete: AtomicBool,
}

impl Table {
    pub(crate) fn new(meta: TableMeta, files: Arc<Files>) -> Table {
        Table {
            meta,
            files,
            reader: OnceLock::new(),
            opening: Mutex::new(()),
            obsolete: AtomicBool::new(false),
        }
    }

    /// Its reader; the first call opens the file.
    pub(crate) fn reader(&self) -> Result<&Arc<Reader>> {
        if let Some(reader) = self.reader.get() {
            return Ok(reader);
        }
        let _turn = self.opening.lock();
        if let Some(reader) = self.reader.get() {
            return Ok(reader);
        }
        let name = self.name();
        let file = self
            .files
            .storage
            .open(&name)
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => {
                    Error::corruption(&name, 0, "the table is missing, and the manifest needs it")
                }
                _ => Error::io(format_args!("open {name}"), error),
            })?;
        if file.len() != self.meta.info.bytes {
            let detail = format_args!(
                "the file has {} bytes, and {} are expected",
                file.len(),
                self.meta.info.bytes
            );
            return Err(Error::corruption(
                &name,
                file.len().min(self.meta.info.bytes),
                detail,
            ));
        }
        let reader = Reader::open(file, &name, self.meta.number, Arc::clone(&self.files.cache))?;
        if !self.meta.is_described_by(reader.properties()) {
            let detail = "it is sound, but not the table that the manifest means";
            return Err(Error::corruption(&name, 0, detail));
        }
        Ok(self.reader.get_or_init(|| Arc::new(reader)))
    }

    /// Memory of its index and filter; 0 before it is first read.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.reader.get().map_or(0, |reader| reader.memory_bytes())
    }

    pub(crate) fn name(&self) -> String {
        file_name::table(self.meta.number)
    }

    /// No version names it any more: its file goes with its last holder.
    pub(crate) fn mark_obsolete(&self) {
        self.files.will_discard(self.name());
        self.obsolete.store(true, Ordering::Release);
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if self.obsolete.load(Ordering::Acquire) {
            self.files.discard(self.name());
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.meta.fmt(f)
    }
}
