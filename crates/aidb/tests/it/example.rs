//! The program that the documentation shows, as it stands there.

use aidb::{DB, Options};

#[test]
#[expect(clippy::while_let_on_iterator, reason = "so the documentation has it")]
fn the_program_of_the_documentation() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("data");

    let db = DB::open(&path, Options::default())?;
    db.put(b"key1", b"value1")?;
    db.put(b"key2", b"value2")?;
    if let Some(value) = db.get(b"key1")? {
        assert_eq!(&value[..], b"value1");
    }
    db.delete(b"key1")?;
    let mut seen = Vec::new();
    let mut iter = db.iter();
    while let Some((k, v)) = iter.next() {
        seen.push((k, v));
    }
    assert_eq!(seen, [("key2".into(), "value2".into())]);
    drop((iter, db));

    let db = DB::open(path, Options::default())?;
    assert_eq!(db.get(b"key1")?, None);
    assert_eq!(db.get("key2")?.as_deref(), Some(&b"value2"[..]));
    Ok(())
}
