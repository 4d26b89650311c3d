//! Flushing: the oldest sealed memtable becomes one table of level 0 in each of its keyspaces.
//!
//! 1. Write and sync the tables, sync their names.
//! 2. Logs of large values become value files: sync them. Nothing of them is written again.
//! 3. Commit the edit: the tables are in, and logs below the memtable's ceiling are out.
//! 4. Delete those logs, but for the value files.
//!
//! A crash before 3 leaves tables that the next open deletes; one after 3 leaves logs that it deletes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aether_env::WritableFile;
use bytes::Bytes;

use crate::compaction::{self, Merge, Placement, TableSink};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::file_name;
use crate::iter::InternalIterator;
use crate::key;
use crate::keyspace::KeyspaceId;
use crate::memtable::MemTable;
use crate::range_deletes::RangeDeletes;
use crate::values::{ValueFileKind, ValueFileRecord};
use crate::version::{Edit, Table, TableMeta, TablePlace};
use crate::wal::LogWriter;

use super::{collect, compact};

/// A unit of the flushing thread's work.
pub(super) fn step(engine: &Engine) -> Result<bool> {
    let did = work(engine);
    match &did {
        Ok(true) => *engine.flush_error.lock() = None,
        Ok(false) => {}
        Err(error) => *engine.flush_error.lock() = Some(error.clone()),
    }
    engine.progress.ring();
    did
}

fn work(engine: &Engine) -> Result<bool> {
    // Time alone moves the begin of the retention window.
    engine.look_again();
    // The log first, so that it is there when the next memtable is full, however long this one's flush takes. Without
    // room for it there may be some after the flush.
    let prepared = {
        let _turn = engine.flush_turn.lock();
        prepare_next_log(engine)
    };
    if flush_oldest(engine)? || prepared? || collect::collect_attachments(engine)? {
        return Ok(true);
    }
    Ok(engine.delete_garbage())
}

/// Flushes all memtables that are sealed.
pub(crate) fn flush_sealed(engine: &Engine) -> Result<()> {
    while flush_oldest(engine)? {}
    *engine.flush_error.lock() = None;
    Ok(())
}

fn flush_oldest(engine: &Engine) -> Result<bool> {
    let _turn = engine.flush_turn.lock();
    engine.check_not_ended()?;
    let Some(memtable) = engine.state.load().sealed.last().cloned() else {
        return Ok(false);
    };
    engine.pace.flush_begins(engine.env.clock.elapsed());
    let flushed = flush(engine, &memtable);
    let bytes = flushed.as_ref().map_or(0, |()| memtable.bytes() as u64);
    engine.pace.flush_ends(engine.env.clock.elapsed(), bytes);
    flushed?;
    engine.progress.ring();
    engine.work.ring();
    Ok(true)
}

fn flush(engine: &Engine, memtable: &Arc<MemTable>) -> Result<()> {
    let mut sink = NewTables {
        engine,
        names: Vec::new(),
    };
    let edit = match write_tables(engine, memtable, &mut sink) {
        Ok(edit) => edit,
        Err(error) => {
            sink.delete();
            return Err(error);
        }
    };
    let bytes: u64 = edit.added.iter().map(|(_, table)| table.info.bytes).sum();
    // Writers that have waited for this flush begin the next log at once. They make it themselves when that fails.
    let _ = prepare_next_log(engine);
    commit(engine, edit, memtable, &sink)?;
    engine.counters.flushes.add(1);
    engine.counters.bytes_flushed.add(bytes);
    engine.counters.work[0].written.add(bytes);
    Ok(())
}

fn write_tables(
    engine: &Engine,
    memtable: &Arc<MemTable>,
    sink: &mut NewTables<'_>,
) -> Result<Edit> {
    let retention = engine.snapshots.retention();
    memtable.settle();
    let logs = logs_to_keep(engine, memtable)?;
    let placement = Placement {
        logs: logs.keys().copied().collect(),
        ..Placement::default()
    };
    let mut added: Vec<(TablePlace, TableMeta)> = Vec::new();
    let mut value_files = Vec::new();
    for keyspace in memtable.keyspaces() {
        let options = engine.keyspace_options(keyspace);
        let shape = Shape::of(engine, keyspace);
        let sets = memtable.range_deletes(keyspace);
        let deletes = RangeDeletes::union(sets.iter().map(|set| &**set));
        let merge = Merge {
            retention: &retention,
            options: &options.table,
            table_bytes: shape.table_bytes,
            cuts: &shape.cuts,
            rules: &engine.rules(keyspace, &placement.files),
            filter: None,
            deletes: &deletes,
            below: None,
            placement: &placement,
            stop: &|| false,
        };
        let merged = merge.run(&mut memtable.iter(keyspace), sink)?;
        value_files.extend(merged.value_files);
        for table in merged.tables {
            added.push((
                TablePlace {
                    keyspace,
                    level: 0,
                    number: table.number,
                },
                table,
            ));
        }
    }
    let pointed: BTreeSet<u64> = added
        .iter()
        .flat_map(|(_, table)| table.info.values.iter().map(|(file, _)| *file))
        .collect();
    let kept = logs.iter().filter(|(number, _)| pointed.contains(number));
    let kept: Vec<ValueFileRecord> = kept
        .map(|(number, bytes)| as_value_file(*number, *bytes))
        .collect();
    if !kept.is_empty() {
        engine.group.wait(memtable.last_seq())?;
    }
    value_files.extend(kept);
    let storage = &engine.files.storage;
    storage
        .sync_names()
        .map_err(|error| Error::io("sync the names of new tables", error))?;
    Ok(Edit {
        flushed: Some(memtable.last_seq()),
        log_floor: Some(memtable.log_ceiling()),
        value_files,
        added,
        ..Edit::default()
    })
}

/// Where the tables of a flush end: where those below do, so that level 0 can be compacted piece by piece.
struct Shape {
    table_bytes: u64,
    cuts: Vec<Bytes>,
}

impl Shape {
    fn of(engine: &Engine, keyspace: KeyspaceId) -> Shape {
        let limits = compact::limits(engine);
        let state = engine.state.load();
        let tree = state.version.tree(keyspace);
        let cuts = tree.map_or_else(Vec::new, |tree| compaction::cuts(tree, &limits));
        Shape {
            // The first tables make the first cuts.
            table_bytes: if cuts.is_empty() {
                compaction::first_piece_bytes(&limits)
            } else {
                u64::MAX
            },
            cuts,
        }
    }
}

/// The logs of `memtable` that become value files, and how much of each counts: those that hold mostly large values
/// which are still wanted. Large values of the others are written again, into value files of their own.
fn logs_to_keep(engine: &Engine, memtable: &Arc<MemTable>) -> Result<BTreeMap<u64, u64>> {
    let mut kept = BTreeMap::new();
    if engine.group.check().is_err() {
        return Ok(kept); // What a log holds after a failed sync is unknown.
    }
    for (log, live) in large_values(engine, memtable)? {
        // One that is neither sealed nor in the group was recovered: nobody has synced it.
        let sealed = engine
            .manifest
            .lock()
            .catalog()
            .logs
            .get(&log)
            .copied()
            .flatten();
        let bytes = sealed.or_else(|| engine.group.log_bytes(log));
        if let Some(bytes) = bytes.filter(|bytes| live >= bytes / 4 * 3) {
            kept.insert(log, bytes);
        }
    }
    Ok(kept)
}

/// Bytes of large values that `memtable` has in each log, old versions left out.
fn large_values(engine: &Engine, memtable: &Arc<MemTable>) -> Result<BTreeMap<u64, u64>> {
    let mut live = BTreeMap::new();
    for keyspace in memtable.keyspaces() {
        let large = engine.keyspace_options(keyspace).table.separated_bytes_min;
        if large == 0 || memtable.largest_value() < large {
            continue;
        }
        let mut cursor = memtable.iter(keyspace);
        let mut last_key = Vec::new();
        cursor.seek_to_first();
        while cursor.valid() {
            let user_key = key::user_key(cursor.key());
            let bytes = cursor.value_bytes();
            if bytes >= large
                && user_key != last_key
                && let Some(position) = cursor.position()
            {
                *live.entry(position.log).or_insert(0) += bytes as u64;
            }
            last_key.clear();
            last_key.extend_from_slice(user_key);
            cursor.next();
        }
        cursor.status()?;
    }
    Ok(live)
}

fn as_value_file(number: u64, bytes: u64) -> ValueFileRecord {
    ValueFileRecord {
        number,
        kind: ValueFileKind::Log,
        bytes,
    }
}

fn commit(
    engine: &Engine,
    edit: Edit,
    memtable: &Arc<MemTable>,
    sink: &NewTables<'_>,
) -> Result<()> {
    let ceiling = memtable.log_ceiling();
    let old_logs: Vec<u64> = {
        let manifest = engine.manifest.lock();
        manifest
            .catalog()
            .logs
            .range(..ceiling)
            .map(|(number, _)| *number)
            .collect()
    };
    let kept: BTreeSet<u64> = edit.value_files.iter().map(|file| file.number).collect();
    let added: Vec<(KeyspaceId, usize, Arc<Table>)> = edit
        .added
        .iter()
        .map(|(place, meta)| {
            let table = Table::new(meta.clone(), Arc::clone(&engine.files));
            (place.keyspace, place.level, Arc::new(table))
        })
        .collect();
    if let Err(refused) = engine.commit_edit(edit, &added, Some(memtable)) {
        if refused.clean {
            sink.delete();
        }
        return Err(refused.error);
    }
    engine.group.flushed(memtable.last_seq(), ceiling);
    engine.look_again();
    for number in old_logs {
        let name = file_name::log(number);
        if kept.contains(&number) {
            // A value file now, for as long as there are pointers into it; and never a log again, since it may be read.
            let log = engine.log_pool.lock().take_full(number);
            log.into_iter().for_each(LogWriter::finish);
        } else if engine.log_pool.lock().release(number) {
            engine.files.will_discard(name);
        } else {
            engine.files.discard(name);
        }
    }
    engine.delete_garbage();
    Ok(())
}

/// Makes the next log ahead of time, so that no writer has to wait for that. The caller has the turn to flush.
fn prepare_next_log(engine: &Engine) -> Result<bool> {
    if !engine.needs_next_log(&engine.state.load()) || engine.is_stopping() {
        return Ok(false);
    }
    engine.next_log.prepare(|| engine.prepare_log())
}

/// New table files, and their names in case they have to go again.
pub(super) struct NewTables<'a> {
    pub(super) engine: &'a Engine,
    pub(super) names: Vec<String>,
}

impl NewTables<'_> {
    /// Deletes the files; only when the manifest certainly does not name them.
    pub(super) fn delete(&self) {
        for name in &self.names {
            let _ = self.engine.files.storage.delete(name);
        }
    }
}

impl NewTables<'_> {
    fn create_file(
        &mut self,
        name: fn(u64) -> String,
    ) -> Result<(u64, String, Box<dyn WritableFile>)> {
        let number = self.engine.new_file_number();
        let name = name(number);
        let file = self.engine.files.storage.create(&name);
        let file = file.map_err(|error| Error::io(format_args!("create {name}"), error))?;
        self.names.push(name.clone());
        Ok((number, name, file))
    }
}

impl TableSink for NewTables<'_> {
    fn create(&mut self) -> Result<(u64, String, Box<dyn WritableFile>)> {
        self.create_file(file_name::table)
    }

    fn create_values(&mut self) -> Result<(u64, String, Box<dyn WritableFile>)> {
        self.create_file(file_name::values)
    }
}
