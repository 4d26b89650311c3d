//! The policy on trees by hand, and on random ones: plans are valid, and carrying them out comes to an end.

use super::policy::{Limits, Plan, cuts, debt, everything, plan};
use super::span::Span;
use crate::key::SeqNo;
use crate::version::testing::{Sketch, Sketcher};
use crate::version::{LEVELS, Table, Tree};
use proptest::prelude::*;
use std::sync::Arc;

const MIB: u64 = 1 << 20;
const LIMITS: Limits = Limits {
    level0_runs: 4,
    level0_runs_max: 8,
    level_base_bytes: 256 * MIB,
    level_ratio: 10,
    table_bytes: 64 * MIB,
    memtable_bytes: 256 * MIB,
};

/// (level, smallest key, largest key, MiB, tombstones)
type Shape<'a> = &'a [(usize, &'a str, &'a str, u64, u64)];

fn tree(shape: Shape<'_>) -> Tree {
    let sketches: Vec<_> = shape
        .iter()
        .zip(100..)
        .map(
            |((level, smallest, largest, mib, tombstones), seq)| Sketch {
                level: *level,
                smallest: smallest.as_bytes(),
                largest: largest.as_bytes(),
                bytes: mib * MIB,
                tombstones: *tombstones,
                seq,
            },
        )
        .collect();
    Sketcher::new().tree(&sketches)
}

/// Inputs by level as table numbers, target level, whether they are moved.
type Planned = (Vec<(usize, Vec<u64>)>, usize, bool);

fn told(plan: &Plan) -> Planned {
    let numbers = |tables: &Vec<Arc<Table>>| {
        let mut numbers: Vec<u64> = tables.iter().map(|table| table.meta.number).collect();
        numbers.sort_unstable();
        numbers
    };
    let inputs = plan.inputs.iter();
    let inputs = inputs.map(|(level, tables)| (*level, numbers(tables)));
    (inputs.collect(), plan.target, plan.moves)
}

fn planned(shape: Shape<'_>, watermark: u64) -> Option<Planned> {
    plan(&tree(shape), &LIMITS, SeqNo(watermark), &[]).map(|plan| told(&plan))
}

#[test]
fn a_small_database_has_level_0_and_the_last() {
    let level0 = (0, "a", "z", 2, 0);
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
        Some((vec![(0, vec![0, 1, 2, 3]), (6, vec![4])], 6, false))
    );
}

#[test]
fn large_tables_that_lie_apart_are_moved_and_small_ones_become_one() {
    let shape = |mib| {
        [
            (0, "a", "b", mib, 0),
            (0, "c", "d", mib, 0),
            (0, "e", "f", mib, 0),
            (0, "g", "h", mib, 0),
        ]
    };
    let inputs = vec![(0, vec![0, 1, 2, 3])];
    assert_eq!(planned(&shape(60), 0), Some((inputs.clone(), 6, true)));
    assert_eq!(planned(&shape(1), 0), Some((inputs, 6, false)));
}

#[test]
fn level_0_is_compacted_by_column_and_the_deepest_comes_first() {
    let mut shape = vec![
        (6, "a", "f", 60, 0),
        (6, "g", "m", 60, 0),
        (6, "n", "z", 60, 0),
    ];
    shape.extend([(0, "b", "e", 12, 0); 4]);
    shape.extend([(0, "h", "k", 12, 0); 5]);
    shape.extend([(0, "o", "p", 90, 0); 3]);
    let deepest = (vec![(0, vec![7, 8, 9, 10, 11]), (6, vec![1])], 6, false);
    assert_eq!(planned(&shape, 0), Some(deepest));
    let tree = tree(&shape);
    let first = plan(&tree, &LIMITS, SeqNo(0), &[]).unwrap();
    let second = plan(&tree, &LIMITS, SeqNo(0), std::slice::from_ref(&first.span)).unwrap();
    assert_eq!(
        told(&second),
        (vec![(0, vec![3, 4, 5, 6]), (6, vec![0])], 6, false)
    );
    assert!(!first.span.overlaps(&second.span));
    assert_eq!(debt(&tree, &LIMITS), (4 + 5) * 12 * MIB + 2 * 60 * MIB);
}

#[test]
fn level_0_waits_while_there_is_much_to_rewrite_below_but_not_for_ever() {
    let shape = |runs: usize, mib| {
        let mut shape = vec![(6, "a", "z", 100, 0)];
        shape.resize(1 + runs, (0, "b", "y", mib, 0));
        planned(&shape, 0).is_some()
    };
    assert!(shape(4, 19) && shape(7, 11) && shape(8, 1));
    assert!(!shape(4, 18) && !shape(7, 10) && !shape(3, 99));
}

#[test]
fn a_flush_is_cut_where_tables_of_the_base_level_begin() {
    let shape = [
        (6, "c", "f", 60, 0),
        (6, "g", "m", 60, 0),
        (6, "n", "p", 60, 0),
        (0, "a", "b", 1, 0),
        (0, "k", "o", 1, 0),
    ];
    // Though the last table of level 0 hangs two of the last level together: those to come shall not.
    assert_eq!(cuts(&tree(&shape), &LIMITS), ["c", "g", "n"]);
    assert_eq!(cuts(&tree(&shape[3..]), &LIMITS), ["a", "k"]);
}

#[test]
fn levels_open_upwards_as_the_last_one_grows() {
    let shape = [(6, "a", "z", 5000, 0), (5, "a", "z", 501, 0)];
    let plan = plan(&tree(&shape), &LIMITS, SeqNo(0), &[]).unwrap();
    assert_eq!(plan.target, 6);
    let shape = [(6, "a", "z", 5000, 0), (5, "a", "z", 499, 0)];
    assert_eq!(planned(&shape, 0), None);
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

/// Nine keys of ten were deleted, and neither space nor the speed of scans came back until four flushes had passed.
#[test]
fn a_flush_of_many_tombstones_does_not_wait_for_others() {
    let shape = [(6, "a", "z", 100, 0), (0, "a", "z", 10, 90)];
    assert_eq!(planned(&shape, 100), None, "a snapshot holds them");
    let both = vec![(0, vec![1]), (6, vec![0])];
    assert_eq!(planned(&shape, 101), Some((both, 6, false)));
}

#[test]
fn rows_of_small_tables_become_one() {
    let mut keys: Vec<String> = (0..9).map(|n| format!("k{n}")).collect();
    keys.sort();
    let row = |mib: [u64; 9]| {
        let tables = keys.iter().zip(mib);
        let shape: Vec<_> = tables
            .map(|(key, mib)| (6, key.as_str(), key.as_str(), mib, 0))
            .collect();
        planned(&shape, 0)
    };
    assert_eq!(row([1; 9]), Some((vec![(6, (0..8).collect())], 6, false)));
    assert_eq!(
        row([1, 1, 1, 1, 30, 1, 1, 1, 1]),
        None,
        "one is much larger"
    );
    assert_eq!(row([60; 9]), None);
}

/// A random tree: any tables in level 0, tables that do not overlap in the others.
fn trees() -> impl Strategy<Value = Tree> {
    let table = (0_u16..1000, 0_u16..200, 1_u64..100, 0_u64..=100);
    let level0 = prop::collection::vec(table, 0..20);
    let bounds = prop::collection::btree_set(0_u16..1000, 0..30);
    let level = (bounds, 1_u64..2000, 0_u64..30);
    let below = prop::collection::vec(level, LEVELS - 1);
    (level0, below).prop_map(|(level0, below)| {
        let mut sketcher = Sketcher::new();
        let mut tables: Vec<Vec<Arc<Table>>> = vec![Vec::new(); LEVELS];
        let mut add = |level: usize, from: u16, to: u16, mib: u64, tombstones: u64| {
            let seq = if level == 0 {
                1000 + 10 * tables[0].len() as u64
            } else {
                10 * (LEVELS - level) as u64
            };
            tables[level].push(sketcher.table(&Sketch {
                level,
                smallest: &from.to_be_bytes(),
                largest: &to.to_be_bytes(),
                bytes: mib * MIB,
                tombstones,
                seq,
            }));
        };
        for (from, more, mib, tombstones) in level0 {
            add(0, from, from + more, mib, tombstones);
        }
        for (level, (bounds, mib, tombstones)) in below.into_iter().enumerate() {
            let bounds: Vec<u16> = bounds.into_iter().collect();
            for pair in bounds.chunks_exact(2) {
                add(level + 1, pair[0], pair[1], mib, tombstones);
            }
        }
        let mut tree = Tree::default();
        for (level, tables) in tables.into_iter().enumerate() {
            tree.set_level(level, tables);
        }
        tree
    })
}

/// Whatever a plan pushes below its target's upper side, it takes what is older there along.
fn assert_valid(tree: &Tree, plan: &Plan) {
    assert!(plan.tables().count() > 0);
    let inputs: Vec<u64> = plan.tables().map(|table| table.meta.number).collect();
    for (level, tables) in &plan.inputs {
        assert!(*level <= plan.target && !tables.is_empty());
        for table in tables {
            let here = tree.level(*level);
            assert!(here.iter().any(|other| Arc::ptr_eq(other, table)));
            for lower in *level..=plan.target {
                let mut left = tree.level(lower).iter();
                let is_older = |other: &&Arc<Table>| {
                    lower > *level || other.meta.info.max_seq < table.meta.info.max_seq
                };
                let older = left.find(|other| {
                    !inputs.contains(&other.meta.number)
                        && other.meta.overlaps(&table.meta)
                        && is_older(other)
                });
                assert!(
                    older.is_none(),
                    "{older:?} of level {lower} is passed by {plan:?}"
                );
            }
        }
    }
}

/// What a plan leaves: its tables in the target, or one table in their place without tombstones and old versions.
fn carry_out(tree: &Tree, plan: &Plan, sketcher: &mut Sketcher) -> Tree {
    let mut tree = tree.clone();
    let inputs: Vec<u64> = plan.tables().map(|table| table.meta.number).collect();
    for level in 0..LEVELS {
        let rest = tree
            .level(level)
            .iter()
            .filter(|table| !inputs.contains(&table.meta.number));
        let rest: Vec<_> = rest.cloned().collect();
        tree.set_level(level, rest);
    }
    let mut target: Vec<_> = tree.level(plan.target).to_vec();
    if plan.moves {
        target.extend(plan.tables().cloned());
    } else {
        let smallest = plan
            .tables()
            .map(|table| table.meta.smallest_user_key())
            .min();
        let largest = plan
            .tables()
            .map(|table| crate::key::user_key(&table.meta.info.largest))
            .max();
        target.push(
            sketcher.table(&Sketch {
                level: plan.target,
                smallest: smallest.unwrap(),
                largest: largest.unwrap(),
                bytes: plan.tables().map(|table| table.meta.info.bytes).sum(),
                tombstones: 0,
                seq: plan
                    .tables()
                    .map(|table| table.meta.info.max_seq.0)
                    .max()
                    .unwrap(),
            }),
        );
    }
    tree.set_level(plan.target, target);
    for level in 1..LEVELS {
        for pair in tree.level(level).windows(2) {
            assert!(!pair[0].meta.overlaps(&pair[1].meta), "{plan:?}");
        }
    }
    tree
}

proptest! {
    #[test]
    fn plans_are_valid_apart_from_each_other_and_come_to_an_end(tree in trees(), watermark in 0_u64..2000) {
        let mut sketcher = Sketcher::from(1_000_000);
        let mut tree = tree;
        let mut steps = 0;
        loop {
            // All that several threads would begin at once.
            let mut busy = Vec::new();
            let mut plans = Vec::new();
            while let Some(plan) = plan(&tree, &LIMITS, SeqNo(watermark), &busy) {
                assert_valid(&tree, &plan);
                prop_assert!(!busy.iter().any(|span: &Span| span.overlaps(&plan.span)));
                busy.push(plan.span.clone());
                plans.push(plan);
            }
            if plans.is_empty() {
                break;
            }
            // In any order.
            for plan in plans.iter().rev() {
                tree = carry_out(&tree, plan, &mut sketcher);
            }
            steps += plans.len();
            prop_assert!(steps < 2000, "no end: {:?}", plans.last());
        }
        prop_assert_eq!(debt(&tree, &LIMITS), 0);
    }

    #[test]
    fn merging_everything_leaves_one_level(tree in trees()) {
        let mut sketcher = Sketcher::from(1_000_000);
        let plans = everything(&tree);
        let mut merged = tree.clone();
        for plan in &plans {
            assert_valid(&tree, plan);
            merged = carry_out(&merged, plan, &mut sketcher);
        }
        for level in 0..LEVELS - 1 {
            prop_assert!(merged.level(level).is_empty());
        }
        prop_assert_eq!(merged.level(LEVELS - 1).len(), plans.len());
    }
}
