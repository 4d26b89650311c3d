//! Many threads at once: batches appear whole, in order, and stay as a snapshot has seen them.

use crate::oracle::{Change, Setup, State, World, collect};
use crate::seeds;
use aether_env::{CrashImage, Env, MemoryStorage};
use aether_sim::SimStorage;
use aidb::{DB, Durability, Keyspace, KeyspaceOptions, Options, Snapshot, WriteBatch};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const WRITERS: u64 = 8;

/// A number for each of them.
type Counts<T> = [T; 8];

/// Keys that every batch writes, all with the same value, in three keyspaces.
const GROUP: usize = 9;

/// Batch `count` of `writer`: the whole group, and the writer's own counter.
fn batch(world: &World, writer: u64, count: u64) -> WriteBatch {
    let mut batch = WriteBatch::new();
    let value = [writer.to_be_bytes(), count.to_be_bytes()].concat();
    for member in 0..GROUP {
        batch.put(
            &world.keyspaces[member % 3],
            format!("group{member}"),
            &value,
        );
    }
    batch.put(
        &world.keyspaces[0],
        format!("writer{writer}"),
        count.to_be_bytes(),
    );
    batch.put(
        &world.keyspaces[1],
        format!("filler{writer}-{}", count % 50),
        vec![7; 200],
    );
    batch
}

/// The one value of the group; a batch that is half there has two.
fn group(world: &World, snapshot: &Snapshot) -> Option<Vec<u8>> {
    let value = |member: usize| {
        let found = snapshot
            .get(&world.keyspaces[member % 3], format!("group{member}"))
            .unwrap();
        found.map(|value| value.to_vec())
    };
    let first = value(0);
    for member in 1..GROUP {
        assert_eq!(value(member), first, "half of a batch is visible");
    }
    for keyspace in &world.keyspaces {
        for (key, found) in snapshot.prefix(keyspace, "group") {
            assert_eq!(Some(found.to_vec()), first, "{}", key.escape_ascii());
        }
    }
    first
}

fn counter(snapshot: &Snapshot, keyspace: &Keyspace, writer: u64) -> u64 {
    let found = snapshot.get(keyspace, format!("writer{writer}")).unwrap();
    found.map_or(0, |value| u64::from_be_bytes(value[..].try_into().unwrap()))
}

/// Writers and readers for so many batches each; the world is whole at the end.
fn crowd(world: &World, batches: u64) {
    let done = AtomicBool::new(false);
    let acknowledged: Counts<AtomicU64> = Default::default();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let acknowledged = &acknowledged;
                scope.spawn(move || {
                    for count in 1..=batches {
                        world
                            .db
                            .write(batch(world, writer, count), Durability::Sync)
                            .unwrap();
                        let slot = usize::try_from(writer).unwrap();
                        acknowledged[slot].store(count, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        for reader in 0..3_u64 {
            let (done, acknowledged) = (&done, &acknowledged);
            scope.spawn(move || {
                let mut held: Option<(Snapshot, Option<Vec<u8>>)> = None;
                let mut last: Counts<u64> = [0; 8];
                while !done.load(Ordering::SeqCst) {
                    let least: Vec<u64> = acknowledged
                        .iter()
                        .map(|a| a.load(Ordering::SeqCst))
                        .collect();
                    let snapshot = world.db.snapshot();
                    let seen = group(world, &snapshot);
                    for writer in 0..WRITERS {
                        let slot = usize::try_from(writer).unwrap();
                        let count = counter(&snapshot, &world.keyspaces[0], writer);
                        assert!(count >= least[slot], "an acknowledged write is not visible");
                        assert!(count >= last[slot], "time runs backwards");
                        last[slot] = count;
                    }
                    match held.take() {
                        Some((old, value)) if !last[0].is_multiple_of(reader + 5) => {
                            assert_eq!(group(world, &old), value, "a snapshot has changed");
                            held = Some((old, value));
                        }
                        _ => held = Some((snapshot, seen)),
                    }
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                world.db.flush().unwrap();
                world.db.compact().unwrap();
                assert!(world.db.watermark() <= world.db.last_seq());
            }
        });
        let results: Vec<_> = writers
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect();
        done.store(true, Ordering::SeqCst);
        results.into_iter().for_each(|result| result.unwrap());
    });
    let snapshot = world.db.snapshot();
    for writer in 0..WRITERS {
        assert_eq!(counter(&snapshot, &world.keyspaces[0], writer), batches);
    }
    group(world, &snapshot).unwrap();
    assert_eq!(world.db.verify().unwrap().problems, []);
}

#[test]
fn batches_of_many_threads_are_atomic() {
    seeds::for_each(3, |seed| {
        let setup = Setup::tiny(&mut fastrand::Rng::with_seed(seed), 2);
        let memory = MemoryStorage::new();
        let world = World::open(Env::memory(memory.clone()), &setup).unwrap();
        crowd(&world, 400);
        drop(world);
        let world = World::open(Env::memory(memory), &setup).unwrap();
        group(&world, &world.db.snapshot()).unwrap();
    });
}

#[test]
fn also_on_the_file_system() {
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::tiny(&mut fastrand::Rng::with_seed(0), 1);
    crowd(
        &World::open(Env::local(directory.path()).unwrap(), &setup).unwrap(),
        60,
    );
}

#[test]
fn also_without_background_threads() {
    let setup = Setup::tiny(&mut fastrand::Rng::with_seed(1), 0);
    crowd(
        &World::open(Env::memory(MemoryStorage::new()), &setup).unwrap(),
        200,
    );
}

/// The power goes while all threads write: each finds its last acknowledged batch again.
#[test]
fn a_power_cut_under_load_loses_nothing_acknowledged() {
    seeds::for_each(30, |seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let setup = Setup::tiny(&mut random, 1);
        let storage = SimStorage::new(seed);
        storage.power_cut_at(random.u64(50..1_500));
        let Ok(world) = World::open(storage.threaded_env(), &setup) else {
            return;
        };
        let acknowledged: Vec<u64> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let world = &world;
                    scope.spawn(move || {
                        let written = (1..).take_while(|&count| {
                            world
                                .db
                                .write(batch(world, writer, count), Durability::Sync)
                                .is_ok()
                        });
                        written.last().unwrap_or(0)
                    })
                })
                .collect();
            writers
                .into_iter()
                .map(|writer| writer.join().unwrap())
                .collect()
        });
        drop(world);
        for image in CrashImage::ALL {
            let memory = storage.memory().image(image, seed);
            let world = World::open(Env::memory(memory), &setup).unwrap();
            let snapshot = world.db.snapshot();
            group(&world, &snapshot);
            for (writer, &count) in (0..).zip(&acknowledged) {
                let found = counter(&snapshot, &world.keyspaces[0], writer);
                assert!(
                    found >= count,
                    "{image:?}: batch {count} of writer {writer} is lost"
                );
                assert!(found <= count + 1);
            }
            assert_eq!(world.db.verify().unwrap().problems, []);
        }
    });
}

#[test]
fn writers_that_wait_together_share_a_sync() {
    let storage = SimStorage::new(0);
    let db = DB::open_with(storage.threaded_env(), Options::default()).unwrap();
    let keyspace = db.default_keyspace();
    let commits: Vec<_> = (0..100)
        .map(|i: u32| {
            let mut batch = WriteBatch::new();
            batch.put(&keyspace, i.to_be_bytes(), b"value");
            db.submit(batch).unwrap()
        })
        .collect();
    assert!(commits.is_sorted_by(|a, b| a.seq() < b.seq()));
    let before = db.stats().syncs;
    commits
        .iter()
        .rev()
        .for_each(|commit| commit.wait_durable().unwrap());
    assert!(db.stats().syncs <= before + 2);
    let image = storage.memory().image(CrashImage::LoseUnsynced, 0);
    let db = DB::open_with(Env::memory(image), Options::default()).unwrap();
    assert_eq!(collect(db.iter()).len(), 100);
}

/// What a program holds may outlive the database's own handle.
#[test]
fn snapshots_and_iterators_outlive_the_handle() {
    let setup = Setup::tiny(&mut fastrand::Rng::with_seed(2), 1);
    let memory = MemoryStorage::new();
    let world = World::open(Env::memory(memory.clone()), &setup).unwrap();
    let mut state = State::default();
    for i in 0..2_000_u32 {
        world.keyspaces[0].put(i.to_be_bytes(), [1; 20]).unwrap();
        state.maps[0].insert(i.to_be_bytes().to_vec(), vec![1; 20]);
    }
    let (snapshot, mut iter) = (world.db.snapshot(), world.db.iter());
    let keyspace = world.keyspaces[0].clone();
    for i in 0..2_000_u32 {
        world.keyspaces[0].delete(i.to_be_bytes()).unwrap();
    }
    world.db.compact().unwrap();
    drop(world);
    assert_eq!(iter.by_ref().count(), 2_000);
    iter.status().unwrap();
    assert_eq!(collect(snapshot.iter(&keyspace)).len(), 2_000);
}

/// Dropping or closing while others write ends in errors for them, not in a hang or a loss.
#[test]
fn closing_under_load_is_orderly() {
    seeds::for_each(5, |seed| {
        let setup = Setup::tiny(&mut fastrand::Rng::with_seed(seed), 1);
        let memory = MemoryStorage::new();
        let world = World::open(Env::memory(memory.clone()), &setup).unwrap();
        let written: Vec<u64> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..4)
                .map(|writer| {
                    let world = &world;
                    scope.spawn(move || {
                        let written = (1..).take_while(|&count| {
                            world
                                .db
                                .write(batch(world, writer, count), Durability::Sync)
                                .is_ok()
                        });
                        written.last().unwrap_or(0)
                    })
                })
                .collect();
            while world.db.last_seq().0 < 2_000 {
                std::thread::yield_now();
            }
            world.db.close().unwrap();
            writers
                .into_iter()
                .map(|writer| writer.join().unwrap())
                .collect()
        });
        drop(world);
        let world = World::open(Env::memory(memory), &setup).unwrap();
        for (writer, count) in (0..).zip(written) {
            let found = counter(&world.db.snapshot(), &world.keyspaces[0], writer);
            assert!(found == count || found == count + 1);
        }
    });
}

#[test]
fn keyspaces_made_at_the_same_time_are_one() {
    let db = DB::open_with(Env::memory(MemoryStorage::new()), Options::default()).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..8_u32 {
            let db = &db;
            scope.spawn(move || {
                for i in 0..20 {
                    let keyspace = db
                        .keyspace(&format!("ks{i}"), KeyspaceOptions::default())
                        .unwrap();
                    keyspace.put(writer.to_be_bytes(), b"here").unwrap();
                }
            });
        }
    });
    for i in 0..20 {
        let keyspace = db
            .keyspace(&format!("ks{i}"), KeyspaceOptions::default())
            .unwrap();
        assert_eq!(keyspace.iter().count(), 8);
    }
}

/// An attachment and the key beside it are replaced together, again and again, while others read them.
#[test]
fn attachments_stay_as_snapshots_see_them() {
    let setup = Setup::tiny(&mut fastrand::Rng::with_seed(4), 2);
    let world = World::open(Env::memory(MemoryStorage::new()), &setup).unwrap();
    let done = AtomicBool::new(false);
    let keyspace = &world.keyspaces[1];
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let snapshot = world.db.snapshot();
                    let Some(count) = snapshot.get(keyspace, "graph").unwrap() else {
                        continue;
                    };
                    let file = snapshot.attachment(keyspace, "graph").unwrap().unwrap();
                    drop(snapshot);
                    std::thread::yield_now();
                    file.verify().unwrap();
                    assert!(
                        file.map()
                            .unwrap()
                            .chunks(4)
                            .all(|chunk| *chunk == count[..])
                    );
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                world.db.flush().unwrap();
                world.db.compact().unwrap();
                assert_eq!(world.db.verify().unwrap().problems, []);
            }
        });
        for count in 0..300_u32 {
            let bytes = count.to_be_bytes().repeat(1_000);
            let mut batch = world
                .batch(&[Change::Attach(1, b"graph".to_vec(), bytes)])
                .unwrap();
            batch.put(keyspace, "graph", count.to_be_bytes());
            world.db.write(batch, Durability::Sync).unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
    // Nobody asks for it: whatever held a file last has to have it looked at again.
    while world.db.stats().attachments > 1 {
        std::thread::yield_now();
    }
    assert_eq!(world.db.verify().unwrap().attachments, 1);
}
