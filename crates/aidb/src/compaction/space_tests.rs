//! How much space a tree takes while it is overwritten evenly, by the policy alone.

use super::level0::allowed_bytes;
use super::policy::{Limits, Plan, cuts, debt, outline, plan};
use crate::key::{self, SeqNo};
use crate::version::testing::{Sketch, Sketcher};
use crate::version::{LEVELS, Tree};

const MIB: u64 = 1 << 20;
const KEYS: u64 = 60_000;

/// As by default, but that only bytes limit level 0.
fn limits(memtable_bytes: u64) -> Limits {
    Limits {
        level0_runs: 100,
        level0_runs_max: 200,
        level_base_bytes: 2048 * MIB,
        level_ratio: 10,
        table_bytes: 64 * MIB,
        memtable_bytes,
    }
}

/// A tree of `live` bytes in which every key is as likely to be overwritten as any other.
struct Overwritten {
    tree: Tree,
    limits: Limits,
    live: u64,
    sketcher: Sketcher,
    seq: u64,
    /// Bytes that compactions have written.
    written: u64,
    /// The most bytes there ever were, with those of the compaction under way.
    peak: u64,
}

impl Overwritten {
    fn new(live: u64, limits: Limits) -> Overwritten {
        let mut overwritten = Overwritten {
            tree: Tree::default(),
            limits,
            live,
            sketcher: Sketcher::new(),
            seq: 10,
            written: 0,
            peak: 0,
        };
        let tables = (0..10).map(|n| (KEYS / 10 * n, KEYS / 10 * (n + 1)));
        overwritten.add(LEVELS - 1, tables.collect(), live);
        overwritten
    }

    /// Adds tables of these keys, each with its share of `bytes`.
    fn add(&mut self, level: usize, ranges: Vec<(u64, u64)>, bytes: u64) {
        let mut tables = self.tree.level(level).to_vec();
        for (from, to) in ranges {
            tables.push(self.sketcher.table(&Sketch {
                level,
                smallest: &from.to_be_bytes(),
                largest: &(to - 1).to_be_bytes(),
                bytes: bytes * (to - from) / KEYS,
                tombstones: 0,
                seq: self.seq,
            }));
        }
        self.tree.set_level(level, tables);
    }

    fn level0_bytes(&self) -> u64 {
        let tables = self.tree.level(0).iter();
        tables.map(|table| table.meta.info.bytes).sum()
    }

    fn flush(&mut self, bytes: u64) {
        self.seq += 10;
        let cuts = cuts(&self.tree, &self.limits);
        let cuts = cuts.iter().map(|cut| number(cut));
        let ranges = pieces(0, KEYS, cuts);
        self.add(0, ranges, bytes);
        while let Some(plan) = plan(&self.tree, &self.limits, SeqNo::ZERO, &[]) {
            self.carry_out(&plan);
        }
    }

    /// All that is overwritten goes: what is left takes its share of `live`.
    fn carry_out(&mut self, plan: &Plan) {
        let tables: Vec<_> = plan.tables().cloned().collect();
        let of = |key: &[u8]| number(key::user_key(key));
        let from = tables.iter().map(|table| of(&table.meta.info.smallest));
        let to = tables.iter().map(|table| of(&table.meta.info.largest) + 1);
        let (from, to) = (from.min().unwrap(), to.max().unwrap());
        let (cuts, table_bytes) = outline(&self.tree, plan, &self.limits);
        let mut ranges = Vec::new();
        for (from, to) in pieces(from, to, cuts.iter().map(|cut| number(cut))) {
            let bytes = self.live * (to - from) / KEYS;
            let tables = bytes.div_ceil(table_bytes).max(1);
            let inner = (1..tables).map(|n| from + (to - from) * n / tables);
            ranges.extend(pieces(from, to, inner));
        }
        let output = self.live * (to - from) / KEYS;
        self.written += output;
        self.peak = self.peak.max(self.live + self.level0_bytes() + output);
        for level in 0..LEVELS {
            let rest = self.tree.level(level).iter();
            let rest = rest.filter(|table| {
                let number = table.meta.number;
                !tables.iter().any(|input| input.meta.number == number)
            });
            let rest = rest.cloned().collect();
            self.tree.set_level(level, rest);
        }
        self.add(plan.target, ranges, self.live);
    }
}

fn number(user_key: &[u8]) -> u64 {
    u64::from_be_bytes(user_key.try_into().unwrap())
}

fn pieces(from: u64, to: u64, cuts: impl Iterator<Item = u64>) -> Vec<(u64, u64)> {
    let inner = cuts.filter(|cut| *cut > from && *cut < to);
    let bounds: Vec<u64> = std::iter::once(from).chain(inner).chain([to]).collect();
    bounds.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

/// A database of which every key was overwritten took twice its space, and half as much again, until it was merged.
#[test]
fn a_tree_that_is_overwritten_stays_near_its_size() {
    for live_mib in [110, 300, 1000] {
        let limits = limits(4 * MIB);
        let live = live_mib * MIB;
        let mut tree = Overwritten::new(live, limits);
        let flushed = 7 * MIB / 4;
        let flushes = 3 * live / flushed;
        let allowed = allowed_bytes(live, false, &limits);
        for _ in 0..flushes {
            tree.flush(flushed);
            assert!(tree.level0_bytes() <= allowed);
            assert_eq!(debt(&tree.tree, &limits), 0);
        }
        assert!(
            tree.peak * 5 < live * 6,
            "{live_mib} MiB took {}",
            tree.peak
        );
        let rewritten = tree.written * 10 / (flushes * flushed);
        assert!(rewritten < 105, "{live_mib} MiB: {rewritten} tenths");
    }
}

/// Level 0 of a tree that is small beside the memtable is not merged with each flush.
#[test]
fn a_small_tree_may_have_memtables_over_it() {
    let limits = limits(64 * MIB);
    let live = 256 * MIB;
    let mut tree = Overwritten::new(live, limits);
    for _ in 0..40 {
        tree.flush(28 * MIB);
        assert!(tree.level0_bytes() <= allowed_bytes(live, false, &limits));
    }
    assert!(tree.written < 40 * 28 * MIB, "{}", tree.written);
}

#[test]
fn what_is_allowed_follows_the_larger_of_tree_and_memtables() {
    let limits = limits(64 * MIB);
    let allowed =
        |live_mib: u64, has_levels: bool| allowed_bytes(live_mib * MIB, has_levels, &limits) / MIB;
    assert_eq!(allowed(0, false), 192);
    assert_eq!(allowed(448, false), 160);
    assert_eq!(allowed(1800, false), 100);
    assert_eq!(allowed(36_000, false), 2000);
    assert_eq!(allowed(36_000, true), 1000);
    let least = (0..4000).map(|live_mib| allowed(live_mib, true)).min();
    assert!(least > Some(32), "{least:?}");
}

/// What overlaps nothing hides nothing, however much it is.
#[test]
fn a_sequential_load_is_not_merged_for_its_size() {
    let limits = limits(MIB);
    let mut tree = Tree::default();
    let mut sketcher = Sketcher::new();
    let tables = (0..7_u64).map(|n| {
        sketcher.table(&Sketch {
            level: 0,
            smallest: &(2 * n).to_be_bytes(),
            largest: &(2 * n + 1).to_be_bytes(),
            bytes: 60 * MIB,
            tombstones: 0,
            seq: 10 * (n + 1),
        })
    });
    tree.set_level(0, tables.collect());
    assert!(plan(&tree, &limits, SeqNo::ZERO, &[]).is_none());
    assert_eq!(debt(&tree, &limits), 0);
}
