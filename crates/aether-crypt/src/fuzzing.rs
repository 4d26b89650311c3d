//! An encrypted file of any bytes, for fuzzers and for the test that reads what they have found: tags and checksums are
//! not compared then, or hardly any input would reach what stands behind them.
//!
//! Any error is fine; a panic, a hang or unbounded memory is a bug.

use crate::{Cipher, EncryptedStorage, Key, KeyId, StaticKeys};
use aether_env::{MemoryStorage, Storage};
use std::sync::Arc;

const NAME: &str = "f";

/// A storage with one file.
#[derive(Debug)]
pub struct Specimen {
    memory: MemoryStorage,
    storage: EncryptedStorage,
    /// A log as it is written.
    pub start: Vec<u8>,
}

impl Specimen {
    /// The file is a log.
    #[expect(clippy::new_without_default, reason = "it writes and encrypts")]
    pub fn new() -> Specimen {
        let memory = MemoryStorage::new();
        let keys = Arc::new(StaticKeys::new(KeyId(1), Key::new([1; 32])));
        let storage = EncryptedStorage::new(Arc::new(memory.clone()), keys, Cipher::Aes256Gcm);
        let mut log = storage.create_log(NAME, 4096).expect("memory is writable");
        log.reserve(9_000).expect("memory has room");
        for record in 0..9_u8 {
            log.write_at(u64::from(record) * 1_000, &[record; 1_000])
                .expect("memory is writable");
        }
        log.finish(9_000).expect("memory is writable");
        drop(log);
        let start = memory.contents(NAME).expect("it was written");
        Specimen {
            memory,
            storage,
            start,
        }
    }

    /// Lists and opens the file as `bytes`, and reads it everywhere.
    pub fn examine(&self, bytes: &[u8]) {
        self.memory.replace(NAME, bytes.to_vec());
        let _ = self.storage.list();
        let _ = self.storage.keys_in_use();
        let Ok(file) = self.storage.open(NAME) else {
            return;
        };
        let mut buffer = vec![0; 5_000];
        for offset in (0..file.len().min(1 << 20)).step_by(3_001) {
            let rest = usize::try_from(file.len() - offset).unwrap_or(usize::MAX);
            let end = rest.min(buffer.len());
            let _ = file.read_at(offset, &mut buffer[..end]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genuine;
    use std::fs;
    use std::path::Path;

    /// What the fuzzer has found worth keeping.
    #[test]
    fn what_fuzzers_have_found_is_read() {
        genuine::tests::take_all();
        let specimen = Specimen::new();
        specimen.examine(&specimen.start);
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/encrypted");
        for file in fs::read_dir(corpus).unwrap() {
            let path = file.unwrap().path();
            eprintln!("{}", path.display());
            specimen.examine(&fs::read(path).unwrap());
        }
    }
}
