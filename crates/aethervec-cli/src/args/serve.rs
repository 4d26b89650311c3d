//! The server and its configuration. Every text here is read by users.

use clap::{Args, Subcommand};
use std::net::IpAddr;
use std::path::PathBuf;

/// Serve databases over the network, until SIGTERM or Ctrl-C
///
/// REST on port 8080, gRPC on 9090, a Qdrant-compatible API on 6333 and 6334, metrics on 2112. What was acknowledged is on disk,
/// however the process ends.
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec serve --data-dir ./data"
    "aethervec serve --config config.yaml --set worker_threads=8"
    "VECTOR_DB_HTTP_PORT=8081 aethervec serve"
))]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// Show the configuration that `serve` would have
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec config print --explain > config.yaml"
    "aethervec config print --config config.yaml"
))]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

/// Ask the server on this machine whether it is ready
///
/// It is asked where these settings say that it listens. Exit code 0: it is ready.
#[derive(Debug, Args)]
#[command(after_help = after!(
    "aethervec health"
    "aethervec health --config /etc/aethervec/config.yaml"
))]
pub(crate) struct Health {
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print it, as a file that says the same
    Print {
        #[command(flatten)]
        settings: Settings,
        /// With each setting: what it is for, and where its value comes from
        #[arg(long)]
        explain: bool,
    },
}

/// Where settings come from, besides VECTOR_DB_* in the environment, which wins over the file.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// File with settings, in YAML [default: the one that VECTOR_DB_CONFIG names, if it does]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of the databases
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) host: Option<IpAddr>,
    /// Port of the REST API
    #[arg(long, value_name = "PORT")]
    pub(crate) http_port: Option<u16>,
    /// Port of the gRPC API
    #[arg(long, value_name = "PORT")]
    pub(crate) grpc_port: Option<u16>,
    /// Any setting; may be repeated. Wins over everything else
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| "expected NAME=VALUE".to_owned())?;
    Ok((name.trim().to_owned(), value.to_owned()))
}
