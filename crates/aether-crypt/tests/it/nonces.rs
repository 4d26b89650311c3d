//! No key seals two things with one nonce.

use crate::{random_bytes, storage};
use aether_crypt::Cipher;
use aether_env::{MemoryStorage, Storage};
use aether_sim::{Fault, Io, SimStorage};
use std::collections::BTreeSet;

const HEADER_BYTES: usize = 128;

/// The numbers of the frames of a file, by walking over them.
fn numbers(file: &[u8]) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut rest = &file[HEADER_BYTES..];
    while rest.len() > 24 {
        numbers.push(u64::from_le_bytes(rest[..8].try_into().unwrap()));
        let length = u32::from_le_bytes(rest[16..20].try_into().unwrap()) & (u32::MAX >> 1);
        let frame = (24 + usize::try_from(length).unwrap() + 16).next_multiple_of(8);
        rest = &rest[frame.min(rest.len())..];
    }
    numbers
}

fn wrapped_secrets(memory: &MemoryStorage) -> Vec<Vec<u8>> {
    let files = memory.list().unwrap().into_iter();
    let contents = files.map(|file| memory.contents(&file.name).unwrap());
    contents
        .filter(|bytes| bytes.len() >= HEADER_BYTES)
        .map(|bytes| bytes[24..92].to_vec())
        .collect()
}

#[test]
fn frames_are_counted_and_never_rewritten() {
    let (memory, storage) = storage(Cipher::Aes256Gcm);
    let mut random = fastrand::Rng::with_seed(1);
    let mut file = storage.create("f").unwrap();
    let mut before = Vec::new();
    for _ in 0..200 {
        let bytes = random.usize(..6_000);
        file.append(&random_bytes(&mut random, bytes)).unwrap();
        if random.bool() {
            file.sync().unwrap();
        }
        let now = memory.contents("f").unwrap();
        assert!(now.starts_with(&before), "something was rewritten");
        before = now;
    }
    let numbers = numbers(&before);
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    assert!(numbers.len() > 150);
}

/// The same contents under the same name, again and again: always another key and other bytes.
#[test]
fn every_file_has_its_own_key() {
    let mut secrets = BTreeSet::new();
    let mut bodies = BTreeSet::new();
    let (memory, storage) = storage(Cipher::Aes256Gcm);
    for _ in 0..100 {
        storage.put_if_absent("put", &[0; 100]).unwrap();
        storage.create("made").unwrap().append(&[0; 100]).unwrap();
        let mut log = storage.create_log("log", 4_096).unwrap();
        log.reserve(100).unwrap();
        log.write_at(0, &[0; 100]).unwrap();
        for secret in wrapped_secrets(&memory) {
            assert!(secrets.insert(secret));
        }
        for name in ["put", "made", "log"] {
            let bytes = memory.contents(name).unwrap();
            assert!(bodies.insert(bytes[HEADER_BYTES + 24..HEADER_BYTES + 124].to_vec()));
            storage.delete(name).unwrap();
        }
    }
}

/// After a write that failed half way, the writer seals nothing more into the file.
#[test]
fn a_failed_write_ends_the_file() {
    for seed in 0..20 {
        let sim = SimStorage::new(seed);
        let keys =
            aether_crypt::StaticKeys::new(aether_crypt::KeyId(1), aether_crypt::Key::new([5; 32]));
        let storage = aether_crypt::EncryptedStorage::new(
            std::sync::Arc::new(sim.clone()),
            std::sync::Arc::new(keys),
            Cipher::Aes256Gcm,
        );
        let mut file = storage.create("f").unwrap();
        file.append(&[1; 10_000]).unwrap();
        file.sync().unwrap();
        sim.fail(Fault {
            on: &[Io::Append],
            after: 0,
            sticky: false,
        });
        file.append(&[2; 10_000]).unwrap_err();
        let left = sim.memory().contents("f").unwrap();
        file.append(&[3; 10_000]).unwrap_err();
        file.sync().unwrap_err();
        drop(file);
        assert!(sim.memory().contents("f").unwrap() == left);
        let numbers = numbers(&left);
        let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
        assert_eq!(distinct.len(), numbers.len());
        let mut bytes = vec![0; 10_000];
        storage.open("f").unwrap().read_at(0, &mut bytes).unwrap();
        assert!(bytes == [1; 10_000]);
    }
}
