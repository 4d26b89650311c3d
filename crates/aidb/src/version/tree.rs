//! A version: the tables of every keyspace by level, immutable.
//!
//! ```text
//! level 0     newest first; tables may overlap, and a newer table has only newer sequence numbers
//! level 1..   in key order; tables of a level share no user key
//! ```
//!
//! A key's versions are newer in a lower-numbered level: the first one found is the one.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::table::Table;
use crate::error::Result;
use crate::iter::{InternalIterator, LevelIter, LevelTables};
use crate::key::{SeqNo, ValueKind};
use crate::keyspace::KeyspaceId;
use crate::sstable::TableIter;

/// Levels of a tree, level 0 included.
pub(crate) const LEVELS: usize = 7;

/// Tables in the order of their level.
pub(crate) type Run = Arc<[Arc<Table>]>;

/// The tables of one keyspace.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    levels: [Run; LEVELS],
}

impl Default for Tree {
    fn default() -> Self {
        Tree {
            levels: std::array::from_fn(|_| Run::from([])),
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

    /// All tables, newest first.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.levels.iter().flat_map(|run| run.iter())
    }

    /// Replaces the tables of `level`, given in any order.
    pub(crate) fn set_level(&mut self, level: usize, mut tables: Vec<Arc<Table>>) {
        if level == 0 {
            tables.sort_by_key(|table| {
                std::cmp::Reverse((table.meta.info.max_seq, table.meta.number))
            });
        } else {
            tables.sort_by(|a, b| a.meta.smallest_user_key().cmp(b.meta.smallest_user_key()));
        }
        self.levels[level] = tables.into();
    }

    /// The newest version of `user_key` up to `at`.
    pub(crate) fn get(
        &self,
        user_key: &[u8],
        at: SeqNo,
    ) -> Result<Option<(SeqNo, ValueKind, Bytes)>> {
        for table in self.levels[0]
            .iter()
            .filter(|table| table.meta.spans(user_key))
        {
            if let Some(found) = table.reader()?.get(user_key, at)? {
                return Ok(Some(found));
            }
        }
        for run in &self.levels[1..] {
            let index = run.partition_point(|table| table.meta.ends_before(user_key));
            let Some(table) = run.get(index).filter(|table| table.meta.spans(user_key)) else {
                continue;
            };
            if let Some(found) = table.reader()?.get(user_key, at)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Cursors over all tables, newest first.
    pub(crate) fn cursors(&self) -> Result<Vec<Box<dyn InternalIterator + Send>>> {
        let mut cursors: Vec<Box<dyn InternalIterator + Send>> = Vec::new();
        for table in self.levels[0].iter() {
            cursors.push(Box::new(table.reader()?.iter()));
        }
        for run in self.levels[1..].iter().filter(|run| !run.is_empty()) {
            cursors.push(Box::new(LevelIter::new(RunTables {
                run: Arc::clone(run),
                once: false,
            })));
        }
        Ok(cursors)
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
}

impl Version {
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
