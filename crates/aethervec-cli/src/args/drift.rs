//! What `drift-sim` plays. Every text here is read by users.

use super::{MetricName, at_most};
use crate::drift::player::FIXED;
use crate::drift::scenario::ScenarioName;
use aethervec::IndexConfig;
use aethervec::limits::DIM_MAX;
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Let indexes live through changing data, and draw how they age
///
/// A scenario is played window by window against each index: points are added and deleted, then recall against exact search, latencies,
/// buckets scanned and bytes written are measured. An index with fixed centroids is there for comparison: it is tuned at the
/// beginning, and has no upkeep. Pictures (PNG), a page (drift-sim.html) and all records (records.jsonl) are written.
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec drift-sim"
    "aethervec drift-sim --scenario paper,steady --index ivf,fixed --points 20000"
    "aethervec drift-sim --scenario by-source --data base.npy --labels source.npy --metric cosine"
    "aethervec drift-sim --scenario paper --export ./scenarios     # for other programs to play"
    "aethervec drift-sim --scenario paper --with others.jsonl      # draw their records, too"
))]
pub(crate) struct DriftSim {
    /// What happens to the points
    #[arg(
        long,
        value_name = "NAME,…|all",
        value_delimiter = ',',
        default_value = "all",
        value_parser = scenarios(),
        help = "What happens to the points [default: all]",
        hide_default_value = true
    )]
    pub(crate) scenario: Vec<String>,
    /// Indexes that play: those of collections, and fixed [default: all but flat and auto]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = indexes())]
    pub(crate) index: Vec<String>,
    /// Points at the beginning
    #[arg(long, value_name = "N", default_value_t = 4_000, value_parser = at_most(10_000_000))]
    pub(crate) points: usize,
    /// Components of vectors that are made up
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = at_most(DIM_MAX), conflicts_with = "data")]
    pub(crate) dimension: usize,
    /// Windows behind the first one
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = at_most(1_000))]
    pub(crate) windows: usize,
    /// Queries of each window
    #[arg(long, value_name = "N", default_value_t = 4_000, value_parser = at_most(100_000))]
    pub(crate) queries: usize,
    /// Neighbours per query
    #[arg(short, value_name = "K", default_value_t = 10, value_parser = at_most(1_000))]
    pub(crate) k: usize,
    /// Share of the true neighbours that indexes are asked for
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    pub(crate) recall: f32,
    /// All that is random follows from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// File of vectors to take instead of made-up ones, in any format that import reads
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// With --data: the source of each row, a NumPy array of numbers
    #[arg(long, value_name = "FILE", requires = "data")]
    pub(crate) labels: Option<PathBuf>,
    /// How vectors are compared: l2 or cosine
    #[arg(long, value_enum, default_value = "l2")]
    pub(crate) metric: MetricName,
    /// Directory for pictures, page and records
    #[arg(long, value_name = "DIR", default_value = "drift-sim")]
    pub(crate) out: PathBuf,
    /// Write the scenarios as files instead of playing them
    #[arg(long, value_name = "DIR")]
    pub(crate) export: Option<PathBuf>,
    /// Records of other programs that have played the same scenarios: drawn, too
    #[arg(long, value_name = "FILE")]
    pub(crate) with: Vec<PathBuf>,
}

/// Each index that plays unless some are named: all that a collection may be declared with, but what is exact or chosen by itself.
pub(crate) fn default_indexes() -> impl Iterator<Item = &'static str> {
    let names = IndexConfig::NAMES.into_iter();
    let approximate = names.filter(|name| !["auto", "flat"].contains(name));
    approximate.chain([FIXED])
}

fn scenarios() -> PossibleValuesParser {
    let scenarios = ScenarioName::value_variants().iter();
    let names = scenarios.filter_map(ScenarioName::to_possible_value);
    names.chain(["all".into()]).collect::<Vec<_>>().into()
}

fn indexes() -> PossibleValuesParser {
    IndexConfig::NAMES.into_iter().chain([FIXED]).into()
}
