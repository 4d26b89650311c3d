//! What a simulated machine does when it fails.

use aether_env::{CrashImage, Storage};
use aether_sim::{Fault, Io, SimStorage};
use std::collections::BTreeSet;
use std::io::{self, ErrorKind};

/// Nine mutating I/Os.
fn script(storage: &SimStorage) -> io::Result<()> {
    let mut log = storage.create("log")?;
    storage.sync_names()?;
    log.append(&[1; 100])?;
    log.sync()?;
    log.append(&[2; 100])?;
    log.sync()?;
    storage.put_if_absent("MANIFEST-1", b"manifest")?;
    storage.delete("log")?;
    storage.sync_names()
}

#[test]
fn power_can_be_cut_at_every_mutating_io() {
    let whole = SimStorage::new(0);
    script(&whole).unwrap();
    assert_eq!(whole.io_count(), 9);
    for n in 0..9 {
        let storage = SimStorage::new(n);
        storage.power_cut_at(n);
        script(&storage).unwrap_err();
        assert!(storage.is_off());
        assert_eq!(
            storage.io_count(),
            n + 1,
            "nothing is counted after the cut"
        );
        assert!(
            storage.list().is_err()
                && storage.open("log").is_err()
                && storage.lock("LOCK").is_err()
        );
        for image in CrashImage::ALL {
            let image = storage.memory().image(image, n);
            let log = image.contents("log");
            if n > 3 && n < 7 {
                assert_eq!(log.unwrap()[..100], [1; 100]);
            } else if n < 3 {
                assert!(log.unwrap_or_default().is_empty() || n == 2);
            }
            assert!(n < 7 || image.contents("MANIFEST-1").unwrap() == b"manifest");
        }
    }
}

#[test]
fn an_interrupted_append_is_torn_anywhere() {
    let lengths: BTreeSet<usize> = (0..100)
        .map(|seed| {
            let storage = SimStorage::new(seed);
            storage.power_cut_at(1);
            storage
                .create("f")
                .unwrap()
                .append(&[7; 1_000])
                .unwrap_err();
            storage
                .memory()
                .image(CrashImage::KeepAll, 0)
                .contents("f")
                .unwrap()
                .len()
        })
        .collect();
    assert!(lengths.len() > 50);
}

#[test]
fn runs_of_one_seed_are_alike() {
    let run = || {
        let storage = SimStorage::new(42);
        storage.power_cut_at(4);
        script(&storage).unwrap_err();
        (
            storage.trace(),
            storage
                .memory()
                .image(CrashImage::Torn, 3)
                .contents("log")
                .unwrap(),
        )
    };
    assert_eq!(run(), run());
}

#[test]
fn faults_hit_the_chosen_kinds_and_errors_name_the_file() {
    let storage = SimStorage::new(1);
    storage.fail(Fault {
        on: &[Io::Append],
        after: 1,
        sticky: false,
    });
    let mut file = storage.create("log").unwrap();
    file.append(b"one").unwrap();
    let error = file.append(b"two").unwrap_err();
    assert!(error.to_string().contains("log"), "{error}");
    file.append(b"three").unwrap();
    storage.fail(Fault {
        on: Io::READING,
        after: 0,
        sticky: true,
    });
    for _ in 0..3 {
        storage.open("log").unwrap_err();
        storage.list().unwrap_err();
    }
    storage.clear_faults();
    storage.open("log").unwrap();
}

#[test]
fn a_failed_sync_is_never_made_good() {
    let storage = SimStorage::new(1);
    let mut file = storage.create("log").unwrap();
    file.append(b"safe").unwrap();
    file.sync().unwrap();
    file.append(b"lost").unwrap();
    storage.fail(Fault {
        on: &[Io::Sync],
        after: 0,
        sticky: false,
    });
    file.sync().unwrap_err();
    file.sync().unwrap();
    assert_eq!(
        storage
            .memory()
            .image(CrashImage::LoseUnsynced, 0)
            .contents("log")
            .unwrap(),
        b"safe"
    );
}

#[test]
fn a_full_disk_takes_what_fits_and_recovers() {
    let storage = SimStorage::new(1);
    let mut file = storage.create("log").unwrap();
    storage.disk_full(5);
    file.append(b"123").unwrap();
    assert_eq!(
        file.append(b"4567").unwrap_err().kind(),
        ErrorKind::StorageFull
    );
    assert_eq!(storage.memory().contents("log").unwrap(), b"12345");
    assert_eq!(
        storage.create("x").unwrap_err().kind(),
        ErrorKind::StorageFull
    );
    assert_eq!(
        storage.put_if_absent("x", b"1").unwrap_err().kind(),
        ErrorKind::StorageFull
    );
    assert_eq!(storage.open("log").unwrap().len(), 5, "reads go on");
    storage.free();
    storage.put_if_absent("x", b"1").unwrap();
}

#[test]
fn the_deterministic_environment_has_no_threads() {
    let env = SimStorage::new(0).env();
    assert!(env.spawner.spawn("flush", Box::new(|| {})).is_err());
    assert_eq!(env.clock.elapsed(), env.clock.elapsed());
}
