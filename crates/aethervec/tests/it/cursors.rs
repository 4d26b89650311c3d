//! Pages of a query that fit together although others write between them; and what has no past.

use aether_env::Env;
use aethervec::{
    AetherDB, Collection, Cursor, DbOptions, Direction, Document, ErrorKind, Filter, IndexConfig,
    Query, QueryRequest, SearchRequest, SparseField, SparseVector,
};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

fn open(path: &Path, retention: Duration) -> AetherDB {
    let options = DbOptions {
        retention,
        ..DbOptions::DEFAULT
    };
    AetherDB::open_with(Env::local(path).unwrap(), options).unwrap()
}

const HOUR: Duration = Duration::from_secs(3_600);

fn fill(db: &AetherDB) -> Collection {
    let notes = db
        .create_collection("notes", 1, "l2", IndexConfig::Flat)
        .unwrap();
    let note = |id: u64| {
        Document::new([id as f32], id)
            .with_payload(json!({"n": id % 7, "even": id.is_multiple_of(2)}))
    };
    notes.upsert_batch((0..40).map(note).collect()).unwrap();
    notes
}

fn requests() -> [QueryRequest; 3] {
    [
        QueryRequest::default().filter(Filter::eq("even", true)),
        QueryRequest::new(Query::order_by("n", Direction::Desc)),
        QueryRequest::new(Query::nearest([3.2])).filter(Filter::eq("even", true)),
    ]
    .map(|request| request.limit(6))
}

fn ids(notes: &Collection, request: &QueryRequest) -> (Vec<String>, Option<Cursor>) {
    let response = notes.query(request).unwrap();
    let ids = response.hits.iter().map(|hit| hit.id.to_string());
    (ids.collect(), response.next)
}

/// All pages, with whatever `between` does between them. Only the text of a cursor goes from one page to the next.
fn pages(notes: &Collection, request: &QueryRequest, mut between: impl FnMut()) -> Vec<String> {
    let mut request = request.clone();
    let mut all = Vec::new();
    loop {
        let (ids, next) = ids(notes, &request);
        all.extend(ids);
        let Some(next) = next else { return all };
        request = request.cursor(next.to_string().parse::<Cursor>().unwrap());
        between();
    }
}

#[test]
fn pages_fit_together_while_the_past_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let db = open(directory.path(), HOUR);
    let notes = fill(&db);
    for request in requests() {
        let whole = ids(&notes, &request.clone().limit(1_000)).0;
        let mut step = 0_u64;
        let found = pages(&notes, &request, || {
            step += 1;
            notes.delete(step * 2).unwrap();
            let new = Document::new([3.0], 100 + step).with_payload(json!({"n": 3, "even": true}));
            notes.upsert(new).unwrap();
        });
        assert_eq!(found, whole);
    }
}

#[test]
fn a_cursor_goes_on_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let db = open(directory.path(), HOUR);
    let notes = fill(&db);
    let begun = requests().map(|request| {
        let whole = ids(&notes, &request.clone().limit(1_000)).0;
        let (first, next) = ids(&notes, &request);
        (request, whole, first, next.unwrap().to_string())
    });
    notes.delete_by(&Filter::eq("even", true)).unwrap();
    db.close().unwrap();

    let db = open(directory.path(), HOUR);
    let notes = db.collection("notes").unwrap();
    for (request, whole, first, token) in &begun {
        let cursor: Cursor = token.parse().unwrap();
        assert!(cursor.seq().is_some());
        let rest = ids(&notes, &request.clone().limit(1_000).cursor(cursor.clone())).0;
        assert_eq!([&first[..], &rest[..]].concat(), *whole);
        // A view is another moment.
        let view = notes.view().unwrap();
        let error = view.query(&request.clone().cursor(cursor)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(
            error
                .to_string()
                .starts_with("cursor: it is of another moment"),
            "{error}"
        );
    }
    db.close().unwrap();

    // The window is closed: nothing is answered that was not asked for.
    let db = open(directory.path(), Duration::ZERO);
    let notes = db.collection("notes").unwrap();
    for (request, _, _, token) in begun {
        let cursor: Cursor = token.parse().unwrap();
        let past = request.clone().cursor(cursor.clone());
        let error = notes.query(&past).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            error
                .to_string()
                .starts_with("cursor: the moment of its page cannot be read any more"),
            "{error}"
        );
        let present = request.cursor(cursor.in_the_present());
        assert!(ids(&notes, &present).0.iter().all(|id| !id.ends_with('2')));
    }
}

#[test]
fn without_the_past_each_page_is_of_its_present() {
    let directory = tempfile::tempdir().unwrap();
    let db = open(directory.path(), Duration::ZERO);
    let notes = fill(&db);
    let [by_id, by_number, _] = requests();
    for request in [by_id, by_number] {
        assert_eq!(ids(&notes, &request).1.unwrap().seq(), None);
        let before = ids(&notes, &request.clone().limit(1_000)).0;
        let found = pages(&notes, &request, || {
            // The same values, so that the documents keep their places.
            let documents = before
                .iter()
                .map(|id| notes.get(id.parse::<u64>().unwrap()));
            let documents = documents.map(|found| found.unwrap().unwrap());
            notes.upsert_batch(documents.collect()).unwrap();
        });
        assert_eq!(found, before);
    }
}

#[test]
fn a_cursor_of_an_uncommitted_state_names_no_moment() {
    let directory = tempfile::tempdir().unwrap();
    let db = open(directory.path(), HOUR);
    let notes = fill(&db);
    let mut transaction = db.begin().unwrap();
    transaction.delete(&notes, 0).unwrap();
    let [request, ..] = requests();
    let response = transaction.query(&notes, &request).unwrap();
    assert_eq!(response.next.unwrap().seq(), None);
}

#[test]
fn what_was_dropped_has_no_past() {
    let directory = tempfile::tempdir().unwrap();
    let db = open(directory.path(), HOUR);
    let before_all = db.snapshot().seq();
    let notes = fill(&db);
    notes
        .add_vector_field("words", SparseField::default())
        .unwrap();
    let words = SparseVector::new([(3, 1.0)]);
    let document = Document::new([1.0], 1).with_vector("words", words.clone());
    notes.upsert(document).unwrap();
    let before = db.snapshot().seq();

    notes.drop_vector_field("words").unwrap();
    let past = notes.at(&db.as_of(before).unwrap()).unwrap();
    let request = SearchRequest {
        using: "words",
        ..SearchRequest::new(&words, 1)
    };
    let error = past.search_with(request).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        error
            .to_string()
            .contains("vector field \"words\" does not exist"),
        "{error}"
    );
    assert!(past.get(1).unwrap().unwrap().vectors.get("words").is_none());
    // One that is called the same later is another one.
    notes
        .add_vector_field("words", SparseField::default())
        .unwrap();
    assert_eq!(past.search_with(request).unwrap(), []);
    assert_eq!(past.count().unwrap(), 40);

    db.drop_collection("notes").unwrap();
    let error = past
        .get(1)
        .and_then(|_| notes.at(&db.as_of(before)?))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.to_string(), "collection \"notes\" was dropped");
    let again = fill(&db);
    for moment in [before, before_all] {
        let error = again.at(&db.as_of(moment).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            error
                .to_string()
                .starts_with("collection \"notes\" was not there yet at moment"),
            "{error}"
        );
    }
    assert_eq!(again.at(&db.snapshot()).unwrap().count().unwrap(), 40);
}
