//! Whole lives of a database, each from one seed: operations with background work between them, on a machine whose
//! power goes, whose disk fills up or fails, once or for good, and which is opened again after each of its deaths.
//! In the end a file is damaged.
//!
//! A default run takes 200 fresh seeds. The soak is the same with 20,000 of them:
//! `AETHER_ROUNDS=100 cargo test --release -p aidb --test it simulation`.

use crate::encryption::encrypted;
use crate::script::{Logged, Script, Step};
use crate::seeds;
use aether_env::{CrashImage, Env, MemoryStorage, Storage};
use aether_sim::{Fault, Io, SimStorage};
use aidb::{Error, ErrorKind, Result};
use std::collections::BTreeSet;

const FAULTS: [&[Io]; 5] = [
    &[Io::Append, Io::Reserve, Io::Write, Io::Finish],
    &[Io::Sync],
    &[Io::Create, Io::Rename, Io::Put, Io::Delete, Io::SyncNames],
    Io::READING,
    Io::MUTATING,
];

/// What is known of the batches.
#[derive(Clone, Debug, Default)]
struct Knowledge {
    /// Seen when the database was last read.
    visible: BTreeSet<usize>,
    /// Must be there for ever.
    durable: BTreeSet<usize>,
    /// Failed for want of space: must never be seen.
    refused: BTreeSet<usize>,
    /// Tried and neither acknowledged nor refused: there or not, until a later one is there without it.
    unknown: BTreeSet<usize>,
}

impl Knowledge {
    /// Takes in what was found after a crash.
    fn learn(&mut self, found: BTreeSet<usize>) {
        let lost: Vec<_> = self.durable.difference(&found).collect();
        assert!(lost.is_empty(), "{lost:?} were durable and are gone");
        let back: Vec<_> = self.refused.intersection(&found).collect();
        assert!(back.is_empty(), "{back:?} had failed and are there");
        let strange: Vec<_> = found
            .difference(&self.visible)
            .filter(|number| !self.unknown.contains(number))
            .collect();
        assert!(strange.is_empty(), "{strange:?} were never seen before");
        let first_lost = self.visible.difference(&found).next();
        if let Some(lost) = first_lost {
            let later = found.range(lost..).next();
            assert_eq!(later, None, "it is there, and {lost} before it is lost");
        }
        self.visible = found;
        self.settle();
    }

    /// What failed before the last one that is there does not come back any more.
    fn settle(&mut self) {
        let last = self.visible.last().copied();
        self.unknown.retain(|number| Some(*number) > last);
    }
}

/// A database on a machine, from one start of the machine to its end.
struct Life<'a> {
    script: &'a Script,
    storage: SimStorage,
    env: Env,
    random: fastrand::Rng,
    logged: Option<Logged>,
    knowledge: Knowledge,
    /// Errors after which the machine is mended.
    patience: u32,
}

impl<'a> Life<'a> {
    fn new(
        script: &'a Script,
        memory: MemoryStorage,
        wrap: fn(Env) -> Env,
        mut random: fastrand::Rng,
        knowledge: Knowledge,
    ) -> Life<'a> {
        let storage = SimStorage::on(memory, random.u64(..));
        let env = wrap(storage.env());
        let patience = random.u32(1..6);
        let mut life = Life {
            script,
            storage,
            env,
            random,
            logged: None,
            knowledge,
            patience,
        };
        life.make_trouble();
        life
    }

    fn make_trouble(&mut self) {
        let random = &mut self.random;
        let soon = |random: &mut fastrand::Rng| {
            let scale = random.u32(3..10);
            random.u64(..1 << scale)
        };
        if random.u8(..3) > 0 {
            self.storage.power_cut_at(soon(random));
        }
        for _ in 0..random.u8(..3) {
            self.storage.fail(Fault {
                on: FAULTS[random.usize(..FAULTS.len())],
                after: soon(random),
                sticky: random.bool(),
            });
        }
        if random.u8(..4) == 0 {
            self.storage.disk_full(random.u64(..60_000));
        }
    }

    fn live(&mut self, steps: &[Step]) {
        for step in steps {
            if self.storage.is_off() {
                return;
            }
            self.step(step);
        }
        if self.random.bool() {
            self.step(&Step::Reopen { close: true });
        }
    }

    fn step(&mut self, step: &Step) {
        if let Step::Reopen { close } = step
            && let Some(logged) = self.logged.take()
            && *close
        {
            match logged.db().close() {
                Ok(()) => self.knowledge.durable.clone_from(&self.knowledge.visible),
                Err(error) => self.suffer(&error),
            }
        }
        if self.logged.is_none() && !self.open() {
            return;
        }
        let (Some(logged), false) = (&mut self.logged, matches!(step, Step::Reopen { .. })) else {
            return;
        };
        let number = step.batch();
        match logged.step(self.script, step) {
            Ok(durable) => {
                self.knowledge.visible.extend(number);
                self.knowledge.settle();
                if durable {
                    self.knowledge.durable.clone_from(&self.knowledge.visible);
                }
            }
            Err(error) => {
                match error.is_disk_full() {
                    true => self.knowledge.refused.extend(number),
                    false => self.knowledge.unknown.extend(number),
                }
                self.suffer(&error);
                self.look();
            }
        }
    }

    fn open(&mut self) -> bool {
        match Logged::open(self.env.clone(), &self.script.setup) {
            Ok(logged) => {
                self.logged = Some(logged);
                self.look();
                self.logged.is_some()
            }
            Err(error) => {
                self.suffer(&error);
                false
            }
        }
    }

    /// A failed I/O never passes for damage, and in the end somebody mends the machine.
    fn suffer(&mut self, error: &Error) {
        let kinds = [ErrorKind::Io, ErrorKind::Unavailable, ErrorKind::Closed];
        assert!(kinds.contains(&error.kind()), "{error:?}");
        self.patience = self.patience.saturating_sub(1);
        if self.patience == 0 {
            self.storage.clear_faults();
            self.storage.free();
        }
    }

    /// Reads everything. If that is not possible just now, opens again for the next step: nobody goes on without
    /// knowing what is there.
    fn look(&mut self) {
        let Some(logged) = &self.logged else {
            return;
        };
        match read(self.script, logged) {
            Ok(found) => self.knowledge.learn(found),
            Err(error) => {
                self.suffer(&error);
                self.logged = None;
            }
        }
    }

    /// What is on the disk once the machine is off.
    fn end(mut self) -> (MemoryStorage, Knowledge) {
        self.logged = None;
        let image = self.random.choice(CrashImage::ALL).unwrap();
        let memory = self.storage.memory().image(image, self.random.u64(..));
        (memory, self.knowledge)
    }
}

/// The batches that can be seen, after a check that exactly their contents are there.
fn read(script: &Script, logged: &Logged) -> Result<BTreeSet<usize>> {
    let visible = logged.visible()?;
    let state = script.state(&visible);
    logged.world.compare(&logged.db().snapshot(), &state)?;
    Ok(visible)
}

fn simulate(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let wrap: fn(Env) -> Env = if random.u8(..8) == 0 {
        encrypted
    } else {
        |env| env
    };
    let script = Script::unprepared(random.u64(..), random.usize(20..160));
    let mut memory = MemoryStorage::new();
    let mut knowledge = Knowledge::default();
    let mut rest = &script.steps[..];
    while !rest.is_empty() {
        let (steps, later) = rest.split_at(random.usize(1..=rest.len()));
        rest = later;
        let mut life = Life::new(&script, memory, wrap, random.fork(), knowledge);
        life.live(steps);
        (memory, knowledge) = life.end();
    }
    let logged = Logged::open(wrap(Env::memory(memory.clone())), &script.setup).unwrap();
    knowledge.learn(logged.check(&script));
    logged.db().flush().unwrap();
    logged.db().close().unwrap();
    drop(logged);
    damage(
        &script,
        memory.image(CrashImage::KeepAll, 0),
        wrap,
        &mut random,
        &knowledge,
    );
    let logged = Logged::open(wrap(Env::memory(memory)), &script.setup).unwrap();
    logged.goes_on(&script);
}

/// Damages a file: what is read then is right, or an error that says where the damage is.
fn damage(
    script: &Script,
    memory: MemoryStorage,
    wrap: fn(Env) -> Env,
    random: &mut fastrand::Rng,
    knowledge: &Knowledge,
) {
    let files = memory.list().unwrap();
    let name = &files[random.usize(..files.len())].name;
    let mut bytes = memory.contents(name).unwrap();
    let from = random.usize(..bytes.len().max(1)).min(bytes.len());
    match random.u8(..5) {
        0 => memory.delete(name).unwrap(),
        1 => memory.replace(name, bytes[..from].to_vec()),
        2 => memory.replace(name, vec![0; bytes.len()]),
        _ => {
            if let Some(byte) = bytes.get_mut(from) {
                *byte ^= 1 << random.u8(..8);
            }
            memory.replace(name, bytes);
        }
    }
    let mut setup = script.setup.clone();
    setup.options.create_if_missing = false;
    let logged = match Logged::open(wrap(Env::memory(memory)), &setup) {
        Ok(logged) => logged,
        Err(error) => return assert_damage(&error, name),
    };
    let visible = match logged.visible() {
        Ok(visible) => visible,
        Err(error) => return assert_damage(&error, name),
    };
    // The end of a log may pass for one that a crash has torn, but never for more than is there.
    assert!(visible.is_subset(&knowledge.visible), "{name}");
    let state = script.state(&visible);
    if let Err(error) = logged.world.compare(&logged.db().snapshot(), &state) {
        assert_damage(&error, name);
    }
    for (keyspace, map) in logged.world.keyspaces.iter().zip(&state.maps) {
        for (key, value) in map {
            match keyspace.get(key) {
                Ok(found) => assert_eq!(found.as_deref(), Some(&value[..]), "{name}"),
                Err(error) => assert_damage(&error, name),
            }
        }
    }
}

/// The error is about damage. That it names the right file is tested in corruption.rs.
fn assert_damage(error: &Error, damaged: &str) {
    let kinds = [
        ErrorKind::Corruption,
        ErrorKind::Invalid,
        ErrorKind::NotFound,
    ];
    assert!(kinds.contains(&error.kind()), "{damaged}: {error:?}");
}

#[test]
fn lives() {
    seeds::fresh(200, simulate);
}
