//! What several tests need: seeds, a model of collections, and real vectors.

use aethervec::{
    AetherDB, CollectionView, DocId, Document, Metric, ScrollRequest, Vector, Vectors,
};
use half::f16;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

/// Runs `test` with `count` seeds, or as the environment says; a failure names its seed.
pub(crate) fn for_seeds(count: u64, test: impl Fn(u64)) {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(
            text.parse::<u64>()
                .unwrap_or_else(|_| panic!("{name}={text} is no number")),
        )
    };
    let seeds = match number("AETHER_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..count * number("AETHER_ROUNDS").unwrap_or(1),
    };
    for seed in seeds {
        let named = NameOnPanic(seed);
        test(seed);
        std::mem::forget(named);
    }
}

struct NameOnPanic(u64);

impl Drop for NameOnPanic {
    fn drop(&mut self) {
        eprintln!("to repeat this: AETHER_SEED={}", self.0);
    }
}

/// The documents of a collection, as they should be.
pub(crate) type Docs = BTreeMap<DocId, (Vec<f32>, Option<Value>)>;

/// All documents, read page by page.
pub(crate) fn read_all(view: &CollectionView) -> Docs {
    let mut docs = Docs::new();
    let mut after = None;
    loop {
        let page = view.scroll(ScrollRequest { after, limit: 500 }).unwrap();
        for Document {
            id,
            vectors,
            payload,
            expires_at: _,
        } in page.documents
        {
            assert!(
                docs.last_key_value().is_none_or(|(last, _)| *last < id),
                "a scroll is ordered"
            );
            docs.insert(id, (default_vector(&vectors), payload));
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return docs,
        }
    }
}

/// The components of the vector in the default field.
pub(crate) fn default_vector(vectors: &Vectors) -> Vec<f32> {
    vectors.get("").unwrap().as_dense().unwrap().to_f32()
}

/// The distance that `metric` gives, computed plainly.
pub(crate) fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let sum = |f: &dyn Fn(f64, f64) -> f64| {
        a.iter()
            .zip(b)
            .map(|(&a, &b)| f(f64::from(a), f64::from(b)))
            .sum::<f64>()
    };
    let dot = sum(&|a, b| a * b);
    match metric {
        Metric::L2Squared => sum(&|a, b| (a - b) * (a - b)),
        Metric::InnerProduct => -dot,
        Metric::Cosine => 1.0 - dot / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt(),
    }
}

/// The distances of the `k` nearest documents, ascending.
pub(crate) fn nearest(metric: Metric, docs: &Docs, query: &[f32], k: usize) -> Vec<f64> {
    let mut distances: Vec<f64> = docs
        .values()
        .map(|(vector, _)| distance(metric, vector, query))
        .collect();
    distances.sort_by(f64::total_cmp);
    distances.truncate(k);
    distances
}

/// Whether two distances are the same but for rounding.
pub(crate) fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-5 * (1.0 + a.abs().max(b.abs()))
}

/// Does all background work of a database without threads.
pub(crate) fn settle(db: &AetherDB) {
    while db.tick().unwrap() {}
}

/// Rows of a matrix in the project's `testdata`.
pub(crate) fn matrix(name: &str) -> Vec<Vector> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "..", "testdata", name]
        .iter()
        .collect();
    let raw = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    if name.ends_with(".gz") {
        flate2::read::GzDecoder::new(&raw[..])
            .read_to_end(&mut bytes)
            .unwrap();
    } else {
        bytes = raw;
    }
    assert_eq!(
        &bytes[..8],
        b"\x93NUMPY\x01\0",
        "{name}: a NumPy file of version 1"
    );
    let header_end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = str::from_utf8(&bytes[10..header_end]).unwrap();
    let shape = header
        .split("'shape': (")
        .nth(1)
        .unwrap()
        .split(')')
        .next()
        .unwrap();
    let dim: usize = shape.split(", ").nth(1).unwrap().parse().unwrap();
    let data = &bytes[header_end..];
    if header.contains("'<f2'") {
        let row = |row: &[u8]| {
            row.chunks_exact(2)
                .map(|b| f16::from_le_bytes([b[0], b[1]]))
                .collect::<Vec<f16>>()
        };
        data.chunks_exact(2 * dim)
            .map(|bytes| Vector::F16(row(bytes)))
            .collect()
    } else {
        assert!(header.contains("'|u1'"), "{name}: {header}");
        data.chunks_exact(dim)
            .map(|row| Vector::U8(row.to_vec()))
            .collect()
    }
}
