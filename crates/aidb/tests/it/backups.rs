//! Copies of databases: checkpoints and backups hold one moment, whole, whatever happens meanwhile.

use crate::encryption::encrypted;
use crate::oracle::{Change, Setup, State, World, random_batch};
use crate::script::{Logged, Script, Step};
use crate::seeds;
use aether_env::{CrashImage, Env, LocalStorage, MemoryStorage, Storage};
use aether_sim::SimStorage;
use aidb::{Backups, DB, Durability, Error, ErrorKind, Options, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn memory_backups() -> (MemoryStorage, Backups) {
    let memory = MemoryStorage::new();
    let backups = Backups::open(Arc::new(memory.clone())).unwrap();
    (memory, backups)
}

/// Copies of a database that is written at random, and what they must contain.
pub(crate) struct Copies {
    backups: Backups,
    states: BTreeMap<u64, State>,
}

impl Copies {
    pub(crate) fn new() -> Copies {
        Copies {
            backups: memory_backups().1,
            states: BTreeMap::new(),
        }
    }

    /// Makes a copy of one kind or another and opens it, or opens or deletes one that there is.
    pub(crate) fn step(
        &mut self,
        random: &mut fastrand::Rng,
        world: &World,
        setup: &Setup,
        state: &State,
    ) {
        let assert_holds = |memory: MemoryStorage, state: &State| {
            World::open(Env::memory(memory), setup)
                .unwrap()
                .assert_sound(state);
        };
        let memory = MemoryStorage::new();
        match random.u8(..4) {
            0 => {
                let seq = world.db.checkpoint_to(&memory).unwrap();
                assert!(seq <= world.db.last_seq());
                assert_holds(memory, state);
            }
            1 => {
                let number = self.backups.create(&world.db).unwrap().number;
                self.states.insert(number, state.clone());
                self.backups.restore(number, &memory).unwrap();
                assert_holds(memory, state);
            }
            2 => {
                if let Some((number, state)) = random.choice(&self.states) {
                    self.backups.restore(*number, &memory).unwrap();
                    assert_holds(memory, state);
                }
            }
            _ => {
                if let Some(number) = random.choice(self.states.keys()).copied() {
                    self.backups.delete(number).unwrap();
                    self.states.remove(&number);
                    let kept = self.backups.list().unwrap();
                    let kept: Vec<u64> = kept.iter().map(|backup| backup.number).collect();
                    assert_eq!(kept, self.states.keys().copied().collect::<Vec<_>>());
                }
            }
        }
    }
}

/// A database that has done what the script says.
fn after(script: &Script, storage: &SimStorage) -> Logged {
    let mut logged = Logged::open(storage.env(), &script.setup).unwrap();
    for step in &script.steps {
        if !matches!(step, Step::Reopen { .. }) {
            logged.step(script, step).unwrap();
        }
    }
    logged
}

/// What is in `storage` is the database after all batches.
fn assert_whole(script: &Script, storage: &MemoryStorage) {
    let logged = Logged::open(Env::memory(storage.clone()), &script.setup).unwrap();
    let all: BTreeSet<usize> = (0..script.batches.len()).collect();
    assert_eq!(logged.check(script), all);
    logged.goes_on(script);
}

/// One writer and a copier: each copy holds a prefix of the batches that is not shorter than what was there before.
fn copies_under_load(copy: impl Fn(&DB) -> Env) {
    let script = Script::random(11, 3_000);
    let setup = Setup {
        options: Options {
            background_threads: 1,
            ..script.setup.options.clone()
        },
        ..script.setup.clone()
    };
    let logged = Logged::open(Env::memory(MemoryStorage::new()), &setup).unwrap();
    let written = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for (number, batch) in script.batches.iter().enumerate() {
                let durability = Some(Durability::Buffered);
                logged.write(number, batch, durability).unwrap();
                written.store(number + 1, Ordering::Release);
            }
        });
        loop {
            let least = written.load(Ordering::Acquire);
            let env = copy(logged.db());
            let found = Logged::open(env, &script.setup).unwrap().check(&script);
            assert_eq!(found, (0..found.len()).collect(), "a prefix of the batches");
            assert!(found.len() >= least, "{} of {least}", found.len());
            if least == script.batches.len() {
                return;
            }
        }
    });
}

#[test]
fn checkpoints_under_load_hold_one_moment() {
    copies_under_load(|db| {
        let memory = MemoryStorage::new();
        db.checkpoint_to(&memory).unwrap();
        Env::memory(memory)
    });
}

#[test]
fn backups_under_load_hold_one_moment() {
    let (_, backups) = memory_backups();
    copies_under_load(|db| {
        let number = backups.create(db).unwrap().number;
        let memory = MemoryStorage::new();
        backups.restore(number, &memory).unwrap();
        backups.prune(3).unwrap();
        Env::memory(memory)
    });
}

/// A directory by hard links; a copy where these are not possible; encrypted ones.
#[test]
fn checkpoints_in_directories() {
    type Wrap = fn(Env) -> Env;
    for (wrap, is_encrypted) in [((|env| env) as Wrap, false), (encrypted, true)] {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let open = |name| {
            let env = Env::local_existing(path(name)).unwrap();
            DB::open_with(wrap(env), Options::default()).unwrap()
        };
        std::fs::create_dir(path("data")).unwrap();
        let db = open("data");
        for i in 0..2_000_u32 {
            db.put(i.to_be_bytes(), [7; 100]).unwrap();
        }
        db.checkpoint(path("deep/copy")).unwrap();
        let error = db.checkpoint(path("deep/copy")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains("copy"), "{error}");
        let error = db.checkpoint(path("data")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        #[cfg(unix)]
        for entry in std::fs::read_dir(path("deep/copy")).unwrap() {
            let entry = entry.unwrap();
            let links = std::os::unix::fs::MetadataExt::nlink(&entry.metadata().unwrap());
            let is_table = entry
                .path()
                .extension()
                .is_some_and(|ending| ending == "sst");
            assert_eq!(links > 1, is_table, "{entry:?}");
        }
        // Both go on, apart.
        db.put("in", "the first").unwrap();
        db.compact().unwrap();
        let copy = open("deep/copy");
        assert_eq!(copy.iter().count(), 2_000, "encrypted: {is_encrypted}");
        copy.put("in", "the copy").unwrap();
        copy.compact().unwrap();
        assert_eq!(copy.verify().unwrap().problems, []);
        assert_eq!(db.verify().unwrap().problems, []);
        assert_eq!(db.get("in").unwrap().as_deref(), Some(&b"the first"[..]));
    }
}

#[test]
fn a_checkpoint_in_memory_needs_a_storage() {
    let db = DB::open_with(Env::memory(MemoryStorage::new()), Options::default()).unwrap();
    db.put("a", "1").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let error = db.checkpoint(directory.path().join("copy")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    // Other kinds of storage get copies.
    let local = LocalStorage::open(directory.path().join("copy")).unwrap();
    db.checkpoint_to(&local).unwrap();
    let error = db.checkpoint_to(&local).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    let copy = DB::open(directory.path().join("copy"), Options::default()).unwrap();
    assert_eq!(copy.get("a").unwrap().as_deref(), Some(&b"1"[..]));
}

/// The machine with the copy loses its power at every I/O: there is no database then, or the whole one.
#[test]
fn a_checkpoint_that_is_cut_short_is_no_database() {
    let script = Script::random(3, 60);
    let storage = SimStorage::new(3);
    let logged = after(&script, &storage);
    let whole = SimStorage::new(0);
    logged.db().checkpoint_to(&whole).unwrap();
    for n in 0..whole.io_count() {
        let target = SimStorage::new(n);
        target.power_cut_at(n);
        logged.db().checkpoint_to(&target).unwrap_err();
        for image in CrashImage::ALL {
            let memory = target.memory().image(image, n);
            let mut setup = script.setup.clone();
            setup.options.create_if_missing = false;
            let is_there = DB::open_with(Env::memory(memory.clone()), setup.options).is_ok();
            if is_there {
                assert_whole(&script, &memory);
            }
        }
    }
}

#[test]
fn a_backup_that_is_cut_short_is_not_there_and_the_next_goes_on() {
    seeds::for_each(2, |seed| {
        let script = Script::random(seed ^ 0xbac, 80);
        let storage = SimStorage::new(seed);
        let setup = &script.setup;
        let mut logged = Logged::open(storage.env(), setup).unwrap();
        let mut steps = script
            .steps
            .iter()
            .filter(|step| !matches!(step, Step::Reopen { .. }));
        steps
            .by_ref()
            .take(40)
            .for_each(|step| assert!(logged.step(&script, step).is_ok()));
        let (memory, backups) = memory_backups();
        backups.create(logged.db()).unwrap();
        steps.for_each(|step| assert!(logged.step(&script, step).is_ok()));
        let whole = SimStorage::on(memory.image(CrashImage::KeepAll, 0), 0);
        let create =
            |storage: &SimStorage| Backups::open(Arc::new(storage.clone()))?.create(logged.db());
        create(&whole).unwrap();
        for n in 0..whole.io_count() {
            let target = SimStorage::on(memory.image(CrashImage::KeepAll, 0), n);
            target.power_cut_at(n);
            let created = create(&target).is_ok();
            for image in CrashImage::ALL {
                let memory = target.memory().image(image, n);
                let backups = Backups::open(Arc::new(memory)).unwrap();
                let numbers: Vec<u64> = backups.list().unwrap().iter().map(|b| b.number).collect();
                assert!(
                    numbers == [1, 2] || numbers == [1] && !created,
                    "{numbers:?}"
                );
                numbers
                    .iter()
                    .for_each(|n| assert_eq!(backups.verify(*n).unwrap(), []));
                if image != CrashImage::Random {
                    continue;
                }
                let again = backups.create(logged.db()).unwrap();
                let restored = MemoryStorage::new();
                backups.restore(again.number, &restored).unwrap();
                assert_whole(&script, &restored);
            }
        }
    });
}

/// What does not change is not copied again, and goes with the last backup that needs it.
#[test]
fn backups_share_what_they_have_in_common() {
    let (memory, backups) = memory_backups();
    let setup = Setup::tiny(&mut fastrand::Rng::with_seed(2), 0);
    let mut random = fastrand::Rng::with_seed(2);
    let world = World::open(SimStorage::new(2).env(), &setup).unwrap();
    let mut states = Vec::new();
    let mut state = State::default();
    for round in 0..6_u8 {
        for _ in 0..20 {
            let mut batch = random_batch(&mut random, true);
            batch.push(Change::Put(0, vec![round], vec![round; 900]));
            world.write(&batch, Durability::Sync).unwrap();
            state.apply(&batch);
        }
        backups.create(&world.db).unwrap();
        states.push(state.clone());
    }
    let again = backups.create(&world.db).unwrap();
    assert_eq!((again.bytes_copied, again.number), (0, 7));
    let list = backups.list().unwrap();
    assert_eq!(
        list.iter().map(|backup| backup.number).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6, 7]
    );
    let kept: u64 = memory.list().unwrap().iter().map(|file| file.bytes).sum();
    let apart: u64 = list.iter().map(|backup| backup.bytes).sum();
    assert!(kept < apart, "{kept} bytes for {apart}");
    let check = |number: u64| {
        let restored = MemoryStorage::new();
        backups.restore(number, &restored).unwrap();
        let world = World::open(Env::memory(restored.clone()), &setup).unwrap();
        let at = usize::try_from(number).unwrap().min(6) - 1;
        world.assert_sound(&states[at]);
        // The restored database goes another way, with the same file numbers.
        let mut state = states[at].clone();
        let batch = [Change::Put(0, b"else".to_vec(), vec![9; 500])];
        world.write(&batch, Durability::Sync).unwrap();
        state.apply(&batch);
        let other = backups.create(&world.db).unwrap();
        let again = MemoryStorage::new();
        backups.restore(other.number, &again).unwrap();
        World::open(Env::memory(again), &setup)
            .unwrap()
            .assert_sound(&state);
        backups.delete(other.number).unwrap();
        drop(world);
        let error = backups.restore(number, &restored).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    };
    (1..=7).for_each(check);
    backups.delete(3).unwrap();
    let error = backups.delete(3).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(
        backups
            .restore(3, &MemoryStorage::new())
            .unwrap_err()
            .kind(),
        ErrorKind::NotFound
    );
    [1, 2, 4, 5, 6, 7].into_iter().for_each(check);
    backups.prune(2).unwrap();
    [6, 7].into_iter().for_each(check);
    backups.prune(0).unwrap();
    assert_eq!(memory.list().unwrap(), []);
}

#[test]
fn a_damaged_backup_file_is_named() {
    let script = Script::random(5, 60);
    let storage = SimStorage::new(5);
    let logged = after(&script, &storage);
    let (memory, backups) = memory_backups();
    backups.create(logged.db()).unwrap();
    let mut random = fastrand::Rng::with_seed(5);
    let damages = |error: &Error, name: &str| {
        error.kind() == ErrorKind::Corruption && error.to_string().contains(name)
    };
    for file in memory.list().unwrap().iter().filter(|file| file.bytes > 0) {
        let sound = memory.contents(&file.name).unwrap();
        let mut flipped = sound.clone();
        flipped[random.usize(..sound.len())] ^= 1 << random.u8(..8);
        for damaged in [flipped, sound[..sound.len() - 1].to_vec()] {
            memory.replace(&file.name, damaged);
            match backups.verify(1) {
                Ok(problems) => assert!(
                    problems.len() == 1 && problems[0].file == file.name,
                    "{problems:?}"
                ),
                Err(error) => assert!(damages(&error, &file.name), "{error}"),
            }
            let target = MemoryStorage::new();
            let error = backups.restore(1, &target).unwrap_err();
            assert!(damages(&error, &file.name), "{error}");
            let options = Options {
                create_if_missing: false,
                ..Options::default()
            };
            assert!(DB::open_with(Env::memory(target), options).is_err());
        }
        memory.replace(&file.name, sound);
    }
    assert_eq!(backups.verify(1).unwrap(), []);
}

/// A table that went bad is found when it is backed up, not when it is restored.
#[test]
fn a_damaged_database_is_not_backed_up() {
    let script = Script::random(6, 60);
    let storage = SimStorage::new(6);
    let logged = after(&script, &storage);
    logged.db().flush().unwrap();
    let files = storage.memory().list().unwrap();
    let table = files
        .iter()
        .find(|file| file.name.ends_with(".sst"))
        .unwrap();
    let mut bytes = storage.memory().contents(&table.name).unwrap();
    bytes[10] ^= 1;
    storage.memory().replace(&table.name, bytes);
    let (memory, backups) = memory_backups();
    let error = backups.create(logged.db()).unwrap_err();
    assert!(error.to_string().contains(&table.name), "{error}");
    assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
    assert_eq!(backups.list().unwrap(), []);
    drop(memory);
}

#[test]
fn one_at_a_time_changes_the_backups() -> Result<()> {
    let (memory, backups) = memory_backups();
    let db = DB::open_with(Env::memory(MemoryStorage::new()), Options::default())?;
    let lock = memory.lock("LOCK").unwrap();
    for error in [
        backups.create(&db).unwrap_err(),
        backups.prune(1).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
    drop(lock);
    backups.create(&db)?;
    // Where a database is, no backups are made.
    let data = MemoryStorage::new();
    DB::open_with(Env::memory(data.clone()), Options::default())?.put("a", "1")?;
    assert_eq!(
        Backups::open(Arc::new(data)).unwrap_err().kind(),
        ErrorKind::Invalid
    );
    Ok(())
}
