//! Filters, counts, facets, payload indexes, queries, and whole collections out and in.

use crate::tool::{Tool, vectors};
use serde_json::{Value, json};

/// A database with one collection of 30 documents, the years 2000 to 2029.
fn notes() -> Tool {
    let tool = Tool::new();
    let lines: Vec<String> = vectors(30, 4)
        .iter()
        .enumerate()
        .map(|(i, vector)| {
            let lang = ["en", "de", "fr"][i % 3];
            json!({"id": i, "vector": vector, "lang": lang, "year": 2000 + i, "body": format!("note {i}")})
                .to_string()
        })
        .collect();
    let file = tool.file("notes.jsonl", lines.join("\n"));
    tool.object(&["import", "notes", &file, "--metric", "cosine"]);
    tool
}

fn ids(found: &Value) -> Vec<u64> {
    let hits = found["hits"].as_array().unwrap();
    hits.iter().map(|hit| hit["id"].as_u64().unwrap()).collect()
}

#[test]
fn filters_select_what_is_counted_found_and_deleted() {
    let tool = notes();
    let filter = "lang = \"en\" and year >= 2015";
    let count =
        |filter: &str| tool.object(&["count", "notes", "--filter", filter])["count"].clone();
    assert_eq!(tool.object(&["count", "notes"])["count"], json!(30));
    assert_eq!(count(filter), json!(5));
    assert_eq!(count(r#"{"field": "lang", "eq": "en"}"#), json!(10));
    assert_eq!(
        tool.run(&["count", "notes", "--filter", filter]).stdout,
        "5\n"
    );

    let search = [
        "search", "notes", "--id", "3", "--filter", filter, "--recall", "0.98",
    ];
    let mut found = ids(&tool.object(&search));
    found.sort_unstable();
    assert_eq!(found, [15, 18, 21, 24, 27]);
    let plan = tool.object(&[&search[..], &["--explain"]].concat());
    assert_eq!(plan["steps"][0]["name"], json!("filter"));
    assert!(
        tool.run(&[&search[..], &["--explain"]].concat())
            .stdout
            .contains("total")
    );

    let message = tool.fails(2, &["count", "notes", "--filter", "lang = and"]);
    assert!(message.contains("column"), "{message}");
    assert!(
        tool.fails(2, &["search", "notes", "--id", "3", "--recall", "2"])
            .contains("recall")
    );
    assert!(tool.fails(2, &["delete", "notes"]).contains("<IDS>"));
    let deleted = tool.object(&["delete", "notes", "--filter", filter]);
    assert_eq!(deleted["deleted"], json!(5));
    assert_eq!(count("year >= 2000"), json!(25));
}

#[test]
fn payload_indexes_and_facets() {
    let tool = notes();
    let created = tool.object(&["index", "create", "notes", "lang", "keyword"]);
    assert_eq!(
        created,
        json!({"path": "lang", "kind": "keyword", "state": "ready"})
    );
    tool.object(&["index", "create", "notes", "body", "text"]);
    assert_eq!(tool.json(&["index", "list", "notes"]).len(), 2);
    assert!(
        tool.run(&["index", "list", "notes"])
            .stdout
            .contains("keyword")
    );
    let facet = tool.object(&["facet", "notes", "lang", "--filter", "year < 2004"]);
    assert_eq!(
        facet["values"],
        json!([{"value": "en", "count": 2}, {"value": "de", "count": 1}, {"value": "fr", "count": 1}])
    );
    tool.object(&["index", "drop", "notes", "lang", "keyword"]);
    let message = tool.fails(3, &["index", "drop", "notes", "lang", "keyword"]);
    assert_eq!(message, "collection \"notes\" has no keyword index of lang");
    assert!(
        tool.fails(2, &["index", "create", "notes", "lang", "btree"])
            .contains("btree")
    );
}

#[test]
fn queries_are_json() {
    let tool = notes();
    let request = json!({
        "prefetch": [
            {"query": {"nearest": {"id": 4}}, "limit": 20},
            {"query": {"text": {"path": "body", "words": "16"}}, "limit": 20}
        ],
        "query": {"rrf": {}},
        "filter": {"field": "year", "range": {"gte": 2010}},
        "limit": 3
    })
    .to_string();
    let file = tool.file("query.json", &request);
    let found = tool.object(&["query", "notes", &file]);
    assert_eq!(ids(&found).len(), 3);
    assert_eq!(ids(&found)[0], 16, "{found}");
    assert!(found["hits"][0]["payload"]["lang"].is_string());
    assert_eq!(
        tool.object(&["query", "notes", &request])["hits"],
        found["hits"]
    );
    let cursor = found["next"].as_str().unwrap();
    let second = tool.object(&["query", "notes", &file, "--cursor", cursor]);
    assert_eq!(second["hits"].as_array().unwrap().len(), 3);
    assert_ne!(second["hits"][0], found["hits"][0]);
    tool.fails(2, &["query", "notes", &file, "--cursor", &cursor[1..]]);
    let text = tool.run(&["query", "notes", &file]).stdout;
    assert!(text.contains("3 of 30 documents"), "{text}");
    let message = tool.fails(2, &["query", "notes", r#"{"limitt": 3}"#]);
    assert!(message.contains("limitt"), "{message}");
    tool.fails(3, &["query", "notes", "missing.json"]);
}

#[test]
fn a_collection_goes_out_and_in_again() {
    let tool = notes();
    tool.object(&["index", "create", "notes", "lang", "keyword"]);
    let exported = tool.object(&["export", "notes", "out.jsonl"]);
    assert_eq!(exported["documents"], json!(30));
    assert!(!tool.path("out.jsonl.part").exists());
    let file = std::fs::read_to_string(tool.path("out.jsonl")).unwrap();
    assert_eq!(tool.run(&["export", "notes"]).stdout, file);

    let imported = tool.object(&["import", "copy", "out.jsonl"]);
    assert_eq!(
        (&imported["inserted"], &imported["metric"]),
        (&json!(30), &json!("cosine"))
    );
    assert_eq!(
        tool.json(&["get", "copy", "7"]),
        tool.json(&["get", "notes", "7"])
    );
    assert_eq!(tool.json(&["index", "list", "copy"]).len(), 1);
    assert_eq!(
        tool.object(&["import", "copy", "out.jsonl"])["replaced"],
        json!(30)
    );
    assert_eq!(
        tool.run(&["export", "copy"]).stdout,
        file.replacen("notes", "copy", 1)
    );

    let message = tool.fails(2, &["import", "copy", "out.jsonl", "--metric", "l2"]);
    assert!(message.contains("--metric is not possible"), "{message}");
    let lines: Vec<&str> = file.lines().collect();
    tool.file("cut.jsonl", lines[..21].join("\n"));
    let message = tool.fails(2, &["import", "cut", "cut.jsonl"]);
    assert!(
        message.starts_with("cut.jsonl: line 22: the input ends after 20 documents"),
        "{message}"
    );
    tool.file(
        "bad.jsonl",
        lines[..3].join("\n") + "\n{\"id\": 1, \"vector\": [1]}\n",
    );
    let message = tool.fails(2, &["import", "bad", "bad.jsonl"]);
    assert!(message.starts_with("bad.jsonl: line 4: "), "{message}");
    tool.fails(3, &["export", "missing"]);
}

#[test]
fn a_collection_goes_out_and_in_again_as_a_table() {
    let tool = notes();
    tool.object(&["index", "create", "notes", "lang", "keyword"]);
    let original = tool.run(&["export", "notes"]).stdout;
    for file in ["out.parquet", "out.arrow"] {
        let exported = tool.object(&[
            "export",
            "notes",
            file,
            "--columns",
            "lang=text,year=integer",
        ]);
        assert_eq!(exported["documents"], json!(30));
        let copy = format!("copy-{file}");
        let imported = tool.object(&["import", &copy, file]);
        assert_eq!(imported["inserted"], json!(30));
        assert_eq!(
            tool.run(&["export", &copy]).stdout,
            original.replacen("notes", &copy, 1)
        );
        let message = tool.fails(2, &["import", &copy, file, "--metric", "l2"]);
        assert!(message.contains("--metric is not possible"), "{message}");
    }
    let stream = tool
        .command(&["export", "notes", "--format", "arrow"])
        .output();
    tool.file("piped", stream.unwrap().stdout);
    let imported = tool.object(&["import", "piped", "piped", "--format", "arrow"]);
    assert_eq!(imported["inserted"], json!(30));
    // What it is was forgotten by another program: the columns are left.
    tool.object(&[
        "export",
        "notes",
        "typed.parquet",
        "--columns",
        "lang=text",
        "--no-payload",
    ]);
    let message = tool.fails(2, &["export", "notes", "a.jsonl", "--no-payload"]);
    assert!(message.contains("--format parquet and arrow"), "{message}");
    tool.fails(2, &["export", "notes", "a.parquet", "--columns", "lang"]);
    tool.fails(
        2,
        &["export", "notes", "a.parquet", "--columns", "lang=varchar"],
    );
    tool.file("bad.arrow", "ARROW1\0\0 and nothing else");
    let message = tool.fails(2, &["import", "bad", "bad.arrow"]);
    assert!(
        message.starts_with("bad.arrow: not a readable arrow file"),
        "{message}"
    );
}

#[test]
fn writes_in_json_are_made_together() {
    let tool = notes();
    let upsert = r#"{"upsert": {"id": 7, "vector": [0.5, 1, 0, 0]}, "if": "absent"}"#;
    let done = tool.object(&["apply", "notes", upsert]);
    assert_eq!(
        (&done["applied"], &done["outcomes"]),
        (&json!(0), &json!(["exists"]))
    );
    let lines = [
        r#"{"patch": {"id": 7, "payload": [{"set": {"path": "seen.times", "value": 1}}], "expires": "never"}}"#,
        r#"{"delete": 8, "if": {"matches": {"field": "lang", "eq": "xx"}}}"#,
        "",
        r#"{"delete": 9}"#,
    ];
    tool.file("writes.jsonl", lines.join("\n"));
    let text = tool.run(&["apply", "notes", "writes.jsonl"]).stdout;
    assert_eq!(text, "1 deleted, 1 not matched, 1 patched\n");
    let seven = tool.object(&["get", "notes", "7"]);
    assert_eq!(seven["payload"]["seen"], json!({"times": 1}));
    assert_eq!(tool.object(&["count", "notes"])["count"], json!(29));
    tool.file(
        "bad.jsonl",
        "{\"delete\": 1}\n{\"delete\": 2, \"when\": 3}\n",
    );
    let message = tool.fails(2, &["apply", "notes", "bad.jsonl"]);
    assert!(
        message.contains("line 2: write, line 1, column 15: unknown field `when`"),
        "{message}"
    );
    assert_eq!(tool.object(&["count", "notes"])["count"], json!(29));
}
