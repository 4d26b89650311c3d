//! Frames: the pieces in which a file is sealed.
//!
//! ```text
//! frame  = header, ciphertext, tag (16 bytes), zeros up to a multiple of 8
//! header = number u64   offset u64   length u32 (bit 31: the last frame of a file that was put)   check u32
//! ```
//!
//! The number counts the frames of the file from 0, and *is* the nonce. The writer that holds the file's random key in
//! memory counts up with every frame that it seals, whether or not the frame reaches the disk, and no second writer
//! ever has that key: so no nonce is used twice. `offset` is where the frame's bytes stand in the plain file. The
//! whole header is associated data, so that a frame elsewhere, or of another length, does not open. `check` is the low
//! half of xxh3-64 of the 20 bytes before it, seeded with a secret of the file: it finds frames, and proves nothing.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::cipher::{NONCE_BYTES, Sealer, TAG_BYTES};
use crate::genuine;
use crate::header::{u32_at, u64_at};

/// Bytes of a frame's header.
pub(crate) const FRAME_HEADER_BYTES: usize = 24;

/// Plain bytes of each frame but the last, in files that are not logs.
pub(crate) const CHUNK_BYTES: usize = 4096;

/// The most plain bytes of a frame.
pub(crate) const FRAME_PAYLOAD_MAX: usize = 64 << 10;

const LAST: u32 = 1 << 31;

/// No file has so many bytes or frames.
const PLACES_MAX: u64 = 1 << 62;

/// Bytes that a frame of `payload` plain bytes takes.
pub(crate) const fn frame_bytes(payload: usize) -> usize {
    (FRAME_HEADER_BYTES + payload + TAG_BYTES).next_multiple_of(8)
}

/// What stands in front of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) number: u64,
    pub(crate) offset: u64,
    pub(crate) length: usize,
    pub(crate) is_last: bool,
}

impl FrameHeader {
    /// Where its plain bytes end.
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.length as u64
    }

    fn nonce(&self) -> [u8; NONCE_BYTES] {
        let mut nonce = [0; NONCE_BYTES];
        nonce[..8].copy_from_slice(&self.number.to_le_bytes());
        nonce
    }
}

/// The key of one file.
pub(crate) struct FileKey {
    sealer: Sealer,
    seed: u64,
}

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey(..)")
    }
}

impl FileKey {
    pub(crate) fn new(sealer: Sealer, seed: u64) -> FileKey {
        FileKey { sealer, seed }
    }

    /// Appends a frame to `out`. The number must never have been sealed before.
    ///
    /// # Panics
    /// When `payload` is longer than [`FRAME_PAYLOAD_MAX`] or than the header says: a caller's bug.
    pub(crate) fn seal(&self, header: &FrameHeader, payload: &[u8], out: &mut Vec<u8>) {
        assert!(payload.len() == header.length && header.length <= FRAME_PAYLOAD_MAX);
        let length = u32::try_from(header.length).expect("far below 4 GiB");
        let start = out.len();
        out.extend_from_slice(&header.number.to_le_bytes());
        out.extend_from_slice(&header.offset.to_le_bytes());
        let length = if header.is_last {
            length | LAST
        } else {
            length
        };
        out.extend_from_slice(&length.to_le_bytes());
        let check = self.check(&out[start..]);
        out.extend_from_slice(&check.to_le_bytes());
        out.extend_from_slice(payload);
        let (front, payload) = out[start..].split_at_mut(FRAME_HEADER_BYTES);
        let tag = self.sealer.seal(&header.nonce(), front, payload);
        out.extend_from_slice(&tag);
        out.resize(start + frame_bytes(header.length), 0);
    }

    /// The header at the front of `bytes`, if one may stand there. It is not authenticated before [`FileKey::open`].
    pub(crate) fn header(&self, bytes: &[u8]) -> Option<FrameHeader> {
        let bytes = bytes.first_chunk::<FRAME_HEADER_BYTES>()?;
        if self.check(&bytes[..20]) != u32_at(bytes, 20) && !genuine::takes_all() {
            return None;
        }
        let length = u32_at(bytes, 16);
        let header = FrameHeader {
            number: u64_at(bytes, 0),
            offset: u64_at(bytes, 8),
            length: usize::try_from(length & !LAST).ok()?,
            is_last: length & LAST != 0,
        };
        let is_sane = header.length <= FRAME_PAYLOAD_MAX
            && header.offset < PLACES_MAX
            && header.number < PLACES_MAX;
        is_sane.then_some(header)
    }

    /// Decrypts the frame with this header at the front of `bytes` in place. None when it does not authenticate, or
    /// is cut off; the bytes are of no use then.
    pub(crate) fn open<'a>(&self, header: &FrameHeader, bytes: &'a mut [u8]) -> Option<&'a [u8]> {
        let end = FRAME_HEADER_BYTES + header.length;
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(bytes.get(end..end + TAG_BYTES)?);
        let (front, payload) = bytes[..end].split_at_mut(FRAME_HEADER_BYTES);
        self.sealer
            .open(&header.nonce(), front, payload, &tag)
            .then_some(&*payload)
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of it is enough")]
    fn check(&self, header: &[u8]) -> u32 {
        xxh3_64_with_seed(header, self.seed) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cipher::Cipher;

    #[test]
    fn a_frame_opens_unless_a_bit_differs() {
        for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
            let key = FileKey::new(Sealer::new(cipher, &[9; 32]), 77);
            let payload: Vec<u8> = (0..100).collect();
            let header = FrameHeader {
                number: 5,
                offset: 1 << 40,
                length: payload.len(),
                is_last: true,
            };
            let mut sealed = Vec::new();
            key.seal(&header, &payload, &mut sealed);
            assert_eq!(sealed.len(), frame_bytes(100));
            let opened = |mut bytes: Vec<u8>| {
                let header = key.header(&bytes)?;
                Some((header, key.open(&header, &mut bytes)?.to_vec()))
            };
            assert_eq!(opened(sealed.clone()), Some((header, payload)));
            for bit in 0..(FRAME_HEADER_BYTES + 100 + TAG_BYTES) * 8 {
                let mut damaged = sealed.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(opened(damaged), None, "{bit}");
            }
            for cut in 0..FRAME_HEADER_BYTES + 100 + TAG_BYTES {
                assert_eq!(opened(sealed[..cut].to_vec()), None, "{cut}");
            }
        }
    }
}
