//! A data set as a collection: written once, searched embedded and over the network.

use std::path::{Path, PathBuf};

use aethervec::{
    AetherDB, Collection, CollectionSchema, DenseField, DocId, Document, IndexConfig, SearchRequest,
};

use crate::Options;
use crate::data::{Matrix, metric};
use crate::protocol::Result;

/// Nearest neighbours asked for: recall is recall@10.
pub const K: usize = 10;
/// The collection.
pub const NAME: &str = "vectors";

const RECALL: f64 = 0.95;
const BATCH: usize = 1_000;
const EFFORTS: [usize; 16] = [
    10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 80, 96, 128, 192, 256,
];

pub struct Set {
    pub base: Matrix,
    pub queries: Vec<Vec<f32>>,
    schema: CollectionSchema,
    truth: Vec<Vec<u64>>,
    /// The folder of a server whose default tenant has the collection.
    pub dir: PathBuf,
}

impl Set {
    pub fn read(options: &Options) -> Result<Set> {
        let (dir, name) = (&options.data, &options.set);
        let base = Matrix::read(dir, &format!("{name}_base"), usize::MAX)?;
        let queries = Matrix::read(dir, &format!("{name}_query"), 1_000)?.to_queries();
        let field = DenseField {
            element: base.element(),
            ..DenseField::new(base.dim(), metric(dir, name)?, IndexConfig::default())
        };
        Ok(Set {
            truth: truth(&dir.join(format!("{name}_gt.npy")), queries.len())?,
            base,
            queries,
            schema: CollectionSchema::of(field),
            dir: options.work.join(name),
        })
    }

    pub fn schema(&self) -> &CollectionSchema {
        &self.schema
    }

    /// The database, filled on first use, with everything in the index.
    pub fn open(&self) -> Result<(AetherDB, Collection)> {
        std::fs::create_dir_all(&self.dir)?;
        let db = AetherDB::open(self.dir.join("default"))?;
        let collection = match db.collection(NAME) {
            Ok(collection) => collection,
            Err(_) => db.create_collection_with(NAME, self.schema.clone())?,
        };
        let present = usize::try_from(collection.count()?)?;
        for start in (present..self.base.rows()).step_by(BATCH) {
            let rows = start..self.base.rows().min(start + BATCH);
            collection.upsert_batch(rows.map(|row| self.document(row)).collect())?;
        }
        collection.wait_indexed(|_| {})?;
        Ok((db, collection))
    }

    pub fn document(&self, row: usize) -> Document {
        Document::new(self.base.vector(row), row as u64)
    }

    /// The least effort that reaches the recall: as `ef`, with the recall.
    pub fn effort(&self, collection: &Collection) -> Result<(usize, f64)> {
        let mut best = (0, 0.0);
        for ef in EFFORTS {
            let mut found = 0;
            for (query, truth) in self.queries.iter().zip(&self.truth) {
                let hits = collection.search_with(request(query, ef))?;
                let is_true = |id: &DocId| matches!(id, DocId::U64(id) if truth.contains(id));
                found += hits.iter().filter(|hit| is_true(&hit.id)).count();
            }
            best = (ef, found as f64 / (K * self.queries.len()) as f64);
            if best.1 >= RECALL {
                break;
            }
        }
        Ok(best)
    }
}

pub fn request(query: &[f32], ef: usize) -> SearchRequest<'_> {
    SearchRequest {
        ef: Some(ef),
        ..SearchRequest::new(query, K)
    }
}

/// The first [`K`] of each row of a `.npy` file of i4.
fn truth(path: &Path, rows: usize) -> Result<Vec<Vec<u64>>> {
    let bytes = std::fs::read(path)?;
    let bad = || format!("{} is no npy file of i4 in rows", path.display());
    let header_bytes = bytes.get(8..10).ok_or_else(bad)?;
    let start = 10 + usize::from(u16::from_le_bytes([header_bytes[0], header_bytes[1]]));
    let header = String::from_utf8_lossy(bytes.get(10..start).ok_or_else(bad)?).into_owned();
    let width = header
        .split_once("'shape': (")
        .and_then(|(_, shape)| shape.split([',', ')']).nth(1))
        .and_then(|width| width.trim().parse::<usize>().ok())
        .filter(|width| *width >= K && header.contains("<i4"))
        .ok_or_else(bad)?;
    let (numbers, _) = bytes[start..].as_chunks();
    let numbers: Vec<u64> = numbers
        .iter()
        .map(|four| u64::from(u32::from_le_bytes(*four)))
        .collect();
    let rows = numbers.chunks_exact(width).take(rows);
    Ok(rows.map(|row| row[..K].to_vec()).collect())
}
