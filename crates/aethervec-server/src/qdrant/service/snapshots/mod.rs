//! Snapshots: collections as files, beside the database that they are of.
//!
//! ```text
//! notes-5f0c…-2026-01-01-12-00-00.snapshot        the collection, as JSON lines (docs/formats/jsonl.md)
//! notes-5f0c…-2026-01-01-12-00-00.snapshot.json   what it is; written last: without it, there is no such snapshot
//! full-snapshot-9a1e….snapshot                    all collections (whole)
//! ```
//!
//! They lie in the storage of the database, encrypted if that is, which takes no notice of them (files). One at a time is
//! written, read back or removed, so that what lies there without a description is what a crash has left.

mod files;
pub(crate) mod whole;

use super::collection;
use crate::qdrant::access::Access;
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{RecoverSnapshot, SnapshotDescription};
use crate::streams::Bounded;
use aethervec::AliasChange;
pub(crate) use files::FileReader;
use std::io::{BufRead, BufReader};
use uuid::Uuid;

/// Characters of a collection's name in that of a snapshot.
const STEM_MAX: usize = 64;

/// The snapshots of a collection, the oldest first.
pub(crate) fn list(db: &Access<'_>, name: &str) -> Result<Vec<SnapshotDescription>> {
    let own = collection(db, name)?.name().to_owned();
    files::list(&**db.files(), Some(&own))
}

/// Makes a snapshot of a collection as it is now.
pub(crate) fn create(db: &Access<'_>, name: &str) -> Result<SnapshotDescription> {
    let collection = collection(db, name)?;
    let view = collection.view()?;
    let _turn = db.snapshot_turn()?;
    let files = &**db.files();
    let snapshot = files::begin(files, &stem(collection.name()))?;
    db.room()?;
    let written = files::write(files, &snapshot, |out| {
        view.export_jsonl(out, |_| {})?;
        Ok(())
    });
    files::finish(files, &snapshot, Some(collection.name()), written)
}

/// Removes a snapshot of a collection.
pub(crate) fn delete(db: &Access<'_>, name: &str, snapshot: &str) -> Result<bool> {
    let own = collection(db, name)?.name().to_owned();
    let _turn = db.snapshot_turn()?;
    files::remove(&**db.files(), Some(&own), snapshot)
}

/// The bytes of a snapshot of a collection.
pub(crate) fn open(db: &Access<'_>, name: &str, snapshot: &str) -> Result<BufReader<FileReader>> {
    let own = collection(db, name)?.name().to_owned();
    files::find(&**db.files(), Some(&own), snapshot)?;
    files::reader(&**db.files(), snapshot)
}

/// Makes the collection called `name` what a snapshot of this server says.
pub(crate) fn recover(db: &Access<'_>, name: &str, request: RecoverSnapshot) -> Result<bool> {
    let place = request
        .location
        .split(['?', '#'])
        .next()
        .unwrap_or_default();
    let snapshot = place.rsplit('/').next().unwrap_or_default();
    let _turn = db.snapshot_turn()?;
    let none = || {
        Failure::not_found(format!(
            "Snapshot `{snapshot}`: this server has none of this name, and fetches nothing from {place:?}: upload it instead"
        ))
    };
    let kept = files::kept(&**db.files(), snapshot)?.ok_or_else(none)?;
    let collection = kept.collection.as_deref().ok_or_else(|| {
        Failure::wrong(format!(
            "Snapshot `{snapshot}` is of all collections: unpack it, and upload the file of the one that is meant"
        ))
    })?;
    db.allow_reading([collection])?;
    compare("checksum", request.checksum.as_deref(), &kept.checksum)?;
    let found = files::digest(files::reader(&**db.files(), snapshot)?)?;
    compare(
        "the snapshot is damaged: its checksum",
        Some(&kept.checksum),
        &found,
    )?;
    replace(db, name, snapshot)
}

/// Makes the collection called `name` what `bytes` say: a snapshot from wherever.
pub(crate) fn upload(
    db: &Access<'_>,
    name: &str,
    bytes: impl BufRead,
    checksum: Option<&str>,
) -> Result<bool> {
    let _turn = db.snapshot_turn()?;
    let files = &**db.files();
    let snapshot = files::begin(files, &stem(name))?;
    let (_, found) = files::write(files, &snapshot, |out| files::copy(bytes, out))?;
    let recovered = compare("checksum", checksum, &found)
        .and_then(|()| prove(db, &snapshot))
        .and_then(|()| replace(db, name, &snapshot));
    // It was only here to be read twice.
    files.delete(&snapshot).map_err(files::unusable)?;
    recovered
}

/// Whether the snapshot can be read to its end, before anything gives way to it.
fn prove(db: &Access<'_>, snapshot: &str) -> Result<()> {
    let trial = format!("recovery-{}", Uuid::new_v4());
    let read = db.import_jsonl(&trial, files::reader(&**db.files(), snapshot)?, |_| {});
    if db.describe(&trial).is_ok() {
        db.drop_collection(&trial)?;
    }
    read?;
    Ok(())
}

/// Puts what a snapshot says into the place of the collection that `name` stands for. After a crash it is there in part, and its
/// snapshot as before.
fn replace(db: &Access<'_>, name: &str, snapshot: &str) -> Result<bool> {
    let former = db.describe(name).ok().map(|info| info.name);
    let name = former.as_deref().unwrap_or(name);
    let aliases = db.aliases().into_iter();
    let aliases = aliases.filter(|(_, collection)| collection == name);
    let aliases: Vec<AliasChange> = aliases
        .map(|(alias, collection)| AliasChange::Set { alias, collection })
        .collect();
    if former.is_some() {
        db.drop_collection(name)?;
    }
    let lines = files::reader(&**db.files(), snapshot)?;
    match db.room()? {
        None => drop(db.import_jsonl(name, lines, |_| {})?),
        Some(room) => {
            let mut bounded = Bounded::new(lines, room);
            match db.import_jsonl(name, &mut bounded, |_| {}) {
                Err(_) if bounded.is_over() => return Err(db.no_room()),
                imported => drop(imported?),
            }
        }
    }
    if !aliases.is_empty() {
        db.change_aliases(&aliases)?;
    }
    Ok(true)
}

/// Fails when a checksum is `wanted`, and `found` is another one.
fn compare(what: &str, wanted: Option<&str>, found: &str) -> Result<()> {
    match wanted {
        Some(wanted) if !wanted.eq_ignore_ascii_case(found) => Err(Failure::wrong(format!(
            "{what}: it should be {wanted:?}, and is {found:?}"
        ))),
        _ => Ok(()),
    }
}

/// What the names of files of a collection begin with.
fn stem(collection: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    collection.chars().take(STEM_MAX).map(kept).collect()
}
