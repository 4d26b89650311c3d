//! Filters in their three forms: what one form says, the others say too; and no text, however wrong, is too much.

use crate::common::for_seeds;
use crate::generate;
use aethervec::{
    AetherDB, CollectionView, Document, ErrorKind, Filter, IndexConfig, PayloadIndexKind,
    SearchRequest, limits,
};

/// Filters that are tried with each seed.
const ROUNDS: usize = 200;

#[test]
fn every_form_says_the_same() {
    for_seeds(10, say_the_same);
}

fn say_the_same(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..ROUNDS {
        let filter = generate::filter(&mut random, 4);
        filter.validate().unwrap();

        let json = serde_json::to_string(&filter).unwrap();
        assert_eq!(Filter::from_json(&json).unwrap(), filter, "{json}");
        let value = serde_json::to_value(&filter).unwrap();
        assert_eq!(
            serde_json::from_value::<Filter>(value).unwrap(),
            filter,
            "{json}"
        );

        let text = filter.to_string();
        let parsed = Filter::parse(&text).unwrap_or_else(|error| panic!("{filter:?}: {error}"));
        assert_eq!(parsed.to_string(), text);
        for _ in 0..10 {
            let (id, payload) = (generate::id(&mut random), generate::payload(&mut random));
            let has_image = random.bool();
            let holds = |filter: &Filter| {
                filter.matches(&id, Some(&payload), |name| name.is_empty() || has_image)
            };
            assert_eq!(holds(&parsed), holds(&filter), "{text}: {payload}");
            assert_ne!(holds(&!filter.clone()), holds(&filter), "{text}: {payload}");
        }
    }
}

#[test]
fn no_text_is_too_wrong() {
    for_seeds(10, spoil);
}

fn spoil(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let pieces = [
        "(",
        ")",
        "\"",
        "\\",
        "and ",
        "not ",
        "in ",
        "is ",
        "null",
        "=",
        "<=",
        "!",
        "-",
        "1e",
        "2024-05-0",
        ",",
        "{",
        "}",
        "[",
        "]",
        ":",
        "[]",
        ".",
        "\n",
        "ä",
        "\u{0}",
        "\u{10ffff}",
        "at least ",
        "has ",
    ];
    for _ in 0..ROUNDS {
        let filter = generate::filter(&mut random, 3);
        let json = serde_json::to_string(&filter).unwrap();
        for whole in [filter.to_string(), json] {
            let mut text: Vec<char> = whole.chars().collect();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..=text.len());
                let end = random.usize(at..=text.len().min(at + 4));
                let piece = random.choice(pieces).unwrap_or_default();
                text.splice(at..end, piece.chars());
            }
            let text: String = text.into_iter().collect();
            for parsed in [Filter::parse(&text), Filter::from_json(&text)] {
                match parsed {
                    Ok(filter) => assert_eq!(
                        Filter::parse(&filter.to_string()).unwrap().to_string(),
                        filter.to_string()
                    ),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Invalid),
                }
            }
        }
    }
}

#[test]
fn depth_and_length_have_limits() {
    for deep in [
        format!("{}true{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("{}true", "not ".repeat(100_000)),
        format!("{}true{}", "a has (".repeat(100_000), ")".repeat(100_000)),
        format!(
            "{}true{}",
            "at least 1 of (".repeat(100_000),
            ")".repeat(100_000)
        ),
    ] {
        let error = Filter::parse(&deep).unwrap_err().to_string();
        assert!(
            error.contains("nested deeper") || error.contains("fewer \"not\""),
            "{error}"
        );
    }
    let deep = format!(
        "{}{}{}",
        "{\"not\":".repeat(60),
        "{\"and\":[]}",
        "}".repeat(60)
    );
    let error = Filter::from_json(&deep).unwrap_err().to_string();
    assert!(error.contains("nested deeper than 32 levels"), "{error}");
    assert!(Filter::from_json(&"{\"not\":".repeat(100_000)).is_err());

    let long = format!(
        "lang in ({})",
        "\"en\", ".repeat(limits::FILTER_TEXT_BYTES_MAX / 6)
    );
    let error = Filter::parse(&long).unwrap_err().to_string();
    assert!(error.contains("bytes: at most"), "{error}");
    let many = vec!["a exists"; limits::FILTER_NODES_MAX + 1].join(" or ");
    let error = Filter::parse(&many).unwrap_err().to_string();
    assert!(error.contains("use any_of"), "{error}");
}

#[test]
fn errors_point_at_the_place() {
    for (text, message, line, marks) in [
        (
            "lang == \"en\"",
            "\"==\" is not known: write \"=\"",
            "lang == \"en\"",
            "     ^^",
        ),
        (
            "lang = 'en'",
            "texts stand in double quotes",
            "lang = 'en'",
            "       ^",
        ),
        (
            "lang = en",
            "expected a value (a text stands in double quotes), found \"en\"",
            "lang = en",
            "       ^^",
        ),
        (
            "year > \"2020\"",
            "expected a number, or a datetime such as 2024-05-01 without quotes, found a text in quotes",
            "year > \"2020\"",
            "       ^^^^^^",
        ),
        (
            "a = 1 b = 2",
            "expected \"and\", \"or\" or the end, found \"b\"",
            "a = 1 b = 2",
            "      ^",
        ),
        (
            "(a = 1",
            "expected \")\", found the end",
            "(a = 1",
            "      ^",
        ),
        (
            "a = 2024-13-01",
            "this is no datetime: write it like 2024-05-01T12:00:00Z or 2024-05-01",
            "a = 2024-13-01",
            "    ^^^^^^^^^^",
        ),
        ("a\nand\nb ?", "this sign has no meaning here", "b ?", "  ^"),
        (
            "1 < a < 2024-01-01",
            "both ends of a range must be numbers, or both must be datetimes",
            "1 < a < 2024-01-01",
            "^",
        ),
        (
            "{\"field\": \"a\"}",
            "this sign has no meaning here",
            "{\"field\": \"a\"}",
            "^",
        ),
    ] {
        let error = Filter::parse(text).unwrap_err().to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert!(lines[0].ends_with(message), "{error}");
        assert_eq!(
            lines[1..],
            [format!("  {line}"), format!("  {marks}")],
            "{error}"
        );
    }
    for (json, message, marks) in [
        (
            r#"{"field": "a", "equals": 1}"#,
            "unknown field `equals`",
            "               ^^^^^^^^",
        ),
        (
            r#"{"field": "a", "eq": null}"#,
            "null is no value to compare with",
            "                     ^^^^",
        ),
        (
            r#"{"field": "a..b", "eq": 1}"#,
            "path: \"a..b\", column 3",
            "          ^^^^^^",
        ),
        (
            r#"{"field": "a", "range": {"gt": "x"}}"#,
            "datetime: \"x\" is not RFC 3339",
            "                               ^^^",
        ),
        (
            r#"{"and": [{"or": 3}]}"#,
            "invalid type: integer `3`",
            "                ^",
        ),
    ] {
        let error = Filter::from_json(json).unwrap_err().to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert!(lines[0].contains(message), "{error}");
        assert_eq!(
            lines[1..],
            [format!("  {json}"), format!("  {marks}")],
            "{error}"
        );
    }
}

#[test]
fn a_filter_that_was_asked_for_before_sees_what_was_written_since() {
    let dir = tempfile::tempdir().unwrap();
    let db = AetherDB::open(dir.path()).unwrap();
    let notes = db
        .create_collection("notes", 1, "l2", IndexConfig::default())
        .unwrap();
    notes
        .create_payload_index("n", PayloadIndexKind::Integer)
        .unwrap();
    notes.wait_payload_indexes().unwrap();
    let note = |id: u64, n: u64| {
        Document::new(vec![id as f32], id).with_payload(serde_json::json!({ "n": n }))
    };
    notes
        .upsert_batch((0..9).map(|id| note(id, id % 3)).collect())
        .unwrap();
    let filter = Filter::eq("n", 1);
    let found = |view: &CollectionView| -> Vec<String> {
        let request = SearchRequest {
            filter: Some(&filter),
            ..SearchRequest::new(&[0.0], 10)
        };
        let hits = view.search_with(request).unwrap();
        hits.iter().map(|hit| hit.id.to_string()).collect()
    };
    let newest = || found(&notes.view().unwrap());
    for _ in 0..2 {
        assert_eq!(newest(), ["1", "4", "7"]);
    }
    let before = notes.at(&db.snapshot()).unwrap();
    notes.upsert(note(9, 1)).unwrap();
    notes.upsert(note(1, 2)).unwrap();
    notes.delete(4).unwrap();
    for _ in 0..2 {
        assert_eq!(newest(), ["7", "9"]);
        assert_eq!(found(&before), ["1", "4", "7"]);
    }
    let mut txn = db.begin().unwrap();
    txn.upsert(&notes, note(0, 1)).unwrap();
    let staged = txn
        .search_with(
            &notes,
            SearchRequest {
                filter: Some(&filter),
                ..SearchRequest::new(&[0.0], 10)
            },
        )
        .unwrap();
    assert_eq!(staged.len(), 3);
    assert_eq!(newest(), ["7", "9"]);
    txn.commit().unwrap();
    assert_eq!(newest(), ["0", "7", "9"]);
}
