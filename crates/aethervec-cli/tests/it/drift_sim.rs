//! `drift-sim`: tiny scenarios, from the vectors to the pictures.

use crate::tool::{Tool, npy, npy_of, vectors};
use serde_json::{Value, json};

/// The records of one index.
fn of<'a>(lines: &'a [Value], index: &str) -> Vec<&'a Value> {
    let of_it = lines.iter().filter(|line| line["index"] == index);
    of_it.collect()
}

fn recall(record: &Value) -> f64 {
    record["recall"].as_f64().unwrap()
}

#[test]
fn an_index_without_upkeep_rots_beside_one_that_keeps_up() {
    let tool = Tool::new();
    let lines = tool.json(&[
        "drift-sim",
        "--scenario",
        "paper",
        "--index",
        "hnsw,fixed",
        "--points",
        "2000",
        "--dimension",
        "64",
        "--windows",
        "6",
        "--queries",
        "100",
        "--out",
        "aged",
    ]);
    let (kept, fixed) = (of(&lines, "hnsw"), of(&lines, "fixed"));
    assert_eq!((kept.len(), fixed.len()), (7, 7));
    // Tuned for 0.95 by other queries than these hundred.
    assert!(recall(fixed[0]) >= 0.9, "{:?}", fixed[0]);
    assert!(recall(fixed[5]) < 0.8, "{:?}", fixed[5]);
    assert!(kept.iter().all(|record| recall(record) >= 0.9), "{kept:?}");
    assert_eq!(
        (&kept[6]["points"], &kept[6]["deleted"]),
        (&json!(1000), &json!(1000))
    );
    assert!(kept[6]["write_amplification"].as_f64().unwrap() > 1.0);
    assert!(fixed[6]["buckets_scanned"].as_f64().unwrap() >= 1.0);

    let out = tool.path("aged");
    for picture in ["drift-sim.png", "paper.png"] {
        let png = std::fs::read(out.join(picture)).unwrap();
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"), "{picture}");
    }
    let page = std::fs::read_to_string(out.join("drift-sim.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 2);
    assert!(!page.contains("<script") && !page.contains("<link"));
    let records = std::fs::read_to_string(out.join("records.jsonl")).unwrap();
    assert_eq!(records.lines().count(), 14);
    // Databases are gone, what was written stays.
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 4);

    // Records of others are drawn, too.
    let others = records.replace("\"fixed\"", "\"somebody else\"");
    let others = tool.file("others.jsonl", others);
    let small = [
        "--scenario",
        "steady",
        "--index",
        "fixed",
        "--points",
        "200",
    ];
    let options = ["--windows", "2", "--out", "both", "--with", &others];
    tool.json(&[&["drift-sim"], &small[..], &options[..]].concat());
    let page = std::fs::read_to_string(tool.path("both/drift-sim.html")).unwrap();
    assert!(page.contains("somebody else") && page.contains("<h2>steady"));
}

#[test]
fn vectors_of_a_file_come_source_by_source_and_scenarios_go_to_others() {
    let tool = Tool::new();
    let data = tool.file("data.npy", npy(&vectors(400, 8)));
    let sources: Vec<u8> = (0..400_u32).map(|i| u8::try_from(i % 3).unwrap()).collect();
    let labels = tool.file("source.npy", npy_of("|u1", "(400,)", &sources));
    let asked = ["drift-sim", "--scenario", "by-source", "--data", &data];
    let size = ["--windows", "3", "--queries", "1000"];
    let options = [&["--labels", &labels, "--metric", "cosine"][..], &size].concat();
    let exported = tool.object(&[&asked[..], &options, &["--export", "files"]].concat());
    assert_eq!(
        (&exported["vectors"], &exported["windows"]),
        (&json!(358), &json!(4))
    );
    let files = tool.path("files/by-source");
    let scenario = std::fs::read_to_string(files.join("scenario.json")).unwrap();
    let scenario: Value = serde_json::from_str(&scenario).unwrap();
    assert_eq!(
        (&scenario["dimension"], &scenario["metric"]),
        (&json!(8), &json!("cosine"))
    );
    assert_eq!(scenario["windows"][3]["points"], 358);
    for (file, bytes) in [
        ("vectors.npy", 358 * 32),
        ("queries.npy", 4_000 * 32),
        ("truth.npy", 16_000),
        ("unmeasured.npy", 3_000 * 32),
        ("tuning_queries.npy", 1_000 * 32),
        ("tuning_truth.npy", 4_000),
    ] {
        let length = std::fs::metadata(files.join(file)).unwrap().len();
        assert!(
            (bytes + 64..bytes + 192).contains(&length),
            "{file}: {length}"
        );
    }
    let played = tool.json(&[&asked[..], &options, &["--index", "flat"]].concat());
    let flat = of(&played, "flat");
    assert!(flat.iter().all(|record| recall(record) > 0.999), "{flat:?}");
}

#[test]
fn what_cannot_be_played_is_told() {
    let tool = Tool::new();
    let run = tool.fails(2, &["drift-sim", "--metric", "dot"]);
    assert!(run.contains("l2 or cosine"), "{run}");
    let run = tool.fails(2, &["drift-sim", "--recall", "1.5"]);
    assert!(run.contains("1.5"), "{run}");
    let run = tool.fails(2, &["drift-sim", "--points", "10000000"]);
    assert!(run.contains("--windows"), "{run}");
    tool.fails(2, &["drift-sim", "--index", "nothing"]);
    tool.fails(
        3,
        &["drift-sim", "--data", "missing.npy", "--scenario", "steady"],
    );
    let empty = tool.file("empty.jsonl", "{}");
    let small = [
        "drift-sim",
        "--scenario",
        "steady",
        "--index",
        "fixed",
        "--points",
        "99",
    ];
    let run = tool.fails(2, &[&small[..], &["--with", &empty]].concat());
    assert!(run.contains("no records"), "{run}");
}
