//! Searches see one state: while all documents move at once, again and again, no search sees a document twice, misses
//! one, or sees documents of two states.

use aethervec::{AetherDB, Collection, CollectionView, Document, IndexConfig, SearchRequest};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

const DOCUMENTS: usize = 1_200;
const ROUNDS: u64 = 25;

/// All documents, at the places of round `round`: the upper half of the numbers goes elsewhere each time.
fn documents(round: u64) -> Vec<Document> {
    let place = |id: u64| {
        let mut rng = fastrand::Rng::with_seed(id * 1_000 + round);
        (0..4).map(|_| rng.f32()).collect::<Vec<f32>>()
    };
    let document = |id| Document::new(place(id), id).with_payload(json!({ "round": round }));
    (0..DOCUMENTS as u64).map(document).collect()
}

/// The round that a search of everything sees.
fn round_of_all(view: &CollectionView, exact: bool) -> u64 {
    let request = SearchRequest {
        exact,
        ..SearchRequest::new(&[0.5; 4], DOCUMENTS)
    };
    let hits = view.search_with(request).unwrap();
    let ids: BTreeSet<_> = hits.iter().map(|hit| hit.id.clone()).collect();
    assert_eq!(
        (hits.len(), ids.len()),
        (DOCUMENTS, DOCUMENTS),
        "each document once"
    );
    one_round(&hits)
}

/// A search of few of them, which walks the graph.
fn round_of_some(view: &CollectionView, at: f32) -> u64 {
    let hits = view.search(&[at; 4], 20).unwrap();
    assert_eq!(hits.len(), 20);
    one_round(&hits)
}

fn one_round(hits: &[aethervec::Hit]) -> u64 {
    let rounds: BTreeSet<u64> = hits
        .iter()
        .map(|hit| hit.payload.as_ref().unwrap()["round"].as_u64().unwrap())
        .collect();
    assert_eq!(rounds.len(), 1, "documents of several states: {rounds:?}");
    *rounds.first().unwrap()
}

fn read(collection: &Collection, reader: u8, done: &AtomicBool) {
    let mut last = 0;
    while !done.load(Ordering::Relaxed) {
        let view = collection.view().unwrap();
        let round = match reader {
            0 => round_of_all(&view, true),
            1 => round_of_all(&view, false),
            _ => round_of_some(&view, 0.3),
        };
        assert!(round >= last, "time goes on");
        last = round;
        // One view is one state, however often it is looked at.
        assert_eq!(round_of_some(&view, 0.7), round);
        assert_eq!(view.count().unwrap(), DOCUMENTS as u64);
    }
}

#[test]
fn a_search_sees_exactly_one_version_of_each_document() {
    let dir = tempfile::tempdir().unwrap();
    let db = AetherDB::open(dir.path()).unwrap();
    let collection = db
        .create_collection("moving", 4, "l2", IndexConfig::default())
        .unwrap();
    collection.upsert_batch(documents(0)).unwrap();
    collection.wait_indexed(|_| {}).unwrap();
    let first = collection.at(&db.snapshot()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..3 {
            let (collection, done) = (&collection, &done);
            scope.spawn(move || read(collection, reader, done));
        }
        // Readers end also when this fails.
        let _done = SetOnDrop(&done);
        for round in 1..=ROUNDS {
            collection.upsert_batch(documents(round)).unwrap();
            if round % 8 == 0 {
                collection.checkpoint().unwrap();
            }
        }
        assert_eq!(
            (round_of_all(&first, true), round_of_all(&first, false)),
            (0, 0)
        );
    });
    assert_eq!(round_of_all(&collection.view().unwrap(), false), ROUNDS);
    assert_eq!(
        (round_of_all(&first, true), round_of_some(&first, 0.3)),
        (0, 0)
    );
    let report = db.check().unwrap();
    assert!(report.is_clean(), "{:#?}", report.problems);
    // Without snapshots nothing of the past stays.
    drop(first);
    collection.wait_indexed(|_| {}).unwrap();
    collection.checkpoint().unwrap();
    let report = db.check().unwrap();
    assert!(report.is_clean(), "{:#?}", report.problems);
    let status = collection.index_status();
    assert_eq!(
        status.indexed + status.scanned,
        DOCUMENTS as u64,
        "{status:?}"
    );
    assert_eq!(db.check().unwrap().collections[0].points, DOCUMENTS as u64);
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
