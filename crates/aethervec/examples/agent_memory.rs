//! The memory of an agent: what was said fades, what was learned stays, and both change together or not at all.
//! `cargo run --example agent_memory`

use aether_env::Env;
use aethervec::{
    AetherDB, Collection, DbOptions, Document, IndexConfig, Patch, Result, SeqNo, Timestamp,
};
use serde_json::json;
use std::io::Write;
use std::time::Duration;

struct Memory {
    db: AetherDB,
    /// What was said: ends by itself.
    episodes: Collection,
    /// What is known: stays.
    facts: Collection,
}

impl Memory {
    fn open(db: AetherDB) -> Result<Memory> {
        let episodes = db.create_collection("episodes", 2, "cosine", IndexConfig::default())?;
        let facts = db.create_collection("facts", 2, "cosine", IndexConfig::default())?;
        Ok(Memory {
            db,
            episodes,
            facts,
        })
    }

    /// Remembers something said until `end`, and what is known since. Many may do so at once: a fact that two of them touch makes
    /// one begin again, and no count is lost.
    fn learn(&self, said: &str, vector: [f32; 2], fact: &str, end: Timestamp) -> Result<()> {
        self.db.transact(|txn| {
            let times = txn.get(&self.facts, fact)?.and_then(|known| known.payload);
            let times = times.map_or(0, |payload| payload["times"].as_u64().unwrap_or(0)) + 1;
            if times == 1 {
                txn.upsert(
                    &self.facts,
                    Document::new(vector, fact).with_payload(json!({})),
                )?;
            }
            txn.patch(&self.facts, fact, Patch::new().set("times", times))?;
            let episode = Document::new(vector, format!("{fact}/{times}"));
            let episode = episode.with_payload(json!({"said": said})).expiring_at(end);
            txn.upsert(&self.episodes, episode)?;
            Ok(())
        })
    }

    /// What was known about something at a moment of the past.
    fn known_at(&self, moment: SeqNo, about: [f32; 2]) -> Result<Vec<String>> {
        let past = self.facts.at(&self.db.as_of(moment)?)?;
        let hits = past.search(&about, 3)?;
        Ok(hits.into_iter().map(|hit| hit.id.to_string()).collect())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let options = DbOptions {
        retention: Duration::from_secs(3_600),
        ..DbOptions::DEFAULT
    };
    let db = AetherDB::open_with(Env::local(directory.path())?, options)?;
    let memory = Memory::open(db)?;
    let end: Timestamp = "2100-01-01".parse()?;
    memory.learn("I take my tea green", [1.0, 0.1], "likes tea", end)?;
    let monday = memory.db.snapshot().seq();
    memory.learn("Any tea left?", [1.0, 0.1], "likes tea", end)?;
    memory.learn("I moved to Porto", [0.9, 0.4], "lives in Porto", end)?;

    let hits = memory.facts.search(&[1.0, 0.2], 2)?;
    for hit in &hits {
        writeln!(std::io::stdout(), "{}  {:?}", hit.id, hit.payload)?;
    }
    assert_eq!((hits.len(), memory.episodes.count()?), (2, 3));
    assert_eq!(memory.known_at(monday, [1.0, 0.2])?, ["likes tea"]);
    Ok(memory.db.close()?)
}
