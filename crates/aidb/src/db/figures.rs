//! Gathers the statistics of an open database.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::background;
use crate::engine::Engine;
use crate::error::Error;
use crate::stats::{KeyspaceStats, LevelStats, Stats};
use crate::version::{Table, ValueFileUse};

/// The figures of this moment.
pub(super) fn stats(engine: &Engine) -> Stats {
    let state = engine.state.load_full();
    let level = |run: &[Arc<Table>], runs: usize| LevelStats {
        tables: run.len() as u64,
        runs: runs as u64,
        bytes: run.iter().map(|table| table.meta.info.bytes).sum(),
        entries: run.iter().map(|table| table.meta.info.entries).sum(),
        tombstones: run.iter().map(|table| table.meta.info.tombstones).sum(),
    };
    let levels = |id| match state.version.tree(id) {
        Some(tree) => {
            let runs = |number: usize, run: &[Arc<Table>]| match number {
                0 => tree.level0_runs().len(),
                _ => usize::from(!run.is_empty()),
            };
            let levels = tree.levels().iter().enumerate();
            levels
                .map(|(number, run)| level(run, runs(number, run)))
                .collect()
        }
        None => Vec::new(),
    };
    let keyspaces: Vec<KeyspaceStats> = engine
        .keyspaces
        .load()
        .iter()
        .map(|record| KeyspaceStats {
            name: record.name.clone(),
            levels: levels(record.id),
        })
        .collect();
    let tables = || state.version.trees().flat_map(|(_, tree)| tree.tables());
    let attachments = engine.attachments.known();
    let registered = engine.attachments.registered();
    let values: Vec<ValueFileUse> = {
        let manifest = engine.manifest.lock();
        manifest.catalog().values.values().copied().collect()
    };
    let counters = &engine.counters;
    let text = |error: &Mutex<Option<Error>>| error.lock().as_ref().map(Error::to_string);
    Stats {
        table_bytes: tables().map(|table| table.meta.info.bytes).sum(),
        table_memory_bytes: tables().map(|table| table.memory_bytes() as u64).sum(),
        keyspaces,
        memtable_bytes: state
            .memtables()
            .map(|memtable| memtable.bytes() as u64)
            .sum(),
        sealed_memtables: state.sealed.len() as u64,
        wal_bytes: wal_bytes(engine),
        cache: engine.files.cache.stats(),
        commits: counters.commits.get(),
        writes: counters.writes.get(),
        bytes_logged: counters.bytes_logged.get(),
        syncs: engine.group.syncs(),
        flushes: counters.flushes.get(),
        bytes_flushed: counters.bytes_flushed.get(),
        compactions: counters.compactions.get(),
        bytes_compacted: counters.bytes_compacted.get(),
        slowdowns: counters.slowdowns.get(),
        stalls: counters.stalls.get(),
        stall_micros: counters.pauses.micros(),
        longest_stall_micros: counters.pauses.longest_micros(),
        pauses: counters.pauses.counts(),
        work: std::array::from_fn(|level| counters.work[level].get()),
        compaction_debt_bytes: background::compaction_debt(engine),
        value_files: values.len() as u64,
        value_file_bytes: values.iter().map(|file| file.record.bytes).sum(),
        value_garbage_bytes: values.iter().map(ValueFileUse::garbage_bytes).sum(),
        attachments: registered.len() as u64,
        attachment_bytes: registered
            .iter()
            .filter_map(|number| attachments.get(number))
            .sum(),
        snapshots: engine.snapshots.count() as u64,
        flush_error: text(&engine.flush_error),
        compaction_error: text(&engine.compaction_error),
    }
}

fn wal_bytes(engine: &Engine) -> u64 {
    let logs = engine.manifest.lock().catalog().logs.clone();
    let unsealed = engine.group.unsealed_bytes();
    let sealed: u64 = logs
        .iter()
        .filter(|(number, _)| !unsealed.contains_key(*number))
        .filter_map(|(_, sealed)| *sealed)
        .sum();
    sealed + unsealed.values().sum::<u64>()
}
