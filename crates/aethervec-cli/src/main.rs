//! `aethervec`: see `aethervec --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    aethervec_cli::run(std::env::args_os())
}
