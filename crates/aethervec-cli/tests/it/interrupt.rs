//! Ctrl-C and kill -9 in the middle of an import.

use crate::tool::{Run, Tool, vectors};
use serde_json::json;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// A process that does not outlive its test.
pub(crate) struct Child(pub(crate) std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// An import that has written at least two batches and waits for more input.
pub(crate) fn import_under_way(tool: &Tool) -> Child {
    let child = tool
        .command(&[
            "import", "a", "-", "--format", "jsonl", "--metric", "l2", "--json",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Child(child);
    let lines: String = vectors(2500, 32)
        .iter()
        .map(|vector| format!("{}\n", json!({"vector": vector})))
        .collect();
    child
        .0
        .stdin
        .as_mut()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let two_batches = 2000 * 32 * 4;
    while disk_bytes(tool) < two_batches {
        assert!(
            child.0.try_wait().unwrap().is_none(),
            "the import must wait for its input"
        );
        std::thread::yield_now();
    }
    child
}

fn disk_bytes(tool: &Tool) -> u64 {
    let Ok(entries) = std::fs::read_dir(tool.path("aethervec.db")) else {
        return 0;
    };
    entries
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .map(|file| file.len())
        .sum()
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.0.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

fn end(child: &mut Child) -> Run {
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child
        .0
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut stdout)
        .unwrap();
    child
        .0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    let code = child.0.wait().unwrap().code().unwrap_or(-1);
    Run {
        code,
        stdout,
        stderr,
    }
}

#[test]
#[cfg(unix)]
fn ctrl_c_stops_between_batches_and_keeps_what_is_in() {
    let tool = Tool::new();
    let mut child = import_under_way(&tool);
    signal(&child, "-INT");
    let run = end(&mut child);
    assert_eq!(run.code, 130, "{run:?}");
    let told = &run.lines()[0];
    assert_eq!(
        (&told["interrupted"], &told["rows"], &told["documents"]),
        (&json!(true), &json!(2000), &json!(2000))
    );
    assert!(
        run.stderr.contains("continue with --skip 2000") && run.stderr.contains("\"interrupted\""),
        "{run:?}"
    );
    assert_eq!(
        tool.object(&["check"])["collections"][0]["documents"],
        json!(2000)
    );
    assert_eq!(
        tool.object(&["search", "a", "--id", "1999"])["hits"]
            .as_array()
            .unwrap()
            .len(),
        10
    );
}

#[test]
#[cfg(unix)]
fn a_killed_import_leaves_a_database_that_opens() {
    let tool = Tool::new();
    let mut child = import_under_way(&tool);
    signal(&child, "-KILL");
    assert_eq!(end(&mut child).code, -1);
    let check = tool.object(&["check"]);
    assert_eq!(check["clean"], json!(true));
    assert_eq!(check["collections"][0]["documents"], json!(2000));
}
