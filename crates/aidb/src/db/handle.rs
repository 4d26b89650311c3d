//! The database handle.

use std::fmt;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aether_env::{Env, Timestamp};
use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::attachment::AttachmentWriter;
use crate::background;
use crate::batch::WriteBatch;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::key::SeqNo;
use crate::keyspace::{self, KeyspaceId, KeyspaceRecord, Keyspaces};
use crate::merge_operator;
use crate::options::{Durability, KeyspaceOptions, Options};
use crate::stats::Stats;
use crate::version::Edit;
use crate::wal::{LogRecord, LogWriter};

use super::as_of::AsOf;
use super::commit::Commit;
use super::figures;
use super::iter::Iter;
use super::keyspace::Keyspace;
use super::open;
use super::snapshot::Snapshot;
use super::verify::{self, VerifyReport};

/// Memtables with fewer bytes than this stay in the log when the database is closed: replaying them is faster than
/// having one more table.
const CLOSE_FLUSH_BYTES: usize = 1 << 20;

/// An open database. Clones are handles to the same one; the last handle, keyspace, snapshot or iterator closes it.
#[derive(Clone)]
pub struct DB(Arc<Owner>);

struct Owner {
    engine: Arc<Engine>,
    default: ArcSwap<KeyspaceRecord>,
    /// What closing came to, once it happened.
    closed: Mutex<Option<Result<()>>>,
}

impl DB {
    /// Opens the database in the directory `path`, and makes it if the options say so.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when somebody else has it open (the text names the process),
    /// [`ErrorKind::NotFound`] when it does not exist and may not be made, [`ErrorKind::Invalid`] for a newer format,
    /// [`ErrorKind::Corruption`] when a file is missing or damaged (the text names it), [`ErrorKind::Io`] when `path`
    /// is no directory or may not be used.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<DB> {
        let path = path.as_ref();
        if !options.create_if_missing && !path.exists() {
            return Err(open::missing(&path.display()));
        }
        let explain =
            |error| Error::io(format_args!("open the database {}", path.display()), error);
        DB::open_with(Env::local(path).map_err(explain)?, options)
    }

    /// Opens the database in `env.storage`; as [`DB::open`].
    pub fn open_with(env: Env, options: Options) -> Result<DB> {
        let engine = Arc::new(open::open(env, options)?);
        background::start(&engine);
        let default = engine
            .keyspaces
            .load()
            .by_name(keyspace::DEFAULT_KEYSPACE)
            .cloned()
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Corruption,
                    "the manifest names no default keyspace",
                )
            })?;
        Ok(DB(Arc::new(Owner {
            engine,
            default: ArcSwap::new(default),
            closed: Mutex::new(None),
        })))
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.0.engine
    }

    /// `key` has the value `value` from now on, in the default keyspace. Waits as [`Options::durability`] says.
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.default_keyspace().put(key, value)
    }

    /// The value of `key` in the default keyspace.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>> {
        self.engine().get(KeyspaceId::DEFAULT, key.as_ref(), None)
    }

    /// `key` has no value from now on, in the default keyspace. Waits as [`Options::durability`] says.
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<()> {
        self.default_keyspace().delete(key)
    }

    /// All entries of the default keyspace, as of now.
    pub fn iter(&self) -> Iter {
        self.default_keyspace().iter()
    }

    /// The entries of the default keyspace with keys in `range`, as of now.
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Iter {
        self.default_keyspace().range(range)
    }

    /// The entries of the default keyspace with keys that start with `prefix`, as of now.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Iter {
        self.default_keyspace().prefix(prefix)
    }

    /// The keyspace that [`DB::put`] and its like use.
    pub fn default_keyspace(&self) -> Keyspace {
        Keyspace::new(self.clone(), self.0.default.load_full())
    }

    /// Opens the keyspace `name`, and makes it (durably) when it does not exist. Other options than last time hold for
    /// tables written from now on.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a name that is empty or longer than
    /// [`KEYSPACE_NAME_BYTES_MAX`](crate::KEYSPACE_NAME_BYTES_MAX), and for another merge operator than the one that the
    /// keyspace was made with.
    pub fn keyspace(&self, name: &str, options: KeyspaceOptions) -> Result<Keyspace> {
        let [keyspace] = self.keyspaces([(name, options)])?;
        Ok(keyspace)
    }

    /// Opens several keyspaces, each as [`DB::keyspace`] does. Those that have to be made, or changed, are so at once: all or
    /// none, for the price of one.
    ///
    /// ```
    /// use aidb::{DB, KeyspaceOptions, Options};
    ///
    /// # fn main() -> aidb::Result<()> {
    /// # let directory = tempfile::tempdir().unwrap();
    /// let db = DB::open(directory.path(), Options::default())?;
    /// let wanted = ["users", "orders"].map(|name| (name, KeyspaceOptions::default()));
    /// let [users, orders] = db.keyspaces(wanted)?;
    /// users.put("1", "Ada")?;
    /// assert_eq!(orders.get("1")?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`DB::keyspace`]; none is made or changed then.
    pub fn keyspaces<const N: usize>(
        &self,
        wanted: [(&str, KeyspaceOptions); N],
    ) -> Result<[Keyspace; N]> {
        for (name, options) in &wanted {
            keyspace::check_name(name)?;
            options.check()?;
        }
        let engine = self.engine();
        engine.check_open()?;
        let mut records = match find(&engine.keyspaces.load(), &wanted)? {
            Some(records) => records,
            None => self.make_keyspaces(wanted)?,
        }
        .into_iter();
        let mut next = || {
            records
                .next()
                .expect("there is one for each that is wanted")
        };
        Ok(std::array::from_fn(|_| Keyspace::new(self.clone(), next())))
    }

    /// The records of `wanted`, which are made or changed where they have to be.
    fn make_keyspaces<const N: usize>(
        &self,
        wanted: [(&str, KeyspaceOptions); N],
    ) -> Result<Vec<Arc<KeyspaceRecord>>> {
        let engine = self.engine();
        let _turn = engine.keyspace_turn.lock();
        let mut keyspaces = Keyspaces::clone(&engine.keyspaces.load());
        let mut edit = Edit::default();
        let mut records = Vec::with_capacity(N);
        for (name, options) in wanted {
            let known = keyspaces.by_name(name).cloned();
            known
                .as_ref()
                .map_or(Ok(()), |known| known.check_operator(&options))?;
            let id = known.as_ref().map(|known| known.id);
            let id = id
                .or_else(|| keyspaces.free_id())
                .ok_or_else(|| Error::invalid("there are no numbers left for keyspaces"))?;
            let record = Arc::new(KeyspaceRecord::new(id, name, options));
            if known.is_none_or(|known| known.stored() != record.stored()) {
                edit.keyspaces.push(record.stored());
            }
            keyspaces.insert(Arc::clone(&record));
            records.push(record);
        }
        if !edit.keyspaces.is_empty() {
            engine.commit_edit(edit, &[], None)?;
        }
        engine.keyspaces.store(Arc::new(keyspaces));
        let default = records
            .iter()
            .find(|record| record.id == KeyspaceId::DEFAULT);
        if let Some(default) = default {
            self.0.default.store(Arc::clone(default));
        }
        Ok(records)
    }

    /// Opens the keyspace `name` with the options that are stored: for programs that do not know how it was made. A merge
    /// operator is known only if it is one of this crate's.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such keyspace; the text says which there are.
    pub fn existing_keyspace(&self, name: &str) -> Result<Keyspace> {
        let known = self.engine().keyspaces.load().by_name(name).cloned();
        let Some(known) = known else {
            let names = self.keyspace_names().join(", ");
            let message = format!("there is no keyspace {name:?}; there are {names}");
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let built_in = known.operator.as_deref().and_then(merge_operator::built_in);
        match built_in.filter(|_| known.options.merge.is_none()) {
            None => Ok(Keyspace::new(self.clone(), known)),
            operator => {
                let options = known.options.clone();
                self.keyspace(
                    name,
                    KeyspaceOptions {
                        merge: operator,
                        ..options
                    },
                )
            }
        }
    }

    /// The names of all keyspaces, sorted.
    pub fn keyspace_names(&self) -> Vec<String> {
        let keyspaces = self.engine().keyspaces.load();
        keyspaces.iter().map(|record| record.name.clone()).collect()
    }

    /// Commits `batch`: all of it becomes visible at once, and with [`Durability::Sync`] this waits until it survives a
    /// power cut. The result is the number of its last write.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a mistake in the batch, [`ErrorKind::Unavailable`] when the disk is full: nothing of
    /// the batch is applied then. [`ErrorKind::Closed`] when a sync has failed, now (see [`Commit::wait_durable`]) or
    /// earlier.
    pub fn write(&self, batch: WriteBatch, durability: Durability) -> Result<SeqNo> {
        let commit = self.submit(batch)?;
        if durability == Durability::Sync {
            commit.wait_durable()?;
        }
        Ok(commit.seq())
    }

    /// Commits `batch` without waiting for its durability: it is logged, applied and visible on return. Batches become
    /// durable in the order in which they became visible.
    ///
    /// # Errors
    /// As [`DB::write`]; nothing of the batch is applied then.
    pub fn submit(&self, batch: WriteBatch) -> Result<Commit> {
        let seq = self.engine().submit(batch)?;
        Ok(Commit::new(self.clone(), seq))
    }

    /// The present, held for reading for as long as the result or a clone of it lives.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.clone())
    }

    /// The database as it was at a past moment, held for reading from now on. How far back that goes is up to
    /// [`Options::retention`], and to live snapshots: what one of them sees, others may see too.
    ///
    /// A [`SeqNo`] must be one that a commit or a snapshot has told: between the writes of a batch there is no moment.
    /// A [`Timestamp`](crate::Timestamp) stands for the last moment that had come by then, to about a thousandth of the retention: never
    /// for a later one. It counts by the clock of the [`Env`], and survives opening again.
    ///
    /// ```
    /// use aidb::{DB, Options};
    /// use std::time::Duration;
    ///
    /// # fn main() -> aidb::Result<()> {
    /// # let directory = tempfile::tempdir().unwrap();
    /// let retention = Duration::from_secs(60);
    /// let db = DB::open(directory.path(), Options { retention, ..Options::default() })?;
    /// db.put("key", "old")?;
    /// let before = db.last_seq();
    /// db.put("key", "new")?;
    /// db.compact()?;
    /// let past = db.snapshot_at(before)?;
    /// assert_eq!(past.get(&db.default_keyspace(), "key")?.as_deref(), Some(&b"old"[..]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the moment is outside of the window, [`ErrorKind::Invalid`] when it is to come.
    pub fn snapshot_at(&self, moment: impl Into<AsOf>) -> Result<Snapshot> {
        self.engine().check_open()?;
        let seq = self.engine().resolve(moment.into())?;
        Snapshot::at(self.clone(), seq)
    }

    /// The time of day, by the clock of the environment.
    pub fn now(&self) -> Timestamp {
        self.engine().env.clock.now()
    }

    /// When `moment` became the present, or up to a thousandth of [`Options::retention`] before that; now, if it still is.
    /// None for a moment outside of the window.
    pub fn time_of(&self, moment: SeqNo) -> Option<Timestamp> {
        let engine = self.engine();
        if moment >= engine.snapshots.visible() {
            return Some(self.now());
        }
        engine.snapshots.window().time_of(moment)
    }

    /// The oldest moment that a live snapshot reads or the retention window keeps; the newest visible write when there
    /// is none.
    pub fn watermark(&self) -> SeqNo {
        self.engine().snapshots.watermark()
    }

    /// The newest visible write.
    pub fn last_seq(&self) -> SeqNo {
        self.engine().snapshots.visible()
    }

    /// A writer of a new attachment.
    pub fn attachment_writer(&self) -> Result<AttachmentWriter> {
        let engine = self.engine();
        engine.check_open()?;
        engine.attachments.writer(engine.new_file_number())
    }

    /// Writes everything that is in memory to tables, and deletes the files that nothing refers to any more.
    pub fn flush(&self) -> Result<()> {
        let engine = self.engine();
        engine.check_open()?;
        engine.rotate(&mut engine.log.lock());
        background::flush_sealed(engine)?;
        background::clean_up(engine)
    }

    /// Flushes, and merges each keyspace into its last level: deleted and overwritten data that no snapshot reads
    /// leave the disk.
    pub fn compact(&self) -> Result<()> {
        self.compact_while(&|| true).map(drop)
    }

    /// As [`compact`](DB::compact), as long as `go_on`, which is asked before each keyspace. False when it was called off: the
    /// keyspaces before are merged.
    ///
    /// # Errors
    /// As [`compact`](DB::compact).
    pub fn compact_while(&self, go_on: &dyn Fn() -> bool) -> Result<bool> {
        self.flush()?;
        let is_done = background::compact_everything(self.engine(), go_on)?;
        background::clean_up(self.engine())?;
        Ok(is_done)
    }

    /// Reads everything and compares it with its checksums, its order and the manifest. Damage is in the report, not
    /// in the error. Writes wait while the files are listed.
    ///
    /// # Errors
    /// When the report cannot be made: the database is closed, or its files cannot be listed.
    pub fn verify(&self) -> Result<VerifyReport> {
        verify::verify(self.engine(), &|| true)
    }

    /// As [`verify`](DB::verify), as long as `go_on`, which is asked before each file: the report says nothing of the files behind
    /// the one where it was called off.
    ///
    /// # Errors
    /// As [`verify`](DB::verify).
    pub fn verify_while(&self, go_on: &dyn Fn() -> bool) -> Result<VerifyReport> {
        verify::verify(self.engine(), go_on)
    }

    /// Figures of this moment.
    pub fn stats(&self) -> Stats {
        figures::stats(self.engine())
    }

    /// Does one unit of background work (a flush, a compaction, cleaning up); false when there is none to do. For
    /// databases with [`Options::background_threads`] of 0.
    pub fn tick(&self) -> Result<bool> {
        self.engine().check_open()?;
        background::step(self.engine())
    }

    /// Makes all writes durable, stops the threads and gives the lock back. All later calls, from any handle, are
    /// refused; iterators that exist may fail. The last handle does the same when it goes, without a report.
    ///
    /// # Errors
    /// When something could not be made durable, now or at an earlier sync.
    pub fn close(&self) -> Result<()> {
        self.0.close()
    }
}

/// The records of `wanted` among `known`, if they are all there and as they are wanted.
fn find(
    known: &Keyspaces,
    wanted: &[(&str, KeyspaceOptions)],
) -> Result<Option<Vec<Arc<KeyspaceRecord>>>> {
    let mut records = Vec::with_capacity(wanted.len());
    for (name, options) in wanted {
        let Some(record) = known.by_name(name) else {
            return Ok(None);
        };
        record.check_operator(options)?;
        if record.options != *options {
            return Ok(None);
        }
        records.push(Arc::clone(record));
    }
    Ok(Some(records))
}

impl Owner {
    fn close(&self) -> Result<()> {
        let mut closed = self.closed.lock();
        if let Some(result) = &*closed {
            return result.clone();
        }
        let engine = &self.engine;
        engine.closed.store(true, Ordering::Release);
        // Writers that had got past their check are done once the lock was free.
        drop(engine.log.lock());
        background::stop(engine);
        // Other threads may be in the middle of `compact` or `flush`.
        background::wait_for_all(engine);
        let result = finish(engine);
        engine.delete_garbage();
        engine.files.close();
        {
            let _flush = engine.flush_turn.lock();
            let _manifest = engine.manifest.lock();
            engine.ended.store(true, Ordering::Release);
        }
        *engine.file_lock.lock() = None;
        closed.insert(result).clone()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

impl fmt::Debug for DB {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DB")
            .field("location", &self.engine().files.storage.location())
            .finish_non_exhaustive()
    }
}

/// Leaves the files so that an open has little to do: large memtables in tables, the log synced and sealed.
fn finish(engine: &Engine) -> Result<()> {
    // What was recovered from logs that were never sealed is durable only in tables.
    if engine.must_flush.load(Ordering::Acquire) {
        background::flush_sealed(engine)?;
    }
    let last = engine.log.lock().last_seq;
    engine.group.wait(last)?;
    let memory: usize = engine
        .state
        .load()
        .memtables()
        .map(|memtable| memtable.bytes())
        .sum();
    let flushed = if memory > CLOSE_FLUSH_BYTES {
        engine.rotate(&mut engine.log.lock());
        background::flush_sealed(engine)
    } else {
        Ok(())
    };
    let sealed = seal_logs(engine);
    flushed.and(sealed)
}

fn seal_logs(engine: &Engine) -> Result<()> {
    let mut log = engine.log.lock();
    log.current.take().into_iter().for_each(LogWriter::finish);
    engine.log_pool.lock().finish();
    engine.group.finish();
    let sealed: Vec<LogRecord> = engine.group.take_sealed();
    let is_news = !sealed.is_empty();
    engine.group.give_back(sealed);
    drop(log);
    engine.drop_unused_logs(is_news)
}
