//! Reads any bytes as parts of a table, in every way there is: for fuzzing.

use std::sync::Arc;

use bytes::Bytes;

use super::block::Block;
use super::block_iter::BlockIter;
use super::filter::{self, Filter};
use super::separators::Separators;
use super::{codec, properties::Properties};

/// The first byte chooses a key to look for.
pub(crate) fn examine(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let key = &rest[..usize::from(*first).min(rest.len())];
    let hash = filter::hash(key);
    for codec in 0..4 {
        let _ = codec::decompress(codec, Bytes::copy_from_slice(rest));
    }
    let _ = Properties::decode(rest);
    if let Ok(Some(filter)) = Filter::decode(rest) {
        filter.may_contain(hash);
    }
    if let Ok(separators) = Separators::decode::<1>(rest, |_| Ok(())) {
        separators.find(key, u64::from(*first));
    }
    let Ok(block) = Block::new(Bytes::copy_from_slice(rest)) else {
        return;
    };
    let _ = block.get(key, hash, u64::MAX);
    let mut entries = BlockIter::new();
    entries.reset(Arc::new(block));
    let _ = entries.seek(&[key, &[*first; 8]].concat());
    let _ = entries.prev();
    let mut outcome = entries.seek_to_first();
    while outcome.is_ok() && entries.valid() {
        entries.value_bytes();
        outcome = entries.next();
    }
    outcome = entries.seek_to_last();
    while outcome.is_ok() && entries.valid() {
        entries.value_bytes();
        outcome = entries.prev();
    }
}
