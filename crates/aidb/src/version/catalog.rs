//! The state that a manifest describes: the sum of its edits.

use std::collections::{BTreeMap, BTreeSet};

use super::edit::{Edit, TablePlace};
use super::table::TableMeta;
use crate::file_name;
use crate::key::SeqNo;
use crate::keyspace::{KeyspaceId, KeyspaceRecord};
use crate::values::{FILE_HEADER_BYTES, ValueFileRecord};
use crate::wal::LogRecord;

/// Everything that must be known of a database before its files are opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Catalog {
    /// Numbers from here on were never used.
    pub(crate) next_file: u64,
    /// All writes up to here are in tables.
    pub(crate) flushed: SeqNo,
    /// Logs below this number are not needed any more.
    pub(crate) log_floor: u64,
    /// The logs that are needed: number → how much counts, once sealed.
    pub(crate) logs: BTreeMap<u64, Option<u64>>,
    pub(crate) keyspaces: BTreeMap<KeyspaceId, KeyspaceRecord>,
    pub(crate) tables: BTreeMap<TablePlace, TableMeta>,
    /// Versions that only moments before this one see may be gone.
    pub(crate) floor: SeqNo,
    /// The files that these tables point into.
    pub(crate) values: BTreeMap<u64, ValueFileUse>,
}

/// A value file, and how much of it is in use. It leaves when nothing of it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ValueFileUse {
    pub(crate) record: ValueFileRecord,
    /// Bytes in use for values that tables point to; see [`crate::values::Pointer::used_bytes`].
    pub(crate) live_bytes: u64,
}

impl ValueFileUse {
    /// Bytes that come back when all values in use have moved to a new file.
    pub(crate) fn garbage_bytes(&self) -> u64 {
        let rest = self.record.bytes.saturating_sub(self.live_bytes);
        rest.saturating_sub(FILE_HEADER_BYTES as u64)
    }
}

impl Catalog {
    /// Applies `edit`; an error says what does not fit, and then the catalog is of no more use.
    pub(crate) fn apply(&mut self, edit: &Edit) -> Result<(), String> {
        self.next_file = self.next_file.max(edit.next_file.unwrap_or(0));
        self.flushed = self.flushed.max(edit.flushed.unwrap_or_default());
        self.floor = self.floor.max(edit.floor.unwrap_or_default());
        for log in &edit.logs {
            self.logs.insert(log.number, log.sealed);
        }
        for number in &edit.logs_dropped {
            self.logs.remove(number);
        }
        self.log_floor = self.log_floor.max(edit.log_floor.unwrap_or(0));
        self.logs = self.logs.split_off(&self.log_floor);
        for keyspace in &edit.keyspaces {
            self.keyspaces.insert(keyspace.id, keyspace.clone());
        }
        for record in &edit.value_files {
            let file = ValueFileUse {
                record: *record,
                live_bytes: 0,
            };
            if self.values.insert(record.number, file).is_some() {
                let number = record.number;
                return Err(format!("it adds value file {number} a second time"));
            }
        }
        for place in &edit.removed {
            let Some(table) = self.tables.remove(place) else {
                return Err(format!(
                    "it removes table {}, which is not there",
                    place.number
                ));
            };
            self.count_values(&table, u64::checked_sub)?;
        }
        for (place, table) in &edit.added {
            if self.tables.insert(*place, table.clone()).is_some() {
                return Err(format!("it adds table {} a second time", place.number));
            }
            self.count_values(table, u64::checked_add)?;
        }
        self.values.retain(|_, file| file.live_bytes > 0);
        Ok(())
    }

    fn count_values(
        &mut self,
        table: &TableMeta,
        count: fn(u64, u64) -> Option<u64>,
    ) -> Result<(), String> {
        for (number, bytes) in &table.info.values {
            let file = self.values.get_mut(number);
            let Some(file) = file else {
                return Err(format!(
                    "table {} points into value file {number}, which is not there",
                    table.number
                ));
            };
            file.live_bytes = count(file.live_bytes, *bytes)
                .ok_or_else(|| format!("the uses of value file {number} do not add up"))?;
        }
        Ok(())
    }

    /// The names of all files that this state needs, but for the manifests themselves and attachments.
    pub(crate) fn file_names(&self) -> BTreeSet<String> {
        let logs = self.logs.keys().map(|number| file_name::log(*number));
        let tables = self
            .tables
            .keys()
            .map(|place| file_name::table(place.number));
        let values = self.values.values().map(|file| file.record.file_name());
        logs.chain(tables).chain(values).collect()
    }

    /// The edit that makes this state out of nothing.
    pub(crate) fn as_edit(&self) -> Edit {
        Edit {
            next_file: Some(self.next_file),
            flushed: Some(self.flushed),
            log_floor: Some(self.log_floor),
            floor: Some(self.floor),
            logs: self
                .logs
                .iter()
                .map(|(number, sealed)| LogRecord {
                    number: *number,
                    sealed: *sealed,
                })
                .collect(),
            logs_dropped: Vec::new(),
            keyspaces: self.keyspaces.values().cloned().collect(),
            value_files: self.values.values().map(|file| file.record).collect(),
            removed: Vec::new(),
            added: self
                .tables
                .iter()
                .map(|(place, table)| (*place, table.clone()))
                .collect(),
        }
    }
}
