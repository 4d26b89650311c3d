//! Damaged files: a typed error that names the file, or the right answer; never a wrong one, never a panic.

use crate::oracle::{Change, Setup, State, World, random_batch};
use crate::seeds;
use aether_env::{CrashImage, Env, MemoryStorage, Storage};
use aether_sim::SimStorage;
use aidb::{DB, Durability, Error, ErrorKind, KeyspaceOptions, Options, Result};

/// A small database with every kind of file, as a crash would leave it.
struct Specimen {
    setup: Setup,
    memory: MemoryStorage,
    /// Contents when the last flush had ended, and after each batch since: these live in the log alone.
    states: Vec<State>,
    /// The newest file of the log, and where in it each batch ends.
    log: String,
    ends: Vec<usize>,
}

impl Specimen {
    fn new(seed: u64) -> Specimen {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut setup = Setup::tiny(&mut random, 0);
        setup.options.memtable_bytes = 1 << 20;
        setup.options.level0_compact_runs = 4;
        setup.options.level0_stop_runs = 8;
        let storage = SimStorage::new(seed);
        let world = World::open(storage.env(), &setup).unwrap();
        let mut state = State::default();
        let write = |state: &mut State, batch: &[Change]| {
            world.write(batch, Durability::Sync).unwrap();
            state.apply(batch);
        };
        for round in 0..3 {
            for _ in 0..12 {
                write(&mut state, &small_batch(&mut random));
            }
            let graph = Change::Attach(0, b"graph".to_vec(), vec![round; 1_500]);
            write(&mut state, &[graph]);
            world.db.flush().unwrap();
        }
        while world.db.tick().unwrap() {} // so that attachments which were replaced are gone
        let lengths = |storage: &SimStorage| storage.memory().list().unwrap();
        let before = lengths(&storage);
        let mut states = vec![state.clone()];
        let (mut log, mut ends) = (String::new(), Vec::new());
        for i in 0..6 {
            let marker = Change::Put(0, vec![b'l', b'o', b'g', i], b"in the log".to_vec());
            let mut batch = small_batch(&mut random);
            batch.push(marker);
            write(&mut state, &batch);
            states.push(state.clone());
            let grown = lengths(&storage)
                .into_iter()
                .find(|file| !before.contains(file))
                .unwrap();
            log = grown.name;
            ends.push(used(&storage.memory().contents(&log).unwrap()));
        }
        let memory = storage.memory().image(CrashImage::KeepAll, 0);
        Specimen {
            setup,
            memory,
            states,
            log,
            ends,
        }
    }

    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let files = self.memory.list().unwrap().into_iter();
        files
            .map(|file| (file.name.clone(), self.memory.contents(&file.name).unwrap()))
            .collect()
    }

    /// Puts `bytes` in the place of `name` (or removes it) and reads everything. `least`: so many batches of the log
    /// must be there. True when the damage was noticed.
    fn examine(&self, name: &str, bytes: Option<Vec<u8>>, least: usize) -> bool {
        let memory = self.memory.image(CrashImage::KeepAll, 0);
        let is_there = bytes.is_some();
        match bytes {
            Some(bytes) => memory.replace(name, bytes),
            None => memory.delete(name).unwrap(),
        }
        let mut setup = self.setup.clone();
        setup.options.create_if_missing = false;
        let world = match World::open(Env::memory(memory), &setup) {
            Ok(world) => world,
            Err(error) if is_there => return assert_names(&error, name),
            Err(error) => return assert_names(&error, ""), // any file that shows it
        };
        // A damaged table may hide how much of the log is there; the log itself does not lie in tables.
        let found = (0..6)
            .take_while(|&i| self.has_log_batch(&world, i))
            .count();
        assert!(
            found >= least,
            "{name}: only {found} of {least} batches of the log are there"
        );
        let state = &self.states[found];
        let mut noticed = false;
        if let Err(error) = world.compare(&world.db.snapshot(), state) {
            noticed = assert_names(&error, name);
        }
        for (keyspace, map) in world.keyspaces.iter().zip(&state.maps) {
            for (key, value) in map {
                match keyspace.get(key) {
                    Ok(found) => assert_eq!(found.as_deref(), Some(&value[..])),
                    Err(error) => noticed |= assert_names(&error, name),
                }
            }
            let missing = keyspace.get(b"no such key");
            match missing {
                Ok(found) => assert_eq!(found, None),
                Err(error) => noticed |= assert_names(&error, name),
            }
        }
        let report = world.db.verify().unwrap();
        if !report.problems.is_empty() {
            let named = report
                .problems
                .iter()
                .any(|p| p.file == name || p.message.contains(name));
            assert!(
                named,
                "{name} was damaged, and verify blames {:?}",
                report.problems
            );
        }
        noticed | !report.problems.is_empty() | (found < 6)
    }

    fn has_log_batch(&self, world: &World, i: u8) -> bool {
        let found: Result<_> = world.keyspaces[0].get([b'l', b'o', b'g', i]);
        found.is_ok_and(|value| value.is_some())
    }

    /// How many batches of the log end at or before `offset`.
    fn batches_before(&self, offset: usize) -> usize {
        self.ends.iter().filter(|&&end| end <= offset).count()
    }
}

/// Small enough that all bytes can be tried.
fn small_batch(random: &mut fastrand::Rng) -> Vec<Change> {
    let mut batch = random_batch(random, false);
    batch.truncate(5);
    for change in &mut batch {
        if let Change::Put(_, _, value) = change {
            value.truncate(60);
        }
    }
    batch
}

/// Bytes of a log before the zeros that may have been allocated ahead.
fn used(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1)
}

fn assert_names(error: &Error, name: &str) -> bool {
    // A file that claims to be of a newer format is not damaged as far as we can tell.
    assert!(
        matches!(error.kind(), ErrorKind::Corruption | ErrorKind::Invalid),
        "{name}: {error:?}"
    );
    assert!(
        error.to_string().contains(name),
        "{name} was damaged, and the error is {error:?}"
    );
    true
}

/// All offsets of a small file; of larger ones the ends and a sample, unless all are asked for.
fn offsets(random: &mut fastrand::Rng, length: usize) -> Vec<usize> {
    let every = |offset: &usize| {
        seeds::exhaustive() || length <= 300 || *offset < 64 || *offset + 100 > length
    };
    (0..length)
        .filter(|offset| every(offset) || random.u8(..12) == 0)
        .collect()
}

#[test]
fn flipped_bits_are_noticed() {
    seeds::for_each(4, |seed| {
        let specimen = Specimen::new(seed);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut unnoticed = Vec::new();
        for (name, bytes) in specimen.files() {
            for offset in offsets(&mut random, bytes.len()) {
                let mut damaged = bytes.clone();
                damaged[offset] ^= 1 << random.u8(..8);
                let in_log = name == specimen.log;
                // Of the log only the last batch may be taken for one that a crash has torn.
                let least = if in_log && offset >= specimen.ends[4] {
                    5
                } else {
                    6
                };
                let is_used = !in_log || offset < specimen.ends[5];
                if !specimen.examine(&name, Some(damaged), least) && is_used {
                    unnoticed.push(format!("{name} byte {offset} of {}", bytes.len()));
                }
            }
        }
        let expected = |place: &String| place.starts_with("LOCK");
        unnoticed.retain(|place| !expected(place));
        assert!(
            unnoticed.is_empty(),
            "{} flips went unnoticed: {unnoticed:?}",
            unnoticed.len()
        );
    });
}

#[test]
fn overwritten_stretches_are_noticed() {
    seeds::for_each(4, |seed| {
        let specimen = Specimen::new(seed);
        let mut random = fastrand::Rng::with_seed(seed);
        for (name, bytes) in specimen.files() {
            for round in 0..60 {
                let mut damaged = bytes.clone();
                let from = random.usize(..bytes.len().max(1)).min(bytes.len());
                let to = random.usize(from..=bytes.len());
                match round % 3 {
                    0 => random.fill(&mut damaged[from..to]),
                    1 => damaged[from..to].fill(0),
                    _ => damaged[from..to].fill(0xff),
                }
                let in_log = name == specimen.log;
                let least = if in_log {
                    specimen.batches_before(from)
                } else {
                    6
                };
                specimen.examine(&name, Some(damaged), least);
            }
        }
    });
}

#[test]
fn truncated_files_are_noticed() {
    seeds::for_each(4, |seed| {
        let specimen = Specimen::new(seed);
        let mut random = fastrand::Rng::with_seed(seed);
        for (name, bytes) in specimen.files() {
            for length in offsets(&mut random, bytes.len()) {
                let cut = bytes[..length].to_vec();
                if name == specimen.log {
                    specimen.examine(&name, Some(cut), specimen.batches_before(length));
                } else {
                    assert!(
                        specimen.examine(&name, Some(cut), 6),
                        "{name} cut to {length} bytes"
                    );
                }
            }
        }
    });
}

#[test]
fn extended_files_are_noticed_or_do_no_harm() {
    let specimen = Specimen::new(0);
    for (name, bytes) in specimen.files() {
        for tail in [&b"\0"[..], b"garbage", &[0; 5_000], &[0xff; 100]] {
            specimen.examine(&name, Some([&bytes, tail].concat()), 6);
        }
    }
}

#[test]
fn missing_and_exchanged_files_are_noticed() {
    seeds::for_each(2, |seed| {
        let specimen = Specimen::new(seed);
        let files = specimen.files();
        for (name, bytes) in &files {
            assert!(specimen.examine(name, None, 6), "{name} is missing");
            for (other, other_bytes) in &files {
                if bytes != other_bytes {
                    let noticed = specimen.examine(name, Some(other_bytes.clone()), 0);
                    assert!(noticed, "{name} has the contents of {other}");
                }
            }
        }
    });
}

#[test]
fn undamaged_it_is_sound() {
    let specimen = Specimen::new(0);
    let world = World::open(
        Env::memory(specimen.memory.image(CrashImage::KeepAll, 0)),
        &specimen.setup,
    )
    .unwrap();
    world.assert_sound(specimen.states.last().unwrap());
    let kinds: Vec<String> = specimen.files().into_iter().map(|(name, _)| name).collect();
    assert!(kinds.len() >= 6, "{kinds:?}");
}

/// One block, one table, or a table's whole file goes: everything else is served, and `verify` names the file.
#[test]
fn what_is_undamaged_stays_readable() {
    let memory = MemoryStorage::new();
    let options = Options {
        background_threads: 0,
        ..Options::default()
    };
    let db = DB::open_with(Env::memory(memory.clone()), options.clone()).unwrap();
    let other = db.keyspace("other", KeyspaceOptions::default()).unwrap();
    let name = |i: u32| format!("{i:06}");
    for i in 0..5_000 {
        db.put(name(i), format!("value {i}")).unwrap();
        other.put(name(i), format!("other {i}")).unwrap();
    }
    db.flush().unwrap();
    let tables: Vec<String> = memory
        .list()
        .unwrap()
        .into_iter()
        .map(|file| file.name)
        .filter(|name| name.ends_with(".sst"))
        .collect();
    db.close().unwrap();
    for table in &tables {
        let sound = memory.contents(table).unwrap();
        let mut flipped = sound.clone();
        flipped[sound.len() / 3] ^= 1;
        let damages = [Some(flipped), Some(sound[..sound.len() / 2].to_vec()), None];
        for (damage, bytes) in damages.into_iter().enumerate() {
            let memory = memory.image(CrashImage::KeepAll, 0);
            match bytes {
                Some(bytes) => memory.replace(table, bytes),
                None => memory.delete(table).unwrap(),
            }
            let opened = DB::open_with(Env::memory(memory), options.clone());
            let Ok(db) = opened else {
                // What the engine itself keeps in a table must be known before anything is written.
                assert_names(&opened.unwrap_err(), table);
                continue;
            };
            let other = db.keyspace("other", KeyspaceOptions::default()).unwrap();
            let mut lost = 0;
            for i in 0..5_000 {
                let found = [db.get(name(i)), other.get(name(i))];
                for (found, start) in found.into_iter().zip(["value", "other"]) {
                    match found {
                        Ok(value) => {
                            assert_eq!(value.unwrap(), format!("{start} {i}"));
                        }
                        Err(error) => lost += usize::from(assert_names(&error, table)),
                    }
                }
            }
            assert!(
                lost <= if damage == 0 { 1_000 } else { 5_000 },
                "{lost} lost"
            );
            let report = db.verify().unwrap();
            assert!(!report.is_clean());
            assert!(report.problems.iter().all(|problem| problem.file == *table));
            // Writing goes on beside it.
            db.put("new", "1").unwrap();
            db.flush().unwrap();
            assert_eq!(db.get("new").unwrap().as_deref(), Some(&b"1"[..]));
        }
    }
}
