//! The `aethervec` command: see `aethervec --help`.
//!
//! `args` says what can be asked, `commands` do it, `import` reads files of vectors, `output` and `failure` tell
//! how it went. Everything that a database does, it does through the public interface of the `aethervec` crate.

mod args;
mod commands;
mod demo;
mod drift;
mod failure;
mod human;
mod import;
mod input;
mod interrupt;
mod output;
mod progress;
mod session;

use clap::{CommandFactory, FromArgMatches};
use std::ffi::OsString;
use std::process::ExitCode;

/// Does what `arguments` ask for; the first of them is the name of the program.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    let asked_for_json = arguments.iter().any(|argument| argument == "--json");
    let cli = match parse(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, asked_for_json),
    };
    // A server ends in its own way.
    let installed = match cli.command {
        args::Command::Serve(_) => Ok(()),
        _ => interrupt::install(),
    };
    match installed.and_then(|()| commands::run(&cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::report(&failure, cli.global.json);
            ExitCode::from(failure.exit() as u8)
        }
    }
}

fn parse(arguments: Vec<OsString>) -> Result<args::Cli, clap::Error> {
    let matches = args::Cli::command().try_get_matches_from(arguments)?;
    let mut cli = args::Cli::from_arg_matches(&matches)?;
    cli.global.db_named = matches.value_source("db")
        == Some(clap::parser::ValueSource::CommandLine)
        || matches.subcommand().is_some_and(|(_, sub)| {
            sub.value_source("db") == Some(clap::parser::ValueSource::CommandLine)
        });
    Ok(cli)
}

/// Help and version go to standard output; a mistake goes to standard error, as JSON if that was asked for.
fn usage(error: &clap::Error, json: bool) -> ExitCode {
    if error.use_stderr() && json {
        let text = error.to_string();
        let first = text
            .split("\n\n")
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .trim();
        output::report(&failure::Failure::invalid(first), true);
    } else {
        // Nobody is left to be told when the terminal is gone.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(failure::Exit::Invalid as u8))
}
