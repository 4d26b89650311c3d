//! Chores of this repository. `cargo xtask check` runs everything that must hold before a change lands and writes
//! nothing; `cargo xtask tidy` runs only the house rules.
#![expect(
    clippy::print_stdout,
    reason = "a chore talks to the person who runs it"
)]

mod tidy;

use std::path::Path;
use std::process::{Command, ExitCode};

const USAGE: &str = "usage: cargo xtask check | tidy";

fn main() -> ExitCode {
    // The manifest's folder is xtask; the repository is above it.
    let Some(root) = Path::new(env!("CARGO_MANIFEST_DIR")).parent() else {
        return ExitCode::FAILURE;
    };
    let done = match std::env::args().nth(1).as_deref() {
        Some("tidy") => tidy(root),
        Some("check") => check(root),
        _ => {
            println!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    if done {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn check(root: &Path) -> bool {
    let cargo = |arguments: &[&str]| {
        println!("==> cargo {}", arguments.join(" "));
        Command::new("cargo")
            .args(arguments)
            .current_dir(root)
            .status()
            .is_ok_and(|status| status.success())
    };
    tidy(root)
        && cargo(&["fmt", "--all", "--check"])
        && cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ])
        // The command takes it with all features.
        && cargo(&[
            "clippy",
            "--package",
            "aethervec",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ])
        && cargo(&["doc", "--workspace", "--no-deps", "--locked"])
        && cargo(&["test", "--locked"])
}

fn tidy(root: &Path) -> bool {
    println!("==> tidy");
    match tidy::findings(root) {
        Ok(findings) => {
            findings.iter().for_each(|finding| println!("{finding}"));
            findings.is_empty()
        }
        Err(error) => {
            println!("tidy could not read the tree: {error}");
            false
        }
    }
}
