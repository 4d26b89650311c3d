//! The two ciphers, as one type: bytes in place, a tag beside them.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit};
use chacha20poly1305::ChaCha20Poly1305;

use crate::genuine;
use crate::keys::KEY_BYTES;

/// Bytes of a nonce.
pub(crate) const NONCE_BYTES: usize = 12;

/// Bytes of a tag.
pub(crate) const TAG_BYTES: usize = 16;

/// How files are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cipher {
    /// AES-256-GCM: the faster one where the processor has instructions for it, which nearly all have.
    #[default]
    Aes256Gcm,
    /// ChaCha20-Poly1305: the faster one where it has not, and there the safer one too.
    ChaCha20Poly1305,
}

impl Cipher {
    pub(crate) fn code(self) -> u8 {
        match self {
            Cipher::Aes256Gcm => 1,
            Cipher::ChaCha20Poly1305 => 2,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Cipher> {
        match code {
            1 => Some(Cipher::Aes256Gcm),
            2 => Some(Cipher::ChaCha20Poly1305),
            _ => None,
        }
    }
}

/// A cipher with its key. The crates wipe their key schedules when these go.
pub(crate) enum Sealer {
    Aes(Box<Aes256Gcm>),
    ChaCha(Box<ChaCha20Poly1305>),
}

impl Sealer {
    pub(crate) fn new(cipher: Cipher, key: &[u8; KEY_BYTES]) -> Sealer {
        match cipher {
            Cipher::Aes256Gcm => Sealer::Aes(Box::new(Aes256Gcm::new(key.into()))),
            Cipher::ChaCha20Poly1305 => Sealer::ChaCha(Box::new(ChaCha20Poly1305::new(key.into()))),
        }
    }

    /// Encrypts `bytes` in place. A nonce is never used twice with one key: the callers' duty.
    ///
    /// # Panics
    /// When there are more than 64 GiB of `bytes`: a caller's bug.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        bytes: &mut [u8],
    ) -> [u8; TAG_BYTES] {
        let sealed = match self {
            Sealer::Aes(aead) => {
                aead.encrypt_inout_detached(&(*nonce).into(), associated, bytes.into())
            }
            Sealer::ChaCha(aead) => {
                aead.encrypt_inout_detached(&(*nonce).into(), associated, bytes.into())
            }
        };
        sealed
            .expect("frames are far below the limits of the ciphers")
            .into()
    }

    /// Decrypts `bytes` in place; false, and `bytes` are of no use, when they are not what was sealed.
    #[must_use]
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        bytes: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> bool {
        let (nonce, tag) = (&(*nonce).into(), &(*tag).into());
        match self {
            Sealer::Aes(aead) => aead.decrypt_inout_detached(nonce, associated, bytes.into(), tag),
            Sealer::ChaCha(aead) => {
                aead.decrypt_inout_detached(nonce, associated, bytes.into(), tag)
            }
        }
        .is_ok()
            || genuine::takes_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test case 16 of the GCM paper (with its 96-bit nonce) and the example of RFC 8439, section 2.8.2.
    #[test]
    fn known_answers() {
        fn bytes<const N: usize>(hex: &str) -> [u8; N] {
            let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
            let mut pairs = digits.chunks_exact(2);
            std::array::from_fn(|_| {
                let pair = std::str::from_utf8(pairs.next().unwrap()).unwrap();
                u8::from_str_radix(pair, 16).unwrap()
            })
        }
        let key = bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
        let mut text: [u8; 60] = bytes(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        );
        let associated: [u8; 20] = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let aes = Sealer::new(Cipher::Aes256Gcm, &key);
        let tag = aes.seal(&bytes("cafebabefacedbaddecaf888"), &associated, &mut text);
        assert_eq!(tag, bytes("76fc6ece0f4e1768cddf8853bb2d551b"));
        assert_eq!(text[..4], bytes::<4>("522dc1f0"));

        let key = std::array::from_fn(|at| 0x80 + u8::try_from(at).unwrap());
        let mut text = *b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let associated: [u8; 12] = bytes("50515253c0c1c2c3c4c5c6c7");
        let chacha = Sealer::new(Cipher::ChaCha20Poly1305, &key);
        let nonce = bytes("070000004041424344454647");
        let tag = chacha.seal(&nonce, &associated, &mut text);
        assert_eq!(tag, bytes("1ae10b594f09e26a7e902ecbd0600691"));
        assert!(chacha.open(&nonce, &associated, &mut text, &tag));
        assert!(text.starts_with(b"Ladies and Gentlemen"));
    }
}
