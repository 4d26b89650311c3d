//! `aethervec`: see `aethervec --help`.

use std::process::ExitCode;

/// glibc's looks through thousands of freed pieces now and then while it finds one: up to a millisecond in the middle of a search, if other
/// threads free much. See docs/operations/tuning.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    aethervec_cli::run(std::env::args_os())
}
