//! I/O errors, failed syncs and full disks: nothing acknowledged is lost, reads go on, and it recovers.

use crate::oracle::{Setup, World};
use crate::script::{Logged, Script, Step};
use crate::seeds;
use aether_env::{CrashImage, Env, Storage};
use aether_sim::{Fault, Io, SimStorage};
use aidb::{DB, Error, ErrorKind, Options, Result};
use std::collections::BTreeSet;

/// A script that goes on after errors, and what it has learnt.
struct Survivor<'a> {
    script: &'a Script,
    storage: &'a SimStorage,
    logged: Option<Logged>,
    visible: BTreeSet<usize>,
    durable: BTreeSet<usize>,
    /// Writes that failed for want of space: they must never be seen.
    refused: BTreeSet<usize>,
    errors: usize,
}

impl<'a> Survivor<'a> {
    fn new(script: &'a Script, storage: &'a SimStorage) -> Survivor<'a> {
        let mut survivor = Survivor {
            script,
            storage,
            logged: None,
            visible: BTreeSet::new(),
            durable: BTreeSet::new(),
            refused: BTreeSet::new(),
            errors: 0,
        };
        survivor.open(&mut |error| assert_io(error));
        survivor
    }

    /// All steps; `on_error` hears of each failed one.
    fn run(&mut self, mut on_error: impl FnMut(&Error)) {
        let script = self.script;
        for step in &script.steps {
            self.step(step, &mut on_error);
        }
    }

    fn step(&mut self, step: &Step, on_error: &mut impl FnMut(&Error)) {
        if let Step::Reopen { close } = step {
            if let Some(logged) = self.logged.take() {
                match close.then(|| logged.db().close()) {
                    Some(Ok(())) => self.durable.clone_from(&self.visible),
                    Some(Err(error)) => self.failed(on_error, &error),
                    None => {}
                }
            }
            self.open(on_error);
            return;
        }
        if self.logged.is_none() {
            self.open(on_error);
        }
        let Some(logged) = &mut self.logged else {
            return;
        };
        match logged.step(self.script, step) {
            Ok(durable) => {
                if let Some(number) = step.batch() {
                    self.visible.insert(number);
                }
                if durable {
                    self.durable.clone_from(&self.visible);
                }
            }
            Err(error) => {
                if let (Some(number), true) = (step.batch(), error.is_disk_full()) {
                    self.refused.insert(number);
                }
                self.failed(on_error, &error);
                self.look();
            }
        }
    }

    fn failed(&mut self, on_error: &mut impl FnMut(&Error), error: &Error) {
        self.errors += 1;
        on_error(error);
    }

    fn open(&mut self, on_error: &mut impl FnMut(&Error)) {
        match Logged::open(self.storage.env(), &self.script.setup) {
            Ok(logged) => {
                self.logged = Some(logged);
                self.look();
            }
            Err(error) => self.failed(on_error, &error),
        }
    }

    /// Reads everything: whole batches only, and all that were acknowledged.
    fn look(&mut self) {
        if self.storage.is_off() {
            return;
        }
        if let Err(error) = self.try_look() {
            // It was the read that failed; the next one does not.
            assert_eq!(error.kind(), ErrorKind::Io);
            self.errors += 1;
            self.try_look().unwrap();
        }
    }

    fn try_look(&mut self) -> Result<()> {
        let Some(logged) = &self.logged else {
            return Ok(());
        };
        self.visible = logged.visible()?;
        let state = self.script.state(&self.visible);
        logged.world.compare(&logged.db().snapshot(), &state)?;
        let lost: Vec<&usize> = self.durable.difference(&self.visible).collect();
        assert!(
            lost.is_empty(),
            "batches {lost:?} were acknowledged and are gone"
        );
        Ok(())
    }

    /// The machine is well again: what it finds after a crash, and after none.
    fn recover(mut self) {
        self.storage.clear_faults();
        self.storage.free();
        self.look();
        self.logged = None;
        for image in [
            CrashImage::LoseUnsynced,
            CrashImage::Torn,
            CrashImage::KeepAll,
        ] {
            let memory = self.storage.memory().image(image, 5);
            let logged = Logged::open(Env::memory(memory), &self.script.setup).unwrap();
            let visible = logged.check(self.script);
            let lost: Vec<&usize> = self.durable.difference(&visible).collect();
            assert!(
                lost.is_empty(),
                "{image:?}: batches {lost:?} were durable and are gone"
            );
        }
        let logged = Logged::open(self.storage.env(), &self.script.setup).unwrap();
        let visible = logged.check(self.script);
        assert!(self.durable.is_subset(&visible));
        logged.goes_on(self.script);
    }
}

/// Damage is never the explanation of a failed I/O.
fn assert_io(error: &Error) {
    let kinds = [ErrorKind::Io, ErrorKind::Unavailable, ErrorKind::Closed];
    assert!(kinds.contains(&error.kind()), "{error:?}");
}

/// Fails each I/O of these kinds in turn, once or from then on.
fn fail_everywhere(seed: u64, on: &'static [Io], sticky: bool) {
    let script = Script::unprepared(seed, 50);
    let mut unharmed = 0;
    for after in 0.. {
        let storage = SimStorage::new(seed ^ after << 32);
        storage.fail(Fault { on, after, sticky });
        let mut survivor = Survivor::new(&script, &storage);
        let clear = on == Io::READING;
        survivor.run(|error| {
            assert_io(error);
            if clear {
                storage.clear_faults();
            }
        });
        // A fault may pass unseen (a file that could not be deleted yet), but not many in a row.
        unharmed = if survivor.errors > 0 { 0 } else { unharmed + 1 };
        survivor.recover();
        if unharmed > 30 {
            return;
        }
    }
}

#[test]
fn appends_that_fail() {
    const WRITES: &[Io] = &[Io::Append, Io::Reserve, Io::Write, Io::Finish];
    seeds::for_each(1, |seed| {
        fail_everywhere(seed, WRITES, false);
        fail_everywhere(seed, WRITES, true);
    });
}

#[test]
fn syncs_that_fail() {
    seeds::for_each(2, |seed| {
        fail_everywhere(seed, &[Io::Sync], false);
        fail_everywhere(seed, &[Io::Sync], true);
    });
}

#[test]
fn changes_of_names_that_fail() {
    const NAMES: &[Io] = &[Io::Create, Io::Rename, Io::Put, Io::Delete, Io::SyncNames];
    seeds::for_each(1, |seed| {
        fail_everywhere(seed, NAMES, false);
        fail_everywhere(seed, NAMES, true);
    });
}

#[test]
fn reads_that_fail() {
    seeds::for_each(1, |seed| fail_everywhere(seed, Io::READING, false));
}

#[test]
fn a_disk_that_is_full_for_a_while() {
    seeds::for_each(1, |seed| {
        let script = Script::unprepared(seed, 60);
        let whole = SimStorage::new(seed);
        Survivor::new(&script, &whole).run(|error| panic!("{error:?}"));
        let total: u64 = whole.trace().len() as u64 * 100;
        for room in (0..total).step_by(usize::try_from(total / 300).unwrap().max(1)) {
            full_for_a_while(&script, room);
        }
    });
}

fn full_for_a_while(script: &Script, room: u64) {
    let storage = SimStorage::new(room);
    storage.disk_full(room);
    let mut survivor = Survivor::new(script, &storage);
    let mut full_for = 0;
    for step in &script.steps {
        let before = survivor.visible.clone();
        let mut failed = false;
        survivor.step(step, &mut |error| {
            assert!(error.is_disk_full(), "{error:?}");
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            failed = true;
        });
        full_for += usize::from(failed);
        if failed && survivor.logged.is_some() && !matches!(step, Step::Reopen { .. }) {
            assert_eq!(
                survivor.visible, before,
                "a write that has failed is not there"
            );
        }
        if full_for == 6 {
            break;
        }
    }
    storage.free();
    for step in &script.steps {
        let Step::Write(number, _) = step else {
            continue;
        };
        // One that was refused before a smaller one found room would come out of turn now.
        if survivor.visible.last().is_none_or(|last| number > last) {
            survivor.step(step, &mut |error| panic!("there is room again: {error:?}"));
        }
    }
    survivor.recover();
}

/// The disk is full for a while, there is room again, and then the power goes.
#[test]
fn a_power_cut_after_a_full_disk() {
    seeds::for_each(2, |seed| {
        let script = Script::unprepared(seed + 1_000, 40);
        let mut random = fastrand::Rng::with_seed(seed);
        for cut in 0.. {
            let storage = SimStorage::new(cut);
            storage.disk_full(random.u64(..30_000));
            storage.power_cut_at(cut);
            let mut survivor = Survivor::new(&script, &storage);
            let patience = random.usize(1..5);
            for step in &script.steps {
                if survivor.errors >= patience {
                    storage.free();
                }
                survivor.step(step, &mut assert_io);
            }
            let is_off = storage.is_off();
            survivor.logged = None;
            for image in CrashImage::ALL {
                let memory = storage.memory().image(image, cut);
                let logged = Logged::open(Env::memory(memory), &script.setup).unwrap();
                let visible = logged.check(&script);
                let lost: Vec<&usize> = survivor.durable.difference(&visible).collect();
                assert!(
                    lost.is_empty(),
                    "cut {cut}, {image:?}: batches {lost:?} are gone"
                );
                let back: Vec<&usize> = survivor.refused.intersection(&visible).collect();
                assert!(
                    back.is_empty(),
                    "cut {cut}, {image:?}: batches {back:?} had failed"
                );
            }
            if !is_off {
                break;
            }
        }
    });
}

#[test]
fn a_failed_sync_ends_writing_and_not_reading() {
    let storage = SimStorage::new(0);
    let options = Options {
        background_threads: 0,
        ..Options::default()
    };
    let db = DB::open_with(storage.env(), options.clone()).unwrap();
    db.put("a", "1").unwrap();
    storage.fail(Fault {
        on: &[Io::Sync],
        after: 0,
        sticky: false,
    });
    let first = db.put("b", "2").unwrap_err();
    assert_eq!(first.kind(), ErrorKind::Closed, "{first:?}");
    for _ in 0..3 {
        let later = db.put("c", "3").unwrap_err();
        assert_eq!(later.kind(), ErrorKind::Closed, "{later:?}");
    }
    assert_eq!(db.get("a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(db.get("c").unwrap(), None);
    db.close().unwrap_err();
    drop(db);
    let db = DB::open_with(storage.env(), options).unwrap();
    assert_eq!(db.get("a").unwrap().as_deref(), Some(&b"1"[..]));
    db.put("c", "3").unwrap();
    drop(db);
    let image = storage.memory().image(CrashImage::LoseUnsynced, 0);
    let db = DB::open_with(Env::memory(image), Options::default()).unwrap();
    assert_eq!(db.get("a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(db.get("c").unwrap().as_deref(), Some(&b"3"[..]));
}

#[test]
fn background_errors_are_reported_and_pass() {
    let storage = SimStorage::new(0);
    let mut setup = Setup::tiny(&mut fastrand::Rng::with_seed(0), 1);
    setup.options.memtable_bytes = 4_096;
    let world = World::open(storage.threaded_env(), &setup).unwrap();
    let key = |i: u32| format!("key{i:06}");
    storage.disk_full(20_000);
    let mut written = 0;
    let error = loop {
        match world.keyspaces[1].put(key(written), [7; 500]) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(error.is_disk_full(), "{error:?}");
    storage.free();
    for i in written..written + 200 {
        world.keyspaces[1].put(key(i), [7; 500]).unwrap();
    }
    world.db.flush().unwrap();
    world.db.compact().unwrap();
    assert_eq!(
        world.keyspaces[1].iter().count(),
        usize::try_from(written).unwrap() + 200
    );
    assert_eq!(world.db.verify().unwrap().problems, []);
    let stats = world.db.stats();
    assert_eq!((stats.flush_error, stats.compaction_error), (None, None));
}

/// A disk that is full when a log grows: nothing is written, nothing is given up, and the same log goes on.
#[test]
fn a_log_that_cannot_grow_is_as_it_was() {
    let storage = SimStorage::new(0);
    let options = Options {
        background_threads: 0,
        ..Options::default()
    };
    let db = DB::open_with(storage.env(), options).unwrap();
    db.put("before", [1; 1_000]).unwrap();
    let logs = || {
        let files = storage.memory().list().unwrap().into_iter();
        let is_log = |name: &String| name.ends_with(".wal");
        Vec::from_iter(files.map(|file| file.name).filter(is_log))
    };
    let before = logs();
    storage.disk_full(100);
    for _ in 0..3 {
        let error = db.put("large", [2; 100_000]).unwrap_err();
        assert!(error.is_disk_full(), "{error:?}");
        assert!(error.to_string().contains(&before[0]), "{error}");
        db.put("small", [3; 10]).unwrap();
    }
    assert_eq!(db.get("large").unwrap(), None);
    storage.free();
    db.put("large", [2; 100_000]).unwrap();
    assert_eq!(logs(), before);
    let image = storage.memory().image(CrashImage::LoseUnsynced, 0);
    let db = DB::open_with(Env::memory(image), Options::default()).unwrap();
    for (key, length) in [("before", 1_000), ("small", 10), ("large", 100_000)] {
        assert_eq!(db.get(key).unwrap().unwrap().len(), length);
    }
}
