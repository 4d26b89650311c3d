//! Backups: numbered moments of databases in one storage, which share the contents that they have in common.
//!
//! - *Contents* are files named for their checksum and length, so that a table that has not changed since the last
//!   backup is not copied again, whichever database it is of.
//! - A *record* says which contents make up a database. It is put last, whole or not at all: a backup whose making was
//!   interrupted is not there.
//! - A *partial* record is put now and then while contents are copied. It says that these are durable, so that the next
//!   attempt goes on where an interrupted one left off.
//!
//! One at a time changes the storage: it holds the storage's lock meanwhile.

mod format;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use aether_env::{FileLock, Storage, Timestamp};

use crate::db::{DB, Frozen, Problem, check_empty, publish};
use crate::error::{Error, ErrorKind, Result};
use crate::file_name;
use crate::files::{FrozenFile, copy_file, file_checksum};
use crate::key::SeqNo;

#[cfg(any(fuzzing, test))]
pub(crate) use format::examine;
use format::{
    Record, contents_name, is_contents, partial_name, partial_number, record_name, record_number,
};

/// After so many files or bytes a partial record is put.
const PARTIAL_FILES: usize = 16;
const PARTIAL_BYTES: u64 = 64 << 20;

/// The backups in one storage: a directory, or any other that the databases do not lie in.
///
/// ```
/// use std::sync::Arc;
/// use aether_env::LocalStorage;
/// use aidb::{Backups, DB, Options};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path();
/// let db = DB::open(directory.join("data"), Options::default())?;
/// db.put("greeting", "hello")?;
/// let backups = Backups::open(Arc::new(LocalStorage::open(directory.join("backups"))?))?;
/// let number = backups.create(&db)?.number;
///
/// backups.restore(number, &LocalStorage::open(directory.join("restored"))?)?;
/// let restored = DB::open(directory.join("restored"), Options::default())?;
/// assert_eq!(restored.get("greeting")?.as_deref(), Some(&b"hello"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Backups {
    storage: Arc<dyn Storage>,
}

/// A backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backup {
    /// Its number; later ones have greater numbers.
    pub number: u64,
    /// The last write that it holds.
    pub seq: SeqNo,
    /// When it was made.
    pub created: Timestamp,
    /// Files of the database.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Of these, bytes that no other backup had when this was made; 0 in a list.
    pub bytes_copied: u64,
}

impl Backups {
    /// The backups in `storage`.
    ///
    /// # Errors
    /// When it holds a database, or cannot be listed.
    pub fn open(storage: Arc<dyn Storage>) -> Result<Backups> {
        check_empty(&*storage)?;
        Ok(Backups { storage })
    }

    /// Makes a backup of what `db` holds now, while it goes on reading and writing. Each file is compared with its
    /// checksum as it is copied.
    ///
    /// # Errors
    /// [`ErrorKind::Corruption`] when a file of the database is damaged; [`ErrorKind::Unavailable`] when somebody else
    /// is changing these backups, or the disk is full. No backup has been added then.
    pub fn create(&self, db: &DB) -> Result<Backup> {
        let _lock = self.lock()?;
        let records = self.records()?;
        let partials = self.partials()?;
        let frozen = Frozen::take(db.engine())?;
        let (manifest_name, manifest) = frozen.manifest();
        let mut record = Record {
            number: records.keys().next_back().map_or(1, |number| number + 1),
            seq: frozen.seq(),
            created: db.engine().env.clock.now().0,
            files: frozen.files()?,
            manifest_name,
            manifest,
        };
        let durable = contents_of(records.values().chain(partials.values()));
        let next_partial = partials.keys().next_back().map_or(1, |number| number + 1);
        let source = &*db.engine().files.storage;
        let bytes_copied = self.copy_missing(source, &mut record, durable, next_partial)?;
        publish(
            &*self.storage,
            (record_name(record.number), record.encode()),
        )?;
        // One that stays says nothing wrong.
        let _ = self.delete_partials();
        Ok(Backup {
            bytes_copied,
            ..record.summary()
        })
    }

    /// Copies the contents of the files of `record` that are not among the `durable` ones, and says now and then how
    /// far it has come; the result is how many bytes.
    fn copy_missing(
        &self,
        source: &dyn Storage,
        record: &mut Record,
        mut durable: BTreeSet<String>,
        mut next_partial: u64,
    ) -> Result<u64> {
        let present = self.listed()?;
        let files = std::mem::take(&mut record.files);
        let mut bytes_copied = 0;
        let mut bytes_unsaid = 0;
        for file in &files {
            let name = contents_name(file);
            let has_length = present.get(&name).is_none_or(|bytes| *bytes == file.bytes);
            if durable.contains(&name) && has_length {
                continue;
            }
            // An attempt that did not end may have left anything.
            if present.contains_key(&name) {
                self.delete_file(&name)?;
            }
            copy_file(source, file, &*self.storage, &name)?;
            durable.insert(name);
            record.files.push(file.clone());
            bytes_copied += file.bytes;
            bytes_unsaid += file.bytes;
            if record.files.len() >= PARTIAL_FILES || bytes_unsaid >= PARTIAL_BYTES {
                let name = partial_name(next_partial);
                let partial = Record {
                    number: next_partial,
                    ..record.clone()
                };
                publish(&*self.storage, (name, partial.encode()))?;
                record.files.clear();
                bytes_unsaid = 0;
                next_partial += 1;
            }
        }
        record.files = files;
        Ok(bytes_copied)
    }

    /// All backups, oldest first.
    ///
    /// # Errors
    /// When they cannot be listed, or a record is damaged.
    pub fn list(&self) -> Result<Vec<Backup>> {
        Ok(self.records()?.values().map(Record::summary).collect())
    }

    /// Makes a database of backup `number` in `to`, which holds none. Each file is compared with its checksum; the
    /// database is there once all is durable, and not before.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such backup, [`ErrorKind::Corruption`] naming the file that is damaged,
    /// [`ErrorKind::Invalid`] when `to` holds a database.
    pub fn restore(&self, number: u64, to: &dyn Storage) -> Result<()> {
        let record = self.record(number)?;
        let _lock = to
            .lock(file_name::LOCK)
            .map_err(|error| Error::io(format_args!("restore to {}", to.location()), error))?;
        check_empty(to)?;
        for file in &record.files {
            let contents = FrozenFile {
                name: contents_name(file),
                ..file.clone()
            };
            copy_file(&*self.storage, &contents, to, &file.name)?;
        }
        publish(to, (record.manifest_name, record.manifest))
    }

    /// Reads all that backup `number` needs, and says what is wrong with it.
    ///
    /// # Errors
    /// When there is no such backup, its record is damaged, or the files cannot be listed.
    pub fn verify(&self, number: u64) -> Result<Vec<Problem>> {
        let record = self.record(number)?;
        let mut problems = Vec::new();
        for file in &record.files {
            let name = contents_name(file);
            let message = match file_checksum(&*self.storage, &name, file.bytes) {
                Ok(sum) if sum == file.checksum => continue,
                Ok(sum) => format!(
                    "it is damaged: its checksum is {sum:016x}, and {:016x} is expected; it is {} of the database",
                    file.checksum, file.name
                ),
                Err(error) => error.to_string(),
            };
            problems.push(Problem {
                file: name,
                message,
            });
        }
        Ok(problems)
    }

    /// Deletes backup `number`, and the contents that no other one needs.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such backup; others when something cannot be deleted: what is left then
    /// goes with the next backup that is deleted.
    pub fn delete(&self, number: u64) -> Result<()> {
        let _lock = self.lock()?;
        if !self.numbers(record_number)?.contains(&number) {
            return Err(missing(number, &self.storage.location()));
        }
        self.delete_file(&record_name(number))?;
        self.delete_unneeded()
    }

    /// Deletes all but the newest `keep` backups, and everything that these do not need.
    ///
    /// # Errors
    /// When something cannot be deleted.
    pub fn prune(&self, keep: usize) -> Result<()> {
        let _lock = self.lock()?;
        let numbers = self.numbers(record_number)?;
        let old = numbers.len().saturating_sub(keep);
        for number in &numbers[..old] {
            self.delete_file(&record_name(*number))?;
        }
        self.delete_unneeded()
    }

    fn lock(&self) -> Result<Box<dyn FileLock>> {
        let location = self.storage.location();
        self.storage
            .lock(file_name::LOCK)
            .map_err(|error| Error::io(format_args!("change the backups in {location}"), error))
    }

    fn listed(&self) -> Result<BTreeMap<String, u64>> {
        let location = self.storage.location();
        let files = self
            .storage
            .list()
            .map_err(|error| Error::io(format_args!("list {location}"), error))?;
        Ok(files
            .into_iter()
            .map(|file| (file.name, file.bytes))
            .collect())
    }

    /// The numbers in names, ascending.
    fn numbers(&self, number: fn(&str) -> Option<u64>) -> Result<Vec<u64>> {
        let listed = self.listed()?;
        let mut numbers: Vec<u64> = listed.keys().filter_map(|name| number(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn records(&self) -> Result<BTreeMap<u64, Record>> {
        let numbers = self.numbers(record_number)?.into_iter();
        numbers
            .map(|number| Ok((number, self.record(number)?)))
            .collect()
    }

    fn record(&self, number: u64) -> Result<Record> {
        self.read_record(&record_name(number), number)
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => missing(number, &self.storage.location()),
                _ => error,
            })
    }

    fn partials(&self) -> Result<BTreeMap<u64, Record>> {
        let numbers = self.numbers(partial_number)?.into_iter();
        numbers
            .map(|number| Ok((number, self.read_record(&partial_name(number), number)?)))
            .collect()
    }

    fn read_record(&self, name: &str, number: u64) -> Result<Record> {
        let explain = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Error::new(ErrorKind::NotFound, error.to_string()),
            _ => Error::io(format_args!("read {name}"), error),
        };
        let file = self.storage.open(name).map_err(explain)?;
        let bytes = usize::try_from(file.len())
            .map_err(|_| Error::corruption(name, 0, "the file is too large"))?;
        let mut contents = vec![0; bytes];
        file.read_at(0, &mut contents).map_err(explain)?;
        Record::decode(name, number, &contents)
    }

    fn delete_file(&self, name: &str) -> Result<()> {
        self.storage
            .delete(name)
            .map_err(|error| Error::io(format_args!("delete {name}"), error))
    }

    fn delete_partials(&self) -> Result<()> {
        for number in self.numbers(partial_number)? {
            self.delete_file(&partial_name(number))?;
        }
        Ok(())
    }

    fn delete_unneeded(&self) -> Result<()> {
        self.delete_partials()?;
        // First the records, durably: contents may go only when no record needs them.
        self.storage
            .sync_names()
            .map_err(|error| Error::io("sync the names of backups", error))?;
        let needed = contents_of(self.records()?.values());
        for name in self.listed()?.keys() {
            if is_contents(name) && !needed.contains(name) {
                self.delete_file(name)?;
            }
        }
        Ok(())
    }
}

impl Record {
    fn summary(&self) -> Backup {
        Backup {
            number: self.number,
            seq: self.seq,
            created: Timestamp(self.created),
            files: self.files.len() as u64,
            bytes: self.files.iter().map(|file| file.bytes).sum(),
            bytes_copied: 0,
        }
    }
}

/// The names of the contents that these need.
fn contents_of<'a>(records: impl Iterator<Item = &'a Record>) -> BTreeSet<String> {
    records
        .flat_map(|record| record.files.iter().map(contents_name))
        .collect()
}

fn missing(number: u64, location: &str) -> Error {
    let message =
        format!("there is no backup {number} in {location}: Backups::list tells which are");
    Error::new(ErrorKind::NotFound, message)
}
