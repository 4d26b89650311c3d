//! Each format goes in and comes out as it was.

use crate::tool::{Tool, npy, npy_of, testdata, vectors};
use serde_json::{Value, json};
use std::io::Write;

/// The documents of a collection, vectors included.
fn documents(tool: &Tool, collection: &str) -> Vec<Value> {
    tool.json(&["list", collection, "--all", "--with-vector"])
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `fvecs` of whole rows.
fn fvecs(rows: &[Vec<f32>]) -> Vec<u8> {
    let row = |row: &Vec<f32>| {
        let length = i32::try_from(row.len()).unwrap().to_le_bytes();
        [length]
            .into_iter()
            .chain(row.iter().map(|x| x.to_le_bytes()))
            .flatten()
            .collect::<Vec<u8>>()
    };
    rows.iter().flat_map(row).collect()
}

#[test]
fn formats_of_plain_vectors_agree() {
    let tool = Tool::new();
    let rows = vectors(30, 5);
    let doubles: Vec<u8> = rows
        .iter()
        .flatten()
        .flat_map(|&x| f64::from(x).to_le_bytes())
        .collect();
    let csv: String = rows
        .iter()
        .map(|row| {
            format!(
                "{}\n",
                row.iter().map(f32::to_string).collect::<Vec<_>>().join(",")
            )
        })
        .collect();
    let files = [
        ("a.npy", npy(&rows)),
        ("b.npy.gz", gzipped(&npy(&rows))),
        ("c.npy", npy_of("<f8", "(30, 5)", &doubles)),
        ("d.fvecs", fvecs(&rows)),
        ("e.fvecs.gz", gzipped(&fvecs(&rows))),
        (
            "f.jsonl",
            rows.iter()
                .map(|row| format!("{}\n", json!({"vector": row})))
                .collect::<String>()
                .into_bytes(),
        ),
        ("g.csv", format!("v0,v1,v2,v3,v4\n{csv}").into_bytes()),
    ];
    for (name, bytes) in files {
        let file = tool.file(name, bytes);
        let done = tool.object(&[
            "import",
            name,
            &file,
            "--metric",
            "l2",
            "--vector-columns",
            "v*",
        ]);
        assert_eq!(
            (&done["rows"], &done["documents"], &done["element"]),
            (&json!(30), &json!(30), &json!("f32")),
            "{name}"
        );
        let stored = documents(&tool, name);
        assert_eq!(stored, documents(&tool, "a.npy"), "{name}");
        assert_eq!(stored[3], json!({"id": 3, "vector": rows[3]}));
    }
}

#[test]
fn bytes_and_halves_keep_their_type() {
    let tool = Tool::new();
    let bvecs = tool.file("a.bvecs", [3, 0, 0, 0, 7, 8, 9, 3, 0, 0, 0, 255, 0, 1]);
    let done = tool.object(&["import", "bytes", &bvecs, "--metric", "l2"]);
    assert_eq!(done["element"], json!("u8"));
    assert_eq!(
        documents(&tool, "bytes")[1],
        json!({"id": 1, "vector": [255, 0, 1]})
    );
    let done = tool.object(&[
        "import",
        "halves",
        &testdata("minilm-query.npy"),
        "--metric",
        "cosine",
    ]);
    assert_eq!(
        (&done["element"], &done["dim"], &done["documents"]),
        (&json!("f16"), &json!(384), &json!(200))
    );
    let done = tool.object(&[
        "import",
        "images",
        &testdata("fashion-query.npy.gz"),
        "--metric",
        "l2",
    ]);
    assert_eq!(
        (&done["element"], &done["dim"], &done["documents"]),
        (&json!("u8"), &json!(784), &json!(200))
    );
}

#[test]
fn payloads_come_from_every_side() {
    let tool = Tool::new();
    let jsonl = tool.file(
        "a.jsonl",
        concat!(
            "{\"key\": \"x\", \"emb\": [1, 0], \"meta\": {\"lang\": \"en\"}, \"year\": 1999}\n",
            "{\"key\": \"67e55044-10b1-426f-9247-bb680e5fe0c8\", \"emb\": [0, 1]}\n",
        ),
    );
    tool.object(&[
        "import",
        "a",
        &jsonl,
        "--metric",
        "dot",
        "--id-field",
        "key",
        "--vector-field",
        "emb",
        "--payload-field",
        "meta",
    ]);
    let stored = documents(&tool, "a");
    assert_eq!(
        stored[1],
        json!({"id": "x", "vector": [1.0, 0.0], "payload": {"lang": "en", "year": 1999}})
    );
    assert_eq!(
        stored[0]["id"],
        json!("67e55044-10b1-426f-9247-bb680e5fe0c8")
    );

    let csv = tool.file(
        "b.csv",
        "id;vector;title;n\n5;\"[1, 2]\";\"a; b\";3.5\n6;3 4;;\n",
    );
    tool.object(&["import", "b", &csv, "--metric", "l2", "--delimiter", ";"]);
    let stored = documents(&tool, "b");
    assert_eq!(
        stored[0],
        json!({"id": 5, "vector": [1.0, 2.0], "payload": {"title": "a; b", "n": 3.5}})
    );
    assert_eq!(stored[1], json!({"id": 6, "vector": [3.0, 4.0]}));

    let file = tool.file("c.npy", npy(&vectors(3, 2)));
    let labels = tool.file("labels.npy", npy_of("|u1", "(3,)", &[9, 8, 7]));
    let ids = tool.file("ids.txt", "one\n2\nthree\n");
    tool.object(&[
        "import",
        "c",
        &file,
        "--metric",
        "l2",
        "--ids",
        &ids,
        "--payload-npy",
        &format!("label={labels}"),
    ]);
    let stored = documents(&tool, "c");
    assert_eq!(
        (&stored[0]["id"], &stored[0]["payload"]),
        (&json!(2), &json!({"label": 8}))
    );
    assert_eq!(
        (&stored[2]["id"], &stored[2]["payload"]),
        (&json!("three"), &json!({"label": 7}))
    );
}

#[test]
fn parquet_written_elsewhere_is_read() {
    use parquet::data_type::{ByteArray, ByteArrayType, FloatType};
    use parquet::file::{properties::WriterProperties, writer::SerializedFileWriter};
    let schema = "message m { required binary id (UTF8); required group vector (LIST) { repeated group list { required float element; } } }";
    let schema = std::sync::Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(
        &mut bytes,
        schema,
        WriterProperties::builder().build().into(),
    )
    .unwrap();
    let rows = vectors(700, 3);
    let mut group = writer.next_row_group().unwrap();
    let ids: Vec<ByteArray> = (0..rows.len())
        .map(|row| ByteArray::from(format!("r{row:03}").as_str()))
        .collect();
    let mut column = group.next_column().unwrap().unwrap();
    column
        .typed::<ByteArrayType>()
        .write_batch(&ids, None, None)
        .unwrap();
    column.close().unwrap();
    let repetitions: Vec<i16> = rows.iter().flat_map(|_| [0, 1, 1]).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column
        .typed::<FloatType>()
        .write_batch(
            &rows.concat(),
            Some(&vec![1; repetitions.len()]),
            Some(&repetitions),
        )
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();

    let tool = Tool::new();
    let file = tool.file("x.parquet", &bytes);
    let done = tool.object(&["import", "x", &file, "--metric", "cosine"]);
    assert_eq!(done["documents"], json!(700));
    let stored = documents(&tool, "x");
    assert_eq!(stored[650], json!({"id": "r650", "vector": rows[650]}));
    assert!(
        tool.fails(
            2,
            &[
                "import",
                "y",
                &tool.file("y.parquet", &bytes[..400]),
                "--metric",
                "l2"
            ]
        )
        .contains("y.parquet: not a readable parquet file")
    );
}

#[test]
fn rows_can_be_skipped_limited_and_numbered() {
    let tool = Tool::new();
    let file = tool.file("a.npy", npy(&vectors(10, 2)));
    tool.object(&[
        "import",
        "a",
        &file,
        "--metric",
        "l2",
        "--skip",
        "4",
        "--limit",
        "3",
        "--first-id",
        "100",
    ]);
    let ids: Vec<_> = documents(&tool, "a")
        .iter()
        .map(|document| document["id"].clone())
        .collect();
    assert_eq!(ids, [json!(104), json!(105), json!(106)]);
    let again = tool.object(&[
        "import",
        "a",
        &file,
        "--first-id",
        "100",
        "--no-wait",
        "--batch",
        "3",
    ]);
    assert_eq!(
        (&again["inserted"], &again["replaced"], &again["documents"]),
        (&json!(7), &json!(3), &json!(10))
    );
}

#[test]
fn standard_input_is_a_file_too() {
    let tool = Tool::new();
    let mut child = tool
        .command(&[
            "import", "a", "-", "--format", "jsonl", "--metric", "l2", "--json",
        ])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"{\"vector\": [1, 2]}\n{\"vector\": [3, 4]}\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(documents(&tool, "a").len(), 2);
}
