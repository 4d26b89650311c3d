//! Snapshots: collections as files, beside the database that they are of.
//!
//! ```text
//! notes-5f0c…-2026-01-01-12-00-00.snapshot        the collection, as JSON lines (docs/formats/jsonl.md)
//! notes-5f0c…-2026-01-01-12-00-00.snapshot.json   what it is; written last: without it, there is no such snapshot
//! ```
//!
//! They lie in the storage of the database, encrypted if that is, which takes no notice of them. One at a time is written, read
//! back or removed, so that what lies there without a description is what a crash has left.

use super::collection;
use crate::qdrant::access::Access;
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{RecoverSnapshot, SnapshotDescription};
use crate::streams::Bounded;
use aether_env::{RandomFile, Storage, WritableFile};
use aethervec::{AliasChange, Timestamp};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::sync::Arc;
use uuid::Uuid;

/// What the names of snapshots end in.
const ENDING: &str = ".snapshot";
/// What the name of a description has behind that of its snapshot.
const DESCRIPTION: &str = ".json";
/// Characters of a collection's name in that of a snapshot.
const STEM_MAX: usize = 64;
/// Snapshots that a tenant may have: each takes as much of the disk as its collection.
const SNAPSHOTS_MAX: usize = 256;
/// Bytes that are read or written at a time.
const PIECE: usize = 1 << 20;

/// What is kept of a snapshot beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    collection: String,
    /// Microseconds since 1970.
    created: i64,
    size: u64,
    checksum: String,
}

/// The snapshots of a collection, the oldest first.
pub(crate) fn list(db: &Access<'_>, name: &str) -> Result<Vec<SnapshotDescription>> {
    let own = collection(db, name)?.name().to_owned();
    let mut found = Vec::new();
    for file in db.files().list().map_err(unusable)? {
        if let Some(snapshot) = file.name.strip_suffix(DESCRIPTION)
            && snapshot.ends_with(ENDING)
        {
            let kept = kept(&**db.files(), snapshot)?;
            if let Some(kept) = kept.filter(|kept| kept.collection == own) {
                found.push((kept.created, described(snapshot, kept)));
            }
        }
    }
    found.sort_by(|(a, one), (b, other)| a.cmp(b).then_with(|| one.name.cmp(&other.name)));
    Ok(found.into_iter().map(|(_, snapshot)| snapshot).collect())
}

/// Makes a snapshot of a collection as it is now.
pub(crate) fn create(db: &Access<'_>, name: &str) -> Result<SnapshotDescription> {
    let collection = collection(db, name)?;
    let view = collection.view()?;
    let _turn = db.snapshot_turn()?;
    let files = &**db.files();
    let snapshot = begin(files, collection.name())?;
    db.room()?;
    let written = write(files, &snapshot, |out| {
        view.export_jsonl(out, |_| {})?;
        Ok(())
    });
    finish(files, &snapshot, collection.name(), written)
}

/// Removes a snapshot of a collection.
pub(crate) fn delete(db: &Access<'_>, name: &str, snapshot: &str) -> Result<bool> {
    let own = collection(db, name)?.name().to_owned();
    let _turn = db.snapshot_turn()?;
    find(db, &own, snapshot)?;
    // Without its description it is gone.
    let files = db.files();
    files
        .delete(&(snapshot.to_owned() + DESCRIPTION))
        .map_err(unusable)?;
    files.delete(snapshot).map_err(unusable)?;
    files.sync_names().map_err(unusable)?;
    Ok(true)
}

/// The bytes of a snapshot of a collection.
pub(crate) fn open(db: &Access<'_>, name: &str, snapshot: &str) -> Result<impl BufRead + use<>> {
    let own = collection(db, name)?.name().to_owned();
    find(db, &own, snapshot)?;
    reader(&**db.files(), snapshot)
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
    let kept = is_name(snapshot)
        .then(|| kept(&**db.files(), snapshot))
        .transpose()?
        .flatten()
        .ok_or_else(none)?;
    db.allow_reading([&kept.collection[..]])?;
    compare("checksum", request.checksum.as_deref(), &kept.checksum)?;
    let found = digest(reader(&**db.files(), snapshot)?)?;
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
    let snapshot = begin(files, name)?;
    let (_, found) = write(files, &snapshot, |out| copy(bytes, out))?;
    let recovered = compare("checksum", checksum, &found)
        .and_then(|()| prove(db, &snapshot))
        .and_then(|()| replace(db, name, &snapshot));
    // It was only here to be read twice.
    files.delete(&snapshot).map_err(unusable)?;
    recovered
}

/// Whether the snapshot can be read to its end, before anything gives way to it.
fn prove(db: &Access<'_>, snapshot: &str) -> Result<()> {
    let trial = format!("recovery-{}", Uuid::new_v4());
    let read = db.import_jsonl(&trial, reader(&**db.files(), snapshot)?, |_| {});
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
    let lines = reader(&**db.files(), snapshot)?;
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

/// A name for a new snapshot of `collection`. What a crash has left goes.
fn begin(files: &dyn Storage, collection: &str) -> Result<String> {
    let listed = files.list().map_err(unusable)?;
    let is_there = |name: &str| listed.iter().any(|file| file.name == name);
    let mut snapshots = 0;
    for file in listed.iter().filter(|file| file.name.ends_with(ENDING)) {
        snapshots += 1;
        if !is_there(&(file.name.clone() + DESCRIPTION)) {
            files.delete(&file.name).map_err(unusable)?;
        }
    }
    if snapshots >= SNAPSHOTS_MAX {
        return Err(Failure::wrong(format!(
            "there are {SNAPSHOTS_MAX} snapshots, as many as may be: delete some"
        )));
    }
    let kept = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let stem: String = collection.chars().take(STEM_MAX).map(kept).collect();
    let time = time(now()).replace([':', 'T'], "-");
    Ok(format!("{stem}-{}-{time}{ENDING}", Uuid::new_v4().simple()))
}

/// Writes a file by `work`: its length and SHA-256. If that fails, it leaves none.
fn write(
    files: &dyn Storage,
    name: &str,
    work: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<(u64, String)> {
    let sink = Sink {
        file: files.create(name).map_err(unusable)?,
        digest: Context::new(&SHA256),
        size: 0,
    };
    let mut out = BufWriter::with_capacity(PIECE, sink);
    let written = work(&mut out).and_then(|()| {
        let mut sink = out
            .into_inner()
            .map_err(|error| unusable(error.into_error()))?;
        sink.file.sync().map_err(unusable)?;
        files.sync_names().map_err(unusable)?;
        Ok((sink.size, hexadecimal(sink.digest)))
    });
    if written.is_err() {
        files.delete(name).map_err(unusable)?;
    }
    written
}

/// Says what was written: from now on it is a snapshot.
fn finish(
    files: &dyn Storage,
    name: &str,
    collection: &str,
    written: Result<(u64, String)>,
) -> Result<SnapshotDescription> {
    let (size, checksum) = written?;
    let kept = Kept {
        collection: collection.to_owned(),
        created: now(),
        size,
        checksum,
    };
    let text = serde_json::to_vec(&kept).map_err(Failure::internal)?;
    let description = name.to_owned() + DESCRIPTION;
    files.put_if_absent(&description, &text).map_err(unusable)?;
    Ok(described(name, kept))
}

/// Fails when the collection called `own` has no such snapshot.
fn find(db: &Access<'_>, own: &str, snapshot: &str) -> Result<()> {
    let kept = match is_name(snapshot) {
        true => kept(&**db.files(), snapshot)?,
        false => None,
    };
    match kept {
        Some(kept) if kept.collection == own => Ok(()),
        _ => Err(Failure::not_found(format!(
            "Snapshot `{snapshot}` of collection `{own}`"
        ))),
    }
}

/// Whether a snapshot can be called so. Others never come near the files.
fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    text.strip_suffix(ENDING)
        .is_some_and(|stem| !stem.is_empty() && stem.len() <= 128 && stem.chars().all(plain))
}

/// What is kept of a snapshot, if there is one.
fn kept(files: &dyn Storage, snapshot: &str) -> Result<Option<Kept>> {
    let file = match files.open(&(snapshot.to_owned() + DESCRIPTION)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(error)),
    };
    let bytes = FileReader { file, at: 0 };
    let kept = serde_json::from_reader(BufReader::new(bytes)).map_err(Failure::internal)?;
    Ok(Some(kept))
}

fn described(snapshot: &str, kept: Kept) -> SnapshotDescription {
    SnapshotDescription {
        name: snapshot.to_owned(),
        creation_time: time(kept.created),
        size: kept.size,
        checksum: kept.checksum,
    }
}

fn reader(files: &dyn Storage, name: &str) -> Result<BufReader<FileReader>> {
    let file = files.open(name).map_err(unusable)?;
    Ok(BufReader::with_capacity(PIECE, FileReader { file, at: 0 }))
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

fn digest(mut bytes: impl BufRead) -> Result<String> {
    let mut digest = Context::new(&SHA256);
    loop {
        let piece = bytes.fill_buf().map_err(unusable)?;
        if piece.is_empty() {
            return Ok(hexadecimal(digest));
        }
        digest.update(piece);
        let read = piece.len();
        bytes.consume(read);
    }
}

fn copy(mut from: impl BufRead, to: &mut dyn Write) -> Result<()> {
    loop {
        let piece = from
            .fill_buf()
            .map_err(|error| Failure::wrong(format!("snapshot: {error}")))?;
        if piece.is_empty() {
            return Ok(());
        }
        to.write_all(piece).map_err(unusable)?;
        let read = piece.len();
        from.consume(read);
    }
}

fn hexadecimal(digest: Context) -> String {
    let bytes = digest.finish();
    bytes
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Microseconds since 1970.
fn now() -> i64 {
    let now = crate::observe::traces::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| {
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}

/// To the second, without a zone.
fn time(micros: i64) -> String {
    let text = Timestamp::from_micros(micros).to_string();
    text.split(['.', 'Z']).next().unwrap_or_default().to_owned()
}

/// The files cannot be used: the log says why, and nobody else learns where they are.
fn unusable(error: impl Display) -> Failure {
    tracing::error!(%error, "a snapshot cannot be used");
    Failure::internal("the files of snapshots cannot be used: the log of the server says why")
}

/// A file in the making, with the digest of what it has.
struct Sink {
    file: Box<dyn WritableFile>,
    digest: Context,
    size: u64,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.append(bytes)?;
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file from its beginning to its end.
struct FileReader {
    file: Arc<dyn RandomFile>,
    at: u64,
}

impl Read for FileReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.file.len() - self.at).unwrap_or(usize::MAX);
        let most = into.len().min(left);
        self.file.read_at(self.at, &mut into[..most])?;
        self.at += most as u64;
        Ok(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_snapshots_come_near_the_files() {
        for good in ["notes-1.snapshot", "a_b-2026-01-01.snapshot"] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            ".snapshot",
            "../a.snapshot",
            "a/b.snapshot",
            "LOCK",
            "a.snapshot.json",
            "a\0.snapshot",
            "é.snapshot",
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn times_are_those_of_the_dialect() {
        assert_eq!(time(1_767_268_800_000_001), "2026-01-01T12:00:00");
    }
}
