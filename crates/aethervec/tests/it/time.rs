//! Time: documents that end, and reads as of an earlier moment, whatever is reopened in between.

use crate::common::{Docs, default_vector, for_seeds, nearest, read_all, settle};
use aether_env::{Clock, Env, ManualClock, MemoryStorage};
use aethervec::{
    AetherDB, Collection, DbOptions, DbSnapshot, Document, ErrorKind, Hit, HnswParams, IndexConfig,
    Metric, Outcome, Patch, ScrollRequest, SearchRequest, SeqNo, Timestamp, Write,
};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

struct Bench {
    memory: MemoryStorage,
    clock: Arc<ManualClock>,
    retention: Duration,
}

impl Bench {
    fn new(retention: u64) -> Bench {
        let clock = Arc::new(ManualClock::default());
        clock.advance(Duration::from_secs(1_700_000_000));
        Bench {
            memory: MemoryStorage::new(),
            clock,
            retention: Duration::from_secs(retention),
        }
    }

    fn open(&self) -> AetherDB {
        let env = Env {
            clock: self.clock.clone(),
            ..Env::memory(self.memory.clone())
        };
        let options = DbOptions {
            retention: self.retention,
            ..DbOptions::WITHOUT_THREADS
        };
        AetherDB::open_with(env, options).unwrap()
    }

    fn wait(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(i64::try_from(self.clock.now().0).unwrap())
    }

    fn after(&self, millis: u64) -> Timestamp {
        Timestamp::from_micros(self.now().as_micros() + i64::try_from(millis * 1_000).unwrap())
    }
}

fn create(db: &AetherDB) -> Collection {
    db.create_collection("notes", 2, "l2", IndexConfig::default())
        .unwrap()
}

fn at(id: u16) -> Document {
    Document::new(vec![f32::from(id), 0.0], u64::from(id)).with_payload(json!({"id": id}))
}

fn found(collection: &Collection, snapshot: &DbSnapshot, exact: bool) -> Vec<String> {
    let request = SearchRequest {
        exact,
        ..SearchRequest::new(&[0.0, 0.0], 100)
    };
    let hits = collection.at(snapshot).unwrap().search_with(request);
    let ids = hits.unwrap().into_iter().map(|hit| hit.id.to_string());
    ids.collect()
}

/// What a snapshot sees, by every way of reading.
#[track_caller]
fn assert_sees(collection: &Collection, snapshot: &DbSnapshot, ids: &[u16]) {
    let view = collection.at(snapshot).unwrap();
    let expected: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let read: Vec<String> = read_all(&view).keys().map(ToString::to_string).collect();
    assert_eq!(read, expected);
    assert_eq!(view.count().unwrap(), ids.len() as u64);
    assert_eq!(found(collection, snapshot, true), expected);
    assert_eq!(found(collection, snapshot, false), expected);
    for id in 0..10_u16 {
        let there = view.get(u64::from(id)).unwrap().is_some();
        assert_eq!(there, ids.contains(&id), "{id}");
    }
}

#[test]
fn documents_are_hidden_at_the_instant_and_removed_behind_it() {
    let bench = Bench::new(0);
    let mut db = bench.open();
    let mut notes = create(&db);
    let documents = vec![at(0), at(1).expiring_at(bench.after(1_000)), at(2)];
    notes.upsert_batch(documents).unwrap();
    let ending = notes.get(1).unwrap().unwrap();
    assert_eq!(ending.expires_at, Some(bench.after(1_000)));
    let before = db.snapshot();
    bench.wait(999);
    assert_sees(&notes, &db.snapshot(), &[0, 1, 2]);
    settle(&db);
    bench.wait(1);
    assert_sees(&notes, &db.snapshot(), &[0, 2]);
    assert_eq!(notes.count().unwrap(), 2);
    assert_sees(&notes, &before, &[0, 1, 2]);
    assert!(db.check().unwrap().is_clean());
    // It is as if it were not there, whether it is removed or not.
    assert!(!notes.patch(1, Patch::new().set("x", 1)).unwrap());
    assert!(!notes.delete(1).unwrap());
    let mut txn = db.begin().unwrap();
    assert_eq!(txn.get(&notes, 1).unwrap(), None);
    assert_eq!(
        (
            txn.count(&notes).unwrap(),
            db.check().unwrap().collections[0].documents
        ),
        (2, 3)
    );
    txn.rollback();
    for reopens in [true, false] {
        settle(&db);
        assert_sees(&notes, &db.snapshot(), &[0, 2]);
        assert!(
            db.check().unwrap().is_clean(),
            "{:?}",
            db.check().unwrap().problems
        );
        assert_eq!(db.check().unwrap().collections[0].documents, 2);
        if reopens {
            assert_sees(&notes, &before, &[0, 1, 2]);
            db.close().unwrap();
            db = bench.open();
            notes = db.collection("notes").unwrap();
        }
    }
    let written = notes.apply(Write::upsert(at(1)).if_absent()).unwrap();
    assert_eq!(written, Outcome::Inserted);
}

#[test]
fn a_new_document_may_take_the_place_of_one_that_has_ended() {
    let bench = Bench::new(0);
    let db = bench.open();
    let notes = create(&db);
    notes.upsert(at(1).expiring_at(bench.after(5))).unwrap();
    bench.wait(5);
    let upserted = notes.upsert(at(1)).unwrap();
    assert_eq!((upserted.inserted, upserted.replaced), (1, 0));
    settle(&db);
    assert_sees(&notes, &db.snapshot(), &[1]);
    assert!(db.check().unwrap().is_clean());
}

#[test]
fn the_end_can_be_set_moved_and_taken_away() {
    let bench = Bench::new(0);
    let db = bench.open();
    let notes = create(&db);
    notes.set_ttl(Some(Duration::from_millis(100))).unwrap();
    assert_eq!(notes.schema().ttl, Some(Duration::from_millis(100)));
    notes
        .upsert_batch(vec![
            at(0),
            at(1),
            at(2),
            at(3).expiring_at(bench.after(50)),
        ])
        .unwrap();
    notes.patch(1, Patch::new().never_expiring()).unwrap();
    notes
        .patch(2, Patch::new().expiring_in(Duration::from_millis(200)))
        .unwrap();
    // A change of something else leaves the end as it is.
    notes.patch(0, Patch::new().set("y", 1)).unwrap();
    assert_eq!(
        notes.get(0).unwrap().unwrap().expires_at,
        Some(bench.after(100))
    );
    bench.wait(50);
    assert_sees(&notes, &db.snapshot(), &[0, 1, 2]);
    bench.wait(50);
    assert_sees(&notes, &db.snapshot(), &[1, 2]);
    settle(&db);
    bench.wait(100);
    assert_sees(&notes, &db.snapshot(), &[1]);
    notes.set_ttl(None).unwrap();
    notes.upsert(at(5)).unwrap();
    bench.wait(1_000_000);
    settle(&db);
    assert_sees(&notes, &db.snapshot(), &[1, 5]);
    assert!(db.check().unwrap().is_clean());
    let error = notes.set_ttl(Some(Duration::ZERO)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    drop(db);
}

#[test]
fn pages_of_one_view_are_of_one_state() {
    let bench = Bench::new(0);
    let db = bench.open();
    let notes = create(&db);
    notes.upsert_batch((0..9).map(at).collect()).unwrap();
    let view = notes.view().unwrap();
    let expected = read_all(&view);
    let mut seen = Docs::new();
    let mut after = None;
    for step in 0.. {
        let page = view.scroll(ScrollRequest { after, limit: 2 }).unwrap();
        for document in page.documents {
            let vector = default_vector(&document.vectors);
            seen.insert(document.id, (vector, document.payload));
        }
        notes.delete(8 - step).unwrap();
        notes
            .upsert(at(100 + u16::try_from(step).unwrap()))
            .unwrap();
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, expected);
}

/// A moment, and what was there then.
struct Past {
    seq: SeqNo,
    time: Timestamp,
    docs: Docs,
}

impl Past {
    /// How many of how many neighbours an approximate search finds.
    fn check(&self, db: &AetherDB, notes: &Collection, rng: &mut fastrand::Rng) -> (usize, usize) {
        let snapshot = if rng.bool() {
            db.as_of(self.seq)
        } else {
            db.as_of(self.time)
        };
        let view = notes.at(&snapshot.unwrap()).unwrap();
        assert_eq!(read_all(&view), self.docs);
        assert_eq!(view.count().unwrap(), self.docs.len() as u64);
        let query = [rng.f32() * 100.0, rng.f32() * 100.0];
        let truth = nearest(Metric::L2Squared, &self.docs, &query, 5);
        let near = |exact| {
            let request = SearchRequest {
                exact,
                ..SearchRequest::new(&query, 5)
            };
            let hits = view.search_with(request).unwrap();
            assert_eq!(hits.len(), truth.len());
            let there = |hit: &Hit| self.docs.contains_key(&hit.id);
            assert!(hits.iter().all(there), "{hits:?}");
            let farthest = truth.last().copied().unwrap_or_default() + 1e-2;
            let distances = hits.iter().map(|hit| f64::from(hit.distance.0));
            distances.filter(|distance| *distance <= farthest).count()
        };
        assert_eq!(near(true), truth.len());
        (near(false), truth.len())
    }
}

#[test]
fn the_past_is_searched_as_it_was() {
    for_seeds(4, |seed| {
        let rng = &mut fastrand::Rng::with_seed(seed);
        let bench = Bench::new(1_000_000);
        let mut db = bench.open();
        let index = IndexConfig::Hnsw(HnswParams {
            m: 8,
            ef_construction: 60,
        });
        let mut notes = db.create_collection("notes", 2, "l2", index).unwrap();
        let mut docs = Docs::new();
        let mut pasts: Vec<Past> = Vec::new();
        let (mut found, mut wanted) = (0, 0);
        for step in 0..40 {
            let mut random = || {
                let vector = vec![rng.f32() * 100.0, rng.f32() * 100.0];
                Document::new(vector, rng.u64(..2_000))
            };
            let written: Vec<Document> = (0..80).map(|_| random()).collect();
            for document in &written {
                let vector = default_vector(&document.vectors);
                docs.insert(document.id.clone(), (vector, None));
            }
            notes.upsert_batch(written).unwrap();
            let gone: Vec<_> = docs.keys().filter(|_| rng.u8(..10) == 0).cloned().collect();
            docs.retain(|id, _| !gone.contains(id));
            notes.delete_batch(&gone).unwrap();
            // More than the granularity of times, before and behind.
            bench.wait(1_000_000);
            pasts.push(Past {
                seq: db.snapshot().seq(),
                time: bench.now(),
                docs: docs.clone(),
            });
            bench.wait(1_000_000);
            match rng.u8(..6) {
                0 => notes.checkpoint().unwrap(),
                1 => settle(&db),
                2 => db.reclaim().unwrap(),
                3 => {
                    db.close().unwrap();
                    db = bench.open();
                    notes = db.collection("notes").unwrap();
                }
                _ => {}
            }
            for _ in 0..2 {
                let counts = pasts[rng.usize(..pasts.len())].check(&db, &notes, rng);
                (found, wanted) = (found + counts.0, wanted + counts.1);
            }
            if step % 10 == 9 {
                let report = db.check().unwrap();
                assert!(report.is_clean(), "{:#?}", report.problems);
            }
        }
        assert!(found * 100 >= wanted * 98, "{found} of {wanted}");
        // Behind the window it is an error, and nothing of it stays.
        bench.wait(2_000_000_000);
        notes.upsert(Document::new(vec![1.0, 1.0], 1)).unwrap();
        settle(&db);
        notes.checkpoint().unwrap();
        let error = db.as_of(pasts[0].seq).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        let error = db.as_of(bench.after(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        let report = db.check().unwrap();
        assert!(report.is_clean(), "{:#?}", report.problems);
        assert!(report.collections[0].dead <= 1, "{:?}", report.collections);
    });
}
