//! Level 0 and the base level, column by column.
//!
//! What lies over older tables may hide as much of them: that is the space that level 0 costs, and it is kept within
//! [`allowed_bytes`]. The columns with the most over them for what they hold below give the most back for the work, so
//! they come first, one small step at a time. In a tree that is overwritten evenly, the columns then stand between nothing
//! and twice the mean, and a byte is rewritten below about `last / (2 * allowed)` times.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::policy::{
    Limits, Plan, URGENCY_OF_GARBAGE, URGENCY_OF_SPACE, bytes, pays, points_into, ratio, step_bytes,
};
use super::span::{Span, columns};
use crate::key::SeqNo;
use crate::version::{LEVELS, Table, Tree, runs_of};

/// Values that level 0 points to are let alone while they are less than one part in so many of those below.
const HIDDEN_PART: u64 = 6;

/// Level 0 may have one part in so many of the last level over older tables,
const OVER_PART: u64 = 18;

/// and half of that when there are levels between the two, which hide as much.
const OVER_PART_WITH_LEVELS: u64 = 36;

/// In a tree that is small beside the memtables, so many of them, and less by one part in so many of the last level: each
/// merge would rewrite much for little space.
const OVER_MEMTABLES: u64 = 3;
const OVER_MEMTABLES_LESS_PART: u64 = 14;

/// Each merge under way takes its space twice: the next one begins when there is this part more than is allowed.
const OVER_PART_PER_MERGE: u64 = 6;

/// Bytes of level 0 over older tables that are left alone.
pub(super) fn allowed_bytes(last_bytes: u64, has_levels: bool, limits: &Limits) -> u64 {
    let part = if has_levels {
        OVER_PART_WITH_LEVELS
    } else {
        OVER_PART
    };
    let memtables = OVER_MEMTABLES * limits.memtable_bytes;
    (last_bytes / part).max(memtables.saturating_sub(last_bytes / OVER_MEMTABLES_LESS_PART))
}

/// Level 0 over the base level.
pub(super) struct Level0 {
    base: usize,
    /// See [`allowed_bytes`].
    allowed: u64,
    /// About as large as the tables of the base level are to be.
    step_bytes: u64,
    /// In key order; those without tables of level 0 too.
    columns: Vec<Column>,
}

struct Column {
    /// Its tables of level 0.
    newest: Vec<Arc<Table>>,
    /// Its tables of the base level.
    below: Vec<Arc<Table>>,
    /// How many runs `newest` makes.
    depth: usize,
    /// Bytes of level 0 that lie over something.
    over: u64,
}

impl Column {
    fn bytes(&self) -> u64 {
        bytes(&self.newest) + bytes(&self.below)
    }

    /// Merging it pays: the runs are many, and what is rewritten below is not much more than what comes from them. Or
    /// they are more than readers should bear.
    fn is_full(&self, limits: &Limits) -> bool {
        let is_worth = bytes(&self.newest) / 3 >= bytes(&self.below) / 4;
        self.depth >= limits.level0_runs_max || self.depth >= limits.level0_runs && is_worth
    }

    /// Its tables of level 0 may hide a good part of the values apart from their keys, and more than a merge costs,
    /// which would tell what is garbage.
    fn may_hide_values(&self) -> bool {
        let over = value_bytes(&self.newest);
        let (over, hidden) = if self.below.is_empty() {
            let runs = runs_of(&self.newest);
            let largest = runs.iter().map(|run| value_bytes(run)).max().unwrap_or(0);
            (over - largest, largest)
        } else {
            (over, value_bytes(&self.below))
        };
        over > hidden / HIDDEN_PART && over > self.bytes()
    }

    /// Nothing lies over or under its table of level 0.
    fn is_apart(&self) -> bool {
        self.depth == 1 && self.below.is_empty()
    }
}

impl Level0 {
    pub(super) fn of(tree: &Tree, base: usize, limits: &Limits) -> Level0 {
        let columns = columns([&tree.level(0)[..], &tree.level(base)[..]]);
        let columns = columns.into_iter().map(|column| {
            let newest: Vec<_> = column.of_run(0).cloned().collect();
            let below: Vec<_> = column.of_run(1).cloned().collect();
            let runs = runs_of(&newest);
            let lowest = if below.is_empty() {
                runs.iter().map(|run| bytes(run)).max().unwrap_or(0)
            } else {
                0
            };
            Column {
                depth: runs.len(),
                over: bytes(&newest) - lowest,
                below,
                newest,
            }
        });
        Level0 {
            base,
            allowed: allowed_bytes(bytes(tree.level(LEVELS - 1)), base < LEVELS - 1, limits),
            step_bytes: step_bytes(tree, base, limits),
            columns: columns.collect(),
        }
    }

    /// What has to be read and written, about, until no column is full and not too much lies over older tables.
    pub(super) fn debt(&self, limits: &Limits) -> u64 {
        let due = self.due(limits, self.allowed, |_| true).into_iter();
        due.map(|place| self.columns[place].bytes()).sum()
    }

    /// What may still come to lie over older tables before it is a quarter more than it should be.
    pub(super) fn room(&self) -> u64 {
        let over: u64 = self.columns.iter().map(|column| column.over).sum();
        (self.allowed + self.allowed / 4).saturating_sub(over)
    }

    /// The columns of those that are `free` which must be merged: full ones, and those with the most over them for what
    /// lies below until the rest is `allowed`. The most urgent come first.
    fn due(&self, limits: &Limits, allowed: u64, is_free: impl Fn(&Column) -> bool) -> Vec<usize> {
        let free = (0..self.columns.len()).filter(|place| is_free(&self.columns[*place]));
        let mut free: Vec<(usize, f64)> = free
            .map(|place| {
                let column = &self.columns[place];
                (place, ratio(column.over, bytes(&column.below)))
            })
            .collect();
        let full_depth = |place: usize| {
            let column = &self.columns[place];
            column.is_full(limits).then_some(column.depth)
        };
        free.sort_by(|(a, a_weight), (b, b_weight)| {
            let depth = full_depth(*b).cmp(&full_depth(*a));
            depth.then_with(|| b_weight.total_cmp(a_weight))
        });
        let mut over: u64 = free
            .iter()
            .map(|(place, _)| self.columns[*place].over)
            .sum();
        let due = free.into_iter().take_while(|(place, _)| {
            let is_due = full_depth(*place).is_some() || over > allowed;
            over -= self.columns[*place].over;
            is_due
        });
        due.map(|(place, _)| place).collect()
    }

    fn plan(&self, columns: &[Column], urgency: f64, moves: bool) -> Option<Plan> {
        let newest = columns.iter().flat_map(|column| column.newest.clone());
        let below = columns.iter().flat_map(|column| column.below.clone());
        let inputs = vec![(0, newest.collect()), (self.base, below.collect())];
        Plan::new(inputs, self.base, urgency, moves)
    }

    /// The most urgent column that must be merged, with neighbours that are on their way there.
    pub(super) fn full(&self, limits: &Limits, busy: &[Span]) -> Option<Plan> {
        let is_free = |column: &Column| {
            let plan = self.plan(std::slice::from_ref(column), 0.0, false);
            plan.is_some_and(|plan| !column.newest.is_empty() && plan.is_free(busy))
        };
        let allowed = self.allowed + self.allowed / OVER_PART_PER_MERGE * busy.len() as u64;
        let place = *self.due(limits, allowed, is_free).first()?;
        let first = &self.columns[place];
        let mut total = first.bytes();
        let mut end = place + 1;
        // Columns that are narrow are worth their while only together.
        while let Some(next) = self.columns.get(end)
            && next.depth * 2 >= limits.level0_runs
            && total + next.bytes() <= self.step_bytes
            && is_free(next)
        {
            total += next.bytes();
            end += 1;
        }
        // Squared: writers wait for level 0, and for nothing below it.
        let urgency = ratio(first.depth as u64, limits.level0_runs as u64).powi(2);
        self.plan(&self.columns[place..end], urgency.max(1.0), false)
    }

    /// Tables that nothing overlaps, once there are some: large ones are moved as they are, small ones become one.
    pub(super) fn apart(&self, limits: &Limits, busy: &[Span]) -> Option<Plan> {
        let rows = self.columns.chunk_by(|a, b| a.is_apart() && b.is_apart());
        let longest = rows
            .filter(|row| row[0].is_apart())
            .max_by_key(|row| row.len())?;
        let apart = self.columns.iter().filter(|column| column.is_apart());
        if longest.len() < limits.level0_runs && apart.count() < 4 * limits.level0_runs {
            return None;
        }
        let total: u64 = longest.iter().map(Column::bytes).sum();
        let is_large = longest.len() == 1 || total / longest.len() as u64 >= self.step_bytes / 16;
        let plan = self.plan(longest, 1.0, is_large);
        plan.filter(|plan| plan.is_free(busy))
    }

    /// A column whose tables of level 0 may hide many values.
    pub(super) fn hidden_values(&self, busy: &[Span]) -> Option<Plan> {
        self.first(URGENCY_OF_SPACE, busy, Column::may_hide_values)
    }

    /// A column with a table of level 0 that points into one of `files`.
    pub(super) fn emptying(&self, files: &BTreeSet<u64>, busy: &[Span]) -> Option<Plan> {
        self.first(URGENCY_OF_GARBAGE, busy, |column| {
            column.newest.iter().any(|table| points_into(table, files))
        })
    }

    fn first(
        &self,
        urgency: f64,
        busy: &[Span],
        is_wanted: impl Fn(&Column) -> bool,
    ) -> Option<Plan> {
        self.columns
            .iter()
            .filter(|column| is_wanted(column))
            .filter_map(|column| self.plan(std::slice::from_ref(column), urgency, false))
            .find(|plan| plan.is_free(busy))
    }

    /// A column whose tombstones take a good part of it with them.
    pub(super) fn tombstones(&self, watermark: SeqNo, busy: &[Span]) -> Option<Plan> {
        self.columns
            .iter()
            .filter(|column| !column.newest.is_empty() && pays(&column.newest, &column.below))
            .filter(|column| {
                let mut newest = column.newest.iter();
                newest.all(|table| table.meta.info.max_seq <= watermark)
            })
            .filter_map(|column| self.plan(std::slice::from_ref(column), URGENCY_OF_SPACE, false))
            .find(|plan| plan.is_free(busy))
    }
}

/// Bytes of values apart from their keys that `tables` point to.
fn value_bytes(tables: &[Arc<Table>]) -> u64 {
    let values = tables.iter().flat_map(|table| &table.meta.info.values);
    values.map(|(_, bytes)| bytes).sum()
}
