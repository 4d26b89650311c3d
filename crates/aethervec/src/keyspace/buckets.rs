//! The keys of `buckets`.
//!
//! ```text
//! collection u32 · field u16 · 0                 the state of the index
//! collection u32 · field u16 · 1 · bucket u32    the header of a bucket
//! collection u32 · field u16 · 2 · bucket u32    its body
//! ```
//! Values are those of `aether_index::Row`.

use super::{CollectionId, FieldNumber, bad, collection_prefix};
use crate::error::Result;
use std::ops::Bound;

const STATE: u8 = 0;
const HEADER: u8 = 1;
const BODY: u8 = 2;

/// A key of `buckets` within its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BucketKey {
    State,
    Header(u32),
    Body(u32),
}

impl BucketKey {
    pub(crate) fn encode(self, collection: CollectionId, field: FieldNumber) -> Vec<u8> {
        let mut key = field_prefix(collection, field);
        match self {
            BucketKey::State => key.push(STATE),
            BucketKey::Header(bucket) => {
                key.push(HEADER);
                key.extend_from_slice(&bucket.to_be_bytes());
            }
            BucketKey::Body(bucket) => {
                key.push(BODY);
                key.extend_from_slice(&bucket.to_be_bytes());
            }
        }
        key
    }

    pub(crate) fn decode(key: &[u8]) -> Result<BucketKey> {
        let bucket = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_be_bytes);
        let decoded = match key.get(6..).and_then(<[u8]>::split_first) {
            Some((&STATE, [])) => Some(BucketKey::State),
            Some((&HEADER, number)) => bucket(number).map(BucketKey::Header),
            Some((&BODY, number)) => bucket(number).map(BucketKey::Body),
            _ => None,
        };
        decoded.ok_or_else(|| bad("buckets", key, "it is no key of a bucket"))
    }

    /// What the headers of all buckets of a field begin with.
    pub(crate) fn headers_prefix(collection: CollectionId, field: FieldNumber) -> Vec<u8> {
        let mut prefix = field_prefix(collection, field);
        prefix.push(HEADER);
        prefix
    }

    /// All keys of a field.
    pub(crate) fn range(
        collection: CollectionId,
        field: FieldNumber,
    ) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        let first = field_prefix(collection, field);
        let mut end = first.clone();
        // Behind the last kind, and before the next field.
        end.push(u8::MAX);
        (Bound::Included(first), Bound::Excluded(end))
    }
}

fn field_prefix(collection: CollectionId, field: FieldNumber) -> Vec<u8> {
    [&collection_prefix(collection)[..], &field.0.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_round_trip_within_the_range_of_their_field() {
        let (collection, field) = (CollectionId(7), FieldNumber(3));
        let keys = [
            BucketKey::State,
            BucketKey::Header(0),
            BucketKey::Header(u32::MAX),
            BucketKey::Body(9),
        ];
        let (Bound::Included(first), Bound::Excluded(end)) = BucketKey::range(collection, field)
        else {
            unreachable!();
        };
        for key in keys {
            let bytes = key.encode(collection, field);
            assert_eq!(BucketKey::decode(&bytes).unwrap(), key);
            assert!(first <= bytes && bytes < end);
            for cut in 0..bytes.len() {
                assert!(BucketKey::decode(&bytes[..cut]).is_err() || cut == 7);
            }
        }
        let next = BucketKey::State.encode(collection, FieldNumber(4));
        assert!(end < next);
    }
}
