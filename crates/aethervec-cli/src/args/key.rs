//! API keys of servers. Every text here is read by users.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Make API keys for a server
///
/// A server knows its callers from a file with a line for each, which its setting `auth_callers` names. Only hashes of keys are in
/// it: who has the file cannot call.
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec key new --name search-page --read-only --tenant acme --file callers.jsonl"
    "aethervec key new --name indexer --tenant acme --collections notes,images"
    "printf %s \"$KEY\" | aethervec key hash --name old-client"
    "aethervec serve --set auth_callers=callers.jsonl"
))]
pub(crate) struct Key {
    #[command(subcommand)]
    pub(crate) command: KeyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a fresh key: it is shown this once, and the line with its hash is for the file
    New {
        #[command(flatten)]
        holder: Holder,
        /// Append the line to this file, rather than show it
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Show the line for a key that you have: it is read from standard input
    Hash {
        #[command(flatten)]
        holder: Holder,
    },
}

/// Who has the key, and what they may do.
#[derive(Debug, Args)]
pub(crate) struct Holder {
    /// What the caller is called in logs
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// It may read, and nothing else
    #[arg(long, conflicts_with = "actions")]
    pub(crate) read_only: bool,
    /// What it may do [default: all that can be given]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ACTION")]
    pub(crate) actions: Vec<ActionName>,
    /// The one tenant that it may use [default: all]
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
    /// The collections that it may use [default: all]
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) collections: Vec<String>,
    /// When it ceases to be known, such as 2030-01-01
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<String>,
}

/// What a caller may do.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ActionName {
    /// Read documents and what collections are made of
    Read,
    /// Write documents
    Write,
    /// Create, change and drop collections
    Manage,
    /// Create, list and drop tenants, and set their quotas
    Administer,
    /// Read the server's metrics
    Observe,
}
