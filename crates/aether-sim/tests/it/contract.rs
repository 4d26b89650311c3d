//! The promises of `aether_env::Storage`, asked of each implementation alike.

use aether_crypt::{Cipher, EncryptedStorage, Key, KeyId, StaticKeys};
use aether_env::{FileEntry, FileRange, LocalStorage, MemoryStorage, Storage};
use aether_sim::SimStorage;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `check` on an empty storage of each kind.
fn on_each(check: impl Fn(&str, Arc<dyn Storage>)) {
    let directory = tempfile::tempdir().unwrap();
    check(
        "local",
        Arc::new(LocalStorage::open(directory.path()).unwrap()),
    );
    check("memory", Arc::new(MemoryStorage::new()));
    check("sim", Arc::new(SimStorage::new(0)));
    let directory = tempfile::tempdir().unwrap();
    let local = Arc::new(LocalStorage::open(directory.path()).unwrap());
    for inner in [local as Arc<dyn Storage>, Arc::new(MemoryStorage::new())] {
        let keys = Arc::new(StaticKeys::new(KeyId(1), Key::random().unwrap()));
        let storage = EncryptedStorage::new(inner, keys, Cipher::Aes256Gcm);
        check("encrypted", Arc::new(storage));
    }
}

fn read_all(storage: &dyn Storage, name: &str) -> Vec<u8> {
    let file = storage.open(name).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn appended_bytes_are_read_back() {
    on_each(|kind, storage| {
        let mut file = storage.create("f").unwrap();
        assert!(storage.open("f").unwrap().is_empty(), "{kind}");
        file.append(b"hello ").unwrap();
        file.append(b"").unwrap();
        file.append(b"world").unwrap();
        file.sync().unwrap();
        file.syncer().unwrap().sync().unwrap();
        let file = storage.open("f").unwrap();
        assert_eq!(file.len(), 11, "{kind}");
        let mut middle = [0; 4];
        file.read_at(4, &mut middle).unwrap();
        assert_eq!(&middle, b"o wo", "{kind}");
    });
}

/// Many pieces of several files, of all lengths, overlapping and in any order.
#[test]
fn a_batch_reads_what_single_reads_do() {
    on_each(|kind, storage| {
        let mut random = fastrand::Rng::with_seed(7);
        let contents: Vec<Vec<u8>> = [0, 1, 4_096, 300_000]
            .map(|bytes| {
                std::iter::repeat_with(|| random.u8(..))
                    .take(bytes)
                    .collect()
            })
            .into();
        let files: Vec<_> = contents
            .iter()
            .enumerate()
            .map(|(at, bytes)| {
                storage.put_if_absent(&format!("f{at}"), bytes).unwrap();
                storage.open(&format!("f{at}")).unwrap()
            })
            .collect();
        for count in [0, 1, 2, 64, 300] {
            let places: Vec<(usize, usize, usize)> = std::iter::repeat_with(|| {
                let at = random.usize(..files.len());
                let from = random.usize(..=contents[at].len());
                let bytes = random.usize(..=(contents[at].len() - from).min(20_000));
                (at, from, bytes)
            })
            .take(count)
            .collect();
            let mut buffers: Vec<Vec<u8>> =
                places.iter().map(|&(.., bytes)| vec![0; bytes]).collect();
            let mut reads: Vec<FileRange<'_>> = places
                .iter()
                .zip(&mut buffers)
                .map(|(&(at, from, _), buffer)| FileRange {
                    file: &*files[at],
                    offset: from as u64,
                    buffer,
                })
                .collect();
            storage.read_batch(&mut reads).unwrap();
            for (&(at, from, bytes), buffer) in places.iter().zip(&buffers) {
                assert!(
                    *buffer == contents[at][from..from + bytes],
                    "{kind}: {bytes} at {from}"
                );
            }
        }
    });
}

#[test]
fn a_batch_with_a_read_beyond_the_end_names_it() {
    on_each(|kind, storage| {
        storage.put_if_absent("whole", &[1; 9_000]).unwrap();
        storage.put_if_absent("short.sst", b"12345").unwrap();
        let (whole, short) = (
            storage.open("whole").unwrap(),
            storage.open("short.sst").unwrap(),
        );
        for offset in [3, 5, 4_096, i64::MAX as u64, u64::MAX] {
            let (mut first, mut second) = ([0; 9_000], [0; 3]);
            let mut reads = [
                FileRange {
                    file: &*whole,
                    offset: 0,
                    buffer: &mut first,
                },
                FileRange {
                    file: &*short,
                    offset,
                    buffer: &mut second,
                },
            ];
            let error = storage.read_batch(&mut reads).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{kind}: {error}");
            let text = error.to_string();
            assert!(
                text.contains("short.sst") && text.contains(&offset.to_string()),
                "{kind}: {text}"
            );
        }
    });
}

#[test]
fn a_reader_sees_its_length_at_opening() {
    on_each(|kind, storage| {
        let mut writer = storage.create("f").unwrap();
        writer.append(b"one").unwrap();
        let reader = storage.open("f").unwrap();
        writer.append(b"two").unwrap();
        assert_eq!(reader.len(), 3, "{kind}");
        assert_eq!(reader.map_private().unwrap()[..], *b"one", "{kind}");
        assert_eq!(read_all(&*storage, "f"), b"onetwo", "{kind}");
    });
}

#[test]
fn reading_beyond_the_end_is_an_error_that_names_file_and_offset() {
    on_each(|kind, storage| {
        storage.put_if_absent("short.sst", b"12345").unwrap();
        let file = storage.open("short.sst").unwrap();
        for (offset, bytes) in [(3, 3), (5, 1), (6, 1), (1 << 40, 1), (i64::MAX as u64, 9)] {
            let error = file.read_at(offset, &mut vec![0; bytes]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{kind}: {error}");
            let text = error.to_string();
            assert!(
                text.contains("short.sst") && text.contains(&offset.to_string()),
                "{kind}: {text}"
            );
        }
        file.read_at(5, &mut []).unwrap();
    });
}

#[test]
fn names_are_taken_once() {
    on_each(|kind, storage| {
        storage.create("created").unwrap();
        storage.put_if_absent("put", b"first").unwrap();
        for name in ["created", "put"] {
            assert_eq!(
                storage.create(name).unwrap_err().kind(),
                ErrorKind::AlreadyExists,
                "{kind}"
            );
            let error = storage.put_if_absent(name, b"second").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{kind}");
            assert!(error.to_string().contains(name), "{kind}: {error}");
        }
        assert_eq!(read_all(&*storage, "put"), b"first", "{kind}");
        assert_eq!(
            storage.list().unwrap().len(),
            2,
            "{kind}: nothing temporary is left"
        );
    });
}

#[test]
fn of_many_putting_at_once_one_wins() {
    on_each(|kind, storage| {
        for round in 0..20 {
            let name = format!("n{round}");
            let winner = AtomicUsize::new(usize::MAX);
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let (storage, name, winner) = (&storage, &name, &winner);
                    scope.spawn(move || {
                        match storage.put_if_absent(name, &[u8::try_from(thread).unwrap(); 5_000]) {
                            Ok(()) => assert_eq!(
                                winner.swap(thread, Ordering::SeqCst),
                                usize::MAX,
                                "{kind}"
                            ),
                            Err(error) => assert_eq!(
                                error.kind(),
                                ErrorKind::AlreadyExists,
                                "{kind}: {error}"
                            ),
                        }
                    });
                }
            });
            let winner = u8::try_from(winner.into_inner()).unwrap();
            assert_eq!(read_all(&*storage, &name), [winner; 5_000], "{kind}");
        }
        assert_eq!(storage.list().unwrap().len(), 20, "{kind}");
    });
}

#[test]
fn files_are_listed_and_deleted() {
    on_each(|kind, storage| {
        assert_eq!(storage.list().unwrap(), [], "{kind}");
        storage.create("a").unwrap().append(&[1; 700]).unwrap();
        storage.put_if_absent("b", b"22").unwrap();
        storage.sync_names().unwrap();
        let mut files = storage.list().unwrap();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let entry = |name: &str, bytes| FileEntry {
            name: name.into(),
            bytes,
        };
        assert_eq!(files, [entry("a", 700), entry("b", 2)], "{kind}");
        let open = storage.open("a").unwrap();
        storage.delete("a").unwrap();
        storage.sync_names().unwrap();
        let mut bytes = [0; 700];
        open.read_at(0, &mut bytes).unwrap();
        assert_eq!(bytes, [1; 700], "{kind}: open handles go on reading");
        assert_eq!(storage.list().unwrap(), [entry("b", 2)], "{kind}");
        storage.create("a").unwrap();
        assert_eq!(read_all(&*storage, "a"), b"", "{kind}");
    });
}

#[test]
fn missing_files_are_named() {
    on_each(|kind, storage| {
        for error in [
            storage.open("000007.sst").unwrap_err(),
            storage.delete("000007.sst").unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{kind}");
            assert!(error.to_string().contains("000007.sst"), "{kind}: {error}");
            assert!(
                error.to_string().contains(&storage.location()) || kind == "sim",
                "{kind}: {error}"
            );
        }
    });
}

#[test]
fn path_tricks_are_refused() {
    on_each(|kind, storage| {
        for name in ["", ".", "..", "../f", "/f", "a/b", "a\\b", "a\0", ".f"] {
            let errors = [
                storage.create(name).map(drop).unwrap_err(),
                storage.open(name).map(drop).unwrap_err(),
                storage.put_if_absent(name, b"").unwrap_err(),
                storage.delete(name).unwrap_err(),
                storage.lock(name).map(drop).unwrap_err(),
            ];
            for error in errors {
                assert_eq!(
                    error.kind(),
                    ErrorKind::InvalidInput,
                    "{kind} {name:?}: {error}"
                );
            }
        }
    });
}

#[test]
fn private_maps_change_nothing() {
    on_each(|kind, storage| {
        storage.put_if_absent("graph", &[9; 5_000]).unwrap();
        storage.put_if_absent("empty", b"").unwrap();
        let file = storage.open("graph").unwrap();
        let mut map = file.map_private().unwrap();
        map.fill(1);
        assert_eq!(file.map_private().unwrap()[..], [9; 5_000], "{kind}");
        assert_eq!(read_all(&*storage, "graph"), [9; 5_000], "{kind}");
        storage.delete("graph").unwrap();
        assert_eq!(map[..], [1; 5_000], "{kind}: the map outlives the file");
        assert!(
            storage
                .open("empty")
                .unwrap()
                .map_private()
                .unwrap()
                .is_empty(),
            "{kind}"
        );
    });
}

#[test]
fn the_lock_is_exclusive_and_names_its_holder() {
    on_each(|kind, storage| {
        let lock = storage.lock("LOCK").unwrap();
        let error = storage.lock("LOCK").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "{kind}");
        assert!(
            error
                .to_string()
                .contains(&format!("pid {}", std::process::id())),
            "{kind}: {error}"
        );
        let _other = storage.lock("LOCK2").unwrap();
        drop(lock);
        let again = storage.lock("LOCK").unwrap();
        assert_eq!(
            storage.lock("LOCK").unwrap_err().kind(),
            ErrorKind::WouldBlock,
            "{kind}"
        );
        drop(again);
    });
}

/// A link is the same file, and stays when the first name goes; it takes no name that is there.
#[test]
fn files_are_linked_into_storages_of_the_same_kind() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name| Arc::new(LocalStorage::open(directory.path().join(name)).unwrap());
    let keys = Arc::new(StaticKeys::new(KeyId(1), Key::random().unwrap()));
    let encrypted = |inner: Arc<dyn Storage>| {
        Arc::new(EncryptedStorage::new(
            inner,
            keys.clone(),
            Cipher::Aes256Gcm,
        ))
    };
    let pairs: [(Arc<dyn Storage>, Arc<dyn Storage>); 4] = [
        (place("a"), place("b")),
        (
            Arc::new(MemoryStorage::new()),
            Arc::new(MemoryStorage::new()),
        ),
        (Arc::new(SimStorage::new(0)), Arc::new(SimStorage::new(0))),
        (encrypted(place("c")), encrypted(place("d"))),
    ];
    for (from, to) in &pairs {
        from.put_if_absent("f", b"contents").unwrap();
        assert!(to.link_from(&**from, "f").unwrap(), "{from:?}");
        to.sync_names().unwrap();
        from.delete("f").unwrap();
        assert_eq!(read_all(&**to, "f"), b"contents");
        let error = from.link_from(&**to, "g").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        from.put_if_absent("f", b"other").unwrap();
        let error = to.link_from(&**from, "f").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    }
    for (from, to) in &pairs {
        let mut log = from.create_log("log", 4_096).unwrap();
        log.reserve(10).unwrap();
        log.write_at(0, b"kept").unwrap();
        log.finish(4).unwrap();
        assert!(to.link_from(&**from, "log").unwrap());
        let error = log.rename("again").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert_eq!(read_all(&**to, "log"), b"kept");
    }
    let (local, memory) = (&pairs[0].1, &pairs[1].0);
    assert!(!memory.link_from(&**local, "f").unwrap());
}

#[test]
fn a_syncer_works_beside_appends() {
    on_each(|kind, storage| {
        let mut file = storage.create("log").unwrap();
        let syncer = file.syncer().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..20).for_each(|_| syncer.sync().unwrap()));
            (0..500).for_each(|_| file.append(b"record").unwrap());
        });
        assert_eq!(read_all(&*storage, "log"), b"record".repeat(500), "{kind}");
    });
}

#[test]
fn a_log_is_written_in_reserved_space_and_used_again() {
    on_each(|kind, storage| {
        storage.create("taken").unwrap();
        assert!(storage.create_log("taken", 100).is_err(), "{kind}");
        let mut log = storage.create_log("1.wal", 10_000).unwrap();
        assert!(
            log.write_at(0, b"x").is_err(),
            "{kind}: nothing is reserved"
        );
        log.reserve(20_000).unwrap();
        log.reserve(100).unwrap();
        assert!(log.reserved() >= 20_000, "{kind}");
        log.write_at(0, &[1; 9_999]).unwrap();
        log.write_at(9_999, &[2; 10_001]).unwrap();
        log.syncer().unwrap().sync().unwrap();
        let error = log.rename("taken").unwrap_err();
        if error.kind() == ErrorKind::Unsupported {
            let expected = [&[1; 9_999][..], &[2; 10_001]].concat();
            assert_eq!(read_all(&*storage, "1.wal")[..20_000], expected, "{kind}");
            return;
        }
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{kind}: {error}");
        log.rename("2.wal").unwrap();
        storage.sync_names().unwrap();
        assert!(storage.open("1.wal").is_err(), "{kind}");
        log.write_at(0, &[3; 100]).unwrap();
        log.syncer().unwrap().sync().unwrap();
        let expected = [&[3; 100][..], &[1; 9_899], &[2; 10_001]].concat();
        assert_eq!(read_all(&*storage, "2.wal")[..20_000], expected, "{kind}");
        log.finish(100).unwrap();
        assert_eq!(read_all(&*storage, "2.wal")[..100], [3; 100], "{kind}");
    });
}
