//! `aidb bench`: simple workloads, each operation timed.

use crate::args::aidb::{Bench, Workload};
use crate::commands::Stopwatch;
use crate::commands::search::percentile;
use crate::failure::{Failure, Outcome};
use crate::human;
use crate::interrupt::Polite;
use crate::output::Output;
use crate::progress::{Progress, Unit};
use aidb::{DB, Durability, Keyspace, Options, WriteBatch};
use clap::ValueEnum;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// Puts per commit of the workload `batch`.
const BATCH: u64 = 1_000;
/// Entries that `seek` reads.
const SEEK: u64 = 51;
/// Commits that wait for the disk: each takes long.
const SYNCS: u64 = 500;
/// Operations between two looks at the clock of the progress bar, and at Ctrl-C.
const STEP: u64 = 4_096;

/// `aethervec aidb bench`.
pub(super) fn run(out: Output, path: &Path, args: &Bench) -> Outcome {
    if path.exists() {
        return Err(Failure::invalid(format!(
            "{} exists: --path DIR names a directory that does not, and that is deleted afterwards",
            path.display()
        )));
    }
    let options = Options {
        memory_bytes: args.memory_mib << 20,
        durability: Durability::Buffered,
        ..Options::DEFAULT
    };
    let db = DB::open(path, options)?;
    let measured = measure_all(out, &db, args);
    let closed = db.close();
    if !args.keep {
        std::fs::remove_dir_all(path)
            .map_err(|error| Failure::failed(format!("delete {}: {error}", path.display())))?;
    }
    measured?;
    Ok(closed?)
}

fn measure_all(out: Output, db: &DB, args: &Bench) -> Outcome {
    let polite = Polite::begin();
    let wanted: Vec<Workload> = Workload::value_variants()
        .iter()
        .copied()
        .filter(|workload| args.only.is_empty() || args.only.contains(workload))
        .collect();
    let bench = Measurement {
        db,
        keyspace: db.default_keyspace(),
        keys: args.keys,
        value: incompressible(args.value_bytes as usize),
    };
    let needs_keys = |workload: &Workload| !matches!(workload, Workload::Fill | Workload::Batch);
    if !wanted.contains(&Workload::Fill) && wanted.iter().any(needs_keys) {
        bench.measure(Workload::Batch, &polite)?;
    }
    let head = [
        "workload",
        "operations",
        "per second",
        "p50",
        "p99",
        "p99.9",
        "longest",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for workload in wanted {
        let mut measured = bench.measure(workload, &polite)?;
        let name = workload
            .to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned());
        measured.times.sort_unstable();
        let at = |share| percentile(&measured.times, share);
        let longest = measured.times.last().copied().unwrap_or_default();
        out.object(&json!({
            "workload": name,
            "operations": measured.operations,
            "per_second": measured.operations as f64 / measured.took.as_secs_f64().max(1e-9),
            "p50_us": micros(at(0.5)),
            "p99_us": micros(at(0.99)),
            "p999_us": micros(at(0.999)),
            "max_us": micros(longest),
        }));
        let mut row = vec![
            name,
            human::count(measured.operations),
            human::rate(measured.operations, measured.took)
                .trim_end_matches("/s")
                .to_owned(),
        ];
        row.extend([at(0.5), at(0.99), at(0.999), longest].map(human::duration));
        rows.push(row);
    }
    out.table(&rows);
    Ok(())
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// What one workload came to.
struct Measured {
    operations: u64,
    took: Duration,
    /// Of each call.
    times: Vec<Duration>,
}

struct Measurement<'a> {
    db: &'a DB,
    keyspace: Keyspace,
    keys: u64,
    value: Vec<u8>,
}

impl Measurement<'_> {
    fn measure(&self, workload: Workload, polite: &Polite) -> Outcome<Measured> {
        let (keys, keyspace) = (self.keys, &self.keyspace);
        match workload {
            Workload::Fill => {
                self.each(
                    keys,
                    polite,
                    |i| Ok(keyspace.put(self.key(i), &self.value)?),
                )
            }
            Workload::Overwrite => self.each(keys, polite, |i| {
                Ok(keyspace.put(self.any_key(i), &self.value)?)
            }),
            Workload::Batch => {
                let mut measured = self.each(keys.div_ceil(BATCH), polite, |i| self.batch(i))?;
                measured.operations = keys;
                Ok(measured)
            }
            Workload::Get => self.each(keys, polite, |i| self.expect(self.any_key(i), true)),
            Workload::Missing => self.each(keys, polite, |i| {
                self.expect(missing(self.any_key(i)), false)
            }),
            Workload::Seek => self.each((keys / 10).max(1), polite, |i| self.seek(self.any_key(i))),
            Workload::Scan => self.scan(polite),
            Workload::Sync => self.each(SYNCS, polite, |i| {
                let mut batch = WriteBatch::new();
                batch.put(keyspace, self.any_key(i), &self.value);
                self.db.write(batch, Durability::Sync)?;
                Ok(())
            }),
        }
    }

    fn each(
        &self,
        count: u64,
        polite: &Polite,
        mut operation: impl FnMut(u64) -> Outcome,
    ) -> Outcome<Measured> {
        let progress = Progress::begin("bench", Some(count), Unit::Items);
        let mut times = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        let watch = Stopwatch::start();
        let mut last = Duration::ZERO;
        for i in 0..count {
            operation(i)?;
            let now = watch.elapsed();
            times.push(now - last);
            last = now;
            if i % STEP == 0 {
                progress.set(i);
                stop_if_asked(polite)?;
            }
        }
        Ok(Measured {
            operations: count,
            took: last,
            times,
        })
    }

    fn batch(&self, number: u64) -> Outcome {
        let mut batch = WriteBatch::new();
        for i in number * BATCH..((number + 1) * BATCH).min(self.keys) {
            batch.put(&self.keyspace, self.key(i), &self.value);
        }
        self.db.write(batch, Durability::Buffered)?;
        Ok(())
    }

    fn expect(&self, key: [u8; 16], there: bool) -> Outcome {
        if self.keyspace.get(key)?.is_some() == there {
            return Ok(());
        }
        let shown = key.escape_ascii();
        Err(Failure::failed(format!(
            "the key {shown} should be there: {there}"
        )))
    }

    fn seek(&self, from: [u8; 16]) -> Outcome {
        let mut entries = self.keyspace.range(from..);
        for _ in 0..SEEK {
            if entries.try_next()?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn scan(&self, polite: &Polite) -> Outcome<Measured> {
        let watch = Stopwatch::start();
        let mut entries = self.keyspace.iter();
        let mut operations = 0;
        while entries.try_next()?.is_some() {
            operations += 1;
            if operations % STEP == 0 {
                stop_if_asked(polite)?;
            }
        }
        let took = watch.elapsed();
        Ok(Measured {
            operations,
            took,
            times: vec![took],
        })
    }

    /// The `i`-th key; their order is random, and no two are equal.
    fn key(&self, i: u64) -> [u8; 16] {
        let mut key = [b'k'; 16];
        key[..8].copy_from_slice(&spread(i).to_be_bytes());
        key
    }

    /// One of the keys, by chance.
    fn any_key(&self, i: u64) -> [u8; 16] {
        self.key(spread(i ^ 0x5bd1_e995) % self.keys)
    }
}

fn missing(mut key: [u8; 16]) -> [u8; 16] {
    key[15] = b'!';
    key
}

/// A bijection that looks random (the finisher of splitmix64).
fn spread(i: u64) -> u64 {
    let i = (i ^ (i >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let i = (i ^ (i >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    i ^ (i >> 31)
}

fn incompressible(bytes: usize) -> Vec<u8> {
    let words = (1_u64..).flat_map(|i| spread(i).to_le_bytes());
    words.take(bytes).collect()
}

fn stop_if_asked(polite: &Polite) -> Outcome {
    if polite.requested() {
        return Err(Failure::interrupted("stopped"));
    }
    Ok(())
}
