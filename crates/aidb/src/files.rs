//! What open files need of their database: the storage, the block cache, and a place for files to be deleted.
//!
//! A file is deleted once the manifest no longer names it and its last reader is gone. That reader may be a user's
//! thread, so it only leaves the name here; a background task deletes it.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aether_env::Storage;
use parking_lot::Mutex;
use xxhash_rust::xxh3::Xxh3;

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::file_name::{self, FileKind};

/// No file has more bytes, nor more entries: what records say of files adds up without overflow, whatever they say.
pub(crate) const FILE_BYTES_MAX: u64 = 1 << 47;

/// Bytes that are read at once when a file is copied.
const COPY_BYTES: usize = 1 << 20;

/// The files of one database, shared by all that read them.
pub(crate) struct Files {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) cache: Arc<Cache>,
    garbage: Mutex<Vec<String>>,
    /// Files that the manifest no longer names, and that are still read or wait to be deleted.
    leaving: Mutex<BTreeSet<String>>,
    /// After this, nothing may be deleted: somebody else may own the files.
    closed: AtomicBool,
}

impl Files {
    pub(crate) fn new(storage: Arc<dyn Storage>, cache: Arc<Cache>) -> Files {
        Files {
            storage,
            cache,
            garbage: Mutex::default(),
            leaving: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// Says that a file will be left to be deleted.
    pub(crate) fn will_discard(&self, name: String) {
        self.leaving.lock().insert(name);
    }

    /// Such a file is gone, or has another name.
    pub(crate) fn forget(&self, name: &str) {
        self.leaving.lock().remove(name);
    }

    /// Leaves a file to be deleted.
    pub(crate) fn discard(&self, name: String) {
        self.leaving.lock().insert(name.clone());
        self.garbage.lock().push(name);
    }

    /// Files that are there though the manifest does not name them any more.
    pub(crate) fn leaving(&self) -> BTreeSet<String> {
        self.leaving.lock().clone()
    }

    /// True when files wait to be deleted.
    pub(crate) fn has_garbage(&self) -> bool {
        !self.garbage.lock().is_empty()
    }

    /// Deletes what was left. What cannot be deleted now is deleted by the next open.
    pub(crate) fn delete_garbage(&self) {
        let names = std::mem::take(&mut *self.garbage.lock());
        for name in names {
            if self.closed.load(Ordering::Acquire) {
                return;
            }
            let _ = self.storage.delete(&name);
            self.leaving.lock().remove(&name);
        }
    }

    /// Ends all deleting.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

/// A file that is complete, durable, and never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FrozenFile {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// xxh3-64 of its contents.
    pub(crate) checksum: u64,
}

/// Copies `file` of `source` to the new file `name` of `target`, durably but for the name.
///
/// # Errors
/// Corruption when its length or its checksum is another one; nothing is left of the copy, as far as that is possible.
pub(crate) fn copy_file(
    source: &dyn Storage,
    file: &FrozenFile,
    target: &dyn Storage,
    name: &str,
) -> Result<()> {
    let explain = |error| Error::io(format_args!("copy {} to {name}", file.name), error);
    let mut copy = target.create(name).map_err(explain)?;
    let copied = read_all(source, &file.name, file.bytes, |part| {
        copy.append(part).map_err(explain)
    });
    let checked = copied.and_then(|computed| {
        if computed != file.checksum {
            let detail = format_args!(
                "checksum mismatch: stored {:016x}, computed {computed:016x}",
                file.checksum
            );
            return Err(Error::corruption(&file.name, 0, detail));
        }
        copy.sync().map_err(explain)
    });
    if checked.is_err() {
        let _ = target.delete(name);
    }
    checked
}

/// The checksum of a file, which must have so many bytes; of a log, that of the first so many.
pub(crate) fn file_checksum(storage: &dyn Storage, name: &str, bytes: u64) -> Result<u64> {
    read_all(storage, name, bytes, |_| Ok(()))
}

fn read_all(
    storage: &dyn Storage,
    name: &str,
    bytes: u64,
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<u64> {
    let file = storage.open(name).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::corruption(name, 0, "the file is missing"),
        _ => Error::io(format_args!("open {name}"), error),
    })?;
    // A log may have room behind its end.
    let has_room = matches!(file_name::parse(name), FileKind::Log(_));
    if file.len() < bytes || (file.len() > bytes && !has_room) {
        let found = file.len();
        let detail = format_args!("the file has {found} bytes, and {bytes} are expected");
        return Err(Error::corruption(name, found.min(bytes), detail));
    }
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0; COPY_BYTES];
    let mut offset = 0;
    while offset < bytes {
        let rest = usize::try_from(bytes - offset).unwrap_or(usize::MAX);
        let part = &mut buffer[..rest.min(COPY_BYTES)];
        file.read_at(offset, part)
            .map_err(|error| Error::io(format_args!("read {name} at byte {offset}"), error))?;
        hasher.update(part);
        take(part)?;
        offset += part.len() as u64;
    }
    Ok(hasher.digest())
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files")
            .field("location", &self.storage.location())
            .finish_non_exhaustive()
    }
}
