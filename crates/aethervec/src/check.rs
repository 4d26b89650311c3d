//! Reads everything and compares: files, keys, and what the indexes in memory say.

use crate::catalog::Catalog;
use crate::collection::Collection;
use crate::database::AetherDB;
use crate::error::{Error, ErrorKind, Result};
use crate::id::DocId;
use crate::index::core::Core;
use crate::index::field::Fields;
use crate::index::open;
use crate::keyspace::{self, CollectionId, DocRow, Keyspaces, PendingEntry, PointRow};
use aether_index::PointId;
use aidb::{DB, Keyspace, Snapshot};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

mod index;
mod payload;

/// Problems of one kind in one collection that are told one by one; of the others only the number is told.
const TOLD_MAX: usize = 20;

/// Rows that are read before it is asked again whether to go on.
const ROWS_BETWEEN_LOOKS: u64 = 1_024;

/// What [`AetherDB::check`] has found.
#[derive(Clone, Debug, Default)]
pub struct CheckReport {
    /// The files of the storage engine.
    pub storage: aidb::VerifyReport,
    /// Each collection that could be opened.
    pub collections: Vec<CollectionCheck>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// What was counted in one collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectionCheck {
    /// Its name.
    pub name: String,
    /// Documents.
    pub documents: u64,
    /// Points, those of deleted and replaced documents included.
    pub points: u64,
    /// Points of deleted and replaced documents that are not purged yet.
    pub dead: u64,
    /// Points in graphs and buckets.
    pub indexed: u64,
    /// Points in a graph that no path leads to, and so only exact searches find. No damage: a few are normal, and
    /// more where there are many equal vectors, or many short ones under `dot`.
    pub unreachable: u64,
    /// Points that are searched exactly.
    pub scanned: u64,
    /// Entries of the keyspace `pending`.
    pub pending_entries: u64,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of thing.
    pub kind: ProblemKind,
    /// The collection that it concerns, if it concerns one.
    pub collection: Option<String>,
    /// What exactly: names the file, the key or the document.
    pub message: String,
}

/// Kinds of [`Problem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ProblemKind {
    /// A file is damaged or missing.
    File,
    /// A record cannot be decoded.
    Record,
    /// A document's point is missing, or belongs to another document.
    DocumentWithoutPoint,
    /// A point that no document names, and that is not waiting to be purged.
    PointWithoutDocument,
    /// A point that no search would find.
    NotIndexed,
    /// An index has a point that does not exist.
    IndexedWithoutPoint,
    /// A graph, or buckets, are damaged in themselves.
    Index,
    /// A payload index does not say what the documents say.
    PayloadIndex,
    /// A count or a number does not fit what is there.
    Counter,
    /// A document that ends is not in the list of those, or the other way round.
    Expiry,
    /// Keys of a collection that does not exist.
    LeftOver,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.collection {
            Some(collection) => write!(f, "collection {collection:?}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl AetherDB {
    /// Reads everything: all checksums, every document ↔ point ↔ index entry, and whether anything is left over.
    /// Background work of the collection being checked rests; searches and writes go on.
    ///
    /// # Errors
    /// When it cannot be read at all. What is damaged is in the report.
    pub fn check(&self) -> Result<CheckReport> {
        self.check_while(&|| true)
    }

    /// As [`check`](AetherDB::check), as long as `go_on`, which is asked before each file and now and then within a collection. The
    /// report of a check that was called off says what was found by then.
    ///
    /// # Errors
    /// As [`check`](AetherDB::check).
    pub fn check_while(&self, go_on: &dyn Fn() -> bool) -> Result<CheckReport> {
        self.inner.open()?;
        check(self, &self.inner.storage, &self.inner.keyspaces, go_on)
    }
}

fn check(
    db: &AetherDB,
    storage: &DB,
    keyspaces: &Keyspaces,
    go_on: &dyn Fn() -> bool,
) -> Result<CheckReport> {
    let mut report = CheckReport {
        storage: storage.verify_while(go_on)?,
        ..CheckReport::default()
    };
    for problem in &report.storage.problems {
        let message = format!("{}: {}", problem.file, problem.message);
        report.problems.push(Problem {
            kind: ProblemKind::File,
            collection: None,
            message,
        });
    }
    for info in db.collections() {
        let mut problems = Problems {
            collection: Some(info.name.clone()),
            ..Problems::default()
        };
        match db
            .collection(&info.name)
            .and_then(|collection| check_collection(&collection, go_on, &mut problems))
        {
            Ok(Some(counts)) => report.collections.push(counts),
            // Called off: what was not read is missing from what was.
            Ok(None) => return Ok(report),
            Err(error) if error.kind() == ErrorKind::Corruption => problems.add_error(&error),
            // Dropped meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        report.problems.extend(problems.finish());
    }
    let mut problems = Problems::default();
    if let Err(error) = check_left_over(&storage.snapshot(), keyspaces, &mut problems) {
        problems.add_error(&error);
    }
    report.problems.extend(problems.finish());
    Ok(report)
}

/// What a collection's keyspaces say at one snapshot.
struct OnDisk {
    snapshot: Snapshot,
    fields: Arc<Fields>,
    pending: Vec<PendingEntry>,
    /// Points that wait to be purged.
    died: HashSet<PointId>,
    /// Points of documents.
    alive: HashSet<PointId>,
    /// Points of documents that have a vector in each of the fields.
    with_vector: Vec<HashSet<PointId>>,
    /// All points.
    points: u64,
    documents: u64,
    /// Documents that end: when, and their points.
    ends: BTreeSet<(u64, PointId)>,
}

/// `None` when it was called off.
fn check_collection(
    collection: &Collection,
    go_on: &dyn Fn() -> bool,
    problems: &mut Problems,
) -> Result<Option<CollectionCheck>> {
    let core = &*collection.core;
    // While the lane is held, nothing leaves an index; while the writer is held, memory and snapshot agree.
    let _lane = core.lane.lock();
    let writer = core.writer.lock();
    let snapshot = core.db.snapshot();
    let newest = *core.newest.lock();
    let next = core.next.load(Ordering::Acquire);
    let fields = core.fields.load_full();
    drop(writer);

    let pending = open::read_pending(core.id, &core.keyspaces, &snapshot)?;
    let died = pending
        .iter()
        .flat_map(|entry| &entry.died)
        .copied()
        .collect();
    let mut disk = OnDisk {
        snapshot,
        pending,
        died,
        alive: HashSet::new(),
        with_vector: vec![HashSet::new(); fields.iter().count()],
        fields,
        points: 0,
        documents: 0,
        ends: BTreeSet::new(),
    };
    if !check_points(core, &mut disk, go_on, problems)?
        || !check_documents(core, &mut disk, go_on, problems)?
    {
        return Ok(None);
    }
    check_ends(core, &disk, problems)?;
    check_numbers(core, &disk, next, problems)?;
    let unreachable = index::check(core, &disk, next, problems)?;
    payload::check(core, &disk, problems)?;
    if disk.documents != newest.documents {
        let message = format!(
            "there are {} documents, and {} are counted",
            disk.documents, newest.documents
        );
        problems.add(ProblemKind::Counter, message);
    }
    let status = core.status();
    Ok(Some(CollectionCheck {
        name: core.name.clone(),
        documents: disk.documents,
        points: disk.points,
        dead: disk.points.saturating_sub(disk.alive.len() as u64),
        indexed: status.indexed,
        unreachable,
        scanned: status.scanned,
        pending_entries: disk.pending.len() as u64,
    }))
}

/// Every point belongs to the document that names it, or waits to be purged. False when it was called off.
fn check_points(
    core: &Core,
    disk: &mut OnDisk,
    go_on: &dyn Fn() -> bool,
    problems: &mut Problems,
) -> Result<bool> {
    let mut rows = disk
        .snapshot
        .prefix(&core.keyspaces.points, keyspace::collection_prefix(core.id));
    while let Some((key, value)) = rows.try_next()? {
        disk.points += 1;
        if disk.points.is_multiple_of(ROWS_BETWEEN_LOOKS) && !go_on() {
            return Ok(false);
        }
        let parsed = keyspace::decode_number("points", &key).and_then(|number| {
            let row = PointRow::parse(&key, &value)?;
            let present = disk
                .fields
                .iter()
                .map(|field| Ok(row.vector(&key, field.number, &field.spec)?.is_some()))
                .collect::<Result<Vec<bool>>>()?;
            Ok((PointId(number), row.id(&key)?, row, present))
        });
        let (point, id, row, present) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                problems.add_error(&error);
                continue;
            }
        };
        let doc_key = row.doc_key(core.id);
        let named = match disk.snapshot.get(&core.keyspaces.docs, &doc_key)? {
            Some(value) => DocRow::parse(&doc_key, &value).is_ok_and(|row| row.point == point),
            None => false,
        };
        if named {
            disk.alive.insert(point);
            for (points, _) in disk.with_vector.iter_mut().zip(present).filter(|(_, p)| *p) {
                points.insert(point);
            }
        } else if !disk.died.contains(&point) {
            let message = format!("point {point} belongs to document {id}, which does not name it");
            problems.add(ProblemKind::PointWithoutDocument, message);
        }
    }
    for point in disk.died.intersection(&disk.alive) {
        problems.add(
            ProblemKind::PointWithoutDocument,
            format!("point {point} is alive and waits to be purged"),
        );
    }
    Ok(go_on())
}

/// Every document has a point, and can be decoded. False when it was called off.
fn check_documents(
    core: &Core,
    disk: &mut OnDisk,
    go_on: &dyn Fn() -> bool,
    problems: &mut Problems,
) -> Result<bool> {
    let mut rows = disk
        .snapshot
        .prefix(&core.keyspaces.docs, keyspace::collection_prefix(core.id));
    while let Some((key, value)) = rows.try_next()? {
        disk.documents += 1;
        if disk.documents.is_multiple_of(ROWS_BETWEEN_LOOKS) && !go_on() {
            return Ok(false);
        }
        let parsed: Result<(DocId, PointId)> = keyspace::decode_doc_key(&key).and_then(|id| {
            let row = DocRow::parse(&key, &value)?;
            row.payload(&key)?;
            if row.expires != 0 {
                disk.ends.insert((row.expires, row.point));
            }
            Ok((id, row.point))
        });
        match parsed {
            Ok((id, point)) if !disk.alive.contains(&point) => {
                let message = format!(
                    "document {id} names point {point}, which is missing or belongs to another one"
                );
                problems.add(ProblemKind::DocumentWithoutPoint, message);
            }
            Ok(_) => {}
            Err(error) => problems.add_error(&error),
        }
    }
    Ok(go_on())
}

/// Documents that end, and no others, are in `expiry`.
fn check_ends(core: &Core, disk: &OnDisk, problems: &mut Problems) -> Result<()> {
    let mut rows = disk
        .snapshot
        .prefix(&core.keyspaces.expiry, keyspace::collection_prefix(core.id));
    let mut told = BTreeSet::new();
    while let Some((key, _)) = rows.try_next()? {
        match keyspace::decode_expiry_key(&key) {
            Ok(end) => drop(told.insert(end)),
            Err(error) => problems.add_error(&error),
        }
    }
    for (expires, point) in told.symmetric_difference(&disk.ends) {
        let message = format!(
            "the document of point {point} and the keyspace expiry disagree on whether it ends at {expires} (ms since 1970)"
        );
        problems.add(ProblemKind::Expiry, message);
    }
    Ok(())
}

/// The numbers that points have are those that were given.
fn check_numbers(core: &Core, disk: &OnDisk, next: u64, problems: &mut Problems) -> Result<()> {
    let state = open::read_state(core.id, &core.keyspaces, &disk.snapshot)?.unwrap_or_default();
    let recovered = disk
        .pending
        .iter()
        .map(PendingEntry::end)
        .fold(state.next, u64::max);
    let largest = disk
        .alive
        .iter()
        .chain(&disk.died)
        .map(|point| point.0)
        .max();
    if largest.is_some_and(|largest| largest >= recovered) || recovered > next {
        let message = format!(
            "the next number is {next}, {recovered} after a restart; the largest one in use is {largest:?}"
        );
        problems.add(ProblemKind::Counter, message);
    }
    Ok(())
}

/// No keys but those of collections that exist, or that are being removed.
fn check_left_over(
    snapshot: &Snapshot,
    keyspaces: &Keyspaces,
    problems: &mut Problems,
) -> Result<()> {
    let known: BTreeSet<CollectionId> = Catalog::read(snapshot, keyspaces)?.ids().collect();
    for keyspace in keyspaces.of_collections() {
        for id in collections_in(snapshot, keyspace)?.difference(&known) {
            let message = format!(
                "keyspace {} has keys of collection number {}, which does not exist",
                keyspace.name(),
                id.0
            );
            problems.add(ProblemKind::LeftOver, message);
        }
    }
    Ok(())
}

/// The collections that have keys in `keyspace`.
fn collections_in(snapshot: &Snapshot, keyspace: &Keyspace) -> Result<BTreeSet<CollectionId>> {
    let mut found = BTreeSet::new();
    let mut rows = snapshot.iter(keyspace);
    while let Some((key, _)) = rows.try_next()? {
        let id = keyspace::collection_of(keyspace.name(), &key)?;
        found.insert(id);
        match id.0.checked_add(1) {
            Some(next) => rows.seek(keyspace::collection_prefix(CollectionId(next))),
            None => break,
        }
    }
    Ok(found)
}

/// Collects problems: of many of one kind the first ones and the number of the rest.
#[derive(Default)]
struct Problems {
    collection: Option<String>,
    told: Vec<Problem>,
    counts: HashMap<ProblemKind, usize>,
}

impl Problems {
    fn add(&mut self, kind: ProblemKind, message: String) {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if *count <= TOLD_MAX {
            self.told.push(Problem {
                kind,
                collection: self.collection.clone(),
                message,
            });
        }
    }

    fn add_error(&mut self, error: &Error) {
        self.add(ProblemKind::Record, error.to_string());
    }

    fn finish(mut self) -> Vec<Problem> {
        let mut more: Vec<_> = self
            .counts
            .into_iter()
            .filter(|(_, count)| *count > TOLD_MAX)
            .collect();
        more.sort_unstable();
        for (kind, count) in more {
            let message = format!("… and {} more of this kind ({kind:?})", count - TOLD_MAX);
            self.told.push(Problem {
                kind,
                collection: self.collection.clone(),
                message,
            });
        }
        self.told
    }
}
