//! The files that make up the database at one moment, held as they are.
//!
//! 1. Everything in memory is flushed: then the tables hold all writes up to a moment, and no log is needed.
//! 2. The manifest's state and the version are taken together; the version keeps its tables from being deleted.
//! 3. The attachments that can be seen at that moment are opened, which keeps them; nobody looks for unreachable ones
//!    between 2 and 3.
//!
//! Writers wait only while memtables change places, as for every flush. Never here: where the files go.

use std::ops::Bound;
use std::sync::Arc;

use crate::attachment::{AttachmentFile, AttachmentRecord};
use crate::background;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::file_name;
use crate::files::FrozenFile;
use crate::key::SeqNo;
use crate::keyspace::KeyspaceId;
use crate::state::State;
use crate::version::{Catalog, first_manifest};

/// A moment of a database; its files stay while this lives.
pub(crate) struct Frozen {
    catalog: Catalog,
    /// Keeps the tables.
    _state: Arc<State>,
    attachments: Vec<(AttachmentRecord, AttachmentFile)>,
}

impl Frozen {
    /// The moment after all writes that are visible now, or a later one.
    pub(crate) fn take(engine: &Engine) -> Result<Frozen> {
        engine.check_open()?;
        engine.rotate(&mut engine.log.lock());
        background::flush_sealed(engine)?;
        let _collecting = engine.attachments.collecting();
        let (mut catalog, state) = {
            let manifest = engine.manifest.lock();
            (manifest.catalog().clone(), engine.state.load_full())
        };
        catalog.logs.clear();
        let attachments = attachments(engine, &state, catalog.flushed)?;
        let numbers = attachments.iter().map(|(record, _)| record.number);
        catalog.next_file = numbers.fold(catalog.next_file, |next, number| next.max(number + 1));
        Ok(Frozen {
            catalog,
            _state: state,
            attachments,
        })
    }

    /// The last write of the moment.
    pub(crate) fn seq(&self) -> SeqNo {
        self.catalog.flushed
    }

    /// The files, without the manifest.
    pub(crate) fn files(&self) -> Vec<FrozenFile> {
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
        tables.chain(attachments).collect()
    }

    /// The name and the contents of the file that makes a database of the others.
    pub(crate) fn manifest(&self) -> (String, Vec<u8>) {
        first_manifest(&self.catalog)
    }
}

fn attachments(
    engine: &Engine,
    state: &Arc<State>,
    at: SeqNo,
) -> Result<Vec<(AttachmentRecord, AttachmentFile)>> {
    let all = (Bound::Unbounded, Bound::Unbounded);
    let mut entries = engine.visible_in(state, KeyspaceId::ATTACHMENTS, None, at, all)?;
    let mut attachments = Vec::new();
    while let Some((key, value)) = entries.next()? {
        let record = AttachmentRecord::decode(&value).ok_or_else(|| {
            let key = key.escape_ascii();
            let message = format!("the registered attachment of key {key} does not read back");
            Error::new(ErrorKind::Corruption, message)
        })?;
        attachments.push((record, engine.attachments.open(record)?));
    }
    Ok(attachments)
}
