//! What is measured at the end of a window.

use crate::failure::{Failure, Outcome};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// An index at the end of a window of a scenario. What an index does not tell is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) scenario: String,
    pub(crate) index: String,
    /// The first one is 0: the index as it was filled.
    pub(crate) window: usize,
    /// How many points there are.
    pub(crate) points: usize,
    /// In this window.
    pub(crate) added: usize,
    /// In this window.
    pub(crate) deleted: usize,
    /// The share of the nearest points that was found, of those that exact search finds.
    pub(crate) recall: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Of one query, on average.
    pub(crate) buckets_scanned: Option<f64>,
    /// Points that moved to another bucket, since the beginning.
    pub(crate) moves: Option<u64>,
    /// Since the beginning.
    pub(crate) splits: Option<u64>,
    /// Since the beginning.
    pub(crate) merges: Option<u64>,
    /// Bytes written to the storage for each byte of a vector that was added, since the beginning.
    pub(crate) write_amplification: Option<f64>,
    /// Of the calls that added and deleted.
    pub(crate) write_s: f64,
    /// Until the index had taken all of it over.
    pub(crate) settle_s: f64,
}

/// Records of a file of JSON lines, as `--json` prints them; other lines do not count.
pub(crate) fn read(path: &Path) -> Outcome<Vec<Record>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(&name, &error))?;
    let records: Vec<Record> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    match records.is_empty() {
        true => Err(Failure::invalid(format!("{name}: no records of drift-sim"))),
        false => Ok(records),
    }
}
