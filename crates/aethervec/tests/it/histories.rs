//! What concurrent transactions on documents see of each other, checked whole: each document is a register, and what a search
//! or a scroll finds is a read of all of them.
//!
//! The check is checked, too: clients that go about it wrongly must be told.

use crate::common::for_seeds;
use aether_env::{Env, MemoryStorage};
use aether_history::{Begun, History, Level, Outcome, Recorder, Session, Txn, check};
use aethervec::{
    AetherDB, Collection, DbOptions, DbSnapshot, Document, ErrorKind, Filter, IndexConfig,
    Isolation, Patch, Result, ScrollRequest, SearchRequest, SeqNo, Transaction, Write,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const CLIENTS: u64 = 4;
const TRANSACTIONS: usize = 120;

/// Few, so that they meet.
const DOCUMENTS: u64 = 6;

/// The documents of two collections.
struct Site {
    db: AetherDB,
    collections: [Collection; 2],
}

fn key(collection: usize, id: u64) -> Vec<u8> {
    format!("{collection}-{id}").into_bytes()
}

fn value(payload: Option<&Value>) -> u64 {
    payload.unwrap()["value"].as_u64().unwrap()
}

fn document(id: u64, value: u64) -> Document {
    // Somewhere else each time, so that a search of an old index entry would be told.
    let place = [id as f32, (value % 97) as f32];
    Document::new(place.to_vec(), id).with_payload(json!({"value": value}))
}

/// What a client does wrongly.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// It searches the newest state instead of its transaction's.
    SearchesNewest,
    /// It searches the state at which its last transaction began.
    SearchesThePast,
    /// It commits in a transaction that begins only then, so that nothing is in conflict.
    CommitsBlindly,
}

struct Client<'a> {
    site: &'a Site,
    recorder: &'a Recorder,
    session: Session<'a>,
    rng: fastrand::Rng,
    isolation: Isolation,
    fault: Fault,
    /// When the last transaction began.
    past: Option<DbSnapshot>,
    /// What the present one has written.
    writes: Vec<(usize, Write)>,
}

impl Client<'_> {
    fn transaction(&mut self) {
        let mut begun = self.session.begin();
        let mut txn = self.site.db.begin_with(self.isolation).unwrap();
        self.writes.clear();
        for _ in 0..self.rng.usize(1..5) {
            self.step(&mut begun, &mut txn).unwrap();
            if self.rng.u8(..3) == 0 {
                std::thread::yield_now();
            }
        }
        if self.rng.u8(..16) == 0 {
            return begun.aborted();
        }
        self.past = Some(txn.snapshot().clone());
        match self.commit(txn) {
            Ok(seq) if !self.writes.is_empty() => begun.committed_at(seq.0),
            Ok(_) => begun.committed(),
            Err(error) if error.kind() == ErrorKind::Conflict => begun.aborted(),
            Err(error) => panic!("{error}"),
        }
    }

    fn commit(&self, txn: Transaction) -> Result<SeqNo> {
        if self.fault != Fault::CommitsBlindly {
            return txn.commit();
        }
        txn.rollback();
        loop {
            let mut fresh = self.site.db.begin()?;
            for (of, write) in &self.writes {
                fresh.apply(&self.site.collections[*of], write.clone())?;
            }
            match fresh.commit() {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                committed => return committed,
            }
        }
    }

    /// Makes a write in the transaction: whether its condition held.
    fn write(
        &mut self,
        begun: &mut Begun<'_>,
        txn: &mut Transaction,
        (of, id, new): (usize, u64, u64),
        write: Write,
    ) -> Result<()> {
        if txn
            .apply(&self.site.collections[of], write.clone())?
            .is_applied()
        {
            begun.write(&key(of, id), new);
            self.writes.push((of, write));
        }
        Ok(())
    }

    fn step(&mut self, begun: &mut Begun<'_>, txn: &mut Transaction) -> Result<()> {
        let of = self.rng.usize(..2);
        let notes = &self.site.collections[of];
        let id = self.rng.u64(..DOCUMENTS);
        let new = self.recorder.fresh_value();
        match self.rng.u8(..12) {
            0..2 => {
                let found = match self.rng.bool() {
                    true => txn.get(notes, id)?,
                    false => txn.get_for_update(notes, id)?,
                };
                let found = found.map(|document| value(document.payload.as_ref()));
                begun.read(&key(of, id), found);
                Ok(())
            }
            2..5 => {
                let write = Write::upsert(document(id, new));
                self.write(begun, txn, (of, id, new), write)
            }
            5..7 => {
                let savepoint = txn.savepoint();
                txn.delete_by(notes, &Filter::And(vec![]))?;
                txn.rollback_to(&savepoint);
                let write = Write::patch(id, Patch::new().set("value", new));
                self.write(begun, txn, (of, id, new), write)
            }
            7 => {
                let write = Write::upsert(document(id, new)).if_absent();
                self.write(begun, txn, (of, id, new), write)
            }
            _ => {
                for (id, found) in self.read_all(txn, of)? {
                    begun.read(&key(of, id), found);
                }
                Ok(())
            }
        }
    }

    /// All documents of a collection, by a search or a scroll.
    fn read_all(&mut self, txn: &mut Transaction, of: usize) -> Result<BTreeMap<u64, Option<u64>>> {
        let notes = &self.site.collections[of];
        let mut all: BTreeMap<u64, Option<u64>> = (0..DOCUMENTS).map(|id| (id, None)).collect();
        let mut add = |id: &aethervec::DocId, payload: Option<&Value>| {
            let id: u64 = id.to_string().parse().unwrap();
            assert_eq!(
                all.insert(id, Some(value(payload))),
                Some(None),
                "found twice"
            );
        };
        if self.rng.u8(..3) == 0 {
            let request = ScrollRequest {
                after: None,
                limit: 100,
            };
            for document in txn.scroll(notes, request)?.documents {
                add(&document.id, document.payload.as_ref());
            }
        } else {
            let request = SearchRequest {
                exact: self.rng.bool(),
                ..SearchRequest::new(&[3.0, 40.0], 100)
            };
            let past = self.past.as_ref().map(|past| notes.at(past)).transpose()?;
            let hits = match (self.fault, past) {
                (Fault::SearchesNewest, _) => notes.search_with(request),
                (Fault::SearchesThePast, Some(past)) => past.search_with(request),
                _ => txn.search_with(notes, request),
            };
            for hit in hits? {
                add(&hit.id, hit.payload.as_ref());
            }
        }
        Ok(all)
    }
}

/// What clients that have this fault have done, each with so many transactions.
fn play(seed: u64, isolation: Isolation, fault: Fault) -> History {
    let options = DbOptions {
        lane_threads: Some(1),
        ..DbOptions::DEFAULT
    };
    let db = AetherDB::open_with(Env::memory(MemoryStorage::new()), options).unwrap();
    let create = |name| {
        db.create_collection(name, 2, "l2", IndexConfig::default())
            .unwrap()
    };
    let site = Site {
        collections: [create("a"), create("b")],
        db,
    };
    let recorder = Recorder::new();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (site, recorder) = (&site, &recorder);
            scope.spawn(move || {
                let mut client = Client {
                    site,
                    recorder,
                    session: recorder.session(),
                    rng: fastrand::Rng::with_seed(seed << 8 | client),
                    isolation,
                    fault,
                    past: None,
                    writes: Vec::new(),
                };
                for _ in 0..TRANSACTIONS {
                    client.transaction();
                }
            });
        }
    });
    let report = site.db.check().unwrap();
    assert!(report.is_clean(), "{:#?}", report.problems);
    recorder.history()
}

/// Whether transactions met that snapshot isolation alone lets pass.
fn run(seed: u64, isolation: Isolation) -> bool {
    let history = play(seed, isolation, Fault::None);
    let is_committed = |txn: &&Txn| matches!(txn.outcome, Outcome::Committed(Some(_)));
    let committed = history.txns.iter().filter(is_committed).count();
    assert!(committed > 60, "{committed} transactions came through");
    let level = match isolation {
        Isolation::Serializable => Level::Serializable,
        _ => Level::Snapshot,
    };
    let anomalies = check(&history, level);
    assert!(anomalies.is_empty(), "{isolation:?}: {anomalies:#?}");
    !check(&history, Level::Serializable).is_empty()
}

#[test]
fn snapshot_isolation_holds() {
    let skewed = std::cell::Cell::new(false);
    for_seeds(4, |seed| {
        let is_skewed = run(seed, Isolation::Snapshot);
        skewed.set(skewed.get() || is_skewed);
    });
    assert!(skewed.get(), "transactions did not meet");
}

#[test]
fn serializable_holds() {
    for_seeds(4, |seed| assert!(!run(seed, Isolation::Serializable)));
}

#[test]
fn clients_that_go_about_it_wrongly_are_told() {
    for fault in [
        Fault::SearchesNewest,
        Fault::SearchesThePast,
        Fault::CommitsBlindly,
    ] {
        let mut seeds = 0..20;
        let is_told = |seed| {
            let history = play(seed, Isolation::Snapshot, fault);
            !check(&history, Level::Snapshot).is_empty()
        };
        assert!(seeds.any(is_told), "{fault:?}");
    }
}
