//! Ascending internal keys that separate the parts of a table, as arrays for a search that touches few cache lines.
//!
//! ```text
//! prefix common to all separators (length, bytes) | number of separators
//! per separator: rest of its user key (length, bytes) | its trailer | numbers that go with it        (varints)
//! ```
//!
//! A separator stands at or after the last entry of its part and before the first of the next one.

use std::cmp::Ordering;

use crate::varint;

use super::block::common_prefix;

/// Collects separators, each with `N` numbers.
#[derive(Debug)]
pub(super) struct SeparatorsBuilder<const N: usize> {
    keys: Vec<u8>,
    parts: Vec<Part<N>>,
}

#[derive(Clone, Copy, Debug)]
struct Part<const N: usize> {
    key_bytes: usize,
    trailer: u64,
    numbers: [u64; N],
}

impl<const N: usize> Default for SeparatorsBuilder<N> {
    fn default() -> Self {
        SeparatorsBuilder {
            keys: Vec::new(),
            parts: Vec::new(),
        }
    }
}

impl<const N: usize> SeparatorsBuilder<N> {
    /// Adds a part whose last entry is (`last`, `last_trailer`); `next`: the user key of the entry behind it, none at
    /// the end of the table.
    pub(super) fn add(
        &mut self,
        last: &[u8],
        last_trailer: u64,
        next: Option<&[u8]>,
        numbers: [u64; N],
    ) {
        match next {
            // More versions of the same key follow: only the trailer separates.
            Some(next) if next == last => self.push(last, last_trailer, numbers),
            Some(next) => {
                // The shortest key that stands before `next` and not before `last`: what they share and one byte
                // more, when a byte fits between.
                let shared = common_prefix(last, next);
                match (last.get(shared), next.get(shared)) {
                    (Some(&from), Some(&to)) if from + 1 < to => {
                        self.push(&last[..shared], 0, numbers);
                        self.keys.push(from + 1);
                        if let Some(part) = self.parts.last_mut() {
                            part.key_bytes += 1;
                        }
                    }
                    _ => self.push(last, 0, numbers),
                }
            }
            None => self.push(last, 0, numbers),
        }
    }

    /// Adds a separator as it is.
    pub(super) fn push(&mut self, user_key: &[u8], trailer: u64, numbers: [u64; N]) {
        self.keys.extend_from_slice(user_key);
        self.parts.push(Part {
            key_bytes: user_key.len(),
            trailer,
            numbers,
        });
    }

    /// The last separator.
    pub(super) fn last(&self) -> Option<(&[u8], u64)> {
        let part = self.parts.last()?;
        Some((&self.keys[self.keys.len() - part.key_bytes..], part.trailer))
    }

    /// Adds all of `other` behind these, and leaves `other` empty.
    pub(super) fn append(&mut self, other: &mut Self) {
        self.keys.append(&mut other.keys);
        self.parts.append(&mut other.parts);
    }

    /// What the block would measure now, about.
    pub(super) fn bytes(&self) -> usize {
        self.keys.len() + (6 + N) * self.parts.len()
    }

    /// Number of parts so far.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// The block.
    pub(super) fn finish(&self) -> Vec<u8> {
        let first = &self.keys[..self.parts.first().map_or(0, |part| part.key_bytes)];
        let last = self.last().map_or(&[][..], |(last, _)| last);
        let common = common_prefix(first, last);
        let mut block = Vec::with_capacity(self.bytes());
        varint::put_bytes(&mut block, &first[..common]);
        varint::put(&mut block, self.parts.len() as u64);
        let mut at = 0;
        for part in &self.parts {
            varint::put_bytes(&mut block, &self.keys[at + common..at + part.key_bytes]);
            varint::put(&mut block, part.trailer);
            for number in part.numbers {
                varint::put(&mut block, number);
            }
            at += part.key_bytes;
        }
        block
    }
}

/// Separators in memory.
#[derive(Debug, Default)]
pub(super) struct Separators {
    /// What every separator begins with; not repeated below.
    common: Box<[u8]>,
    /// The next 8 bytes of each separator as a number: most comparisons end here.
    heads: Box<[u64]>,
    /// Where a head is to be expected: places per unit of difference to the first one. 0 where heads are spread too
    /// unevenly for that.
    slope: f64,
    /// The separators one behind the other, where each ends, and its trailer.
    keys: Box<[u8]>,
    ends: Box<[(u32, u64)]>,
}

impl Separators {
    /// Reads a block; `each` gets the numbers of one separator after the other.
    pub(super) fn decode<const N: usize>(
        mut block: &[u8],
        mut each: impl FnMut([u64; N]) -> Result<(), &'static str>,
    ) -> Result<Separators, &'static str> {
        let bytes = &mut block;
        if u32::try_from(bytes.len()).is_err() {
            return Err("an index of 4 GiB or more");
        }
        let short = "an index entry runs over the end of its block";
        let common = varint::take_bytes(bytes).ok_or(short)?.into();
        // Every entry takes some bytes at least, so that a wrong number cannot ask for much memory.
        let parts = varint::take(bytes)
            .and_then(|parts| usize::try_from(parts).ok())
            .filter(|&parts| parts <= bytes.len() / (2 + N))
            .ok_or(short)?;
        let mut keys = Vec::with_capacity(bytes.len());
        let mut heads = Vec::with_capacity(parts);
        let mut ends = Vec::with_capacity(parts);
        for _ in 0..parts {
            let key = varint::take_bytes(bytes).ok_or(short)?;
            keys.extend_from_slice(key);
            heads.push(head(key));
            let end = u32::try_from(keys.len()).expect("shorter than its block");
            ends.push((end, varint::take(bytes).ok_or(short)?));
            let mut numbers = [0; N];
            for number in &mut numbers {
                *number = varint::take(bytes).ok_or(short)?;
            }
            each(numbers)?;
        }
        if !bytes.is_empty() {
            return Err("bytes are left over behind the index");
        }
        Ok(Separators {
            common,
            slope: slope(&heads),
            heads: heads.into(),
            keys: keys.into(),
            ends: ends.into(),
        })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.heads.len()
    }

    /// The first part that may hold an entry at or after the target; their number when none may.
    #[inline]
    pub(super) fn find(&self, user_key: &[u8], trailer: u64) -> usize {
        let Some(rest) = user_key.strip_prefix(&*self.common) else {
            return if *user_key < *self.common {
                0
            } else {
                self.len()
            };
        };
        let target = head(rest);
        let mut low = self.first_from(target);
        let mut high = low
            + self.heads[low..]
                .iter()
                .take(RUN_LENGTH)
                .take_while(|&&head| head == target)
                .count();
        if high - low == RUN_LENGTH {
            high = low + self.heads[low..].partition_point(|&head| head == target);
        }
        while low < high {
            let middle = low + (high - low) / 2;
            let start = middle
                .checked_sub(1)
                .map_or(0, |before| self.ends[before].0 as usize);
            let (end, separator_trailer) = self.ends[middle];
            let order = self.keys[start..end as usize]
                .cmp(rest)
                .then_with(|| trailer.cmp(&separator_trailer));
            if order == Ordering::Less {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The first place whose head is not less than `target`.
    #[inline]
    fn first_from(&self, target: u64) -> usize {
        let heads = &self.heads;
        if self.slope == 0.0 || heads.is_empty() {
            return heads.partition_point(|&head| head < target);
        }
        let guess = self.expected(target);
        // Steps of growing length from there, to where the target lies between two of them.
        let mut step = 4;
        if heads[guess] < target {
            let mut low = guess + 1;
            loop {
                let high = low.saturating_add(step);
                if high >= heads.len() || heads[high] >= target {
                    let high = high.min(heads.len());
                    return low + heads[low..high].partition_point(|&head| head < target);
                }
                low = high + 1;
                step *= 4;
            }
        }
        let mut high = guess;
        loop {
            let low = high.saturating_sub(step);
            if low == 0 || heads[low] < target {
                return low + heads[low..high].partition_point(|&head| head < target);
            }
            high = low;
            step *= 4;
        }
    }

    /// Where `target` would stand if heads were spread evenly.
    #[inline]
    fn expected(&self, target: u64) -> usize {
        expected(self.heads[0], self.slope, target).min(self.heads.len() - 1)
    }

    /// Memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.common.len() + self.keys.len() + size_of_val(&*self.heads) + size_of_val(&*self.ends)
    }
}

/// From this many equal heads on, their end is searched instead of counted.
const RUN_LENGTH: usize = 4;

/// Where heads are looked at to see how evenly they are spread.
const SAMPLES: usize = 64;

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a guess, which may be wrong"
)]
#[inline]
fn expected(first: u64, slope: f64, target: u64) -> usize {
    (target.saturating_sub(first) as f64 * slope) as usize
}

/// Places per unit of difference, when guesses by it are near enough to be quicker than halving; else 0.
#[expect(clippy::cast_precision_loss, reason = "a guess, which may be wrong")]
fn slope(heads: &[u64]) -> f64 {
    let (Some(&first), Some(&last)) = (heads.first(), heads.last()) else {
        return 0.0;
    };
    if heads.len() < SAMPLES || first >= last || !heads.is_sorted() {
        return 0.0;
    }
    let slope = (heads.len() - 1) as f64 / (last - first) as f64;
    let near = (0..SAMPLES).filter(|sample| {
        let place = sample * (heads.len() - 1) / (SAMPLES - 1);
        expected(first, slope, heads[place]).abs_diff(place) <= heads.len() / 32
    });
    if near.count() < SAMPLES * 3 / 4 {
        return 0.0;
    }
    slope
}

/// The first 8 bytes as a number that orders as they do; missing ones count as 0.
#[inline]
fn head(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(chunk) => u64::from_be_bytes(*chunk),
        None => {
            let mut chunk = [0; 8];
            chunk[..bytes.len()].copy_from_slice(bytes);
            u64::from_be_bytes(chunk)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Builds, decodes, and compares what is found with what must be: each key is a part of its own, so that the
    /// first at or after the target is in the first part that may hold it, or in the next one when a separator stands
    /// between.
    fn check(keys: &[(Vec<u8>, u64)], targets: &[(Vec<u8>, u64)]) {
        let mut builder = SeparatorsBuilder::<1>::default();
        for (i, (key, trailer)) in keys.iter().enumerate() {
            let next = keys.get(i + 1).map(|next| &next.0[..]);
            builder.add(key, *trailer, next, [i as u64]);
        }
        let mut numbers = Vec::new();
        let separators = Separators::decode(&builder.finish(), |[number]| {
            numbers.push(number);
            Ok(())
        })
        .unwrap();
        assert_eq!((separators.len(), numbers.len()), (keys.len(), keys.len()));
        assert!(
            numbers
                .iter()
                .enumerate()
                .all(|(i, number)| i as u64 == *number)
        );
        for (key, trailer) in targets.iter().chain(keys) {
            let at = |(k, t): &(Vec<u8>, u64)| k.cmp(key).then(trailer.cmp(t));
            let expected = keys.partition_point(|entry| at(entry) == Ordering::Less);
            let found = separators.find(key, *trailer);
            assert!(
                found == expected || found + 1 == expected,
                "{found} {expected}"
            );
            if expected < keys.len() && at(&keys[expected]) == Ordering::Equal {
                assert_eq!(found, expected);
            }
        }
    }

    proptest! {
        #[test]
        fn finds_the_first_part_that_may_hold_a_key(
            mut keys in prop::collection::vec(("[ab]{0,12}", 0_u64..4), 1..40),
            targets in prop::collection::vec(("[abc]{0,13}", 0_u64..5), 1..40),
        ) {
            keys.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
            keys.dedup();
            let own = |keys: Vec<(String, u64)>| -> Vec<(Vec<u8>, u64)> {
                keys.into_iter().map(|(key, trailer)| (key.into_bytes(), trailer)).collect()
            };
            check(&own(keys), &own(targets));
        }

        /// Keys spread evenly, with steps, in clusters, with a common prefix: whether guessed or halved.
        #[test]
        fn finds_it_however_keys_are_spread(
            steps in prop::collection::vec(prop_oneof![1_u64..4, Just(5000_u64), 0_u64..1 << 40], 1..4),
            count in 1_usize..400,
            prefix in "[x]{0,9}",
            targets in prop::collection::vec(any::<u64>(), 1..40),
        ) {
            let mut at = 0_u64;
            let key = |at: u64| [prefix.as_bytes(), &at.to_be_bytes()].concat();
            let keys: Vec<_> = (0..count).map(|i| {
                at += steps[i * steps.len() / count].max(1);
                (key(at), 9)
            }).collect();
            let targets: Vec<_> = targets.into_iter().map(|target| (key(target % (at + 2)), 5)).collect();
            check(&keys, &targets);
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(separators) = Separators::decode::<2>(&bytes, |_| Ok(())) {
                separators.find(b"abc", 5);
            }
        }
    }
}
