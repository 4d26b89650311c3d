//! Reads everything and says what is wrong.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use crate::attachment::AttachmentRecord;
use crate::background;
use crate::engine::{Engine, Held};
use crate::error::{Error, Result};
use crate::file_name::{self, FileKind};
use crate::keyspace::KeyspaceId;
use crate::state::State;
use crate::version::{Manifest, Table, numbers};
use crate::wal;

use super::{recover, verify_values};

/// What [`DB::verify`](crate::DB::verify) has read, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    /// Tables read.
    pub tables: u64,
    /// Entries in them.
    pub entries: u64,
    /// Batches in logs.
    pub log_records: u64,
    /// Files read that hold values apart from their keys.
    pub value_files: u64,
    /// Such values read.
    pub values: u64,
    /// Attachments read.
    pub attachments: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Everything that is wrong; empty when all is well.
    pub problems: Vec<Problem>,
}

/// Something wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The name of the file.
    pub file: String,
    /// What is wrong with it.
    pub message: String,
}

impl VerifyReport {
    /// True when nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn problem(&mut self, file: impl Into<String>, message: impl ToString) {
        self.problems.push(Problem {
            file: file.into(),
            message: message.to_string(),
        });
    }
}

pub(super) fn verify(engine: &Engine, go_on: &dyn Fn() -> bool) -> Result<VerifyReport> {
    engine.check_open()?;
    let mut report = VerifyReport::default();
    background::collect_attachments(engine)?;
    // What the listing is compared with stays while this lives, since readers pin files.
    let state = {
        let _flush = engine.flush_turn.lock();
        let _compactions = background::hold_all(engine)?;
        let _log = engine.log.lock();
        engine.delete_garbage();
        check_listing(engine, &mut report)?;
        check_logs(engine, &mut report);
        engine.state.load_full()
    };
    check_tables(&state, go_on, &mut report);
    verify_values::check_files(&engine.files, &state, go_on, &mut report);
    check_attachments(engine, go_on, &mut report)?;
    Ok(report)
}

/// The manifest on the disk says what the one in memory does, and the files are those that it names.
fn check_listing(engine: &Engine, report: &mut VerifyReport) -> Result<()> {
    let storage = &engine.files.storage;
    let manifest = engine.manifest.lock();
    // Attachments come and go meanwhile, and so do files that are left to be deleted: before or after will do.
    let mut passing = passing(engine);
    let unused = engine.next_log.unused();
    passing.extend(unused.into_iter().map(file_name::log));
    let explain = |error| Error::io(format_args!("list {}", storage.location()), error);
    let listed = storage.list().map_err(explain)?;
    let on_disk = numbers(listed.iter().map(|file| file.name.as_str()));
    let newest = on_disk
        .iter()
        .max()
        .map_or_else(String::new, |number| file_name::manifest(*number));
    match Manifest::open(Arc::clone(storage), on_disk) {
        Err(error) => report.problem(newest, error),
        Ok(read)
            if read
                .as_ref()
                .is_some_and(|read| read.catalog() == manifest.catalog()) => {}
        Ok(_) => report.problem(newest, "the manifest on the disk is not the one in use"),
    }

    let catalog = manifest.catalog();
    let (first, last) = manifest.numbers();
    let mut expected = catalog.file_names();
    expected.extend((first..=last).map(file_name::manifest));
    passing.extend(self::passing(engine));
    let mut orphans: BTreeSet<String> = BTreeSet::new();
    for file in listed {
        let is_ours = !matches!(
            file_name::parse(&file.name),
            FileKind::Lock | FileKind::Foreign
        );
        if !expected.remove(&file.name) && is_ours && !passing.contains(&file.name) {
            orphans.insert(file.name);
        }
    }
    if !orphans.is_empty() {
        // An attachment that was made and given up between the two looks is gone by now.
        for file in storage.list().map_err(explain)? {
            if orphans.contains(&file.name) {
                report.problem(file.name, "nothing refers to this file");
            }
        }
    }
    for missing in expected {
        report.problem(missing, "the file is missing");
    }
    Ok(())
}

/// Files that the manifest does not name though they are rightly there.
fn passing(engine: &Engine) -> BTreeSet<String> {
    let attachments = engine.attachments.known();
    let mut names = engine.files.leaving();
    names.extend(
        attachments
            .keys()
            .map(|number| file_name::attachment(*number)),
    );
    names
}

fn check_logs(engine: &Engine, report: &mut VerifyReport) {
    let logs = engine.manifest.lock().catalog().logs.clone();
    let unsealed = engine.group.unsealed_bytes();
    for (number, sealed) in logs {
        let limit = sealed.or_else(|| unsealed.get(&number).copied());
        let read = recover::read(engine.files.storage.as_ref(), number, usize::MAX)
            .and_then(|bytes| wal::read(number, &bytes, limit));
        match read {
            Ok(log) => {
                report.log_records += log.records.len() as u64;
                report.bytes += log.bytes;
            }
            Err(error) => report.problem(file_name::log(number), error),
        }
    }
}

fn check_tables(state: &State, go_on: &dyn Fn() -> bool, report: &mut VerifyReport) {
    for (_, tree) in state.version.trees() {
        for (level, run) in tree.levels().iter().enumerate() {
            for table in run.iter().take_while(|_| go_on()) {
                report.tables += 1;
                report.bytes += table.meta.info.bytes;
                match check_table(table) {
                    Ok(entries) => {
                        report.entries += entries;
                        verify_values::check_pointers(table, state.version.values(), report);
                    }
                    Err(error) => report.problem(table.name(), error),
                }
            }
            let overlap = run
                .windows(2)
                .find(|pair| level > 0 && pair[0].meta.overlaps(&pair[1].meta));
            if let Some([a, b]) = overlap {
                report.problem(
                    a.name(),
                    format_args!("it overlaps {} in level {level}", b.name()),
                );
            }
        }
    }
}

fn check_table(table: &Table) -> Result<u64> {
    let reader = table.reader()?;
    let entries = reader.verify()?;
    let info = &table.meta.info;
    // That it begins and ends as the manifest says is checked on opening, and that this is true by `verify`.
    let damaged = |detail: &str| Err(Error::corruption(&table.name(), 0, detail));
    if entries != info.entries {
        return damaged(&format!(
            "it has {entries} entries, and the manifest says {}",
            info.entries
        ));
    }
    Ok(entries)
}

fn check_attachments(
    engine: &Engine,
    go_on: &dyn Fn() -> bool,
    report: &mut VerifyReport,
) -> Result<()> {
    let now = Held::new(engine);
    check_attachments_at(engine, now.seq(), go_on, report)
}

fn check_attachments_at(
    engine: &Engine,
    at: crate::SeqNo,
    go_on: &dyn Fn() -> bool,
    report: &mut VerifyReport,
) -> Result<()> {
    let (mut entries, _state) = engine.visible(
        KeyspaceId::ATTACHMENTS,
        at,
        Bound::Unbounded,
        Bound::Unbounded,
    )?;
    while go_on()
        && let Some((key, value)) = entries.next()?
    {
        let Some(record) = AttachmentRecord::decode(&value) else {
            let key = key.escape_ascii();
            report.problem(
                "",
                format_args!("the registered attachment of key {key} does not read back"),
            );
            continue;
        };
        report.attachments += 1;
        report.bytes += record.bytes;
        let checked = engine
            .attachments
            .open(record)
            .and_then(|file| file.verify());
        if let Err(error) = checked {
            report.problem(record.file_name(), error);
        }
    }
    Ok(())
}
