//! `check`.

use super::Stopwatch;
use crate::failure::{Exit, Failure, Outcome};
use crate::human;
use crate::session::Session;
use aethervec::CheckReport;
use serde_json::{Value, json};

/// `aethervec check`: exit code 4 when something is wrong, be it that the database does not even open.
pub(crate) fn run(session: &Session) -> Outcome {
    let watch = Stopwatch::start();
    let checked = session.with_existing(|db| Ok(db.check()?));
    let report = checked.map_err(|failure| match failure.kind() {
        "corruption" => Failure::new(Exit::Damaged, "corruption", failure.to_string()),
        _ => failure,
    })?;
    session
        .out
        .object(&as_json(&report, watch.elapsed().as_secs_f64()));
    print(session, &report, &watch);
    match report.problems.len() as u64 {
        0 => Ok(()),
        problems => Err(Failure::damaged(format!(
            "{} found: see docs/operations/recovery.md",
            human::counted(problems, "problem")
        ))),
    }
}

fn print(session: &Session, report: &CheckReport, watch: &Stopwatch) {
    let out = session.out;
    let storage = &report.storage;
    out.line(format!(
        "files        {}, {}, {}: {} read in {}",
        human::counted(storage.tables, "table"),
        human::counted(storage.log_records, "log record"),
        human::counted(storage.attachments, "index file"),
        human::bytes(storage.bytes),
        human::duration(watch.elapsed())
    ));
    for collection in &report.collections {
        out.line(format!(
            "{:<12} {}: {} indexed, {} searched exactly, {} dead",
            collection.name,
            human::counted(collection.documents, "document"),
            human::count(collection.indexed),
            human::count(collection.scanned),
            human::count(collection.dead)
        ));
    }
    for problem in &report.problems {
        out.line(format!("{}  {problem}", out.bold("damage")));
    }
    if report.is_clean() {
        out.line(out.bold("all is well"));
    }
}

fn as_json(report: &CheckReport, seconds: f64) -> Value {
    let collections = report.collections.iter().map(|collection| {
        json!({
            "collection": collection.name,
            "documents": collection.documents,
            "points": collection.points,
            "dead": collection.dead,
            "indexed": collection.indexed,
            "scanned": collection.scanned,
            "pending_entries": collection.pending_entries,
        })
    });
    let problems = report.problems.iter().map(|problem| {
        json!({"kind": format!("{:?}", problem.kind), "collection": problem.collection, "message": problem.message})
    });
    let storage = &report.storage;
    json!({
        "clean": report.is_clean(),
        "problems": problems.collect::<Vec<_>>(),
        "collections": collections.collect::<Vec<_>>(),
        "storage": {
            "tables": storage.tables,
            "entries": storage.entries,
            "log_records": storage.log_records,
            "attachments": storage.attachments,
            "bytes": storage.bytes,
        },
        "seconds": seconds,
    })
}
