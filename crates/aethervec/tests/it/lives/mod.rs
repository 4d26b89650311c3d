//! Whole lives of a collection of all kinds, each from one seed: writes under conditions, patches, documents that end, fields and
//! payload indexes that come and go, filters, searches, transactions and snapshots; on a machine whose power goes and
//! whose disk fails or fills up, and which is opened again after each of its deaths. At any time everything that can be read is
//! what a plain map says.

mod random;
mod state;

use crate::common::{close, for_seeds, settle};
use crate::generate;
use crate::vectors::{as_query, naive_distance, random_vector};
use aether_env::{Clock, CrashImage, Env, ManualClock};
use aether_sim::{Fault, Io, SimStorage};
use aethervec::{
    AetherDB, Collection, CollectionSchema, CollectionView, DbOptions, DbSnapshot, Document, Error,
    ErrorKind, FacetRequest, Filter, ProblemKind, Result, ScrollRequest, SearchRequest, Timestamp,
};
use state::{Operation, State, satisfies};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const STEPS: usize = 150;

const FAULTS: [&[Io]; 3] = [
    &[Io::Append, Io::Reserve, Io::Write, Io::Finish],
    &[Io::Sync],
    Io::MUTATING,
];

fn options() -> DbOptions {
    DbOptions {
        storage: aidb::Options {
            background_threads: 0,
            // Small, so that everything is flushed and compacted all the time.
            memtable_bytes: 24 << 10,
            table_bytes: 16 << 10,
            level_base_bytes: 48 << 10,
            ..aidb::Options::DEFAULT
        },
        ..DbOptions::WITHOUT_THREADS
    }
}

struct Life {
    random: fastrand::Rng,
    storage: SimStorage,
    clock: Arc<ManualClock>,
    db: AetherDB,
    /// What is acknowledged.
    done: State,
    /// After the change that is under way.
    next: State,
    snapshots: Vec<(DbSnapshot, State)>,
    /// The disk has failed since the last opening: there may be files that go at the next one.
    is_troubled: bool,
}

impl Life {
    fn begin(seed: u64) -> Life {
        let clock = Arc::new(ManualClock::default());
        clock.advance(Duration::from_secs(1_700_000_000));
        let storage = SimStorage::new(seed);
        let db = open(&storage, &clock).unwrap();
        db.create_collection_with("c", CollectionSchema::default())
            .unwrap();
        Life {
            random: fastrand::Rng::with_seed(seed),
            storage,
            clock,
            db,
            done: State::default(),
            next: State::default(),
            snapshots: Vec::new(),
            is_troubled: false,
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(i64::try_from(self.clock.now().0).unwrap())
    }

    fn step(&mut self) {
        if self.storage.is_off() {
            // Something in the background has met it.
            return self.die();
        }
        match self.random.u8(..100) {
            0..30 => self.write(),
            30..34 => self.change_by_filter(),
            34..40 => self.transact(),
            40..46 => self.toggle_field(),
            46..51 => self.toggle_index(),
            51..53 => self.set_ttl(),
            53..57 => self.wait(),
            57..66 => self.tick(),
            66..69 => {
                let result = self.collection().and_then(|of| of.checkpoint());
                self.settle(result);
            }
            69..72 => self.keep_snapshot(),
            72..77 => self.look_back(),
            77..92 => self.read(),
            92..94 => self.end_process(),
            94..96 => self.trouble(),
            96..97 => self.check(),
            _ => {
                let io = self.storage.io_count() + self.random.u64(..200);
                self.storage.power_cut_at(io);
            }
        }
    }

    fn collection(&self) -> Result<Collection> {
        self.db.collection("c")
    }

    /// A batch of writes.
    fn write(&mut self) {
        let now = self.now();
        let mut writes = Vec::new();
        let mut outcomes = Vec::new();
        for _ in 0..self.random.usize(1..25) {
            let operation = random::operation(&mut self.random, &self.next, now);
            outcomes.push(self.next.make(&operation, now));
            writes.push(operation.write());
        }
        let result = self.collection().and_then(|of| of.apply_batch(writes));
        if let Ok(found) = &result {
            assert_eq!(*found, outcomes);
        }
        self.settle(result.map(drop));
    }

    fn change_by_filter(&mut self) {
        let filter = generate::filter(&mut self.random, 3);
        let ids = self.next.matching(&filter);
        let result = if self.random.bool() {
            let now = self.now();
            let steps = random::patch(&mut self.random, &self.next, now);
            ids.iter().for_each(|id| self.next.patch(id, &steps));
            let patch = state::patch(&steps);
            self.collection().and_then(|of| of.patch_by(&filter, patch))
        } else {
            self.next.docs.retain(|id, _| !ids.contains(id));
            self.collection().and_then(|of| of.delete_by(&filter))
        };
        if let Ok(count) = result {
            assert_eq!(count, ids.len() as u64, "{filter}");
        }
        self.settle(result.map(drop));
    }

    /// A transaction, which sees its own writes, and is all there or not at all.
    fn transact(&mut self) {
        let now = self.now();
        let operations: Vec<Operation> = (0..self.random.usize(1..12))
            .map(|_| random::operation(&mut self.random, &self.next, now))
            .collect();
        let commits = self.random.u8(..4) > 0;
        let result = self.play(&operations, now, commits);
        if !commits && result.is_ok() {
            self.next.clone_from(&self.done);
        }
        self.settle(result);
    }

    fn play(&mut self, operations: &[Operation], now: Timestamp, commits: bool) -> Result<()> {
        let collection = self.collection()?;
        let mut txn = self.db.begin()?;
        for operation in operations {
            let outcome = txn.apply(&collection, operation.write())?;
            assert_eq!(outcome, self.next.make(operation, now), "{operation:?}");
        }
        let view = txn.view(&collection)?;
        assert_eq!(read_all(&view), self.next.docs);
        let filter = generate::filter(&mut self.random, 3);
        assert_eq!(
            view.count_matching(&filter)?,
            self.next.matching(&filter).len() as u64,
            "{filter}"
        );
        let state = self.next.clone();
        self.search(&view, &state);
        if commits {
            txn.commit().map(drop)
        } else {
            txn.rollback();
            Ok(())
        }
    }

    fn toggle_field(&mut self) {
        let (name, field) = random::field(&mut self.random);
        let result = if self.next.schema.fields.remove(name).is_some() {
            // What a field held is read no more, at no moment.
            self.snapshots.clear();
            for document in self.next.docs.values_mut() {
                document.vectors.remove(name);
            }
            self.collection().and_then(|of| of.drop_vector_field(name))
        } else {
            let fields = &mut self.next.schema.fields;
            fields.insert(name.to_owned(), field.clone());
            self.collection()
                .and_then(|of| of.add_vector_field(name, field))
        };
        self.settle(result);
    }

    fn toggle_index(&mut self) {
        let (path, kind) = random::index(&mut self.random);
        let index = (path.to_owned(), kind);
        let result = if self.next.indexes.remove(&index) {
            self.collection()
                .and_then(|of| of.drop_payload_index(path, kind))
                .map(|dropped| assert!(dropped))
        } else {
            self.next.indexes.insert(index);
            self.collection()
                .and_then(|of| of.create_payload_index(path, kind))
        };
        self.settle(result);
    }

    fn set_ttl(&mut self) {
        let millis = self.random.u64(1..5_000);
        self.next.schema.ttl = self.random.bool().then(|| Duration::from_millis(millis));
        let ttl = self.next.schema.ttl;
        let result = self.collection().and_then(|of| of.set_ttl(ttl));
        self.settle(result);
    }

    /// The clock goes on.
    fn wait(&mut self) {
        self.clock
            .advance(Duration::from_millis(self.random.u64(1..1_500)));
        let now = self.now();
        self.done.end(now);
        self.next.end(now);
    }

    fn tick(&mut self) {
        for _ in 0..self.random.u8(1..8) {
            let result = self.db.tick().map(drop);
            self.settle(result);
        }
    }

    fn keep_snapshot(&mut self) {
        if self.snapshots.len() > 3 {
            self.snapshots.swap_remove(self.random.usize(..3));
        }
        let kept = (self.db.snapshot(), self.done.clone());
        self.snapshots.push(kept);
    }

    /// A snapshot sees what there was.
    fn look_back(&mut self) {
        if self.snapshots.is_empty() {
            return;
        }
        let place = self.random.usize(..self.snapshots.len());
        let (snapshot, state) = &self.snapshots[place];
        let (mut state, snapshot) = (state.clone(), snapshot.clone());
        state.schema.clone_from(&self.done.schema);
        let collection = self.collection();
        let Ok(view) = collection.and_then(|of| of.at(&snapshot)) else {
            return;
        };
        self.compare(&view, &state);
    }

    fn read(&mut self) {
        let view = self.collection().and_then(|of| of.view()).unwrap();
        let state = self.done.clone();
        self.compare(&view, &state);
    }

    /// All that can be read.
    fn compare(&mut self, view: &CollectionView, state: &State) {
        assert_eq!(read_all(view), state.docs);
        assert_eq!(view.count().unwrap(), state.docs.len() as u64);
        let ids: Vec<_> = (0..6).map(|_| generate::id(&mut self.random)).collect();
        let expected: Vec<_> = ids.iter().map(|id| state.docs.get(id).cloned()).collect();
        assert_eq!(view.get_batch(&ids).unwrap(), expected);
        for _ in 0..3 {
            let filter = generate::filter(&mut self.random, 3);
            let matching = state.matching(&filter).len() as u64;
            assert_eq!(view.count_matching(&filter).unwrap(), matching, "{filter}");
        }
        let facets = view.facet(&FacetRequest::new("lang")).unwrap();
        for facet in facets {
            let filter = Filter::eq("lang", facet.value.as_str().unwrap_or_default());
            if facet.value.is_string() {
                assert_eq!(facet.count, state.matching(&filter).len() as u64);
            }
        }
        self.search(view, state);
    }

    /// Searches of each field, with a filter or without, find the nearest.
    fn search(&mut self, view: &CollectionView, state: &State) {
        for (name, field) in &state.schema.fields {
            let query = random_vector(&mut self.random, field);
            let filter = self.random.bool();
            let filter = filter.then(|| generate::filter(&mut self.random, 2));
            let mut distances: BTreeMap<_, f64> = BTreeMap::new();
            for document in state.docs.values() {
                if filter
                    .as_ref()
                    .is_none_or(|filter| satisfies(document, filter))
                    && let Some(vector) = document.vectors.get(name)
                    && let Some(distance) = naive_distance(field, &query, vector)
                {
                    distances.insert(&document.id, distance);
                }
            }
            let mut truth: Vec<f64> = distances.values().copied().collect();
            truth.sort_by(f64::total_cmp);
            let k = self.random.usize(1..12);
            truth.truncate(k);
            let request = SearchRequest {
                using: name,
                filter: filter.as_ref(),
                exact: self.random.bool(),
                with_vectors: true,
                ..SearchRequest::new(as_query(&query), k)
            };
            let hits = view.search_with(request).unwrap();
            let what = format!(
                "{name:?}, {field:?}, k {k}, exact {}, filter {filter:?}",
                request.exact
            );
            assert_eq!(hits.len(), truth.len(), "{what}");
            for (hit, truth) in hits.iter().zip(&truth) {
                let found = f64::from(hit.distance.0);
                assert!(close(found, distances[&hit.id]), "{what}: {hit:?}");
                // So few documents are not in a graph: every search is exact.
                assert!(
                    close(found, *truth),
                    "{what}: {found} is not {truth} of {distances:?}"
                );
                let document = &state.docs[&hit.id];
                assert_eq!(
                    (&hit.payload, &hit.vectors),
                    (&document.payload, &document.vectors)
                );
            }
        }
    }

    /// A change has come to its end, well or not.
    fn settle(&mut self, result: Result<()>) {
        match result {
            Ok(()) => self.done.clone_from(&self.next),
            Err(_) if self.storage.is_off() => self.die(),
            Err(error) => self.survive(&error),
        }
    }

    /// The power goes, and comes back.
    fn die(&mut self) {
        let image = CrashImage::ALL[self.random.usize(..CrashImage::ALL.len())];
        let disk = self.storage.memory().image(image, self.random.u64(..));
        self.storage = SimStorage::on(disk, self.random.u64(..));
        self.reopen();
    }

    /// The disk has failed or is full, and does so no more.
    fn survive(&mut self, error: &Error) {
        self.storage.clear_faults();
        self.storage.free();
        self.storage.power_cut_at(u64::MAX);
        self.learn();
        if error.kind() == ErrorKind::Unavailable {
            return;
        }
        self.reopen();
    }

    /// Either the change that was under way is there, or it is not.
    fn learn(&mut self) {
        let found = self.observe();
        assert!(
            found == self.done || found == self.next,
            "found {found:#?}\nacknowledged {:#?}\nnext {:#?}",
            self.done,
            self.next
        );
        self.done = found;
        self.next.clone_from(&self.done);
        self.check();
    }

    fn observe(&self) -> State {
        let collection = self.collection().unwrap();
        let indexes = collection.payload_indexes().into_iter();
        State {
            schema: (*collection.schema()).clone(),
            indexes: indexes
                .map(|index| (index.path.to_string(), index.kind))
                .collect(),
            docs: read_all(&collection.view().unwrap()),
        }
    }

    /// A new process opens what the last one left.
    fn reopen(&mut self) {
        self.snapshots.clear();
        self.is_troubled = false;
        // The old handle has to be gone before the lock can be taken again.
        self.db = open(&SimStorage::new(0), &self.clock).unwrap();
        match open(&self.storage, &self.clock) {
            Ok(db) => {
                self.db = db;
                self.learn();
            }
            Err(_) if self.storage.is_off() => self.die(),
            Err(error) => panic!("it does not open: {error}"),
        }
    }

    /// Closes it first, or just goes away.
    fn end_process(&mut self) {
        if self.random.bool() {
            // It may fail: what was acknowledged is safe all the same.
            let _ = self.db.close();
        }
        self.storage.clear_faults();
        self.storage.free();
        self.reopen();
    }

    fn trouble(&mut self) {
        self.is_troubled = true;
        if self.random.bool() {
            return self.storage.disk_full(self.random.u64(..40_000));
        }
        self.storage.fail(Fault {
            on: FAULTS[self.random.usize(..FAULTS.len())],
            after: self.random.u64(..60),
            sticky: self.random.bool(),
        });
    }

    fn check(&mut self) {
        let mut problems = self.db.check().unwrap().problems;
        problems.retain(|problem| !self.is_troubled || problem.kind != ProblemKind::File);
        assert_eq!(problems, []);
    }
}

fn open(storage: &SimStorage, clock: &Arc<ManualClock>) -> Result<AetherDB> {
    let env = Env {
        clock: Arc::clone(clock) as Arc<_>,
        ..storage.env()
    };
    AetherDB::open_with(env, options())
}

/// All documents, read page by page.
fn read_all(view: &CollectionView) -> BTreeMap<aethervec::DocId, Document> {
    let mut docs = BTreeMap::new();
    let mut after = None;
    loop {
        let page = view.scroll(ScrollRequest { after, limit: 60 }).unwrap();
        for document in page.documents {
            docs.insert(document.id.clone(), document);
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return docs,
        }
    }
}

fn live(seed: u64) {
    let mut life = Life::begin(seed);
    for _ in 0..STEPS {
        life.step();
    }
    if life.storage.is_off() {
        life.die();
    }
    life.storage.power_cut_at(u64::MAX);
    life.end_process();
    settle(&life.db);
    life.read();
    life.check();
}

#[test]
fn lives_of_collections_agree_with_plain_maps() {
    for_seeds(40, live);
}
