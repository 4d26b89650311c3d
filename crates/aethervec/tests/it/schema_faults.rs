//! Every I/O of every change of a schema fails, once or for good. Whatever comes of the change, memory says what the disk does:
//! before the next opening and behind it.

use crate::common::settle;
use aether_env::CrashImage;
use aether_sim::{Fault, Io, SimStorage};
use aethervec::{
    AetherDB, BinaryField, CollectionSchema, DbOptions, DenseField, Document, Filter, IndexConfig,
    Metric, Path, PayloadIndexKind, ProblemKind, Result, SparseField,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

const DOCUMENTS: u64 = 40;

fn options() -> DbOptions {
    let storage = aidb::Options {
        background_threads: 0,
        // A log of its own for nearly every change.
        memtable_bytes: 4 << 10,
        ..aidb::Options::DEFAULT
    };
    DbOptions {
        storage,
        ..DbOptions::WITHOUT_THREADS
    }
}

/// What the database is made of.
#[derive(Clone, Debug, PartialEq)]
struct State {
    schemas: BTreeMap<String, CollectionSchema>,
    indexes: Vec<(Path, PayloadIndexKind)>,
}

fn state_of(db: &AetherDB) -> State {
    let infos = db.collections().into_iter();
    let notes = db.collection("notes").unwrap();
    let state = State {
        schemas: infos.map(|info| (info.name, info.schema)).collect(),
        indexes: notes
            .payload_indexes()
            .into_iter()
            .map(|index| (index.path, index.kind))
            .collect(),
    };
    assert_eq!(*notes.schema(), state.schemas["notes"]);
    state
}

fn build() -> (SimStorage, AetherDB) {
    let storage = SimStorage::new(0);
    let db = AetherDB::open_with(storage.env(), options()).unwrap();
    let schema = CollectionSchema::new(2, Metric::L2Squared, IndexConfig::Flat)
        .with_field(
            "image",
            DenseField::new(1, Metric::Cosine, IndexConfig::Flat),
        )
        .with_field("print", BinaryField { bits: 8 });
    let notes = db.create_collection_with("notes", schema).unwrap();
    db.create_collection("spare", 1, "dot", IndexConfig::Flat)
        .unwrap();
    let write = |ids: std::ops::Range<u64>| {
        let document = |id: u64| {
            Document::new(vec![id as f32, 1.0], id)
                .with_vector("image", vec![1.0])
                .with_payload(json!({"parity": id % 2, "name": format!("the {id}th")}))
        };
        notes.upsert_batch(ids.map(document).collect()).unwrap();
    };
    write(0..DOCUMENTS / 2);
    notes
        .create_payload_index("parity", PayloadIndexKind::Integer)
        .unwrap();
    settle(&db);
    write(DOCUMENTS / 2..DOCUMENTS);
    (storage, db)
}

type Change = fn(&AetherDB) -> Result<()>;

const CHANGES: [(&str, Change); 8] = [
    ("create a collection", |db| {
        db.create_collection("new", 3, "l2", IndexConfig::Flat)
            .map(drop)
    }),
    ("drop a collection", |db| db.drop_collection("spare")),
    ("add a dense field", |db| {
        let field = DenseField::new(2, Metric::InnerProduct, IndexConfig::default());
        db.collection("notes")?.add_vector_field("more", field)
    }),
    ("add a sparse field", |db| {
        db.collection("notes")?
            .add_vector_field("words", SparseField::default())
    }),
    ("drop a field", |db| {
        db.collection("notes")?.drop_vector_field("image")
    }),
    ("change the time to live", |db| {
        db.collection("notes")?
            .set_ttl(Some(Duration::from_secs(9)))
    }),
    ("create an index", |db| {
        db.collection("notes")?
            .create_payload_index("name", PayloadIndexKind::Text)
    }),
    ("drop an index", |db| {
        db.collection("notes")?
            .drop_payload_index("parity", PayloadIndexKind::Integer)
            .map(drop)
    }),
];

/// What is asked works, whatever the schema is now. After an I/O error there may be files that go at the next opening.
fn inspect(db: &AetherDB, is_opened: bool, what: &str) {
    let notes = db.collection("notes").unwrap();
    let odd = Filter::eq("parity", 1);
    assert_eq!(notes.count_matching(&odd).unwrap(), DOCUMENTS / 2, "{what}");
    let named = Filter::text("name", "7th");
    assert_eq!(notes.count_matching(&named).unwrap(), 1, "{what}");
    let hits = notes.search(&[7.0, 1.0], 3).unwrap();
    assert_eq!(hits[0].id.to_string(), "7", "{what}");
    let mut problems = db.check().unwrap().problems;
    problems.retain(|problem| is_opened || problem.kind != ProblemKind::File);
    assert_eq!(problems, [], "{what}");
}

/// One more write says which of the changes before it are there.
fn write_on(db: &AetherDB) -> Result<()> {
    let notes = db.collection("notes")?;
    let document = Document::new(vec![-9.0, 1.0], "later");
    let ttl = notes.schema().ttl;
    notes.upsert(document)?;
    let found = notes.get("later")?.expect("it was just written");
    assert_eq!(found.expires_at.is_some(), ttl.is_some());
    notes.delete("later").map(drop)
}

/// True when the fault was met.
fn fail(name: &str, change: Change, fault: Fault) -> bool {
    let what = format!("{name}, {fault:?}");
    let (storage, db) = build();
    let before = state_of(&db);
    let ios = storage.trace().len();
    storage.fail(fault);
    let changed = change(&db);
    storage.clear_faults();
    let trace = storage.trace();
    let hit = trace[ios..].iter().filter(|(io, _)| fault.on.contains(io));
    let met = hit.count() as u64 > fault.after;
    let now = state_of(&db);
    if changed.is_ok() {
        assert_ne!(now, before, "{what}");
    }
    inspect(&db, false, &what);
    let wrote = write_on(&db);
    assert_eq!(state_of(&db), now, "{what}");
    inspect(&db, false, &what);
    let written = storage.memory().image(CrashImage::KeepAll, 0);
    let synced = storage.memory().image(CrashImage::LoseUnsynced, 0);
    drop(db);
    for (disk, is_all) in [(written, true), (synced, wrote.is_ok())] {
        let disk = SimStorage::on(disk, 0);
        let db = AetherDB::open_with(disk.env(), options()).unwrap();
        let found = state_of(&db);
        if is_all {
            assert_eq!(found, now, "{what}");
        } else {
            assert!(found == now || found == before, "{what}: {found:#?}");
        }
        inspect(&db, true, &what);
        settle(&db);
        write_on(&db).unwrap();
        inspect(&db, true, &what);
        db.close().unwrap();
    }
    met
}

#[test]
fn memory_and_disk_agree_whatever_fails() {
    const KINDS: [&[Io]; 2] = [Io::MUTATING, &[Io::Sync]];
    let mut faults = 0;
    for (name, change) in CHANGES {
        for (on, sticky) in KINDS.into_iter().flat_map(|on| [(on, false), (on, true)]) {
            let fault = |after| Fault { on, after, sticky };
            let met = (0..).take_while(|&after| fail(name, change, fault(after)));
            let met = met.count();
            assert!(met > 0, "{name}: it has no I/O of {on:?}");
            faults += met;
        }
    }
    eprintln!("{faults} faults");
}

#[test]
fn a_full_disk_changes_nothing_or_all() {
    for (name, change) in CHANGES {
        for space in (0..2_000).step_by(97) {
            let (storage, db) = build();
            let before = state_of(&db);
            storage.disk_full(space);
            let changed = change(&db);
            let now = state_of(&db);
            assert_eq!(now != before, changed.is_ok(), "{name}, {space} bytes");
            storage.free();
            inspect(&db, false, name);
            write_on(&db).unwrap();
            change(&db).unwrap_or_else(|error| assert!(changed.is_ok(), "{name}: {error}"));
            let last = state_of(&db);
            db.close().unwrap();
            drop(db);
            let db = AetherDB::open_with(storage.env(), options()).unwrap();
            assert_eq!(state_of(&db), last, "{name}, {space} bytes");
            inspect(&db, true, name);
        }
    }
}
