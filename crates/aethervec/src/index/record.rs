//! The records of the keyspace `index`.

use crate::ann::Family;
use crate::error::{Error, Result};
use crate::keyspace;

/// The format of these records.
const RECORD_VERSION: u8 = 1;

// Numbers of families.
const GRAPH: u64 = 1;
const BUCKETS: u64 = 2;
const DRIFT: u64 = 3;

/// What `index` says about a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CollectionState {
    /// No number from here on was given when this was written.
    pub(crate) next: u64,
    /// Checkpoints with an approximate index so far.
    pub(crate) checkpoints: u64,
}

/// What `index` says about a field's saved index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnnRecord {
    /// Points below this number are in the saved index, or dead, or have no vector in its field.
    pub(crate) applied: u64,
    pub(crate) family: Family,
}

impl CollectionState {
    pub(crate) fn encode(&self) -> Vec<u8> {
        encode([self.next, self.checkpoints])
    }

    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<CollectionState> {
        let [next, checkpoints] = decode(key, value)?;
        Ok(CollectionState { next, checkpoints })
    }
}

impl AnnRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let family = match self.family {
            Family::Graph => GRAPH,
            Family::Buckets => BUCKETS,
            Family::Drift => DRIFT,
        };
        encode([self.applied, family])
    }

    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<AnnRecord> {
        let [applied, family] = decode(key, value)?;
        let family = match family {
            GRAPH => Family::Graph,
            BUCKETS => Family::Buckets,
            DRIFT => Family::Drift,
            _ => return Err(keyspace::bad("index", key, "its family is not known")),
        };
        Ok(AnnRecord { applied, family })
    }
}

fn encode<const N: usize>(numbers: [u64; N]) -> Vec<u8> {
    let mut bytes = vec![RECORD_VERSION];
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    bytes
}

fn decode<const N: usize>(key: &[u8], value: &[u8]) -> Result<[u64; N]> {
    let bad = |what: &str| Err(keyspace::bad("index", key, what));
    let Some((&version, numbers)) = value.split_first() else {
        return bad("its value is empty");
    };
    if version > RECORD_VERSION {
        return Err(Error::invalid(format!(
            "keyspace index: a record of format {version} was written by a newer version: this one reads up to {RECORD_VERSION}"
        )));
    }
    match numbers.as_chunks() {
        (numbers, []) if version == RECORD_VERSION && numbers.len() == N => {
            Ok(std::array::from_fn(|i| u64::from_le_bytes(numbers[i])))
        }
        _ => bad("its value is malformed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_round_trip_and_bad_ones_are_errors() {
        let state = CollectionState {
            next: 2,
            checkpoints: u64::MAX,
        };
        let bytes = state.encode();
        assert_eq!(CollectionState::decode(b"key", &bytes).unwrap(), state);
        for end in 0..bytes.len() {
            assert!(CollectionState::decode(b"key", &bytes[..end]).is_err());
        }
        for family in [Family::Graph, Family::Buckets, Family::Drift] {
            let record = AnnRecord { applied: 7, family };
            assert_eq!(AnnRecord::decode(b"key", &record.encode()).unwrap(), record);
        }
        assert!(AnnRecord::decode(b"key", &bytes).is_err());
        let newer = AnnRecord::decode(b"key", &[2]).unwrap_err().to_string();
        assert!(
            newer.contains("format 2") && newer.contains("newer"),
            "{newer}"
        );
    }
}
