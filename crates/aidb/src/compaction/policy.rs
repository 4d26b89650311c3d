//! Leveled compaction: the shape of a tree in, a plan out. Pure.
//!
//! ```text
//! level 0      flushed tables, in runs (version/tree.rs): `level0_runs` of them before they are merged, or up to twice
//!              as many while they hold much less than what they would be merged with, and while they can hide only
//!              a small part of it (level0.rs)
//! (empty)      levels above the base level hold nothing
//! base..6      each about `level_ratio` times larger than the one above; the sizes follow from the last one, so that
//!              nine tenths of the data lie in it, and all but large databases have only level 0 and the last
//! ```
//!
//! - Level 0 is compacted by *column*: the tables that hang together by their ranges, with those of the base level
//!   below them. Flushes cut their tables where those of the base level begin ([`cuts`]), and merges keep to these
//!   bounds ([`outline`]), so that columns stay narrow, several threads find work at once, and little is held twice.
//! - A level that is over its target gives the table that overlaps the least with the next one.
//! - Tables are moved instead of merged where nothing overlaps: a sequential load is never rewritten.
//! - When much of what the values apart from their keys take may be of overwritten ones: the tables of level 0 that tell.
//! - When nothing is over a limit: tombstones, where dropping them and what they hide gives back a good part of what
//!   it costs; and rows of small tables.
//!
//! Plans of one tree may be carried out at the same time when their ranges have no key in common: a plan takes all
//! older versions of its range from the levels that it reads, and puts its result into the same range.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::level0::Level0;
use super::span::{Span, columns};
use crate::key::{self, SeqNo};
use crate::version::{LEVELS, Table, Tree};

/// What the policy needs of [`crate::Options`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Runs of level 0 from which on they are merged if it is cheap, and those at which they are in any case.
    pub(crate) level0_runs: usize,
    pub(crate) level0_runs_max: usize,
    pub(crate) level_base_bytes: u64,
    pub(crate) level_ratio: u64,
    pub(crate) table_bytes: u64,
    /// What a flush takes at once, as memtables count it.
    pub(crate) memtable_bytes: u64,
}

/// The urgency of what only gives space back.
pub(super) const URGENCY_OF_SPACE: f64 = 0.5;

/// The urgency of emptying value files: before other space, and after what writers may wait for.
pub(super) const URGENCY_OF_GARBAGE: f64 = 0.75;

/// Neighbours in a level that are merged into one table when they are small.
const ROW_TABLES: usize = 8;

/// A level has about so many tables before they become as large as tables may be: what is merged at once takes its space
/// twice until it is done.
const STEPS_PER_LEVEL: u64 = 32;

/// And they are no smaller than this part of a memtable, nor than what is worth a file.
const STEPS_PER_MEMTABLE: u64 = 4;
const STEP_BYTES_MIN: u64 = 256 << 10;

/// A memtable is cut into so many tables while nothing lies below: enough to begin with, and not so small that they are
/// merged for it.
const FIRST_PIECES: u64 = 8;

/// Tables to be merged, or moved, into a level.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// (level, tables), newest level first.
    pub(crate) inputs: Vec<(usize, Vec<Arc<Table>>)>,
    /// Where the result goes.
    pub(crate) target: usize,
    /// The tables fit as they are.
    pub(crate) moves: bool,
    /// How much it is needed: 1 and more is over a limit.
    pub(crate) urgency: f64,
    /// The range that it reads and writes.
    pub(crate) span: Span,
}

impl Plan {
    /// None without tables.
    pub(super) fn new(
        inputs: Vec<(usize, Vec<Arc<Table>>)>,
        target: usize,
        urgency: f64,
        moves: bool,
    ) -> Option<Plan> {
        let inputs: Vec<_> = inputs
            .into_iter()
            .filter(|(_, tables)| !tables.is_empty())
            .collect();
        let span = Span::of(inputs.iter().flat_map(|(_, tables)| tables))?;
        Some(Plan {
            inputs,
            target,
            moves,
            urgency,
            span,
        })
    }

    /// All input tables.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.inputs.iter().flat_map(|(_, tables)| tables)
    }

    pub(super) fn is_free(&self, busy: &[Span]) -> bool {
        !busy.iter().any(|span| span.overlaps(&self.span))
    }
}

/// The most urgent compaction of `tree` outside the ranges of `busy`, if one is worth while. `watermark`: no reader
/// looks further back.
pub(crate) fn plan(tree: &Tree, limits: &Limits, watermark: SeqNo, busy: &[Span]) -> Option<Plan> {
    let (base, targets) = targets(tree, limits);
    let level0 = Level0::of(tree, base, limits);
    let over = (1..LEVELS - 1).filter_map(|level| {
        let urgency = ratio(bytes(tree.level(level)), targets[level]);
        (urgency >= 1.0).then(|| cheapest(tree, level, urgency, busy))?
    });
    level0
        .full(limits, busy)
        .into_iter()
        .chain(over)
        .max_by(|a, b| a.urgency.total_cmp(&b.urgency))
        .or_else(|| level0.apart(limits, busy))
        .or_else(|| level0.tombstones(watermark, busy))
        .or_else(|| level0.hidden_values(busy))
        .or_else(|| tombstones(tree, watermark, busy))
        .or_else(|| small_tables(tree, limits, busy))
}

/// A compaction of `tree` outside the ranges of `busy` that takes pointers away from value files which are to be
/// emptied: of a table by itself, where it stands, or else of a column of level 0.
pub(crate) fn emptying(
    tree: &Tree,
    limits: &Limits,
    files: &BTreeSet<u64>,
    busy: &[Span],
) -> Option<Plan> {
    let in_place = (1..LEVELS)
        .flat_map(|level| tree.level(level).iter().map(move |table| (level, table)))
        .filter(|(_, table)| points_into(table, files))
        .filter_map(|(level, table)| {
            let inputs = vec![(level, vec![Arc::clone(table)])];
            Plan::new(inputs, level, URGENCY_OF_GARBAGE, false)
        })
        .find(|plan| plan.is_free(busy));
    let (base, _) = targets(tree, limits);
    in_place.or_else(|| Level0::of(tree, base, limits).emptying(files, busy))
}

/// True when `table` points into one of `files`.
pub(super) fn points_into(table: &Table, files: &BTreeSet<u64>) -> bool {
    let values = &table.meta.info.values;
    values.iter().any(|(file, _)| files.contains(file))
}

/// Plans that merge all tables of `tree` into its last level, so that nothing is left that nobody can see.
pub(crate) fn everything(tree: &Tree) -> Vec<Plan> {
    let levels = tree.levels().iter().map(|run| &run[..]);
    let plans = columns(levels).into_iter().filter_map(|column| {
        let inputs = (0..LEVELS).map(|level| (level, column.of_run(level).cloned().collect()));
        Plan::new(inputs.collect(), LEVELS - 1, 1.0, false)
    });
    plans.collect()
}

/// What writers wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level0Debt {
    /// What has to be read and written, about, until level 0 is within its limits.
    pub(crate) bytes: u64,
    /// What may be added to it until writers should not go on.
    pub(crate) room: u64,
}

impl Level0Debt {
    pub(crate) const NONE: Level0Debt = Level0Debt {
        bytes: 0,
        room: u64::MAX,
    };

    /// Of two keyspaces together.
    pub(crate) fn and(self, other: Level0Debt) -> Level0Debt {
        Level0Debt {
            bytes: self.bytes + other.bytes,
            room: self.room.min(other.room),
        }
    }
}

/// What level 0 of `tree` has too much.
pub(crate) fn level0_debt(tree: &Tree, limits: &Limits) -> Level0Debt {
    // More than that is always allowed.
    let is_small = bytes(tree.level(0)) <= limits.memtable_bytes / 2;
    if is_small && tree.level0_runs().len() < limits.level0_runs {
        return Level0Debt::NONE;
    }
    let level0 = Level0::of(tree, targets(tree, limits).0, limits);
    match level0.debt(limits) {
        0 => Level0Debt::NONE,
        bytes => Level0Debt {
            bytes,
            room: level0.room(),
        },
    }
}

/// What has to be read and written, about, until no limit is exceeded.
pub(crate) fn debt(tree: &Tree, limits: &Limits) -> u64 {
    let (_, targets) = targets(tree, limits);
    let level0 = level0_debt(tree, limits).bytes;
    let below = (1..LEVELS - 1).map(|level| {
        let excess = bytes(tree.level(level)).saturating_sub(targets[level]);
        // On the way down each byte takes along about half of what lies below it when the levels are full.
        excess.saturating_mul(limits.level_ratio / 2 + 1)
    });
    below.fold(level0, u64::saturating_add)
}

/// The user keys at which a flush ends a table: where tables of the base level begin. Flushed tables hang together only
/// where they end alike, so none of these keys is passed over, and a table of level 0 that reaches over one does not take
/// it away.
pub(crate) fn cuts(tree: &Tree, limits: &Limits) -> Vec<Bytes> {
    let (base, _) = targets(tree, limits);
    let least = even_step(tree, base, limits) / 2;
    if tree.level(base).is_empty() {
        let columns = columns([&tree.level(0)[..]]);
        let firsts = columns.iter().filter_map(|column| column.tables.first());
        return firsts.map(|(_, table)| start(table)).collect();
    }
    starts(tree.level(base), least)
}

/// The user keys at which `plan` ends a table, and the bytes at which it does so in any case.
///
/// Tables keep to the ranges of those that they replace, unless these have become small: what is flushed meanwhile is cut
/// by them. Those that have become large are halved.
pub(crate) fn outline(tree: &Tree, plan: &Plan, limits: &Limits) -> (Vec<Bytes>, u64) {
    let step = step_bytes(tree, plan.target, limits).max(1);
    let below = plan.inputs.iter().find(|(level, _)| *level == plan.target);
    let mut cuts = below.map_or_else(Vec::new, |(_, tables)| starts(tables, step / 2));
    // What comes from above and lies before the first table goes with it.
    cuts.drain(..cuts.len().min(1));
    let total: u64 = plan.tables().map(|table| table.meta.info.bytes).sum();
    let table_bytes = match cuts.len() {
        0 => total.div_ceil(((total + step / 2) / step).max(1)),
        _ => step + step / 2,
    };
    (cuts, table_bytes.min(limits.table_bytes))
}

/// Where the tables of a run begin, several small ones taken as one of `least` bytes or more.
fn starts(run: &[Arc<Table>], least: u64) -> Vec<Bytes> {
    let mut starts = Vec::new();
    let mut since = u64::MAX;
    for table in run {
        if since >= least {
            starts.push(start(table));
            since = 0;
        }
        since += table.meta.info.bytes;
    }
    starts
}

fn start(table: &Table) -> Bytes {
    let smallest = &table.meta.info.smallest;
    smallest.slice(..smallest.len() - key::TRAILER_BYTES)
}

/// The bytes at which a flush ends a table as long as there are no [`cuts`].
pub(crate) fn first_piece_bytes(limits: &Limits) -> u64 {
    limits.memtable_bytes.min(limits.table_bytes) / FIRST_PIECES
}

/// About how large the tables of `level` are to be.
pub(super) fn step_bytes(tree: &Tree, level: usize, limits: &Limits) -> u64 {
    even_step(tree, level, limits).min(limits.table_bytes)
}

/// The same, but for how large tables may be.
fn even_step(tree: &Tree, level: usize, limits: &Limits) -> u64 {
    let least = (limits.memtable_bytes / STEPS_PER_MEMTABLE).max(STEP_BYTES_MIN);
    let least = least.min(limits.table_bytes);
    least.max(bytes(tree.level(level)) / STEPS_PER_LEVEL)
}

/// The first level below level 0 that holds anything, and the bytes that each level should hold at most.
fn targets(tree: &Tree, limits: &Limits) -> (usize, [u64; LEVELS]) {
    let sizes: Vec<u64> = tree.levels().iter().map(|run| bytes(run)).collect();
    let mut targets = [u64::MAX; LEVELS];
    let first = (1..LEVELS)
        .find(|level| sizes[*level] > 0)
        .unwrap_or(LEVELS - 1);
    let largest = sizes[1..].iter().copied().max().unwrap_or(0);
    let level_ratio = limits.level_ratio.max(2);
    let mut base = LEVELS - 1;
    let mut size = largest;
    while base > 1 && (size > limits.level_base_bytes || base > first) {
        base -= 1;
        size /= level_ratio;
    }
    let mut target = size
        .clamp(
            limits.level_base_bytes / level_ratio,
            limits.level_base_bytes,
        )
        .max(1);
    for slot in &mut targets[base..] {
        *slot = target;
        target = target.saturating_mul(level_ratio);
    }
    (base, targets)
}

/// Pushes down the table of `level` that drags the fewest bytes of the next level along, for its size.
fn cheapest(tree: &Tree, level: usize, urgency: f64, busy: &[Span]) -> Option<Plan> {
    let cost = |plan: &Plan| {
        let below: u64 = plan.inputs[1..]
            .iter()
            .map(|(_, tables)| bytes(tables))
            .sum();
        ratio(below, bytes(&plan.inputs[0].1))
    };
    tree.level(level)
        .iter()
        .filter_map(|table| push_down(tree, level, table, urgency))
        .filter(|plan| plan.is_free(busy))
        .min_by(|a, b| cost(a).total_cmp(&cost(b)))
}

fn push_down(tree: &Tree, level: usize, table: &Arc<Table>, urgency: f64) -> Option<Plan> {
    let below = overlapping(tree, level + 1, table);
    let moves = below.is_empty();
    let inputs = vec![(level, vec![Arc::clone(table)]), (level + 1, below)];
    Plan::new(inputs, level + 1, urgency, moves)
}

/// A table below level 0 whose tombstones can go, or take a good part of what lies below with them.
fn tombstones(tree: &Tree, watermark: SeqNo, busy: &[Span]) -> Option<Plan> {
    (1..LEVELS)
        .flat_map(|level| tree.level(level).iter().map(move |table| (level, table)))
        .filter(|(_, table)| table.meta.info.max_seq <= watermark)
        .filter_map(|(level, table)| {
            let one = std::slice::from_ref(table);
            let is_last =
                (level + 1..LEVELS).all(|below| overlapping(tree, below, table).is_empty());
            if is_last {
                let share = tombstones_of(one) * TOMBSTONES_PER_ENTRIES;
                let inputs = vec![(level, one.to_vec())];
                return (share > table.meta.info.entries)
                    .then(|| Plan::new(inputs, level, URGENCY_OF_SPACE, false))?;
            }
            let below = overlapping(tree, level + 1, table);
            pays(one, &below).then(|| push_down(tree, level, table, URGENCY_OF_SPACE))?
        })
        .find(|plan| plan.is_free(busy))
}

/// A table with nothing below it is rewritten when one in so many of its entries is a tombstone.
const TOMBSTONES_PER_ENTRIES: u64 = 32;

/// A range that is deleted hides as much as so many deleted keys, for want of a better estimate.
const KEYS_PER_RANGE: u64 = 16;

fn tombstones_of(tables: &[Arc<Table>]) -> u64 {
    let of = |table: &Arc<Table>| {
        let info = &table.meta.info;
        info.tombstones + info.range_deletes * KEYS_PER_RANGE
    };
    tables.iter().map(of).sum()
}

/// True when merging `tables` with `below` gives back a third of what it reads, by the tombstones in `tables`.
pub(super) fn pays(tables: &[Arc<Table>], below: &[Arc<Table>]) -> bool {
    let mean = |tables: &[Arc<Table>]| {
        let entries: u64 = tables.iter().map(|table| table.meta.info.entries).sum();
        ratio(bytes(tables), entries)
    };
    let tombstones = ratio(tombstones_of(tables), 1);
    tombstones * (mean(tables) + mean(below)) * 3.0 > ratio(bytes(tables) + bytes(below), 1)
}

/// Neighbours that are small, and alike enough that none is rewritten often for the sake of the others.
fn small_tables(tree: &Tree, limits: &Limits, busy: &[Span]) -> Option<Plan> {
    (1..LEVELS)
        .flat_map(|level| {
            let rows = tree.level(level).windows(ROW_TABLES);
            let step = step_bytes(tree, level, limits);
            rows.map(move |row| (level, step, row))
        })
        .filter(|(_, step, row)| {
            let total = bytes(row);
            let largest = row.iter().map(|table| table.meta.info.bytes).max();
            total <= step / 2 && largest.is_some_and(|bytes| bytes <= total / 2)
        })
        .filter_map(|(level, _, row)| {
            Plan::new(vec![(level, row.to_vec())], level, URGENCY_OF_SPACE, false)
        })
        .find(|plan| plan.is_free(busy))
}

fn overlapping(tree: &Tree, level: usize, table: &Arc<Table>) -> Vec<Arc<Table>> {
    let run = tree.level(level);
    let first = run.partition_point(|other| other.meta.ends_before(table.meta.smallest_user_key()));
    let others = run[first..].iter();
    others
        .take_while(|other| other.meta.overlaps(&table.meta))
        .cloned()
        .collect()
}

pub(super) fn bytes(tables: &[Arc<Table>]) -> u64 {
    tables.iter().map(|table| table.meta.info.bytes).sum()
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for comparing")]
pub(super) fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b.max(1) as f64
}
