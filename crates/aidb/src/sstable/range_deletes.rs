//! The block of range deletes: ranges of user keys of which everything older is gone.
//!
//! ```text
//! number of ranges | per range: start (length, bytes) | end (length, bytes) | sequence number       (varints)
//! ```
//!
//! A range begins at `start` and ends before `end`, and hides what has a lower sequence number. They stand in the
//! order of their starts, of the same start newest first, and may overlap.

use bytes::Bytes;

use crate::key::{KEY_BYTES_MAX, SeqNo};
use crate::varint;

/// One range of a table.
pub(crate) type RangeDelete = (Bytes, Bytes, SeqNo);

/// The block of `ranges`, sorted by (start ascending, sequence number descending).
pub(super) fn encode(ranges: &[RangeDelete]) -> Vec<u8> {
    let mut block = Vec::new();
    varint::put(&mut block, ranges.len() as u64);
    for (start, end, seq) in ranges {
        varint::put_bytes(&mut block, start);
        varint::put_bytes(&mut block, end);
        varint::put(&mut block, seq.0);
    }
    block
}

/// Reads such a block; checks the order and that no range is empty.
pub(super) fn decode(block: &Bytes) -> Result<Box<[RangeDelete]>, &'static str> {
    let short = "a range delete runs over the end of its block";
    let mut rest = &block[..];
    let count = varint::take(&mut rest)
        .and_then(|count| usize::try_from(count).ok())
        // Every range takes four bytes at least, so that a wrong number cannot ask for much memory.
        .filter(|&count| count <= rest.len() / 4)
        .ok_or(short)?;
    let mut ranges: Vec<RangeDelete> = Vec::with_capacity(count);
    for _ in 0..count {
        let start = varint::take_bytes(&mut rest).ok_or(short)?;
        let end = varint::take_bytes(&mut rest).ok_or(short)?;
        let seq = varint::take(&mut rest).map(SeqNo).ok_or(short)?;
        if start >= end || start.len() > KEY_BYTES_MAX || seq > SeqNo::MAX {
            return Err("a range delete without sense");
        }
        if ranges
            .last()
            .is_some_and(|(last, _, last_seq)| (&last[..], seq) > (start, *last_seq))
        {
            return Err("range deletes out of order");
        }
        ranges.push((block.slice_ref(start), block.slice_ref(end), seq));
    }
    if rest.is_empty() {
        Ok(ranges.into())
    } else {
        Err("bytes are left over behind the range deletes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranges_read_back(mut ranges in prop::collection::vec(("[ab]{0,4}", "[b-d]{1,4}", 0_u64..9), 0..20)) {
            ranges.retain(|(start, end, _)| start < end);
            ranges.sort_by(|a, b| a.0.cmp(&b.0).then(b.2.cmp(&a.2)));
            let ranges: Vec<RangeDelete> =
                ranges.into_iter().map(|(start, end, seq)| (start.into(), end.into(), SeqNo(seq))).collect();
            let block = Bytes::from(encode(&ranges));
            prop_assert_eq!(&*decode(&block).unwrap(), &ranges[..]);
            for length in 0..block.len() {
                prop_assert!(decode(&block.slice(..length)).is_err());
            }
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes.into());
        }
    }

    #[test]
    fn empty_ranges_and_wrong_order_are_refused() {
        let range = |start: &'static str, end: &'static str, seq| {
            (Bytes::from(start), Bytes::from(end), SeqNo(seq))
        };
        for ranges in [
            vec![range("b", "b", 1)],
            vec![range("b", "c", 1), range("a", "c", 1)],
            vec![range("b", "c", 1), range("b", "c", 2)],
        ] {
            assert!(decode(&encode(&ranges).into()).is_err());
        }
    }
}
