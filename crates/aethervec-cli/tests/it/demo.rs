//! The README's first command.

use crate::tool::Tool;
use serde_json::{Value, json};

fn files(answers: &Value) -> Vec<String> {
    answers["answers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| answer["file"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_second_run_opens_what_the_first_one_wrote() {
    let tool = Tool::new();
    let first = tool.json(&["demo", "what happens when the disk is full?"]);
    let answer = &first[0]["answers"][0];
    assert!(
        answer["line"].as_u64().unwrap() > 0
            && answer["heading"].is_string()
            && answer["score"].as_f64().unwrap() > 0.1
    );
    let told = first.last().unwrap();
    assert_eq!(told["opened"], json!(false));
    assert!(told["recall_at_10"].as_f64().unwrap() >= 0.9, "{told}");
    assert!(
        told["disk_bytes"].as_u64().unwrap() > 100_000
            && told["latency_p99_ms"].as_f64().unwrap() > 0.0
    );

    let second = tool.json(&["demo", "what happens when the disk is full?"]);
    let told_again = second.last().unwrap();
    assert_eq!(
        (&told_again["opened"], &told_again["documents"]),
        (&json!(true), &told["documents"])
    );
    assert_eq!(second[0], first[0]);
    assert!(tool.path("aethervec-demo.db").is_dir());
    assert_eq!(
        tool.object(&["check", "--db", "aethervec-demo.db"])["clean"],
        json!(true)
    );
}

#[test]
fn people_see_passages_and_figures() {
    let tool = Tool::new();
    let run = tool.run(&["demo", "--db", "here.db"]);
    assert_eq!(run.code, 0, "{run:?}");
    for expected in [
        "indexed AetherVec's documentation into here.db",
        "? what happens",
        "docs/",
        "recall@10",
        "p50",
        "on disk",
    ] {
        assert!(run.stdout.contains(expected), "{expected}: {}", run.stdout);
    }
    let again = tool.run(&["demo", "--db", "here.db"]);
    assert!(
        again
            .stdout
            .contains("opened here.db, which an earlier run wrote"),
        "{}",
        again.stdout
    );
    assert!(!tool.path("aethervec-demo.db").exists());
    assert!(
        tool.fails(2, &["demo", "xyzzy"])
            .contains("none of these words")
    );
}

#[test]
fn questions_find_the_page_that_answers_them() {
    let tool = Tool::new();
    for (question, page) in [
        ("what happens when the disk is full?", "docs/"),
        ("how do I back up a database?", "crates/aidb/src/backup/"),
        (
            "how do I restore from a backup?",
            "docs/operations/backup.md",
        ),
        (
            "can two processes open the same database?",
            "docs/guarantees.md",
        ),
        ("what happens after a crash?", "docs/"),
        ("how exact is a search?", "docs/operations/tuning.md"),
        ("are files encrypted?", "docs/operations/encryption.md"),
        (
            "how do I stop a long import?",
            "docs/operations/recovery.md",
        ),
    ] {
        let answers = tool.json(&["demo", question]);
        let found = files(&answers[0]);
        assert!(
            found.iter().any(|file| file.starts_with(page)),
            "{question}: {found:?}"
        );
    }
}
