//! Encrypted files against plain ones, and against whoever changes them.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod damage;
mod model;
mod nonces;

use aether_crypt::{Cipher, EncryptedStorage, Key, KeyId, StaticKeys};
use aether_env::{MemoryStorage, Storage};
use std::sync::Arc;

/// An encrypted storage and what it lies on.
fn storage(cipher: Cipher) -> (MemoryStorage, EncryptedStorage) {
    let memory = MemoryStorage::new();
    let keys = Arc::new(StaticKeys::new(KeyId(1), Key::new([5; 32])));
    let storage = EncryptedStorage::new(Arc::new(memory.clone()), keys, cipher);
    (memory, storage)
}

fn random_bytes(random: &mut fastrand::Rng, bytes: usize) -> Vec<u8> {
    std::iter::repeat_with(|| random.u8(..))
        .take(bytes)
        .collect()
}

fn read_all(storage: &dyn Storage, name: &str) -> std::io::Result<Vec<u8>> {
    let file = storage.open(name)?;
    let mut bytes = vec![0; usize::try_from(file.len()).unwrap()];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}
