//! What can be asked of `aethervec aidb`. Every text here is read by users.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Where a database is without `--path`.
pub(crate) const DEFAULT_PATH: &str = "./data";

/// Use the key-value engine by itself: any directory that the aidb crate has written
///
/// Keys and values are text with escapes: \n \r \t \\ and \xNN for any byte. With --hex they are hexadecimal digits.
/// A database that a program has open can only be dumped, file by file.
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec aidb put apple red"
    "aethervec aidb scan --prefix app --limit 10"
    "aethervec aidb --path /var/lib/app --keyspace users get alice"
    "aethervec aidb dump ./data/MANIFEST-000001"
))]
pub(crate) struct Aidb {
    /// Directory of the database
    #[arg(long, global = true, value_name = "DIR", env = "AIDB_PATH", default_value = DEFAULT_PATH)]
    pub(crate) path: PathBuf,
    /// Keyspace to use
    #[arg(long, global = true, value_name = "NAME", default_value = aidb::DEFAULT_KEYSPACE)]
    pub(crate) keyspace: String,
    /// Read and print keys and values as hexadecimal digits
    #[arg(long, global = true)]
    pub(crate) hex: bool,
    #[command(subcommand)]
    pub(crate) command: AidbCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AidbCommand {
    Get(Get),
    Put(Put),
    Delete(Delete),
    Scan(Scan),
    Stats(Stats),
    Verify(Verify),
    Checkpoint(Checkpoint),
    Dump(Dump),
    Bench(Bench),
}

/// Print the values of keys
#[derive(Debug, Args)]
#[command(after_help = after!("aethervec aidb get apple banana" "aethervec aidb --hex get 00ff"))]
pub(crate) struct Get {
    /// Keys
    #[arg(required = true)]
    pub(crate) keys: Vec<String>,
}

/// Give a key a value; makes the database and the keyspace, if they are not there yet
#[derive(Debug, Args)]
#[command(after_help = after!("aethervec aidb put apple red" "aethervec aidb put 'with a\\x00zero' ''"))]
pub(crate) struct Put {
    /// Key
    pub(crate) key: String,
    /// Value
    #[arg(allow_hyphen_values = true)]
    pub(crate) value: String,
}

/// Delete keys, all in one commit; a key that is not there is no mistake
#[derive(Debug, Args)]
#[command(after_help = after!("aethervec aidb delete apple banana"))]
pub(crate) struct Delete {
    /// Keys
    #[arg(required = true)]
    pub(crate) keys: Vec<String>,
}

/// Print keys and values in order, separated by a tabulator
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec aidb scan --prefix user/ --limit 5"
    "aethervec aidb scan --from a --to b --reverse"
    "aethervec aidb scan --json | jq -r .key"
))]
pub(crate) struct Scan {
    /// Only keys that begin so
    #[arg(long, value_name = "PREFIX", conflicts_with_all = ["from", "to"])]
    pub(crate) prefix: Option<String>,
    /// Only this key and those behind it
    #[arg(long, value_name = "KEY")]
    pub(crate) from: Option<String>,
    /// Only keys before this one
    #[arg(long, value_name = "KEY")]
    pub(crate) to: Option<String>,
    /// At most so many [default: all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// The last first
    #[arg(long)]
    pub(crate) reverse: bool,
}

/// Show what is in memory and on disk, level by level
#[derive(Debug, Args)]
#[command(after_help = after!("aethervec aidb stats" "aethervec aidb stats --json | jq .table_bytes" "aethervec aidb stats --prometheus"))]
pub(crate) struct Stats {
    /// As text that Prometheus scrapes
    #[arg(long, conflicts_with = "json")]
    pub(crate) prometheus: bool,
}

/// Read everything and compare it with its checksums, its order and the manifest
#[derive(Debug, Args)]
#[command(after_help = after!("aethervec aidb verify && echo all is well"))]
pub(crate) struct Verify {}

/// Make a second database, of this moment, in a new directory
///
/// On the same file system both share the files, which never change: it takes moments and hardly any space. Elsewhere
/// they are copied.
#[derive(Debug, Args)]
#[command(after_help = after!("aethervec aidb checkpoint ./data-before-upgrade"))]
pub(crate) struct Checkpoint {
    /// The new directory
    pub(crate) directory: PathBuf,
}

/// Print a file of a database in readable form: a table, log, value file, manifest or attachment
///
/// Opens no database, so the files of a running one can be looked at, too. A damaged file is printed as far as it reads
/// back; then the damage is named, with exit code 4. Values that are kept apart are shown as the place where they are.
#[derive(Debug, Args)]
#[command(after_help = after!("aethervec aidb dump ./data/000007.sst" "aethervec aidb dump --json ./data/000003.wal | jq .key"))]
pub(crate) struct Dump {
    /// The file
    pub(crate) file: PathBuf,
}

/// Measure this machine with simple workloads, in a new database that is deleted afterwards
///
/// One thread does one operation at a time, and each is timed. Writes reach the operating system; the workload `sync`
/// waits for the disk.
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec aidb --path /mnt/fast/try bench"
    "aethervec aidb --path ./try bench --keys 10000000 --only fill,get"
))]
pub(crate) struct Bench {
    /// How many keys
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) keys: u64,
    /// Bytes of each value
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=16_000_000))]
    pub(crate) value_bytes: u32,
    /// Memory for memtables, indexes and cached blocks together, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub(crate) memory_mib: u64,
    /// Only these workloads
    #[arg(long, value_enum, value_name = "A,B", value_delimiter = ',')]
    pub(crate) only: Vec<Workload>,
    /// Leave the database there
    #[arg(long)]
    pub(crate) keep: bool,
}

/// What `bench` measures, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Workload {
    /// Puts of new keys, in random order
    Fill,
    /// Puts of keys that exist
    Overwrite,
    /// Batches of 1,000 puts
    Batch,
    /// Gets of keys that exist
    Get,
    /// Gets of keys that do not
    Missing,
    /// A key and the 50 behind it
    Seek,
    /// Everything, in order
    Scan,
    /// Puts that wait for the disk
    Sync,
}
