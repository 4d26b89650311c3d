//! Statistics in the text format of Prometheus: version 0.0.4, which OpenMetrics readers understand too.
//!
//! Names begin with `aidb_`; counters end with `_total`, sizes with `_bytes`, times with `_seconds`. Labels: `keyspace`
//! and `level`.

use std::fmt::Write;

use super::{PAUSE_BOUNDS_MICROS, Stats};

impl Stats {
    /// These figures as text that Prometheus scrapes.
    ///
    /// ```
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let db = aidb::DB::open(directory.path(), aidb::Options::default()).unwrap();
    /// let text = db.stats().to_prometheus();
    /// assert!(text.contains("aidb_commits_total 0"));
    /// ```
    pub fn to_prometheus(&self) -> String {
        let mut text = Text::default();
        self.put_memory(&mut text);
        self.put_work(&mut text);
        self.put_pauses(&mut text);
        self.put_tables(&mut text);
        text.0
    }

    fn put_memory(&self, text: &mut Text) {
        text.gauge(
            "memtable_bytes",
            "Memory of all memtables.",
            self.memtable_bytes,
        );
        text.gauge(
            "sealed_memtables",
            "Memtables that wait for their flush.",
            self.sealed_memtables,
        );
        text.gauge(
            "table_memory_bytes",
            "Memory of indexes and filters of tables.",
            self.table_memory_bytes,
        );
        text.gauge(
            "cache_bytes",
            "Memory of the block cache.",
            self.cache.bytes,
        );
        text.counter(
            "cache_hits_total",
            "Blocks found in the cache.",
            self.cache.hits,
        );
        text.counter(
            "cache_misses_total",
            "Blocks read because they were not in the cache.",
            self.cache.misses,
        );
        text.gauge(
            "wal_bytes",
            "Bytes of the logs that an open would replay.",
            self.wal_bytes,
        );
        text.gauge("table_bytes", "Bytes of all tables.", self.table_bytes);
        text.gauge(
            "value_files",
            "Files of values apart from their keys.",
            self.value_files,
        );
        text.gauge(
            "value_file_bytes",
            "Bytes of value files.",
            self.value_file_bytes,
        );
        text.gauge(
            "value_garbage_bytes",
            "Bytes of value files that no table refers to.",
            self.value_garbage_bytes,
        );
        text.gauge("attachments", "Registered attachments.", self.attachments);
        text.gauge(
            "attachment_bytes",
            "Bytes of attachments.",
            self.attachment_bytes,
        );
        text.gauge("snapshots", "Live snapshots.", self.snapshots);
    }

    fn put_work(&self, text: &mut Text) {
        text.counter("commits_total", "Batches committed.", self.commits);
        text.counter("writes_total", "Changes of keys committed.", self.writes);
        text.counter(
            "logged_bytes_total",
            "Bytes written to logs.",
            self.bytes_logged,
        );
        text.counter(
            "syncs_total",
            "Syncs of logs for durable writes.",
            self.syncs,
        );
        text.counter("flushes_total", "Memtables flushed.", self.flushes);
        text.counter(
            "flushed_bytes_total",
            "Bytes of tables that flushes wrote.",
            self.bytes_flushed,
        );
        text.counter(
            "compactions_total",
            "Compactions, moves included.",
            self.compactions,
        );
        text.counter(
            "compacted_bytes_total",
            "Bytes of tables that compactions wrote.",
            self.bytes_compacted,
        );
        text.gauge(
            "compaction_debt_bytes",
            "Bytes that compactions still have to read and write, about.",
            self.compaction_debt_bytes,
        );
        text.gauge(
            "flush_failing",
            "1 after a failed flush, until one succeeds.",
            u64::from(self.flush_error.is_some()),
        );
        text.gauge(
            "compaction_failing",
            "1 after a failed compaction, until one succeeds.",
            u64::from(self.compaction_error.is_some()),
        );
        let of_levels = |figure: fn(&super::LevelWork) -> u64| {
            let levels = self.work.iter().enumerate();
            levels.map(move |(level, work)| (format!("level=\"{level}\""), figure(work)))
        };
        text.family(
            "level_read_bytes_total",
            "counter",
            "Bytes that compactions into a level read.",
            of_levels(|work| work.bytes_read),
        );
        text.family(
            "level_written_bytes_total",
            "counter",
            "Bytes of tables that were written to a level.",
            of_levels(|work| work.bytes_written),
        );
        text.family(
            "level_moved_bytes_total",
            "counter",
            "Bytes of tables that came to a level without being rewritten.",
            of_levels(|work| work.bytes_moved),
        );
    }

    fn put_pauses(&self, text: &mut Text) {
        text.counter(
            "write_slowdowns_total",
            "Writes that were slowed down because the background had fallen behind.",
            self.slowdowns,
        );
        text.counter(
            "write_stalls_total",
            "Writes that had to wait for a flush or a compaction.",
            self.stalls,
        );
        text.head(
            "write_pause_seconds",
            "histogram",
            "Sleeps and waits of writes for the background.",
        );
        let mut total = 0;
        for (count, bound) in self.pauses.iter().zip(PAUSE_BOUNDS_MICROS) {
            total += count;
            let bound = seconds(bound);
            let labels = format!("le=\"{bound}\"");
            text.sample("write_pause_seconds_bucket", &labels, total);
        }
        total += self.pauses[PAUSE_BOUNDS_MICROS.len()];
        text.sample("write_pause_seconds_bucket", "le=\"+Inf\"", total);
        text.sample("write_pause_seconds_sum", "", seconds(self.stall_micros));
        text.sample("write_pause_seconds_count", "", total);
        text.head(
            "write_pause_longest_seconds",
            "gauge",
            "The longest of them since the opening.",
        );
        let longest = seconds(self.longest_stall_micros);
        text.sample("write_pause_longest_seconds", "", longest);
    }

    fn put_tables(&self, text: &mut Text) {
        let of_levels = |figure: fn(&super::LevelStats) -> u64| {
            self.keyspaces.iter().flat_map(move |keyspace| {
                let name = escape(&keyspace.name);
                let levels = keyspace.levels.iter().enumerate();
                levels.map(move |(level, stats)| {
                    let labels = format!("keyspace=\"{name}\",level=\"{level}\"");
                    (labels, figure(stats))
                })
            })
        };
        text.family(
            "level_tables",
            "gauge",
            "Tables of a level.",
            of_levels(|level| level.tables),
        );
        text.family(
            "level_runs",
            "gauge",
            "Runs of tables that a read looks at.",
            of_levels(|level| level.runs),
        );
        text.family(
            "level_bytes",
            "gauge",
            "Bytes of the tables of a level.",
            of_levels(|level| level.bytes),
        );
        text.family(
            "level_entries",
            "gauge",
            "Entries of a level, old versions and tombstones included.",
            of_levels(|level| level.entries),
        );
        text.family(
            "level_tombstones",
            "gauge",
            "Entries of a level that delete a key.",
            of_levels(|level| level.tombstones),
        );
    }
}

/// The text so far.
#[derive(Default)]
struct Text(String);

impl Text {
    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "gauge", help, [(String::new(), value)]);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help, [(String::new(), value)]);
    }

    fn family(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        samples: impl IntoIterator<Item = (String, u64)>,
    ) {
        self.head(name, kind, help);
        for (labels, value) in samples {
            self.sample(name, &labels, value);
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(
            self.0,
            "# HELP aidb_{name} {help}\n# TYPE aidb_{name} {kind}"
        );
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = match labels {
            "" => writeln!(self.0, "aidb_{name} {value}"),
            _ => writeln!(self.0, "aidb_{name}{{{labels}}} {value}"),
        };
    }
}

/// The value of a label between its quotes.
fn escape(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    value.replace('\n', "\\n")
}

#[expect(clippy::cast_precision_loss, reason = "seconds, about")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::super::{KeyspaceStats, LevelStats};
    use super::*;
    use std::collections::BTreeSet;

    fn sample() -> Stats {
        Stats {
            commits: 7,
            stall_micros: 1_500_000,
            pauses: [1, 0, 2, 0, 0, 3, 4],
            keyspaces: vec![KeyspaceStats {
                name: "a \"b\"\\\n{c}".to_owned(),
                levels: vec![LevelStats {
                    tables: 3,
                    ..LevelStats::default()
                }],
            }],
            ..Stats::default()
        }
    }

    #[test]
    fn figures_and_labels_are_there_once() {
        let text = sample().to_prometheus();
        for line in [
            "aidb_commits_total 7",
            "aidb_level_tables{keyspace=\"a \\\"b\\\"\\\\\\n{c}\",level=\"0\"} 3",
            "aidb_write_pause_seconds_bucket{le=\"0.0005\"} 1",
            "aidb_write_pause_seconds_bucket{le=\"0.005\"} 3",
            "aidb_write_pause_seconds_bucket{le=\"1\"} 6",
            "aidb_write_pause_seconds_bucket{le=\"+Inf\"} 10",
            "aidb_write_pause_seconds_count 10",
            "aidb_write_pause_seconds_sum 1.5",
            "aidb_level_written_bytes_total{level=\"6\"} 0",
        ] {
            assert_eq!(
                text.lines().filter(|found| *found == line).count(),
                1,
                "{line}\n{text}"
            );
        }
    }

    /// What a reader of the format insists on: each family has its head once, before its samples; each line is a name,
    /// labels and a number.
    #[test]
    fn the_text_keeps_to_the_format() {
        let text = sample().to_prometheus();
        assert!(text.ends_with('\n'));
        let mut heads = BTreeSet::new();
        let mut family = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(["gauge", "counter", "histogram"].contains(&kind));
                assert!(kind != "counter" || name.ends_with("_total"));
                assert!(heads.insert(name), "{name} twice");
                family = name;
            } else if let Some(rest) = line.strip_prefix("# HELP ") {
                assert!(rest.starts_with("aidb_"));
            } else {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                assert!(sample.starts_with(family), "{line} under {family}");
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
    }
}
