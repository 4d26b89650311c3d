//! Every command once, by its JSON and by what people see.

use crate::tool::{Tool, npy, testdata, vectors};
use serde_json::json;

/// A database with one collection of 20 documents.
fn small() -> Tool {
    let tool = Tool::new();
    let lines: Vec<String> = vectors(20, 4)
        .iter()
        .enumerate()
        .map(|(i, vector)| json!({"id": i, "vector": vector, "title": format!("t{i}")}).to_string())
        .collect();
    let file = tool.file("notes.jsonl", lines.join("\n"));
    tool.object(&["create", "notes", "--dim", "4", "--metric", "cosine"]);
    tool.object(&["import", "notes", &file]);
    tool
}

#[test]
fn create_and_list() {
    let tool = Tool::new();
    let created = tool.object(&[
        "create",
        "images",
        "--dim",
        "784",
        "--metric",
        "l2",
        "--element",
        "u8",
        "--m",
        "32",
    ]);
    assert_eq!(
        created,
        json!({"collection": "images", "dim": 784, "metric": "l2", "element": "u8",
               "index": {"kind": "hnsw", "m": 32, "ef_construction": 160}})
    );
    tool.object(&[
        "create", "flat", "--dim", "3", "--metric", "dot", "--index", "flat",
    ]);
    let listed = tool.json(&["list"]);
    assert_eq!(listed.len(), 2);
    assert_eq!(
        (&listed[0]["collection"], &listed[0]["documents"]),
        (&json!("flat"), &json!(0))
    );
    let text = tool.run(&["list"]).stdout;
    assert!(
        text.contains("images") && text.contains("hnsw (m 32, ef_construction 160)"),
        "{text}"
    );
    assert!(tool.path("aethervec.db").is_dir());
}

#[test]
fn the_options_say_which_index_it_is() {
    let tool = Tool::new();
    let index = |name: &str, options: &[&str]| {
        let create = ["create", name, "--dim", "3", "--metric", "l2"];
        tool.object(&[&create, options].concat())["index"].clone()
    };
    assert_eq!(index("a", &[]), json!({"kind": "auto"}));
    assert_eq!(
        index("b", &["--index-memory", "2"]),
        json!({"kind": "auto", "memory_bytes_max": 2 << 20})
    );
    assert_eq!(
        index("c", &["--bucket-points", "64"]),
        json!({"kind": "ivf", "bucket_points": 64})
    );
    let error = tool.fails(
        2,
        &[
            "create", "d", "--dim", "3", "--metric", "l2", "--index", "flat", "--m", "8",
        ],
    );
    assert_eq!(error, "--m belongs to --index hnsw, not to flat");
}

#[test]
fn info_tells_how_vectors_are_found_and_why() {
    let tool = sentences();
    let info = tool.object(&["info"]);
    let dense = &info["collections"][0]["index_status"]["dense"][""];
    assert_eq!(
        (&dense["family"], &dense["next"], &dense["effort"]),
        (&json!("buckets"), &json!(null), &json!(256))
    );
    let text = tool.run(&["info"]).stdout;
    let why = "passages: buckets (up to 100000 vectors like these buckets are as fast as a graph, and faster under filters)";
    assert!(text.contains(why), "{text}");
}

#[test]
fn search_by_vector_by_document_and_by_file() {
    let tool = small();
    let found = tool.object(&["search", "notes", "--vector", "-0.1,0.2,0.3,0.4", "-k", "3"]);
    let hits = found["hits"].as_array().unwrap();
    assert_eq!(hits.len(), 3);
    assert!(
        hits[0]["score"].as_f64() >= hits[1]["score"].as_f64()
            && hits[0]["payload"]["title"].is_string()
    );
    let same = tool.object(&[
        "search",
        "notes",
        "--vector",
        "[-0.1, 0.2, 0.3, 0.4]",
        "-k",
        "3",
        "--exact",
        "--no-payload",
        "--with-vector",
    ]);
    assert_eq!(same["hits"][0]["id"], hits[0]["id"]);
    assert!(
        same["hits"][0].get("payload").is_none()
            && same["hits"][0]["vector"].as_array().unwrap().len() == 4
    );

    let near = tool.object(&["search", "notes", "--id", "7", "-k", "5"]);
    let ids: Vec<_> = near["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| hit["id"].clone())
        .collect();
    assert!(ids.len() == 5 && !ids.contains(&json!(7)), "{ids:?}");

    let queries = tool.file("q.npy", npy(&vectors(6, 4)));
    let truth: Vec<u8> = (0..6_i32)
        .flat_map(|row| [1_i32.to_le_bytes(), row.to_le_bytes()].concat())
        .collect();
    let truth = tool.file("gt.ivecs", truth);
    let lines = tool.json(&[
        "search",
        "notes",
        "--queries",
        &queries,
        "--ground-truth",
        &truth,
        "-k",
        "1",
    ]);
    assert_eq!(lines.len(), 7);
    assert_eq!(lines[3]["hits"][0]["id"], json!(3));
    assert_eq!(
        (
            &lines[6]["summary"]["recall"],
            &lines[6]["summary"]["queries"]
        ),
        (&json!(1.0), &json!(6))
    );
    let text = tool.run(&["search", "notes", "--id", "7"]).stdout;
    assert!(
        text.contains("score") && text.contains("of 20 documents"),
        "{text}"
    );
}

#[test]
fn get_delete_and_list_documents() {
    let tool = small();
    let lines = tool.json(&["get", "notes", "3", "4"]);
    assert_eq!(
        (&lines[0]["id"], &lines[1]["payload"]["title"]),
        (&json!(3), &json!("t4"))
    );
    let page = tool.json(&["list", "notes", "--limit", "5", "--after", "9"]);
    assert_eq!(
        page.iter()
            .map(|line| line["id"].as_u64().unwrap())
            .collect::<Vec<_>>(),
        [10, 11, 12, 13, 14]
    );
    let deleted = tool.object(&["delete", "notes", "3", "4"]);
    assert_eq!(deleted["deleted"], json!(2));
    assert_eq!(
        tool.fails(3, &["get", "notes", "3"]),
        "document 3 is not in \"notes\""
    );
    let all = tool.json(&["list", "notes", "--all", "--with-vector"]);
    assert_eq!(all.len(), 18);
    // What is listed can be imported again.
    let dump = all
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    let dump = tool.file("dump.jsonl", dump);
    let again = tool.object(&["import", "copy", &dump, "--metric", "cosine"]);
    assert_eq!(
        (&again["documents"], &again["inserted"]),
        (&json!(18), &json!(18))
    );
    assert_eq!(
        tool.json(&["get", "copy", "5"]),
        tool.json(&["get", "notes", "5"])
    );
}

#[test]
fn info_and_check_agree() {
    let tool = small();
    let info = tool.object(&["info"]);
    assert_eq!(info["collections"][0]["documents"], json!(20));
    assert!(info["disk_bytes"].as_u64().unwrap() > 0);
    let check = tool.object(&["check"]);
    assert_eq!(
        (&check["clean"], &check["collections"][0]["documents"]),
        (&json!(true), &json!(20))
    );
    assert!(tool.run(&["check"]).stdout.contains("all is well"));
    assert!(tool.run(&["info", "notes"]).stdout.contains("cosine"));
}

#[test]
fn check_finds_damage() {
    let tool = Tool::new();
    tool.object(&[
        "import",
        "passages",
        &testdata("minilm-base.npy"),
        "--metric",
        "cosine",
        "--limit",
        "3000",
    ]);
    for extension in ["sst", "att"] {
        let files = std::fs::read_dir(tool.path("aethervec.db"))
            .unwrap()
            .flatten()
            .map(|entry| entry.path());
        let files = files.filter(|path| path.extension().is_some_and(|found| found == extension));
        let file = files
            .max_by_key(|path| path.metadata().unwrap().len())
            .unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        let good = std::fs::read(&file).unwrap();
        let mut bad = good.clone();
        bad[good.len() / 2] ^= 0x10;
        std::fs::write(&file, bad).unwrap();
        let run = tool.run(&["check", "--json"]);
        assert_eq!(run.code, 4, "{run:?}");
        assert!(
            run.stdout.contains(name) || run.stderr.contains(name),
            "{run:?} should name {name}"
        );
        assert!(run.stderr.contains("\"corruption\""), "{run:?}");
        std::fs::write(&file, good).unwrap();
    }
    assert_eq!(tool.object(&["check"])["clean"], json!(true));
}

/// The index is derived data: a database whose index file is gone could not be opened at all once.
#[test]
fn without_its_index_file_a_collection_is_still_searched() {
    let tool = sentences();
    let files = std::fs::read_dir(tool.path("aethervec.db")).unwrap();
    let index = files
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|found| found == "att"))
        .unwrap();
    std::fs::remove_file(&index).unwrap();
    let search = tool.object(&["search", "passages", "--id", "42", "-k", "3"]);
    assert_eq!(search["hits"].as_array().unwrap().len(), 3);
    let run = tool.run(&["check"]);
    assert_eq!(run.code, 4, "{run:?}");
    let name = index.file_name().unwrap().to_str().unwrap();
    assert!(run.stdout.contains(name), "{run:?} should name {name}");
}

/// Its files stayed until many later commands had each removed a little.
#[test]
fn drop_gives_the_space_back() {
    let tool = sentences();
    let bytes = |tool: &Tool| tool.object(&["info"])["disk_bytes"].as_u64().unwrap();
    assert!(bytes(&tool) > 1_000_000);
    tool.object(&["drop", "passages", "--yes"]);
    assert!(bytes(&tool) < 100_000);
    assert_eq!(tool.object(&["check"])["clean"], json!(true));
}

/// Enough real sentences for a graph.
fn sentences() -> Tool {
    let tool = Tool::new();
    let base = testdata("minilm-base.npy");
    let metric = ["--metric", "cosine", "--limit", "3000"];
    tool.object(&[&["import", "passages", &base], &metric[..]].concat());
    tool
}

#[test]
fn drop_needs_a_yes() {
    let tool = small();
    assert!(tool.fails(2, &["drop", "notes"]).contains("--yes"));
    let dropped = tool.object(&["drop", "notes", "--yes"]);
    assert_eq!(
        (&dropped["dropped"], &dropped["documents"]),
        (&json!(true), &json!(20))
    );
    assert!(tool.json(&["list"]).is_empty());
    assert!(tool.run(&["list"]).stdout.contains("no collections"));
}

#[test]
fn bench_measures_recall_and_speed() {
    let tool = Tool::new();
    tool.object(&[
        "import",
        "passages",
        &testdata("minilm-base.npy"),
        "--metric",
        "cosine",
        "--limit",
        "3000",
    ]);
    let lines = tool.json(&[
        "bench",
        "passages",
        "--queries",
        &testdata("minilm-query.npy"),
        "--limit",
        "50",
        "--ef",
        "10,200",
        "--rounds",
        "1",
    ]);
    assert_eq!(
        (
            &lines[0]["documents"],
            &lines[0]["queries"],
            &lines[0]["pending"]
        ),
        (&json!(3000), &json!(50), &json!(0))
    );
    assert_eq!(
        (&lines[1]["ef"], &lines[2]["ef"]),
        (&json!(10), &json!(200))
    );
    let recall = |line: usize| lines[line]["recall"].as_f64().unwrap();
    assert!(recall(2) >= 0.95 && recall(2) >= recall(1), "{lines:?}");
    assert!(lines[2]["queries_per_second"].as_f64().unwrap() > 10.0);
    let sampled = tool.json(&[
        "bench", "passages", "--sample", "20", "--ef", "100", "--rounds", "1", "-k", "5",
    ]);
    assert_eq!(
        (&sampled[0]["sampled"], &sampled[0]["queries"]),
        (&json!(true), &json!(20))
    );
    assert!(sampled[1]["recall"].as_f64().unwrap() > 0.9, "{sampled:?}");
    assert!(
        tool.run(&["bench", "passages", "--sample", "5", "--ef", "10"])
            .stdout
            .contains("recall@10")
    );
}

#[test]
fn completions_and_help() {
    let tool = Tool::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let run = tool.run(&["completions", shell]);
        assert!(
            run.code == 0 && run.stdout.contains("aethervec") && run.stdout.contains("import"),
            "{shell}"
        );
    }
    let commands = [
        "create",
        "import",
        "search",
        "get",
        "delete",
        "list",
        "drop",
        "info",
        "check",
        "bench",
        "demo",
        "key",
        "completions",
    ];
    let help = tool.run(&["--help"]).stdout;
    for command in commands {
        assert!(help.contains(command), "{command}");
        let help = tool.run(&["help", command]);
        assert_eq!(help.code, 0);
        assert!(
            help.stdout.contains("Examples:")
                && help.stdout.contains("Exit codes:")
                && help.stdout.contains("130"),
            "{}",
            help.stdout
        );
        assert!(
            help.stdout.contains("--json") && help.stdout.contains("--db"),
            "{command}"
        );
    }
    assert!(tool.run(&["--version"]).stdout.starts_with("aethervec "));
}

#[test]
fn the_environment_names_the_database() {
    let tool = small();
    let output = tool
        .command(&["list", "--json"])
        .env("AETHERVEC_DB", tool.path("elsewhere"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let output = tool
        .command(&["list", "--json", "--db", "aethervec.db"])
        .env("AETHERVEC_DB", "elsewhere")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
}
