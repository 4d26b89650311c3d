//! A flat set of named files, and what each operation promises about durability.
//!
//! 1. A file is created empty, appended to, synced, and from then on only read: nothing is overwritten in place, but
//!    logs ([`LogFile`]), which may be used again under another name.
//! 2. `sync` on a file makes its bytes durable; [`Storage::sync_names`] makes creations and deletions durable.
//! 3. The only coordination primitive is [`Storage::put_if_absent`] on numbered names.
//!
//! Names are flat: ASCII letters, digits, `.`, `_` and `-`, not starting with `.`, at most [`NAME_BYTES_MAX`] bytes;
//! any other is refused as `InvalidInput`. Every error carries the name and the [`Storage::location`].

use crate::log_file::{AppendedLog, LogFile};
use std::any::Any;
use std::fmt::Debug;
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;

/// The longest name of a file, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// A place for the files of one database: a directory, memory, or a bucket prefix.
///
/// It is [`Any`], so that another storage of its kind knows it again in [`Storage::link_from`].
pub trait Storage: Any + Send + Sync + Debug {
    /// A new empty file. `AlreadyExists` when the name is taken.
    fn create(&self, name: &str) -> io::Result<Box<dyn WritableFile>>;

    /// A new empty log, which is expected to have about `capacity` bytes in the end. `AlreadyExists` when the name is
    /// taken. A storage that can do no better appends to a file.
    fn create_log(&self, name: &str, capacity: u64) -> io::Result<Box<dyn LogFile>> {
        let _ = capacity;
        Ok(Box::new(AppendedLog::new(self.create(name)?)))
    }

    /// An existing file, for reading at any offset. `NotFound` when it is missing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn RandomFile>>;

    /// Fills the buffers of all `reads`, which may be of several files of this storage, as if by one
    /// [`RandomFile::read_at`] each; an implementation that can have several reads under way does. After an error (the
    /// first one) it is unknown which buffers are filled.
    fn read_batch(&self, reads: &mut [FileRange<'_>]) -> io::Result<()> {
        reads
            .iter_mut()
            .try_for_each(|read| read.file.read_at(read.offset, read.buffer))
    }

    /// Writes a whole small file, atomically and durably (its name too). `AlreadyExists` when the name is taken;
    /// after a crash the file is there whole or not at all.
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// All files, in no particular order.
    fn list(&self) -> io::Result<Vec<FileEntry>>;

    /// Removes a file. `NotFound` when it is missing. Open handles go on reading it.
    fn delete(&self, name: &str) -> io::Result<()>;

    /// Makes all creations and deletions so far durable.
    fn sync_names(&self) -> io::Result<()>;

    /// Takes the exclusive lock `name` for as long as the value lives. `WouldBlock` when somebody else holds it;
    /// the message then names the holder's process id.
    fn lock(&self, name: &str) -> io::Result<Box<dyn FileLock>>;

    /// Makes the file `name` of `source`, which is complete and synced, a file of this storage too, without copying its
    /// bytes; durable with the next [`Storage::sync_names`]. False, and nothing has changed, when that is impossible
    /// (another kind of storage, another file system): copy it then. `AlreadyExists` when the name is taken here.
    fn link_from(&self, source: &dyn Storage, name: &str) -> io::Result<bool> {
        let _ = (source, name);
        Ok(false)
    }

    /// A new, empty storage of the same kind that will be the directory `path`, once it is published. `AlreadyExists`
    /// when there is something; `Unsupported` when this is no directory.
    fn draft(&self, path: &Path) -> io::Result<Box<dyn Draft>> {
        let text = format!(
            "{} is not a directory, and cannot make {}",
            self.location(),
            path.display()
        );
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }

    /// Where this is, for messages to people: a path, `memory`, or a URL.
    fn location(&self) -> String;
}

/// A storage in the making; see [`Storage::draft`]. Dropped before it is published, it leaves nothing.
pub trait Draft: Send + Debug {
    /// Its files.
    fn storage(&self) -> Arc<dyn Storage>;

    /// Gives it its name, durably. Its files and their names are durable already, by their own syncs.
    fn publish(self: Box<Self>) -> io::Result<()>;
}

/// An append-only file.
pub trait WritableFile: Send + Debug {
    /// Appends all of `bytes`. After an error the file's tail is unknown, and the caller abandons the file.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes all appended bytes durable. After an error nothing appended since the last success may be trusted,
    /// and a retry proves nothing.
    fn sync(&mut self) -> io::Result<()>;

    /// A handle that another thread may use to sync this file while appends go on.
    fn syncer(&self) -> io::Result<Arc<dyn FileSync>>;
}

/// Makes a file durable from any thread; see [`WritableFile::syncer`].
pub trait FileSync: Send + Sync + Debug {
    /// Makes durable at least what was appended before the call. Errors as in [`WritableFile::sync`].
    fn sync(&self) -> io::Result<()>;
}

/// One piece to read in [`Storage::read_batch`].
#[derive(Debug)]
pub struct FileRange<'a> {
    /// A file that this storage opened.
    pub file: &'a dyn RandomFile,
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// Filled completely.
    pub buffer: &'a mut [u8],
}

/// A file that is read at any offset, by any number of threads. It is [`Any`], so that the storage that opened it
/// knows it again in [`Storage::read_batch`].
pub trait RandomFile: Any + Send + Sync + Debug {
    /// Length in bytes at the time of opening.
    fn len(&self) -> u64;

    /// True when the file has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buffer` from `offset`. `UnexpectedEof` when the file ends before it is full.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// The whole file as memory that the caller may change privately: changes never reach the file. Local files are
    /// mapped and read page by page when touched; others are read now.
    fn map_private(&self) -> io::Result<FileMap>;
}

/// Private memory with the contents of a file.
#[derive(Debug)]
pub enum FileMap {
    /// A copy-on-write mapping.
    Mapped(memmap2::MmapMut),
    /// A copy.
    Copied(Vec<u8>),
}

impl Deref for FileMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            FileMap::Mapped(map) => map,
            FileMap::Copied(bytes) => bytes,
        }
    }
}

impl DerefMut for FileMap {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            FileMap::Mapped(map) => map,
            FileMap::Copied(bytes) => bytes,
        }
    }
}

/// A held lock; dropping it gives the lock back.
pub trait FileLock: Send + Sync + Debug {}

/// A file's name and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name in the storage.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
}
