//! The files that make up the database at one moment, held as they are.
//!
//! 1. Nobody looks for unreachable attachments from now to the end of 4.
//! 2. Everything in memory is flushed: then the tables hold all writes up to a moment, and no log is needed.
//! 3. The manifest's state and the version are taken together; the version keeps its tables and value files from being
//!    deleted.
//! 4. The attachments that keys refer to at that moment are opened, which keeps them.
//!
//! Writers wait only while memtables change places, as for every flush. Never here: where the files go.

use std::sync::Arc;

use crate::attachment::{AttachmentFile, AttachmentRecord};
use crate::background;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::file_name;
use crate::files::FrozenFile;
use crate::iter::InternalIterator;
use crate::key::{self, SeqNo, ValueKind};
use crate::keyspace::KeyspaceId;
use crate::state::State;
use crate::version::{Catalog, first_manifest};

/// A moment of a database; its files stay while this lives.
pub(crate) struct Frozen {
    catalog: Catalog,
    /// Keeps the tables and value files.
    state: Arc<State>,
    attachments: Vec<(AttachmentRecord, AttachmentFile)>,
}

impl Frozen {
    /// The moment after all writes that are visible now, or a later one.
    pub(crate) fn take(engine: &Engine) -> Result<Frozen> {
        engine.check_open()?;
        // Before the flush: what is gone by now was replaced by writes that will be flushed, and nothing goes until the
        // attachments are held.
        let _collecting = engine.attachments.collecting();
        engine.rotate(&mut engine.log.lock());
        background::flush_sealed(engine)?;
        let (mut catalog, state) = {
            let manifest = engine.manifest.lock();
            (manifest.catalog().clone(), engine.state.load_full())
        };
        catalog.logs.clear();
        // Attachments come along as they are seen at the end: the copy has no past.
        catalog.floor = catalog.flushed;
        let attachments = attachments(engine, &state, catalog.flushed)?;
        let numbers = attachments.iter().map(|(record, _)| record.number);
        catalog.next_file = numbers.fold(catalog.next_file, |next, number| next.max(number + 1));
        Ok(Frozen {
            catalog,
            state,
            attachments,
        })
    }

    /// The last write of the moment.
    pub(crate) fn seq(&self) -> SeqNo {
        self.catalog.flushed
    }

    /// The names of the files, without the manifest.
    pub(crate) fn names(&self) -> Vec<String> {
        let tables = self.catalog.tables.values();
        let values = self.catalog.values.values();
        let attachments = self.attachments.iter();
        tables
            .map(|table| file_name::table(table.number))
            .chain(values.map(|file| file.record.file_name()))
            .chain(attachments.map(|(record, _)| record.file_name()))
            .collect()
    }

    /// The files, without the manifest. A value file that nobody has asked for before is read, for its checksum.
    pub(crate) fn files(&self) -> Result<Vec<FrozenFile>> {
        let tables = self.catalog.tables.values().map(|table| FrozenFile {
            name: file_name::table(table.number),
            bytes: table.info.bytes,
            checksum: table.info.checksum,
        });
        let attachments = self.attachments.iter().map(|(record, _)| FrozenFile {
            name: record.file_name(),
            bytes: record.bytes,
            checksum: record.checksum,
        });
        let mut files: Vec<FrozenFile> = tables.chain(attachments).collect();
        for file in self.state.version.values().iter() {
            files.push(FrozenFile {
                name: file.name(),
                bytes: file.record.bytes,
                checksum: file.checksum()?,
            });
        }
        Ok(files)
    }

    /// The name and the contents of the file that makes a database of the others.
    pub(crate) fn manifest(&self) -> (String, Vec<u8>) {
        first_manifest(&self.catalog)
    }
}

/// The files that keys refer to at this moment, and at moments before it that can still be read.
fn attachments(
    engine: &Engine,
    state: &State,
    at: SeqNo,
) -> Result<Vec<(AttachmentRecord, AttachmentFile)>> {
    let known = engine.attachments.known();
    let mut cursor = state.versions(KeyspaceId::ATTACHMENTS)?;
    let mut attachments = Vec::new();
    let mut last = None;
    cursor.seek_to_first();
    while cursor.valid() {
        let (user_key, trailer) = key::split(cursor.key());
        if key::trailer_seq(trailer) <= at {
            let is_newest = last.as_deref() != Some(user_key);
            last = Some(user_key.to_vec());
            if key::trailer_kind(trailer) == Some(ValueKind::Put) {
                let record = AttachmentRecord::decode(&cursor.value())
                    .ok_or_else(|| unreadable(user_key))?;
                // An older one may be gone, when nobody can read that moment any more.
                if is_newest || known.contains_key(&record.number) {
                    attachments.push((record, engine.attachments.open(record)?));
                }
            }
        }
        cursor.next();
    }
    cursor.status()?;
    Ok(attachments)
}

fn unreadable(user_key: &[u8]) -> Error {
    let key = user_key.escape_ascii();
    Error::new(
        ErrorKind::Corruption,
        format!("the registered attachment of key {key} does not read back"),
    )
}
