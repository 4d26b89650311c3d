//! The kinds of queries: how a stage scores and orders documents.

use super::expression::Formula;
use super::input::Input;
use crate::filter::Path;
use serde::{Deserialize, Serialize};

/// How a stage scores and orders documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Query {
    /// Nearest to a vector, or to that of a document. Scores are those of the field's metric.
    Nearest(Input),
    /// Near to a vector, and different from each other.
    Mmr(Mmr),
    /// Like some examples, and unlike others. Greater scores are better.
    Recommend(Recommend),
    /// Nearest to a target, in the part of space that pairs of examples mark out. Greater scores are better.
    Discover(Discover),
    /// In the part of space that pairs of examples mark out: nearer to the first of each pair. Scores are 0 or less, greater ones
    /// are better.
    Context(Vec<ContextPair>),
    /// With these words, by BM25: rare words count more, and so do many in a short text. Greater scores are better.
    Text(TextQuery),
    /// What several prefetches have found, by *reciprocal rank fusion*: the sum of `weight / (k + rank)`, where ranks
    /// begin at 1.
    Rrf(Rrf),
    /// What several prefetches have found, by *distribution-based score fusion*: the sum of their scores, each scaled by mean and
    /// deviation of its prefetch so that three deviations around the mean become 0 to 1.
    Dbsf(Dbsf),
    /// By a formula over scores and payload. Greater values are better.
    Formula(Formula),
    /// By a value in the payload; documents without one are left out.
    OrderBy(OrderBy),
    /// A random choice, the same for the same seed.
    Sample(Sample),
}

/// What [`Query::Mmr`] asks for: *maximal marginal relevance*.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mmr {
    /// What hits shall be near to.
    pub nearest: Input,
    /// 0: only nearness counts; 1: only difference from the hits before does.
    #[serde(default = "half")]
    pub diversity: f64,
    /// How many of the nearest documents are chosen from; at least as many as are wanted are.
    #[serde(default = "mmr_candidates")]
    pub candidates: usize,
}

/// What [`Query::Recommend`] asks for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recommend {
    /// What hits shall be like.
    pub positive: Vec<Input>,
    /// What they shall be unlike.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub negative: Vec<Input>,
    /// How examples become one score.
    pub strategy: RecommendStrategy,
}

/// How the examples of a [`Recommend`] become one score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecommendStrategy {
    /// Nearest to the mean of the positive examples, moved away from the mean of the negative ones by as much as these
    /// differ. Fast; needs a dense field and a positive example.
    #[default]
    AverageVector,
    /// By the most similar example: its similarity if that is a positive one, and less than any such if it is a negative
    /// one.
    BestScore,
    /// The sum of the similarities to the positive examples, less those to the negative ones.
    SumScores,
}

/// What [`Query::Discover`] asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discover {
    /// What hits shall be near to.
    pub target: Input,
    /// The pairs that count first: the more of them a hit is on the right side of, the better.
    #[serde(default)]
    pub context: Vec<ContextPair>,
}

/// Two examples: hits shall be more similar to the first one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextPair {
    /// The one to be near to.
    pub positive: Input,
    /// The one to be far from.
    pub negative: Input,
}

/// What [`Query::Text`] asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextQuery {
    /// Where the texts are.
    pub path: Path,
    /// The words.
    pub words: String,
    /// As [`TextTest::fold`](crate::TextTest::fold).
    #[serde(default)]
    pub fold: bool,
}

/// What [`Query::Rrf`] asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rrf {
    /// The greater, the less do first ranks stand out.
    pub k: f64,
    /// One for each prefetch; none: all count the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<f64>,
}

/// What [`Query::Dbsf`] asks for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dbsf {
    /// One for each prefetch; none: all count the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<f64>,
}

/// What [`Query::OrderBy`] asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderBy {
    /// Where the values are. Of an array's elements the one that comes first in this order counts.
    pub path: Path,
    /// Which way.
    #[serde(default)]
    pub direction: Direction,
    /// Whether strings are moments, in RFC 3339; then nothing else counts.
    #[serde(default)]
    pub datetime: bool,
}

/// Which way an order goes. Booleans come before numbers, and these before strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The smallest first.
    #[default]
    Asc,
    /// The greatest first.
    Desc,
}

/// What [`Query::Sample`] asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sample {
    /// Another seed, another choice.
    pub seed: u64,
}

impl Query {
    /// What it is called where it is written as JSON.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Query::Nearest(_) => "nearest",
            Query::Mmr(_) => "mmr",
            Query::Recommend(_) => "recommend",
            Query::Discover(_) => "discover",
            Query::Context(_) => "context",
            Query::Text(_) => "text",
            Query::Rrf(_) => "rrf",
            Query::Dbsf(_) => "dbsf",
            Query::Formula(_) => "formula",
            Query::OrderBy(_) => "order_by",
            Query::Sample(_) => "sample",
        }
    }

    /// Nearest to a vector, or to that of a document ([`Input::id`]).
    pub fn nearest(input: impl Into<Input>) -> Query {
        Query::Nearest(input.into())
    }

    /// With these words at `path`, by BM25.
    pub fn text(path: impl Into<Path>, words: impl Into<String>) -> Query {
        Query::Text(TextQuery {
            path: path.into(),
            words: words.into(),
            fold: false,
        })
    }

    /// Reciprocal rank fusion, with the customary constant.
    pub fn rrf() -> Query {
        Query::Rrf(Rrf::default())
    }

    /// Distribution-based score fusion.
    pub fn dbsf() -> Query {
        Query::Dbsf(Dbsf::default())
    }

    /// By the value at `path`.
    pub fn order_by(path: impl Into<Path>, direction: Direction) -> Query {
        Query::OrderBy(OrderBy {
            path: path.into(),
            direction,
            datetime: false,
        })
    }

    /// A random choice.
    pub fn sample(seed: u64) -> Query {
        Query::Sample(Sample { seed })
    }
}

impl Default for Rrf {
    fn default() -> Self {
        Rrf {
            k: 60.0,
            weights: Vec::new(),
        }
    }
}

fn half() -> f64 {
    0.5
}

fn mmr_candidates() -> usize {
    100
}
