//! The bare HNSW index, for comparisons with libraries.
//!
//! - `load DIR NAME ROWS QUERIES`: reads a data set;
//! - `build`: the index, anew, by one thread;
//! - `search EF FILE`: all queries once, one after the other; `FILE` gets the ids found, ten `u32` (little endian) per query.

use std::fs;
use std::path::Path;

use aether_distance::Metric;
use aether_index::{Candidate, Hnsw, HnswParams, PointId, Scratch, SearchParams};
use serde_json::{Value, json};

use crate::clock::{Took, resident_bytes};
use crate::data::{Matrix, metric};
use crate::protocol::{Commands, Result, argument};

/// Nearest neighbours asked for: recall is recall@10.
const K: usize = 10;

#[derive(Default)]
pub struct Bench {
    data: Option<Data>,
    index: Option<Hnsw>,
    scratch: Scratch,
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
            "build" => self.build(),
            "search" => self.search(
                argument(arguments, 0, "EF")?,
                Path::new(arguments.get(1).ok_or("missing FILE")?),
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
        let (rows, queries) = (
            argument(arguments, 2, "ROWS")?,
            argument(arguments, 3, "QUERIES")?,
        );
        let dir = Path::new(&dir);
        let base = Matrix::read(dir, &format!("{name}_base"), rows)?;
        let queries = Matrix::read(dir, &format!("{name}_query"), queries)?.to_queries();
        let answer = json!({
            "rows": base.rows(), "dim": base.dim(), "element": base.element().to_string(),
            "raw_bytes": base.bytes(), "queries": queries.len(),
        });
        self.index = None;
        self.data = Some(Data {
            metric: metric(dir, &name)?,
            base,
            queries,
        });
        Ok(answer)
    }

    fn build(&mut self) -> Result<Value> {
        let Data { metric, base, .. } = self.data.as_ref().ok_or("nothing is loaded")?;
        self.index = None;
        let before = resident_bytes();
        let (index, took) = Took::of(|| build(*metric, base));
        let index = index?;
        let mut answer = took.to_json();
        answer["points"] = index.len().into();
        answer["memory_bytes"] = index.memory_bytes().into();
        answer["resident_bytes"] = resident_bytes().saturating_sub(before).into();
        self.index = Some(index);
        Ok(answer)
    }

    fn search(&mut self, ef: usize, file: &Path) -> Result<Value> {
        let (Some(data), Some(index)) = (&self.data, &self.index) else {
            return Err("nothing is built".into());
        };
        let params = SearchParams {
            k: K,
            ef,
            include_dead: false,
        };
        let scratch = &mut self.scratch;
        let (found, took) = Took::of(|| {
            let search = |query: &Vec<f32>| index.search(query, params, None, scratch);
            data.queries
                .iter()
                .map(search)
                .collect::<aether_index::Result<Vec<Vec<Candidate>>>>()
        });
        let ids = found?.into_iter().flat_map(|nearest| {
            let ids = nearest
                .into_iter()
                .map(|candidate| candidate.point.0 as u32);
            ids.chain(std::iter::repeat(u32::MAX))
                .take(K)
                .flat_map(u32::to_le_bytes)
        });
        fs::write(file, ids.collect::<Vec<u8>>())?;
        Ok(took.to_json())
    }
}

fn build(metric: Metric, base: &Matrix) -> aether_index::Result<Hnsw> {
    let index = Hnsw::new(base.dim(), metric, base.element(), HnswParams::DEFAULT, 1)?;
    for row in 0..base.rows() {
        index.insert(PointId(row as u64), base.row(row))?;
    }
    Ok(index)
}
