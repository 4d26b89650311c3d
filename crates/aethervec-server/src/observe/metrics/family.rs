//! All figures: their names, labels and what they say. `docs/operations/observability.md` has the same table.

use prometheus_client::metrics::MetricType;

/// What a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts by duration.
    Histogram,
    /// Always 1: its labels are what it says.
    Info,
}

/// Makes [`Family`] from the list of figures.
macro_rules! families {
    ($($member:ident: $kind:ident $name:literal [$($label:literal)*] $help:literal;)+) => {
        /// A figure, for each combination of the values of its labels.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Family {
            $(#[doc = $help] $member,)+
        }

        impl Family {
            /// All of them, in the order in which they are listed.
            pub(crate) const ALL: &'static [Family] = &[$(Family::$member,)+];

            /// Its name, without what a counter or an info has at its end.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Family::$member => $name,)+ }
            }

            /// What it is.
            pub(crate) fn kind(self) -> Kind {
                match self { $(Family::$member => Kind::$kind,)+ }
            }

            /// The names of its labels.
            pub(crate) fn labels(self) -> &'static [&'static str] {
                match self { $(Family::$member => &[$($label,)*],)+ }
            }

            /// What it says.
            pub(crate) fn help(self) -> &'static str {
                match self { $(Family::$member => $help,)+ }
            }
        }
    };
}

families! {
    // Requests.
    Requests: Counter "vector_db_requests" ["protocol" "operation" "outcome"] "Requests answered";
    RequestDuration: Histogram "vector_db_request_duration_seconds" ["protocol" "operation" "outcome"] "Time from the head of a request to the head of its answer";
    QueryDuration: Histogram "vector_db_query_duration_seconds" ["protocol" "operation" "outcome"] "Time of the turn of a search or a query, without the wait for it";
    TransactionDuration: Histogram "vector_db_transaction_duration_seconds" ["outcome"] "Time from the begin of a transaction to its end";
    Inserts: Counter "vector_db_insert" ["protocol"] "Documents inserted or replaced";
    SlowQueries: Counter "vector_db_slow_queries" ["protocol" "operation"] "Queries that took longer than slow_query_ms";
    Connections: Gauge "vector_db_connections" ["protocol"] "Open connections";
    ConnectionsAccepted: Counter "vector_db_connections_accepted" ["protocol"] "Connections accepted";
    ConnectionsRefused: Counter "vector_db_connections_refused" ["protocol"] "Connections refused, because there were too many";
    // The gate.
    GateTurns: Gauge "vector_db_gate_turns" ["gate"] "Calls of the engine that may run at once";
    GateRunning: Gauge "vector_db_gate_running" ["gate"] "Calls of the engine that run";
    GateWaiting: Gauge "vector_db_gate_waiting" ["gate"] "Calls that wait for their turn";
    GateRefused: Counter "vector_db_gate_refused" ["gate" "cause"] "Calls that were not begun: the queue was full, or their deadline passed in it";
    GateWait: Histogram "vector_db_gate_wait_seconds" ["gate"] "Time that calls waited for their turn";
    // Tenants.
    TenantsOpen: Gauge "vector_db_tenants_open" [] "Databases that are open";
    TenantsFailed: Gauge "vector_db_tenants_failed" [] "Databases that could not be opened or closed, since the last success of each";
    ShardHealth: Gauge "vector_db_shard_health" ["tenant" "shard"] "1 when a database is open and its background work succeeds, else 0";
    TenantCollections: Gauge "vector_db_collections" ["tenant"] "Collections of a database";
    TenantTransactions: Gauge "vector_db_transactions_open" ["tenant"] "Transactions under way over several requests";
    TenantSnapshots: Gauge "vector_db_snapshots_open" ["tenant"] "Snapshots held by clients";
    // Storage, by tenant.
    StorageBytes: Gauge "vector_db_storage_bytes" ["tenant" "tier"] "Bytes held: hot is memory, warm is files of this machine";
    MemtableBytes: Gauge "vector_db_storage_memtable_bytes" ["tenant"] "Memory of all memtables";
    SealedMemtables: Gauge "vector_db_storage_sealed_memtables" ["tenant"] "Memtables that wait for their flush";
    WalBytes: Gauge "vector_db_storage_wal_bytes" ["tenant"] "Bytes of the logs that an open would replay";
    TableBytes: Gauge "vector_db_storage_table_bytes" ["tenant"] "Bytes of all tables";
    TableMemoryBytes: Gauge "vector_db_storage_table_memory_bytes" ["tenant"] "Memory of indexes and filters of tables";
    CacheBytes: Gauge "vector_db_storage_cache_bytes" ["tenant"] "Memory of the block cache";
    CacheHits: Counter "vector_db_storage_cache_hits" ["tenant"] "Blocks found in the cache";
    CacheMisses: Counter "vector_db_storage_cache_misses" ["tenant"] "Blocks read because they were not in the cache";
    Commits: Counter "vector_db_storage_commits" ["tenant"] "Batches committed";
    Writes: Counter "vector_db_storage_writes" ["tenant"] "Changes of keys committed";
    LoggedBytes: Counter "vector_db_storage_logged_bytes" ["tenant"] "Bytes written to logs";
    Syncs: Counter "vector_db_storage_syncs" ["tenant"] "Syncs of logs for durable writes";
    Flushes: Counter "vector_db_storage_flushes" ["tenant"] "Memtables flushed";
    FlushedBytes: Counter "vector_db_storage_flushed_bytes" ["tenant"] "Bytes of tables that flushes wrote";
    Compactions: Counter "vector_db_storage_compactions" ["tenant"] "Compactions, moves included";
    CompactedBytes: Counter "vector_db_storage_compacted_bytes" ["tenant"] "Bytes of tables that compactions wrote";
    CompactionDebt: Gauge "vector_db_storage_compaction_debt_bytes" ["tenant"] "Bytes that compactions still have to read and write, about";
    Slowdowns: Counter "vector_db_storage_write_slowdowns" ["tenant"] "Writes slowed down because the background had fallen behind";
    Stalls: Counter "vector_db_storage_write_stalls" ["tenant"] "Writes that had to wait for a flush or a compaction";
    Pauses: Histogram "vector_db_storage_write_pause_seconds" ["tenant"] "Sleeps and waits of writes for the background";
    LongestPause: Gauge "vector_db_storage_write_pause_longest_seconds" ["tenant"] "The longest of them since the opening";
    ValueFiles: Gauge "vector_db_storage_value_files" ["tenant"] "Files of values apart from their keys";
    ValueFileBytes: Gauge "vector_db_storage_value_file_bytes" ["tenant"] "Bytes of value files";
    ValueGarbageBytes: Gauge "vector_db_storage_value_garbage_bytes" ["tenant"] "Bytes of value files that no table refers to";
    Attachments: Gauge "vector_db_storage_attachments" ["tenant"] "Registered attachments: saved indexes";
    AttachmentBytes: Gauge "vector_db_storage_attachment_bytes" ["tenant"] "Bytes of attachments";
    StorageSnapshots: Gauge "vector_db_storage_snapshots" ["tenant"] "Live snapshots of the storage, those of requests included";
    FlushFailing: Gauge "vector_db_storage_flush_failing" ["tenant"] "1 after a failed flush, until one succeeds";
    CompactionFailing: Gauge "vector_db_storage_compaction_failing" ["tenant"] "1 after a failed compaction, until one succeeds";
    LevelTables: Gauge "vector_db_storage_level_tables" ["tenant" "level"] "Tables of a level";
    LevelRuns: Gauge "vector_db_storage_level_runs" ["tenant" "level"] "Runs of tables that a read looks at";
    LevelBytes: Gauge "vector_db_storage_level_bytes" ["tenant" "level"] "Bytes of the tables of a level";
    LevelEntries: Gauge "vector_db_storage_level_entries" ["tenant" "level"] "Entries of a level, old versions and tombstones included";
    LevelTombstones: Gauge "vector_db_storage_level_tombstones" ["tenant" "level"] "Entries of a level that delete a key";
    LevelReadBytes: Counter "vector_db_storage_level_read_bytes" ["tenant" "level"] "Bytes that compactions into a level read";
    LevelWrittenBytes: Counter "vector_db_storage_level_written_bytes" ["tenant" "level"] "Bytes of tables that were written to a level";
    LevelMovedBytes: Counter "vector_db_storage_level_moved_bytes" ["tenant" "level"] "Bytes of tables that came to a level without being rewritten";
    // Collections that are open.
    Documents: Gauge "vector_db_collection_documents" ["tenant" "collection"] "Documents";
    DeltaPoints: Gauge "vector_db_collection_delta_points" ["tenant" "collection"] "Points kept in memory and searched exactly";
    PendingPoints: Gauge "vector_db_collection_pending_points" ["tenant" "collection"] "Points that wait to be moved into an index";
    Staleness: Gauge "vector_db_collection_index_staleness_seconds" ["tenant" "collection"] "How long the oldest point has waited that is to be moved from the exact scan into an index";
    IndexedPoints: Gauge "vector_db_collection_indexed_points" ["tenant" "collection"] "Points in graphs and buckets, counted in each field";
    DeadPoints: Gauge "vector_db_collection_dead_points" ["tenant" "collection"] "Points of deleted or replaced documents that are not purged yet";
    IndexMemoryBytes: Gauge "vector_db_collection_index_memory_bytes" ["tenant" "collection"] "Memory of the indexes, vectors included";
    Checkpoints: Counter "vector_db_collection_index_checkpoints" ["tenant" "collection"] "Checkpoints of the indexes since the collection was made";
    IndexFailing: Gauge "vector_db_collection_index_failing" ["tenant" "collection"] "1 when the last background step of an index failed";
    IndexDamaged: Gauge "vector_db_collection_index_damaged" ["tenant" "collection"] "1 when a saved index could not be used and is built again";
    PayloadIndexLeft: Gauge "vector_db_collection_payload_index_left_points" ["tenant" "collection"] "Points that payload indexes under construction still have to look at";
    FieldIndex: Info "vector_db_collection_index" ["tenant" "collection" "field" "family" "next" "codes"] "How the vectors of a field are found: scan, graph, buckets or drift; what takes its place; what is kept of each vector";
    FieldEffort: Gauge "vector_db_collection_search_effort" ["tenant" "collection" "field"] "Candidates that a search for ten neighbours holds when nothing else is asked for";
    FieldRecall: Gauge "vector_db_collection_recall_measured" ["tenant" "collection" "field"] "The recall that searches get which ask for one: the mean over the latest queries that were answered exactly, too";
    FieldRecallAsked: Gauge "vector_db_collection_recall_asked" ["tenant" "collection" "field"] "The recall that was asked for last";
    Buckets: Gauge "vector_db_collection_buckets" ["tenant" "collection" "field"] "Buckets in the database";
    BucketsCached: Gauge "vector_db_collection_buckets_cached" ["tenant" "collection" "field"] "Those of which memory has a copy";
    BucketSizes: Gauge "vector_db_collection_buckets_by_size" ["tenant" "collection" "field" "records"] "Buckets by their records: up to so many times bucket_points, and more than the size before it";
    BucketTemperatures: Gauge "vector_db_collection_buckets_by_temperature" ["tenant" "collection" "field" "temperature"] "Buckets without a copy in memory (cold); with one that nothing has looked into since it was made, or memory was last short (cool); once or twice (warm); more often (hot)";
    BucketsDue: Gauge "vector_db_collection_buckets_due" ["tenant" "collection" "field"] "Buckets that wait to be split or made anew, or to have the dead taken out";
    BucketDrift: Gauge "vector_db_collection_bucket_drift" ["tenant" "collection" "field"] "How far points are from the centroids of their buckets, ÷ how far they were when these were their means; squared distances";
    BucketRecords: Gauge "vector_db_collection_bucket_records" ["tenant" "collection" "field"] "Records in buckets, those of dead points included";
    BucketChanges: Counter "vector_db_collection_bucket_changes" ["tenant" "collection" "field" "change"] "Buckets that were split or merged, points that moved, records of dead points that were cleaned out";
    BucketBytesWritten: Counter "vector_db_collection_bucket_written_bytes" ["tenant" "collection" "field"] "Bytes of rows of buckets that were written";
    BucketBytesMaintained: Counter "vector_db_collection_bucket_maintained_bytes" ["tenant" "collection" "field"] "Those of them that splits, merges, moves and cleaning wrote";
    BucketBytesIngested: Counter "vector_db_collection_bucket_ingested_bytes" ["tenant" "collection" "field"] "Bytes of the vectors of points that were added";
    BucketsSearched: Counter "vector_db_collection_buckets_searched" ["tenant" "collection" "field"] "Buckets that searches have looked into";
    BucketsLoaded: Counter "vector_db_collection_buckets_loaded" ["tenant" "collection" "field"] "Buckets that were read from the storage for that";
    // The process.
    Build: Info "vector_db_build" ["version"] "The version of the server";
    DiskFree: Gauge "vector_db_data_dir_free_bytes" [] "Bytes that may still be written to the disk of data_dir";
    DiskSize: Gauge "vector_db_data_dir_size_bytes" [] "Bytes of the disk of data_dir";
    ProcessCpu: Counter "process_cpu_seconds" [] "Processor time used, user and system";
    ProcessResident: Gauge "process_resident_memory_bytes" [] "Memory in use";
    ProcessVirtual: Gauge "process_virtual_memory_bytes" [] "Address space in use";
    ProcessThreads: Gauge "process_threads" [] "Threads";
    ProcessFds: Gauge "process_open_fds" [] "Open file descriptors";
    ProcessFdsMax: Gauge "process_max_fds" [] "File descriptors that may be open";
    ProcessStart: Gauge "process_start_time_seconds" [] "When the process began, in seconds since 1970";
}

impl Family {
    /// Its name as queries have it; for a histogram, the part that its samples share.
    pub(crate) fn full_name(self) -> String {
        let name = self.name();
        match self.kind() {
            Kind::Counter => format!("{name}_total"),
            Kind::Info => format!("{name}_info"),
            Kind::Gauge | Kind::Histogram => name.to_owned(),
        }
    }
}

impl Family {
    /// Whether the figures of several collections make one of them together.
    pub(crate) fn adds_up(self) -> bool {
        let says_how = matches!(
            self,
            Family::FieldEffort
                | Family::FieldRecall
                | Family::FieldRecallAsked
                | Family::Staleness
                | Family::BucketDrift
        );
        self.kind() != Kind::Info && !says_how
    }
}

impl From<Kind> for MetricType {
    fn from(kind: Kind) -> MetricType {
        match kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
            Kind::Info => MetricType::Info,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const MANUAL: &str = include_str!("../../../../../docs/operations/observability.md");

    /// Files that name figures.
    const USERS: [(&str, &str); 2] = [
        (
            "the dashboard",
            include_str!("../../../../../deploy/grafana/aethervec.json"),
        ),
        (
            "the alerts",
            include_str!("../../../../../deploy/prometheus/alerts.yaml"),
        ),
    ];

    fn row(family: Family) -> String {
        let labels = family.labels().iter().map(|label| format!("`{label}`"));
        let labels: Vec<String> = labels.collect();
        format!(
            "| `{}` | {} | {} | {} |",
            family.full_name(),
            format!("{:?}", family.kind()).to_lowercase(),
            labels.join(", "),
            family.help()
        )
    }

    #[test]
    fn the_manual_has_all_figures_and_no_others() {
        let known: Vec<String> = Family::ALL.iter().map(|family| row(*family)).collect();
        let rows = MANUAL.lines();
        let rows: Vec<&str> = rows
            .filter(|line| line.starts_with("| `vector_db_") || line.starts_with("| `process_"))
            .collect();
        assert_eq!(rows, known, "the table should be:\n{}", known.join("\n"));
    }

    #[test]
    fn names_keep_to_the_conventions_and_are_there_once() {
        let mut names = BTreeSet::new();
        for family in Family::ALL {
            let name = family.name();
            assert!(names.insert(name), "{name} twice");
            assert!(
                !name.ends_with("_total") && !name.ends_with("_info"),
                "{name}"
            );
            assert!(!family.help().ends_with('.'), "{name}");
            if family.kind() == Kind::Histogram {
                assert!(name.ends_with("_seconds"), "{name}");
            }
        }
    }

    /// A dashboard of figures that nobody exports shows nothing, and nobody notices.
    #[test]
    fn dashboard_and_alerts_name_figures_that_are_there() {
        let known: BTreeSet<String> = Family::ALL
            .iter()
            .flat_map(|family| {
                let name = family.full_name();
                match family.kind() {
                    Kind::Histogram => ["bucket", "sum", "count"]
                        .map(|part| format!("{name}_{part}"))
                        .to_vec(),
                    Kind::Counter | Kind::Gauge | Kind::Info => vec![name],
                }
            })
            .collect();
        for (user, text) in USERS {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let words = text.split(|c| !is_part(c));
            let mut named = words
                .filter(|word| word.starts_with("vector_db_") || word.starts_with("process_"))
                .peekable();
            assert!(named.peek().is_some(), "{user} names nothing");
            for name in named {
                assert!(known.contains(name), "{user}: {name} is not exported");
            }
        }
    }
}
