//! Standard output: tables and sentences for people, or JSON for programs; and how errors are told.
//!
//! Commands write through [`Output`] only. With `--json` every command prints one JSON object, or one per line where it
//! lists things, and nothing else. A reader that goes away (`| head`) ends the process quietly.

use crate::failure::Failure;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};

/// Where a command's results go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    colors: bool,
}

impl Output {
    /// Decides about colours: only on a terminal, and not when `NO_COLOR` is set.
    pub(crate) fn new(json: bool) -> Output {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Output {
            json,
            colors: !json && !plain && std::io::stdout().is_terminal(),
        }
    }

    /// A line for people; nothing with `--json`.
    pub(crate) fn line(self, text: impl AsRef<str>) {
        if !self.json {
            write_line(text.as_ref());
        }
    }

    /// An object for programs; nothing without `--json`.
    pub(crate) fn object(self, value: &Value) {
        if self.json {
            write_line(&value.to_string());
        }
    }

    /// A line in both modes: for text that is the result itself, such as shell completions.
    pub(crate) fn verbatim(self, text: &str) {
        write_raw(text.as_bytes());
    }

    /// A remark for people, on standard error.
    pub(crate) fn note(self, text: &str) {
        if !self.json {
            crate::progress::note(text);
        }
    }

    /// A table for people: the first row is the head; columns of numbers stand to the right.
    pub(crate) fn table(self, rows: &[Vec<String>]) {
        if self.json {
            return;
        }
        for (number, line) in table_lines(rows).into_iter().enumerate() {
            write_line(&if number == 0 { self.dim(&line) } else { line });
        }
    }

    /// What stands out.
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What steps back.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Where to look next.
    pub(crate) fn accent(self, text: &str) -> String {
        self.paint("36", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colors {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Tells on standard error why the command ends.
pub(crate) fn report(failure: &Failure, json: bool) {
    let text = if json {
        json!({"error": {"kind": failure.kind(), "message": failure.to_string()}}).to_string()
    } else {
        format!("error: {failure}")
    };
    // Nobody is left to be told when standard error is gone.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

fn write_line(text: &str) {
    let mut line = Vec::with_capacity(text.len() + 1);
    line.extend_from_slice(text.as_bytes());
    line.push(b'\n');
    write_raw(&line);
}

fn write_raw(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            std::process::exit(0);
        }
        report(&Failure::failed(format!("standard output: {error}")), false);
        std::process::exit(1);
    }
}

fn table_lines(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let numeric: Vec<bool> = (0..columns)
        .map(|column| is_numeric(rows, column))
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(i, cell)| {
            let padding = " ".repeat(widths[i].saturating_sub(cell.chars().count()));
            if numeric[i] {
                format!("{padding}{cell}")
            } else {
                format!("{cell}{padding}")
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn is_numeric(rows: &[Vec<String>], column: usize) -> bool {
    let number = |cell: &String| {
        cell.is_empty() || cell.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '–')
    };
    rows.len() > 1
        && rows
            .iter()
            .skip(1)
            .filter_map(|row| row.get(column))
            .all(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_words_left_and_numbers_right() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let lines = table_lines(&[
            row(["name", "count"]),
            row(["a", "7"]),
            row(["longer", "1,234"]),
        ]);
        assert_eq!(lines, ["name    count", "a           7", "longer  1,234"]);
        assert!(table_lines(&[]).is_empty());
    }
}
