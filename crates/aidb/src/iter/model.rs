//! For tests: a cursor over a sorted list, which is the truth, and a random walk that compares others with it.

use bytes::Bytes;
use proptest::prelude::*;

use crate::error::Result;
use crate::key::{SeqNo, ValueKind, compare, internal_key};

use super::InternalIterator;

/// An internal key and its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// A cursor over a sorted list.
#[derive(Clone, Debug)]
pub(crate) struct ListIter {
    entries: Vec<Pair>,
    at: Option<usize>,
}

impl ListIter {
    pub(crate) fn new(entries: Vec<Pair>) -> ListIter {
        assert!(entries.is_sorted_by(|a, b| compare(&a.0, &b.0).is_lt()));
        ListIter { entries, at: None }
    }

    fn set(&mut self, at: Option<usize>) {
        self.at = at.filter(|&at| at < self.entries.len());
    }
}

impl InternalIterator for ListIter {
    fn seek_to_first(&mut self) {
        self.set(Some(0));
    }
    fn seek_to_last(&mut self) {
        self.set(self.entries.len().checked_sub(1));
    }
    fn seek(&mut self, target: &[u8]) {
        self.set(Some(
            self.entries
                .partition_point(|entry| compare(&entry.0, target).is_lt()),
        ));
    }
    fn seek_for_prev(&mut self, target: &[u8]) {
        self.set(
            self.entries
                .partition_point(|entry| compare(&entry.0, target).is_le())
                .checked_sub(1),
        );
    }
    fn next(&mut self) {
        self.set(self.at.map(|at| at + 1));
    }
    fn prev(&mut self) {
        self.set(self.at.and_then(|at| at.checked_sub(1)));
    }
    fn valid(&self) -> bool {
        self.at.is_some()
    }
    fn key(&self) -> &[u8] {
        &self.entries[self.at.unwrap()].0
    }
    fn value(&self) -> Bytes {
        self.entries[self.at.unwrap()].1.clone().into()
    }
    fn value_slice(&self) -> &[u8] {
        &self.entries[self.at.unwrap()].1
    }
    fn status(&self) -> Result<()> {
        Ok(())
    }
}

/// A step of a random walk.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    First,
    Last,
    Seek(Vec<u8>),
    SeekForPrev(Vec<u8>),
    Next(usize),
    Prev(usize),
}

/// User keys that often share prefixes and often are the same; some are long.
pub(crate) fn user_keys() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[ab]{0,6}".prop_map(String::into_bytes),
        2 => "prefix/[a-e]{1,3}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => (0_usize..400).prop_map(|length| vec![b'a'; length]),
    ]
}

/// Internal keys as for committed writes: numbers from [`SeqNo::OWN`] on are those of a transaction's own writes, which
/// are visible at any moment.
pub(crate) fn internal_keys() -> impl Strategy<Value = Vec<u8>> {
    let seq = prop_oneof![4 => 0_u64..20, 1 => 0..SeqNo::OWN.0];
    let kind = prop_oneof![1 => Just(ValueKind::Delete), 3 => Just(ValueKind::Put)];
    (user_keys(), seq, kind).prop_map(|(key, seq, kind)| internal_key(&key, SeqNo(seq), kind))
}

/// Entries in order, without duplicates.
pub(crate) fn entries(most: usize) -> impl Strategy<Value = Vec<Pair>> {
    let value = prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..12),
        1 => (0_usize..700).prop_map(|length| vec![b'v'; length]),
    ];
    prop::collection::vec((internal_keys(), value), 0..most).prop_map(|mut entries| {
        entries.sort_by(|a, b| compare(&a.0, &b.0));
        entries.dedup_by(|a, b| a.0 == b.0);
        entries
    })
}

/// A walk: seeks, and runs of steps in both directions.
pub(crate) fn walks() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::First),
        Just(Step::Last),
        internal_keys().prop_map(Step::Seek),
        internal_keys().prop_map(Step::SeekForPrev),
        (1_usize..40).prop_map(Step::Next),
        (1_usize..40).prop_map(Step::Prev),
    ];
    prop::collection::vec(step, 1..40)
}

/// Walks over both and compares them at every step.
pub(crate) fn assert_walks_as(
    expected: &mut ListIter,
    found: &mut impl InternalIterator,
    walk: &[Step],
) {
    for step in walk {
        let times = match step {
            Step::Next(times) | Step::Prev(times) => *times,
            _ => 1,
        };
        for _ in 0..times {
            take_step(expected, step);
            take_step(found, step);
            found.status().unwrap();
            assert_eq!(expected.valid(), found.valid(), "{step:?}");
            if expected.valid() {
                assert_eq!(
                    expected.key().escape_ascii().to_string(),
                    found.key().escape_ascii().to_string()
                );
                assert_eq!(expected.value(), found.value());
                assert_eq!(expected.value_slice(), found.value_slice());
            }
        }
    }
}

fn take_step(cursor: &mut impl InternalIterator, step: &Step) {
    match step {
        Step::First => cursor.seek_to_first(),
        Step::Last => cursor.seek_to_last(),
        Step::Seek(target) => cursor.seek(target),
        Step::SeekForPrev(target) => cursor.seek_for_prev(target),
        Step::Next(_) if cursor.valid() => cursor.next(),
        Step::Prev(_) if cursor.valid() => cursor.prev(),
        Step::Next(_) | Step::Prev(_) => {}
    }
}
