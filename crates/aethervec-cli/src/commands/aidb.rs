//! `aidb`: the engine by itself, on any directory that it has written.

mod bench;
mod dump;
mod stats;
mod text;

use super::Stopwatch;
use crate::args::aidb::{Aidb, AidbCommand, Delete, Get, Put, Scan};
use crate::failure::{Exit, Failure, Outcome};
use crate::human;
use crate::interrupt::Polite;
use crate::output::Output;
use crate::session::Session;
use aidb::{DB, Durability, ErrorKind, Keyspace, KeyspaceOptions, Options, WriteBatch};
use serde_json::{Value, json};
use std::ops::Bound;
use std::path::Path;
use text::Form;

/// `aethervec aidb …`.
pub(crate) fn run(session: &Session, args: &Aidb) -> Outcome {
    let group = Group {
        out: session.out,
        args,
        form: if args.hex { Form::Hex } else { Form::Text },
    };
    match &args.command {
        AidbCommand::Get(get) => group.get(get),
        AidbCommand::Put(put) => group.put(put),
        AidbCommand::Delete(delete) => group.delete(delete),
        AidbCommand::Scan(scan) => group.scan(scan),
        AidbCommand::Stats(args) => group.with_existing(|db| {
            match args.prometheus {
                true => group.out.verbatim(&db.stats().to_prometheus()),
                false => stats::show(group.out, &db.stats()),
            }
            Ok(())
        }),
        AidbCommand::Verify(_) => group.verify(),
        AidbCommand::Checkpoint(args) => group.checkpoint(&args.directory),
        AidbCommand::Dump(args) => dump::run(group.out, group.form, &args.file),
        AidbCommand::Bench(args) => bench::run(group.out, &group.args.path, args),
    }
}

/// What the commands of this group share.
#[derive(Clone, Copy)]
struct Group<'a> {
    out: Output,
    args: &'a Aidb,
    form: Form,
}

impl Group<'_> {
    fn get(self, get: &Get) -> Outcome {
        let keys = self.parse_all("key", &get.keys)?;
        self.with_existing(|db| {
            let keyspace = self.keyspace(db)?;
            let mut missing = Vec::new();
            for key in &keys {
                match keyspace.get(key)? {
                    Some(value) if keys.len() == 1 => {
                        self.out.object(&self.entry(key, &value));
                        self.out.line(self.form.show(&value));
                    }
                    Some(value) => self.print(key, &value),
                    None => missing.push(self.form.show(key)),
                }
            }
            match missing.as_slice() {
                [] => Ok(()),
                keys => Err(Failure::not_found(format!(
                    "not in the keyspace {:?}: {}",
                    self.args.keyspace,
                    keys.join(", ")
                ))),
            }
        })
    }

    fn put(self, put: &Put) -> Outcome {
        let key = self.form.parse("key", &put.key)?;
        let value = self.form.parse("value", &put.value)?;
        self.with(true, |db| {
            let name = &self.args.keyspace;
            let keyspace = if db.keyspace_names().contains(name) {
                self.keyspace(db)?
            } else {
                db.keyspace(name, KeyspaceOptions::DEFAULT)?
            };
            keyspace.put(&key, &value)?;
            self.out.object(&self.entry(&key, &value));
            Ok(())
        })
    }

    fn delete(self, delete: &Delete) -> Outcome {
        let keys = self.parse_all("key", &delete.keys)?;
        self.with_existing(|db| {
            let keyspace = self.keyspace(db)?;
            let mut batch = WriteBatch::new();
            for key in &keys {
                batch.delete(&keyspace, key);
            }
            db.write(batch, Durability::Sync)?;
            self.out.object(&json!({"deleted": keys.len()}));
            Ok(())
        })
    }

    fn scan(self, scan: &Scan) -> Outcome {
        let parse = |what, text: &Option<String>| {
            text.as_deref()
                .map(|text| self.form.parse(what, text))
                .transpose()
        };
        let prefix = parse("prefix", &scan.prefix)?;
        let from = parse("--from", &scan.from)?.map_or(Bound::Unbounded, Bound::Included);
        let to = parse("--to", &scan.to)?.map_or(Bound::Unbounded, Bound::Excluded);
        self.with_existing(|db| {
            let polite = Polite::begin();
            let keyspace = self.keyspace(db)?;
            let mut entries = match &prefix {
                Some(prefix) => keyspace.prefix(prefix),
                None => keyspace.range::<Vec<u8>>((from, to)),
            };
            let mut left = scan.limit.unwrap_or(u64::MAX);
            while left > 0 {
                let entry = if scan.reverse {
                    entries.try_next_back()?
                } else {
                    entries.try_next()?
                };
                let Some((key, value)) = entry else { break };
                if polite.requested() {
                    return Err(Failure::interrupted("stopped; nothing was changed"));
                }
                self.print(&key, &value);
                left -= 1;
            }
            Ok(())
        })
    }

    fn checkpoint(self, directory: &Path) -> Outcome {
        self.with_existing(|db| {
            let seq = db.checkpoint(directory)?;
            self.out
                .object(&json!({"directory": directory.display().to_string(), "seq": seq.0}));
            Ok(())
        })
    }

    fn verify(self) -> Outcome {
        let watch = Stopwatch::start();
        let verified = self.with_existing(|db| Ok(db.verify()?));
        let report = verified.map_err(|failure| match failure.kind() {
            "corruption" => Failure::new(Exit::Damaged, "corruption", failure.to_string()),
            _ => failure,
        })?;
        let problems = report
            .problems
            .iter()
            .map(|problem| json!({"file": problem.file, "message": problem.message}));
        self.out.object(&json!({
            "clean": report.is_clean(),
            "tables": report.tables,
            "entries": report.entries,
            "log_records": report.log_records,
            "attachments": report.attachments,
            "bytes": report.bytes,
            "problems": problems.collect::<Vec<_>>(),
            "seconds": watch.elapsed().as_secs_f64(),
        }));
        self.out.line(format!(
            "{}, {}, {}, {}: {} read in {}",
            human::counted(report.tables, "table"),
            format_args!("{} entries", human::count(report.entries)),
            human::counted(report.log_records, "log record"),
            human::counted(report.attachments, "attachment"),
            human::bytes(report.bytes),
            human::duration(watch.elapsed())
        ));
        for problem in &report.problems {
            let damage = self.out.bold("damage");
            self.out
                .line(format!("{damage}  {}: {}", problem.file, problem.message));
        }
        match report.problems.len() as u64 {
            0 => {
                self.out.line(self.out.bold("all is well"));
                Ok(())
            }
            problems => Err(Failure::damaged(format!(
                "{} found: see docs/operations/recovery.md",
                human::counted(problems, "problem")
            ))),
        }
    }

    /// Opens a database that is there, does `work`, and closes it.
    fn with_existing<T>(self, work: impl FnOnce(&DB) -> Outcome<T>) -> Outcome<T> {
        self.with(false, work)
    }

    fn with<T>(self, create_if_missing: bool, work: impl FnOnce(&DB) -> Outcome<T>) -> Outcome<T> {
        let options = Options {
            create_if_missing,
            ..Options::DEFAULT
        };
        let db = DB::open(&self.args.path, options).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::not_found(format!(
                "no database at {}: `aethervec aidb put` makes one; --path DIR names another",
                self.args.path.display()
            )),
            _ => error.into(),
        })?;
        let result = work(&db);
        let closed = db.close();
        let value = result?;
        closed?;
        Ok(value)
    }

    /// The keyspace that was asked for, as it was made.
    fn keyspace(self, db: &DB) -> Outcome<Keyspace> {
        Ok(db.existing_keyspace(&self.args.keyspace)?)
    }

    fn parse_all(self, what: &str, texts: &[String]) -> Outcome<Vec<Vec<u8>>> {
        texts
            .iter()
            .map(|text| self.form.parse(what, text))
            .collect()
    }

    fn print(self, key: &[u8], value: &[u8]) {
        self.out.object(&self.entry(key, value));
        self.out.line(format!(
            "{}\t{}",
            self.form.show(key),
            self.form.show(value)
        ));
    }

    fn entry(self, key: &[u8], value: &[u8]) -> Value {
        json!({"key": self.form.show(key), "value": self.form.show(value)})
    }
}

impl From<aidb::Error> for Failure {
    fn from(error: aidb::Error) -> Failure {
        let (exit, kind) = match error.kind() {
            ErrorKind::Invalid => (Exit::Invalid, "invalid"),
            ErrorKind::NotFound => (Exit::NotFound, "not_found"),
            ErrorKind::Conflict => (Exit::Failed, "conflict"),
            ErrorKind::Unavailable => (Exit::Failed, "unavailable"),
            ErrorKind::Fenced => (Exit::Failed, "fenced"),
            ErrorKind::Closed => (Exit::Failed, "closed"),
            ErrorKind::Corruption => (Exit::Failed, "corruption"),
            _ => (Exit::Failed, "io"),
        };
        Failure::new(exit, kind, error.to_string())
    }
}
