//! A version: the tables of every keyspace by level, immutable.
//!
//! ```text
//! level 0     newest first; of two tables that overlap, the newer one has only newer sequence numbers
//! level 1..   in key order; tables of a level share no user key
//! ```
//!
//! The tables of level 0 are arranged in as few runs as can be: a table lies one run above the topmost older one that
//! it overlaps. A sequential load is one run, whatever the number of its tables.
//!
//! A key's versions are newer in a lower-numbered level, and in an earlier run of level 0: the first one found is the
//! one.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::run_iter::RunIter;
use super::table::Table;
use crate::error::Result;
use crate::iter::{LevelTables, RangeSource, Window};
use crate::key::SeqNo;
use crate::keyspace::KeyspaceId;
use crate::lookup::Lookup;
use crate::sstable::{self, TableIter};
use crate::values::ValueFiles;

/// Levels of a tree, level 0 included.
pub(crate) const LEVELS: usize = 7;

/// Tables in the order of their level.
pub(crate) type Run = Arc<[Arc<Table>]>;

/// The tables of one keyspace.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    levels: [Run; LEVELS],
    /// The tables of level 0 as runs, newest first, each in key order.
    level0_runs: Arc<[Run]>,
}

impl Default for Tree {
    fn default() -> Self {
        Tree {
            levels: std::array::from_fn(|_| Run::from([])),
            level0_runs: Arc::from([]),
        }
    }
}

impl Tree {
    /// The tables of `level`.
    pub(crate) fn level(&self, level: usize) -> &Run {
        &self.levels[level]
    }

    /// All levels from 0 on.
    pub(crate) fn levels(&self) -> &[Run; LEVELS] {
        &self.levels
    }

    /// The runs of level 0, newest first: what a reader has to look at before the levels below.
    pub(crate) fn level0_runs(&self) -> &[Run] {
        &self.level0_runs
    }

    /// All runs that hold anything, newest first: those of level 0, then the levels below.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Run> {
        let below = self.levels[1..].iter().filter(|run| !run.is_empty());
        self.level0_runs.iter().chain(below)
    }

    /// All tables, newest first.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.levels.iter().flat_map(|run| run.iter())
    }

    /// Replaces the tables of `level`, given in any order.
    pub(crate) fn set_level(&mut self, level: usize, mut tables: Vec<Arc<Table>>) {
        if level == 0 {
            tables.sort_by_key(newest_first);
            self.level0_runs = runs_of(&tables).into();
        } else {
            tables.sort_by(|a, b| a.meta.smallest_user_key().cmp(b.meta.smallest_user_key()));
        }
        self.levels[level] = tables.into();
    }

    /// Tells `lookup` of the versions of its key, until no older one matters.
    pub(crate) fn look(&self, lookup: &mut Lookup<'_>) -> Result<()> {
        let hash = sstable::hash(lookup.key());
        for run in self.runs() {
            let Some(table) = table_of(run, lookup.key()) else {
                continue;
            };
            let reader = table.reader()?;
            if table.meta.info.range_deletes > 0 {
                let deletes = reader.range_deletes();
                lookup.hide(deletes.covering_seq(lookup.key(), lookup.moment()));
            }
            // A second round is for what is below an operand.
            while let Some((seq, kind, stored)) = reader.get(lookup.key(), hash, lookup.at())? {
                if lookup.take(seq, kind, stored) {
                    return Ok(());
                }
            }
            if lookup.is_settled() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The deleted ranges of the runs that have any, with their places in [`Tree::runs`].
    pub(crate) fn range_deletes(&self) -> impl Iterator<Item = (usize, Box<dyn RangeSource>)> {
        self.runs().enumerate().filter_map(|(place, run)| {
            let tables = run.iter().filter(|table| table.meta.info.range_deletes > 0);
            let tables: Vec<Arc<Table>> = tables.cloned().collect();
            let any = !tables.is_empty();
            let source: Box<dyn RangeSource> = Box::new(RunDeletes(tables));
            any.then_some((place, source))
        })
    }

    /// Cursors over all tables, newest first.
    pub(crate) fn cursors(&self) -> impl Iterator<Item = Result<RunIter>> {
        self.runs().map(|run| RunIter::new(run, false))
    }
}

/// The table of `run` that may hold `user_key`.
#[inline]
pub(super) fn table_of<'a>(run: &'a Run, user_key: &[u8]) -> Option<&'a Arc<Table>> {
    if let [only] = &run[..] {
        // Its filter tells as quickly, and more.
        return Some(only);
    }
    let index = run.partition_point(|table| table.meta.ends_before(user_key));
    run.get(index).filter(|table| table.meta.spans(user_key))
}

fn newest_first(table: &Arc<Table>) -> std::cmp::Reverse<(SeqNo, u64)> {
    std::cmp::Reverse((table.meta.info.max_seq, table.meta.number))
}

/// The fewest runs of tables of level 0; the newest run first, the tables of each in key order.
pub(crate) fn runs_of(tables: &[Arc<Table>]) -> Vec<Run> {
    let mut tables: Vec<&Arc<Table>> = tables.iter().collect();
    tables.sort_by_key(|table| newest_first(table));
    let mut runs: Vec<Vec<Arc<Table>>> = Vec::new();
    for table in tables.iter().rev() {
        let place = |run: &Vec<Arc<Table>>| {
            run.partition_point(|other| other.meta.ends_before(table.meta.smallest_user_key()))
        };
        let overlaps = |run: &Vec<Arc<Table>>| {
            run.get(place(run))
                .is_some_and(|other| other.meta.overlaps(&table.meta))
        };
        let above = runs.iter().rposition(overlaps).map_or(0, |run| run + 1);
        if above == runs.len() {
            runs.push(Vec::new());
        }
        let run = &mut runs[above];
        run.insert(place(run), Arc::clone(table));
    }
    runs.into_iter().rev().map(Run::from).collect()
}

/// The deleted ranges of a run: those of its tables that have any, each opened when it is reached.
struct RunDeletes(Vec<Arc<Table>>);

impl RangeSource for RunDeletes {
    fn window(&self, user_key: &[u8], at: SeqNo) -> Result<Window> {
        let next = self
            .0
            .partition_point(|table| table.meta.ends_before(user_key));
        let before = next.checked_sub(1).map(|before| self.0[before].meta.end());
        let Some(table) = self.0.get(next) else {
            return Ok(Window {
                lower: before,
                ..Window::default()
            });
        };
        let start = Bytes::copy_from_slice(table.meta.smallest_user_key());
        if user_key < &start[..] {
            return Ok(Window {
                hidden: None,
                lower: before,
                upper: Some(start),
            });
        }
        let mut window = table.reader()?.range_deletes().window(user_key, at)?;
        window.cut(Some(start), Some(table.meta.end()));
        Ok(window)
    }
}

/// A run as a source of cursors.
pub(crate) struct RunTables {
    pub(crate) run: Run,
    /// For one pass over everything: leaves the cache alone.
    pub(crate) once: bool,
}

impl LevelTables for RunTables {
    type Cursor = TableIter;

    fn len(&self) -> usize {
        self.run.len()
    }

    fn largest(&self, index: usize) -> &[u8] {
        &self.run[index].meta.info.largest
    }

    fn open(&self, index: usize) -> Result<TableIter> {
        let reader = self.run[index].reader()?;
        Ok(if self.once {
            reader.iter_once()
        } else {
            reader.iter()
        })
    }
}

/// The trees of all keyspaces at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Version {
    trees: BTreeMap<KeyspaceId, Arc<Tree>>,
    values: ValueFiles,
}

impl Version {
    /// The files that the tables point into.
    pub(crate) fn values(&self) -> &ValueFiles {
        &self.values
    }

    /// The same tables, which point into `values`.
    pub(crate) fn with_values(self, values: ValueFiles) -> Version {
        Version { values, ..self }
    }

    /// The tree of `keyspace`; none when it never had tables.
    pub(crate) fn tree(&self, keyspace: KeyspaceId) -> Option<&Arc<Tree>> {
        self.trees.get(&keyspace)
    }

    /// All trees.
    pub(crate) fn trees(&self) -> impl Iterator<Item = (KeyspaceId, &Arc<Tree>)> {
        self.trees.iter().map(|(keyspace, tree)| (*keyspace, tree))
    }

    /// This version with tables taken away and put in. `removed` are (keyspace, level, table number); `added` come
    /// with their places.
    pub(crate) fn with(
        &self,
        removed: &[(KeyspaceId, usize, u64)],
        added: &[(KeyspaceId, usize, Arc<Table>)],
    ) -> Version {
        let mut version = self.clone();
        let mut touched: Vec<(KeyspaceId, usize)> = removed
            .iter()
            .map(|(keyspace, level, _)| (*keyspace, *level))
            .chain(added.iter().map(|(keyspace, level, _)| (*keyspace, *level)))
            .collect();
        touched.sort_unstable();
        touched.dedup();
        for (keyspace, level) in touched {
            let tree = Arc::make_mut(version.trees.entry(keyspace).or_default());
            let mut tables: Vec<Arc<Table>> = tree.level(level).to_vec();
            tables.retain(|table| !removed.contains(&(keyspace, level, table.meta.number)));
            let place = (keyspace, level);
            tables.extend(
                added
                    .iter()
                    .filter(|(k, l, _)| (*k, *l) == place)
                    .map(|(_, _, table)| Arc::clone(table)),
            );
            tree.set_level(level, tables);
        }
        version
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::testing::{Sketch, Sketcher};
    use proptest::prelude::*;

    fn sketch<'a>(smallest: &'a [u8], largest: &'a [u8], seq: u64) -> Sketch<'a> {
        Sketch {
            level: 0,
            smallest,
            largest,
            bytes: 1,
            tombstones: 0,
            seq,
        }
    }

    #[test]
    fn a_sequential_load_is_one_run() {
        let keys: Vec<[u8; 1]> = (0..100).map(|key| [key]).collect();
        let tables: Vec<_> = (0..50)
            .map(|n| sketch(&keys[2 * n], &keys[2 * n + 1], 100 + n as u64))
            .collect();
        let tree = Sketcher::new().tree(&tables);
        assert_eq!(tree.level0_runs().len(), 1);
        assert_eq!(tree.level0_runs()[0].len(), 50);
    }

    proptest! {
        #[test]
        fn runs_keep_what_is_newer_above(ranges in prop::collection::vec((0_u8..60, 0_u8..20), 0..40)) {
            let keys: Vec<([u8; 1], [u8; 1])> = ranges.iter().map(|(low, more)| ([*low], [low + more])).collect();
            let tables: Vec<_> = keys.iter().zip(1_u64..).map(|((a, b), n)| sketch(a, b, n * 10)).collect();
            let tree = Sketcher::new().tree(&tables);
            let runs = tree.level0_runs();
            prop_assert_eq!(runs.iter().map(|run| run.len()).sum::<usize>(), tables.len());
            for (depth, run) in runs.iter().enumerate() {
                for pair in run.windows(2) {
                    prop_assert!(pair[0].meta.ends_before(pair[1].meta.smallest_user_key()));
                }
                for table in run.iter() {
                    let is_over = |other: &Arc<Table>| table.meta.overlaps(&other.meta);
                    let older = runs[depth + 1..].iter().flat_map(|run| run.iter());
                    prop_assert!(older.filter(|other| is_over(other)).all(|other| other.meta.info.max_seq < table.meta.info.max_seq));
                    // No fewer runs would do.
                    prop_assert!(runs.get(depth + 1).is_none_or(|run| run.iter().any(is_over)));
                }
            }
        }
    }
}
