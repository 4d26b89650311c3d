//! Level 0 and the base level, column by column.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::policy::{
    Limits, Plan, URGENCY_OF_GARBAGE, URGENCY_OF_SPACE, bytes, pays, points_into, ratio,
};
use super::span::{Span, columns};
use crate::key::SeqNo;
use crate::version::{Table, Tree, runs_of};

/// Values that level 0 points to are let alone while they are less than one part in so many of those below.
const HIDDEN_PART: u64 = 6;

/// Level 0 over the base level.
pub(super) struct Level0 {
    base: usize,
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
        let values = value_bytes(&self.newest);
        !self.below.is_empty()
            && values > value_bytes(&self.below) / HIDDEN_PART
            && values > self.bytes()
    }

    /// Nothing lies over or under its table of level 0.
    fn is_apart(&self) -> bool {
        self.depth == 1 && self.below.is_empty()
    }
}

impl Level0 {
    pub(super) fn of(tree: &Tree, base: usize) -> Level0 {
        let columns = columns([&tree.level(0)[..], &tree.level(base)[..]]);
        let columns = columns.into_iter().map(|column| {
            let newest: Vec<_> = column.of_run(0).cloned().collect();
            Column {
                depth: runs_of(&newest).len(),
                below: column.of_run(1).cloned().collect(),
                newest,
            }
        });
        Level0 {
            base,
            columns: columns.collect(),
        }
    }

    /// What has to be read and written, about, until no column is full.
    pub(super) fn debt(&self, limits: &Limits) -> u64 {
        let full = self.columns.iter();
        full.filter(|column| column.is_full(limits))
            .map(Column::bytes)
            .sum()
    }

    fn plan(&self, columns: &[Column], urgency: f64, moves: bool) -> Option<Plan> {
        let newest = columns.iter().flat_map(|column| column.newest.clone());
        let below = columns.iter().flat_map(|column| column.below.clone());
        let inputs = vec![(0, newest.collect()), (self.base, below.collect())];
        Plan::new(inputs, self.base, urgency, moves)
    }

    /// The deepest column, if it has too many runs, with neighbours that are on their way there.
    pub(super) fn full(&self, limits: &Limits, busy: &[Span]) -> Option<Plan> {
        let is_free = |column: &Column| {
            let plan = self.plan(std::slice::from_ref(column), 0.0, false);
            plan.is_some_and(|plan| plan.is_free(busy))
        };
        let weight = |column: &Column| ratio(bytes(&column.newest), bytes(&column.below));
        let (place, deepest) = self
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.is_full(limits) && is_free(column))
            .max_by(|(_, a), (_, b)| {
                let depth = a.depth.cmp(&b.depth);
                depth.then_with(|| weight(a).total_cmp(&weight(b)))
            })?;
        let mut total = deepest.bytes();
        let mut end = place + 1;
        // Columns that are narrow are worth their while only together.
        while let Some(next) = self.columns.get(end)
            && next.depth * 2 >= limits.level0_runs
            && total + next.bytes() <= limits.table_bytes
            && is_free(next)
        {
            total += next.bytes();
            end += 1;
        }
        // Squared: writers wait for level 0, and for nothing below it.
        let urgency = ratio(deepest.depth as u64, limits.level0_runs as u64).powi(2);
        self.plan(&self.columns[place..end], urgency, false)
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
        let is_large = longest.len() == 1 || total / longest.len() as u64 >= limits.table_bytes / 8;
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
