//! Transactions, one promise at a time: own writes are read, conflicts are found, nothing is half there.

use crate::common::{Docs, default_vector, read_all};
use aether_env::{Env, MemoryStorage};
use aethervec::{
    AetherDB, Collection, CollectionView, DbOptions, Document, Error, ErrorKind, Filter,
    IndexConfig, Isolation, Outcome, Patch, Result, ScrollRequest, SearchRequest, Transaction,
    Write,
};
use serde_json::json;

const BOTH: [Isolation; 2] = [Isolation::Snapshot, Isolation::Serializable];

/// A database without threads, and two collections of it.
fn fixture() -> (AetherDB, Collection, Collection) {
    let db = AetherDB::open_with(
        Env::memory(MemoryStorage::new()),
        DbOptions::WITHOUT_THREADS,
    )
    .unwrap();
    let create = |name| {
        db.create_collection(name, 2, "l2", IndexConfig::default())
            .unwrap()
    };
    let (a, b) = (create("a"), create("b"));
    (db, a, b)
}

fn at(x: u16, id: u64) -> Document {
    Document::new(vec![f32::from(x), 0.0], id).with_payload(json!({"x": x}))
}

fn fill(collection: &Collection, count: u16) {
    let documents = (0..count).map(|i| at(i, u64::from(i))).collect();
    collection.upsert_batch(documents).unwrap();
}

fn ids(view: &CollectionView, query: f32, k: usize, exact: bool) -> Vec<String> {
    let vector = [query, 0.0];
    let request = SearchRequest {
        exact,
        ..SearchRequest::new(&vector, k)
    };
    let hits = view.search_with(request).unwrap();
    hits.into_iter().map(|hit| hit.id.to_string()).collect()
}

#[track_caller]
fn assert_conflict<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
}

/// Everything that a view can be asked agrees with what was staged, in the graph's reach and out of it.
#[test]
fn own_writes_are_read_in_every_way() {
    for documents in [20, 1_500] {
        let (db, a, _) = fixture();
        fill(&a, documents);
        a.wait_indexed(|_| {}).unwrap();
        let mut expected: Docs = read_all(&a.view().unwrap());
        let mut txn = db.begin().unwrap();
        let write = |txn: &mut Transaction, write: Write, outcome| {
            assert_eq!(txn.apply(&a, write).unwrap(), outcome);
        };
        write(&mut txn, Write::delete(7), Outcome::Deleted);
        write(&mut txn, Write::upsert(at(8, 9)), Outcome::Replaced);
        write(&mut txn, Write::upsert(at(9, 5_000)), Outcome::Inserted);
        write(&mut txn, Write::upsert(at(1, 4_000)), Outcome::Inserted);
        write(&mut txn, Write::delete(4_000), Outcome::Deleted);
        write(&mut txn, Write::delete(4_000), Outcome::NotFound);
        let patch = Patch::new().merge(json!({"y": 1}));
        write(&mut txn, Write::patch(10, patch), Outcome::Patched);
        let document = |document: Document| {
            let vector = default_vector(&document.vectors);
            (document.id, (vector, document.payload))
        };
        expected.remove(&7.into());
        expected.extend([at(8, 9), at(9, 5_000)].map(document));
        expected.get_mut(&10.into()).unwrap().1 = Some(json!({"x": 10, "y": 1}));

        let view = txn.view(&a).unwrap();
        assert_eq!(read_all(&view), expected);
        assert_eq!(view.count().unwrap(), expected.len() as u64);
        assert_eq!(txn.get(&a, 7).unwrap(), None);
        assert_eq!(
            txn.get(&a, 5_000).unwrap().map(document),
            Some(document(at(9, 5_000)))
        );
        for exact in [true, false] {
            assert_eq!(ids(&view, 9.0, 1, exact), ["5000"]);
            assert_eq!(ids(&view, 6.6, 2, exact), ["6", "8"]);
            let near: std::collections::BTreeSet<_> =
                ids(&view, 8.1, 2, exact).into_iter().collect();
            assert_eq!(near, ["8", "9"].map(str::to_owned).into());
            assert_eq!(ids(&view, 0.0, 9_999, exact).len(), expected.len());
        }
        let page = txn
            .scroll(
                &a,
                ScrollRequest {
                    after: Some(6.into()),
                    limit: 3,
                },
            )
            .unwrap();
        let page: Vec<_> = page
            .documents
            .iter()
            .map(|document| document.id.to_string())
            .collect();
        assert_eq!(page, ["8", "9", "10"]);
        assert_eq!(
            a.count().unwrap(),
            u64::from(documents),
            "nobody else sees it"
        );
        txn.commit().unwrap();
        assert_eq!(read_all(&a.view().unwrap()), expected);
        assert_eq!(a.count().unwrap(), expected.len() as u64);
        assert!(
            db.check().unwrap().is_clean(),
            "{:#?}",
            db.check().unwrap().problems
        );
        // A view outlives its transaction.
        assert_eq!(read_all(&view), expected);
    }
}

#[test]
fn collections_change_together_or_not_at_all() {
    let (db, a, b) = fixture();
    fill(&a, 5);
    let before = db.snapshot();
    let mut txn = db.begin().unwrap();
    for id in 0..5 {
        let document = txn.get(&a, id).unwrap().unwrap();
        txn.upsert(&b, document).unwrap();
        assert!(txn.delete(&a, id).unwrap());
    }
    let seq = txn.commit().unwrap();
    let after = db.snapshot();
    assert_eq!(after.seq(), seq);
    let counts = |at| [&a, &b].map(|each| each.at(at).unwrap().count().unwrap());
    assert_eq!((counts(&before), counts(&after)), ([5, 0], [0, 5]));

    let mut txn = db.begin().unwrap();
    txn.upsert(&a, at(1, 1)).unwrap();
    txn.upsert(&b, at(9, 1)).unwrap();
    b.upsert(at(8, 1)).unwrap();
    assert_conflict(txn.commit());
    assert_eq!([a.count().unwrap(), b.count().unwrap()], [0, 5]);
    assert_eq!(ids(&a.view().unwrap(), 1.0, 9, false), [""; 0]);
    assert!(db.check().unwrap().is_clean());
    while db.tick().unwrap() {}
    assert!(db.check().unwrap().is_clean());
}

#[test]
fn the_first_to_commit_wins() {
    for isolation in BOTH {
        let (db, a, _) = fixture();
        fill(&a, 3);
        let begin = || db.begin_with(isolation).unwrap();
        let (mut first, mut second, mut third) = (begin(), begin(), begin());
        first.upsert(&a, at(10, 1)).unwrap();
        second.patch(&a, 1, Patch::new().set("seen", true)).unwrap();
        third.delete(&a, 2).unwrap();
        first.commit().unwrap();
        assert_conflict(second.commit());
        third.commit().unwrap();
        let mut late = begin();
        late.delete(&a, 0).unwrap();
        a.upsert(at(11, 0)).unwrap();
        assert_conflict(late.commit());
        assert_eq!(a.count().unwrap(), 2);
        assert!(db.check().unwrap().is_clean());
    }
}

/// Each reads all and writes another document: only serializable ones keep each other out.
#[test]
fn write_skew_is_kept_out_by_serializable_alone() {
    type Read = fn(&mut Transaction, &Collection);
    let reads: [Read; 5] = [
        |txn, a| assert_eq!(txn.count(a).unwrap(), 3),
        |txn, a| drop(txn.search(a, &[0.0, 0.0], 1).unwrap()),
        |txn, a| {
            drop(
                txn.scroll(
                    a,
                    ScrollRequest {
                        after: None,
                        limit: 1,
                    },
                )
                .unwrap(),
            )
        },
        |txn, a| drop(txn.get_batch(a, &[1.into(), 2.into()]).unwrap()),
        |txn, a| assert_eq!(txn.delete_by(a, &Filter::eq("x", 77)).unwrap(), 0),
    ];
    for read in reads {
        for isolation in BOTH {
            let (db, a, _) = fixture();
            fill(&a, 3);
            let mut first = db.begin_with(isolation).unwrap();
            let mut second = db.begin_with(isolation).unwrap();
            read(&mut first, &a);
            read(&mut second, &a);
            first.upsert(&a, at(5, 1)).unwrap();
            second.upsert(&a, at(6, 2)).unwrap();
            first.commit().unwrap();
            match isolation {
                Isolation::Serializable => assert_conflict(second.commit()),
                _ => drop(second.commit().unwrap()),
            }
        }
    }
}

#[test]
fn reading_alone_never_fails() {
    for isolation in BOTH {
        let (db, a, _) = fixture();
        fill(&a, 3);
        let mut txn = db.begin_with(isolation).unwrap();
        let seq = txn.snapshot().seq();
        assert_eq!(txn.count(&a).unwrap(), 3);
        a.delete(1).unwrap();
        assert_eq!(txn.count(&a).unwrap(), 3);
        assert_eq!(txn.commit().unwrap(), seq);
    }
}

#[test]
fn savepoints_take_back_writes_of_all_collections() {
    let (db, a, b) = fixture();
    fill(&a, 2);
    let mut txn = db.begin().unwrap();
    txn.delete(&a, 0).unwrap();
    let savepoint = txn.savepoint();
    txn.delete(&a, 1).unwrap();
    txn.upsert(&b, at(1, 1)).unwrap();
    txn.rollback_to(&savepoint);
    assert_eq!((txn.count(&a).unwrap(), txn.count(&b).unwrap()), (1, 0));
    txn.commit().unwrap();
    assert_eq!((a.count().unwrap(), b.count().unwrap()), (1, 0));
}

#[test]
fn conditions_are_about_the_document_as_it_is() {
    let (_db, a, _) = fixture();
    fill(&a, 3);
    let is = |x: i64| Filter::eq("x", x);
    let outcomes = a
        .apply_batch(vec![
            Write::upsert(at(9, 0)).if_absent(),
            Write::upsert(at(9, 7)).if_absent(),
            Write::upsert(at(9, 8)).if_present(),
            Write::upsert(at(9, 1)).if_present(),
            Write::patch(1, Patch::new().set("x", 10)).if_matches(is(1)),
            Write::patch(1, Patch::new().set("x", 10)).if_matches(is(9)),
            Write::delete(1).if_matches(is(10)),
            Write::upsert(at(4, 1)).if_matches(is(10)),
            Write::delete(2).if_matches(!Filter::has_vector("")),
            Write::delete(2).if_matches(Filter::has_vector("")),
        ])
        .unwrap();
    use Outcome::*;
    let expected = [
        Exists, Inserted, NotFound, Replaced, NotMatched, Patched, Deleted, NotFound, NotMatched,
        Deleted,
    ];
    assert_eq!(outcomes, expected);
    let left: Vec<_> = read_all(&a.view().unwrap()).into_keys().collect();
    assert_eq!(left, [0.into(), 7.into()]);
}

#[test]
fn a_patch_keeps_what_it_does_not_name() {
    let (db, a, _) = fixture();
    a.upsert(at(3, 1)).unwrap();
    assert!(
        a.patch(1, Patch::new().with_vector("", vec![5.0, 5.0]))
            .unwrap()
    );
    let document = a.get(1).unwrap().unwrap();
    assert_eq!(default_vector(&document.vectors), [5.0, 5.0]);
    assert_eq!(document.payload, Some(json!({"x": 3})));
    assert!(a.patch(1, Patch::new().without_vector("").clear()).unwrap());
    let document = a.get(1).unwrap().unwrap();
    assert!(document.vectors.is_empty() && document.payload.is_none());
    assert_eq!(a.search(&[5.0, 5.0], 3).unwrap(), []);
    assert!(!a.patch(2, Patch::new().set("x", 1)).unwrap());
    let error = a.patch(1, Patch::new().merge(json!(7))).unwrap_err();
    assert_eq!(error.to_string(), "payload: a number is not a JSON object");
    let error = a.patch(1, Patch::new().set("a..b", 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(db.check().unwrap().is_clean());
}

#[test]
fn filters_choose_what_is_written() {
    let (db, a, _) = fixture();
    fill(&a, 100);
    let upper = Filter::range("x", 50..);
    assert_eq!(
        a.patch_by(&upper, Patch::new().set("upper", true)).unwrap(),
        50
    );
    assert_eq!(
        a.delete_by(&Filter::eq("upper", true).and(Filter::range("x", ..60)))
            .unwrap(),
        10
    );
    let mut txn = db.begin().unwrap();
    txn.upsert(&a, at(55, 1_000)).unwrap();
    assert_eq!(txn.delete_by(&a, &upper).unwrap(), 41);
    assert_eq!(
        txn.patch_by(&a, &Filter::eq("x", 0), Patch::new().set("y", 0))
            .unwrap(),
        1
    );
    txn.commit().unwrap();
    assert_eq!(a.count().unwrap(), 50);
    assert_eq!(a.delete_by(&Filter::eq("x", "none")).unwrap(), 0);
    assert!(a.delete_by(&Filter::eq("a..b", 1)).is_err());
    assert!(db.check().unwrap().is_clean());
}

#[test]
fn what_does_not_fit_is_refused_and_the_transaction_goes_on() {
    let (db, a, _) = fixture();
    let (_elsewhere, other, _) = fixture();
    let mut txn = db.begin().unwrap();
    txn.upsert(&a, at(1, 1)).unwrap();
    let error = txn.upsert(&other, at(1, 1)).unwrap_err();
    assert!(error.to_string().contains("of another database"), "{error}");
    let error = txn.upsert(&a, Document::new(vec![1.0], 2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    txn.commit().unwrap();
    assert_eq!(a.count().unwrap(), 1);

    let mut txn = db.begin().unwrap();
    txn.upsert(&a, at(2, 2)).unwrap();
    db.drop_collection("a").unwrap();
    assert_eq!(txn.count(&a).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(txn.commit().unwrap_err().kind(), ErrorKind::NotFound);
    assert!(db.check().unwrap().is_clean());
}
