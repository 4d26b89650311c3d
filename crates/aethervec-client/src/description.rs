//! What a server says of a collection.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A collection, and how it fares.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its fields, as JSON has them: `{"fields": {"": {"kind": "dense", "dim": 384, …}}}`.
    pub schema: Value,
    /// How many documents it has.
    pub documents: u64,
    /// Its indexes of payloads.
    pub payload_indexes: Vec<DescribedIndex>,
    /// Where its vector indexes stand.
    pub index: IndexState,
}

/// An index of payloads.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct DescribedIndex {
    /// What it indexes.
    pub path: String,
    /// What it keeps.
    pub kind: String,
    /// Whether filters use it.
    pub ready: bool,
    /// Points that are still to be looked at.
    pub left: u64,
}

/// Where the vector indexes of a collection stand.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct IndexState {
    /// Points that wait to be moved into an index; they are found all the same.
    pub pending: u64,
    /// Points in an index, counted in each field.
    pub indexed: u64,
    /// Points that are searched exactly.
    pub scanned: u64,
    /// Points of deleted or replaced documents that are not purged yet.
    pub dead: u64,
    /// Bytes of the indexes in memory.
    pub memory_bytes: u64,
    /// Why the last background step failed.
    #[serde(default)]
    pub error: Option<String>,
    /// Why a saved index cannot be used.
    #[serde(default)]
    pub damage: Option<String>,
    /// How the vectors of each dense field are found.
    pub dense: BTreeMap<String, DenseState>,
}

/// How the vectors of a dense field are found.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct DenseState {
    /// `scan`, `graph` or `buckets`.
    pub family: String,
    /// What takes its place as soon as it is built.
    #[serde(default)]
    pub next: Option<String>,
    /// Why it is this family, or the next one.
    pub why: String,
    /// What is kept of each vector in memory.
    pub codes: String,
    /// How many candidates a search for ten holds that asks for no effort and no recall.
    pub effort: usize,
    /// The recall that searches get which ask for one, measured; `None` before enough of them have.
    #[serde(default)]
    pub recall: Option<RecallState>,
}

/// How well a recall that is asked for is kept.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct RecallState {
    /// What was asked for last.
    pub asked: f32,
    /// The mean share of the exact answers that such searches find.
    pub found: f32,
    /// Of how many queries, the latest ones that were answered both ways.
    pub queries: usize,
}
