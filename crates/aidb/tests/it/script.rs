//! A run that is known in advance, so that it can be interrupted anywhere and compared.
//!
//! Batch number `i` also writes `i` to the journal: a keyspace of its own. What the journal holds afterwards tells
//! which batches are there, and these, applied in order, give the only right contents.

use crate::oracle::{Change, KEYSPACES, Setup, State, World, random_batch};
use aether_env::Env;
use aidb::{
    DB, Durability, Isolation, Keyspace, KeyspaceOptions, Result, Snapshot, TransactionOptions,
};
use std::collections::BTreeSet;

/// One thing to do.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The batch of that number.
    Write(usize, Durability),
    /// The same, and nobody waits for it.
    Submit(usize),
    /// The same, in a transaction; prepared first, or not.
    Transact(usize, Isolation, bool),
    Flush,
    Compact,
    Tick,
    HoldSnapshot,
    DropSnapshot,
    Reopen {
        close: bool,
    },
}

impl Step {
    /// The batch that it writes.
    pub(crate) fn batch(&self) -> Option<usize> {
        match self {
            Step::Write(number, _) | Step::Submit(number) | Step::Transact(number, ..) => {
                Some(*number)
            }
            _ => None,
        }
    }
}

/// All that will be done.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) setup: Setup,
    pub(crate) batches: Vec<Vec<Change>>,
    pub(crate) steps: Vec<Step>,
}

impl Script {
    pub(crate) fn random(seed: u64, steps: usize) -> Script {
        let mut random = fastrand::Rng::with_seed(seed);
        let setup = Setup::tiny(&mut random, 0);
        let mut batches = Vec::new();
        let steps = (0..steps)
            .map(|_| match random.u8(..100) {
                0..8 => {
                    batches.push(random_batch(&mut random, false));
                    let isolation = match random.bool() {
                        true => Isolation::Snapshot,
                        false => Isolation::Serializable,
                    };
                    Step::Transact(batches.len() - 1, isolation, random.bool())
                }
                8..75 => {
                    batches.push(random_batch(&mut random, true));
                    match random.u8(..8) {
                        0 => Step::Submit(batches.len() - 1),
                        1 => Step::Write(batches.len() - 1, Durability::Buffered),
                        _ => Step::Write(batches.len() - 1, Durability::Sync),
                    }
                }
                75..80 => Step::Flush,
                80..82 => Step::Compact,
                82..92 => Step::Tick,
                92..95 => Step::HoldSnapshot,
                95..97 => Step::DropSnapshot,
                _ => Step::Reopen {
                    close: random.bool(),
                },
            })
            .collect();
        Script {
            setup,
            batches,
            steps,
        }
    }

    /// The same without prepared transactions: after an error they would stay.
    pub(crate) fn unprepared(seed: u64, steps: usize) -> Script {
        let mut script = Script::random(seed, steps);
        for step in &mut script.steps {
            if let Step::Transact(_, _, prepares) = step {
                *prepares = false;
            }
        }
        script
    }

    /// The contents after these batches.
    pub(crate) fn state(&self, batches: &BTreeSet<usize>) -> State {
        let mut state = State::default();
        for &batch in batches {
            state.apply(&self.batches[batch]);
        }
        state
    }
}

/// A database with its journal.
pub(crate) struct Logged {
    pub(crate) world: World,
    journal: Keyspace,
    snapshots: Vec<Snapshot>,
}

impl Logged {
    pub(crate) fn open(env: Env, setup: &Setup) -> Result<Logged> {
        let world = World::open(env, setup)?;
        let journal = world.db.keyspace("journal", KeyspaceOptions::default())?;
        // A batch that was promised when the power went is as good as there.
        for name in world.db.prepared() {
            world.db.commit_prepared(name)?;
        }
        Ok(Logged {
            world,
            journal,
            snapshots: Vec::new(),
        })
    }

    pub(crate) fn db(&self) -> &DB {
        &self.world.db
    }

    /// Writes batch `number`; true when it will survive a power cut from now on.
    pub(crate) fn write(
        &self,
        number: usize,
        changes: &[Change],
        durability: Option<Durability>,
    ) -> Result<bool> {
        let mut batch = self.world.batch(changes)?;
        batch.put(
            &self.journal,
            u32::try_from(number).unwrap().to_be_bytes(),
            b"",
        );
        match durability {
            Some(durability) => self.db().write(batch, durability).map(drop)?,
            None => self.db().submit(batch).map(drop)?,
        }
        Ok(durability == Some(Durability::Sync))
    }

    /// The same in a transaction.
    fn transact(
        &self,
        number: usize,
        changes: &[Change],
        isolation: Isolation,
        prepares: bool,
    ) -> Result<bool> {
        let mut txn = self.db().begin(TransactionOptions { isolation })?;
        for (place, change) in changes.iter().enumerate() {
            if place % 3 == 2 {
                let savepoint = txn.savepoint();
                self.world.change(&mut txn, change)?;
                txn.rollback_to(savepoint);
            }
            self.world.change(&mut txn, change)?;
        }
        let name = u32::try_from(number).unwrap().to_be_bytes();
        txn.put(&self.journal, name, b"")?;
        if prepares {
            txn.prepare(name)?;
            self.db().commit_prepared(name)?;
        } else {
            txn.commit(Durability::Sync)?;
        }
        Ok(true)
    }

    /// Carries out a step other than opening again; true when everything visible is durable now.
    pub(crate) fn step(&mut self, script: &Script, step: &Step) -> Result<bool> {
        match step {
            Step::Write(number, durability) => {
                return self.write(*number, &script.batches[*number], Some(*durability));
            }
            Step::Submit(number) => return self.write(*number, &script.batches[*number], None),
            Step::Transact(number, isolation, prepares) => {
                return self.transact(*number, &script.batches[*number], *isolation, *prepares);
            }
            Step::Flush => {
                self.db().flush()?;
                return Ok(true);
            }
            Step::Compact => self.db().compact()?,
            Step::Tick => drop(self.db().tick()?),
            Step::HoldSnapshot => self.snapshots.push(self.db().snapshot()),
            Step::DropSnapshot => drop(self.snapshots.pop()),
            Step::Reopen { .. } => unreachable!("the caller opens again"),
        }
        Ok(false)
    }

    /// The batches that can be seen.
    pub(crate) fn visible(&self) -> Result<BTreeSet<usize>> {
        let mut batches = BTreeSet::new();
        let mut iter = self.journal.iter();
        while let Some((key, _)) = iter.try_next()? {
            let number = u32::from_be_bytes(key[..].try_into().unwrap());
            batches.insert(usize::try_from(number).unwrap());
        }
        Ok(batches)
    }

    /// The batches that can be seen, after a check that exactly these are there and all files are sound.
    pub(crate) fn check(&self, script: &Script) -> BTreeSet<usize> {
        let visible = self.visible().unwrap();
        self.world.assert_sound(&script.state(&visible));
        visible
    }

    /// Writes a batch beyond the script's, flushes, compacts, and finds everything in its place.
    pub(crate) fn goes_on(&self, script: &Script) {
        let mut state = script.state(&self.visible().unwrap());
        for keyspace in 0..KEYSPACES {
            let batch = [
                Change::Put(keyspace, b"after".to_vec(), vec![7; 3_000]),
                Change::Attach(keyspace, b"after".to_vec(), vec![8; 3_000]),
                Change::Delete(keyspace, b"a".to_vec()),
                Change::Append(keyspace, b"b".to_vec(), vec![9; 100]),
                Change::DeleteRange(keyspace, b"ba".to_vec(), b"c".to_vec()),
            ];
            self.world.write(&batch, Durability::Sync).unwrap();
            state.apply(&batch);
        }
        self.world.assert_sound(&state);
        self.db().flush().unwrap();
        self.world.assert_sound(&state);
        self.db().compact().unwrap();
        self.world.assert_sound(&state);
        self.db().close().unwrap();
    }
}
