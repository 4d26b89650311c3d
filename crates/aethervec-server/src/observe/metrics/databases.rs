//! The figures of databases and their collections, as far as they are open: to be looked at opens nothing.
//!
//! The largest ones have series of their own, as many as the settings say; the others are added up under the name `other`.

use super::family::Family;
use super::histogram::Distribution;
use super::sheet::{Figure, Label, Sheet};
use crate::app::App;
use crate::tenants::Tenant;
use aethervec::{Collection, DriftStats, IndexStatus, PayloadIndexState};
use std::collections::BTreeMap;
use std::time::Duration;

/// The name of all that have no series of their own.
const OTHER: &str = "other";

/// The only shard: databases are not divided.
const SHARD: &str = "0";

/// The figures of one thing, under its labels.
#[derive(Debug)]
struct Row {
    /// The larger ones have series of their own.
    size: u64,
    labels: Vec<Label>,
    /// With the labels that come behind its own.
    figures: Vec<(Family, Vec<Label>, Figure)>,
}

impl Row {
    fn new(labels: Vec<Label>) -> Row {
        Row {
            size: 0,
            labels,
            figures: Vec::new(),
        }
    }

    fn put<const N: usize>(&mut self, family: Family, more: [Label; N], value: impl Into<Figure>) {
        self.figures.push((family, more.into(), value.into()));
    }
}

/// Notes all of it.
pub(super) fn put(app: &App, sheet: &mut Sheet) {
    let open = app.tenants.opened();
    sheet.put(Family::TenantsOpen, [], open.len());
    let failed = app.tenants.failed();
    sheet.put(Family::TenantsFailed, [], failed.len());
    let mut tenants = Vec::new();
    let mut collections = Vec::new();
    for tenant in &open {
        let first = collections.len();
        collections.extend(
            tenant
                .db
                .open_collections()
                .iter()
                .map(|it| of_collection(tenant, it)),
        );
        tenants.push(of_tenant(tenant, &collections[first..]));
    }
    for (name, _) in &failed {
        let mut row = Row::new(vec![name.to_string().into()]);
        row.put(Family::ShardHealth, [SHARD.into()], false);
        // It is told of by its name, however small it is.
        row.size = u64::MAX;
        tenants.push(row);
    }
    put_rows(tenants, app.config.metrics_tenants_max, sheet);
    put_rows(collections, app.config.metrics_collections_max, sheet);
}

/// The largest `most` rows, and the sum of the others.
fn put_rows(mut rows: Vec<Row>, most: usize, sheet: &mut Sheet) {
    rows.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.labels.cmp(&b.labels)));
    let others = rows.split_off(most.min(rows.len()));
    for row in rows {
        for (family, more, figure) in row.figures {
            sheet.put_labels(family, [row.labels.clone(), more].concat(), figure);
        }
    }
    let mut sums: BTreeMap<(usize, Vec<Label>), (Family, Figure)> = BTreeMap::new();
    for row in others {
        let name = vec![Label::from(OTHER); row.labels.len()];
        for (family, more, figure) in row.figures {
            if !family.adds_up() {
                continue;
            }
            let labels = [name.clone(), more].concat();
            let sum = sums.entry((family as usize, labels));
            sum.and_modify(|(_, sum)| sum.add(&figure))
                .or_insert((family, figure));
        }
    }
    for ((_, labels), (family, sum)) in sums {
        sheet.put_labels(family, labels, sum);
    }
}

fn of_tenant(tenant: &Tenant, collections: &[Row]) -> Row {
    let stats = tenant.db.stats();
    let storage = &stats.storage;
    let mut row = Row::new(vec![tenant.name.to_string().into()]);
    let failing = |row: &Row| {
        let signs = row.figures.iter();
        let mut signs = signs
            .filter(|(family, ..)| matches!(family, Family::IndexFailing | Family::IndexDamaged));
        signs.any(|(_, _, sign)| *sign != Figure::Count(0))
    };
    let healthy = storage.flush_error.is_none()
        && storage.compaction_error.is_none()
        && !collections.iter().any(failing);
    let index_bytes: u64 = collections.iter().map(|row| row.size).sum();
    let hot = storage.memory_bytes() + index_bytes;
    let warm = storage.wal_bytes
        + storage.table_bytes
        + storage.value_file_bytes
        + storage.attachment_bytes;
    row.size = hot + warm;
    row.put(Family::ShardHealth, [SHARD.into()], healthy);
    row.put(Family::StorageBytes, ["hot".into()], hot);
    row.put(Family::StorageBytes, ["warm".into()], warm);
    row.put(Family::TenantCollections, [], stats.collections);
    row.put(
        Family::TenantTransactions,
        [],
        tenant.sessions.transactions.len(),
    );
    row.put(Family::TenantSnapshots, [], tenant.sessions.snapshots.len());
    put_storage(storage, &mut row);
    put_levels(storage, &mut row);
    row
}

/// What the storage engine counts.
fn put_storage(storage: &aidb::Stats, row: &mut Row) {
    for (family, value) in [
        (Family::MemtableBytes, storage.memtable_bytes),
        (Family::SealedMemtables, storage.sealed_memtables),
        (Family::WalBytes, storage.wal_bytes),
        (Family::TableBytes, storage.table_bytes),
        (Family::TableMemoryBytes, storage.table_memory_bytes),
        (Family::CacheBytes, storage.cache.bytes),
        (Family::CacheHits, storage.cache.hits),
        (Family::CacheMisses, storage.cache.misses),
        (Family::Commits, storage.commits),
        (Family::Writes, storage.writes),
        (Family::LoggedBytes, storage.bytes_logged),
        (Family::Syncs, storage.syncs),
        (Family::Flushes, storage.flushes),
        (Family::FlushedBytes, storage.bytes_flushed),
        (Family::Compactions, storage.compactions),
        (Family::CompactedBytes, storage.bytes_compacted),
        (Family::CompactionDebt, storage.compaction_debt_bytes),
        (Family::Slowdowns, storage.slowdowns),
        (Family::Stalls, storage.stalls),
        (Family::ValueFiles, storage.value_files),
        (Family::ValueFileBytes, storage.value_file_bytes),
        (Family::ValueGarbageBytes, storage.value_garbage_bytes),
        (Family::Attachments, storage.attachments),
        (Family::AttachmentBytes, storage.attachment_bytes),
        (Family::StorageSnapshots, storage.snapshots),
        (
            Family::FlushFailing,
            u64::from(storage.flush_error.is_some()),
        ),
        (
            Family::CompactionFailing,
            u64::from(storage.compaction_error.is_some()),
        ),
    ] {
        row.put(family, [], value);
    }
    let longest = Duration::from_micros(storage.longest_stall_micros);
    row.put(Family::LongestPause, [], longest.as_secs_f64());
    let pauses = Distribution::new(
        &aidb::PAUSE_BOUNDS_MICROS,
        &storage.pauses,
        Duration::from_micros(storage.stall_micros),
    );
    row.put(Family::Pauses, [], pauses);
}

/// The levels of all keyspaces together, as far as there is anything in them.
fn put_levels(storage: &aidb::Stats, row: &mut Row) {
    for (level, work) in storage.work.iter().enumerate() {
        let mut held = aidb::LevelStats::default();
        for keyspace in &storage.keyspaces {
            if let Some(part) = keyspace.levels.get(level) {
                held.tables += part.tables;
                held.runs += part.runs;
                held.bytes += part.bytes;
                held.entries += part.entries;
                held.tombstones += part.tombstones;
            }
        }
        if held == aidb::LevelStats::default() && *work == aidb::LevelWork::default() {
            continue;
        }
        for (family, value) in [
            (Family::LevelTables, held.tables),
            (Family::LevelRuns, held.runs),
            (Family::LevelBytes, held.bytes),
            (Family::LevelEntries, held.entries),
            (Family::LevelTombstones, held.tombstones),
            (Family::LevelReadBytes, work.bytes_read),
            (Family::LevelWrittenBytes, work.bytes_written),
            (Family::LevelMovedBytes, work.bytes_moved),
        ] {
            row.put(family, [level.to_string().into()], value);
        }
    }
}

fn of_collection(tenant: &Tenant, collection: &Collection) -> Row {
    let name = collection.name().to_owned();
    let mut row = Row::new(vec![tenant.name.to_string().into(), name.into()]);
    let status = collection.index_status();
    row.size = status.memory_bytes;
    // One that was dropped meanwhile has none.
    if let Ok(documents) = collection.count() {
        row.put(Family::Documents, [], documents);
    }
    let left = collection.payload_indexes().into_iter();
    let left = left.map(|index| match index.state {
        PayloadIndexState::Building { left } => left,
        PayloadIndexState::Ready => 0,
    });
    row.put(Family::PayloadIndexLeft, [], left.sum::<u64>());
    put_index(status, &mut row);
    row
}

fn put_index(status: IndexStatus, row: &mut Row) {
    row.put(Family::Staleness, [], status.staleness.as_secs_f64());
    for (family, value) in [
        (Family::DeltaPoints, status.scanned),
        (Family::PendingPoints, status.pending),
        (Family::IndexedPoints, status.indexed),
        (Family::DeadPoints, status.dead),
        (Family::IndexMemoryBytes, status.memory_bytes),
        (Family::Checkpoints, status.checkpoints),
        (Family::IndexFailing, u64::from(status.error.is_some())),
        (Family::IndexDamaged, u64::from(status.damage.is_some())),
    ] {
        row.put(family, [], value);
    }
    for (field, dense) in status.dense {
        let field = Label::from(field);
        row.put(Family::FieldEffort, [field.clone()], dense.effort);
        if let Some(recall) = dense.recall {
            row.put(
                Family::FieldRecall,
                [field.clone()],
                f64::from(recall.found),
            );
            row.put(
                Family::FieldRecallAsked,
                [field.clone()],
                f64::from(recall.asked),
            );
        }
        if let Some(stats) = dense.drift {
            put_buckets(&stats, &field, row);
        }
        let labels = [
            field,
            dense.family.into(),
            dense.next.unwrap_or_default().into(),
            dense.codes.into(),
        ];
        row.put(Family::FieldIndex, labels, 1_u64);
    }
}

/// The classes of [`DriftStats::sizes`].
const BUCKET_SIZES: [&str; 5] = ["1/8", "1/2", "1", "2", "more"];

/// The classes of [`DriftStats::temperatures`].
const TEMPERATURES: [&str; 4] = ["cold", "cool", "warm", "hot"];

fn put_buckets(stats: &DriftStats, field: &Label, row: &mut Row) {
    for (family, value) in [
        (Family::Buckets, stats.buckets),
        (Family::BucketsCached, stats.cached),
        (Family::BucketsDue, stats.due),
        (Family::BucketRecords, stats.records),
        (Family::BucketBytesWritten, stats.bytes_written),
        (Family::BucketBytesMaintained, stats.bytes_maintained),
        (Family::BucketBytesIngested, stats.bytes_ingested),
        (Family::BucketsSearched, stats.buckets_searched),
        (Family::BucketsLoaded, stats.buckets_loaded),
    ] {
        row.put(family, [field.clone()], value);
    }
    for (change, value) in [
        ("split", stats.splits),
        ("merge", stats.merges),
        ("move", stats.moves),
        ("clean", stats.cleaned),
    ] {
        row.put(Family::BucketChanges, [field.clone(), change.into()], value);
    }
    for (records, value) in BUCKET_SIZES.into_iter().zip(stats.sizes) {
        row.put(Family::BucketSizes, [field.clone(), records.into()], value);
    }
    for (warmth, value) in TEMPERATURES.into_iter().zip(stats.temperatures) {
        let labels = [field.clone(), warmth.into()];
        row.put(Family::BucketTemperatures, labels, value);
    }
    row.put(Family::BucketDrift, [field.clone()], stats.drift);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_have_names_and_the_others_a_sum() {
        let row = |name: &'static str, size: u64| {
            let mut row = Row::new(vec![name.into()]);
            row.size = size;
            row.put(Family::Commits, [], size);
            row.put(Family::LevelTables, ["0".into()], size);
            row
        };
        let mut sheet = Sheet::new();
        put_rows(
            vec![row("a", 1), row("b", 5), row("c", 2), row("d", 3)],
            2,
            &mut sheet,
        );
        let text = sheet.into_text();
        for line in [
            "vector_db_storage_commits_total{tenant=\"b\"} 5",
            "vector_db_storage_commits_total{tenant=\"d\"} 3",
            "vector_db_storage_commits_total{tenant=\"other\"} 3",
            "vector_db_storage_level_tables{tenant=\"other\",level=\"0\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert_eq!(text.matches("vector_db_storage_commits_total{").count(), 3);
    }
}
