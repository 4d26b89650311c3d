//! Reads a `.val` file from front to back.

use aether_env::RandomFile;

use super::format::{HEADER_BYTES, RECORD_HEADER_BYTES, check_header, read_record_header};
use crate::checksum::checksum;
use crate::error::{Error, Result};

/// A value in a file.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    /// Where it begins.
    pub(crate) offset: u64,
    pub(crate) checksum: u64,
    pub(crate) value: &'a [u8],
}

/// Shows all values of the file `number`, called `name`, to `see`.
///
/// # Errors
/// `Corruption` where sense ends; the values before that place have been seen.
pub(crate) fn walk(
    file: &dyn RandomFile,
    name: &str,
    number: u64,
    see: &mut dyn FnMut(Found<'_>),
) -> Result<()> {
    let bytes = file.len();
    let read = |offset: u64, buffer: &mut [u8]| {
        file.read_at(offset, buffer)
            .map_err(|error| Error::io(format_args!("read {name} at byte {offset}"), error))
    };
    let mut header = [0; HEADER_BYTES];
    if bytes < HEADER_BYTES as u64 {
        return Err(Error::corruption(
            name,
            bytes,
            "it is too short for a value file",
        ));
    }
    read(0, &mut header)?;
    check_header(name, number, &header)?;
    let mut at = HEADER_BYTES as u64;
    let mut value = Vec::new();
    while at < bytes {
        let cut_off = || Error::corruption(name, at, "a value runs over the end of the file");
        let offset = at + RECORD_HEADER_BYTES as u64;
        if offset > bytes {
            return Err(cut_off());
        }
        let mut header = [0; RECORD_HEADER_BYTES];
        read(at, &mut header)?;
        let (length, stored) = read_record_header(header);
        let end = offset + u64::from(length);
        if end > bytes {
            return Err(cut_off());
        }
        value.resize(length as usize, 0);
        read(offset, &mut value)?;
        let computed = checksum(&value);
        if stored != computed {
            let detail =
                format_args!("checksum mismatch: stored {stored:016x}, computed {computed:016x}");
            return Err(Error::corruption(name, offset, detail));
        }
        see(Found {
            offset,
            checksum: stored,
            value: &value,
        });
        at = end;
    }
    Ok(())
}
