//! `key`.

use crate::tool::Tool;
use serde_json::Value;
use std::io::Write;
use std::process::Stdio;

#[test]
fn a_fresh_key_is_shown_once_and_only_its_hash_is_kept() {
    let tool = Tool::new();
    let file = tool.file("callers.jsonl", "# who may call\n");
    let new = ["key", "new", "--name", "a", "--read-only", "--file", &file];
    let key = tool.run(&new).stdout.trim().to_owned();
    assert!(key.starts_with("avk_") && key.len() == 47, "{key}");
    let kept = std::fs::read_to_string(tool.path(&file)).unwrap();
    assert!(kept.starts_with("# who may call\n") && !kept.contains(&key));
    let line: Value = serde_json::from_str(kept.lines().nth(1).unwrap()).unwrap();
    assert_eq!(line["name"], "a");
    assert_eq!(line["actions"], serde_json::json!(["read"]));

    // The line for the same key is the same.
    let mut hash = tool
        .command(&["key", "hash", "--name", "a", "--read-only"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = hash.stdin.take().unwrap();
    writeln!(input, "{key}").unwrap();
    drop(input);
    let again = hash.wait_with_output().unwrap().stdout;
    assert_eq!(
        String::from_utf8(again).unwrap().trim(),
        kept.lines().nth(1).unwrap()
    );
}

#[test]
fn what_a_caller_may_do_is_what_was_asked_for() {
    let tool = Tool::new();
    let line = |rest: &[&str]| -> Value {
        let new = ["key", "new", "--json", "--name", "a"];
        let shown = tool.run(&[&new, rest].concat()).stdout;
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert!(shown["key"].as_str().unwrap().starts_with("avk_"));
        serde_json::from_str(shown["line"].as_str().unwrap()).unwrap()
    };
    let all = line(&[]);
    assert_eq!(all["actions"].as_array().unwrap().len(), 5);
    let tenant = line(&["--tenant", "acme", "--collections", "notes,images"]);
    assert_eq!(
        tenant["actions"],
        serde_json::json!(["read", "write", "manage"])
    );
    assert_eq!(
        tenant["collections"],
        serde_json::json!(["images", "notes"])
    );
    let some = line(&["--actions", "read,observe", "--expires", "2030-01-01"]);
    assert_eq!(some["actions"], serde_json::json!(["read", "observe"]));
    for (rest, expected) in [
        (&["--tenant", "../acme"][..], "tenant"),
        (
            &["--tenant", "acme", "--actions", "administer"],
            "administer",
        ),
        (&["--expires", "soon"], "expires"),
    ] {
        let new = ["key", "new", "--name", "a"];
        let error = tool.fails(2, &[&new, rest].concat());
        assert!(error.contains(expected), "{error}");
    }
}
