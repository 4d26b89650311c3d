//! Histories of a small database that does it right, and of the same with a rule left out.

use aether_history::{Begun, Kind, Level, Recorder, check};
use std::collections::BTreeMap;

/// What a database may get wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rules {
    /// Reads and ranges are validated.
    Serializable,
    /// The first to commit a write of a key wins.
    Snapshot,
    /// Everybody wins.
    LostUpdates,
    /// Reads see the newest commits, whatever the moment.
    NoSnapshots,
}

/// Every version of every key, with the commit that made it.
#[derive(Default)]
struct Store {
    registers: BTreeMap<Vec<u8>, Vec<(u64, u64)>>,
    lists: BTreeMap<Vec<u8>, Vec<(u64, u64)>>,
    commits: u64,
}

/// A transaction under way.
struct Open<'a> {
    begun: Begun<'a>,
    at: u64,
    steps: usize,
    reads: Vec<(bool, Vec<u8>)>,
    registers: BTreeMap<Vec<u8>, u64>,
    lists: BTreeMap<Vec<u8>, Vec<u64>>,
}

impl Store {
    fn versions(&self, is_list: bool, key: &[u8]) -> &[(u64, u64)] {
        let map = if is_list {
            &self.lists
        } else {
            &self.registers
        };
        map.get(key).map_or(&[], Vec::as_slice)
    }

    fn changed(&self, is_list: bool, key: &[u8], since: u64) -> bool {
        let versions = self.versions(is_list, key);
        versions.last().is_some_and(|(commit, _)| *commit > since)
    }

    fn step(
        &self,
        txn: &mut Open<'_>,
        recorder: &Recorder,
        random: &mut fastrand::Rng,
        rules: Rules,
    ) {
        let key = vec![random.u8(b'a'..b'f')];
        let at = if rules == Rules::NoSnapshots {
            u64::MAX
        } else {
            txn.at
        };
        let seen = |is_list| -> Vec<u64> {
            let versions = self.versions(is_list, &key).iter();
            versions
                .filter(|(c, _)| *c <= at)
                .map(|(_, v)| *v)
                .collect()
        };
        match random.u8(..6) {
            0 | 1 => {
                let own = txn.registers.get(&key).copied();
                txn.begun
                    .read(&key, own.or_else(|| seen(false).last().copied()));
                txn.reads.push((false, key));
            }
            2 | 3 => {
                let mut list = seen(true);
                list.extend(txn.lists.get(&key).into_iter().flatten());
                txn.begun.read_list(&key, list);
                txn.reads.push((true, key));
            }
            4 => {
                let value = recorder.fresh_value();
                txn.begun.write(&key, value);
                txn.registers.insert(key, value);
            }
            _ => {
                let value = recorder.fresh_value();
                txn.begun.append(&key, value);
                txn.lists.entry(key).or_default().push(value);
            }
        }
    }

    fn commit(&mut self, txn: Open<'_>, random: &mut fastrand::Rng, rules: Rules) {
        let keys = |is_list| -> Vec<(bool, Vec<u8>)> {
            let (lists, registers) = (txn.lists.keys(), txn.registers.keys());
            let keys: Vec<&Vec<u8>> = if is_list {
                lists.collect()
            } else {
                registers.collect()
            };
            keys.into_iter().map(|key| (is_list, key.clone())).collect()
        };
        let written = [keys(true), keys(false)].concat();
        let depends = match rules {
            Rules::Snapshot | Rules::NoSnapshots => written.clone(),
            Rules::Serializable if written.is_empty() => vec![],
            Rules::Serializable => txn.reads.clone(),
            Rules::LostUpdates => vec![],
        };
        let clashes = depends
            .iter()
            .any(|(is_list, key)| self.changed(*is_list, key, txn.at));
        if clashes || random.u8(..10) == 0 {
            return txn.begun.aborted();
        }
        if written.is_empty() {
            return txn.begun.committed();
        }
        self.commits += 1;
        for (key, value) in txn.registers {
            self.registers
                .entry(key)
                .or_default()
                .push((self.commits, value));
        }
        for (key, values) in txn.lists {
            let list = self.lists.entry(key).or_default();
            list.extend(values.into_iter().map(|value| (self.commits, value)));
        }
        txn.begun.committed_at(self.commits);
    }
}

/// Clients in random turns.
fn run(seed: u64, rules: Rules) -> Recorder {
    let mut random = fastrand::Rng::with_seed(seed);
    let recorder = Recorder::new();
    let mut store = Store::default();
    let mut open: Vec<Option<Open<'_>>> = (0..4).map(|_| None).collect();
    for _ in 0..2_000 {
        let client = random.usize(..4);
        match open[client].take() {
            None => {
                open[client] = Some(Open {
                    begun: recorder.session().begin(),
                    at: store.commits,
                    steps: random.usize(1..5),
                    reads: vec![],
                    registers: BTreeMap::new(),
                    lists: BTreeMap::new(),
                });
            }
            Some(mut txn) if txn.steps > 0 => {
                txn.steps -= 1;
                store.step(&mut txn, &recorder, &mut random, rules);
                open[client] = Some(txn);
            }
            Some(txn) => store.commit(txn, &mut random, rules),
        }
    }
    open.into_iter()
        .flatten()
        .for_each(|txn| txn.begun.aborted());
    recorder
}

#[test]
fn what_is_right_passes() {
    for seed in 0..30 {
        let history = run(seed, Rules::Snapshot).history();
        assert_eq!(check(&history, Level::Snapshot), [], "seed {seed}");
        let history = run(seed, Rules::Serializable).history();
        assert_eq!(check(&history, Level::Serializable), [], "seed {seed}");
    }
}

#[test]
fn what_is_wrong_is_found() {
    let skew = [Kind::WriteSkew, Kind::ReadSkew, Kind::LongFork];
    let lost = [Kind::LostUpdate, Kind::ReadSkew];
    let torn = [Kind::ReadSkew, Kind::LongFork, Kind::Internal];
    let cases: [(Rules, Level, &[Kind]); 3] = [
        (Rules::Snapshot, Level::Serializable, &skew),
        (Rules::LostUpdates, Level::Snapshot, &lost),
        (Rules::NoSnapshots, Level::Snapshot, &torn),
    ];
    for (rules, level, kinds) in cases {
        // Now and then nothing goes wrong.
        let seeds = (0..30).filter(|seed| {
            let anomalies = check(&run(*seed, rules).history(), level);
            anomalies
                .iter()
                .any(|anomaly| kinds.contains(&anomaly.kind))
        });
        assert!(seeds.count() > 20, "{rules:?}");
    }
}
