//! The Rust side of `bench/run`: measures AetherVec where the driver tells it to.
//!
//! `aether-bench kernels` prints a table; `ann`, `db`, `drift` and `features` read one command per line and answer each with one line of
//! JSON, so that the driver can take turns between this process and a peer. See bench/README.md.

mod ann;
mod clock;
mod cold;
mod data;
mod db;
mod drift;
mod features;
mod kernels;
mod protocol;
mod transactions;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let done = match mode.as_str() {
        "kernels" => {
            kernels::print_table();
            Ok(())
        }
        "ann" => protocol::serve(ann::Bench::default()),
        "db" => protocol::serve(db::Bench::default()),
        "drift" => protocol::serve(drift::Bench),
        "features" => protocol::serve(features::Bench),
        _ => Err(format!("unknown mode {mode:?}: use kernels, ann, db, drift or features").into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aether-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
