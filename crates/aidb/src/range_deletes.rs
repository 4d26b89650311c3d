//! Deleted ranges: sets of `[start, end)` at a sequence number, cut into pieces that do not overlap.
//!
//! ```text
//! given      [a ------- m) at 5                 kept      [a - f) at 5
//!                  [f ------- z) at 9                     [f - m) at 9, 5
//!                                                         [m - z) at 9
//!
//! encoded  = piece*     piece = start, end, count, newest number, differences to the next older ones
//!                       (keys with a length in front, integers as varints)
//! ```
//!
//! Immutable. A set stands beside the points of one memtable or table. Never here: which of them a reader sees, and
//! when one may go (compaction).

use std::cmp::Reverse;

use bytes::Bytes;

use crate::key::{KEY_BYTES_MAX, SeqNo};
use crate::varint;

/// The longest bound of a range: what stands directly behind the longest key is one byte longer.
pub(crate) const BOUND_BYTES_MAX: usize = KEY_BYTES_MAX + 1;

/// All keys from `start` to `end`, which is excluded, are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RangeDelete {
    pub(crate) start: Bytes,
    pub(crate) end: Bytes,
    pub(crate) seq: SeqNo,
}

/// A range within which the same deletes hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) start: Bytes,
    pub(crate) end: Bytes,
    /// Newest first; never empty.
    pub(crate) seqs: Vec<SeqNo>,
}

impl Piece {
    /// The newest delete up to `at`.
    pub(crate) fn newest(&self, at: SeqNo) -> Option<SeqNo> {
        let first = self.seqs.partition_point(|seq| *seq > at);
        self.seqs.get(first).copied()
    }

    /// The oldest delete after `seq`: the one that hides a version of that number first.
    pub(crate) fn next_after(&self, seq: SeqNo) -> Option<SeqNo> {
        let newer = self.seqs.partition_point(|each| *each > seq);
        newer.checked_sub(1).map(|last| self.seqs[last])
    }
}

/// What a set says about a key and its neighbours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around<'a> {
    /// The piece that holds the key.
    pub(crate) piece: Option<&'a Piece>,
    /// The same holds from here on; none: from the first key on.
    pub(crate) lower: Option<&'a Bytes>,
    /// The same holds up to here, excluded; none: to the last key.
    pub(crate) upper: Option<&'a Bytes>,
}

/// See the head of this module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RangeDeletes {
    /// Ascending; they may touch.
    pieces: Vec<Piece>,
}

impl RangeDeletes {
    /// The set of `deletes`, given in any order. Empty ranges count for nothing.
    pub(crate) fn new(deletes: impl IntoIterator<Item = RangeDelete>) -> RangeDeletes {
        let mut deletes: Vec<RangeDelete> = deletes
            .into_iter()
            .filter(|delete| delete.start < delete.end)
            .collect();
        deletes.sort_by(|a, b| a.start.cmp(&b.start));
        let mut bounds: Vec<Bytes> = deletes
            .iter()
            .flat_map(|delete| [delete.start.clone(), delete.end.clone()])
            .collect();
        bounds.sort_unstable();
        bounds.dedup();
        let mut set = RangeDeletes::default();
        let mut begun = deletes.iter().peekable();
        let mut open: Vec<&RangeDelete> = Vec::new();
        for bound in bounds.windows(2) {
            open.retain(|delete| delete.end > bound[0]);
            while let Some(delete) = begun.next_if(|delete| delete.start <= bound[0]) {
                open.push(delete);
            }
            let mut seqs: Vec<SeqNo> = open.iter().map(|delete| delete.seq).collect();
            seqs.sort_unstable_by_key(|seq| Reverse(*seq));
            seqs.dedup();
            if !seqs.is_empty() {
                set.push(bound[0].clone(), bound[1].clone(), seqs);
            }
        }
        set
    }

    /// All deletes of `sets`.
    pub(crate) fn union<'a>(sets: impl IntoIterator<Item = &'a RangeDeletes>) -> RangeDeletes {
        let mut sets = sets.into_iter().filter(|set| !set.is_empty()).peekable();
        let Some(first) = sets.next() else {
            return RangeDeletes::default();
        };
        if sets.peek().is_none() {
            return first.clone();
        }
        RangeDeletes::new(
            std::iter::once(first)
                .chain(sets)
                .flat_map(RangeDeletes::iter),
        )
    }

    /// Those deletes of which `keep` says so, given a piece and the place in its numbers.
    pub(crate) fn retain(&self, keep: impl Fn(&Piece, usize) -> bool) -> RangeDeletes {
        let mut set = RangeDeletes::default();
        for piece in &self.pieces {
            let places = (0..piece.seqs.len()).filter(|place| keep(piece, *place));
            let seqs: Vec<SeqNo> = places.map(|place| piece.seqs[place]).collect();
            if !seqs.is_empty() {
                set.push(piece.start.clone(), piece.end.clone(), seqs);
            }
        }
        set
    }

    /// Appends a piece behind all others.
    fn push(&mut self, start: Bytes, end: Bytes, seqs: Vec<SeqNo>) {
        match self.pieces.last_mut() {
            Some(last) if last.end == start && last.seqs == seqs => last.end = end,
            _ => self.pieces.push(Piece { start, end, seqs }),
        }
    }

    /// True when nothing is deleted.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The pieces, ascending.
    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Every delete of every piece.
    pub(crate) fn iter(&self) -> impl Iterator<Item = RangeDelete> + '_ {
        self.pieces.iter().flat_map(|piece| {
            piece.seqs.iter().map(|seq| RangeDelete {
                start: piece.start.clone(),
                end: piece.end.clone(),
                seq: *seq,
            })
        })
    }

    /// How many deletes [`RangeDeletes::iter`] gives.
    pub(crate) fn count(&self) -> u64 {
        self.pieces
            .iter()
            .map(|piece| piece.seqs.len() as u64)
            .sum()
    }

    /// Memory that it takes, about.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.pieces
            .iter()
            .map(|piece| {
                size_of::<Piece>()
                    + piece.start.len()
                    + piece.end.len()
                    + piece.seqs.len() * size_of::<SeqNo>()
            })
            .sum()
    }

    /// The newest delete of `user_key` up to `at`.
    pub(crate) fn covering_seq(&self, user_key: &[u8], at: SeqNo) -> Option<SeqNo> {
        self.around(user_key).piece?.newest(at)
    }

    /// What holds at `user_key`, and how far around it.
    pub(crate) fn around(&self, user_key: &[u8]) -> Around<'_> {
        let next = self.pieces.partition_point(|piece| piece.start <= user_key);
        let upper = self.pieces.get(next).map(|piece| &piece.start);
        let Some(piece) = next.checked_sub(1).map(|before| &self.pieces[before]) else {
            return Around {
                piece: None,
                lower: None,
                upper,
            };
        };
        if user_key < &piece.end[..] {
            Around {
                piece: Some(piece),
                lower: Some(&piece.start),
                upper: Some(&piece.end),
            }
        } else {
            Around {
                piece: None,
                lower: Some(&piece.end),
                upper,
            }
        }
    }

    /// The part of every piece that lies from `lower` on and before `upper`; none: without a bound.
    pub(crate) fn within<'a>(
        &'a self,
        lower: Option<&'a [u8]>,
        upper: Option<&'a [u8]>,
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8], &'a [SeqNo])> + 'a {
        let first = lower.map_or(0, |lower| {
            self.pieces.partition_point(|piece| piece.end <= lower)
        });
        self.pieces[first..]
            .iter()
            .map(move |piece| {
                let start = lower.map_or(&piece.start[..], |lower| lower.max(&piece.start));
                let end = upper.map_or(&piece.end[..], |upper| upper.min(&piece.end));
                (start, end, &piece.seqs[..])
            })
            .take_while(|(start, end, _)| start < end)
    }

    /// The bytes of this set.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in &self.pieces {
            varint::put_bytes(&mut out, &piece.start);
            varint::put_bytes(&mut out, &piece.end);
            varint::put(&mut out, piece.seqs.len() as u64);
            varint::put(&mut out, piece.seqs[0].0);
            for pair in piece.seqs.windows(2) {
                varint::put(&mut out, pair[0].0 - pair[1].0);
            }
        }
        out
    }

    /// Reads what [`RangeDeletes::encode`] wrote.
    pub(crate) fn decode(mut bytes: &[u8]) -> Result<RangeDeletes, &'static str> {
        let mut set = RangeDeletes::default();
        while !bytes.is_empty() {
            let piece = decode_piece(&mut bytes).ok_or("a deleted range does not read back")?;
            let follows = set.pieces.last().is_none_or(|last| last.end <= piece.start);
            if !follows || piece.start >= piece.end {
                return Err("deleted ranges are out of order");
            }
            set.pieces.push(piece);
        }
        Ok(set)
    }
}

fn decode_piece(bytes: &mut &[u8]) -> Option<Piece> {
    let mut bound = || {
        varint::take_bytes(bytes)
            .filter(|key| key.len() <= BOUND_BYTES_MAX)
            .map(Bytes::copy_from_slice)
    };
    let (start, end) = (bound()?, bound()?);
    let count = usize::try_from(varint::take(bytes)?).ok()?;
    // Each takes a byte at least.
    if count == 0 || count > bytes.len() {
        return None;
    }
    let newest = varint::take(bytes)?;
    if newest > SeqNo::MAX.0 {
        return None;
    }
    let mut seqs = Vec::with_capacity(count);
    seqs.push(SeqNo(newest));
    let mut seq = newest;
    for _ in 1..count {
        let difference = varint::take(bytes)?;
        if difference == 0 {
            return None;
        }
        seq = seq.checked_sub(difference)?;
        seqs.push(SeqNo(seq));
    }
    Some(Piece { start, end, seqs })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(
            prop_oneof![Just(0), Just(b'a'), Just(b'b'), Just(255)],
            0..4,
        )
    }

    fn deletes() -> impl Strategy<Value = Vec<RangeDelete>> {
        let delete = (key(), key(), 1..12_u64).prop_map(|(start, end, seq)| RangeDelete {
            start: start.into(),
            end: end.into(),
            seq: SeqNo(seq),
        });
        proptest::collection::vec(delete, 0..12)
    }

    /// The truth: every range by itself.
    fn covering(deletes: &[RangeDelete], key: &[u8], at: u64) -> Option<SeqNo> {
        deletes
            .iter()
            .filter(|delete| &delete.start[..] <= key && key < &delete.end[..])
            .map(|delete| delete.seq)
            .filter(|seq| seq.0 <= at)
            .max()
    }

    proptest! {
        #[test]
        fn a_set_says_what_its_ranges_say(deletes in deletes(), keys in proptest::collection::vec(key(), 1..40)) {
            let set = RangeDeletes::new(deletes.iter().cloned());
            for pair in set.pieces().windows(2) {
                prop_assert!(pair[0].start < pair[0].end && pair[0].end <= pair[1].start);
                prop_assert!(pair[0].end < pair[1].start || pair[0].seqs != pair[1].seqs);
            }
            for key in &keys {
                for at in 0..13 {
                    prop_assert_eq!(set.covering_seq(key, SeqNo(at)), covering(&deletes, key, at));
                }
                let around = set.around(key);
                prop_assert!(around.lower.is_none_or(|lower| lower[..] <= key[..]));
                prop_assert!(around.upper.is_none_or(|upper| key[..] < upper[..]));
                for other in &keys {
                    let is_inside = around.lower.is_none_or(|lower| lower[..] <= other[..])
                        && around.upper.is_none_or(|upper| other[..] < upper[..]);
                    if is_inside {
                        prop_assert_eq!(set.covering_seq(other, SeqNo::MAX), set.covering_seq(key, SeqNo::MAX));
                    }
                }
                for seq in 0..13 {
                    let next = around.piece.and_then(|piece| piece.next_after(SeqNo(seq)));
                    let expected = deletes.iter()
                        .filter(|d| d.start[..] <= key[..] && key[..] < d.end[..] && d.seq.0 > seq)
                        .map(|d| d.seq)
                        .min();
                    prop_assert_eq!(next, expected);
                }
            }
        }

        #[test]
        fn sets_are_united_cut_and_read_back(a in deletes(), b in deletes(), lower in key(), upper in key(), keys in proptest::collection::vec(key(), 1..40)) {
            let (first, second) = (RangeDeletes::new(a.clone()), RangeDeletes::new(b.clone()));
            let both = RangeDeletes::union([&first, &second]);
            let all = [a, b].concat();
            prop_assert_eq!(&both, &RangeDeletes::new(all.clone()));
            let decoded = RangeDeletes::decode(&both.encode());
            prop_assert_eq!(decoded.as_ref(), Ok(&both));
            prop_assert_eq!(both.iter().count() as u64, both.count());
            let cut = RangeDeletes::new(both.within(Some(&lower), Some(&upper)).flat_map(|(start, end, seqs)| {
                seqs.iter().map(|seq| RangeDelete {
                    start: Bytes::copy_from_slice(start),
                    end: Bytes::copy_from_slice(end),
                    seq: *seq,
                })
            }));
            for key in &keys {
                let inside = lower <= *key && *key < upper;
                let expected = covering(&all, key, 100).filter(|_| inside);
                prop_assert_eq!(cut.covering_seq(key, SeqNo(100)), expected);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), deletes in deletes(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let _ = RangeDeletes::decode(&bytes);
            let mut damaged = RangeDeletes::new(deletes).encode();
            if !damaged.is_empty() {
                let at = at.index(damaged.len());
                damaged[at] ^= 1_u8 << bit;
                if let Ok(set) = RangeDeletes::decode(&damaged) {
                    prop_assert_eq!(RangeDeletes::decode(&set.encode()), Ok(set));
                }
                let _ = RangeDeletes::decode(&damaged[..at]);
            }
        }
    }
}
