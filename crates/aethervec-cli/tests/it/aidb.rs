//! The commands of `aidb`, by their JSON and by what people see.

use crate::tool::Tool;
use serde_json::{Value, json};

/// A database with a few fruits in two keyspaces.
fn fruits() -> Tool {
    let tool = Tool::new();
    for (key, value) in [("apple", "red"), ("banana", "yellow"), ("cherry", "red")] {
        tool.object(&["aidb", "put", key, value]);
    }
    tool.object(&["aidb", "--keyspace", "other", "put", "apple", "green"]);
    tool
}

fn keys(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["key"].as_str().unwrap())
        .collect()
}

#[test]
fn put_get_and_delete() {
    let tool = fruits();
    assert_eq!(tool.run(&["aidb", "get", "banana"]).stdout, "yellow\n");
    assert_eq!(
        tool.json(&["aidb", "get", "cherry", "apple"]),
        [
            json!({"key": "cherry", "value": "red"}),
            json!({"key": "apple", "value": "red"})
        ]
    );
    assert_eq!(
        tool.run(&["aidb", "--keyspace", "other", "get", "apple"])
            .stdout,
        "green\n"
    );
    assert_eq!(
        tool.object(&["aidb", "delete", "apple", "nothing"]),
        json!({"deleted": 2})
    );
    assert_eq!(
        tool.fails(3, &["aidb", "get", "banana", "apple"]),
        "not in the keyspace \"default\": apple"
    );
    assert!(tool.path("data").is_dir());
}

#[test]
fn any_bytes_can_be_keys_and_values() {
    let tool = Tool::new();
    tool.object(&["aidb", "put", "a\\x00\\xff", "-line\\n"]);
    assert_eq!(
        tool.object(&["aidb", "--hex", "get", "6100ff"]),
        json!({"key": "6100ff", "value": "2d6c696e650a"})
    );
    tool.object(&["aidb", "put", "--hex", "00", ""]);
    assert_eq!(
        tool.run(&["aidb", "scan"]).stdout,
        "\\x00\t\na\\x00\\xff\t-line\\n\n"
    );
    for wrong in ["\\q", "a\\"] {
        assert!(
            tool.fails(2, &["aidb", "get", wrong])
                .contains("a backslash begins")
        );
    }
    assert!(
        tool.fails(2, &["aidb", "get", "--hex", "1"])
            .contains("even number")
    );
}

#[test]
fn scan_has_bounds_a_limit_and_two_directions() {
    let tool = fruits();
    let scan = |arguments: &[&str]| {
        let lines = tool.json(&[&["aidb", "scan"], arguments].concat());
        keys(&lines).join(" ")
    };
    assert_eq!(scan(&[]), "apple banana cherry");
    assert_eq!(scan(&["--reverse", "--limit", "2"]), "cherry banana");
    assert_eq!(scan(&["--from", "b", "--to", "c"]), "banana");
    assert_eq!(scan(&["--prefix", "ch"]), "cherry");
    assert_eq!(scan(&["--limit", "0"]), "");
    assert_eq!(
        tool.run(&["aidb", "scan", "--from", "banana"]).stdout,
        "banana\tyellow\ncherry\tred\n"
    );
}

#[test]
fn stats_tell_of_every_keyspace() {
    let tool = fruits();
    let stats = tool.object(&["aidb", "stats"]);
    let names: Vec<&str> = stats["keyspaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|keyspace| keyspace["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["default", "other"]);
    assert!(stats["flush_error"].is_null());
    let text = tool.run(&["aidb", "stats", "--prometheus"]).stdout;
    assert!(text.contains("aidb_commits_total 0"), "{text}");
    let text = tool.run(&["aidb", "stats"]).stdout;
    assert!(
        text.contains("on disk") && text.contains("keyspace"),
        "{text}"
    );
}

#[test]
fn a_checkpoint_is_a_database_of_its_own() {
    let tool = fruits();
    let made = tool.object(&["aidb", "checkpoint", "copy"]);
    assert_eq!(made["directory"], json!("copy"));
    tool.object(&["aidb", "put", "apple", "brown"]);
    let copied = tool.json(&["aidb", "--path", "copy", "scan"]);
    assert_eq!((copied.len(), &copied[0]["value"]), (3, &json!("red")));
    assert!(
        tool.fails(2, &["aidb", "checkpoint", "copy"])
            .contains("copy")
    );
}

#[test]
fn verify_finds_damage() {
    let tool = fruits();
    assert_eq!(tool.object(&["aidb", "verify"])["clean"], json!(true));
    assert!(tool.run(&["aidb", "verify"]).stdout.contains("all is well"));
    let manifest = std::fs::read_dir(tool.path("data"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains("MANIFEST"))
        .max()
        .unwrap();
    let mut bytes = std::fs::read(&manifest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&manifest, bytes).unwrap();
    let message = tool.fails(4, &["aidb", "verify"]);
    assert!(
        message.contains("MANIFEST") && message.contains("checksum"),
        "{message}"
    );
}

/// The files of the database whose names contain `part`, in order.
fn files(tool: &Tool, part: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(tool.path("data"))
        .unwrap()
        .map(|entry| format!("data/{}", entry.unwrap().file_name().to_str().unwrap()))
        .filter(|name| name.contains(part))
        .collect();
    names.sort();
    names
}

#[test]
fn dump_shows_each_kind_of_file_and_names_damage() {
    let tool = fruits();
    let dumped: Vec<Value> = files(&tool, "MANIFEST")
        .iter()
        .flat_map(|file| tool.json(&["aidb", "dump", file]))
        .collect();
    let keyspace = dumped
        .iter()
        .find(|item| item["what"] == "keyspace" && item["name"] == "other");
    assert!(keyspace.is_some(), "{dumped:?}");
    let logged: Vec<Value> = files(&tool, ".wal")
        .iter()
        .flat_map(|file| tool.json(&["aidb", "dump", file]))
        .collect();
    let write = logged.iter().find(|item| item["key"] == "banana").unwrap();
    assert_eq!(
        (&write["what"], &write["kind"], &write["value"]),
        (&json!("write"), &json!("put"), &json!("yellow"))
    );

    let manifest = files(&tool, "MANIFEST").pop().unwrap();
    let mut bytes = std::fs::read(tool.path(&manifest)).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(tool.path(&manifest), bytes).unwrap();
    assert!(
        tool.fails(4, &["aidb", "dump", &manifest])
            .contains("checksum mismatch")
    );
    assert!(
        tool.run(&["aidb", "dump", &manifest])
            .stdout
            .contains("manifest")
    );
    assert!(
        tool.fails(3, &["aidb", "dump", "data/999999.sst"])
            .contains("no such file")
    );
    assert!(
        tool.fails(2, &["aidb", "dump", "data/LOCK"])
            .contains("no name of a table")
    );
}

#[test]
fn what_does_not_exist() {
    let tool = Tool::new();
    for command in [
        &["get", "a"][..],
        &["delete", "a"],
        &["scan"],
        &["stats"],
        &["verify"],
    ] {
        let message = tool.fails(3, &[&["aidb"], command].concat());
        assert!(message.contains("no database at ./data"), "{message}");
    }
    assert!(
        !tool.path("data").exists(),
        "a question must not make a database"
    );
    let tool = fruits();
    assert_eq!(
        tool.fails(3, &["aidb", "scan", "--keyspace", "others"]),
        "there is no keyspace \"others\"; there are default, other"
    );
}

#[test]
fn bench_measures_in_a_database_of_its_own() {
    let tool = Tool::new();
    let lines = tool.json(&[
        "aidb",
        "--path",
        "try",
        "bench",
        "--keys",
        "2500",
        "--value-bytes",
        "20",
    ]);
    let names: Vec<&str> = lines
        .iter()
        .map(|line| line["workload"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "fill",
            "overwrite",
            "batch",
            "get",
            "missing",
            "seek",
            "scan",
            "sync"
        ]
    );
    for line in &lines {
        assert!(
            line["per_second"].as_f64().unwrap() > 0.0 && line["max_us"].as_f64().unwrap() > 0.0,
            "{line}"
        );
    }
    assert_eq!(lines[6]["operations"], json!(2500));
    assert!(!tool.path("try").exists());
    let text = tool
        .run(&[
            "aidb", "--path", "try", "bench", "--keys", "1", "--only", "get", "--keep",
        ])
        .stdout;
    assert!(
        text.contains("p99.9") && tool.path("try").is_dir(),
        "{text}"
    );
    assert!(
        tool.fails(2, &["aidb", "--path", "try", "bench"])
            .contains("try exists")
    );
}
