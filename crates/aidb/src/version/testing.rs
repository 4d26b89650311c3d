//! Tables without files, for tests of what only looks at their descriptions.

use std::sync::Arc;

use aether_env::MemoryStorage;

use super::{Table, TableMeta, Tree};
use crate::cache::Cache;
use crate::files::Files;
use crate::key::{SeqNo, ValueKind, internal_key};
use crate::sstable::TableInfo;

/// What a test says of a table.
#[derive(Clone, Debug)]
pub(crate) struct Sketch<'a> {
    pub(crate) level: usize,
    pub(crate) smallest: &'a [u8],
    pub(crate) largest: &'a [u8],
    pub(crate) bytes: u64,
    pub(crate) tombstones: u64,
    /// Newest sequence number; all of the table's are within ten below it.
    pub(crate) seq: u64,
}

/// Makes tables with numbers from 0 on.
pub(crate) struct Sketcher {
    files: Arc<Files>,
    next: u64,
}

impl Sketcher {
    pub(crate) fn new() -> Sketcher {
        Sketcher::from(0)
    }

    /// The first table has the number `next`.
    pub(crate) fn from(next: u64) -> Sketcher {
        Sketcher {
            files: Arc::new(Files::new(
                Arc::new(MemoryStorage::new()),
                Arc::new(Cache::new(0)),
            )),
            next,
        }
    }

    pub(crate) fn table(&mut self, sketch: &Sketch<'_>) -> Arc<Table> {
        let key = |key| internal_key(key, SeqNo(sketch.seq), ValueKind::Put).into();
        let info = TableInfo {
            bytes: sketch.bytes,
            checksum: 0,
            entries: 100,
            tombstones: sketch.tombstones,
            smallest: key(sketch.smallest),
            largest: key(sketch.largest),
            min_seq: SeqNo(sketch.seq.saturating_sub(9)),
            max_seq: SeqNo(sketch.seq),
            merges: 0,
            range_deletes: 0,
            values: Vec::new(),
        };
        let number = self.next;
        self.next += 1;
        Arc::new(Table::new(
            TableMeta { number, info },
            Arc::clone(&self.files),
        ))
    }

    pub(crate) fn tree(&mut self, sketches: &[Sketch<'_>]) -> Tree {
        let tables: Vec<_> = sketches
            .iter()
            .map(|sketch| (sketch.level, self.table(sketch)))
            .collect();
        let mut tree = Tree::default();
        for level in 0..super::LEVELS {
            let here = tables.iter().filter(|(place, _)| *place == level);
            tree.set_level(level, here.map(|(_, table)| Arc::clone(table)).collect());
        }
        tree
    }
}
