//! Files made in random pieces read back as plain ones do, anywhere, while they are written and afterwards.

use crate::{random_bytes, storage};
use aether_crypt::Cipher;
use aether_env::{FileRange, Storage};

/// Appends to a file or writes a log, with syncs and reads between; a plain vector is the truth.
#[test]
fn files_in_random_pieces() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let cipher = random
            .choice([Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305])
            .unwrap();
        let (_, storage) = storage(cipher);
        let mut model = Vec::new();
        let longest = random.choice([10, 300, 5_000, 200_000]).unwrap();
        let pieces = random.usize(1..60);
        let piece = |random: &mut fastrand::Rng| {
            let bytes = random.usize(0..longest);
            random_bytes(random, bytes)
        };
        if random.bool() {
            let mut file = storage.create("f").unwrap();
            for _ in 0..pieces {
                let bytes = piece(&mut random);
                file.append(&bytes).unwrap();
                model.extend(bytes);
                match random.u8(..8) {
                    0 => file.sync().unwrap(),
                    1 => file.syncer().unwrap().sync().unwrap(),
                    2 => check(&storage, &model, &mut random),
                    _ => {}
                }
            }
        } else {
            let mut log = storage.create_log("f", 10_000).unwrap();
            for _ in 0..pieces {
                let bytes = piece(&mut random);
                let end = (model.len() + bytes.len()) as u64;
                if log.reserved() < end {
                    log.reserve(end + random.u64(..5_000)).unwrap();
                }
                log.write_at(model.len() as u64, &bytes).unwrap();
                model.extend(bytes);
                if random.u8(..4) == 0 {
                    check(&storage, &model, &mut random);
                }
            }
            if random.bool() {
                log.finish(model.len() as u64).unwrap();
            }
        }
        check(&storage, &model, &mut random);
        assert_eq!(
            storage.list().unwrap()[0].bytes,
            model.len() as u64,
            "{seed}"
        );
        let map = storage.open("f").unwrap().map_private().unwrap();
        assert!(map[..] == model[..], "{seed}");
    }
}

fn check(storage: &dyn Storage, model: &[u8], random: &mut fastrand::Rng) {
    let file = storage.open("f").unwrap();
    assert_eq!(file.len(), model.len() as u64);
    let places: Vec<(usize, usize)> = (0..10)
        .map(|_| {
            let from = random.usize(..=model.len());
            (from, random.usize(from..=model.len()))
        })
        .collect();
    let mut buffers: Vec<Vec<u8>> = places.iter().map(|(from, to)| vec![0; to - from]).collect();
    let mut reads: Vec<FileRange<'_>> = places
        .iter()
        .zip(&mut buffers)
        .map(|((from, _), buffer)| FileRange {
            file: &*file,
            offset: *from as u64,
            buffer,
        })
        .collect();
    storage.read_batch(&mut reads).unwrap();
    for ((from, to), buffer) in places.iter().zip(&mut buffers) {
        assert!(
            *buffer == model[*from..*to],
            "{from}..{to} of {}",
            model.len()
        );
        buffer.fill(0);
        file.read_at(*from as u64, buffer).unwrap();
        assert!(
            *buffer == model[*from..*to],
            "{from}..{to} of {}",
            model.len()
        );
    }
    let beyond = file.read_at(model.len() as u64, &mut [0]).unwrap_err();
    assert_eq!(beyond.kind(), std::io::ErrorKind::UnexpectedEof);
}
