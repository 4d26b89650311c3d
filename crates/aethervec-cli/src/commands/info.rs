//! `info`.

use super::collections::{default_field_cells, described};
use crate::args::Info;
use crate::failure::Outcome;
use crate::human;
use crate::output::Output;
use crate::session::{Session, collection};
use aethervec::{AetherDB, DbStats, DenseStatus, DriftStats, IndexStatus};
use serde_json::{Map, Value, json};
use std::path::Path;

/// `aethervec info`.
pub(crate) fn run(session: &Session, args: &Info) -> Outcome {
    session.with_existing(|db| {
        let names = match &args.collection {
            Some(name) => vec![collection(db, name)?.name().to_owned()],
            None => db.collections().into_iter().map(|info| info.name).collect(),
        };
        let collections = names
            .iter()
            .map(|name| Shown::of(db, name))
            .collect::<Outcome<Vec<_>>>()?;
        let disk_bytes = directory_bytes(session.path());
        let stats = db.stats();
        session.out.object(&json!({
            "location": stats.location,
            "disk_bytes": disk_bytes,
            "memory_bytes": memory_bytes(&stats, &collections),
            "collections": collections.iter().map(|shown| shown.json.clone()).collect::<Vec<_>>(),
            "storage": storage_json(&stats),
        }));
        print(session.out, &stats, &collections, disk_bytes);
        Ok(())
    })
}

/// One collection, in both ways of telling.
struct Shown {
    json: Value,
    row: Vec<String>,
    status: IndexStatus,
}

impl Shown {
    fn of(db: &AetherDB, name: &str) -> Outcome<Shown> {
        let collection = collection(db, name)?;
        let (documents, status, schema) = (
            collection.count()?,
            collection.index_status(),
            collection.schema(),
        );
        let mut json = described(name, &schema);
        json["documents"] = json!(documents);
        json["index_status"] = status_json(&status);
        let mut row = vec![name.to_owned(), human::count(documents)];
        row.extend(default_field_cells(&schema));
        row.extend([
            human::count(status.indexed),
            human::count(status.scanned),
            human::count(status.dead),
            human::bytes(status.memory_bytes),
        ]);
        Ok(Shown { json, row, status })
    }
}

/// An index's state as JSON.
pub(crate) fn status_json(status: &IndexStatus) -> Value {
    json!({
        "pending": status.pending,
        "staleness_s": status.staleness.as_secs_f64(),
        "indexed": status.indexed,
        "scanned": status.scanned,
        "dead": status.dead,
        "busy": status.busy,
        "checkpoints": status.checkpoints,
        "memory_bytes": status.memory_bytes,
        "error": status.error,
        "dense": status.dense.iter().map(|(name, dense)| (name.clone(), dense_json(dense))).collect::<Map<_, _>>(),
    })
}

fn dense_json(status: &DenseStatus) -> Value {
    json!({
        "family": status.family,
        "next": status.next,
        "building": status.building.map(|(points, of)| json!({ "points": points, "of": of })),
        "why": status.why,
        "codes": status.codes,
        "effort": status.effort,
        "recall": status.recall.map(|recall| json!({ "asked": recall.asked, "found": recall.found, "queries": recall.queries })),
        "drift": status.drift.map(|stats| json!({
            "buckets": stats.buckets, "cached": stats.cached, "records": stats.records, "sizes": stats.sizes, "temperatures": stats.temperatures,
            "due": stats.due, "drift": stats.drift, "splits": stats.splits, "merges": stats.merges, "moves": stats.moves, "cleaned": stats.cleaned,
            "bytes_written": stats.bytes_written, "bytes_maintained": stats.bytes_maintained, "bytes_ingested": stats.bytes_ingested,
        })),
    })
}

/// Bytes of all files in a directory; files that vanish meanwhile do not count.
pub(crate) fn directory_bytes(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return 0;
    };
    let files = entries
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .filter(std::fs::Metadata::is_file);
    files.map(|file| file.len()).sum()
}

fn memory_bytes(stats: &DbStats, collections: &[Shown]) -> u64 {
    let indexes: u64 = collections
        .iter()
        .map(|shown| shown.status.memory_bytes)
        .sum();
    indexes + stats.storage.memtable_bytes + stats.storage.cache.bytes
}

fn print(out: Output, stats: &DbStats, collections: &[Shown], disk_bytes: u64) {
    let storage = &stats.storage;
    out.line(format!("{}  {}", out.bold("database "), stats.location));
    out.line(format!(
        "{}  {}: tables {}, logs {}, index files {}",
        out.bold("on disk  "),
        human::bytes(disk_bytes),
        human::bytes(storage.table_bytes),
        human::bytes(storage.wal_bytes),
        human::bytes(storage.attachment_bytes)
    ));
    out.line(format!(
        "{}  {}: indexes {}, memtables {}, block cache {}",
        out.bold("in memory"),
        human::bytes(memory_bytes(stats, collections)),
        human::bytes(
            collections
                .iter()
                .map(|shown| shown.status.memory_bytes)
                .sum()
        ),
        human::bytes(storage.memtable_bytes),
        human::bytes(storage.cache.bytes)
    ));
    for (what, error) in [
        ("flush", &storage.flush_error),
        ("compaction", &storage.compaction_error),
    ] {
        if let Some(error) = error {
            out.line(format!("{}  {what}: {error}", out.bold("error    ")));
        }
    }
    out.line("");
    let head = [
        "collection",
        "documents",
        "dim",
        "metric",
        "element",
        "index",
        "indexed",
        "scanned",
        "dead",
        "memory",
    ];
    let rows = std::iter::once(head.map(str::to_owned).to_vec())
        .chain(collections.iter().map(|shown| shown.row.clone()));
    match collections {
        [] => out.line("no collections"),
        _ => out.table(&rows.collect::<Vec<_>>()),
    }
    for shown in collections {
        for (field, dense) in &shown.status.dense {
            out.line(found_by(&shown.row[0], field, dense));
        }
    }
    for shown in collections {
        if let Some(error) = &shown.status.error {
            out.line(format!(
                "{}  index of {}: {error}",
                out.bold("error"),
                shown.row[0]
            ));
        }
    }
    print_levels(out, stats);
}

/// How the vectors of a field are found, and why.
fn found_by(collection: &str, field: &str, dense: &DenseStatus) -> String {
    let field = match field {
        "" => collection.to_owned(),
        name => format!("{collection}, field {name:?}"),
    };
    let next = dense.next.map(|next| format!(", soon {next}"));
    let building = dense.building.map(|(points, of)| {
        let (points, of) = (human::count(points), human::count(of));
        format!("; building: {points} of {of}")
    });
    let buckets = dense.drift.as_ref().map(buckets);
    format!(
        "{field}: {}{} ({}); codes: {}; ef {} for 10 hits{}{}",
        dense.family,
        next.unwrap_or_default(),
        dense.why,
        dense.codes,
        dense.effort,
        building.unwrap_or_default(),
        buckets.unwrap_or_default()
    )
}

/// How the buckets of a field are doing.
fn buckets(stats: &DriftStats) -> String {
    format!(
        "; {} buckets, {} due; drift {:.2}; {} splits, {} merges, {} moves",
        human::count(stats.buckets),
        human::count(stats.due),
        stats.drift,
        human::count(stats.splits),
        human::count(stats.merges),
        human::count(stats.moves)
    )
}

/// One row per keyspace that has tables, one column per level that any of them has.
fn print_levels(out: Output, stats: &DbStats) {
    let keyspaces: Vec<_> = stats
        .storage
        .keyspaces
        .iter()
        .filter(|keyspace| keyspace.levels.iter().any(|level| level.tables > 0))
        .collect();
    let depth = keyspaces
        .iter()
        .filter_map(|keyspace| keyspace.levels.iter().rposition(|level| level.tables > 0))
        .max();
    let Some(depth) = depth else { return };
    let mut rows = vec![vec!["keyspace".to_owned()]];
    rows[0].extend((0..=depth).map(|level| format!("L{level}")));
    for keyspace in keyspaces {
        let mut row = vec![keyspace.name.clone()];
        row.extend((0..=depth).map(|level| match keyspace.levels.get(level) {
            Some(level) if level.tables > 0 => {
                format!("{} × {}", level.tables, human::bytes(level.bytes))
            }
            _ => "–".to_owned(),
        }));
        rows.push(row);
    }
    out.line("");
    out.table(&rows);
}

fn storage_json(stats: &DbStats) -> Value {
    let storage = &stats.storage;
    let keyspaces = storage.keyspaces.iter().map(|keyspace| {
        let levels = keyspace
            .levels
            .iter()
            .map(|level| json!({"tables": level.tables, "bytes": level.bytes}));
        json!({"name": keyspace.name, "levels": levels.collect::<Vec<_>>()})
    });
    json!({
        "table_bytes": storage.table_bytes,
        "wal_bytes": storage.wal_bytes,
        "memtable_bytes": storage.memtable_bytes,
        "attachments": storage.attachments,
        "attachment_bytes": storage.attachment_bytes,
        "cache": {"bytes": storage.cache.bytes, "hits": storage.cache.hits, "misses": storage.cache.misses},
        "flushes": storage.flushes,
        "compactions": storage.compactions,
        "stalls": storage.stalls,
        "keyspaces": keyspaces.collect::<Vec<_>>(),
        "flush_error": storage.flush_error,
        "compaction_error": storage.compaction_error,
    })
}
