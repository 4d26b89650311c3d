//! Whatever is dropped, folded and turned: each reader sees what it saw.

use std::sync::Arc;
use std::time::Duration;

use aether_env::ManualClock;
use bytes::Bytes;
use proptest::prelude::*;

use super::output::needed;
use super::reduce::{Reducer, Reduction, Version};
use super::retention::Retention;
use crate::key::{SeqNo, ValueKind, trailer, trailer_kind, trailer_seq};
use crate::lookup::{Lookup, Rules};
use crate::merge_operator::{Append, MergeFailure, MergeOperator};
use crate::range_deletes::{RangeDelete, RangeDeletes};
use crate::values::ValueFiles;

const KEY: &[u8] = b"k";

/// [`Append`] that fails on a "!".
#[derive(Debug)]
struct Picky;

impl MergeOperator for Picky {
    fn name(&self) -> &'static str {
        "picky"
    }

    fn full(
        &self,
        key: &[u8],
        base: Option<&[u8]>,
        operands: &[&[u8]],
    ) -> Result<Vec<u8>, MergeFailure> {
        if operands.iter().any(|operand| operand.contains(&b'!')) {
            return Err("an exclamation".into());
        }
        Append.full(key, base, operands)
    }

    fn partial(&self, key: &[u8], operands: &[&[u8]]) -> Option<Vec<u8>> {
        let has_any = operands.iter().any(|operand| operand.contains(&b'!'));
        if has_any {
            None
        } else {
            Append.partial(key, operands)
        }
    }
}

fn rules() -> Rules {
    let clock = ManualClock::default();
    clock.advance(Duration::from_secs(5));
    Rules::new(
        Some(Arc::new(Picky)),
        ValueFiles::default(),
        Arc::new(clock),
    )
}

/// A version: kind, what is stored.
type Said = (u64, ValueKind, Bytes);

fn versions() -> impl Strategy<Value = Vec<Said>> {
    let kind = prop_oneof![
        3 => Just((ValueKind::Put, "p")),
        2 => Just((ValueKind::Delete, "")),
        6 => Just((ValueKind::Merge, "m")),
        1 => Just((ValueKind::Merge, "!")),
        // Over, and not over.
        1 => Just((ValueKind::Expiring, "\x01\0\0\0\0\0\0\0e")),
        1 => Just((ValueKind::Expiring, "\0\0\x01\0\0\0\0\0f")),
    ];
    prop::collection::btree_map(2..30_u64, kind, 0..12).prop_map(|versions| {
        let said = |(seq, (kind, stored)): (u64, (ValueKind, &str))| {
            let number = if stored.len() == 1 && stored != "!" {
                seq.to_string()
            } else {
                String::new()
            };
            (seq, kind, Bytes::from(format!("{stored}{number}")))
        };
        versions.into_iter().rev().map(said).collect()
    })
}

fn deletes(seqs: &[u64]) -> RangeDeletes {
    RangeDeletes::new(seqs.iter().map(|seq| RangeDelete {
        start: "a".into(),
        end: "z".into(),
        seq: SeqNo(*seq),
    }))
}

/// What a reader at `moment` sees; the reason counts for an error.
fn seen(versions: &[Said], deletes: &RangeDeletes, moment: u64) -> Result<Option<Bytes>, ()> {
    let mut lookup = Lookup::new(KEY, SeqNo(moment));
    lookup.hide(deletes.covering_seq(KEY, SeqNo(moment)));
    for (seq, kind, stored) in versions.iter().filter(|(seq, ..)| *seq <= moment) {
        if lookup.take(SeqNo(*seq), *kind, stored.clone()) {
            break;
        }
    }
    let (base, operands) = lookup.into_parts();
    rules().settle(KEY, base, &operands).map_err(drop)
}

fn reduced(
    versions: &[Said],
    deletes: &RangeDeletes,
    retention: &Retention,
    is_bottom: bool,
) -> Vec<Said> {
    let rules = rules();
    let mut reducer = Reducer::new(Reduction {
        retention,
        rules: &rules,
        filter: None,
        deletes,
        below: is_bottom.then_some(&[]),
    });
    let mut left = Vec::new();
    let said = |version: Version| {
        let kind = trailer_kind(version.trailer).unwrap();
        (trailer_seq(version.trailer).0, kind, version.stored)
    };
    reducer.begin();
    for (seq, kind, stored) in versions {
        let trailer = trailer(SeqNo(*seq), *kind);
        if reducer.is_plain(*kind) {
            if reducer.keeps(KEY, trailer) {
                left.push((*seq, *kind, stored.clone()));
            }
            continue;
        }
        let version = Version {
            trailer,
            stored: stored.clone(),
            position: None,
        };
        reducer.take(KEY, *kind, version).unwrap();
        left.extend(reducer.left().map(said));
    }
    reducer.end(KEY).unwrap();
    left.extend(reducer.left().map(said));
    left
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8 * ProptestConfig::default().cases, ..ProptestConfig::default() })]

    #[test]
    fn every_reader_sees_what_it_saw(
        versions in versions(),
        deleted in prop::collection::vec(2..30_u64, 0..3),
        snapshots in prop::collection::btree_set(1..30_u64, 0..4),
        visible in 15..32_u64,
        below in prop_oneof![Just(None), Just(Some(Vec::new())), Just(Some(vec![(1, ValueKind::Put, Bytes::from("below"))]))],
    ) {
        // A number is of a version or of a deleted range.
        let deleted: Vec<u64> =
            deleted.into_iter().filter(|seq| versions.iter().all(|(other, ..)| other != seq)).collect();
        let deletes = deletes(&deleted);
        let retention = Retention {
            snapshots: snapshots.iter().copied().filter(|seq| *seq <= visible).map(SeqNo).collect(),
            visible: SeqNo(visible),
        };
        let is_bottom = below.is_none();
        let left = reduced(&versions, &deletes, &retention, is_bottom);
        let kept = needed(&deletes, &retention, is_bottom.then_some(&[]));
        prop_assert!(left.is_sorted_by(|a, b| a.0 > b.0), "{left:?}");
        let below = below.unwrap_or_default();
        let (before, after) = ([&versions[..], &below].concat(), [&left[..], &below].concat());
        let readers = retention.snapshots.iter().map(|seq| seq.0).chain(visible..35);
        for reader in readers {
            prop_assert_eq!(
                seen(&before, &deletes, reader),
                seen(&after, &kept, reader),
                "at {}: {:?} became {:?}, {:?} became {:?}", reader, versions, left, deletes, kept
            );
        }
        // Nothing is left that could be put together.
        for pair in left.windows(2) {
            let is_operand = |said: &Said| said.1 == ValueKind::Merge && !said.2.contains(&b'!');
            let same = retention.stripe(SeqNo(pair[0].0)) == retention.stripe(SeqNo(pair[1].0));
            prop_assert!(!(same && is_operand(&pair[0]) && is_operand(&pair[1])) || versions.iter().any(|said| said.2.contains(&b'!')), "{left:?}");
        }
    }
}
