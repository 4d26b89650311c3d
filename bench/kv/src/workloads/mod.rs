//! The workloads. Each is one run of this program, on one engine, from an empty directory, and prints a line per phase.

mod append;
mod crash;
mod pause;
mod read;
mod space;
mod sync;
mod write;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::data::{Permutation, Values, key};
use crate::engine::{Engine, Key, Session, Settings};
use crate::engines;
use crate::measure::Latencies;

/// Puts that one batch holds.
const BATCH_ENTRIES: u64 = 1000;

/// What one run is asked to do.
#[derive(Clone, Debug)]
pub struct Run {
    /// See [`engines::NAMES`].
    pub engine: String,
    pub settings: Settings,
    /// Keys.
    pub keys: u64,
    pub value_bytes: usize,
    /// How long a phase without an end of its own goes on.
    pub seconds: f64,
}

impl Run {
    /// Does the workload `name`, and leaves nothing behind.
    pub fn workload(&self, name: &str) -> Result<(), String> {
        match name {
            "fillseq" => write::in_order(self),
            "write" => write::at_random(self),
            "values" => write::large_values(self),
            "read" => read::hot(self),
            "cold" => read::cold(self),
            "append" => append::lists(self),
            "sync" => sync::commits(self),
            "threads" => sync::unsynced(self),
            "crash" => crash::open_after(self),
            "crash-child" => crash::fill_and_die(self),
            "pause" => pause::longest(self),
            "space" => space::amplification(self),
            _ => return Err(format!("there is no workload {name}")),
        }
        self.remove();
        Ok(())
    }

    fn open(&self) -> Box<dyn Engine> {
        let engine = engines::open(&self.engine, &self.settings);
        let settings = &self.settings;
        let line = json!({
            "phase": "settings",
            "describe": engine.describe(),
            "keys": self.keys,
            "value_bytes": self.value_bytes,
            "cache_mib": settings.cache_bytes >> 20,
            "write_buffer_mib": settings.write_buffer_bytes >> 20,
            "block_bytes": settings.block_bytes,
            "background_threads": settings.background_threads,
            "separate_values": settings.separate_values,
        });
        println!("{line}");
        engine
    }

    /// The engine in a directory that is empty.
    fn open_empty(&self) -> Box<dyn Engine> {
        self.remove();
        self.open()
    }

    fn remove(&self) {
        // Nothing to remove is as good.
        let _ = std::fs::remove_dir_all(&self.settings.directory);
    }

    fn with(&self, change: impl FnOnce(&mut Settings)) -> Run {
        let mut run = self.clone();
        change(&mut run.settings);
        run
    }

    fn directory(&self) -> &PathBuf {
        &self.settings.directory
    }

    fn values(&self) -> Values {
        Values::new(self.value_bytes)
    }

    /// Bytes of keys and values when all keys are there.
    fn live_bytes(&self) -> u64 {
        self.bytes_of(self.keys)
    }

    fn bytes_of(&self, entries: u64) -> u64 {
        entries * (16 + self.value_bytes as u64)
    }
}

/// Puts all keys, in random order, in batches.
fn load(run: &Run, session: &mut dyn Session) {
    let (values, order) = (run.values(), Permutation::new(run.keys));
    for start in (0..run.keys).step_by(BATCH_ENTRIES as usize) {
        let numbers = start..run.keys.min(start + BATCH_ENTRIES);
        let entries: Vec<(Key, &[u8])> =
            numbers.map(|i| (key(order.at(i)), values.at(i))).collect();
        session.batch(&entries);
    }
}

/// Calls `operation(0)`, `operation(1)` and so on, `count` times, and times each.
fn time_each(count: u64, mut operation: impl FnMut(u64)) -> Latencies {
    let mut latencies = Latencies::new();
    let mut last = Instant::now();
    for i in 0..count {
        operation(i);
        let now = Instant::now();
        latencies.add(now - last);
        last = now;
    }
    latencies
}

/// Calls `operation` for `seconds`, and times one of `every`; how often it was called.
fn time_for(seconds: f64, every: u64, mut operation: impl FnMut(u64)) -> (u64, Latencies) {
    let mut latencies = Latencies::new();
    let start = Instant::now();
    let limit = Duration::from_secs_f64(seconds);
    let mut i = 0;
    loop {
        for _ in 1..every {
            operation(i);
            i += 1;
        }
        let before = Instant::now();
        operation(i);
        i += 1;
        let now = Instant::now();
        latencies.add(now - before);
        if now - start >= limit {
            return (i, latencies);
        }
    }
}
