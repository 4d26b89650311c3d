//! `serverbench PART --data DIR --work DIR [--set NAME] [--seconds S] [--connections N] [--count N]`
//!
//! One part of `bench/run server`; a JSON line per result. The server is a process of its own: this program again, as
//! `serverbench serve …`, which calls what `aethervec serve` calls. Parts:
//!
//! - `latency`: one connection, gRPC and REST, beside the embedded call;
//! - `throughput`: many connections, beside the embedded database with as many threads as there are cores;
//! - `floor`: the same with a server that does not search, and a client that only calls;
//! - `soak`: very many connections for a long time: errors, latency, memory;
//! - `import`: a durable stream of vectors; `crash`: kill -9 under load; `tenants`: very many small databases.

mod crash;
mod floor;
mod import;
mod rest;
mod search;
mod set;
mod soak;
mod target;
mod tenants;

#[path = "../../src/clock.rs"]
mod clock;
#[path = "../../src/data.rs"]
mod data;
#[path = "../../src/protocol.rs"]
mod protocol;

use std::path::PathBuf;
use std::process::ExitCode;

use protocol::Result;

/// What a part is told.
#[derive(Debug)]
pub struct Options {
    data: PathBuf,
    work: PathBuf,
    set: String,
    seconds: u64,
    connections: usize,
    count: usize,
}

impl Options {
    /// Microseconds of each of so many calls a second, that took so many seconds together.
    fn us_of_each(&self, seconds: f64, per_s: f64) -> f64 {
        seconds * 1e6 / (per_s * self.seconds as f64)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("serverbench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let (part, rest) = arguments.split_first().ok_or("which part?")?;
    match part.as_str() {
        "serve" => return target::serve(rest),
        "serve-floor" => return floor::serve(rest),
        _ => {}
    }
    let options = parse(rest)?;
    std::fs::create_dir_all(&options.work)?;
    match part.as_str() {
        "latency" => search::latency(&options),
        "throughput" => search::throughput(&options),
        "floor" => floor::run(&options),
        "soak" => soak::run(&options),
        "import" => import::run(&options),
        "crash" => crash::run(&options),
        "tenants" => tenants::run(&options),
        _ => Err(format!("there is no part {part:?}").into()),
    }
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options {
        data: PathBuf::new(),
        work: PathBuf::new(),
        set: "minilm".to_owned(),
        seconds: 5,
        connections: 16,
        count: 2_000,
    };
    for pair in arguments.chunks(2) {
        let [name, value] = pair else {
            return Err(format!("{} needs a value", pair[0]).into());
        };
        match name.as_str() {
            "--data" => options.data = value.into(),
            "--work" => options.work = value.into(),
            "--set" => options.set.clone_from(value),
            "--seconds" => options.seconds = value.parse()?,
            "--connections" => options.connections = value.parse()?,
            "--count" => options.count = value.parse()?,
            _ => return Err(format!("there is no option {name}").into()),
        }
    }
    Ok(options)
}

/// The value below which this share of sorted `values` lies.
fn quantile(values: &[f64], share: f64) -> f64 {
    let last = values.len().saturating_sub(1);
    values
        .get((last as f64 * share).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}

/// A runtime for a client, with as many threads as there are cores, or with this one alone.
fn runtime(threads: bool) -> Result<tokio::runtime::Runtime> {
    let mut builder = match threads {
        true => tokio::runtime::Builder::new_multi_thread(),
        false => tokio::runtime::Builder::new_current_thread(),
    };
    Ok(builder.enable_all().build()?)
}
