//! The manifest: a log of edits in which every entry is a numbered file. The bytes: docs/formats/manifest.md.
//!
//! `MANIFEST-n` holds either a whole state or what differs from `MANIFEST-(n-1)`. Each is put whole or not at all, and
//! only if its name is still free: that is the commit point of every change of the tree, and it is also what keeps a
//! second writer out. The newest one wins. A whole state is written now and then, and what stands before it goes.
//!
//! After a failed put the file may or may not be there. Then (a) nothing that it names may be deleted, and (b) the
//! next manifest holds a whole state, so that it does not matter.

use std::io;
use std::sync::Arc;

use aether_env::Storage;

use super::catalog::Catalog;
use super::edit::Edit;
use crate::checksum::checksum_seeded;
use crate::error::{Error, ErrorKind, Result};
use crate::file_name::{self, FileKind};

const MAGIC: &[u8; 8] = b"aidb.man";

/// The version that this build writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// magic, format u32, kind u32, number u64, length of the edit u64
const HEADER_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 8;

const KIND_DIFFERENCE: u32 = 0;
const KIND_WHOLE: u32 = 1;

/// Differences after which a whole state is written, so that an open reads few files.
const DIFFERENCES_MAX: u64 = 32;

/// The writer of manifests.
#[derive(Debug)]
pub(crate) struct Manifest {
    storage: Arc<dyn Storage>,
    catalog: Catalog,
    /// The newest manifest; 0 before the first.
    number: u64,
    /// The newest one that holds a whole state.
    whole: u64,
    /// A put failed, and its file may be there.
    uncertain: bool,
}

/// Why a change was not recorded.
pub(crate) struct Refused {
    pub(crate) error: Error,
    /// The change certainly did not happen: files made for it may be deleted.
    pub(crate) clean: bool,
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Error {
        refused.error
    }
}

impl Manifest {
    /// The first manifest of a new database.
    pub(crate) fn create(storage: Arc<dyn Storage>, edit: &Edit) -> Result<Manifest> {
        let catalog = Catalog::default();
        let mut manifest = Manifest {
            storage,
            catalog,
            number: 0,
            whole: 0,
            uncertain: true,
        };
        manifest.commit(edit)?;
        Ok(manifest)
    }

    /// Reads the newest state; none when there is no manifest among `numbers`.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        mut numbers: Vec<u64>,
    ) -> Result<Option<Manifest>> {
        numbers.sort_unstable();
        let Some(&newest) = numbers.last() else {
            return Ok(None);
        };
        let mut edits = Vec::new();
        let mut number = newest;
        loop {
            let (kind, edit) = read(storage.as_ref(), number)?;
            edits.push((number, edit));
            if kind == KIND_WHOLE {
                break;
            }
            number = number
                .checked_sub(1)
                .filter(|number| *number > 0)
                .ok_or_else(|| {
                    Error::corruption(
                        &file_name::manifest(number),
                        12,
                        "it refers to a manifest before the first",
                    )
                })?;
        }
        let mut catalog = Catalog::default();
        for (number, edit) in edits.iter().rev() {
            catalog.apply(edit).map_err(|detail| {
                Error::corruption(&file_name::manifest(*number), HEADER_BYTES as u64, detail)
            })?;
        }
        Ok(Some(Manifest {
            storage,
            catalog,
            number: newest,
            whole: number,
            uncertain: false,
        }))
    }

    /// The state now.
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The manifests that are needed: the first and the last number.
    pub(crate) fn numbers(&self) -> (u64, u64) {
        (self.whole, self.number)
    }

    /// Records `edit`, durably; then it has happened.
    ///
    /// # Panics
    /// When the edit does not fit the state: a caller's bug.
    pub(crate) fn commit(&mut self, edit: &Edit) -> std::result::Result<(), Refused> {
        let mut catalog = self.catalog.clone();
        catalog
            .apply(edit)
            .expect("an edit is made for the state that it changes");
        let number = self.number + 1;
        let whole = self.uncertain || number - self.whole >= DIFFERENCES_MAX;
        let bytes = if whole {
            encode(number, KIND_WHOLE, &catalog.as_edit())
        } else {
            encode(number, KIND_DIFFERENCE, edit)
        };
        let name = file_name::manifest(number);
        if let Err(error) = self.storage.put_if_absent(&name, &bytes) {
            return Err(self.refuse(&name, error));
        }
        self.catalog = catalog;
        self.number = number;
        self.uncertain = false;
        if whole {
            // What is left here is deleted by the next open.
            for old in self.whole.max(1)..number {
                let _ = self.storage.delete(&file_name::manifest(old));
            }
            self.whole = number;
        }
        Ok(())
    }

    fn refuse(&mut self, name: &str, error: io::Error) -> Refused {
        if error.kind() == io::ErrorKind::AlreadyExists {
            let message = format!("{name} was written by somebody else: open the database again");
            return Refused {
                error: Error::new(ErrorKind::Fenced, message),
                clean: true,
            };
        }
        let absent = matches!(self.storage.open(name), Err(error) if error.kind() == io::ErrorKind::NotFound);
        if !absent {
            self.number += 1;
            self.uncertain = true;
        }
        Refused {
            error: Error::io(format_args!("put {name}"), error),
            clean: absent,
        }
    }
}

/// The name and the bytes of a first manifest that holds `catalog`.
pub(crate) fn first_manifest(catalog: &Catalog) -> (String, Vec<u8>) {
    let number = 1;
    (
        file_name::manifest(number),
        encode(number, KIND_WHOLE, &catalog.as_edit()),
    )
}

fn encode(number: u64, kind: u32, edit: &Edit) -> Vec<u8> {
    let edit = edit.encode();
    let mut bytes = Vec::with_capacity(HEADER_BYTES + edit.len() + CHECKSUM_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&(edit.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&edit);
    let checksum = checksum_seeded(&bytes, number);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

fn read(storage: &dyn Storage, number: u64) -> Result<(u32, Edit)> {
    let name = file_name::manifest(number);
    let explain = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Error::corruption(
            &name,
            0,
            "the file is missing, and a later manifest builds on it",
        ),
        _ => Error::io(format_args!("read {name}"), error),
    };
    let file = storage.open(&name).map_err(explain)?;
    let length = usize::try_from(file.len())
        .map_err(|_| Error::corruption(&name, 0, "the file is too large"))?;
    let mut bytes = vec![0; length];
    file.read_at(0, &mut bytes).map_err(explain)?;
    decode(&name, number, &bytes)
}

fn decode(name: &str, number: u64, bytes: &[u8]) -> Result<(u32, Edit)> {
    let short = || Error::corruption(name, bytes.len() as u64, "the file ends too early");
    let (header, rest) = bytes
        .split_first_chunk::<HEADER_BYTES>()
        .ok_or_else(short)?;
    let (magic, fields) = header.split_first_chunk::<8>().ok_or_else(short)?;
    if magic != MAGIC {
        return Err(Error::corruption(
            name,
            0,
            "it does not start as a manifest does",
        ));
    }
    let mut fields = fields
        .chunks_exact(4)
        .map(|bytes| bytes.try_into().map_or(0, u32::from_le_bytes));
    let mut field = || u64::from(fields.next().unwrap_or(0));
    let (format, kind) = (field(), field());
    let (found, length) = (field() | field() << 32, field() | field() << 32);
    let (body, checksum) = bytes
        .split_last_chunk::<CHECKSUM_BYTES>()
        .ok_or_else(short)?;
    let computed = checksum_seeded(body, number);
    let stored = u64::from_le_bytes(*checksum);
    if computed != stored {
        if format > u64::from(FORMAT) && checksum_seeded(body, found) == stored {
            return Err(newer(name, format));
        }
        let detail =
            format_args!("checksum mismatch: stored {stored:016x}, computed {computed:016x}");
        return Err(Error::corruption(name, 0, detail));
    }
    if format > u64::from(FORMAT) {
        return Err(newer(name, format));
    }
    let (edit, _) = rest
        .split_last_chunk::<CHECKSUM_BYTES>()
        .ok_or_else(short)?;
    if found != number || length != edit.len() as u64 || kind > u64::from(KIND_WHOLE) {
        return Err(Error::corruption(
            name,
            12,
            "its header does not fit the file",
        ));
    }
    let kind = if kind == 0 {
        KIND_DIFFERENCE
    } else {
        KIND_WHOLE
    };
    let edit = Edit::decode(edit).map_err(|offset| {
        Error::corruption(
            name,
            (HEADER_BYTES + offset) as u64,
            "an edit does not read back",
        )
    })?;
    Ok((kind, edit))
}

/// What a manifest holds as far as it reads back, whole or difference, and what is wrong with it: for looking at it, not
/// for opening a database.
pub(crate) fn inspect(name: &str, number: u64, bytes: &[u8]) -> (bool, Edit, Result<()>) {
    match decode(name, number, bytes) {
        Ok((kind, edit)) => (kind == KIND_WHOLE, edit, Ok(())),
        Err(error) => {
            let is_whole = bytes
                .get(12)
                .is_some_and(|kind| u32::from(*kind) == KIND_WHOLE);
            let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
            let edit = body.split_last_chunk::<CHECKSUM_BYTES>();
            (
                is_whole,
                Edit::decode_front(edit.map_or(body, |(edit, _)| edit)),
                Err(error),
            )
        }
    }
}

fn newer(name: &str, format: u64) -> Error {
    Error::invalid(format!(
        "{name} has format {format}, and this build reads formats up to {FORMAT}: use a newer build"
    ))
}

/// The numbers of the manifests among `names`.
pub(crate) fn numbers<'a>(names: impl Iterator<Item = &'a str>) -> Vec<u64> {
    names
        .filter_map(|name| match file_name::parse(name) {
            FileKind::Manifest(number) => Some(number),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SeqNo;
    use aether_env::MemoryStorage;

    fn storage() -> Arc<MemoryStorage> {
        Arc::new(MemoryStorage::new())
    }

    fn reopen(storage: &Arc<MemoryStorage>) -> Result<Option<Manifest>> {
        let names: Vec<String> = storage
            .list()
            .unwrap()
            .into_iter()
            .map(|file| file.name)
            .collect();
        Manifest::open(
            Arc::clone(storage) as Arc<dyn Storage>,
            numbers(names.iter().map(String::as_str)),
        )
    }

    fn edit(flushed: u64) -> Edit {
        Edit {
            flushed: Some(SeqNo(flushed)),
            next_file: Some(flushed + 1),
            ..Edit::default()
        }
    }

    #[test]
    fn the_newest_state_is_found_again_and_old_files_go() {
        let storage = storage();
        assert!(reopen(&storage).unwrap().is_none());
        let mut manifest =
            Manifest::create(Arc::clone(&storage) as Arc<dyn Storage>, &edit(1)).unwrap();
        for flushed in 2..100 {
            manifest
                .commit(&edit(flushed))
                .map_err(Error::from)
                .unwrap();
            let opened = reopen(&storage).unwrap().unwrap();
            assert_eq!(opened.catalog(), manifest.catalog());
            assert_eq!(opened.numbers(), manifest.numbers());
        }
        assert!(storage.list().unwrap().len() as u64 <= DIFFERENCES_MAX + 1);
    }

    #[test]
    fn a_second_writer_is_fenced() {
        let storage = storage();
        let mut first =
            Manifest::create(Arc::clone(&storage) as Arc<dyn Storage>, &edit(1)).unwrap();
        let mut second = reopen(&storage).unwrap().unwrap();
        second.commit(&edit(2)).map_err(Error::from).unwrap();
        let refused = first.commit(&edit(3)).err().unwrap();
        assert_eq!(refused.error.kind(), ErrorKind::Fenced);
    }

    #[test]
    fn damage_is_an_error_that_names_the_file() {
        let storage = storage();
        let mut manifest =
            Manifest::create(Arc::clone(&storage) as Arc<dyn Storage>, &edit(1)).unwrap();
        manifest.commit(&edit(2)).map_err(Error::from).unwrap();
        let whole = encode(2, KIND_DIFFERENCE, &edit(2));
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 4;
            assert!(
                decode("MANIFEST-000002", 2, &damaged).is_err(),
                "{position}"
            );
            assert!(
                decode("MANIFEST-000002", 2, &whole[..position]).is_err(),
                "{position}"
            );
        }
        assert!(decode("MANIFEST-000003", 3, &whole).is_err());
        storage.delete(&file_name::manifest(1)).unwrap();
        let error = reopen(&storage).unwrap_err();
        assert!(error.to_string().contains("MANIFEST-000001"), "{error}");
    }
}
