//! The outside world as traits: files, clock and threads.
//!
//! Everything below the server is synchronous Rust that reaches the world only through an [`Env`]. The local
//! implementation is [`Env::local`]; tests put [`MemoryStorage`] (which can produce the image that a power cut
//! would leave) and [`ManualClock`] in its place. A database on such an environment is deterministic.
//!
//! Never here: keys, vectors, formats. This crate moves bytes and does not look at them.

mod clock;
mod local;
mod log_file;
mod memory;
mod name;
mod spawn;
mod storage;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use local::LocalStorage;
pub use log_file::LogFile;
pub use memory::{CrashImage, MemoryStorage};
pub use spawn::{Spawner, Task, Threads};
pub use storage::{
    Draft, FileEntry, FileLock, FileMap, FileRange, FileSync, NAME_BYTES_MAX, RandomFile, Storage,
    WritableFile,
};

use std::path::Path;
use std::sync::Arc;

/// All that an engine may know of the world. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Env {
    /// The files of one database.
    pub storage: Arc<dyn Storage>,
    /// Wall time and elapsed time.
    pub clock: Arc<dyn Clock>,
    /// Where background threads come from.
    pub spawner: Arc<dyn Spawner>,
}

impl Env {
    /// The machine itself: files under `directory` (made if missing), its clock, its threads.
    ///
    /// # Errors
    /// When `directory` cannot be created or is not a directory; the error names the path.
    pub fn local(directory: impl AsRef<Path>) -> std::io::Result<Env> {
        Ok(Env::on_this_machine(LocalStorage::open(directory)?))
    }

    /// As [`Env::local`], but makes no directory.
    ///
    /// # Errors
    /// `NotFound` when `directory` is missing; else as [`Env::local`].
    pub fn local_existing(directory: impl AsRef<Path>) -> std::io::Result<Env> {
        Ok(Env::on_this_machine(LocalStorage::open_existing(
            directory,
        )?))
    }

    /// Files in memory, real clock and threads. Contents are gone with the last clone of `storage`.
    pub fn memory(storage: MemoryStorage) -> Env {
        Env::on_this_machine(storage)
    }

    fn on_this_machine(storage: impl Storage + 'static) -> Env {
        Env {
            storage: Arc::new(storage),
            clock: Arc::new(SystemClock::new()),
            spawner: Arc::new(Threads),
        }
    }
}
