//! A hybrid search: what is near and what has the words, fused by rank, under one filter. `cargo run --example hybrid`

use aethervec::{
    AetherDB, Document, Filter, IndexConfig, PayloadIndexKind, Prefetch, Query, QueryRequest,
};
use serde_json::json;
use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let db = AetherDB::open(directory.path())?;
    let articles = db.create_collection("articles", 3, "cosine", IndexConfig::default())?;
    articles.create_payload_index("body", PayloadIndexKind::Text)?;
    articles.create_payload_index("year", PayloadIndexKind::Integer)?;
    for (id, vector, year, body) in [
        (1, [0.9, 0.1, 0.0], 2019, "Error E4021 after an update"),
        (2, [0.8, 0.2, 0.1], 2023, "What to do when a pump is silent"),
        (
            3,
            [0.1, 0.9, 0.2],
            2024,
            "Error E4021 means that the filter is full",
        ),
        (4, [0.0, 0.2, 0.9], 2024, "Opening hours"),
    ] {
        let payload = json!({"year": year, "body": body});
        articles.upsert(Document::new(vector, id).with_payload(payload))?;
    }

    // The vector knows what is meant, BM25 knows the code; reciprocal rank fusion needs no weights.
    let request = QueryRequest::new(Query::rrf())
        .prefetch(Prefetch::new(Query::nearest([0.7, 0.4, 0.1])).limit(50))
        .prefetch(Prefetch::new(Query::text("body", "pump E4021")).limit(50))
        .filter(Filter::parse("year >= 2020")?)
        .limit(3);
    let hits = articles.query(&request)?.hits;
    for hit in &hits {
        let payload = hit.payload.as_ref().ok_or("each article has one")?;
        writeln!(
            std::io::stdout(),
            "{}  {:.4}  {}",
            hit.id,
            hit.score,
            payload["body"]
        )?;
    }
    assert_eq!(hits.len(), 3);
    assert!(hits.iter().all(|hit| hit.id != 1.into()));
    Ok(db.close()?)
}
