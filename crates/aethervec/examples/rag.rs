//! A store for retrieval-augmented generation: passages of documents go in, and a prompt with the best of them comes out.
//! `cargo run --example rag`
//!
//! Put your model in the place of `embed`: the rest stays.

use aethervec::{
    AetherDB, Collection, Document, Filter, IndexConfig, PayloadIndexKind, Query, QueryRequest,
    Result,
};
use serde_json::json;
use std::io::Write;

const DIM: usize = 64;

struct Store {
    passages: Collection,
}

impl Store {
    fn open(db: &AetherDB) -> Result<Store> {
        let passages = db.create_collection("passages", DIM, "cosine", IndexConfig::default())?;
        passages.create_payload_index("source", PayloadIndexKind::Keyword)?;
        Ok(Store { passages })
    }

    /// Puts a text in, or in place of what was there under its name: all of its passages at one moment.
    fn put(&self, db: &AetherDB, source: &str, text: &str) -> Result<()> {
        db.transact(|txn| {
            txn.delete_by(&self.passages, &Filter::eq("source", source))?;
            for (number, passage) in text.split("\n\n").enumerate() {
                let payload = json!({"source": source, "text": passage});
                let document = Document::new(embed(passage), format!("{source}#{number}"));
                txn.upsert(&self.passages, document.with_payload(payload))?;
            }
            Ok(())
        })
    }

    /// A prompt for a language model, with the passages that are nearest to the question.
    fn prompt(&self, question: &str) -> Result<String> {
        let request = QueryRequest::new(Query::nearest(embed(question))).limit(2);
        let mut prompt = "Answer from these passages only:\n".to_owned();
        for hit in self.passages.query(&request)?.hits {
            let text = hit.payload.unwrap_or_default()["text"].take();
            prompt += &format!("[{}] {}\n", hit.id, text.as_str().unwrap_or_default());
        }
        Ok(prompt + "Question: " + question)
    }
}

/// Stands for a model: each word of a text adds to a component.
fn embed(text: &str) -> Vec<f32> {
    let mut vector = vec![0.01; DIM];
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        let letters = word.to_lowercase().into_bytes().into_iter();
        let hash = letters.fold(7_usize, |hash, letter| {
            hash.wrapping_mul(31).wrapping_add(usize::from(letter))
        });
        vector[hash % DIM] += 1.0;
    }
    vector
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let db = AetherDB::open(directory.path())?;
    let store = Store::open(&db)?;
    store.put(
        &db,
        "tides",
        "The moon causes tides.\n\nSpring tides come at full moon.",
    )?;
    store.put(
        &db,
        "bread",
        "Bread needs flour, water and salt.\n\nYeast makes it rise.",
    )?;
    let prompt = store.prompt("What causes tides?")?;
    writeln!(std::io::stdout(), "{prompt}")?;
    assert!(prompt.contains("[tides#0]"));
    Ok(db.close()?)
}
