//! Layout of a `.val` file; all integers little endian.
//!
//! ```text
//! file   = header, record*
//! header = magic "aidb.val"  format u32  zero u32  file number u64  checksum u64 (xxh3-64 of the 24 bytes before)
//! record = length u32   checksum u64 (xxh3-64 of the value)   value
//! ```
//!
//! A pointer leads to the value inside a record and repeats its length and checksum: a read needs nothing else. What
//! stands in front of a value is for whoever reads the file from front to back.

use crate::checksum::checksum;
use crate::error::{Error, Result};

/// The version that this build writes, and the newest that it reads.
const FORMAT: u32 = 1;

const MAGIC: &[u8; 8] = b"aidb.val";

/// Bytes of the file header.
pub(crate) const HEADER_BYTES: usize = 32;

/// Bytes in front of a value.
pub(super) const RECORD_HEADER_BYTES: usize = 12;

/// The header of value file `number`.
pub(super) fn header(number: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[0..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    header[16..24].copy_from_slice(&number.to_le_bytes());
    let sum = checksum(&header[..24]);
    header[24..].copy_from_slice(&sum.to_le_bytes());
    header
}

/// What stands in front of a value of `length` bytes.
pub(super) fn record_header(length: u32, checksum: u64) -> [u8; RECORD_HEADER_BYTES] {
    let mut header = [0; RECORD_HEADER_BYTES];
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[4..].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// Checks that `bytes` start as value file `number`, called `name`, does.
pub(super) fn check_header(name: &str, number: u64, bytes: &[u8; HEADER_BYTES]) -> Result<()> {
    let field = |at: usize| {
        bytes[at..]
            .first_chunk()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes))
    };
    let format = u32::try_from(field(8) & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    if !bytes.starts_with(MAGIC) || checksum(&bytes[..24]) != field(24) || field(8) >> 32 != 0 {
        return Err(Error::corruption(
            name,
            0,
            "the header of the value file does not read back",
        ));
    }
    if format > FORMAT {
        return Err(Error::invalid(format!(
            "{name} has format {format}, and this build reads formats up to {FORMAT}: use a newer build"
        )));
    }
    if field(16) != number {
        let detail = format_args!("this is value file {} under another name", field(16));
        return Err(Error::corruption(name, 16, detail));
    }
    Ok(())
}

/// Length and checksum of the value behind a record header.
pub(super) fn read_record_header(bytes: [u8; RECORD_HEADER_BYTES]) -> (u32, u64) {
    let [l0, l1, l2, l3, checksum @ ..] = bytes;
    (
        u32::from_le_bytes([l0, l1, l2, l3]),
        u64::from_le_bytes(checksum),
    )
}
