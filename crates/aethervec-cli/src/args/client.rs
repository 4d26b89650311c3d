//! A server, asked over the network. Every text here is read by users.

use aethervec::Filter;
use aethervec::limits::K_MAX;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Write to a server and search it, over the network
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec client put --id a --vector 1,0 --metadata '{\"lang\": \"en\"}'"
    "aethervec client search --vector 0.9,0.1 --k 5"
    "aethervec client --url https://db.example.com:9090 --api-key \"$KEY\" health"
))]
pub(crate) struct Client {
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(subcommand)]
    pub(crate) command: ClientCommand,
}

/// Which server, and who asks.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// The server's gRPC port
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "AETHERVEC_URL",
        default_value = "http://localhost:9090"
    )]
    pub(crate) url: String,
    /// A tenant, instead of the caller's own
    #[arg(long, global = true, value_name = "NAME", env = "AETHERVEC_TENANT")]
    pub(crate) tenant: Option<String>,
    /// A key that the server knows
    #[arg(
        long,
        global = true,
        value_name = "KEY",
        env = "AETHERVEC_API_KEY",
        hide_env_values = true
    )]
    pub(crate) api_key: Option<String>,
    /// A token (JWT) that the server accepts
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "AETHERVEC_TOKEN",
        hide_env_values = true
    )]
    pub(crate) token: Option<String>,
    /// Certificate of the authority that has signed the server's [default: those that the system trusts]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Write a vector; it is durable and can be found when the command returns
    Put {
        /// What it is called. Quote an id of digits that is text: '"42"'
        #[arg(long, value_name = "ID")]
        id: String,
        /// Its components: 0.1,0.2,0.3 or JSON
        #[arg(long, value_name = "V", allow_hyphen_values = true)]
        vector: String,
        /// A JSON object that comes back with it
        #[arg(long, value_name = "JSON")]
        metadata: Option<String>,
        /// A collection that is there, instead of `vectors`, which is made by its first vector
        #[arg(long, value_name = "NAME")]
        collection: Option<String>,
    },
    /// Find what is near to a vector
    Search {
        /// The vector: 0.1,0.2,0.3 or JSON
        #[arg(long, value_name = "V", allow_hyphen_values = true)]
        vector: String,
        /// How many
        #[arg(short, long, value_name = "N", default_value_t = 10, value_parser = super::at_most(K_MAX))]
        k: usize,
        /// Which documents may be found, such as 'lang = "en" and year >= 2020'
        #[arg(long, value_name = "FILTER", value_parser = super::ask::filter)]
        filter: Option<Filter>,
        /// A collection
        #[arg(long, value_name = "NAME", default_value = "vectors")]
        collection: String,
    },
    /// Say whether the server is there
    Health,
}
