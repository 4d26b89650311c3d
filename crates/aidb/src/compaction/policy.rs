//! Leveled compaction: the shape of a tree in, a plan out. Pure.
//!
//! ```text
//! level 0      flushed tables, at most a few: all of them are merged into the base level at once
//! (empty)      levels above the base level hold nothing
//! base..6      each about `level_ratio` times larger than the one above; the sizes follow from the last one, so that
//!              nine tenths of the data lie in it, and a small database has only level 0 and the last
//! ```
//!
//! A level that is over its target gives the table that overlaps the least with the next one. Tables are moved instead
//! of merged where nothing overlaps. Two more reasons to compact, when no level is over its target: tombstones in the
//! last place where they can be dropped, and tables of mostly tombstones anywhere, which hide what lies below.

use std::sync::Arc;

use crate::key::{self, SeqNo};
use crate::version::{LEVELS, Table, Tree};

/// What the policy needs of [`crate::Options`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) level0_tables: usize,
    pub(crate) level_base_bytes: u64,
    pub(crate) level_ratio: u64,
    pub(crate) table_bytes: u64,
}

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
}

impl Plan {
    fn new(inputs: Vec<(usize, Vec<Arc<Table>>)>, target: usize, urgency: f64) -> Plan {
        let inputs = inputs
            .into_iter()
            .filter(|(_, tables)| !tables.is_empty())
            .collect();
        Plan {
            inputs,
            target,
            moves: false,
            urgency,
        }
    }

    /// All input tables.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.inputs.iter().flat_map(|(_, tables)| tables)
    }
}

/// The most urgent compaction of `tree`, if one is worth while. `watermark`: no reader looks further back.
pub(crate) fn plan(tree: &Tree, limits: &Limits, watermark: SeqNo) -> Option<Plan> {
    let (base, targets) = targets(tree, limits);
    let mut best: Option<(f64, usize)> = None;
    for (level, target) in targets.iter().copied().enumerate().take(LEVELS - 1) {
        let urgency = if level == 0 {
            // Squared: writers wait for level 0, and for nothing below it.
            ratio(tree.level(0).len() as u64, limits.level0_tables as u64).powi(2)
        } else {
            ratio(bytes(tree.level(level)), target)
        };
        if urgency >= 1.0 && best.is_none_or(|(most, _)| urgency > most) {
            best = Some((urgency, level));
        }
    }
    match best {
        Some((urgency, 0)) => Some(from_level0(tree, limits, base, urgency)),
        Some((urgency, level)) => {
            cheapest(tree, level).map(|table| push_down(tree, level, table, urgency))
        }
        None => for_tombstones(tree, watermark),
    }
}

/// Merges all tables of `tree` into its last level, so that nothing is left that nobody can see.
pub(crate) fn everything(tree: &Tree) -> Option<Plan> {
    let inputs: Vec<_> = tree
        .levels()
        .iter()
        .map(|run| run.to_vec())
        .enumerate()
        .collect();
    let plan = Plan::new(inputs, LEVELS - 1, 1.0);
    (!plan.inputs.is_empty()).then_some(plan)
}

/// The first level below level 0 that holds anything, and the bytes that each level should hold at most.
fn targets(tree: &Tree, limits: &Limits) -> (usize, [u64; LEVELS]) {
    let sizes: Vec<u64> = tree.levels().iter().map(bytes).collect();
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

fn from_level0(tree: &Tree, limits: &Limits, base: usize, urgency: f64) -> Plan {
    let newest: Vec<Arc<Table>> = tree.level(0).to_vec();
    let below = overlapping(tree, base, &newest);
    let apart = newest.iter().enumerate().all(|(index, table)| {
        newest[index + 1..]
            .iter()
            .all(|other| !table.meta.overlaps(&other.meta))
    });
    // Small tables are merged all the same: moving them would leave many.
    let mean = newest
        .iter()
        .map(|table| table.meta.info.bytes)
        .sum::<u64>()
        / (newest.len() as u64).max(1);
    let moves = below.is_empty() && apart && mean >= limits.table_bytes / 8;
    Plan {
        moves,
        ..Plan::new(vec![(0, newest), (base, below)], base, urgency)
    }
}

/// The table of `level` that drags the fewest bytes of the next level along, for its size.
fn cheapest(tree: &Tree, level: usize) -> Option<Arc<Table>> {
    let cost = |table: &Arc<Table>| {
        let below = overlapping(tree, level + 1, std::slice::from_ref(table));
        ratio(
            below.iter().map(|table| table.meta.info.bytes).sum(),
            table.meta.info.bytes,
        )
    };
    tree.level(level)
        .iter()
        .min_by(|a, b| cost(a).total_cmp(&cost(b)))
        .cloned()
}

fn push_down(tree: &Tree, level: usize, table: Arc<Table>, urgency: f64) -> Plan {
    let below = overlapping(tree, level + 1, std::slice::from_ref(&table));
    let moves = below.is_empty();
    Plan {
        moves,
        ..Plan::new(
            vec![(level, vec![table]), (level + 1, below)],
            level + 1,
            urgency,
        )
    }
}

fn for_tombstones(tree: &Tree, watermark: SeqNo) -> Option<Plan> {
    const URGENCY: f64 = 0.5;
    for level in 1..LEVELS {
        for table in tree.level(level).iter() {
            let info = &table.meta.info;
            if info.tombstones == 0 || info.max_seq > watermark {
                continue;
            }
            let one = std::slice::from_ref(table);
            if (level + 1..LEVELS).all(|below| overlapping(tree, below, one).is_empty()) {
                return Some(Plan::new(vec![(level, one.to_vec())], level, URGENCY));
            }
            if info.tombstones * 2 > info.entries {
                return Some(push_down(tree, level, Arc::clone(table), URGENCY));
            }
        }
    }
    None
}

fn overlapping(tree: &Tree, level: usize, tables: &[Arc<Table>]) -> Vec<Arc<Table>> {
    // The whole range, since the result may cover all of it.
    let smallest = tables
        .iter()
        .map(|table| table.meta.smallest_user_key())
        .min();
    let largest = tables
        .iter()
        .map(|table| &table.meta.info.largest)
        .max_by(|a, b| key::compare(a, b));
    let (Some(smallest), Some(largest)) = (smallest, largest) else {
        return Vec::new();
    };
    tree.level(level)
        .iter()
        .filter(|table| {
            !key::ends_before(largest, table.meta.smallest_user_key())
                && !table.meta.ends_before(smallest)
        })
        .cloned()
        .collect()
}

fn bytes(run: &Arc<[Arc<Table>]>) -> u64 {
    run.iter().map(|table| table.meta.info.bytes).sum()
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for comparing")]
fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::BlockCache;
    use crate::files::Files;
    use crate::key::{ValueKind, internal_key};
    use crate::sstable::TableInfo;
    use crate::version::TableMeta;
    use aether_env::MemoryStorage;

    const MIB: u64 = 1 << 20;
    const LIMITS: Limits = Limits {
        level0_tables: 4,
        level_base_bytes: 256 * MIB,
        level_ratio: 10,
        table_bytes: 64 * MIB,
    };

    /// (level, smallest key, largest key, MiB, tombstones)
    type Shape<'a> = &'a [(usize, &'a str, &'a str, u64, u64)];

    fn tree(shape: Shape<'_>) -> Tree {
        let files = Arc::new(Files::new(
            Arc::new(MemoryStorage::new()),
            Arc::new(BlockCache::new(0)),
        ));
        let mut tree = Tree::default();
        for level in 0..LEVELS {
            let tables = shape
                .iter()
                .enumerate()
                .filter(|(_, table)| table.0 == level)
                .map(|(number, (_, smallest, largest, mib, tombstones))| {
                    let seq = SeqNo(100 + number as u64);
                    let info = TableInfo {
                        bytes: mib * MIB,
                        entries: 100,
                        tombstones: *tombstones,
                        smallest: internal_key(smallest.as_bytes(), seq, ValueKind::Put).into(),
                        largest: internal_key(largest.as_bytes(), seq, ValueKind::Put).into(),
                        min_seq: seq,
                        max_seq: seq,
                        ..TableInfo::default()
                    };
                    Arc::new(Table::new(
                        TableMeta {
                            number: number as u64,
                            info,
                        },
                        Arc::clone(&files),
                    ))
                });
            tree.set_level(level, tables.collect());
        }
        tree
    }

    /// Inputs by level as table numbers, target level, whether they are moved.
    type Planned = (Vec<(usize, Vec<u64>)>, usize, bool);

    fn planned(shape: Shape<'_>, watermark: u64) -> Option<Planned> {
        let plan = plan(&tree(shape), &LIMITS, SeqNo(watermark))?;
        let numbers =
            |tables: &Vec<Arc<Table>>| tables.iter().map(|table| table.meta.number).collect();
        let inputs = plan
            .inputs
            .iter()
            .map(|(level, tables)| (*level, numbers(tables)))
            .collect();
        Some((inputs, plan.target, plan.moves))
    }

    #[test]
    fn a_small_database_has_level_0_and_the_last() {
        let level0 = (0, "a", "z", 1, 0);
        assert_eq!(planned(&[level0; 3], 0), None);
        let shape = [
            level0,
            level0,
            level0,
            level0,
            (6, "c", "d", 10, 0),
            (6, "zz", "zzz", 10, 0),
        ];
        assert_eq!(
            planned(&shape, 0),
            Some((vec![(0, vec![3, 2, 1, 0]), (6, vec![4])], 6, false))
        );
    }

    #[test]
    fn large_tables_that_lie_apart_are_moved() {
        let shape = [
            (0, "a", "b", 60, 0),
            (0, "c", "d", 60, 0),
            (0, "e", "f", 60, 0),
            (0, "g", "h", 60, 0),
        ];
        assert_eq!(
            planned(&shape, 0),
            Some((vec![(0, vec![3, 2, 1, 0])], 6, true))
        );
    }

    #[test]
    fn levels_open_upwards_as_the_last_one_grows() {
        let (base, targets) = targets(&tree(&[(6, "a", "b", 5000, 0)]), &LIMITS);
        assert_eq!(base, 4);
        assert_eq!(targets[4..], [50 * MIB, 500 * MIB, 5000 * MIB]);
    }

    #[test]
    fn a_full_level_gives_the_table_that_costs_least() {
        let shape = [
            (5, "a", "d", 64, 0),
            (5, "e", "h", 64, 0),
            (5, "i", "l", 300, 0),
            (6, "a", "b", 1000, 0),
            (6, "c", "h", 1500, 0),
            (6, "i", "z", 100, 0),
        ];
        assert_eq!(
            planned(&shape, 0),
            Some((vec![(5, vec![2]), (6, vec![5])], 6, false))
        );
    }

    #[test]
    fn tombstones_go_once_nobody_can_see_below_them() {
        let shape = [(6, "a", "d", 10, 5)];
        assert_eq!(planned(&shape, 99), None);
        assert_eq!(planned(&shape, 100), Some((vec![(6, vec![0])], 6, false)));
        let mostly = [(5, "a", "d", 10, 60), (6, "a", "d", 100, 0)];
        assert_eq!(
            planned(&mostly, 100),
            Some((vec![(5, vec![0]), (6, vec![1])], 6, false))
        );
        let few = [(5, "a", "d", 10, 5), (6, "a", "d", 100, 0)];
        assert_eq!(planned(&few, 100), None);
    }
}
