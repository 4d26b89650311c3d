//! What a user gets wrong is told so that it can be mended, with an exit code that says whose turn it is.

use crate::tool::{Tool, npy, vectors};

#[test]
fn what_does_not_exist() {
    let tool = Tool::new();
    for command in [
        &["list"][..],
        &["info"],
        &["check"],
        &["search", "a", "--id", "1"],
        &["get", "a", "1"],
        &["import", "a", "x.npy"],
    ] {
        if command[0] == "import" {
            tool.file("x.npy", npy(&vectors(2, 2)));
        }
        let message = tool.fails(3, command);
        assert!(
            message.contains("no database at ./aethervec.db"),
            "{message}"
        );
    }
    assert!(
        !tool.path("aethervec.db").exists(),
        "a question must not make a database"
    );
    tool.object(&["create", "passages", "--dim", "2", "--metric", "l2"]);
    assert_eq!(
        tool.fails(3, &["search", "pasages", "--id", "1"]),
        "collection \"pasages\" does not exist: did you mean \"passages\"?"
    );
    assert_eq!(
        tool.fails(3, &["drop", "x", "--yes"]),
        "collection \"x\" does not exist: there are passages"
    );
    assert_eq!(
        tool.fails(3, &["search", "passages", "--id", "1"]),
        "document 1 is not in \"passages\""
    );
    assert_eq!(
        tool.fails(3, &["delete", "passages", "1", "b"]),
        "documents 1, b are not in \"passages\""
    );
    assert_eq!(
        tool.fails(3, &["import", "passages", "missing.npy"]),
        "missing.npy: no such file"
    );
    let message = tool.fails(3, &["import", "other", "x.npy"]);
    assert!(
        message.contains("\"other\" does not exist") && message.contains("add --metric"),
        "{message}"
    );
}

/// A directory that could not be listed, for want of permission, was reported as no database at all, with the
/// advice to make one. A link to itself cannot be listed either, not even by root.
#[cfg(unix)]
#[test]
fn a_directory_that_cannot_be_read_is_not_a_missing_database() {
    let tool = Tool::new();
    let db = tool.path("loop.db");
    std::os::unix::fs::symlink(&db, &db).unwrap();
    let db = db.to_str().unwrap();
    for command in [&["--db", db, "list"][..], &["--db", db, "check"]] {
        let message = tool.fails(1, command);
        assert!(
            message.starts_with("cannot read the directory") && message.contains("loop.db"),
            "{message}"
        );
    }
}

#[test]
fn wrong_arguments() {
    let tool = Tool::new();
    assert!(
        tool.fails(2, &["create", "a", "--dim", "x", "--metric", "l2"])
            .contains("'x' for '--dim")
    );
    assert!(
        tool.fails(2, &["create", "a", "--dim", "2", "--metric", "l3"])
            .contains("'l3' for '--metric")
    );
    assert!(
        tool.fails(2, &["create", "a", "--dim", "0", "--metric", "l2"])
            .contains("dim: 0 is out of range")
    );
    assert!(
        tool.fails(2, &["create", "../a", "--dim", "2", "--metric", "l2"])
            .contains("\"../a\" contains '/'")
    );
    assert!(
        tool.fails(2, &["create", "", "--dim", "2", "--metric", "l2"])
            .contains("is empty")
    );
    assert!(
        tool.fails(
            2,
            &["create", "a", "--dim", "2", "--metric", "l2", "--m", "1"]
        )
        .contains("index.m: 1 is out of range")
    );
    assert!(
        tool.fails(2, &["frobnicate"])
            .contains("unrecognized subcommand 'frobnicate'")
    );
    tool.object(&["create", "a", "--dim", "2", "--metric", "cosine"]);
    assert_eq!(
        tool.fails(2, &["create", "a", "--dim", "2", "--metric", "l2"]),
        "collection \"a\" exists already"
    );
    let search = |arguments: &[&str]| tool.fails(2, &[&["search", "a"], arguments].concat());
    assert!(search(&["--vector", "1,x"]).contains("--vector: \"x\" is not a number"));
    assert!(search(&["--vector", "1,2,3"]).contains("it has 3 components: the field's dim is 2"));
    assert!(search(&["--vector", "NaN,1"]).contains("component 0 is NaN"));
    assert!(search(&["--vector", "0,0"]).contains("under cosine"));
    assert!(search(&["--vector", "1,2", "-k", "0"]).contains("1..=10000"));
    assert!(search(&["--vector", "1,2", "-k", "20000"]).contains("1..=10000"));
    assert!(search(&[]).contains("required arguments were not provided"));
    assert!(search(&["--vector", "1,2", "--id", "3"]).contains("cannot be used with"));
}

#[test]
fn wrong_files() {
    let tool = Tool::new();
    tool.object(&["create", "a", "--dim", "2", "--metric", "cosine"]);
    let import = |name: &str, bytes: &[u8], more: &[&str]| {
        let file = tool.file(name, bytes);
        tool.fails(2, &[&["import", "a", &file], more].concat())
    };
    assert_eq!(
        import("a.npy", &npy(&vectors(2, 3)), &[]),
        "a.npy: vectors of 3 components, but collection \"a\" has dim 2"
    );
    assert!(
        import("b.txt", b"1 2", &[])
            .contains("b.txt: cannot tell the format from the name: say --format")
    );
    assert!(import("c.npy", b"hello hello", &[]).contains("c.npy: not a NumPy file"));
    assert!(import("d.npy", &npy(&vectors(2, 2))[..80], &[]).contains("d.npy: truncated"));
    assert!(
        import("e.csv", b"id,vector\n1,\n", &[])
            .contains("e.csv: line 2: column `vector`: the vector is empty")
    );
    assert!(import("f.jsonl", b"{\"vector\": [1]}\n", &[]).contains("vectors of 1 components"));
    assert!(
        import(
            "g.npy",
            &npy(&vectors(2, 2)),
            &["--ids", &tool.file("ids", "1\n")]
        )
        .contains("ids: ends before row 1 of the vectors")
    );
    assert!(
        import(
            "g.npy",
            &npy(&vectors(2, 2)),
            &["--ids", &tool.file("ids", "1\n2\n3\n")]
        )
        .contains("more ids than there are vectors")
    );
    assert!(
        tool.fails(2, &["import", "a", "-"])
            .contains("say --format")
    );
    assert!(
        tool.fails(2, &["import", "a", ".", "--format", "npy"])
            .contains("is a directory")
    );
}

#[test]
fn a_bad_row_is_named_and_what_is_before_it_kept() {
    let tool = Tool::new();
    let mut rows = vectors(2500, 2);
    rows[2103][1] = f32::NAN;
    let file = tool.file("a.npy", npy(&rows));
    tool.object(&["create", "a", "--dim", "2", "--metric", "l2"]);
    let run = tool.run(&["import", "a", &file]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr
            .contains("a.npy: row 2103: vector: component 1 is NaN"),
        "{run:?}"
    );
    assert!(
        run.stderr
            .contains("2,103 rows before it are in; continue with --skip 2103"),
        "{run:?}"
    );
    assert_eq!(tool.json(&["list", "a", "--all"]).len(), 2103);
    let done = tool.object(&["import", "a", &file, "--skip", "2104"]);
    assert_eq!(done["documents"], serde_json::json!(2499));
    let zero = tool.file("z.jsonl", "{\"vector\": [1, 2]}\n{\"vector\": [0, 0]}\n");
    tool.object(&["create", "c", "--dim", "2", "--metric", "cosine"]);
    let message = tool.fails(2, &["import", "c", &zero]);
    assert!(
        message.contains("z.jsonl: line 2: vector: it is zero")
            && message.contains("1 row before it is in; continue with --skip 1"),
        "{message}"
    );
}

#[test]
fn a_database_that_is_open_elsewhere_names_the_process() {
    let tool = Tool::new();
    let holder = crate::interrupt::import_under_way(&tool);
    let message = tool.fails(1, &["list"]);
    assert!(
        message.contains(&holder.0.id().to_string()),
        "{message} should name {}",
        holder.0.id()
    );
}

#[test]
fn a_path_that_cannot_be_a_database() {
    let tool = Tool::new();
    tool.file("occupied", "text");
    let run = tool.run(&["--db", "occupied", "list"]);
    assert!(run.code == 1 && run.stderr.contains("occupied"), "{run:?}");
}
