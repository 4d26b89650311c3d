//! The rows of the keyspace `filter`: which points have what.
//!
//! ```text
//! key     collection u32, index u16, term, chunk u48 (a point's number without its last 16 bits); all big endian
//! value   entries, one behind the other: the merge operator only appends
//! entry   0, low u16                    the point is in
//!         1, first u16, last u16        the points from first to last are in
//!         2, first u16, last u16        the points from first to last are out
//!         3, low u16, weight varint     the point is in, with this weight
//!         4, 8 KiB                      the points whose bits are set are in
//! ```
//!
//! A point's place in its chunk is `low`; numbers in values are little endian. Later entries outdo earlier ones. Index 0 has one term,
//! the empty one, whose points are all of the collection that are not purged.

use crate::error::{Error, Result};
use crate::index::core::Core;
use crate::keyspace::{self, CollectionId, Keyspaces};
use aether_index::PointId;
use aidb::{Snapshot, WriteBatch};
use roaring::RoaringTreemap;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The index of all points.
pub(crate) const ALL_POINTS: u16 = 0;

const ADD: u8 = 0;
const ADD_RANGE: u8 = 1;
const REMOVE: u8 = 2;
const WEIGHTED: u8 = 3;
const BITS: u8 = 4;

const BITS_BYTES: usize = 1 << 13;

/// What a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowKey<'a> {
    pub(crate) index: u16,
    pub(crate) term: &'a [u8],
    pub(crate) chunk: u64,
}

/// The chunk of a point, and its place there.
pub(crate) fn split(point: u64) -> (u64, u16) {
    let low = u16::try_from(point & 0xffff).expect("16 bits are left");
    (point >> 16, low)
}

/// What all rows of an index begin with.
pub(crate) fn index_prefix(collection: CollectionId, index: u16) -> [u8; 6] {
    let mut prefix = [0; 6];
    prefix[..4].copy_from_slice(&keyspace::collection_prefix(collection));
    prefix[4..].copy_from_slice(&index.to_be_bytes());
    prefix
}

impl RowKey<'_> {
    /// The key of this row.
    pub(crate) fn encode(&self, collection: CollectionId) -> Vec<u8> {
        let prefix = index_prefix(collection, self.index);
        [&prefix[..], self.term, &self.chunk.to_be_bytes()[2..]].concat()
    }

    /// The row that a key of `filter` is for.
    pub(crate) fn decode(key: &[u8]) -> Result<RowKey<'_>> {
        let parse = || {
            let (_, rest) = key.split_first_chunk::<4>()?;
            let (index, rest) = rest.split_first_chunk()?;
            let (term, chunk) = rest.split_last_chunk::<6>()?;
            let mut number = [0; 8];
            number[2..].copy_from_slice(chunk);
            Some(RowKey {
                index: u16::from_be_bytes(*index),
                term,
                chunk: u64::from_be_bytes(number),
            })
        };
        parse().ok_or_else(|| keyspace::bad("filter", key, "it has less than 12 bytes"))
    }
}

/// The points of one row, ascending, each with its weight; 0 for those without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row(Vec<(u16, u32)>);

impl Row {
    /// All points of a range, without weights.
    pub(crate) fn of(points: RangeInclusive<u16>) -> Row {
        Row(points.map(|low| (low, 0)).collect())
    }

    /// Adds a point; the greater of two weights stays.
    pub(crate) fn add(&mut self, low: u16, weight: u32) {
        // Points come in the order of their numbers, but for what a sweep has written anew.
        if self.0.last().is_none_or(|&(last, _)| last < low) {
            self.0.push((low, weight));
            return;
        }
        match self.place(low) {
            Ok(known) => self.0[known].1 = weight.max(self.0[known].1),
            Err(place) => self.0.insert(place, (low, weight)),
        }
    }

    /// Its points and their weights, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, u32)> {
        self.0.iter().copied()
    }

    /// Where a point is, or would have to be.
    fn place(&self, low: u16) -> std::result::Result<usize, usize> {
        self.0.binary_search_by_key(&low, |&(low, _)| low)
    }

    /// Forgets the points of `chunk` that are not in `keep`.
    pub(crate) fn keep_only(&mut self, chunk: u64, keep: &RoaringTreemap) {
        self.0
            .retain(|&(low, _)| keep.contains(chunk << 16 | u64::from(low)));
    }

    /// The points in a value of `filter`.
    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<Row> {
        let mut row = Row::default();
        let mut rest = value;
        while !rest.is_empty() {
            row.take_entry(&mut rest)
                .ok_or_else(|| keyspace::bad("filter", key, "its value is malformed"))?;
        }
        Ok(row)
    }

    fn take_entry(&mut self, rest: &mut &[u8]) -> Option<()> {
        match take_byte(rest)? {
            ADD => self.add(take_u16(rest)?, 0),
            ADD_RANGE => {
                let (first, last) = (take_u16(rest)?, take_u16(rest)?);
                (first..=last).for_each(|low| self.add(low, 0));
            }
            REMOVE => {
                let (first, last) = (take_u16(rest)?, take_u16(rest)?);
                let from = self.0.partition_point(|&(low, _)| low < first);
                let behind = self.0.partition_point(|&(low, _)| low <= last);
                if from < behind {
                    self.0.drain(from..behind);
                }
            }
            WEIGHTED => {
                let low = take_u16(rest)?;
                let weight = keyspace::take_varint(rest)?;
                self.add(low, u32::try_from(weight).ok()?);
            }
            BITS => {
                let (bits, behind) = rest.split_at_checked(BITS_BYTES)?;
                *rest = behind;
                for low in 0..=u16::MAX {
                    if bits[usize::from(low >> 3)] >> (low & 7) & 1 == 1 {
                        self.add(low, 0);
                    }
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// Appends entries that add its points to `out`: as few bytes as it takes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let mut entries = self.iter().peekable();
        while let Some((first, weight)) = entries.next() {
            if weight > 0 {
                out.push(WEIGHTED);
                out.extend_from_slice(&first.to_le_bytes());
                keyspace::put_varint(u64::from(weight), out);
                continue;
            }
            let mut last = first;
            while let Some((next, _)) =
                entries.next_if(|&(next, weight)| weight == 0 && last.checked_add(1) == Some(next))
            {
                last = next;
            }
            put_range(ADD_RANGE, first, last, out);
        }
        if out.len() - start > BITS_BYTES + 1 && self.iter().all(|(_, weight)| weight == 0) {
            out.truncate(start);
            out.push(BITS);
            out.resize(start + 1 + BITS_BYTES, 0);
            for (low, _) in self.iter() {
                out[start + 1 + usize::from(low >> 3)] |= 1 << (low & 7);
            }
        }
    }
}

/// Takes points out of the rows of all points, in the batch that removes what else there is of them.
pub(crate) fn remove_points(core: &Core, points: &[PointId], batch: &mut WriteBatch) {
    let mut entries = BTreeMap::<u64, Vec<u8>>::new();
    for point in points {
        let (chunk, low) = split(point.0);
        remove_entry(low, entries.entry(chunk).or_default());
    }
    for (chunk, entries) in entries {
        let key = RowKey {
            index: ALL_POINTS,
            term: &[],
            chunk,
        };
        batch.merge(&core.keyspaces.filter, key.encode(core.id), entries);
    }
}

/// All points of a collection that are not purged.
pub(crate) fn all_points(
    id: CollectionId,
    keyspaces: &Keyspaces,
    at: &Snapshot,
) -> Result<RoaringTreemap> {
    let mut points = RoaringTreemap::new();
    let mut rows = at.prefix(&keyspaces.filter, index_prefix(id, ALL_POINTS));
    while let Some((key, value)) = rows.try_next()? {
        let RowKey {
            term: [], chunk, ..
        } = RowKey::decode(&key)?
        else {
            return Err(keyspace::bad("filter", &key, "index 0 has no terms"));
        };
        let row = Row::decode(&key, &value)?;
        points.extend(row.iter().map(|(low, _)| chunk << 16 | u64::from(low)));
    }
    Ok(points)
}

/// A payload of which the JSON was stored or is about to be; `null` when it is empty.
pub(crate) fn payload(json: &[u8]) -> Result<Value> {
    if json.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(json)
        .map_err(|error| Error::corruption(format!("a payload is not JSON: {error}")))
}

/// Appends an entry that takes a point out of a row.
fn remove_entry(low: u16, out: &mut Vec<u8>) {
    put_range(REMOVE, low, low, out);
}

fn put_range(tag: u8, first: u16, last: u16, out: &mut Vec<u8>) {
    if tag == ADD_RANGE && first == last {
        out.push(ADD);
        out.extend_from_slice(&first.to_le_bytes());
        return;
    }
    out.push(tag);
    out.extend_from_slice(&first.to_le_bytes());
    out.extend_from_slice(&last.to_le_bytes());
}

fn take_byte(rest: &mut &[u8]) -> Option<u8> {
    let (&byte, behind) = rest.split_first()?;
    *rest = behind;
    Some(byte)
}

fn take_u16(rest: &mut &[u8]) -> Option<u16> {
    let (bytes, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(u16::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_round_trip() {
        for (term, chunk) in [(&b""[..], 0), (b"ab", 1), (b"\0\xff", (1 << 48) - 1)] {
            let row = RowKey {
                index: 7,
                term,
                chunk,
            };
            let key = row.encode(CollectionId(9));
            assert_eq!(RowKey::decode(&key).unwrap(), row);
            assert!(key.starts_with(&index_prefix(CollectionId(9), 7)));
        }
        assert!(RowKey::decode(&[0; 11]).is_err());
    }

    #[test]
    fn rows_round_trip_at_every_density() {
        let mut rng = fastrand::Rng::with_seed(4);
        for (share, weighted) in [(2, false), (40, false), (60_000, false), (30, true)] {
            let mut row = Row::default();
            for low in 0..=u16::MAX {
                if rng.u16(..share) == 0 {
                    row.add(low, u32::from(weighted) * rng.u32(1..500));
                }
            }
            let mut bytes = Vec::new();
            row.encode(&mut bytes);
            assert!(bytes.len() <= (BITS_BYTES + 1).max(row.iter().count() * 5));
            assert_eq!(Row::decode(b"key", &bytes).unwrap(), row);
        }
    }

    #[test]
    fn later_entries_outdo_earlier_ones() {
        let mut bytes = Vec::new();
        put_range(ADD_RANGE, 5, 9, &mut bytes);
        remove_entry(6, &mut bytes);
        put_range(REMOVE, 8, u16::MAX, &mut bytes);
        put_range(ADD_RANGE, 9, 9, &mut bytes);
        let row = Row::decode(b"key", &bytes).unwrap();
        assert!(row.iter().eq([(5, 0), (7, 0), (9, 0)]));
    }

    #[test]
    fn malformed_values_are_errors() {
        for bad in [&[0][..], &[1, 0, 0], &[3, 0, 0], &[4, 0], &[5]] {
            assert!(Row::decode(b"key", bad).is_err());
        }
        let mut rng = fastrand::Rng::with_seed(6);
        for _ in 0..2_000 {
            let bytes: Vec<u8> = (0..rng.usize(..40)).map(|_| rng.u8(..6)).collect();
            drop(Row::decode(b"key", &bytes));
        }
    }
}
