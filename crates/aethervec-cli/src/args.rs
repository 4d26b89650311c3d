//! What can be asked on the command line. Every text here is read by users.

use crate::import::Format;
use aethervec::limits::{EF_MAX, K_MAX};
use aethervec::{ElementType, Metric};
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// Where a database is without `--db`.
pub(crate) const DEFAULT_DB: &str = "./aethervec.db";
/// Where the demo's database is without `--db`.
pub(crate) const DEFAULT_DEMO_DB: &str = "./aethervec-demo.db";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default());

/// Examples, then the exit codes, below the help of a command.
macro_rules! after {
    ($($line:literal)*) => {
        concat!(
            "Examples:\n", $("  ", $line, "\n",)*
            "\nExit codes:\n",
            "  0    done\n",
            "  1    failed: input or output, a full disk, a damaged file, or the database is open elsewhere\n",
            "  2    wrong arguments, or wrong contents of a file to import\n",
            "  3    no such database, collection, document or file\n",
            "  4    `check` or `aidb verify` found damage\n",
            "  130  interrupted; what was reported as written is kept",
        )
    };
}

pub(crate) mod aidb;
pub(crate) mod apply;
pub(crate) mod ask;
pub(crate) mod client;
pub(crate) mod drift;
pub(crate) mod export;
pub(crate) mod index;
pub(crate) mod key;
pub(crate) mod serve;

/// A vector database in one directory.
///
/// Every write is on disk and can be found when a command returns.
#[derive(Debug, Parser)]
#[command(name = "aethervec", version, styles = STYLES, propagate_version = true, max_term_width = 110, after_help = after!(
    "aethervec demo \"what happens when the disk is full?\""
    "aethervec create passages --dim 384 --metric cosine"
    "aethervec import passages vectors.npy"
    "aethervec search passages --id 42 -k 5"
))]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of all commands.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Directory of the database
    #[arg(long, global = true, value_name = "DIR", env = "AETHERVEC_DB", default_value = DEFAULT_DB)]
    pub(crate) db: PathBuf,
    /// Print JSON: one object, or one per line; errors as {"error":{"kind","message"}} on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Whether `--db` stood on the command line.
    #[arg(skip)]
    pub(crate) db_named: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(Create),
    Import(Import),
    Export(export::Export),
    Search(ask::Search),
    Query(ask::Query),
    Count(ask::Count),
    Facet(ask::Facet),
    Index(ask::PayloadIndex),
    Get(Get),
    Apply(apply::Apply),
    Delete(Delete),
    List(List),
    Drop(Drop),
    Info(Info),
    Check(Check),
    Bench(Bench),
    Demo(Demo),
    DriftSim(drift::DriftSim),
    Serve(serve::Serve),
    Client(client::Client),
    Config(serve::Config),
    Health(serve::Health),
    Key(key::Key),
    Aidb(aidb::Aidb),
    Completions(Completions),
}

/// Create a collection; the database too, if it is not there yet
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec create passages --dim 384 --metric cosine"
    "aethervec create images --dim 784 --metric l2 --element u8 --m 24"
))]
pub(crate) struct Create {
    /// Name of the new collection
    pub(crate) collection: String,
    /// Components of each vector
    #[arg(long, value_name = "N")]
    pub(crate) dim: usize,
    /// How vectors are compared
    #[arg(long, value_enum)]
    pub(crate) metric: MetricName,
    /// How components are stored
    #[arg(long, value_enum, default_value = "f32")]
    pub(crate) element: ElementName,
    #[command(flatten)]
    pub(crate) index: index::Index,
}

/// Import vectors from a file: .npy .fvecs .bvecs .jsonl .csv .arrow (each also .gz) or .parquet
///
/// Rows are written in batches; a batch is on disk before the next one begins. The id of a row is its number unless
/// the file has ids or --ids names a file of them; a row with a known id replaces that document. Ctrl-C stops
/// between two batches. A file that `export` has written says itself what the collection is: it takes no options.
#[derive(Clone, Debug, Args)]
#[command(after_help = after!(
    "aethervec import passages base.npy"
    "aethervec import images train.npy.gz --metric l2 --payload-npy label=labels.npy"
    "aethervec import sift base.fvecs --metric l2 --ids ids.ivecs"
    "aethervec import notes notes.jsonl --metric cosine --vector-field embedding --id-field key"
    "aethervec import rows rows.csv --metric dot --vector-columns 'v*'"
    "cat notes.jsonl | aethervec import notes - --format jsonl"
    "aethervec import copy notes-export.jsonl          # written by `aethervec export notes`"
))]
pub(crate) struct Import {
    /// Collection to write to; created with the file's dimension if --metric is given
    pub(crate) collection: String,
    /// File to read; - is standard input
    pub(crate) file: PathBuf,
    /// Format of the file, where its name does not tell
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Metric of a new collection
    #[arg(long, value_enum)]
    pub(crate) metric: Option<MetricName>,
    /// Element type of a new collection [default: the file's]
    #[arg(long, value_enum)]
    pub(crate) element: Option<ElementName>,
    #[command(flatten)]
    pub(crate) index: index::Index,
    /// File with one id per row: .npy, .ivecs, or text with one per line
    #[arg(long, value_name = "FILE")]
    pub(crate) ids: Option<PathBuf>,
    /// Id of the file's first row, where ids are row numbers
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "ids")]
    pub(crate) first_id: u64,
    /// Field or column that holds the id [default: id]
    #[arg(
        long,
        visible_alias = "id-column",
        value_name = "NAME",
        conflicts_with = "ids"
    )]
    pub(crate) id_field: Option<String>,
    /// Field or column that holds the vector [default: vector]
    #[arg(long, visible_alias = "vector-column", value_name = "NAME")]
    pub(crate) vector_field: Option<String>,
    /// csv: one column per component; a final * stands for all columns that begin so
    #[arg(
        long,
        value_name = "A,B,C",
        value_delimiter = ',',
        conflicts_with = "vector_field"
    )]
    pub(crate) vector_columns: Vec<String>,
    /// jsonl, parquet, arrow: field whose object becomes the payload; other fields join it [default: payload]
    #[arg(long, value_name = "NAME")]
    pub(crate) payload_field: Option<String>,
    /// Payload field from a NumPy array with one value per row; may be repeated
    #[arg(long, value_name = "FIELD=FILE", value_parser = field_and_file)]
    pub(crate) payload_npy: Vec<(String, PathBuf)>,
    /// csv: what separates columns
    #[arg(long, value_name = "CHAR", value_parser = one_byte)]
    pub(crate) delimiter: Option<u8>,
    /// Leave out this many rows at the beginning
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) skip: u64,
    /// Import at most this many rows
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Rows per batch
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) batch: u32,
    /// Do not wait until the index has taken everything over; it continues at the next opening
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// Print documents
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec get passages 42 43"
    "aethervec get notes my-note --json | jq .payload"
    "aethervec get notes '\"42\"'                       # the text 42, not the number"
))]
pub(crate) struct Get {
    /// Collection to read
    pub(crate) collection: String,
    /// Ids: numbers, UUIDs or text
    #[arg(required = true)]
    pub(crate) ids: Vec<String>,
}

/// Delete documents, all in one commit
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec delete passages 42 43"
    "aethervec delete notes --filter 'year < 2000'"
))]
pub(crate) struct Delete {
    /// Collection to delete from
    pub(crate) collection: String,
    /// Ids: numbers, UUIDs or text
    #[arg(required_unless_present = "filter", conflicts_with = "filter")]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) filter: ask::FilterBy,
}

/// List the collections, or the documents of one
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec list"
    "aethervec list passages --limit 100 --after 41"
    "aethervec list notes --all --with-vector --json > notes.jsonl"
))]
pub(crate) struct List {
    /// Collection whose documents to list
    pub(crate) collection: Option<String>,
    /// How many documents
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: u64,
    /// All documents
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
    /// Only documents behind this id: numbers come first, then UUIDs, then text
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<String>,
    /// With --json: give the vectors too
    #[arg(long)]
    pub(crate) with_vector: bool,
}

/// Delete a collection with everything in it
///
/// Then the tables are rewritten, so that the space is free when the command returns. That may be interrupted: the
/// collection stays deleted, and its space comes back bit by bit.
#[derive(Debug, Args)]
#[command(after_help = after!("aethervec drop passages --yes"))]
pub(crate) struct Drop {
    /// Collection to delete
    pub(crate) collection: String,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// Show what there is: counts, bytes on disk and in memory, the state of indexes, the shape of the storage
#[derive(Debug, Args)]
#[command(after_help = after!("aethervec info" "aethervec info passages" "aethervec info --json | jq .disk_bytes"))]
pub(crate) struct Info {
    /// Only this collection
    pub(crate) collection: Option<String>,
}

/// Read everything and compare: all checksums, each document with its vector and its index entry
#[derive(Debug, Args)]
#[command(after_help = after!("aethervec check && echo all is well"))]
pub(crate) struct Check {}

/// Measure recall and speed on your own data, for a range of search efforts
///
/// Recall is measured against an exact search of the same data. One thread searches, one query at a time.
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec bench passages --queries query.npy"
    "aethervec bench passages --sample 500 -k 20 --ef 32,64,128"
))]
pub(crate) struct Bench {
    /// Collection to search
    pub(crate) collection: String,
    /// File of query vectors, in any format that import reads
    #[arg(long, value_name = "FILE", conflicts_with = "sample")]
    pub(crate) queries: Option<PathBuf>,
    /// Without --queries: so many stored documents, each without itself among its neighbours
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) sample: usize,
    /// Use at most this many queries of the file
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) limit: usize,
    /// Neighbours per query
    #[arg(short, value_name = "K", default_value_t = 10, value_parser = at_most(K_MAX))]
    pub(crate) k: usize,
    /// Search efforts to measure [default: a range]
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', value_parser = at_most(EF_MAX))]
    pub(crate) ef: Vec<usize>,
    /// Times that each effort is measured; the median counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
}

/// Index AetherVec's own documentation, answer a question from it, and show what happened
///
/// Needs no network and no model: passages are embedded by their words and parts of words. The first run writes a
/// database (./aethervec-demo.db, or the directory that --db names); later runs open it, and index again only when the
/// documentation has changed.
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec demo"
    "aethervec demo \"what happens when the disk is full?\""
    "aethervec demo \"how do I back up?\" -k 5 --json"
))]
pub(crate) struct Demo {
    /// Your question [default: a few samples]
    pub(crate) question: Option<String>,
    /// Passages per question
    #[arg(short, value_name = "K", default_value_t = 3, value_parser = at_most(100))]
    pub(crate) k: usize,
}

/// Print a completion script for your shell
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec completions bash > ~/.local/share/bash-completion/completions/aethervec"
    "aethervec completions zsh > ~/.zfunc/_aethervec"
    "aethervec completions fish > ~/.config/fish/completions/aethervec.fish"
))]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// How vectors are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MetricName {
    /// Angle between vectors; the score is the cosine
    #[value(alias = "cos")]
    Cosine,
    /// Euclidean distance
    #[value(alias = "euclidean")]
    L2,
    /// Inner product
    #[value(aliases = ["ip", "inner-product", "inner_product"])]
    Dot,
}

impl From<MetricName> for Metric {
    fn from(name: MetricName) -> Metric {
        match name {
            MetricName::Cosine => Metric::Cosine,
            MetricName::L2 => Metric::L2Squared,
            MetricName::Dot => Metric::InnerProduct,
        }
    }
}

/// How components are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ElementName {
    /// 32-bit floats
    F32,
    /// 16-bit floats: half the memory and disk, practically the same recall
    F16,
    /// Bytes: images, histograms, SIFT
    U8,
}

impl From<ElementName> for ElementType {
    fn from(name: ElementName) -> ElementType {
        match name {
            ElementName::F32 => ElementType::F32,
            ElementName::F16 => ElementType::F16,
            ElementName::U8 => ElementType::U8,
        }
    }
}

fn at_most(limit: usize) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    move |text| match text.parse() {
        Ok(number) if (1..=limit).contains(&number) => Ok(number),
        _ => Err(format!("a number in 1..={limit} is needed")),
    }
}

fn one_byte(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] => Ok(*byte),
        b"\\t" | b"tab" => Ok(b'\t'),
        _ => Err("one ASCII character is needed (\\t or tab for a tabulator)".to_owned()),
    }
}

fn field_and_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((field, file)) if !field.is_empty() && !file.is_empty() => {
            Ok((field.to_owned(), PathBuf::from(file)))
        }
        _ => Err("FIELD=FILE is needed, such as label=labels.npy".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn definitions_are_consistent() {
        Cli::command().debug_assert();
    }
}
