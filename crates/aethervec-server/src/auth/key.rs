//! API keys: 256 random bits that whoever has them may call with. A server keeps their SHA-256 only.
//!
//! A slow hash is for secrets that can be guessed; these cannot be.

use crate::error::{ApiError, ApiResult};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use subtle::ConstantTimeEq;

/// What our keys begin with, so that tools which look for lost secrets know them.
const PREFIX: &str = "avk_";

/// What stands in front of a hash.
const ALGORITHM: &str = "sha256:";

/// Bytes that a key has at least: what is shorter may be guessed.
pub const KEY_BYTES_MIN: usize = 20;

/// An API key. It is not shown by `Debug`.
pub struct Key(String);

/// What is kept of a key.
#[derive(Clone, Copy, Debug)]
pub struct KeyHash([u8; digest::SHA256_OUTPUT_LEN]);

impl Key {
    /// A fresh one.
    ///
    /// # Errors
    /// [`ApiErrorKind::Internal`](crate::ApiErrorKind::Internal) when the machine has no randomness.
    pub fn generate() -> ApiResult<Key> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| {
            ApiError::new(
                crate::ApiErrorKind::Internal,
                "the machine gives no random bytes",
            )
        })?;
        Ok(Key(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// One that somebody has already.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`](crate::ApiErrorKind::Invalid) when it is so short that it could be guessed, or cannot be sent in a header.
    pub fn from_text(text: &str) -> ApiResult<Key> {
        if text.len() < KEY_BYTES_MIN || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ApiError::invalid(format!(
                "key: it must be at least {KEY_BYTES_MIN} characters, printable ASCII without spaces"
            )));
        }
        Ok(Key(text.to_owned()))
    }

    /// The key itself, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(self.0.as_bytes())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl KeyHash {
    /// That of what a caller has sent.
    pub fn of(secret: &[u8]) -> KeyHash {
        let mut hash = [0; digest::SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest::digest(&digest::SHA256, secret).as_ref());
        KeyHash(hash)
    }

    /// The hash that `sha256:` and 64 hexadecimal digits spell.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`](crate::ApiErrorKind::Invalid) when `text` is none. It is not repeated: it may be a key.
    pub fn parse(text: &str) -> ApiResult<KeyHash> {
        let digits = text.strip_prefix(ALGORITHM).filter(|digits| {
            digits.len() == 2 * digest::SHA256_OUTPUT_LEN
                && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        let digits = digits.ok_or_else(|| {
            ApiError::invalid("key: it must be \"sha256:\" and 64 hexadecimal digits, never the key itself: `aethervec key hash` makes it")
        })?;
        let mut hash = [0; digest::SHA256_OUTPUT_LEN];
        for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).expect("digits are ASCII");
            *byte = u8::from_str_radix(pair, 16).expect("they were just looked at");
        }
        Ok(KeyHash(hash))
    }

    /// Where to look for it in a table: what a table's timing tells of a hash's beginning is of no use for finding a key.
    pub(super) fn place(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        u64::from_le_bytes(first)
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    pub(super) fn is(&self, other: &KeyHash) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ALGORITHM)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_random_and_known_by_its_hash() {
        let (key, other) = (Key::generate().unwrap(), Key::generate().unwrap());
        assert_ne!(key.reveal(), other.reveal());
        let kept = KeyHash::parse(&key.hash().to_string()).unwrap();
        assert!(kept.is(&KeyHash::of(key.reveal().as_bytes())));
        assert!(!kept.is(&other.hash()));
        assert_eq!(format!("{key:?}"), "Key(…)");
    }

    #[test]
    fn hashes_are_those_of_everybody() {
        assert_eq!(
            KeyHash::of(b"abc").to_string(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        for wrong in ["", "sha256:", "sha256:zz", "avk_secret", &"a".repeat(64)] {
            let error = KeyHash::parse(wrong).unwrap_err();
            assert!(!error.message.contains("avk_secret"));
        }
    }

    #[test]
    fn what_could_be_guessed_is_no_key() {
        assert!(Key::from_text("hunter2").is_err());
        assert!(Key::from_text("with spaces in the middle of it").is_err());
        assert!(Key::from_text(&"x".repeat(KEY_BYTES_MIN)).is_ok());
    }
}
