//! What can be asked of a collection's documents. Every text here is read by users.

use super::at_most;
use aethervec::limits::{EF_MAX, FACET_LIMIT_MAX, K_MAX};
use aethervec::{Cursor, Filter, PayloadIndexKind};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Find the documents nearest to a vector, to a stored document, or to each vector of a file
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec search passages --vector 0.1,0.2,0.3"
    "aethervec search passages --id 42 -k 5            # without document 42 itself"
    "aethervec search notes --id 42 --filter 'lang = \"en\" and year >= 2020' --recall 0.98"
    "aethervec search notes --using words --vector '{\"indices\":[3,17],\"values\":[0.5,1.5]}' --explain"
    "aethervec search passages --queries query.npy --ground-truth gt.npy --ef 100"
    "aethervec search passages --vector '[0.1,0.2,0.3]' --exact --json | jq .hits"
))]
pub(crate) struct Search {
    /// Collection to search
    pub(crate) collection: String,
    #[command(flatten)]
    pub(crate) what: SearchFor,
    /// Vector field to search in [default: the one without a name]
    #[arg(
        long,
        value_name = "FIELD",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) using: String,
    /// How many to find
    #[arg(short, value_name = "K", default_value_t = 10, value_parser = at_most(K_MAX))]
    pub(crate) k: usize,
    #[command(flatten)]
    pub(crate) filter: FilterBy,
    /// Share of the true neighbours to find, such as 0.98: as much effort as that takes
    #[arg(long, value_name = "SHARE", conflicts_with_all = ["ef", "exact"])]
    pub(crate) recall: Option<f32>,
    /// Candidates that an approximate search holds: more finds better and takes longer [default: grows with k]
    #[arg(long, value_name = "N", value_parser = at_most(EF_MAX))]
    pub(crate) ef: Option<usize>,
    /// Compare with every document: slow, and always right
    #[arg(long)]
    pub(crate) exact: bool,
    /// Say how the search was done instead of what it found
    #[arg(long, conflicts_with = "queries")]
    pub(crate) explain: bool,
    /// Leave the payloads out
    #[arg(long)]
    pub(crate) no_payload: bool,
    /// With --json: give the vectors of the hits too
    #[arg(long)]
    pub(crate) with_vector: bool,
    /// With --queries: rows of true neighbours (.npy or .ivecs, as row numbers); prints the recall
    #[arg(long, value_name = "FILE", requires = "queries")]
    pub(crate) ground_truth: Option<PathBuf>,
}

/// What a search is for: exactly one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct SearchFor {
    /// A vector: 0.1,0.2,0.3 or JSON
    #[arg(long, value_name = "V", allow_hyphen_values = true)]
    pub(crate) vector: Option<String>,
    /// A stored document; it is not among its own neighbours. Quote an id of digits that is text: '"42"'
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// A file of vectors, in any format that import reads
    #[arg(long, value_name = "FILE")]
    pub(crate) queries: Option<PathBuf>,
}

/// Which documents count.
#[derive(Debug, Args)]
pub(crate) struct FilterBy {
    /// Only documents for which this holds: lang = "en" and year >= 2020, or JSON
    #[arg(long, value_name = "FILTER", value_parser = filter)]
    pub(crate) filter: Option<Filter>,
}

/// Count documents, exactly
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec count notes"
    "aethervec count notes --filter 'lang in (\"en\", \"de\") and not (draft = true)'"
))]
pub(crate) struct Count {
    /// Collection whose documents to count
    pub(crate) collection: String,
    #[command(flatten)]
    pub(crate) filter: FilterBy,
}

/// Show which values a payload field has, and how many documents have each
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec facet notes lang"
    "aethervec facet notes 'authors[].name' --filter 'year >= 2020' --limit 50"
))]
pub(crate) struct Facet {
    /// Collection to look at
    pub(crate) collection: String,
    /// Path of the field: a.b, a[] for the elements of an array
    pub(crate) path: String,
    #[command(flatten)]
    pub(crate) filter: FilterBy,
    /// How many values, the most frequent ones
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = at_most(FACET_LIMIT_MAX))]
    pub(crate) limit: usize,
}

/// Answer a query in JSON: hybrid, by examples, by a formula, ordered, diverse, page by page
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec query notes query.json"
    "aethervec query notes '{\"query\": {\"nearest\": {\"id\": 42}}, \"filter\": {\"field\": \"lang\", \"eq\": \"en\"}}'"
    "aethervec query notes - --json < query.json | jq .next"
))]
pub(crate) struct Query {
    /// Collection to ask
    pub(crate) collection: String,
    /// File with the request; - is standard input; or the JSON object itself
    #[arg(value_name = "FILE")]
    pub(crate) request: String,
    /// Where the page before ended: what came with it
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<Cursor>,
}

/// Create, drop or list payload indexes, which make filters, counts and facets fast
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec index create notes lang keyword"
    "aethervec index create notes body text"
    "aethervec index list notes"
    "aethervec index drop notes lang keyword"
))]
pub(crate) struct PayloadIndex {
    #[command(subcommand)]
    pub(crate) command: PayloadIndexCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PayloadIndexCommand {
    /// Create an index, and wait until it is complete
    Create {
        #[command(flatten)]
        index: OneIndex,
        /// Do not wait; it is completed while the database is open
        #[arg(long)]
        no_wait: bool,
    },
    /// Drop an index
    Drop {
        #[command(flatten)]
        index: OneIndex,
    },
    /// List the indexes of a collection
    List {
        /// Collection whose indexes to list
        collection: String,
    },
}

/// A payload index.
#[derive(Debug, Args)]
pub(crate) struct OneIndex {
    /// Collection that it belongs to
    pub(crate) collection: String,
    /// Path of the payload field: a.b, a[] for the elements of an array
    pub(crate) path: String,
    /// keyword, integer, float, bool, datetime, uuid, geo, text or folded_text
    #[arg(value_parser = kind)]
    pub(crate) kind: PayloadIndexKind,
}

/// A filter as text, or as JSON if it begins like an object.
pub(super) fn filter(text: &str) -> Result<Filter, aethervec::Error> {
    if text.trim_start().starts_with('{') {
        Filter::from_json(text)
    } else {
        Filter::parse(text)
    }
}

fn kind(name: &str) -> Result<PayloadIndexKind, aethervec::Error> {
    name.parse()
}
