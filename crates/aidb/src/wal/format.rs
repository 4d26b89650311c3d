//! Layout and checksums of a log; all integers little endian.
//!
//! ```text
//! log    = file header, record*, anything           the first record is the start record
//! header = magic "aidb.wal"  format u32  flags u32  log number u64  checksum u64 (xxh3-64 of the 24 bytes before)
//! record = tag u32  length u32  entries u32  first seq u64  durable u64  payload checksum u64  head checksum u32
//!          payload
//! start  = record with entries = 0 and payload = previous log u64, bytes of it that count u64
//! ```
//!
//! `tag` is the same in all records of a log and hardly ever in those of another: a search for records looks for it.
//! `payload checksum` is xxh3-64 of the payload; `head checksum` that of the 36 bytes before it, seeded with the log
//! number, its lower half: so a record of another log is never taken for one of this, although the file may have been
//! that log before. `durable` is how much of this log was known to be synced when the record was written: bytes below
//! it that do not read back are damage, not a torn write.

use crate::checksum::{checksum, checksum_seeded};

/// The version that this build writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;

/// Bytes of the file header.
pub(crate) const FILE_HEADER_BYTES: usize = 32;

/// Bytes in front of a record's payload.
pub(crate) const RECORD_HEADER_BYTES: usize = 40;

const MAGIC: &[u8; 8] = b"aidb.wal";

/// The flag of a log whose file was another log before: what was not written yet is what that one left.
const USED_BEFORE: u32 = 1;

/// The file header of log `number`.
pub(super) fn file_header(number: u64, was_used: bool) -> Vec<u8> {
    let flags = if was_used { USED_BEFORE } else { 0 };
    let mut header = Vec::with_capacity(FILE_HEADER_BYTES);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&FORMAT.to_le_bytes());
    header.extend_from_slice(&flags.to_le_bytes());
    header.extend_from_slice(&number.to_le_bytes());
    let sum = checksum(&header);
    header.extend_from_slice(&sum.to_le_bytes());
    header
}

/// What a file header says.
pub(super) enum FileHeader {
    Log {
        format: u32,
        number: u64,
        was_used: bool,
    },
    Damaged,
}

/// Reads the file header at the front of `bytes`.
pub(super) fn read_file_header(bytes: &[u8]) -> FileHeader {
    let Some((header, stored)) = bytes
        .first_chunk::<FILE_HEADER_BYTES>()
        .and_then(|header| header.split_last_chunk::<8>())
    else {
        return FileHeader::Damaged;
    };
    if !header.starts_with(MAGIC) || checksum(header) != u64::from_le_bytes(*stored) {
        return FileHeader::Damaged;
    }
    match (u32_at(header, 8), u32_at(header, 12), u64_at(header, 16)) {
        (Some(format), Some(flags), Some(number)) => FileHeader::Log {
            format,
            number,
            was_used: flags & USED_BEFORE != 0,
        },
        _ => FileHeader::Damaged,
    }
}

/// The checksum of a payload.
pub(crate) fn payload_checksum(payload: &[u8]) -> u64 {
    checksum(payload)
}

/// What stands in front of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) length: u32,
    pub(super) entries: u32,
    pub(super) seq: u64,
    pub(super) durable: u64,
    pub(super) payload_checksum: u64,
}

impl RecordHeader {
    /// Writes it into the front of `record`, for log `number`.
    pub(super) fn write(&self, record: &mut [u8], number: u64) {
        record[0..4].copy_from_slice(&tag(number));
        record[4..8].copy_from_slice(&self.length.to_le_bytes());
        record[8..12].copy_from_slice(&self.entries.to_le_bytes());
        record[12..20].copy_from_slice(&self.seq.to_le_bytes());
        record[20..28].copy_from_slice(&self.durable.to_le_bytes());
        record[28..36].copy_from_slice(&self.payload_checksum.to_le_bytes());
        let sum = head_checksum(&record[..36], number);
        record[36..40].copy_from_slice(&sum);
    }

    /// The header at the front of `bytes`, if it is one of log `number`.
    pub(super) fn read(bytes: &[u8], number: u64) -> Option<RecordHeader> {
        let (header, stored) = bytes
            .first_chunk::<RECORD_HEADER_BYTES>()?
            .split_last_chunk::<4>()?;
        if !header.starts_with(&tag(number)) || head_checksum(header, number) != *stored {
            return None;
        }
        Some(RecordHeader {
            length: u32_at(header, 4)?,
            entries: u32_at(header, 8)?,
            seq: u64_at(header, 12)?,
            durable: u64_at(header, 20)?,
            payload_checksum: u64_at(header, 28)?,
        })
    }
}

/// What all records of log `number` start with. Never zeros, which are what a new file has.
pub(super) fn tag(number: u64) -> [u8; 4] {
    let [first, second, third, fourth, ..] = checksum(&number.to_le_bytes()).to_le_bytes();
    [first | 1, second, third, fourth]
}

fn head_checksum(header: &[u8], number: u64) -> [u8; 4] {
    let [first, second, third, fourth, ..] = checksum_seeded(header, number).to_le_bytes();
    [first, second, third, fourth]
}

pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

pub(super) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}
