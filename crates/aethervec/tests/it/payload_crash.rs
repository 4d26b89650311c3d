//! The power is cut at every single I/O while payload indexes are declared, built, written to, dropped and swept. Whatever the
//! disk then holds, every index says what the documents say, and goes on to be built.

use crate::common::{Docs, read_all, settle};
use aether_env::CrashImage;
use aether_sim::SimStorage;
use aethervec::{
    AetherDB, DbOptions, DocId, Document, Filter, IndexConfig, PayloadIndexKind, Result,
};
use serde_json::{Value, json};

fn options() -> DbOptions {
    let storage = aidb::Options {
        background_threads: 0,
        memtable_bytes: 64 << 10,
        table_bytes: 48 << 10,
        level_base_bytes: 96 << 10,
        ..aidb::Options::DEFAULT
    };
    DbOptions {
        storage,
        ..DbOptions::WITHOUT_THREADS
    }
}

struct Script {
    storage: SimStorage,
    db: AetherDB,
    rng: fastrand::Rng,
    done: Docs,
    /// After the write that is under way.
    next: Docs,
}

impl Script {
    fn begin(storage: &SimStorage) -> Result<Script> {
        Ok(Script {
            storage: storage.clone(),
            db: AetherDB::open_with(storage.env(), options())?,
            rng: fastrand::Rng::with_seed(11),
            done: Docs::new(),
            next: Docs::new(),
        })
    }

    fn play(&mut self) -> Result<()> {
        let config = IndexConfig::Flat;
        let collection = self.db.create_collection("c", 1, "l2", config)?;
        collection.create_payload_index("color", PayloadIndexKind::Keyword)?;
        drop(collection);
        for _ in 0..3 {
            self.upsert(900)?;
        }
        let collection = self.db.collection("c")?;
        collection.create_payload_index("size", PayloadIndexKind::Integer)?;
        collection.create_payload_index("text", PayloadIndexKind::Text)?;
        drop(collection);
        self.ticks(2)?;
        self.upsert(60)?;
        self.delete(40)?;
        self.reopen()?;
        self.ticks(2)?;
        self.upsert(60)?;
        self.ticks(8)?;
        let collection = self.db.collection("c")?;
        assert_eq!(
            collection.count_matching(&Filter::all())?,
            self.done.len() as u64
        );
        collection.drop_payload_index("color", PayloadIndexKind::Keyword)?;
        collection.create_payload_index("color", PayloadIndexKind::Keyword)?;
        collection.checkpoint()?;
        drop(collection);
        self.upsert(900)?;
        self.ticks(12)?;
        self.db.close()
    }

    fn upsert(&mut self, count: usize) -> Result<()> {
        let rng = &mut self.rng;
        let mut document = || {
            let color = rng.choice(["red", "green", "blue"]);
            let payload = json!({
                "color": color, "size": rng.u8(..40), "text": format!("a {} thing", rng.u8(..9)),
            });
            (rng.u64(..3_000), f32::from(rng.u8(..)), payload)
        };
        let mut documents = Vec::new();
        for (id, component, payload) in (0..count).map(|_| document()) {
            let content = (vec![component], Some(payload.clone()));
            self.next.insert(DocId::U64(id), content);
            documents.push(Document::new([component], id).with_payload(payload));
        }
        self.db.collection("c")?.upsert_batch(documents)?;
        self.done.clone_from(&self.next);
        Ok(())
    }

    fn delete(&mut self, count: usize) -> Result<()> {
        let ids: Vec<DocId> = self.next.keys().take(count).cloned().collect();
        self.next.retain(|id, _| !ids.contains(id));
        self.db.collection("c")?.delete_batch(&ids)?;
        self.done.clone_from(&self.next);
        Ok(())
    }

    fn ticks(&mut self, count: usize) -> Result<()> {
        (0..count).try_for_each(|_| self.db.tick().map(drop))
    }

    fn reopen(&mut self) -> Result<()> {
        self.db.close()?;
        self.db = AetherDB::open_with(SimStorage::new(0).env(), options())?;
        self.db = AetherDB::open_with(self.storage.env(), options())?;
        Ok(())
    }
}

type Passes = fn(&Value) -> bool;

fn filters() -> Vec<(Filter, Passes)> {
    vec![
        (Filter::eq("color", "red"), |payload| {
            payload["color"] == "red"
        }),
        (Filter::range("size", 30..), |payload| {
            payload["size"].as_u64().unwrap() >= 30
        }),
        (Filter::text("text", "4"), |payload| {
            payload["text"] == "a 4 thing"
        }),
    ]
}

fn inspect(storage: &SimStorage, script: &Script, what: &str) {
    let db = AetherDB::open_with(storage.env(), options())
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let clean = |what: &str| {
        let report = db.check().unwrap();
        assert!(report.is_clean(), "{what}: {:#?}", report.problems);
    };
    clean(what);
    let Ok(collection) = db.collection("c") else {
        assert!(script.done.is_empty(), "{what}");
        return;
    };
    let docs = read_all(&collection.view().unwrap());
    assert!(docs == script.done || docs == script.next, "{what}");
    for settled in [false, true] {
        if settled {
            settle(&db);
            collection.wait_payload_indexes().unwrap();
        }
        for (filter, holds) in filters() {
            let holding = docs
                .values()
                .filter(|(_, payload)| holds(payload.as_ref().unwrap()));
            let found = collection.count_matching(&filter).unwrap();
            assert_eq!(found, holding.count() as u64, "{what}: {filter:?}");
        }
    }
    clean(what);
    db.close().unwrap();
}

fn run_until_cut(cut: Option<u64>) -> (SimStorage, Option<Script>) {
    let storage = SimStorage::new(cut.unwrap_or(0));
    if let Some(cut) = cut {
        storage.power_cut_at(cut);
    }
    let Ok(mut script) = Script::begin(&storage) else {
        return (storage, None);
    };
    let played = script.play();
    assert!(played.is_ok() || storage.is_off(), "{played:?}");
    (storage, Some(script))
}

#[test]
fn after_a_power_cut_at_any_io_indexes_say_what_documents_say() {
    let (storage, script) = run_until_cut(None);
    let whole = SimStorage::on(storage.memory().image(CrashImage::LoseNames, 0), 0);
    inspect(&whole, &script.unwrap(), "no cut");
    let ios = storage.io_count();
    for cut in 0..ios {
        let (storage, script) = run_until_cut(Some(cut));
        let Some(script) = script else { continue };
        // Each cut with another image: all of them take part.
        let images = CrashImage::ALL;
        let image = images[usize::try_from(cut).unwrap() % images.len()];
        let what = format!("cut at {cut} of {ios}, {image:?}");
        let disk = SimStorage::on(storage.memory().image(image, cut), cut);
        inspect(&disk, &script, &what);
    }
}
