//! An encrypted file of any bytes is listed, opened and read everywhere.
#![no_main]

use aether_crypt::{Cipher, EncryptedStorage, Key, KeyId, StaticKeys};
use aether_env::{MemoryStorage, Storage};
use std::sync::{Arc, LazyLock};

/// Memory, the storage over it, and a log as it is written today.
static SPECIMEN: LazyLock<(MemoryStorage, EncryptedStorage, Vec<u8>)> = LazyLock::new(|| {
    let memory = MemoryStorage::new();
    let keys = Arc::new(StaticKeys::new(KeyId(1), Key::new([1; 32])));
    let storage = EncryptedStorage::new(Arc::new(memory.clone()), keys, Cipher::Aes256Gcm);
    let mut log = storage.create_log("f", 4096).expect("memory is writable");
    log.reserve(9_000).expect("memory has room");
    for record in 0..9_u8 {
        log.write_at(u64::from(record) * 1_000, &[record; 1_000]).expect("memory is writable");
    }
    log.finish(9_000).expect("memory is writable");
    drop(log);
    let bytes = memory.contents("f").expect("it was written");
    (memory, storage, bytes)
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (memory, storage, _) = &*SPECIMEN;
    memory.replace("f", bytes.to_vec());
    let _ = storage.list();
    let _ = storage.keys_in_use();
    let Ok(file) = storage.open("f") else {
        return;
    };
    let mut buffer = vec![0; 5_000];
    for offset in (0..file.len().min(1 << 20)).step_by(3_001) {
        let rest = usize::try_from(file.len() - offset).unwrap_or(usize::MAX);
        let end = rest.min(buffer.len());
        let _ = file.read_at(offset, &mut buffer[..end]);
    }
});

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, _seed: u32| {
    let whole = &SPECIMEN.2;
    if size < 8 && whole.len() <= max_size {
        data[..whole.len()].copy_from_slice(whole);
        return whole.len();
    }
    libfuzzer_sys::fuzzer_mutate(data, size, max_size)
});
