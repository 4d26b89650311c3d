//! Compacting: carries out the most urgent plan over all keyspaces. Plans that run at the same time in one keyspace
//! have no key in common (claims.rs).

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::compaction::{self, Level0Debt, Limits, Merge, Placement, Plan, Retention, garbage};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::iter::MergeIter;
use crate::keyspace::KeyspaceId;
use crate::range_deletes::RangeDeletes;
use crate::values::ValueFileRecord;
use crate::version::{Edit, LEVELS, Run, RunIter, Table, TablePlace, runs_of};

use super::claims::Turn;
use super::flush::NewTables;
use super::{request, rest};

/// A unit of a compacting thread's work.
pub(super) fn step(engine: &Engine) -> Result<bool> {
    if request::help(engine, carry_out_thoroughly) {
        return Ok(true);
    }
    let Some((turn, plan)) = pick(engine) else {
        return Ok(false);
    };
    let done = carry_out(engine, turn.keyspace, &plan, values_to_move(engine));
    // Its tables go with the plan, unless somebody reads them.
    drop((plan, turn));
    engine.delete_garbage();
    engine.progress.ring();
    if engine.is_stopping() {
        return Ok(false);
    }
    *engine.compaction_error.lock() = done.as_ref().err().cloned();
    done.map(|()| true)
}

/// Merges each keyspace into its last level, as long as `go_on`: false when it was called off.
pub(crate) fn compact_everything(engine: &Engine, go_on: &dyn Fn() -> bool) -> Result<bool> {
    let keyspaces: Vec<KeyspaceId> = engine
        .state
        .load()
        .version
        .trees()
        .map(|(keyspace, _)| keyspace)
        .collect();
    for keyspace in keyspaces {
        if !go_on() {
            return Ok(false);
        }
        let turn = Turn::wait(engine, keyspace)?;
        let tree = engine.state.load().version.tree(keyspace).cloned();
        let plans = tree.map_or_else(Vec::new, |tree| compaction::everything(&tree));
        request::carry_out_all(engine, keyspace, plans, carry_out_thoroughly)?;
        drop(turn);
        engine.progress.ring();
    }
    *engine.compaction_error.lock() = None;
    Ok(true)
}

/// What the policy needs of the options.
pub(super) fn limits(engine: &Engine) -> Limits {
    let options = &engine.options;
    Limits {
        // Writers that wait for level 0 must not wait for ever.
        level0_runs: options.level0_compact_runs.min(options.level0_stop_runs),
        level0_runs_max: (2 * options.level0_compact_runs).min(options.level0_stop_runs),
        level_base_bytes: options.level_base_bytes,
        level_ratio: options.level_ratio,
        table_bytes: options.table_bytes,
        memtable_bytes: options.memtable_bytes as u64,
    }
}

/// What all compactions together still have to read and write, about.
pub(crate) fn compaction_debt(engine: &Engine) -> u64 {
    let limits = limits(engine);
    let state = engine.state.load();
    let trees = state.version.trees();
    trees.map(|(_, tree)| compaction::debt(tree, &limits)).sum()
}

/// What writers wait for in level 0, over all keyspaces.
pub(crate) fn level0_debt(engine: &Engine) -> Level0Debt {
    let limits = limits(engine);
    let state = engine.state.load();
    let trees = state.version.trees();
    trees
        .map(|(_, tree)| compaction::level0_debt(tree, &limits))
        .fold(Level0Debt::NONE, Level0Debt::and)
}

fn pick(engine: &Engine) -> Option<(Turn<'_>, Plan)> {
    let limits = rest::limits_now(engine);
    let watermark = engine.snapshots.watermark();
    let mut compacting = engine.compacting.lock();
    let overdue = overdue(engine);
    let state = engine.state.load();
    let (keyspace, plan) = state
        .version
        .trees()
        .filter_map(|(keyspace, tree)| {
            let busy = compacting.busy(keyspace)?;
            let shape = compaction::plan(tree, &limits, watermark, &busy);
            let space = match &shape {
                Some(plan) if plan.urgency >= 1.0 => None,
                _ if overdue.is_empty() => None,
                _ => compaction::emptying(tree, &limits, &overdue, &busy),
            };
            Some((keyspace, space.or(shape)?))
        })
        .max_by(|(_, a), (_, b)| a.urgency.total_cmp(&b.urgency))?;
    let id = compacting.take(keyspace, Some(plan.span.clone()));
    Some((Turn::new(engine, id, keyspace), plan))
}

/// The value files that a compaction now should help to empty.
fn values_to_move(engine: &Engine) -> BTreeSet<u64> {
    let mut emptied = overdue(engine);
    let manifest = engine.manifest.lock();
    emptied.extend(garbage::mostly(manifest.catalog().values.values()));
    emptied
}

/// The value files that must be emptied now. Garbage is let alone while it is less than what waits in memory anyway.
fn overdue(engine: &Engine) -> BTreeSet<u64> {
    let floor_bytes = rest::limits_now(engine).memtable_bytes / 4;
    let manifest = engine.manifest.lock();
    garbage::overdue(manifest.catalog().values.values(), floor_bytes)
}

/// A plan that somebody has asked for.
fn carry_out_thoroughly(engine: &Engine, keyspace: KeyspaceId, plan: &Plan) -> Result<()> {
    let emptied = {
        let manifest = engine.manifest.lock();
        garbage::noticeable(manifest.catalog().values.values())
    };
    carry_out(engine, keyspace, plan, emptied)
}

/// The caller has the turn of `keyspace`: whoever closes the database has either seen that, or is seen here.
///
/// Values of the files `emptied` move where the inputs point to them.
fn carry_out(
    engine: &Engine,
    keyspace: KeyspaceId,
    plan: &Plan,
    emptied: BTreeSet<u64>,
) -> Result<()> {
    if engine.is_stopping() {
        return Err(Error::new(
            ErrorKind::Closed,
            "the database is being closed",
        ));
    }
    let removed = plan.inputs.iter().flat_map(|(level, tables)| {
        tables.iter().map(|table| TablePlace {
            keyspace,
            level: *level,
            number: table.meta.number,
        })
    });
    let mut edit = Edit {
        removed: removed.collect(),
        ..Edit::default()
    };
    let work = &engine.counters.work[plan.target];
    if plan.moves {
        let tables: Vec<Arc<Table>> = plan.tables().cloned().collect();
        let bytes = tables.iter().map(|table| table.meta.info.bytes).sum();
        commit(engine, keyspace, plan.target, edit, tables)?;
        work.moved.add(bytes);
    } else {
        let mut sink = NewTables {
            engine,
            names: Vec::new(),
        };
        let began = engine.env.clock.elapsed();
        let (tables, value_files) = match merge(engine, keyspace, plan, emptied, &mut sink) {
            Ok(merged) => merged,
            Err(error) => {
                sink.delete();
                return Err(error);
            }
        };
        let bytes: u64 = tables.iter().map(|table| table.meta.info.bytes).sum();
        let value_bytes: u64 = value_files.iter().map(|file| file.bytes).sum();
        edit.value_files = value_files;
        if let Err(refused) = commit(engine, keyspace, plan.target, edit, tables) {
            if refused.clean {
                sink.delete();
            }
            return Err(refused.error);
        }
        plan.tables().for_each(|table| table.mark_obsolete());
        let read: u64 = plan.tables().map(|table| table.meta.info.bytes).sum();
        let took = engine.env.clock.elapsed().saturating_sub(began);
        engine.pace.merged(read + value_bytes, took);
        work.read.add(read + value_bytes);
        work.written.add(bytes + value_bytes);
        engine.counters.bytes_compacted.add(bytes + value_bytes);
    }
    engine.counters.compactions.add(1);
    engine.work.ring();
    Ok(())
}

fn commit(
    engine: &Engine,
    keyspace: KeyspaceId,
    target: usize,
    mut edit: Edit,
    tables: Vec<Arc<Table>>,
) -> std::result::Result<(), crate::version::Refused> {
    edit.added = tables
        .iter()
        .map(|table| {
            (
                TablePlace {
                    keyspace,
                    level: target,
                    number: table.meta.number,
                },
                table.meta.clone(),
            )
        })
        .collect();
    let added: Vec<_> = tables
        .into_iter()
        .map(|table| (keyspace, target, table))
        .collect();
    engine.commit_edit(edit, &added, None)
}

fn merge(
    engine: &Engine,
    keyspace: KeyspaceId,
    plan: &Plan,
    emptied: BTreeSet<u64>,
    sink: &mut NewTables<'_>,
) -> Result<(Vec<Arc<Table>>, Vec<ValueFileRecord>)> {
    let retention = engine.snapshots.retention();
    let options = engine.keyspace_options(keyspace);
    let tree = engine.state.load().version.tree(keyspace).cloned();
    let tree = tree.unwrap_or_default();
    let below: Vec<Arc<Table>> = (plan.target + 1..LEVELS)
        .flat_map(|level| tree.level(level).to_vec())
        .collect();
    let (cuts, table_bytes) = compaction::outline(&tree, plan, &limits(engine));
    let deletes = deletes(plan)?;
    let table = if below.is_empty() {
        options.table.last()
    } else {
        options.table.clone()
    };
    let placement = Placement {
        files: engine.state.load().version.values().clone(),
        emptied,
        logs: BTreeSet::new(),
    };
    let merge = Merge {
        retention: &retention,
        options: &table,
        table_bytes,
        cuts: &cuts,
        rules: &engine.rules(keyspace, &placement.files),
        filter: options.filter.as_deref(),
        deletes: &deletes,
        below: Some(&below),
        placement: &placement,
        stop: &|| engine.is_stopping(),
    };
    let cursors = cursors(plan, &deletes, &retention)?;
    let merged = merge.run(&mut MergeIter::new(cursors), sink)?;
    let storage = &engine.files.storage;
    storage
        .sync_names()
        .map_err(|error| Error::io("sync the names of new tables", error))?;
    let open = |meta| Arc::new(Table::new(meta, Arc::clone(&engine.files)));
    let tables = merged.tables.into_iter().map(open).collect();
    Ok((tables, merged.value_files))
}

/// The ranges that the inputs delete.
fn deletes(plan: &Plan) -> Result<RangeDeletes> {
    let mut sets = Vec::new();
    for table in plan
        .tables()
        .filter(|table| table.meta.info.range_deletes > 0)
    {
        sets.push(Arc::clone(table.reader()?.range_deletes()));
    }
    Ok(RangeDeletes::union(sets.iter().map(|set| &**set)))
}

/// Over the entries of the inputs, but for those tables of which nobody sees anything any more.
fn cursors(plan: &Plan, deletes: &RangeDeletes, retention: &Retention) -> Result<Vec<RunIter>> {
    let mut cursors = Vec::new();
    for (level, tables) in &plan.inputs {
        let is_needed = |table: &&Arc<Table>| !is_gone(table, deletes, retention);
        let tables: Vec<Arc<Table>> = tables.iter().filter(is_needed).cloned().collect();
        let runs = match level {
            _ if tables.is_empty() => Vec::new(),
            0 => runs_of(&tables),
            _ => vec![Run::from(&tables[..])],
        };
        for run in runs {
            cursors.push(RunIter::new(&run, true)?);
        }
    }
    Ok(cursors)
}

/// True when ranges that all readers see as deleted hold all of `table`, which is older.
fn is_gone(table: &Table, deletes: &RangeDeletes, retention: &Retention) -> bool {
    let (start, end) = (table.meta.smallest_user_key(), table.meta.end());
    let mut reached = start;
    for (from, to, seqs) in deletes.within(Some(start), Some(&end)) {
        let seen_by_all = seqs.iter().find(|seq| **seq <= retention.watermark());
        let is_older = seen_by_all.is_some_and(|seq| table.meta.info.max_seq < *seq);
        if from != reached || !is_older {
            return false;
        }
        reached = to;
    }
    reached == &end[..]
}
