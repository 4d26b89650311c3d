//! Merged, levelled and visible iterators against sorted lists.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::ops::RangeBounds;

use bytes::Bytes;
use proptest::prelude::*;

use crate::error::{Error, Result};
use crate::key::{SeqNo, ValueKind, internal_key, split, trailer_kind, trailer_seq};

use super::model::{ListIter, Pair, assert_walks_as, entries, user_keys, walks};
use super::{InternalIterator, LevelIter, LevelTables, MergeIter, View, VisibleIter};

/// Tables in memory. Those from `broken` on cannot be opened.
struct Lists {
    tables: Vec<Vec<Pair>>,
    broken: usize,
}

impl LevelTables for Lists {
    type Cursor = ListIter;
    fn len(&self) -> usize {
        self.tables.len()
    }
    fn largest(&self, index: usize) -> &[u8] {
        &self.tables[index].last().unwrap().0
    }
    fn open(&self, index: usize) -> Result<ListIter> {
        if index >= self.broken {
            return Err(Error::corruption("000007.sst", 0, "broken"));
        }
        Ok(ListIter::new(self.tables[index].clone()))
    }
}

/// Deals entries out to `children`.
fn deal(all: &[Pair], children: usize, choices: &[usize]) -> Vec<ListIter> {
    let mut lists = vec![Vec::new(); children];
    for (position, entry) in all.iter().enumerate() {
        lists[choices[position % choices.len()] % children].push(entry.clone());
    }
    lists.into_iter().map(ListIter::new).collect()
}

/// What a snapshot sees, worked out entry by entry.
fn visible(all: &[Pair], at: SeqNo) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut seen = BTreeMap::new();
    for (key, value) in all {
        let (user_key, trailer) = split(key);
        if trailer_seq(trailer) <= at {
            let value = (trailer_kind(trailer) == Some(ValueKind::Put)).then(|| value.clone());
            seen.entry(user_key.to_vec()).or_insert(value);
        }
    }
    seen.into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
}

#[derive(Clone, Debug)]
enum Pull {
    Front(usize),
    Back(usize),
    Seek(Vec<u8>),
}

fn pulls() -> impl Strategy<Value = Vec<Pull>> {
    let pull = prop_oneof![
        4 => (1_usize..8).prop_map(Pull::Front),
        4 => (1_usize..8).prop_map(Pull::Back),
        1 => user_keys().prop_map(Pull::Seek),
    ];
    prop::collection::vec(pull, 1..30)
}

fn bounds() -> impl Strategy<Value = Bound<Bytes>> {
    prop_oneof![
        Just(Bound::Unbounded),
        user_keys().prop_map(|key| Bound::Included(key.into())),
        user_keys().prop_map(|key| Bound::Excluded(key.into())),
    ]
}

proptest! {
    #[test]
    fn a_merge_is_the_sorted_union(
        all in entries(120),
        children in 1_usize..7,
        choices in prop::collection::vec(0_usize..7, 1..40),
        walk in walks(),
    ) {
        let mut merged = MergeIter::new(deal(&all, children, &choices));
        assert_walks_as(&mut ListIter::new(all), &mut merged, &walk);
    }

    #[test]
    fn a_level_is_its_tables_one_behind_the_other(
        all in entries(120),
        table_entries in 1_usize..20,
        walk in walks(),
    ) {
        let tables: Vec<Vec<Pair>> = all.chunks(table_entries).map(<[Pair]>::to_vec).collect();
        let mut level = LevelIter::new(Lists { tables, broken: usize::MAX });
        assert_walks_as(&mut ListIter::new(all), &mut level, &walk);
    }

    #[test]
    fn a_snapshot_sees_the_newest_versions_within_bounds_from_both_ends(
        all in entries(150),
        at in prop_oneof![4 => 0_u64..22, 1 => Just(SeqNo::MAX.0)],
        lower in bounds(),
        upper in bounds(),
        choices in prop::collection::vec(0_usize..3, 1..20),
        pulls in pulls(),
    ) {
        let at = SeqNo(at);
        let range = (lower.clone(), upper.clone());
        let expected: Vec<Pair> =
            visible(&all, at).into_iter().filter(|(key, _)| range.contains(&Bytes::copy_from_slice(key))).collect();
        let merged = MergeIter::new(deal(&all, 3, &choices));
        let mut found = VisibleIter::new(merged, View::plain(at), lower, upper);
        let (mut front, mut back) = (0, expected.len());
        for pull in pulls {
            match pull {
                Pull::Front(times) => for _ in 0..times {
                    let entry = if times % 2 == 0 {
                        found.next().unwrap()
                    } else {
                        let is_there = found.advance().unwrap();
                        is_there.then(|| [found.key(), found.value()].map(Bytes::copy_from_slice).into())
                    };
                    let wanted = expected.get(front).filter(|_| front < back);
                    front += usize::from(wanted.is_some());
                    prop_assert_eq!(entry, wanted.map(|(key, value)| (key.clone().into(), value.clone().into())));
                },
                Pull::Back(times) => for _ in 0..times {
                    let entry = found.next_back().unwrap();
                    let wanted = back.checked_sub(1).filter(|_| front < back).map(|last| &expected[last]);
                    back -= usize::from(wanted.is_some());
                    prop_assert_eq!(entry, wanted.map(|(key, value)| (key.clone().into(), value.clone().into())));
                },
                Pull::Seek(key) => {
                    found.seek(&key);
                    front = expected.partition_point(|entry| entry.0 < key);
                }
            }
        }
    }
}

#[test]
fn equal_keys_come_from_the_earlier_child_first_and_backward_last() {
    let list = |value: &str| {
        let keys =
            ["a", "b", "c"].map(|key| internal_key(key.as_bytes(), SeqNo(1), ValueKind::Put));
        ListIter::new(
            keys.into_iter()
                .map(|key| (key, value.as_bytes().to_vec()))
                .collect(),
        )
    };
    let mut merged = MergeIter::new(vec![list("0"), list("1"), list("2")]);
    let mut values = Vec::new();
    merged.seek_to_first();
    while merged.valid() {
        values.push(merged.value());
        // There and back again at every entry.
        let key = merged.key().to_vec();
        merged.next();
        if merged.valid() {
            merged.prev();
            assert_eq!(merged.key(), key);
            assert_eq!(Some(&merged.value()), values.last());
            merged.next();
        }
    }
    assert_eq!(values, ["0", "1", "2"].repeat(3));
    merged.seek_to_last();
    let mut backward = Vec::new();
    while merged.valid() {
        backward.push(merged.value());
        merged.prev();
    }
    values.reverse();
    assert_eq!(values, backward);
}

#[test]
fn an_error_ends_the_iteration_instead_of_hiding_entries() {
    let put = |key: &str| {
        (
            internal_key(key.as_bytes(), SeqNo(1), ValueKind::Put),
            Vec::new(),
        )
    };
    let broken = Lists {
        tables: vec![vec![put("a")], vec![put("c")]],
        broken: 1,
    };
    let whole = Lists {
        tables: vec![vec![put("b"), put("d")]],
        broken: 1,
    };
    let merged = MergeIter::new(vec![LevelIter::new(broken), LevelIter::new(whole)]);
    let mut found = VisibleIter::new(
        merged,
        View::plain(SeqNo::MAX),
        Bound::Unbounded,
        Bound::Unbounded,
    );
    assert_eq!(found.next().unwrap().unwrap().0, "a");
    for _ in 0..2 {
        let error = found.next().unwrap_err();
        assert!(error.to_string().contains("000007.sst"), "{error}");
    }
    assert!(found.next_back().is_err());
}

#[test]
fn many_versions_of_a_key_are_skipped_in_both_directions() {
    let mut all = Vec::new();
    for key in ["a", "b", "c"] {
        for seq in (0..100).rev() {
            all.push((
                internal_key(key.as_bytes(), SeqNo(seq), ValueKind::Put),
                seq.to_string().into_bytes(),
            ));
        }
    }
    for at in [0, 1, 50, 98, 99, 200] {
        let view = || {
            VisibleIter::new(
                ListIter::new(all.clone()),
                View::plain(SeqNo(at)),
                Bound::Unbounded,
                Bound::Unbounded,
            )
        };
        let value = at.min(99).to_string();
        let expected = ["a", "b", "c"].map(|key| (Bytes::from(key), Bytes::from(value.clone())));
        let mut forward = view();
        let mut backward = view();
        for i in 0..3 {
            assert_eq!(forward.next().unwrap().as_ref(), Some(&expected[i]));
            assert_eq!(
                backward.next_back().unwrap().as_ref(),
                Some(&expected[2 - i])
            );
        }
        assert_eq!(
            (forward.next().unwrap(), backward.next_back().unwrap()),
            (None, None)
        );
    }
}
