//! `server`: as `aethervec serve`, configured by `VECTOR_DB_*` and the file that `VECTOR_DB_CONFIG` names.

use aethervec_server::config::Sources;
use std::io::Write;
use std::process::ExitCode;

/// glibc's looks through thousands of freed pieces now and then while it finds one: up to a millisecond in the middle of a search, if other
/// threads free much. See docs/operations/tuning.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let served = Sources::of_process().read().and_then(|explained| {
        aethervec_server::run(explained.config, |addresses| {
            // Nobody is left to be told when standard error is gone.
            let _ = writeln!(std::io::stderr(), "{addresses}");
        })
    });
    if let Err(error) = served {
        let _ = writeln!(std::io::stderr(), "error: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
