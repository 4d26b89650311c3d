//! Where a value is: what a table holds in its place.
//!
//! ```text
//! pointer = file number varint   offset varint   length varint   xxh3-64 of the value (8)
//! ```

use super::format::RECORD_HEADER_BYTES;
use crate::checksum::checksum;
use crate::key::ValueKind;
use crate::varint;

/// The moment that stands in front of an expiring value, and in front of the pointer to one.
pub(crate) const EXPIRY_BYTES: usize = 8;

/// The place of a value in a value file, and what it must read back as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pointer {
    /// The number of the value file.
    pub(crate) file: u64,
    /// Where the value begins in it, in bytes.
    pub(crate) offset: u64,
    /// Never 0: empty values stay with their keys.
    pub(crate) length: u32,
    /// Of the value's bytes.
    pub(crate) checksum: u64,
}

impl Pointer {
    /// The pointer to `value`, which stands at `offset` of value file `file`.
    pub(crate) fn new(file: u64, offset: u64, value: &[u8]) -> Pointer {
        Pointer {
            file,
            offset,
            length: u32::try_from(value.len()).expect("a batch is shorter than 4 GiB"),
            checksum: checksum(value),
        }
    }

    /// Appends it to `buffer`.
    pub(crate) fn put(&self, buffer: &mut Vec<u8>) {
        varint::put(buffer, self.file);
        varint::put(buffer, self.offset);
        varint::put(buffer, self.length.into());
        buffer.extend_from_slice(&self.checksum.to_le_bytes());
    }

    /// Reads a pointer; none when `bytes` are anything else.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Pointer> {
        let rest = &mut bytes;
        let pointer = Pointer {
            file: varint::take(rest)?,
            offset: varint::take(rest)?,
            length: u32::try_from(varint::take(rest)?).ok()?,
            checksum: u64::from_le_bytes(<[u8; 8]>::try_from(*rest).ok()?),
        };
        let is_sound =
            pointer.length > 0 && pointer.offset.checked_add(pointer.length.into()).is_some();
        is_sound.then_some(pointer)
    }

    /// The bytes of its file that are in use for it: the value, and what stands in front of one in a file of values.
    pub(crate) fn used_bytes(&self) -> u64 {
        u64::from(self.length) + RECORD_HEADER_BYTES as u64
    }

    /// The first byte behind the value.
    pub(crate) fn end(&self) -> u64 {
        self.offset + u64::from(self.length)
    }
}

/// The encoded pointer in what a table holds for a version of `kind`; none when the value itself is there.
pub(crate) fn in_stored(kind: ValueKind, stored: &[u8]) -> Option<&[u8]> {
    match kind {
        ValueKind::Pointer => Some(stored),
        // Too short is no pointer, and whoever decodes it says so.
        ValueKind::ExpiringPointer => Some(stored.get(EXPIRY_BYTES..).unwrap_or_default()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_put_is_decoded(file: u64, offset in 0..u64::MAX >> 1, length in 1..u32::MAX, checksum: u64) {
            let pointer = Pointer { file, offset, length, checksum };
            let mut bytes = Vec::new();
            pointer.put(&mut bytes);
            prop_assert_eq!(Pointer::decode(&bytes), Some(pointer));
            prop_assert_eq!(Pointer::decode(&bytes[..bytes.len() - 1]), None);
            bytes.push(0);
            prop_assert_eq!(Pointer::decode(&bytes), None);
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(pointer) = Pointer::decode(&bytes) {
                prop_assert!(pointer.end() > pointer.offset);
            }
        }
    }

    #[test]
    fn a_pointer_to_nothing_is_none() {
        let mut bytes = Vec::new();
        Pointer {
            file: 1,
            offset: 2,
            length: 0,
            checksum: 3,
        }
        .put(&mut bytes);
        assert_eq!(Pointer::decode(&bytes), None);
        bytes.clear();
        Pointer {
            file: 1,
            offset: u64::MAX,
            length: 1,
            checksum: 3,
        }
        .put(&mut bytes);
        assert_eq!(Pointer::decode(&bytes), None);
    }
}
