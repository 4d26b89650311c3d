//! Checks the values that stand apart from their keys: the files by themselves, and every pointer into them.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::files::Files;
use crate::iter::InternalIterator;
use crate::key;
use crate::state::State;
use crate::values::{Pointer, ValueFile, ValueFileKind, ValueFiles, in_stored, no_pointer};
use crate::version::Table;
use crate::wal;

use super::recover;
use super::verify::VerifyReport;

/// Checks every value file from front to back.
pub(super) fn check_files(
    files: &Files,
    state: &State,
    go_on: &dyn Fn() -> bool,
    report: &mut VerifyReport,
) {
    for file in state.version.values().iter().take_while(|_| go_on()) {
        report.value_files += 1;
        report.bytes += file.record.bytes;
        if let Err(error) = check_file(files, file) {
            report.problem(file.name(), error);
        }
    }
}

fn check_file(files: &Files, file: &ValueFile) -> Result<()> {
    let record = file.record;
    match record.kind {
        ValueFileKind::Values => file.verify(),
        ValueFileKind::Log => {
            let bytes = recover::read(files.storage.as_ref(), record.number, usize::MAX)?;
            wal::read(record.number, &bytes, Some(record.bytes)).map(drop)
        }
    }
}

/// Checks that every pointer of `table` leads to its value, and that they are what the table says about them.
pub(super) fn check_pointers(table: &Table, values: &ValueFiles, report: &mut VerifyReport) {
    match follow_pointers(table, values, report) {
        Ok(used) if used == table.meta.info.values => {}
        Ok(_) => report.problem(
            table.name(),
            "it points to other values than its properties say",
        ),
        Err(error) => report.problem(table.name(), error),
    }
}

/// How much of which value files the table uses. An error is one of the table; what is wrong with values is reported.
fn follow_pointers(
    table: &Table,
    values: &ValueFiles,
    report: &mut VerifyReport,
) -> Result<Vec<(u64, u64)>> {
    let mut used = BTreeMap::new();
    let mut cursor = table.reader()?.iter_once();
    cursor.seek_to_first();
    while cursor.valid() {
        let (user_key, trailer) = key::split(cursor.key());
        let stored = cursor.value();
        let encoded = key::trailer_kind(trailer).and_then(|kind| in_stored(kind, &stored));
        if let Some(encoded) = encoded {
            let pointer = Pointer::decode(encoded).ok_or_else(|| no_pointer(user_key))?;
            *used.entry(pointer.file).or_insert(0) += pointer.used_bytes();
            report.values += 1;
            if let Err(error) = values.read(&pointer, user_key) {
                let file = values.get(pointer.file);
                report.problem(file.map_or_else(|| table.name(), |file| file.name()), error);
            }
        }
        cursor.next();
    }
    cursor.status()?;
    Ok(used.into_iter().collect())
}
