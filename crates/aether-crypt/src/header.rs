//! The front of an encrypted file; all integers little endian.
//!
//! ```text
//!   0  magic "aethcryp"   8  format u32   12  cipher u8   13  kind u8   14  zero u16   16  key id u64
//!  24  nonce, 12 bytes   36  wrapped secret, 40 bytes   76  tag, 16 bytes   92  zero, 28 bytes
//! 120  checksum u64 (xxh3-64 of the 120 bytes before)
//! ```
//!
//! The secret is the file's own: a key of 32 bytes and the seed of the frame headers' checks, random when the file is
//! made. It is sealed with the key that `key id` names; bytes 0 to 24 and the file's name are associated data, so that
//! a file under another's name does not open. The checksum tells a damaged header from a wrong key; it proves nothing.

use std::io;

use xxhash_rust::xxh3::xxh3_64;
use zeroize::Zeroizing;

use crate::cipher::{Cipher, NONCE_BYTES, Sealer, TAG_BYTES};
use crate::frame::FileKey;
use crate::genuine;
use crate::keys::{KEY_BYTES, Key, KeyId, fill_random};

/// Bytes in front of the first frame.
pub(crate) const HEADER_BYTES: usize = 128;

const MAGIC: &[u8; 8] = b"aethcryp";
const FORMAT: u32 = 1;
const SECRET_BYTES: usize = KEY_BYTES + 8;

/// Where things are.
const ASSOCIATED: usize = 24;
const NONCE: usize = 24;
const SECRET: usize = 36;
const TAG: usize = 76;
const CHECKSUM: usize = 120;

/// How a file came to be, and what its end may look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Appended to, then read; what does not authenticate is an error.
    Appended,
    /// A log: what does not authenticate is shown as such, and whoever wrote the log judges it.
    Log,
    /// Put as a whole: its last frame says that it is the last.
    Whole,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Kind::Appended => 0,
            Kind::Log => 1,
            Kind::Whole => 2,
        }
    }

    fn from_code(code: u8) -> Option<Kind> {
        [Kind::Appended, Kind::Log, Kind::Whole]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

/// What a header says in the clear.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileHeader {
    pub(crate) cipher: Cipher,
    pub(crate) kind: Kind,
    pub(crate) key: KeyId,
    bytes: [u8; HEADER_BYTES],
}

/// A header of a new file, and the file's key.
pub(crate) fn new_file(
    name: &str,
    cipher: Cipher,
    kind: Kind,
    id: KeyId,
    key: &Key,
) -> io::Result<([u8; HEADER_BYTES], FileKey)> {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[12] = cipher.code();
    bytes[13] = kind.code();
    bytes[16..ASSOCIATED].copy_from_slice(&id.0.to_le_bytes());
    let mut nonce = [0; NONCE_BYTES];
    fill_random(&mut nonce)?;
    bytes[NONCE..SECRET].copy_from_slice(&nonce);
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    fill_random(&mut *secret)?;
    let file_key = file_key(cipher, &secret);
    let associated = associated(&bytes, name);
    let tag = Sealer::new(cipher, key.as_bytes()).seal(&nonce, &associated, &mut *secret);
    bytes[SECRET..TAG].copy_from_slice(&*secret);
    bytes[TAG..TAG + TAG_BYTES].copy_from_slice(&tag);
    let checksum = xxh3_64(&bytes[..CHECKSUM]);
    bytes[CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
    Ok((bytes, file_key))
}

impl FileHeader {
    /// Reads a header; an error is what is wrong with it.
    pub(crate) fn read(bytes: &[u8; HEADER_BYTES]) -> Result<FileHeader, String> {
        if !bytes.starts_with(MAGIC) {
            return Err("it does not start as an encrypted file does".to_owned());
        }
        let stored = u64_at(bytes, CHECKSUM);
        let computed = xxh3_64(&bytes[..CHECKSUM]);
        if stored != computed && !genuine::takes_all() {
            return Err(format!(
                "its header's checksum is {stored:016x}, and {computed:016x} was computed"
            ));
        }
        let format = u32_at(bytes, 8);
        if format != FORMAT {
            return Err(format!(
                "it has format {format} of encrypted files, and this version reads format {FORMAT}"
            ));
        }
        let cipher = Cipher::from_code(bytes[12]);
        let kind = Kind::from_code(bytes[13]);
        let (Some(cipher), Some(kind)) = (cipher, kind) else {
            return Err(format!(
                "it has cipher {} and kind {}, which this version does not know",
                bytes[12], bytes[13]
            ));
        };
        Ok(FileHeader {
            cipher,
            kind,
            key: KeyId(u64_at(bytes, 16)),
            bytes: *bytes,
        })
    }

    /// The file's key, if `key` is the right one and the file has the name that it was made with.
    pub(crate) fn unwrap(&self, name: &str, key: &Key) -> Option<FileKey> {
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&self.bytes[NONCE..SECRET]);
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&self.bytes[TAG..TAG + TAG_BYTES]);
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        secret.copy_from_slice(&self.bytes[SECRET..TAG]);
        let associated = associated(&self.bytes, name);
        Sealer::new(self.cipher, key.as_bytes())
            .open(&nonce, &associated, &mut *secret, &tag)
            .then(|| file_key(self.cipher, &secret))
    }
}

fn associated(header: &[u8; HEADER_BYTES], name: &str) -> Vec<u8> {
    [&header[..ASSOCIATED], name.as_bytes()].concat()
}

fn file_key(cipher: Cipher, secret: &[u8; SECRET_BYTES]) -> FileKey {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    key.copy_from_slice(&secret[..KEY_BYTES]);
    FileKey::new(Sealer::new(cipher, &key), u64_at(secret, KEY_BYTES))
}

/// The integer at `at`.
///
/// # Panics
/// When `bytes` end before it does: a caller's bug.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut integer = [0; 8];
    integer.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(integer)
}

/// As [`u64_at`].
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut integer = [0; 4];
    integer.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> ([u8; HEADER_BYTES], Key) {
        let key = Key::new([3; KEY_BYTES]);
        let cipher = Cipher::ChaCha20Poly1305;
        let (bytes, _) = new_file("a.sst", cipher, Kind::Log, KeyId(7), &key).unwrap();
        (bytes, key)
    }

    #[test]
    fn only_the_right_key_and_name_open_it() {
        let (bytes, key) = sample();
        let header = FileHeader::read(&bytes).unwrap();
        assert_eq!((header.key, header.kind), (KeyId(7), Kind::Log));
        assert!(header.unwrap("a.sst", &key).is_some());
        assert!(header.unwrap("b.sst", &key).is_none());
        let wrong = Key::new([4; KEY_BYTES]);
        assert!(header.unwrap("a.sst", &wrong).is_none());
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let (bytes, key) = sample();
        for bit in 0..HEADER_BYTES * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(FileHeader::read(&damaged).is_err(), "{bit}");
            // The same with a checksum that somebody has made right again.
            let checksum = xxh3_64(&damaged[..CHECKSUM]);
            damaged[CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
            if let Ok(header) = FileHeader::read(&damaged) {
                let harmless = (92..CHECKSUM).contains(&(bit / 8)) || bit / 8 >= CHECKSUM;
                assert_eq!(header.unwrap("a.sst", &key).is_some(), harmless, "{bit}");
            }
        }
    }
}
