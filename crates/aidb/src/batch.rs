//! Batches: writes that become visible together or not at all.
//!
//! A batch is built as the bytes that the log will hold, behind room for the record's header: the same memory is written
//! to the log, and then shared by the memtable as far as its values are large.
//!
//! ```text
//! entry   = kind u8  keyspace varint  key varint length, bytes  [but for a delete: stored varint length, bytes]
//! kind    0 delete   1 put   2 merge   4 range delete   5 expiring put
//! stored  put: the value   merge: the operand   expiring put: the moment of its end, in milliseconds since 1970, u64
//!         little endian, then the value   range delete: the end of the range, excluded; its key is the start
//! ```
//!
//! The entry at position i of a batch has sequence number `first + i`.

use std::fmt;
use std::ops::{Bound, RangeBounds};

use aether_env::Timestamp;

use crate::attachment::{self, Attachment};
use crate::db::Keyspace;
use crate::error::{Error, Result};
use crate::key::{KEY_BYTES_MAX, ValueKind};
use crate::keyspace::KeyspaceId;
use crate::range_deletes::BOUND_BYTES_MAX;
use crate::values::EXPIRY_BYTES;
use crate::varint;
use crate::wal::{LogPosition, RECORD_HEADER_BYTES};

/// The most bytes that one batch may hold.
pub const BATCH_BYTES_MAX: usize = 1 << 30;

/// Writes that are committed together: all of them, or none.
///
/// A mistake (a key that is too long, keyspaces of two databases) is kept and returned by
/// [`DB::submit`](crate::DB::submit), so that filling a batch needs no `?` on every line.
/// Two writes of one key are allowed; the later one wins.
#[derive(Default)]
pub struct WriteBatch {
    /// Room for the record header, then the entries. Empty until the first entry.
    record: Vec<u8>,
    entries: u32,
    /// The database that the keyspaces belong to.
    database: Option<u64>,
    attachments: Vec<Attachment>,
    touches_attachments: bool,
    deletes_ranges: bool,
    mistake: Option<Error>,
}

impl WriteBatch {
    /// A batch without writes.
    pub fn new() -> WriteBatch {
        WriteBatch::default()
    }

    /// A batch without writes and with room for `bytes` of keys and values.
    pub fn with_capacity(bytes: usize) -> WriteBatch {
        WriteBatch {
            record: Vec::with_capacity(bytes + RECORD_HEADER_BYTES),
            ..WriteBatch::default()
        }
    }

    /// `key` has the value `value`, for as long as [`KeyspaceOptions::ttl`](crate::KeyspaceOptions::ttl) says.
    #[inline]
    pub fn put(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        match keyspace.expiry() {
            None => {
                self.join(keyspace);
                self.push(keyspace.id(), ValueKind::Put, key.as_ref(), value.as_ref());
            }
            Some(end) => self.put_expiring(keyspace, key, value, end),
        }
    }

    /// `key` has the value `value` until `expires_at`, to the millisecond, by the clock of the environment; then it has
    /// none. Snapshots see it go, too.
    pub fn put_expiring(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        expires_at: Timestamp,
    ) {
        self.join(keyspace);
        let end = expires_at.0.div_ceil(1000).to_le_bytes();
        self.push_parts(
            keyspace.id(),
            ValueKind::Expiring,
            key.as_ref(),
            &end,
            value.as_ref(),
        );
    }

    /// `key` has no value.
    pub fn delete(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>) {
        self.join(keyspace);
        self.push(keyspace.id(), ValueKind::Delete, key.as_ref(), &[]);
    }

    /// The value of `key` is what the keyspace's merge operator makes of its value so far and `operand`. Reads nothing.
    ///
    /// It is a mistake of the batch when [`KeyspaceOptions::merge`](crate::KeyspaceOptions::merge) names no operator.
    pub fn merge(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>, operand: impl AsRef<[u8]>) {
        self.join(keyspace);
        if !keyspace.has_operator() {
            self.mistake.get_or_insert_with(|| {
                Error::invalid(format!(
                    "the keyspace {:?} has no merge operator: open it with KeyspaceOptions::merge",
                    keyspace.name()
                ))
            });
        }
        self.push(
            keyspace.id(),
            ValueKind::Merge,
            key.as_ref(),
            operand.as_ref(),
        );
    }

    /// No key in `range` has a value. One entry, however many keys there are. Attachments stay.
    pub fn delete_range<K: AsRef<[u8]>>(
        &mut self,
        keyspace: &Keyspace,
        range: impl RangeBounds<K>,
    ) {
        self.join(keyspace);
        let behind = |key: &K| [key.as_ref(), &[0]].concat();
        let start = match range.start_bound() {
            Bound::Included(start) => start.as_ref().to_vec(),
            Bound::Excluded(start) => behind(start),
            Bound::Unbounded => Vec::new(),
        };
        let end = match range.end_bound() {
            Bound::Included(end) => behind(end),
            Bound::Excluded(end) => end.as_ref().to_vec(),
            Bound::Unbounded => vec![0xff; BOUND_BYTES_MAX],
        };
        if start < end {
            self.push(keyspace.id(), ValueKind::RangeDelete, &start, &end);
            self.deletes_ranges = true;
        }
    }

    /// `attachment` is now the one of `key`. A key may have both a value and an attachment; they are independent.
    pub fn attach(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>, attachment: Attachment) {
        self.join(keyspace);
        if attachment.database() != keyspace.database_id() {
            self.mistake.get_or_insert_with(other_database);
        }
        let key = attachment::registry_key(keyspace.id(), key.as_ref());
        self.push(
            KeyspaceId::ATTACHMENTS,
            ValueKind::Put,
            &key,
            &attachment.record().encode(),
        );
        self.attachments.push(attachment);
        self.touches_attachments = true;
    }

    /// `key` has no attachment. Its file goes once no snapshot can reach it.
    pub fn detach(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>) {
        self.join(keyspace);
        let key = attachment::registry_key(keyspace.id(), key.as_ref());
        self.push(KeyspaceId::ATTACHMENTS, ValueKind::Delete, &key, &[]);
        self.touches_attachments = true;
    }

    /// Adds the writes of `other` behind those that it has.
    pub fn append(&mut self, other: WriteBatch) {
        if self.is_empty() && self.mistake.is_none() {
            *self = other;
            return;
        }
        let payload = other.payload();
        let is_other = |database| self.database.is_some_and(|own| own != database);
        let mistake = if other.mistake.is_some() {
            other.mistake
        } else if other.database.is_some_and(is_other) {
            Some(other_database())
        } else if payload.len() > BATCH_BYTES_MAX - self.bytes().min(BATCH_BYTES_MAX) {
            Some(too_many_bytes())
        } else {
            self.record.extend_from_slice(payload);
            self.entries += other.entries;
            None
        };
        self.mistake = self.mistake.take().or(mistake);
        self.database = self.database.or(other.database);
        self.attachments.extend(other.attachments);
        self.touches_attachments |= other.touches_attachments;
        self.deletes_ranges |= other.deletes_ranges;
    }

    /// How many writes it holds.
    pub fn len(&self) -> usize {
        self.entries as usize
    }

    /// True when it holds no writes.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Bytes that it will take in the log.
    pub fn bytes(&self) -> usize {
        self.record.len().saturating_sub(RECORD_HEADER_BYTES)
    }

    /// The writes, as the log will hold them.
    pub(crate) fn payload(&self) -> &[u8] {
        self.record.get(RECORD_HEADER_BYTES..).unwrap_or_default()
    }

    /// The batch with the writes of `payload` for the database `database`; none when they make no sense.
    pub(crate) fn from_payload(database: u64, payload: &[u8]) -> Option<WriteBatch> {
        let mut rest = payload;
        let mut entries = 0;
        let mut deletes_ranges = false;
        while !rest.is_empty() {
            let write = take_write(&mut rest)?;
            deletes_ranges |= write.kind == ValueKind::RangeDelete;
            entries += 1;
        }
        let mut record = vec![0; RECORD_HEADER_BYTES];
        record.extend_from_slice(payload);
        Some(WriteBatch {
            record,
            entries,
            database: Some(database),
            deletes_ranges,
            ..WriteBatch::default()
        })
    }

    /// Keeps only the first `entries` writes, which take `bytes`. Not for batches with attachments.
    pub(crate) fn truncate(&mut self, bytes: usize, entries: u32) {
        self.record.truncate(RECORD_HEADER_BYTES + bytes);
        self.entries = entries;
    }

    /// The first mistake, if there was one; it is forgotten.
    pub(crate) fn take_mistake(&mut self) -> Option<Error> {
        self.mistake.take()
    }

    /// Adds a write of the engine `database` itself: a put, or a delete without a value.
    pub(crate) fn push_own(&mut self, database: u64, key: &[u8], value: Option<&[u8]>) {
        self.database.get_or_insert(database);
        let kind = value.map_or(ValueKind::Delete, |_| ValueKind::Put);
        self.push(KeyspaceId::SYSTEM, kind, key, value.unwrap_or_default());
    }

    fn join(&mut self, keyspace: &Keyspace) {
        if *self.database.get_or_insert(keyspace.database_id()) != keyspace.database_id() {
            self.mistake.get_or_insert_with(other_database);
        }
    }

    #[inline]
    fn push(&mut self, keyspace: KeyspaceId, kind: ValueKind, key: &[u8], stored: &[u8]) {
        self.push_parts(keyspace, kind, key, &[], stored);
    }

    /// Stores `head` and `tail` one behind the other, nothing for a delete.
    fn push_parts(
        &mut self,
        keyspace: KeyspaceId,
        kind: ValueKind,
        key: &[u8],
        head: &[u8],
        tail: &[u8],
    ) {
        let is_range = kind == ValueKind::RangeDelete;
        let stored_bytes = head.len() + tail.len();
        if !has_valid_bounds(kind, key, stored_bytes) {
            let longest = if is_range && tail.len() > key.len() {
                tail
            } else {
                key
            };
            self.mistake.get_or_insert_with(|| key_too_long(longest));
            return;
        }
        if stored_bytes > BATCH_BYTES_MAX - self.bytes().min(BATCH_BYTES_MAX) {
            self.mistake.get_or_insert_with(too_many_bytes);
            return;
        }
        if self.record.is_empty() {
            self.record.resize(RECORD_HEADER_BYTES, 0);
        }
        self.record.reserve(key.len() + stored_bytes + 24);
        self.record.push(kind as u8);
        varint::put(&mut self.record, u64::from(keyspace.0));
        varint::put_bytes(&mut self.record, key);
        if kind != ValueKind::Delete {
            varint::put(&mut self.record, stored_bytes as u64);
            self.record.extend_from_slice(head);
            self.record.extend_from_slice(tail);
        }
        self.entries += 1;
    }

    /// The batch as a log record without its header, or the first mistake made in filling it.
    pub(crate) fn into_parts(self) -> Result<BatchParts> {
        match self.mistake {
            Some(mistake) => Err(mistake),
            None => Ok(BatchParts {
                record: self.record,
                entries: self.entries,
                database: self.database,
                attachments: self.attachments,
                touches_attachments: self.touches_attachments,
                deletes_ranges: self.deletes_ranges,
            }),
        }
    }
}

impl fmt::Debug for WriteBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteBatch")
            .field("len", &self.len())
            .field("bytes", &self.bytes())
            .finish()
    }
}

/// What a commit needs of a batch.
pub(crate) struct BatchParts {
    /// Room for the record header, then the entries.
    pub(crate) record: Vec<u8>,
    pub(crate) entries: u32,
    /// The database that the keyspaces belong to; none for an empty batch.
    pub(crate) database: Option<u64>,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) touches_attachments: bool,
    pub(crate) deletes_ranges: bool,
}

impl BatchParts {
    /// Adds a write of the engine's own: a put, or a delete without a value.
    pub(crate) fn push_own(&mut self, key: &[u8], value: Option<&[u8]>) {
        let kind = match value {
            Some(_) => ValueKind::Put,
            None => ValueKind::Delete,
        };
        self.record.push(kind as u8);
        varint::put(&mut self.record, u64::from(KeyspaceId::SYSTEM.0));
        varint::put_bytes(&mut self.record, key);
        if let Some(value) = value {
            varint::put_bytes(&mut self.record, value);
        }
        self.entries += 1;
    }
}

fn too_many_bytes() -> Error {
    Error::invalid(format!(
        "the batch has more than {BATCH_BYTES_MAX} bytes: write it in parts"
    ))
}

fn other_database() -> Error {
    Error::invalid(
        "the batch holds keyspaces or attachments of two databases: use one batch for each",
    )
}

/// True when the key, or the bounds of the range, are not too long.
#[inline]
fn has_valid_bounds(kind: ValueKind, key: &[u8], stored_bytes: usize) -> bool {
    match kind {
        ValueKind::RangeDelete => key.len().max(stored_bytes) <= BOUND_BYTES_MAX,
        _ => key.len() <= KEY_BYTES_MAX,
    }
}

/// The mistake of a key beyond [`KEY_BYTES_MAX`].
pub(crate) fn key_too_long(key: &[u8]) -> Error {
    Error::invalid(format!(
        "the key has {} bytes, and {KEY_BYTES_MAX} is the limit",
        key.len()
    ))
}

/// One write of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) kind: ValueKind,
    pub(crate) keyspace: KeyspaceId,
    pub(crate) key: &'a [u8],
    /// What is stored: empty for a delete, the end for the delete of a range.
    pub(crate) value: &'a [u8],
    /// Where the value stands in the logs.
    pub(crate) position: LogPosition,
}

/// The writes in `entries`, in order; an error names the offset in `entries` where sense ends. `at`: where `entries`
/// stand in the logs.
pub(crate) fn decode(
    entries: &[u8],
    at: LogPosition,
) -> impl Iterator<Item = std::result::Result<Entry<'_>, usize>> {
    let mut rest = entries;
    std::iter::from_fn(move || {
        let offset = entries.len() - rest.len();
        if rest.is_empty() {
            return None;
        }
        let entry = decode_one(entries.len(), at, &mut rest);
        if entry.is_none() {
            rest = &[];
        }
        Some(entry.ok_or(offset))
    })
}

/// A write of a batch, where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Write<'a> {
    pub(crate) kind: ValueKind,
    pub(crate) keyspace: KeyspaceId,
    /// The start of a deleted range.
    pub(crate) key: &'a [u8],
    /// The end of a deleted range; empty for a delete.
    pub(crate) value: &'a [u8],
}

/// The writes in `entries`, in order, as far as they make sense.
pub(crate) fn writes(entries: &[u8]) -> impl Iterator<Item = Write<'_>> {
    let mut rest = entries;
    std::iter::from_fn(move || {
        let write = take_write(&mut rest);
        if write.is_none() {
            rest = &[];
        }
        write
    })
}

fn take_write<'a>(rest: &mut &'a [u8]) -> Option<Write<'a>> {
    let (&kind, after) = rest.split_first()?;
    *rest = after;
    let kind = ValueKind::from_byte(kind)?;
    let keyspace = KeyspaceId(u32::try_from(varint::take(rest)?).ok()?);
    let key = varint::take_bytes(rest)?;
    let value = match kind {
        ValueKind::Delete => &[],
        _ => varint::take_bytes(rest)?,
    };
    let makes_sense = match kind {
        ValueKind::Delete | ValueKind::Put | ValueKind::Merge => true,
        ValueKind::RangeDelete => key < value,
        ValueKind::Expiring => value.len() >= EXPIRY_BYTES,
        // Values are in the log itself; only tables point elsewhere.
        ValueKind::Pointer | ValueKind::ExpiringPointer => false,
    };
    if !makes_sense || !has_valid_bounds(kind, key, value.len()) {
        return None;
    }
    Some(Write {
        kind,
        keyspace,
        key,
        value,
    })
}

/// `bytes`: those of the whole batch, which stands at `at`.
fn decode_one<'a>(bytes: usize, at: LogPosition, rest: &mut &'a [u8]) -> Option<Entry<'a>> {
    let Write {
        kind,
        keyspace,
        key,
        value,
    } = take_write(rest)?;
    Some(Entry {
        kind,
        keyspace,
        position: at.plus(bytes - rest.len() - value.len()),
        key,
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    /// Keyspace, key, value.
    type Given<'a> = (u32, &'a [u8], Option<&'a [u8]>);

    fn batch(writes: &[Given<'_>]) -> Bytes {
        let mut batch = WriteBatch::new();
        for (keyspace, key, value) in writes {
            let kind = value.map_or(ValueKind::Delete, |_| ValueKind::Put);
            batch.push(KeyspaceId(*keyspace), kind, key, value.unwrap_or_default());
        }
        assert_eq!(batch.len(), writes.len());
        Bytes::from(batch.into_parts().unwrap().record).slice(RECORD_HEADER_BYTES..)
    }

    #[test]
    fn what_is_pushed_is_decoded() {
        let writes: [Given<'_>; 4] = [
            (1, b"a", Some(b"x")),
            (300, b"", None),
            (2, &[7; 1000], Some(&[9; 5000])),
            (1, b"b", Some(b"")),
        ];
        let whole = batch(&writes);
        let at = LogPosition {
            log: 7,
            offset: 100,
        };
        let entries: Vec<Entry> = decode(&whole, at).map(|entry| entry.unwrap()).collect();
        for (entry, (keyspace, key, value)) in entries.iter().zip(writes) {
            assert_eq!(entry.keyspace, KeyspaceId(keyspace));
            assert_eq!(entry.key, key);
            assert_eq!(entry.value, value.unwrap_or_default());
            assert_eq!(entry.position.log, 7);
            let from = usize::try_from(entry.position.offset).unwrap() - 100;
            assert_eq!(entry.value, &whole[from..from + entry.value.len()]);
            assert_eq!(entry.kind == ValueKind::Put, value.is_some());
        }
        assert_eq!(entries.len(), writes.len());
    }

    #[test]
    fn damaged_bytes_end_the_batch_with_an_offset_and_never_panic() {
        let whole = batch(&[(1, b"key", Some(b"value")), (1, b"other", None)]);
        for cut in 1..whole.len() {
            let results: Vec<_> = decode(&whole[..cut], LogPosition::default()).collect();
            assert!(results.len() <= 2);
            if cut != 12 {
                assert!(results.last().unwrap().is_err(), "{cut} {results:?}");
            }
        }
        for position in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.to_vec();
                bytes[position] ^= 1 << bit;
                let _ = decode(&bytes, LogPosition::default()).count();
            }
        }
    }

    #[test]
    fn a_long_key_is_a_mistake_of_the_batch() {
        let mut batch = WriteBatch::new();
        let key = vec![0; KEY_BYTES_MAX + 1];
        batch.push(KeyspaceId(1), ValueKind::Delete, &key, &[]);
        let mistake = batch.into_parts().err().unwrap();
        assert!(mistake.to_string().contains("65536"), "{mistake}");
    }
}
