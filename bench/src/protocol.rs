//! One command per line of standard input, one line of JSON in answer to each.

use std::error::Error;
use std::io::{Write, stdin, stdout};

use serde_json::{Value, json};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What answers commands.
pub trait Commands {
    fn run(&mut self, command: &str, arguments: &[&str]) -> Result<Value>;
}

/// Answers until the input ends. A command that fails answers `{"error": …}`.
pub fn serve(mut commands: impl Commands) -> Result<()> {
    for line in stdin().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let Some(command) = words.next() else {
            continue;
        };
        let arguments: Vec<&str> = words.collect();
        let answer = commands
            .run(command, &arguments)
            .unwrap_or_else(|error| json!({ "error": error.to_string() }));
        let mut out = stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

/// The argument at `position`, parsed.
pub fn argument<T: std::str::FromStr>(
    arguments: &[&str],
    position: usize,
    name: &str,
) -> Result<T> {
    let text = arguments
        .get(position)
        .ok_or_else(|| format!("missing argument {name}"))?;
    text.parse()
        .map_err(|_| format!("{name} cannot be {text:?}").into())
}
