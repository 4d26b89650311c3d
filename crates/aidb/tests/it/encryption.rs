//! Databases whose files are encrypted: nothing shows, nothing changes unnoticed, keys rotate.

use crate::oracle::{Setup, World};
use crate::script::{Logged, Script, Step};
use crate::seeds;
use aether_crypt::{Cipher, EncryptedStorage, Key, KeyId, StaticKeys};
use aether_env::{CrashImage, Env, MemoryStorage, Storage};
use aether_sim::SimStorage;
use aidb::{DB, Durability, ErrorKind, Options};
use std::sync::Arc;

fn key(id: u64) -> Key {
    Key::new([u8::try_from(id).unwrap(); 32])
}

fn with_keys(env: Env, keys: Arc<StaticKeys>, cipher: Cipher) -> (Env, EncryptedStorage) {
    let storage = EncryptedStorage::new(Arc::clone(&env.storage), keys, cipher);
    let env = Env {
        storage: Arc::new(storage.clone()),
        ..env
    };
    (env, storage)
}

/// `env` with all files encrypted, always under the same key.
pub(crate) fn encrypted(env: Env) -> Env {
    let keys = Arc::new(StaticKeys::new(KeyId(1), key(1)));
    with_keys(env, keys, Cipher::Aes256Gcm).0
}

const MARKER: &[u8] = b"MARKER-OF-THE-PLAIN-TEXT";

fn assert_no_marker(memory: &MemoryStorage) {
    for file in memory.list().unwrap() {
        let bytes = memory.contents(&file.name).unwrap();
        let shows = bytes.windows(MARKER.len()).any(|window| window == MARKER);
        assert!(!shows, "{} shows plain text", file.name);
    }
}

/// In keys, values and attachments; in logs, tables and manifests; live and after flushes, compactions and restarts.
#[test]
fn no_file_shows_plain_text() {
    for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
        seeds::for_each(3, |seed| {
            let mut random = fastrand::Rng::with_seed(seed);
            let setup = Setup::tiny(&mut random, 0);
            let storage = SimStorage::new(seed);
            let keys = Arc::new(StaticKeys::new(KeyId(1), key(1)));
            for round in 0..3 {
                let env = with_keys(storage.env(), Arc::clone(&keys), cipher).0;
                let world = World::open(env, &setup).unwrap();
                let name = String::from_utf8(MARKER.to_vec()).unwrap();
                let named = world.db.keyspace(&name, setup.keyspace.clone()).unwrap();
                for i in 0..60_u8 {
                    let text = [MARKER, &[round, i], &MARKER.repeat(usize::from(i))].concat();
                    named.put(&text[..26], &text).unwrap();
                    world.db.put(&text[..26], &text).unwrap();
                    if i % 20 == 0 {
                        let mut writer = world.db.attachment_writer().unwrap();
                        std::io::Write::write_all(&mut writer, &text).unwrap();
                        let mut batch = aidb::WriteBatch::new();
                        batch.attach(&named, b"file", writer.finish().unwrap());
                        world.db.write(batch, Durability::Sync).unwrap();
                        assert_no_marker(storage.memory());
                    }
                }
                world.db.flush().unwrap();
                assert_no_marker(storage.memory());
                world.db.compact().unwrap();
                world.db.put(MARKER, MARKER).unwrap();
                world.db.close().unwrap();
                assert_no_marker(storage.memory());
            }
        });
    }
}

#[test]
fn a_wrong_or_missing_key_is_named_and_changes_nothing() {
    let memory = MemoryStorage::new();
    let open = |id: KeyId, key: Key| {
        let keys = Arc::new(StaticKeys::new(id, key));
        let env = with_keys(Env::memory(memory.clone()), keys, Cipher::Aes256Gcm).0;
        DB::open_with(env, Options::default())
    };
    open(KeyId(7), key(7)).unwrap().put("a", "1").unwrap();
    let before = memory.image(CrashImage::KeepAll, 0);
    for (id, wrong) in [(KeyId(7), key(8)), (KeyId(8), key(8))] {
        let error = open(id, wrong).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("key 7") && text.contains("000"), "{text}");
    }
    let names = |memory: &MemoryStorage| memory.list().unwrap();
    assert_eq!(names(&memory), names(&before));
    let db = open(KeyId(7), key(7)).unwrap();
    assert_eq!(db.get("a").unwrap().as_deref(), Some(&b"1"[..]));
    // Files that are not encrypted, and an encrypted database opened as a plain one.
    db.close().unwrap();
    let plain = DB::open_with(Env::memory(memory.clone()), Options::default()).unwrap_err();
    assert_eq!(plain.kind(), ErrorKind::Corruption, "{plain}");
    let memory = MemoryStorage::new();
    let db = DB::open_with(Env::memory(memory.clone()), Options::default()).unwrap();
    db.put("a", "1").unwrap();
    db.close().unwrap();
    let error = DB::open_with(encrypted(Env::memory(memory)), Options::default()).unwrap_err();
    assert!(error.to_string().contains("encrypted"), "{error}");
}

/// Each key serves for a while; the old ones are needed until compaction has rewritten their files.
#[test]
fn keys_rotate_under_load() {
    let memory = MemoryStorage::new();
    let keys = Arc::new(StaticKeys::new(KeyId(1), key(1)));
    let env = Env::memory(memory.clone());
    let (env, storage) = with_keys(env, Arc::clone(&keys), Cipher::ChaCha20Poly1305);
    let setup = Setup::tiny(&mut fastrand::Rng::with_seed(5), 1);
    let world = World::open(env, &setup).unwrap();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3_u8)
            .map(|writer| {
                let db = &world.db;
                scope.spawn(move || {
                    for i in 0..400_u32 {
                        let name = [&[writer][..], &i.to_be_bytes()].concat();
                        db.put(name, vec![writer; 100]).unwrap();
                    }
                })
            })
            .collect();
        let mut id = 1;
        while !writers.iter().all(|writer| writer.is_finished()) {
            id = id % 9 + 1;
            keys.rotate(KeyId(id), key(id));
            world.db.flush().unwrap();
        }
    });
    assert_eq!(world.db.iter().count(), 1_200);
    assert_eq!(world.db.verify().unwrap().problems, []);
    world.db.close().unwrap();
    drop(world);
    assert!(!storage.keys_in_use().unwrap().is_empty());

    keys.rotate(KeyId(10), key(10));
    let (env, _) = with_keys(
        Env::memory(memory.clone()),
        Arc::clone(&keys),
        Cipher::Aes256Gcm,
    );
    let world = World::open(env, &setup).unwrap();
    for number in 0..40_u32 {
        // Enough edits for a whole manifest, and keys all over the range, so that all tables are merged.
        for writer in 0..3_u8 {
            let name = [&[writer][..], &(number * 10).to_be_bytes()].concat();
            world.db.put(name, b"rewritten").unwrap();
        }
        world.db.flush().unwrap();
    }
    world.db.compact().unwrap();
    world.db.close().unwrap();
    assert_eq!(world.db.verify().unwrap_err().kind(), ErrorKind::Closed);
    let needed = storage.keys_in_use().unwrap();
    assert_eq!(needed.keys().copied().collect::<Vec<_>>(), [KeyId(10)]);
}

/// The power goes while keys rotate at every step.
#[test]
fn a_power_cut_during_rotation_leaves_a_readable_database() {
    seeds::for_each(2, |seed| {
        let script = Script::random(seed ^ 0x0707, 40);
        let mut random = fastrand::Rng::with_seed(seed);
        let run = |storage: &SimStorage, keys: &Arc<StaticKeys>| -> aidb::Result<()> {
            let env = with_keys(storage.env(), Arc::clone(keys), Cipher::Aes256Gcm).0;
            let mut logged = Logged::open(env, &script.setup)?;
            for (id, step) in (2..).zip(&script.steps) {
                keys.rotate(KeyId(id), key(id));
                if !matches!(step, Step::Reopen { .. }) {
                    logged.step(&script, step)?;
                }
            }
            logged.db().close()
        };
        let fresh = || Arc::new(StaticKeys::new(KeyId(1), key(1)));
        let whole = SimStorage::new(seed);
        run(&whole, &fresh()).unwrap();
        for _ in 0..60 {
            let storage = SimStorage::new(random.u64(..));
            storage.power_cut_at(random.u64(..whole.io_count()));
            let keys = fresh();
            let _ = run(&storage, &keys);
            let image = random.choice(CrashImage::ALL).unwrap();
            let memory = storage.memory().image(image, random.u64(..));
            let env = with_keys(Env::memory(memory), keys, Cipher::Aes256Gcm).0;
            Logged::open(env, &script.setup).unwrap().check(&script);
        }
    });
}
