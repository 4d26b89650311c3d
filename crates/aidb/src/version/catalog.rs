//! The state that a manifest describes: the sum of its edits.

use std::collections::BTreeMap;

use super::edit::{Edit, TablePlace};
use super::table::TableMeta;
use crate::key::SeqNo;
use crate::keyspace::{KeyspaceId, KeyspaceRecord};
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
        for place in &edit.removed {
            if self.tables.remove(place).is_none() {
                return Err(format!(
                    "it removes table {}, which is not there",
                    place.number
                ));
            }
        }
        for (place, table) in &edit.added {
            if self.tables.insert(*place, table.clone()).is_some() {
                return Err(format!("it adds table {} a second time", place.number));
            }
        }
        Ok(())
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
            removed: Vec::new(),
            added: self
                .tables
                .iter()
                .map(|(place, table)| (*place, table.clone()))
                .collect(),
        }
    }
}
