//! Keys, and where they come from.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use parking_lot::RwLock;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// The name of a key: a number that stands in the clear in every file whose data key is wrapped by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u64);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A secret of 256 bits. Its memory is wiped when it goes, and it is never shown.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Key([u8; KEY_BYTES]);

impl Key {
    /// The key with these bytes. They must come from a random source or a key derivation, never from a password as it
    /// is.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Key {
        Key(bytes)
    }

    /// A new key from the randomness of the operating system.
    ///
    /// # Errors
    /// When the system has none to give.
    pub fn random() -> io::Result<Key> {
        let mut key = Key([0; KEY_BYTES]);
        fill_random(&mut key.0)?;
        Ok(key)
    }

    /// A key as it stands in a file: 32 raw bytes, or 64 hexadecimal digits with white space around them.
    ///
    /// # Errors
    /// `InvalidData` for anything else.
    pub fn parse(contents: &[u8]) -> io::Result<Key> {
        if let Ok(bytes) = contents.try_into() {
            return Ok(Key(bytes));
        }
        parse_hex(contents.trim_ascii()).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "a key is {KEY_BYTES} bytes or {} hexadecimal digits, and this is neither: it has {} bytes",
                    2 * KEY_BYTES,
                    contents.len()
                ),
            )
        })
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

fn parse_hex(digits: &[u8]) -> Option<Key> {
    if digits.len() != 2 * KEY_BYTES {
        return None;
    }
    let mut key = Key([0; KEY_BYTES]);
    for (byte, pair) in key.0.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16)?).ok();
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(key)
}

/// Fills `bytes` from the operating system.
pub(crate) fn fill_random(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes)
        .map_err(|error| io::Error::other(format!("the system gives no random bytes: {error}")))
}

/// Where keys come from: a file, a key management service, a hardware module.
///
/// Both methods are called for each file that is made or opened: an implementation that has to go far keeps what it
/// has got.
pub trait KeyProvider: Send + Sync + fmt::Debug {
    /// The key for new files. Rotation is to answer with another one from now on.
    fn current(&self) -> KeyId;

    /// The key `id`. `NotFound` when there is none; other errors when it cannot be had now.
    fn key(&self, id: KeyId) -> io::Result<Key>;
}

/// Keys that are held in memory.
#[derive(Debug)]
pub struct StaticKeys(RwLock<Keys>);

#[derive(Debug)]
struct Keys {
    current: KeyId,
    by_id: BTreeMap<KeyId, Key>,
}

impl StaticKeys {
    /// One key, which is the current one.
    pub fn new(id: KeyId, key: Key) -> StaticKeys {
        StaticKeys(RwLock::new(Keys {
            current: id,
            by_id: BTreeMap::from([(id, key)]),
        }))
    }

    /// The key of a file (see [`Key::parse`]), as key `id`.
    ///
    /// # Errors
    /// When the file cannot be read or holds no key; the error names it.
    pub fn from_file(id: KeyId, path: impl AsRef<Path>) -> io::Result<StaticKeys> {
        let path = path.as_ref();
        let explain = |error: io::Error| {
            let text = format!("cannot read the key file {}: {error}", path.display());
            io::Error::new(error.kind(), text)
        };
        let mut contents = std::fs::read(path).map_err(explain)?;
        let key = Key::parse(&contents).map_err(explain);
        contents.zeroize();
        Ok(StaticKeys::new(id, key?))
    }

    /// Adds a key that new files use from now on; those before it stay, for the files that need them.
    pub fn rotate(&self, id: KeyId, key: Key) {
        let mut keys = self.0.write();
        keys.by_id.insert(id, key);
        keys.current = id;
    }

    /// Adds a key for files that are there.
    pub fn add(&self, id: KeyId, key: Key) {
        self.0.write().by_id.insert(id, key);
    }

    /// Forgets a key; files that need it can no longer be read. See
    /// [`EncryptedStorage::keys_in_use`](crate::EncryptedStorage::keys_in_use).
    pub fn remove(&self, id: KeyId) {
        self.0.write().by_id.remove(&id);
    }
}

impl KeyProvider for StaticKeys {
    fn current(&self) -> KeyId {
        self.0.read().current
    }

    fn key(&self, id: KeyId) -> io::Result<Key> {
        self.0.read().by_id.get(&id).cloned().ok_or_else(|| {
            let text = format!("key {id} is not among the keys that were given");
            io::Error::new(io::ErrorKind::NotFound, text)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_raw_and_as_digits() {
        let raw = [0xab; KEY_BYTES];
        assert_eq!(Key::parse(&raw).unwrap().as_bytes(), &raw);
        let digits = format!("  {}\n", "aB".repeat(KEY_BYTES));
        assert_eq!(Key::parse(digits.as_bytes()).unwrap().as_bytes(), &raw);
        for wrong in [
            &b""[..],
            b"password",
            &[0; 31],
            &[b'g'; 64],
            "ä".repeat(32).as_bytes(),
        ] {
            assert_eq!(
                Key::parse(wrong).unwrap_err().kind(),
                io::ErrorKind::InvalidData
            );
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let keys = StaticKeys::new(KeyId(1), Key::new([0xab; KEY_BYTES]));
        let shown = format!("{keys:?}");
        assert!(!shown.contains("ab, ") && !shown.contains("171"), "{shown}");
    }

    #[test]
    fn a_missing_key_file_is_named() {
        let error = StaticKeys::from_file(KeyId(1), "/missing/key").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("/missing/key"), "{error}");
    }
}
