//! `aidb stats`: tables for people, an object for programs.

use crate::human;
use crate::output::Output;
use aidb::Stats;
use serde_json::{Value, json};

pub(super) fn show(out: Output, stats: &Stats) {
    out.object(&as_json(stats));
    for (name, text) in sentences(stats) {
        out.line(format!("{}  {text}", out.bold(&format!("{name:<9}"))));
    }
    out.line("");
    out.table(&levels(stats));
}

fn sentences(stats: &Stats) -> Vec<(&'static str, String)> {
    let mut told = vec![
        (
            "on disk",
            format!(
                "tables {}, logs {}, attachments {}",
                human::bytes(stats.table_bytes),
                human::bytes(stats.wal_bytes),
                human::bytes(stats.attachment_bytes)
            ),
        ),
        (
            "in memory",
            format!(
                "memtables {}, block cache {}, indexes and filters {}",
                human::bytes(stats.memtable_bytes),
                human::bytes(stats.cache.bytes),
                human::bytes(stats.table_memory_bytes)
            ),
        ),
    ];
    let errors = [
        ("flush", &stats.flush_error),
        ("compact", &stats.compaction_error),
    ];
    told.extend(errors.into_iter().filter_map(|(what, error)| {
        let error = error.as_ref()?;
        Some(("error", format!("{what}: {error}")))
    }));
    told
}

/// One row per level that has tables.
fn levels(stats: &Stats) -> Vec<Vec<String>> {
    let head = [
        "keyspace",
        "level",
        "tables",
        "runs",
        "bytes",
        "entries",
        "tombstones",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for keyspace in &stats.keyspaces {
        let before = rows.len();
        for (number, level) in keyspace.levels.iter().enumerate() {
            if level.tables > 0 {
                rows.push(vec![
                    keyspace.name.clone(),
                    format!("L{number}"),
                    human::count(level.tables),
                    human::count(level.runs),
                    human::bytes(level.bytes),
                    human::count(level.entries),
                    human::count(level.tombstones),
                ]);
            }
        }
        if rows.len() == before {
            rows.push(vec![keyspace.name.clone(), "–".to_owned()]);
        }
    }
    rows
}

fn as_json(stats: &Stats) -> Value {
    let keyspaces = stats.keyspaces.iter().map(|keyspace| {
        let levels = keyspace.levels.iter().map(
            |level| json!({"tables": level.tables, "runs": level.runs, "bytes": level.bytes, "entries": level.entries, "tombstones": level.tombstones}),
        );
        json!({"name": keyspace.name, "levels": levels.collect::<Vec<_>>()})
    });
    json!({
        "keyspaces": keyspaces.collect::<Vec<_>>(),
        "table_bytes": stats.table_bytes,
        "table_memory_bytes": stats.table_memory_bytes,
        "wal_bytes": stats.wal_bytes,
        "memtable_bytes": stats.memtable_bytes,
        "sealed_memtables": stats.sealed_memtables,
        "compaction_debt_bytes": stats.compaction_debt_bytes,
        "attachments": stats.attachments,
        "attachment_bytes": stats.attachment_bytes,
        "cache": {"bytes": stats.cache.bytes, "hits": stats.cache.hits, "misses": stats.cache.misses},
        "flush_error": stats.flush_error,
        "compaction_error": stats.compaction_error,
    })
}
