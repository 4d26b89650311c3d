//! The program of the users' documents, as written there.

use aethervec::{AetherDB, DocId, Document, IndexConfig};
use std::error::Error;

#[test]
fn the_users_program_runs() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("my_data");
    for round in 0..2 {
        let db = AetherDB::new(&path)?;
        let collection = if round == 0 {
            let config = IndexConfig::new_with_default_config("hnsw")?;
            db.create_collection("my_vectors", 128, "cosine", config)?
        } else {
            db.collection("my_vectors")?
        };
        {
            let coll = collection.write().unwrap();
            coll.upsert(Document::new(vec![0.1; 128], "my-doc".to_string()))?;
        }
        let coll = collection.read().unwrap();
        let hits = coll.search(&vec![0.1; 128], 10)?;
        assert_eq!(hits.len(), 1);
        assert_eq!(hits[0].id, "my-doc".into());
        assert!((hits[0].score - 1.0).abs() < 1e-5);
        assert!(db.check()?.is_clean());
    }
    Ok(())
}

#[test]
fn documents_are_made_of_what_a_program_has() {
    let (id, vector) = ("a".to_string(), vec![0.5f32, 1.0]);
    let expected = Document::new(vector.clone(), DocId::Str(id.clone()));
    assert_eq!(Document::new(&vector, &id), expected);
    assert_eq!(Document::new(&vector[..], "a"), expected);
    assert_eq!(Document::new([0.5, 1.0], id), expected);
}
