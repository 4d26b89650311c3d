//! What somebody changes in a file is an error that names the file, and never other bytes than were written.

use crate::{random_bytes, read_all, storage};
use aether_crypt::Cipher;
use aether_env::Storage;
use std::io::ErrorKind;

fn contents(storage: &dyn Storage, name: &str) -> Vec<u8> {
    read_all(storage, name).unwrap()
}

#[test]
fn flipped_bits_are_named_and_the_rest_stays_readable() {
    let (memory, storage) = storage(Cipher::Aes256Gcm);
    let mut random = fastrand::Rng::with_seed(3);
    let plain = random_bytes(&mut random, 50_000);
    let mut file = storage.create("000007.sst").unwrap();
    file.append(&plain).unwrap();
    file.sync().unwrap();
    drop(file);
    let sealed = memory.contents("000007.sst").unwrap();
    for _ in 0..400 {
        let mut damaged = sealed.clone();
        damaged[random.usize(..sealed.len())] ^= 1 << random.u8(..8);
        memory.replace("000007.sst", damaged);
        let Ok(file) = storage.open("000007.sst") else {
            continue; // in the header
        };
        let mut wrong = 0;
        for (at, block) in (0..).zip(plain.chunks(1_000)) {
            let mut bytes = vec![0; block.len()];
            match file.read_at(at * 1_000, &mut bytes) {
                Ok(()) => assert!(bytes == block, "other bytes"),
                Err(error) => {
                    assert!(error.to_string().contains("000007.sst"), "{error}");
                    wrong += 1;
                }
            }
        }
        // A frame has 4 to 6 of these blocks; the last one is gone with its header.
        assert!(wrong <= 6, "{wrong} blocks");
    }
}

#[test]
fn cut_and_swapped_files_are_seen() {
    let (memory, storage) = storage(Cipher::ChaCha20Poly1305);
    let mut random = fastrand::Rng::with_seed(4);
    let plain = random_bytes(&mut random, 20_000);
    storage.put_if_absent("whole", &plain).unwrap();
    storage.put_if_absent("other", &plain).unwrap();
    let sealed = memory.contents("whole").unwrap();
    for cut in (0..sealed.len())
        .step_by(37)
        .chain([128 + 4_136, 128 + 2 * 4_136])
    {
        memory.replace("whole", sealed[..cut].to_vec());
        match storage.open("whole") {
            Ok(file) => assert_eq!((cut, file.len()), (0, 0)),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidData, "{cut}: {error}");
                assert!(error.to_string().contains("whole"), "{error}");
            }
        }
    }
    // Two frames of one file change places; a frame of another file; another file's name.
    let mut swapped = sealed.clone();
    let (first, second) = (128..128 + 4_136, 128 + 4_136..128 + 2 * 4_136);
    let frame = swapped[first.clone()].to_vec();
    swapped.copy_within(second.clone(), first.start);
    swapped[second.clone()].copy_from_slice(&frame);
    memory.replace("whole", swapped);
    assert_eq!(
        read_all(&storage, "whole").unwrap_err().kind(),
        ErrorKind::InvalidData
    );
    let mut foreign = sealed.clone();
    foreign[second.clone()].copy_from_slice(&memory.contents("other").unwrap()[second]);
    memory.replace("whole", foreign);
    assert_eq!(
        read_all(&storage, "whole").unwrap_err().kind(),
        ErrorKind::InvalidData
    );
    memory.replace("whole", memory.contents("other").unwrap());
    let error = read_all(&storage, "whole").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(error.to_string().contains("whole"), "{error}");
}

/// A log shows what does not authenticate as zeros (lost) or 0xff (damaged), and never as what somebody put there.
#[test]
fn a_log_shows_nothing_that_was_not_written() {
    let (memory, storage) = storage(Cipher::Aes256Gcm);
    let mut random = fastrand::Rng::with_seed(5);
    let mut log = storage.create_log("000001.wal", 1 << 16).unwrap();
    let mut plain: Vec<u8> = Vec::new();
    while plain.len() < 30_000 {
        let bytes = random.usize(1..700);
        let record = vec![random.u8(1..0xff); bytes];
        log.reserve((plain.len() + bytes) as u64).unwrap();
        log.write_at(plain.len() as u64, &record).unwrap();
        plain.extend(record);
    }
    drop(log);
    let sealed = memory.contents("000001.wal").unwrap();
    assert!(contents(&storage, "000001.wal") == plain);
    for round in 0..300 {
        let mut changed = sealed.clone();
        let at = random.usize(128..sealed.len());
        if round % 3 == 0 {
            let sector = at / 512 * 512;
            let end = (sector + 512).min(sealed.len());
            changed[sector.max(128)..end].fill(0);
        } else if round % 3 == 1 {
            changed[at] ^= 1 << random.u8(..8);
        } else {
            changed.truncate(at);
        }
        memory.replace("000001.wal", changed);
        let shown = contents(&storage, "000001.wal");
        assert!(shown.len() <= plain.len());
        for (shown, plain) in shown.iter().zip(&plain) {
            assert!(shown == plain || *shown == 0 || *shown == 0xff, "{round}");
        }
        if round % 3 == 2 {
            assert!(plain.starts_with(&shown), "cut at {at}");
        }
    }
}
