//! Opening a database, in order:
//!
//! 1. Take the lock.
//! 2. Read the manifest (or write the first one). A table that is missing or damaged is an error for whoever reads it:
//!    the rest stays readable.
//! 3. Replay the logs. Writes whose log was never sealed may still be lost in a power cut: they are flushed before
//!    anything is written after them, by the background if there is one.
//! 4. Find the attachments that keys refer to.
//! 5. Delete what is left over: files that no manifest names.
//!
//! A crash in between leaves everything for the next attempt.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use aether_env::{Env, FileLock, Storage};
use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::attachment::Registry;
use crate::background::{self, Pace, Rest};
use crate::bell::Bell;
use crate::cache::Cache;
use crate::conflicts::Conflicts;
use crate::engine::{Engine, LogState};
use crate::error::{Error, ErrorKind, Result};
use crate::file_name::{self, FileKind};
use crate::files::Files;
use crate::iter::InternalIterator;
use crate::key::{self, ValueKind};
use crate::keyspace::{DEFAULT_KEYSPACE, KeyspaceId, KeyspaceRecord, Keyspaces};
use crate::next_log::NextLog;
use crate::options::{KeyspaceOptions, Options};
use crate::signal::Signal;
use crate::snapshots::{Mark, Snapshots, Window};
use crate::state::State;
use crate::stats::Counters;
use crate::values::ValueFiles;
use crate::version::{Edit, Manifest, Table, Version, numbers};
use crate::wal::{self, GroupSync, START_BYTES};

use super::recover::{self, Replay};
use super::transaction::adopt_prepared;

/// Logs that an open leaves unflushed: more would make the next open slow.
const LOGS_KEPT_MAX: usize = 4;

/// Opens the engine; no threads run yet.
pub(super) fn open(env: Env, options: Options) -> Result<Engine> {
    options.check()?;
    let options = options.fitted();
    let storage = Arc::clone(&env.storage);
    let lock = storage.lock(file_name::LOCK).map_err(|error| {
        Error::io(
            format_args!("open the database {}", storage.location()),
            error,
        )
    })?;
    let listed = list(&env)?;
    let manifest_numbers = numbers(listed.keys().map(String::as_str));
    let manifest = match Manifest::open(Arc::clone(&storage), manifest_numbers)? {
        Some(manifest) => manifest,
        None => create(&env, &options, &listed)?,
    };
    check_newest(storage.as_ref(), &manifest, &listed)?;

    let cache = Arc::new(Cache::new(options.memory_bytes));
    let files = Arc::new(Files::new(storage, cache));
    let replay = recover::replay(&files, manifest.catalog())?;
    let engine = assemble(env, options, files, manifest, replay, &listed, lock);
    adopt_marks(&engine)?;
    adopt_prepared(&engine)?;
    settle(&engine)?;
    background::adopt_attachments(&engine)?;
    delete_leftovers(&engine, &listed);
    Ok(engine)
}

/// The error for a database that is not there and may not be made.
pub(super) fn missing(location: &dyn fmt::Display) -> Error {
    let message =
        format!("there is no database in {location}: create it with Options::create_if_missing");
    Error::new(ErrorKind::NotFound, message)
}

type Listed = BTreeMap<String, u64>;

fn list(env: &Env) -> Result<Listed> {
    let explain = |error| Error::io(format_args!("list {}", env.storage.location()), error);
    Ok(env
        .storage
        .list()
        .map_err(explain)?
        .into_iter()
        .map(|file| (file.name, file.bytes))
        .collect())
}

fn create(env: &Env, options: &Options, listed: &Listed) -> Result<Manifest> {
    let data = listed
        .keys()
        .find(|name| !matches!(file_name::parse(name), FileKind::Lock | FileKind::Foreign));
    if let Some(data) = data {
        let detail = format_args!("it is missing, and {data} is there");
        return Err(Error::corruption(&file_name::manifest(1), 0, detail));
    }
    if !options.create_if_missing {
        return Err(missing(&env.storage.location()));
    }
    let default = KeyspaceRecord::new(
        KeyspaceId::DEFAULT,
        DEFAULT_KEYSPACE,
        KeyspaceOptions::DEFAULT,
    );
    let edit = Edit {
        next_file: Some(1),
        keyspaces: vec![default],
        ..Edit::default()
    };
    Manifest::create(Arc::clone(&env.storage), &edit)
}

/// A log is written to only after the manifest that names it: one that nobody names shows that a manifest is gone.
fn check_newest(storage: &dyn Storage, manifest: &Manifest, listed: &Listed) -> Result<()> {
    for name in listed.keys() {
        let FileKind::Log(number) = file_name::parse(name) else {
            continue;
        };
        // One that cannot be read now tells nothing; it is deleted when its manifest is there.
        let is_begun = || {
            recover::read(storage, number, START_BYTES)
                .is_ok_and(|head| wal::read_start(number, &head).is_some())
        };
        if number >= manifest.catalog().next_file && is_begun() {
            let missing = file_name::manifest(manifest.numbers().1 + 1);
            let detail = format_args!("the file is missing, and {name} was written after it");
            return Err(Error::corruption(&missing, 0, detail));
        }
    }
    Ok(())
}

fn assemble(
    env: Env,
    options: Options,
    files: Arc<Files>,
    manifest: Manifest,
    replay: Replay,
    listed: &Listed,
    lock: Box<dyn FileLock>,
) -> Engine {
    static ENGINES: AtomicU64 = AtomicU64::new(1);
    let id = ENGINES.fetch_add(1, Ordering::Relaxed);
    let work = Arc::new(Bell::default());
    let catalog = manifest.catalog();
    let tables: Vec<_> = catalog
        .tables
        .iter()
        .map(|(place, meta)| {
            let table = Arc::new(Table::new(meta.clone(), Arc::clone(&files)));
            (place.keyspace, place.level, table)
        })
        .collect();
    let records = catalog.values.values().map(|file| &file.record);
    let values = ValueFiles::default().with(records, &files);
    let version = Version::default().with(&[], &tables);
    let mut state = State::new(version.with_values(values));
    state.active = Arc::new(replay.memtable);
    let on_disk = listed
        .keys()
        .filter_map(|name| match file_name::parse(name) {
            FileKind::Log(number)
            | FileKind::Table(number)
            | FileKind::Values(number)
            | FileKind::Attachment(number) => Some(number),
            _ => None,
        });
    let next_file = on_disk
        .map(|number| number.saturating_add(1))
        .max()
        .unwrap_or(1)
        .max(catalog.next_file);
    let mut keyspaces = Keyspaces::default();
    for keyspace in catalog.keyspaces.values() {
        keyspaces.insert(Arc::new(keyspace.clone()));
    }
    let window = Window::new(options.retention, Arc::clone(&env.clock));
    let snapshots = Snapshots::new(replay.last_seq, catalog.floor, window);
    Engine {
        id,
        options,
        next_file: AtomicU64::new(next_file),
        state: ArcSwap::from_pointee(state),
        snapshots,
        conflicts: Conflicts::default(),
        resolving: Mutex::new(()),
        keyspaces: ArcSwap::from_pointee(keyspaces),
        keyspace_turn: Mutex::new(()),
        log: Mutex::new(LogState {
            last_seq: replay.last_seq,
            previous: replay.previous,
            ..LogState::default()
        }),
        next_log: NextLog::new(replay.unused),
        group: GroupSync::new(replay.last_seq, replay.durable),
        log_pool: Mutex::default(),
        attachments: Arc::new(Registry::new(id, Arc::clone(&files), Arc::clone(&work))),
        manifest: Mutex::new(manifest),
        flush_turn: Mutex::new(()),
        compacting: Mutex::default(),
        requests: background::Requests::default(),
        replaced: Mutex::default(),
        work,
        halt: Signal::default(),
        progress: Signal::default(),
        flush_error: Mutex::new(None),
        compaction_error: Mutex::new(None),
        pace: Pace::default(),
        rest: Rest::new(env.clock.elapsed()),
        counters: Counters::default(),
        closed: AtomicBool::new(false),
        stopping: AtomicBool::new(false),
        ended: AtomicBool::new(false),
        must_flush: AtomicBool::new(replay.must_flush || replay.logs >= LOGS_KEPT_MAX),
        file_lock: Mutex::new(Some(lock)),
        files,
        env,
    }
}

/// Has flushed what was recovered, if it must not or should not stay in logs: by the background, so that reading can begin;
/// the first write waits until it is done.
fn settle(engine: &Engine) -> Result<()> {
    let recovered = engine.state.load().active.bytes();
    if engine.must_flush.load(Ordering::Acquire) {
        engine.rotate(&mut engine.log.lock());
        if engine.options.background_threads > 0 {
            return Ok(());
        }
        match background::flush_sealed(engine) {
            Ok(()) => engine.must_flush.store(false, Ordering::Release),
            // Reading goes on; the first write tries again.
            Err(error) if error.is_disk_full() => {}
            Err(error) => return Err(error),
        }
    } else if recovered > engine.options.memtable_bytes / 2 {
        engine.rotate(&mut engine.log.lock());
    } else {
        engine.state.load().active.settle();
    }
    Ok(())
}

/// Goes on with the marks of time that earlier batches made.
fn adopt_marks(engine: &Engine) -> Result<()> {
    let state = engine.state.load_full();
    let mut cursor = state.versions(KeyspaceId::SYSTEM)?;
    let mut marks = Vec::new();
    let mut last = Vec::new();
    cursor.seek_to_first();
    while cursor.valid() {
        let (user_key, trailer) = key::split(cursor.key());
        let is_newest = last != user_key;
        if is_newest && key::trailer_kind(trailer) == Some(ValueKind::Put) {
            let seq = key::trailer_seq(trailer);
            marks.extend(Mark::decode(user_key, &cursor.value(), seq));
        }
        last = user_key.to_vec();
        cursor.next();
    }
    cursor.status()?;
    engine.snapshots.window().adopt(marks);
    Ok(())
}

/// Deletes files of ours that nothing names. One that cannot be deleted stays for the next open.
fn delete_leftovers(engine: &Engine, listed: &Listed) {
    let manifest = engine.manifest.lock();
    let catalog = manifest.catalog();
    let (first, last) = manifest.numbers();
    let named = catalog.file_names();
    let attachments = engine.attachments.known();
    for name in listed.keys() {
        let is_needed = match file_name::parse(name) {
            FileKind::Log(_) | FileKind::Table(_) | FileKind::Values(_) => named.contains(name),
            FileKind::Attachment(number) => attachments.contains_key(&number),
            FileKind::Manifest(number) => (first..=last).contains(&number),
            FileKind::Lock | FileKind::Foreign => true,
        };
        if !is_needed {
            match engine.files.storage.delete(name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    engine.files.discard(name.clone());
                }
                _ => {}
            }
        }
    }
}
