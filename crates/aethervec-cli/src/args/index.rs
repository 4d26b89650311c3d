//! The index of a new collection: options of `create` and `import`.

use crate::failure::{Failure, Outcome};
use aethervec::{AutoParams, HnswParams, IndexConfig, IvfParams};
use clap::{Args, ValueEnum};

/// The index of a new collection.
#[derive(Clone, Debug, Args)]
pub(crate) struct Index {
    /// How documents are found [default: auto, or what the options below belong to]
    #[arg(long, value_enum)]
    pub(crate) index: Option<IndexName>,
    #[arg(long, value_name = "N", help = or_default(
        "hnsw: links per node. More: recall and memory rise",
        HnswParams::DEFAULT.m,
    ))]
    pub(crate) m: Option<u16>,
    #[arg(long, value_name = "N", help = or_default(
        "hnsw: candidates held while inserting. More: recall and build time rise",
        HnswParams::DEFAULT.ef_construction,
    ))]
    pub(crate) ef_construction: Option<u16>,
    #[arg(long, value_name = "N", help = or_default(
        "ivf, drift: points of a bucket, about. Fewer: less to look at for each search, but more centroids to compare with",
        IvfParams::DEFAULT.bucket_points,
    ))]
    pub(crate) bucket_points: Option<u16>,
    /// auto: memory for the index and its vectors, about: where the fastest index would take more, a smaller one is taken, or one
    /// that is in the database
    #[arg(long, value_name = "MIB")]
    pub(crate) index_memory: Option<u64>,
}

fn or_default(help: &str, default: u16) -> String {
    format!("{help} [default: {default}]")
}

impl Index {
    /// The options that were given, each with the index that it belongs to.
    fn given(&self) -> impl Iterator<Item = (&'static str, IndexName)> {
        let options = [
            ("--m", self.m.is_some(), IndexName::Hnsw),
            (
                "--ef-construction",
                self.ef_construction.is_some(),
                IndexName::Hnsw,
            ),
            (
                "--bucket-points",
                self.bucket_points.is_some(),
                IndexName::Ivf,
            ),
            (
                "--index-memory",
                self.index_memory.is_some(),
                IndexName::Auto,
            ),
        ];
        let given = options.into_iter().filter(|&(_, given, _)| given);
        given.map(|(option, _, index)| (option, index))
    }

    /// What all of it asks for.
    pub(crate) fn config(&self) -> Outcome<IndexConfig> {
        let first = self.given().next().map(|(_, index)| index);
        let index = self.index.or(first).unwrap_or(IndexName::Auto);
        let belongs = |other: IndexName| {
            other == index || (other, index) == (IndexName::Ivf, IndexName::Drift)
        };
        if let Some((option, other)) = self.given().find(|&(_, other)| !belongs(other)) {
            return Err(Failure::invalid(format!(
                "{option} belongs to --index {}, not to {}",
                other.name(),
                index.name()
            )));
        }
        Ok(match index {
            IndexName::Auto => IndexConfig::Auto(AutoParams {
                memory_bytes_max: self.index_memory.map(|mib| mib.saturating_mul(1 << 20)),
            }),
            IndexName::Hnsw => IndexConfig::Hnsw(HnswParams {
                m: self.m.unwrap_or(HnswParams::DEFAULT.m),
                ef_construction: self
                    .ef_construction
                    .unwrap_or(HnswParams::DEFAULT.ef_construction),
            }),
            IndexName::Ivf => IndexConfig::Ivf(IvfParams {
                bucket_points: self
                    .bucket_points
                    .unwrap_or(IvfParams::DEFAULT.bucket_points),
            }),
            IndexName::Drift => IndexConfig::Drift(IvfParams {
                bucket_points: self
                    .bucket_points
                    .unwrap_or(IvfParams::DEFAULT.bucket_points),
            }),
            IndexName::Flat => IndexConfig::Flat,
        })
    }
}

/// How documents are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum IndexName {
    /// What suits the vectors: an exact scan of few, then buckets or a graph. `info` tells which, and why
    Auto,
    /// A graph: approximate and fast
    Hnsw,
    /// Buckets of short codes: approximate, smaller and sooner built
    Ivf,
    /// Buckets in the database itself, which maintain themselves: for more vectors than memory holds
    Drift,
    /// None: each search compares with every vector
    Flat,
}

impl IndexName {
    fn name(self) -> &'static str {
        match self {
            IndexName::Auto => "auto",
            IndexName::Hnsw => "hnsw",
            IndexName::Ivf => "ivf",
            IndexName::Drift => "drift",
            IndexName::Flat => "flat",
        }
    }
}
