//! Files in readable form, for people who look for damage: what `aethervec aidb dump` prints. No database is opened and
//! no lock is taken, so that the files of a running database can be looked at, too.
//!
//! Each kind of file is told as a sequence of [`Item`]s, from its front as far as it reads back; then damage is the error.
//! What the items are named may change with any version.

mod log;
mod manifest;
mod table;
mod values;

use std::path::Path;
use std::sync::Arc;

use aether_env::{LocalStorage, RandomFile, Storage};
use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use crate::error::{Error, ErrorKind, Result};
use crate::file_name::{self, FileKind};
use crate::key::{SeqNo, ValueKind};

/// Bytes of an attachment that are read at once, and those of a large value that are shown.
const PIECE_BYTES: usize = 256 << 10;
const SHOWN_BYTES: usize = 64;

/// One thing in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where it stands, in bytes from the start of the file; none for what has no place of its own.
    pub at: Option<u64>,
    /// What it is: `header`, `record`, `entry` and so on.
    pub what: &'static str,
    /// What it says.
    pub fields: Vec<(&'static str, Field)>,
}

/// A value in an [`Item`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// A number, or a place.
    Number(u64),
    /// A word or a sentence.
    Text(String),
    /// A key or a value, as it is.
    Bytes(Bytes),
}

/// Tells what is in the file at `path`, whose name must be one that the engine gives.
///
/// # Errors
/// [`ErrorKind::NotFound`] and [`ErrorKind::Io`] when it cannot be read, [`ErrorKind::Invalid`] for a name that tells no
/// kind of file, [`ErrorKind::Corruption`] for damage: what stands before it has been told then.
pub fn file(path: &Path, tell: &mut dyn FnMut(Item)) -> Result<()> {
    let unknown = || {
        Error::invalid(format!(
            "{} is no name of a table, log, value file, manifest or attachment: these are NNNNNN.sst, NNNNNN.wal, NNNNNN.val, MANIFEST-NNNNNN, NNNNNN.att",
            path.display()
        ))
    };
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(unknown)?;
    let directory = path
        .parent()
        .filter(|parent| *parent != Path::new(""))
        .unwrap_or(Path::new("."));
    if matches!(file_name::parse(name), FileKind::Foreign | FileKind::Lock) {
        return Err(unknown());
    }
    let explain = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::new(
            ErrorKind::NotFound,
            format!("{}: no such file", path.display()),
        ),
        _ => Error::io(format_args!("read {}", path.display()), error),
    };
    let storage = LocalStorage::open_existing(directory).map_err(explain)?;
    let file = storage.open(name).map_err(explain)?;
    tell_all(file, name, tell)
}

/// Tells what is in a file whose name is `name`.
pub(crate) fn tell_all(
    file: Arc<dyn RandomFile>,
    name: &str,
    tell: &mut dyn FnMut(Item),
) -> Result<()> {
    match file_name::parse(name) {
        FileKind::Table(number) => table::tell(file, name, number, tell),
        FileKind::Log(number) => log::tell(&whole(&*file, name)?, name, number, tell),
        FileKind::Manifest(number) => manifest::tell(&whole(&*file, name)?, name, number, tell),
        FileKind::Values(number) => values::tell(&*file, name, number, tell),
        FileKind::Attachment(_) => attachment(&*file, name, tell),
        FileKind::Foreign | FileKind::Lock => Ok(()),
    }
}

/// Attachments are somebody else's bytes: their length and checksum are what the registry has of them.
fn attachment(file: &dyn RandomFile, name: &str, tell: &mut dyn FnMut(Item)) -> Result<()> {
    let explain = |error| Error::io(format_args!("read {name}"), error);
    let mut hasher = Xxh3::new();
    let mut first = Bytes::new();
    let mut at = 0;
    let mut piece = vec![0; PIECE_BYTES];
    while at < file.len() {
        let left = usize::try_from(file.len() - at).unwrap_or(usize::MAX);
        let piece = &mut piece[..left.min(PIECE_BYTES)];
        file.read_at(at, piece).map_err(explain)?;
        hasher.update(piece);
        if at == 0 {
            first = Bytes::copy_from_slice(&piece[..piece.len().min(SHOWN_BYTES)]);
        }
        at += piece.len() as u64;
    }
    tell(Item {
        at: Some(0),
        what: "attachment",
        fields: vec![
            ("bytes", Field::Number(file.len())),
            ("checksum", checksum_field(hasher.digest())),
            ("begins", Field::Bytes(first)),
        ],
    });
    Ok(())
}

fn whole(file: &dyn RandomFile, name: &str) -> Result<Bytes> {
    let length = usize::try_from(file.len())
        .map_err(|_| Error::corruption(name, 0, "the file is too large"))?;
    let mut bytes = vec![0; length];
    file.read_at(0, &mut bytes)
        .map_err(|error| Error::io(format_args!("read {name}"), error))?;
    Ok(bytes.into())
}

fn checksum_field(checksum: u64) -> Field {
    Field::Text(format!("{checksum:016x}"))
}

fn seq_field(seq: SeqNo) -> Field {
    Field::Number(seq.0)
}

/// The word for a kind of entry.
fn kind_field(kind: Option<ValueKind>) -> Field {
    let word = match kind {
        Some(ValueKind::Delete) => "delete",
        Some(ValueKind::Put) => "put",
        Some(ValueKind::Merge) => "merge",
        Some(ValueKind::Pointer) => "pointer",
        Some(ValueKind::RangeDelete) => "range-delete",
        Some(ValueKind::Expiring) => "expiring",
        Some(ValueKind::ExpiringPointer) => "expiring-pointer",
        None => "unknown",
    };
    Field::Text(word.to_owned())
}
