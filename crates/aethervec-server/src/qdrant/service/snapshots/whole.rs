//! Snapshots of a whole database: all its collections at one moment, and the aliases of that time, in an archive.
//!
//! ```text
//! full-snapshot-9a1e….snapshot     tar
//! ├─ config.json                   {"collections_mapping": {"notes": "0-notes.snapshot"}, "collections_aliases": {"texts": "notes"}}
//! └─ 0-notes.snapshot              a collection, as a snapshot of it would be
//! ```
//!
//! It is not recovered in one piece: who unpacks it has the collections as files that can be uploaded.

use super::files::{self, FileReader};
use super::stem;
use crate::auth::Action;
use crate::qdrant::access::Access;
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::SnapshotDescription;
use aether_env::Storage;
use aethervec::{CollectionView, ErrorKind};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use tar::{Builder, EntryType, Header};
use uuid::Uuid;

/// What the names of these snapshots begin with; those of collections have no hyphen there.
const STEM: &str = "full-snapshot";
/// The entry that says what the others are.
const CONFIG: &str = "config.json";

/// What is in an archive, under the names that the dialect has for it.
#[derive(Debug, Serialize)]
struct Config {
    /// The file of each collection.
    collections_mapping: BTreeMap<String, String>,
    /// The collection of each alias.
    collections_aliases: BTreeMap<String, String>,
}

/// Those that there are, the oldest first.
pub(crate) fn list(db: &Access<'_>) -> Result<Vec<SnapshotDescription>> {
    db.allow_whole(Action::Read)?;
    files::list(&**db.files(), None)
}

/// Makes one, of all collections as they are now.
pub(crate) fn create(db: &Access<'_>) -> Result<SnapshotDescription> {
    db.allow_whole(Action::Read)?;
    let views = views(db)?;
    let aliases = db.aliases();
    let _turn = db.snapshot_turn()?;
    let files = &**db.files();
    let snapshot = files::begin(files, STEM)?;
    db.room()?;
    let written = files::write(files, &snapshot, |out| pack(files, &views, aliases, out));
    files::finish(files, &snapshot, None, written)
}

/// Removes one.
pub(crate) fn delete(db: &Access<'_>, snapshot: &str) -> Result<bool> {
    let _turn = db.snapshot_turn()?;
    files::remove(&**db.files(), None, snapshot)
}

/// The bytes of one.
pub(crate) fn open(db: &Access<'_>, snapshot: &str) -> Result<BufReader<FileReader>> {
    db.allow_whole(Action::Read)?;
    files::find(&**db.files(), None, snapshot)?;
    files::reader(&**db.files(), snapshot)
}

/// All collections, at one moment.
fn views(db: &Access<'_>) -> Result<BTreeMap<String, CollectionView>> {
    let moment = db.snapshot();
    let mut views = BTreeMap::new();
    for info in db.collections() {
        let view = db.collection(&info.name);
        match view.and_then(|collection| collection.at(&moment)) {
            Ok(view) => drop(views.insert(info.name, view)),
            // Made since that moment, or dropped.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(views)
}

/// Writes the archive of these collections.
fn pack(
    files: &dyn Storage,
    views: &BTreeMap<String, CollectionView>,
    mut aliases: BTreeMap<String, String>,
    out: &mut dyn Write,
) -> Result<()> {
    aliases.retain(|_, collection| views.contains_key(collection));
    let numbered = views.keys().enumerate();
    let mapping = numbered.map(|(number, name)| {
        let file = format!("{number}-{}{}", stem(name), files::ENDING);
        (name.clone(), file)
    });
    let config = Config {
        collections_mapping: mapping.collect(),
        collections_aliases: aliases,
    };
    let mut archive = Builder::new(out);
    let json = serde_json::to_vec_pretty(&config).map_err(Failure::internal)?;
    put(&mut archive, CONFIG, json.len() as u64, &json[..])?;
    for (name, view) in views {
        // An entry says first how long it is: the collection is written to a file of its own, which then goes.
        let part = format!("part-{}{}", Uuid::new_v4().simple(), files::ENDING);
        let (size, _) = files::write(files, &part, |out| {
            view.export_jsonl(out, |_| {})?;
            Ok(())
        })?;
        let bytes = files::reader(files, &part);
        let file = &config.collections_mapping[name];
        let packed = bytes.and_then(|bytes| put(&mut archive, file, size, bytes));
        files.delete(&part).map_err(files::unusable)?;
        packed?;
    }
    archive.finish().map_err(files::unusable)
}

/// Adds a file of `size` bytes to an archive.
fn put(
    archive: &mut Builder<&mut dyn Write>,
    name: &str,
    size: u64,
    bytes: impl Read,
) -> Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_mtime(u64::try_from(files::now() / 1_000_000).unwrap_or_default());
    header.set_size(size);
    let added = archive.append_data(&mut header, name, bytes);
    added.map_err(files::unusable)
}
