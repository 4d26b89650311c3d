//! A whole database, through its public interface only.
//!
//! - `load DIR NAME QUERIES`: reads a data set;
//! - `open DB LANES [INDEX]`: opens a database and its collection (creating both, with an index of that name), with this many
//!   threads for the index, or `default`; searches once; says how long each took and what is there;
//! - `import FROM TO BATCH`: upserts these rows in batches, one call after the other, each durable on return;
//! - `index`: waits until all points are in the graph; `checkpoint`; `close`;
//! - `search EF FILE`: as in `ann`;
//! - `probe DIR BYTES TIMES`: how long writing and syncing this many bytes takes on that disk, without any engine.

use std::fs;
use std::io::Write;
use std::path::Path;

use aether_env::Env;
use aethervec::{
    AetherDB, Collection, CollectionSchema, DbOptions, DenseField, DocId, Document, ErrorKind,
    IndexConfig, Metric, SearchRequest,
};
use serde_json::{Value, json};

use crate::clock::{Took, resident_bytes};
use crate::data::{Matrix, metric};
use crate::protocol::{Commands, Result, argument};

/// Nearest neighbours asked for: recall is recall@10.
const K: usize = 10;

#[derive(Default)]
pub struct Bench {
    data: Option<Data>,
    open: Option<(AetherDB, Collection)>,
}

struct Data {
    metric: Metric,
    base: Matrix,
    queries: Vec<Vec<f32>>,
}

impl Commands for Bench {
    fn run(&mut self, command: &str, arguments: &[&str]) -> Result<Value> {
        match command {
            "load" => self.load(arguments),
            "open" => self.open(arguments),
            "import" => self.import(
                argument(arguments, 0, "FROM")?,
                argument(arguments, 1, "TO")?,
                argument(arguments, 2, "BATCH")?,
            ),
            "index" => self.index(),
            "checkpoint" => {
                let (done, took) = Took::of(|| self.collection()?.checkpoint().map_err(Into::into));
                done.map(|()| took.to_json())
            }
            "close" => self.close(),
            "search" => self.search(
                argument(arguments, 0, "EF")?,
                Path::new(arguments.get(1).ok_or("missing FILE")?),
            ),
            "probe" => probe(
                Path::new(arguments.first().ok_or("missing DIR")?),
                argument(arguments, 1, "BYTES")?,
                argument(arguments, 2, "TIMES")?,
            ),
            _ => Err(format!("unknown command {command:?}").into()),
        }
    }
}

impl Bench {
    fn load(&mut self, arguments: &[&str]) -> Result<Value> {
        let (dir, name): (String, String) = (
            argument(arguments, 0, "DIR")?,
            argument(arguments, 1, "NAME")?,
        );
        let dir = Path::new(&dir);
        let base = Matrix::read(dir, &format!("{name}_base"), usize::MAX)?;
        let queries = Matrix::read(
            dir,
            &format!("{name}_query"),
            argument(arguments, 2, "QUERIES")?,
        )?
        .to_queries();
        let answer = json!({ "rows": base.rows(), "dim": base.dim(), "raw_bytes": base.bytes() });
        self.data = Some(Data {
            metric: metric(dir, &name)?,
            base,
            queries,
        });
        Ok(answer)
    }

    fn open(&mut self, arguments: &[&str]) -> Result<Value> {
        let data = self.data.as_ref().ok_or("nothing is loaded")?;
        let path = argument::<String>(arguments, 0, "DB")?;
        let lane_threads = match argument::<String>(arguments, 1, "LANES")?.as_str() {
            "default" => None,
            count => Some(count.parse()?),
        };
        let options = DbOptions {
            lane_threads,
            ..DbOptions::DEFAULT
        };
        let index = match arguments.get(2) {
            Some(name) => IndexConfig::new_with_default_config(name)?,
            None => IndexConfig::default(),
        };
        let before = resident_bytes();
        let (opened, open) = Took::of(|| -> Result<(AetherDB, Collection)> {
            let db = AetherDB::open_with(Env::local(&path)?, options)?;
            let collection = match db.collection("vectors") {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let schema = CollectionSchema::of(DenseField {
                        element: data.base.element(),
                        ..DenseField::new(data.base.dim(), data.metric, index)
                    });
                    db.create_collection_with("vectors", schema)?
                }
                other => other?,
            };
            Ok((db, collection))
        });
        let (db, collection) = opened?;
        let (hits, first_search) = Took::of(|| collection.search(&data.queries[0], K));
        let status = collection.index_status();
        let answer = json!({
            "open_s": open.wall_s, "first_search_s": first_search.wall_s, "hits": hits?.len(),
            "documents": collection.count()?, "waiting": status.pending, "indexed": status.indexed,
            "resident_bytes": resident_bytes().saturating_sub(before),
        });
        self.open = Some((db, collection));
        Ok(answer)
    }

    fn import(&mut self, from: usize, to: usize, batch: usize) -> Result<Value> {
        let data = self.data.as_ref().ok_or("nothing is loaded")?;
        let collection = self.collection()?;
        let mut batches_ms = Vec::new();
        let (done, took) = Took::of(|| -> Result<()> {
            for start in (from..to).step_by(batch) {
                let rows = start..to.min(start + batch);
                let (done, took) = Took::of(|| {
                    collection.upsert_batch(rows.map(|row| document(&data.base, row)).collect())
                });
                done?;
                batches_ms.push(took.wall_s * 1e3);
            }
            Ok(())
        });
        done?;
        // What was written last is found at once.
        let last = document(&data.base, to - 1);
        let hits = collection.search(&last.vector().ok_or("no vector")?.to_f32(), K)?;
        if !hits.iter().any(|hit| hit.id == last.id) {
            return Err(format!("row {} was imported but is not found", to - 1).into());
        }
        batches_ms.sort_by(f64::total_cmp);
        let percentile = |percent: usize| batches_ms[(batches_ms.len() - 1) * percent / 100];
        Ok(json!({
            "rows_per_s": (to - from) as f64 / took.wall_s, "cpu_s": took.cpu_s, "wall_s": took.wall_s,
            "batch_p50_ms": percentile(50), "batch_p99_ms": percentile(99),
        }))
    }

    fn index(&mut self) -> Result<Value> {
        let collection = self.collection()?;
        let (status, took) = Took::of(|| collection.wait_indexed(|_| {}));
        let status = status?;
        let mut answer = took.to_json();
        answer["indexed"] = status.indexed.into();
        answer["scanned"] = status.scanned.into();
        answer["memory_bytes"] = status.memory_bytes.into();
        answer["resident_bytes"] = resident_bytes().into();
        Ok(answer)
    }

    fn close(&mut self) -> Result<Value> {
        let (db, collection) = self.open.take().ok_or("nothing is open")?;
        drop(collection);
        let (closed, took) = Took::of(|| db.close());
        closed?;
        Ok(took.to_json())
    }

    fn search(&mut self, ef: usize, file: &Path) -> Result<Value> {
        let data = self.data.as_ref().ok_or("nothing is loaded")?;
        let collection = self.collection()?;
        let (found, took) = Took::of(|| {
            let search = |query: &Vec<f32>| {
                let request = SearchRequest::new(query, K);
                collection.search_with(SearchRequest {
                    ef: Some(ef),
                    with_payload: false,
                    ..request
                })
            };
            data.queries
                .iter()
                .map(search)
                .collect::<aethervec::Result<Vec<_>>>()
        });
        let ids = found?.into_iter().flat_map(|hits| {
            let ids = hits.into_iter().map(|hit| match hit.id {
                DocId::U64(row) => row as u32,
                _ => u32::MAX,
            });
            ids.chain(std::iter::repeat(u32::MAX))
                .take(K)
                .flat_map(u32::to_le_bytes)
        });
        fs::write(file, ids.collect::<Vec<u8>>())?;
        Ok(took.to_json())
    }

    fn collection(&self) -> Result<&Collection> {
        Ok(&self.open.as_ref().ok_or("nothing is open")?.1)
    }
}

fn document(base: &Matrix, row: usize) -> Document {
    Document::new(base.vector(row), row as u64)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the disk as it is, below every engine"
)]
fn probe(dir: &Path, bytes: usize, times: usize) -> Result<Value> {
    let path = dir.join("probe");
    let mut file = fs::File::create(&path)?;
    let block = vec![0x5a; bytes];
    let mut took_ms = Vec::new();
    for _ in 0..times {
        let (done, took) = Took::of(|| file.write_all(&block).and_then(|()| file.sync_data()));
        done?;
        took_ms.push(took.wall_s * 1e3);
    }
    fs::remove_file(&path)?;
    took_ms.sort_by(f64::total_cmp);
    Ok(json!({ "bytes": bytes, "p50_ms": took_ms[times / 2], "max_ms": took_ms[times - 1] }))
}
