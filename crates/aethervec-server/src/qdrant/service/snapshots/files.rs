//! Files of snapshots: named, written, described, found, read and removed. What is in them is not known here.

use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::SnapshotDescription;
use aether_env::{RandomFile, Storage, WritableFile};
use aethervec::Timestamp;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::sync::Arc;
use uuid::Uuid;

/// What the names of snapshots end in.
pub(super) const ENDING: &str = ".snapshot";
/// What the name of a description has behind that of its snapshot.
const DESCRIPTION: &str = ".json";
/// Snapshots that a tenant may have: each takes as much of the disk as its collection.
const SNAPSHOTS_MAX: usize = 256;
/// Bytes that are read or written at a time.
const PIECE: usize = 1 << 20;

/// What is kept of a snapshot beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// None: the whole database.
    pub(super) collection: Option<String>,
    /// Microseconds since 1970.
    created: i64,
    size: u64,
    pub(super) checksum: String,
}

/// The snapshots of the collection called `of`, or of the whole database, the oldest first.
pub(super) fn list(files: &dyn Storage, of: Option<&str>) -> Result<Vec<SnapshotDescription>> {
    let mut found = Vec::new();
    for file in files.list().map_err(unusable)? {
        if let Some(snapshot) = file.name.strip_suffix(DESCRIPTION)
            && snapshot.ends_with(ENDING)
        {
            let kept = kept(files, snapshot)?;
            if let Some(kept) = kept.filter(|kept| kept.collection.as_deref() == of) {
                found.push((kept.created, described(snapshot, kept)));
            }
        }
    }
    found.sort_by(|(a, one), (b, other)| a.cmp(b).then_with(|| one.name.cmp(&other.name)));
    Ok(found.into_iter().map(|(_, snapshot)| snapshot).collect())
}

/// A name for a new snapshot, which begins with `stem`. What a crash has left goes.
pub(super) fn begin(files: &dyn Storage, stem: &str) -> Result<String> {
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
    let time = time(now()).replace([':', 'T'], "-");
    Ok(format!("{stem}-{}-{time}{ENDING}", Uuid::new_v4().simple()))
}

/// Writes a file by `work`: its length and SHA-256. If that fails, it leaves none.
pub(super) fn write(
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
pub(super) fn finish(
    files: &dyn Storage,
    name: &str,
    of: Option<&str>,
    written: Result<(u64, String)>,
) -> Result<SnapshotDescription> {
    let (size, checksum) = written?;
    let kept = Kept {
        collection: of.map(str::to_owned),
        created: now(),
        size,
        checksum,
    };
    let text = serde_json::to_vec(&kept).map_err(Failure::internal)?;
    let description = name.to_owned() + DESCRIPTION;
    files.put_if_absent(&description, &text).map_err(unusable)?;
    Ok(described(name, kept))
}

/// Fails when the collection called `of`, or the whole database, has no such snapshot.
pub(super) fn find(files: &dyn Storage, of: Option<&str>, snapshot: &str) -> Result<()> {
    match kept(files, snapshot)? {
        Some(kept) if kept.collection.as_deref() == of => Ok(()),
        _ => Err(Failure::not_found(match of {
            Some(collection) => format!("Snapshot `{snapshot}` of collection `{collection}`"),
            None => format!("Full storage snapshot `{snapshot}`"),
        })),
    }
}

/// Removes a snapshot.
pub(super) fn remove(files: &dyn Storage, of: Option<&str>, snapshot: &str) -> Result<bool> {
    find(files, of, snapshot)?;
    // Without its description it is gone.
    let description = snapshot.to_owned() + DESCRIPTION;
    files.delete(&description).map_err(unusable)?;
    files.delete(snapshot).map_err(unusable)?;
    files.sync_names().map_err(unusable)?;
    Ok(true)
}

/// Whether a snapshot can be called so. Others never come near the files.
fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    text.strip_suffix(ENDING)
        .is_some_and(|stem| !stem.is_empty() && stem.len() <= 128 && stem.chars().all(plain))
}

/// What is kept of a snapshot, if there is one.
pub(super) fn kept(files: &dyn Storage, snapshot: &str) -> Result<Option<Kept>> {
    if !is_name(snapshot) {
        return Ok(None);
    }
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

/// The bytes of a file.
pub(super) fn reader(files: &dyn Storage, name: &str) -> Result<BufReader<FileReader>> {
    let file = files.open(name).map_err(unusable)?;
    Ok(BufReader::with_capacity(PIECE, FileReader { file, at: 0 }))
}

/// The SHA-256 of what is left of `bytes`.
pub(super) fn digest(mut bytes: impl BufRead) -> Result<String> {
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

/// All of what is left of `from`.
pub(super) fn copy(mut from: impl BufRead, to: &mut dyn Write) -> Result<()> {
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
pub(super) fn now() -> i64 {
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
pub(super) fn unusable(error: impl Display) -> Failure {
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
pub(crate) struct FileReader {
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
