//! The frame of a table: constants, footer, and how a block is stored.
//!
//! ```text
//! file    per partition: data block ... | filter block | index block
//!         then: partition index block | range deletes block | properties block | footer
//! block   payload | codec (1) | xxh3-64 of payload and codec, seeded with file number and offset (8)
//! footer  3 x (offset u64, bytes u32): partition index, range deletes, properties | checksum u64 | version u32 | magic (8)
//! ```
//!
//! All integers are little endian. Nothing here looks into a payload.

use bytes::Bytes;

use crate::checksum::checksum_seeded;
use crate::error::{Error, Result};

use super::codec::{self, Codec};

/// The last bytes of every table.
pub(super) const MAGIC: [u8; 8] = *b"AiDbSST\0";

/// The version that this build writes, and the newest that it reads.
pub(super) const FORMAT_VERSION: u32 = 1;

/// Length of the footer, in bytes.
pub(super) const FOOTER_BYTES: usize = 56;

/// What a stored block has more than its payload.
pub(super) const BLOCK_TRAILER_BYTES: usize = 9;

/// The footer without checksum, version and magic.
const HANDLES_BYTES: usize = 36;

/// A table's identity, for checksums and messages.
#[derive(Clone, Debug)]
pub(super) struct FileId {
    /// For people.
    pub(super) name: String,
    /// Never reused within a database.
    pub(super) number: u64,
}

impl FileId {
    /// The checksum of `bytes` that begin at `offset` of this file: the same bytes elsewhere have another one.
    pub(super) fn checksum(&self, offset: u64, bytes: &[u8]) -> u64 {
        let seed = self
            .number
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(offset);
        checksum_seeded(bytes, seed)
    }

    /// The error for damage at `offset`.
    pub(super) fn corruption(&self, offset: u64, detail: impl std::fmt::Display) -> Error {
        Error::corruption(&self.name, offset, detail)
    }
}

/// Where a stored block is: its payload, codec and checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockHandle {
    /// In the file, in bytes.
    pub(super) offset: u64,
    /// Length with codec and checksum; 0 when there is no such block.
    pub(super) bytes: u32,
}

impl BlockHandle {
    /// The first byte after the block.
    pub(super) fn end(self) -> u64 {
        self.offset.saturating_add(u64::from(self.bytes))
    }
}

/// Appends `contents` as a stored block to `file`, which ends at `offset` of the table.
///
/// It is compressed when a codec is given and that saves an eighth. Returns the block's length and whether it was.
pub(super) fn put_block(
    file: &mut Vec<u8>,
    contents: &[u8],
    offset: u64,
    id: &FileId,
    codec: Option<&mut Codec>,
) -> (u32, bool) {
    let start = file.len();
    let kept = match codec.and_then(|codec| codec.compress(contents)) {
        Some((compressed, codec)) => {
            let contents_bytes =
                u32::try_from(contents.len()).expect("a block is shorter than 4 GiB");
            file.extend_from_slice(&contents_bytes.to_le_bytes());
            file.extend_from_slice(compressed);
            file.push(codec);
            true
        }
        None => {
            file.extend_from_slice(contents);
            file.push(codec::NONE);
            false
        }
    };
    let checksum = id.checksum(offset, &file[start..]);
    file.extend_from_slice(&checksum.to_le_bytes());
    (
        u32::try_from(file.len() - start).expect("a block is shorter than 4 GiB"),
        kept,
    )
}

/// The contents of the stored block `stored`, which stands at `offset`. Shares its memory when it is not compressed.
pub(super) fn take_block(stored: &Bytes, offset: u64, id: &FileId) -> Result<Bytes> {
    let Some((checked, &checksum)) = stored.split_last_chunk::<8>() else {
        return Err(id.corruption(offset, "a block is too short for its checksum"));
    };
    let (stored_sum, computed) = (u64::from_le_bytes(checksum), id.checksum(offset, checked));
    if stored_sum != computed {
        let detail =
            format!("checksum mismatch: stored {stored_sum:016x}, computed {computed:016x}");
        return Err(id.corruption(offset, detail));
    }
    match checked.split_last() {
        Some((&codec, payload)) => codec::decompress(codec, stored.slice(..payload.len()))
            .map_err(|detail| id.corruption(offset, detail)),
        None => Err(id.corruption(offset, "a block without a codec")),
    }
}

/// The end of a table: where everything but the data blocks is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) index: BlockHandle,
    pub(super) range_deletes: BlockHandle,
    pub(super) properties: BlockHandle,
}

impl Footer {
    /// The bytes of a footer that stands at `offset`.
    pub(super) fn encode(&self, offset: u64, id: &FileId) -> [u8; FOOTER_BYTES] {
        let mut bytes = Vec::with_capacity(FOOTER_BYTES);
        for handle in [self.index, self.range_deletes, self.properties] {
            bytes.extend_from_slice(&handle.offset.to_le_bytes());
            bytes.extend_from_slice(&handle.bytes.to_le_bytes());
        }
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&MAGIC);
        let mut bytes: [u8; FOOTER_BYTES] = bytes.try_into().expect("the parts of a footer add up");
        let checksum = id.checksum(offset, &bytes);
        bytes[HANDLES_BYTES..HANDLES_BYTES + 8].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads a footer that stands at `offset`, and checks that the blocks stand one behind the other up to it.
    pub(super) fn decode(bytes: &[u8; FOOTER_BYTES], offset: u64, id: &FileId) -> Result<Footer> {
        if bytes[FOOTER_BYTES - 8..] != MAGIC {
            return Err(id.corruption(
                offset + FOOTER_BYTES as u64 - 8,
                "not a table, or cut off: the magic number is missing",
            ));
        }
        let version = u32_at(bytes, HANDLES_BYTES + 8);
        if version > FORMAT_VERSION {
            return Err(Error::invalid(format!(
                "{} has table format {version}, and this build reads up to {FORMAT_VERSION}: open it with a newer one",
                id.name
            )));
        }
        let mut unsummed = *bytes;
        unsummed[HANDLES_BYTES..HANDLES_BYTES + 8].fill(0);
        if u64_at(bytes, HANDLES_BYTES) != id.checksum(offset, &unsummed) {
            return Err(id.corruption(
                offset,
                "checksum mismatch in the footer, or the file has another's name",
            ));
        }
        let handle = |at| BlockHandle {
            offset: u64_at(bytes, at),
            bytes: u32_at(bytes, at + 8),
        };
        let footer = Footer {
            index: handle(0),
            range_deletes: handle(12),
            properties: handle(24),
        };
        let contiguous = footer.index.end() == footer.range_deletes.offset
            && footer.range_deletes.end() == footer.properties.offset
            && footer.properties.end() == offset;
        if version == 0 || !contiguous {
            return Err(id.corruption(offset, "the footer contradicts itself"));
        }
        Ok(footer)
    }
}

fn u64_at(bytes: &[u8; FOOTER_BYTES], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn u32_at(bytes: &[u8; FOOTER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Compression;
    use proptest::prelude::*;

    fn id() -> FileId {
        FileId {
            name: "000007.sst".to_owned(),
            number: 7,
        }
    }

    proptest! {
        #[test]
        fn what_is_put_is_taken(
            contents in prop_oneof!["[ab]{0,3000}".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..300)],
            offset in any::<u64>(),
        ) {
            for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
                let mut codec = Codec::new(compression);
                let mut file = b"before".to_vec();
                let (bytes, _) = put_block(&mut file, &contents, offset, &id(), codec.as_mut());
                prop_assert_eq!(file.len() - 6, bytes as usize);
                let stored = Bytes::from(file).slice(6..);
                prop_assert_eq!(&take_block(&stored, offset, &id()).unwrap()[..], &contents[..]);
                prop_assert!(take_block(&stored, offset.wrapping_add(1), &id()).is_err());
            }
        }

        #[test]
        fn arbitrary_payloads_under_a_right_checksum_do_not_panic(
            payload in prop::collection::vec(any::<u8>(), 0..200),
            length in prop_oneof![0_u32..400, any::<u32>()],
            codec in 0_u8..4,
        ) {
            let mut stored = length.to_le_bytes().to_vec();
            stored.extend(payload);
            stored.push(codec);
            let checksum = id().checksum(9, &stored);
            stored.extend(checksum.to_le_bytes());
            let _ = take_block(&stored.into(), 9, &id());
        }

        #[test]
        fn footers_that_contradict_themselves_are_refused(numbers in any::<[(u64, u32); 3]>(), offset in any::<u64>()) {
            let [index, range_deletes, properties] = numbers.map(|(offset, bytes)| BlockHandle { offset, bytes });
            let footer = Footer { index, range_deletes, properties };
            prop_assert!(Footer::decode(&footer.encode(offset, &id()), offset, &id()).is_err());
        }
    }
}
