//! `client`: as `aethervec client`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    aethervec_cli::run([program, "client".into()].into_iter().chain(arguments))
}
