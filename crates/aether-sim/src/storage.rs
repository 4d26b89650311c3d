//! The storage that carries out a [`Plan`] on files in memory.

use crate::plan::{Fault, Io, Plan, Verdict};
use aether_env::{
    Env, FileEntry, FileLock, FileMap, FileSync, LogFile, ManualClock, MemoryStorage, RandomFile,
    Spawner, Storage, SystemClock, Task, Threads, WritableFile,
};
use parking_lot::Mutex;
use std::any::Any;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

/// Files in memory on a machine that may fail. A clone is another handle on the same machine.
#[derive(Clone, Debug)]
pub struct SimStorage {
    memory: MemoryStorage,
    plan: Arc<Mutex<Plan>>,
}

impl SimStorage {
    /// An empty disk. The seed decides how far an interrupted I/O gets.
    pub fn new(seed: u64) -> SimStorage {
        SimStorage::on(MemoryStorage::new(), seed)
    }

    /// A machine with these files, such as an image after a crash.
    pub fn on(memory: MemoryStorage, seed: u64) -> SimStorage {
        SimStorage {
            memory,
            plan: Arc::new(Mutex::new(Plan::new(seed))),
        }
    }

    /// An environment without threads, whose clock stands still: all runs on it are alike.
    pub fn env(&self) -> Env {
        Env {
            storage: Arc::new(self.clone()),
            clock: Arc::new(ManualClock::default()),
            spawner: Arc::new(NoThreads),
        }
    }

    /// An environment with the machine's clock and threads.
    pub fn threaded_env(&self) -> Env {
        Env {
            storage: Arc::new(self.clone()),
            clock: Arc::new(SystemClock::new()),
            spawner: Arc::new(Threads),
        }
    }

    /// The files themselves, which no fault touches: for crash images and for damaging files.
    pub fn memory(&self) -> &MemoryStorage {
        &self.memory
    }

    /// How many mutating I/Os there have been.
    pub fn io_count(&self) -> u64 {
        self.plan.lock().io_count()
    }

    /// The mutating I/Os so far and their files, for messages.
    pub fn trace(&self) -> Vec<(Io, String)> {
        self.plan.lock().trace().to_vec()
    }

    /// Mutating I/O number `number` (from 0) is interrupted: it fails, carried out wholly, partly or not at all, and
    /// everything after it fails, reads included.
    pub fn power_cut_at(&self, number: u64) {
        self.plan.lock().cut_power_at(number);
    }

    /// Whether the power cut has happened.
    pub fn is_off(&self) -> bool {
        self.plan.lock().is_off()
    }

    /// Adds an I/O error. A failed append may have written a part, a failed creation, deletion or put may have
    /// happened, and a file whose sync failed never becomes more durable, although later syncs report success.
    pub fn fail(&self, fault: Fault) {
        self.plan.lock().add_fault(fault);
    }

    /// Forgets all faults, also the sticky ones that have begun.
    pub fn clear_faults(&self) {
        self.plan.lock().clear_faults();
    }

    /// The disk has room for `bytes` more. Deleting files frees nothing.
    pub fn disk_full(&self, bytes: u64) {
        self.plan.lock().set_space(Some(bytes));
    }

    /// The disk has room again, without limit.
    pub fn free(&self) {
        self.plan.lock().set_space(None);
    }

    /// Carries out something atomic as the plan says.
    fn atomic<T>(
        &self,
        io: Io,
        name: &str,
        bytes: usize,
        act: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let verdict = self.plan.lock().decide(io, name, bytes);
        match verdict {
            Verdict::Succeed => act(),
            Verdict::Refuse(error) | Verdict::Fill(_, error) => Err(self.explain(&error, io, name)),
            Verdict::Partly(share, error) => {
                if io.mutates() && share > 0.5 {
                    act()?; // the caller's own mistake is the better message
                }
                Err(self.explain(&error, io, name))
            }
        }
    }

    fn sync(&self, name: &str, file: &dyn FileSync) -> io::Result<()> {
        let verdict = self.plan.lock().decide(Io::Sync, name, 0);
        match verdict {
            Verdict::Succeed => file.sync(),
            Verdict::Refuse(error) | Verdict::Fill(_, error) => {
                Err(self.explain(&error, Io::Sync, name))
            }
            Verdict::Partly(share, error) => {
                if self.is_off() && share > 0.5 {
                    file.sync()?;
                } else if !self.is_off() {
                    // Deleted meanwhile: then its durability no longer matters.
                    let _ = self.memory.stop_syncing(name);
                }
                Err(self.explain(&error, Io::Sync, name))
            }
        }
    }

    fn explain(&self, error: &io::Error, io: Io, name: &str) -> io::Error {
        io::Error::new(
            error.kind(),
            format!("{io:?} of {name} in {}: {error}", self.location()),
        )
    }
}

impl Storage for SimStorage {
    fn create(&self, name: &str) -> io::Result<Box<dyn WritableFile>> {
        let file = self.atomic(Io::Create, name, 0, || self.memory.create(name))?;
        Ok(Box::new(SimWritable {
            file,
            name: name.to_owned(),
            storage: self.clone(),
        }))
    }

    fn create_log(&self, name: &str, capacity: u64) -> io::Result<Box<dyn LogFile>> {
        let create = || self.memory.create_log(name, capacity);
        let file = self.atomic(Io::Create, name, 0, create)?;
        Ok(Box::new(SimLog {
            file,
            name: name.to_owned(),
            storage: self.clone(),
        }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn RandomFile>> {
        let file = self.atomic(Io::Open, name, 0, || self.memory.open(name))?;
        Ok(Arc::new(SimReadable {
            file,
            name: name.to_owned(),
            storage: self.clone(),
        }))
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.atomic(Io::Put, name, bytes.len(), || {
            self.memory.put_if_absent(name, bytes)
        })
    }

    fn list(&self) -> io::Result<Vec<FileEntry>> {
        self.atomic(Io::List, "all files", 0, || self.memory.list())
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.atomic(Io::Delete, name, 0, || self.memory.delete(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        self.atomic(Io::SyncNames, "all files", 0, || self.memory.sync_names())
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn FileLock>> {
        self.plan.lock().check_power()?;
        self.memory.lock(name)
    }

    fn link_from(&self, source: &dyn Storage, name: &str) -> io::Result<bool> {
        let source: &dyn Any = source;
        let Some(source) = source.downcast_ref::<SimStorage>() else {
            return Ok(false);
        };
        self.atomic(Io::Create, name, 0, || {
            self.memory.link_from(&source.memory, name)
        })
    }

    fn location(&self) -> String {
        "simulated memory".to_owned()
    }
}

#[derive(Debug)]
struct SimWritable {
    file: Box<dyn WritableFile>,
    name: String,
    storage: SimStorage,
}

impl WritableFile for SimWritable {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let verdict = self
            .storage
            .plan
            .lock()
            .decide(Io::Append, &self.name, bytes.len());
        let (written, error) = match verdict {
            Verdict::Succeed => return self.file.append(bytes),
            Verdict::Refuse(error) => (0, error),
            Verdict::Partly(share, error) => (part_of(bytes.len(), share), error),
            Verdict::Fill(written, error) => (written, error),
        };
        self.file.append(&bytes[..written])?;
        Err(self.storage.explain(&error, Io::Append, &self.name))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.storage.sync(&self.name, &*self.file.syncer()?)
    }

    fn syncer(&self) -> io::Result<Arc<dyn FileSync>> {
        let file = self.file.syncer()?;
        Ok(Arc::new(SimSync {
            file,
            name: self.name.clone(),
            storage: self.storage.clone(),
        }))
    }
}

#[derive(Debug)]
struct SimLog {
    file: Box<dyn LogFile>,
    name: String,
    storage: SimStorage,
}

impl LogFile for SimLog {
    fn reserved(&self) -> u64 {
        self.file.reserved()
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        let more = bytes.saturating_sub(self.file.reserved());
        if more == 0 {
            return Ok(());
        }
        let more = usize::try_from(more).unwrap_or(usize::MAX);
        let storage = self.storage.clone();
        storage.atomic(Io::Reserve, &self.name, more, || self.file.reserve(bytes))
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let verdict = self
            .storage
            .plan
            .lock()
            .decide(Io::Write, &self.name, bytes.len());
        let (written, error) = match verdict {
            Verdict::Succeed => return self.file.write_at(offset, bytes),
            Verdict::Refuse(error) => (0, error),
            Verdict::Partly(share, error) => (part_of(bytes.len(), share), error),
            Verdict::Fill(written, error) => (written, error),
        };
        self.file.write_at(offset, &bytes[..written])?;
        Err(self.storage.explain(&error, Io::Write, &self.name))
    }

    fn rename(&mut self, name: &str) -> io::Result<()> {
        let storage = self.storage.clone();
        let file = &mut self.file;
        storage.atomic(Io::Rename, &self.name, 0, || file.rename(name))?;
        name.clone_into(&mut self.name);
        Ok(())
    }

    fn finish(&mut self, bytes: u64) -> io::Result<()> {
        let storage = self.storage.clone();
        storage.atomic(Io::Finish, &self.name, 0, || self.file.finish(bytes))
    }

    fn syncer(&self) -> io::Result<Arc<dyn FileSync>> {
        let file = self.file.syncer()?;
        Ok(Arc::new(SimSync {
            file,
            name: self.name.clone(),
            storage: self.storage.clone(),
        }))
    }
}

#[derive(Debug)]
struct SimSync {
    file: Arc<dyn FileSync>,
    name: String,
    storage: SimStorage,
}

impl FileSync for SimSync {
    fn sync(&self) -> io::Result<()> {
        self.storage.sync(&self.name, &*self.file)
    }
}

#[derive(Debug)]
struct SimReadable {
    file: Arc<dyn RandomFile>,
    name: String,
    storage: SimStorage,
}

impl RandomFile for SimReadable {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.storage.atomic(Io::Read, &self.name, 0, || {
            self.file.read_at(offset, buffer)
        })
    }

    fn map_private(&self) -> io::Result<FileMap> {
        self.storage
            .atomic(Io::Read, &self.name, 0, || self.file.map_private())
    }
}

/// Refuses to start threads: for environments in which all runs must be alike.
#[derive(Debug)]
pub struct NoThreads;

impl Spawner for NoThreads {
    fn spawn(&self, name: &str, _task: Task) -> io::Result<JoinHandle<()>> {
        let text = format!("the thread {name} cannot start: this environment has no threads");
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "any number up to `bytes` will do"
)]
fn part_of(bytes: usize, share: f64) -> usize {
    ((bytes as f64 * share) as usize).min(bytes)
}
