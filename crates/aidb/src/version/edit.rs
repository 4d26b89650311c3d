//! An edit: how one state of the manifest differs from the one before. A whole state is an edit from nothing.
//!
//! ```text
//! edit  = field*          field = tag u8, then as below; integers are varints, text and keys have a length in front
//!   1 next file number     number
//!   2 flushed              sequence number up to which all writes are in tables
//!   3 log floor            number: logs below it are not needed any more
//!   4 log                  number, 0 (open) or 1 + bytes of it that count (sealed)
//!   5 log dropped          number
//!   6 keyspace             id, name, block bytes, filter bits per key, compression and that of the last level
//!                          (bytes: 0 none, 1 lz4, 2 zstd; 255 the same), least bytes of values that stand apart
//!                          (0 never),
//!                          time to live in milliseconds (0 none), name of the merge operator (empty: none)
//!   7 table removed        keyspace, level, number
//!   8 table added          keyspace, level, number, bytes, checksum, entries, tombstones, smallest seq, largest seq,
//!                          merges, range deletes, value files and per value file: number, bytes,
//!                          smallest internal key, largest internal key
//!   9 floor                sequence number: versions that only moments before it see may be gone
//!   10 value file           number, 0 (a log) or 1 (a file of its own), bytes of it that count
//! ```

use std::time::Duration;

use bytes::Bytes;

use super::table::TableMeta;
use super::tree::LEVELS;
use crate::files::FILE_BYTES_MAX;
use crate::key::{SeqNo, TRAILER_BYTES};
use crate::keyspace::{KeyspaceId, KeyspaceRecord};
use crate::options::{Compression, KeyspaceOptions, TableOptions};
use crate::sstable::TableInfo;
use crate::values::{ValueFileKind, ValueFileRecord};
use crate::varint;
use crate::wal::LogRecord;

/// The last level is compressed as the others are.
const SAME_COMPRESSION: u8 = 255;

const NEXT_FILE: u8 = 1;
const FLUSHED: u8 = 2;
const LOG_FLOOR: u8 = 3;
const LOG: u8 = 4;
const LOG_DROPPED: u8 = 5;
const KEYSPACE: u8 = 6;
const TABLE_REMOVED: u8 = 7;
const TABLE_ADDED: u8 = 8;
const FLOOR: u8 = 9;
const VALUE_FILE: u8 = 10;

/// A change of the manifest's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) next_file: Option<u64>,
    /// All writes up to here are in tables.
    pub(crate) flushed: Option<SeqNo>,
    /// Logs below this number are not needed any more.
    pub(crate) log_floor: Option<u64>,
    /// Logs that are new, or of which more is known.
    pub(crate) logs: Vec<LogRecord>,
    /// Logs that never held anything.
    pub(crate) logs_dropped: Vec<u64>,
    pub(crate) keyspaces: Vec<KeyspaceRecord>,
    /// Files that tables of `added` point into, and no earlier table did. They leave by themselves.
    pub(crate) value_files: Vec<ValueFileRecord>,
    pub(crate) removed: Vec<TablePlace>,
    pub(crate) added: Vec<(TablePlace, TableMeta)>,
    /// Versions that only moments before this one see may be gone.
    pub(crate) floor: Option<SeqNo>,
}

/// Where a table stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TablePlace {
    pub(crate) keyspace: KeyspaceId,
    pub(crate) level: usize,
    pub(crate) number: u64,
}

impl Edit {
    /// The bytes of this edit.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut field = |tag: u8, integers: &[u64]| {
            out.push(tag);
            integers
                .iter()
                .for_each(|integer| varint::put(&mut out, *integer));
        };
        self.next_file
            .iter()
            .for_each(|number| field(NEXT_FILE, &[*number]));
        self.flushed.iter().for_each(|seq| field(FLUSHED, &[seq.0]));
        self.log_floor
            .iter()
            .for_each(|number| field(LOG_FLOOR, &[*number]));
        self.floor.iter().for_each(|seq| field(FLOOR, &[seq.0]));
        for log in &self.logs {
            field(LOG, &[log.number, log.sealed.map_or(0, |bytes| bytes + 1)]);
        }
        self.logs_dropped
            .iter()
            .for_each(|number| field(LOG_DROPPED, &[*number]));
        for file in &self.value_files {
            let kind = match file.kind {
                ValueFileKind::Log => 0,
                ValueFileKind::Values => 1,
            };
            field(VALUE_FILE, &[file.number, kind, file.bytes]);
        }
        for place in &self.removed {
            field(
                TABLE_REMOVED,
                &[place.keyspace.0.into(), place.level as u64, place.number],
            );
        }
        self.keyspaces
            .iter()
            .for_each(|keyspace| encode_keyspace(&mut out, keyspace));
        self.added
            .iter()
            .for_each(|(place, table)| encode_table(&mut out, *place, table));
        out
    }

    /// Reads an edit; an error is the offset where sense ends.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Edit, usize> {
        let mut edit = Edit::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = bytes.len() - rest.len();
            edit.decode_field(&mut rest).ok_or(at)?;
        }
        Ok(edit)
    }

    /// As much of an edit as makes sense.
    pub(crate) fn decode_front(mut bytes: &[u8]) -> Edit {
        let mut edit = Edit::default();
        while !bytes.is_empty() && edit.decode_field(&mut bytes).is_some() {}
        edit
    }

    fn decode_field(&mut self, rest: &mut &[u8]) -> Option<()> {
        let (&tag, after) = rest.split_first()?;
        *rest = after;
        match tag {
            NEXT_FILE => self.next_file = Some(varint::take(rest)?),
            FLUSHED => self.flushed = Some(take_seq(rest)?),
            LOG_FLOOR => self.log_floor = Some(varint::take(rest)?),
            LOG => {
                let number = varint::take(rest)?;
                let sealed = take_size(rest)?.checked_sub(1);
                self.logs.push(LogRecord { number, sealed });
            }
            FLOOR => self.floor = Some(take_seq(rest)?),
            LOG_DROPPED => self.logs_dropped.push(varint::take(rest)?),
            KEYSPACE => self.keyspaces.push(decode_keyspace(rest)?),
            TABLE_REMOVED => self.removed.push(decode_place(rest)?),
            TABLE_ADDED => {
                let place = decode_place(rest)?;
                self.added.push((place, decode_table(rest, place.number)?));
            }
            VALUE_FILE => self.value_files.push(decode_value_file(rest)?),
            _ => return None,
        }
        Some(())
    }
}

fn encode_keyspace(out: &mut Vec<u8>, keyspace: &KeyspaceRecord) {
    out.push(KEYSPACE);
    varint::put(out, keyspace.id.0.into());
    varint::put_bytes(out, keyspace.name.as_bytes());
    let table = &keyspace.options.table;
    varint::put(out, table.block_bytes as u64);
    varint::put(out, table.filter_bits_per_key.into());
    out.push(compression_byte(table.compression));
    out.push(
        table
            .compression_last
            .map_or(SAME_COMPRESSION, compression_byte),
    );
    varint::put(out, table.separated_bytes_min as u64);
    let ttl = keyspace.options.ttl.map_or(0, |ttl| millis(ttl).max(1));
    varint::put(out, ttl);
    let operator = keyspace.operator.as_deref().unwrap_or_default();
    varint::put_bytes(out, operator.as_bytes());
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn compression_byte(compression: Compression) -> u8 {
    match compression {
        Compression::None => 0,
        Compression::Lz4 => 1,
        Compression::Zstd => 2,
    }
}

fn compression_of(byte: u8) -> Option<Compression> {
    match byte {
        0 => Some(Compression::None),
        1 => Some(Compression::Lz4),
        2 => Some(Compression::Zstd),
        _ => None,
    }
}

fn decode_keyspace(rest: &mut &[u8]) -> Option<KeyspaceRecord> {
    let id = KeyspaceId(u32::try_from(varint::take(rest)?).ok()?);
    let name = String::from_utf8(varint::take_bytes(rest)?.to_vec()).ok()?;
    let block_bytes = usize::try_from(varint::take(rest)?).ok()?;
    let filter_bits_per_key = u32::try_from(varint::take(rest)?).ok()?;
    let (&[compression, last], after) = rest.split_first_chunk::<2>()?;
    *rest = after;
    let compression = compression_of(compression)?;
    let compression_last = match last {
        SAME_COMPRESSION => None,
        last => Some(compression_of(last)?),
    };
    let table = TableOptions {
        block_bytes,
        filter_bits_per_key,
        compression,
        compression_last,
        separated_bytes_min: usize::try_from(varint::take(rest)?).ok()?,
    };
    let ttl = Some(varint::take(rest)?).filter(|millis| *millis > 0);
    let operator = String::from_utf8(varint::take_bytes(rest)?.to_vec()).ok()?;
    Some(KeyspaceRecord {
        id,
        name,
        options: KeyspaceOptions {
            table,
            ttl: ttl.map(Duration::from_millis),
            ..KeyspaceOptions::DEFAULT
        },
        operator: Some(operator).filter(|name| !name.is_empty()),
    })
}

fn decode_value_file(rest: &mut &[u8]) -> Option<ValueFileRecord> {
    Some(ValueFileRecord {
        number: varint::take(rest)?,
        kind: match varint::take(rest)? {
            0 => ValueFileKind::Log,
            1 => ValueFileKind::Values,
            _ => return None,
        },
        bytes: take_size(rest)?,
    })
}

fn encode_table(out: &mut Vec<u8>, place: TablePlace, table: &TableMeta) {
    out.push(TABLE_ADDED);
    let info = &table.info;
    for integer in [
        u64::from(place.keyspace.0),
        place.level as u64,
        place.number,
        info.bytes,
        info.checksum,
        info.entries,
        info.tombstones,
        info.min_seq.0,
        info.max_seq.0,
        info.merges,
        info.range_deletes,
        info.values.len() as u64,
    ] {
        varint::put(out, integer);
    }
    for &(file, bytes) in &info.values {
        varint::put(out, file);
        varint::put(out, bytes);
    }
    varint::put_bytes(out, &info.smallest);
    varint::put_bytes(out, &info.largest);
}

fn decode_table(rest: &mut &[u8], number: u64) -> Option<TableMeta> {
    let info = TableInfo {
        bytes: take_size(rest)?,
        checksum: varint::take(rest)?,
        entries: take_size(rest)?,
        tombstones: take_size(rest)?,
        min_seq: take_seq(rest)?,
        max_seq: take_seq(rest)?,
        merges: take_size(rest)?,
        range_deletes: take_size(rest)?,
        values: take_values(rest)?,
        smallest: take_internal_key(rest)?,
        largest: take_internal_key(rest)?,
    };
    Some(TableMeta { number, info })
}

fn take_values(rest: &mut &[u8]) -> Option<Vec<(u64, u64)>> {
    (0..varint::take(rest)?)
        .map(|_| varint::take(rest).zip(take_size(rest)))
        .collect()
}

fn decode_place(rest: &mut &[u8]) -> Option<TablePlace> {
    let keyspace = KeyspaceId(u32::try_from(varint::take(rest)?).ok()?);
    let level = usize::try_from(varint::take(rest)?)
        .ok()
        .filter(|level| *level < LEVELS)?;
    let number = varint::take(rest)?;
    Some(TablePlace {
        keyspace,
        level,
        number,
    })
}

fn take_seq(rest: &mut &[u8]) -> Option<SeqNo> {
    varint::take(rest)
        .map(SeqNo)
        .filter(|seq| *seq <= SeqNo::MAX)
}

/// Bytes of a file, or its entries.
fn take_size(rest: &mut &[u8]) -> Option<u64> {
    varint::take(rest).filter(|size| *size <= FILE_BYTES_MAX)
}

fn take_internal_key(rest: &mut &[u8]) -> Option<Bytes> {
    let key = varint::take_bytes(rest)?;
    (key.len() >= TRAILER_BYTES).then(|| Bytes::copy_from_slice(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{ValueKind, internal_key};

    pub(crate) fn table(number: u64, smallest: &[u8], largest: &[u8]) -> TableMeta {
        let info = TableInfo {
            bytes: 1000,
            checksum: u64::MAX,
            entries: 10,
            tombstones: 3,
            smallest: internal_key(smallest, SeqNo(9), ValueKind::Put).into(),
            largest: internal_key(largest, SeqNo(5), ValueKind::Delete).into(),
            min_seq: SeqNo(1),
            max_seq: SeqNo(9),
            merges: 2,
            range_deletes: 1,
            values: vec![(3, 4000), (5, 600)],
        };
        TableMeta { number, info }
    }

    fn sample() -> Edit {
        let place = |number| TablePlace {
            keyspace: KeyspaceId(300),
            level: 6,
            number,
        };
        Edit {
            next_file: Some(77),
            flushed: Some(SeqNo(123_456)),
            log_floor: Some(12),
            logs: vec![
                LogRecord {
                    number: 12,
                    sealed: Some(0),
                },
                LogRecord {
                    number: 13,
                    sealed: None,
                },
            ],
            logs_dropped: vec![11],
            keyspaces: vec![KeyspaceRecord {
                id: KeyspaceId(300),
                name: "documents".to_owned(),
                options: KeyspaceOptions {
                    ttl: Some(Duration::from_millis(1_500)),
                    ..KeyspaceOptions::DEFAULT
                },
                operator: Some("append".to_owned()),
            }],
            value_files: vec![
                ValueFileRecord {
                    number: 7,
                    kind: ValueFileKind::Log,
                    bytes: 70_000,
                },
                ValueFileRecord {
                    number: 300,
                    kind: ValueFileKind::Values,
                    bytes: 50,
                },
            ],
            removed: vec![place(4), place(5)],
            added: vec![(place(6), table(6, b"", b"zz"))],
            floor: Some(SeqNo(99)),
        }
    }

    #[test]
    fn an_edit_reads_back() {
        let edit = sample();
        assert_eq!(Edit::decode(&edit.encode()), Ok(edit));
        assert_eq!(Edit::decode(&[]), Ok(Edit::default()));
    }

    #[test]
    fn no_damage_makes_it_panic() {
        let bytes = sample().encode();
        for position in 0..bytes.len() {
            let _ = Edit::decode(&bytes[..position]);
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[position] ^= 1 << bit;
                let _ = Edit::decode(&damaged);
            }
        }
    }
}
