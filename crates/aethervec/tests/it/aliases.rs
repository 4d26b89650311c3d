//! Other names of collections, and what is kept with them: across changes, drops and openings.

use aethervec::{AetherDB, AliasChange, Document, ErrorKind, Filter, IndexConfig, QueryRequest};
use serde_json::json;

fn set(alias: &str, collection: &str) -> AliasChange {
    AliasChange::Set {
        alias: alias.to_owned(),
        collection: collection.to_owned(),
    }
}

fn rename(from: &str, to: &str) -> AliasChange {
    AliasChange::Rename {
        from: from.to_owned(),
        to: to.to_owned(),
    }
}

fn remove(alias: &str) -> AliasChange {
    AliasChange::Remove {
        alias: alias.to_owned(),
    }
}

fn aliases(db: &AetherDB) -> Vec<String> {
    let aliases = db.aliases().into_iter();
    aliases
        .map(|(alias, name)| format!("{alias} > {name}"))
        .collect()
}

#[test]
fn changes_are_made_together_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let db = AetherDB::open(directory.path()).unwrap();
    for name in ["one", "two"] {
        db.create_collection(name, 1, "l2", IndexConfig::Flat)
            .unwrap();
    }
    db.change_aliases(&[set("a", "one"), set("b", "one"), rename("b", "c")])
        .unwrap();
    assert_eq!(aliases(&db), ["a > one", "c > one"]);
    db.change_aliases(&[set("a", "two"), rename("c", "a")])
        .unwrap();
    assert_eq!(aliases(&db), ["a > one"]);

    let refused = [
        (vec![set("x", "one"), remove("none")], ErrorKind::NotFound),
        (vec![set("x", "one"), set("y", "none")], ErrorKind::NotFound),
        (vec![set("x", "a")], ErrorKind::NotFound),
        (vec![set("two", "one")], ErrorKind::Exists),
        (vec![rename("a", "two")], ErrorKind::Exists),
        (vec![set("a/b", "one")], ErrorKind::Invalid),
        (vec![set("", "one")], ErrorKind::Invalid),
    ];
    for (changes, kind) in refused {
        let error = db.change_aliases(&changes).unwrap_err();
        assert_eq!(error.kind(), kind, "{changes:?}: {error}");
        assert_eq!(aliases(&db), ["a > one"]);
    }
    let taken = db.create_collection("a", 1, "l2", IndexConfig::Flat);
    assert_eq!(taken.unwrap_err().kind(), ErrorKind::Exists);
}

#[test]
fn an_alias_is_its_collection_until_that_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let db = AetherDB::open(directory.path()).unwrap();
    let one = db
        .create_collection("one", 1, "l2", IndexConfig::Flat)
        .unwrap();
    let metadata = json!({"owner": "me"}).as_object().unwrap().clone();
    one.set_metadata(metadata.clone()).unwrap();
    db.change_aliases(&[set("a", "one")]).unwrap();
    db.collection("a")
        .unwrap()
        .upsert(Document::new([0.5], 1))
        .unwrap();
    db.close().unwrap();
    drop((one, db));

    let db = AetherDB::open(directory.path()).unwrap();
    let found = db.collection("a").unwrap();
    assert_eq!((found.name(), found.count().unwrap()), ("one", 1));
    assert_eq!(db.describe("a").unwrap().name, "one");
    assert_eq!(found.schema().metadata, metadata);
    let by_name = db.collection("one").unwrap();
    let request = QueryRequest::default().filter(Filter::has_id([1]));
    assert_eq!(by_name.query(&request).unwrap().hits.len(), 1);

    let dropped = db.drop_collection("a");
    assert_eq!(dropped.unwrap_err().kind(), ErrorKind::NotFound);
    db.drop_collection("one").unwrap();
    assert!(db.aliases().is_empty());
    db.create_collection("a", 1, "l2", IndexConfig::Flat)
        .unwrap();
    db.close().unwrap();
    drop((found, by_name, db));
    let db = AetherDB::open(directory.path()).unwrap();
    assert!(db.aliases().is_empty());
    assert_eq!(db.collections().len(), 1);
}
