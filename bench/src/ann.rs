//! The bare indexes, for comparisons with libraries.
//!
//! - `load DIR NAME ROWS QUERIES`: reads a data set;
//! - `queries DIR STEM QUERIES`: other queries for it;
//! - `build [graph|buckets]`: the index, anew, by one thread;
//! - `filter FILE|none`: what searches may find from now on: one byte per row, 0 for those that they may not;
//! - `search EF FILE [K]`: all queries once, one after the other; `FILE` gets the ids found, K `u32` (little endian) per query;
//! - `scan FILE [K]`: the same by comparing with everything that is allowed;
//! - `save DIR`: writes a checkpoint there, in place of the index in memory;
//! - `cold EF FILE QUERIES [K]`: as `search`, so many queries, each in that checkpoint newly opened, with nothing in memory but what all
//!   searches need: how many pages each reads (`reads`), how often it waits for the disk (`waits`), how long opening and searching take, on average.

use std::fs;
use std::path::Path;
use std::time::Duration;

use aether_distance::{ElementType, Metric};
use aether_index::{
    BuildOptions, Candidate, Hnsw, HnswParams, Ivf, IvfParams, IvfScratch, PointId, Scratch,
    SearchParams, Selection,
};
use serde_json::{Value, json};

use crate::clock::{Took, now, resident_bytes};
use crate::cold::{Checkpoint, PAGE, Reads};
use crate::data::{Matrix, metric};
use crate::protocol::{Commands, Result, argument};

const OUT_OF_DATE: &str = "the filter is older than the index";

/// Nearest neighbours asked for, unless a command says otherwise.
const K: usize = 10;

#[derive(Default)]
pub struct Bench {
    data: Option<Data>,
    index: Option<Index>,
    filter: Option<Filter>,
    checkpoint: Option<(bool, Checkpoint)>,
    graph_scratch: Scratch,
    buckets_scratch: IvfScratch,
}

enum Index {
    Graph(Box<Hnsw>),
    Buckets(Box<Ivf>),
}

/// The points that may be found, as they were looked up in the index.
struct Filter(Selection);

struct Data {
    metric: Metric,
    base: Matrix,
    queries: Vec<Vec<f32>>,
}

impl Commands for Bench {
    fn run(&mut self, command: &str, arguments: &[&str]) -> Result<Value> {
        match command {
            "load" => self.load(arguments),
            "queries" => self.read_queries(arguments),
            "build" => self.build(arguments.first().copied().unwrap_or("graph")),
            "filter" => self.read_filter(arguments.first().ok_or("missing FILE")?),
            "search" => {
                let ef = argument(arguments, 0, "EF")?;
                self.answer(&arguments[1..], |bench, query, k| {
                    bench.search(query, k, ef)
                })
            }
            "scan" => self.answer(arguments, Bench::scan),
            "save" => self.save(Path::new(arguments.first().ok_or("missing DIR")?)),
            "cold" => self.cold(
                argument(arguments, 0, "EF")?,
                argument(arguments, 2, "QUERIES")?,
                &arguments[1..],
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

    fn read_queries(&mut self, arguments: &[&str]) -> Result<Value> {
        let (dir, stem): (String, String) = (
            argument(arguments, 0, "DIR")?,
            argument(arguments, 1, "STEM")?,
        );
        let rows = argument(arguments, 2, "QUERIES")?;
        let data = self.data.as_mut().ok_or("nothing is loaded")?;
        data.queries = Matrix::read(Path::new(&dir), &stem, rows)?.to_queries();
        Ok(json!({ "queries": data.queries.len() }))
    }

    fn read_filter(&mut self, file: &str) -> Result<Value> {
        self.filter = match file {
            "none" => None,
            file => {
                let allowed = fs::read(file)?;
                let points = (0..).map(PointId).zip(allowed);
                let points = points.filter(|(_, allowed)| *allowed != 0);
                let points = points.map(|(point, _)| point);
                Some(Filter(
                    match self.index.as_ref().ok_or("nothing is built")? {
                        Index::Graph(graph) => graph.select(points),
                        Index::Buckets(buckets) => buckets.select(points)?,
                    },
                ))
            }
        };
        let points = self
            .filter
            .as_ref()
            .map(|Filter(selection)| selection.len());
        Ok(json!({ "allowed": points }))
    }

    fn build(&mut self, family: &str) -> Result<Value> {
        let data = self.data.as_ref().ok_or("nothing is loaded")?;
        self.index = None;
        let before = resident_bytes();
        let (index, took) = Took::of(|| match family {
            "graph" => Ok(Index::Graph(Box::new(build_graph(data)?))),
            "buckets" => Ok(Index::Buckets(Box::new(build_buckets(data)?))),
            _ => Err(format!("unknown family {family:?}: use graph or buckets").into()),
        });
        let index: Result<Index> = index;
        let index = index?;
        let (points, memory_bytes) = match &index {
            Index::Graph(graph) => (graph.len(), graph.memory_bytes()),
            Index::Buckets(buckets) => (buckets.len(), buckets.memory_bytes()),
        };
        let mut answer = took.to_json();
        answer["points"] = points.into();
        answer["memory_bytes"] = memory_bytes.into();
        answer["resident_bytes"] = resident_bytes().saturating_sub(before).into();
        self.index = Some(index);
        Ok(answer)
    }

    /// Finds the nearest of all queries; `arguments`: the file for what is found, and K.
    fn answer(
        &mut self,
        arguments: &[&str],
        mut nearest: impl FnMut(&mut Bench, &[f32], usize) -> Result<Vec<Candidate>>,
    ) -> Result<Value> {
        let file = arguments.first().ok_or("missing FILE")?;
        let k = match arguments.get(1) {
            Some(_) => argument(arguments, 1, "K")?,
            None => K,
        };
        let queries = std::mem::take(&mut self.data.as_mut().ok_or("nothing is loaded")?.queries);
        let (found, took) = Took::of(|| {
            let nearest = |query: &Vec<f32>| nearest(self, query, k);
            queries.iter().map(nearest).collect::<Result<Vec<_>>>()
        });
        if let Some(data) = &mut self.data {
            data.queries = queries;
        }
        let ids = found?.into_iter().flat_map(|nearest| {
            let ids = nearest
                .into_iter()
                .map(|candidate| candidate.point.0 as u32);
            ids.chain(std::iter::repeat(u32::MAX))
                .take(k)
                .flat_map(u32::to_le_bytes)
        });
        fs::write(file, ids.collect::<Vec<u8>>())?;
        Ok(took.to_json())
    }

    fn save(&mut self, directory: &Path) -> Result<Value> {
        let mut bytes = Vec::new();
        let is_graph = match self.index.take().ok_or("nothing is built")? {
            Index::Graph(graph) => graph.write_checkpoint(&mut bytes).map(|()| true)?,
            Index::Buckets(buckets) => buckets.write_checkpoint(&mut bytes).map(|()| false)?,
        };
        let info = match is_graph {
            true => aether_index::verify_checkpoint(&bytes)?,
            false => Ivf::verify_checkpoint(&bytes)?,
        };
        let answer =
            json!({ "bytes": bytes.len(), "resident_bytes": bytes.len() - info.rare.len() });
        let checkpoint = Checkpoint::write(directory, &bytes, info.rare)?;
        self.checkpoint = Some((is_graph, checkpoint));
        Ok(answer)
    }

    fn cold(&mut self, ef: usize, queries: usize, arguments: &[&str]) -> Result<Value> {
        let (is_graph, mut checkpoint) = self.checkpoint.take().ok_or("nothing is saved")?;
        let data = self.data.as_mut().ok_or("nothing is loaded")?;
        data.queries.truncate(queries);
        let (mut bytes, mut waits) = (0, 0);
        let (mut opening, mut searching) = (Duration::ZERO, Duration::ZERO);
        let arguments: Vec<&str> = [arguments[0]]
            .into_iter()
            .chain(arguments.get(2).copied())
            .collect();
        let answer = self.answer(&arguments, |bench, query, k| {
            bench.index = None;
            let image = checkpoint.open()?;
            let start = now();
            bench.index = Some(match is_graph {
                true => Index::Graph(Box::new(Hnsw::open(image)?)),
                false => Index::Buckets(Box::new(Ivf::open(image)?)),
            });
            opening += start.elapsed();
            let before = Reads::now()?;
            let start = now();
            let found = bench.search(query, k, ef);
            searching += start.elapsed();
            let after = Reads::now()?;
            bytes += after.bytes - before.bytes;
            waits += after.waits - before.waits;
            found
        });
        self.checkpoint = Some((is_graph, checkpoint));
        answer?;
        let mean = |sum: u64| sum as f64 / queries.max(1) as f64;
        let mean_ms = |sum: Duration| sum.as_secs_f64() * 1_000.0 / queries.max(1) as f64;
        Ok(json!({
            "reads": mean(bytes / PAGE), "waits": mean(waits),
            "open_ms": mean_ms(opening), "search_ms": mean_ms(searching),
        }))
    }

    fn search(&mut self, query: &[f32], k: usize, ef: usize) -> Result<Vec<Candidate>> {
        let params = SearchParams {
            k,
            ef,
            include_dead: false,
        };
        let index = self.index.as_ref().ok_or("nothing is built")?;
        let found = match (index, &self.filter) {
            (Index::Graph(graph), None) => {
                Some(graph.search(query, params, None, &mut self.graph_scratch)?)
            }
            (Index::Graph(graph), Some(Filter(selection))) => {
                let scratch = &mut self.graph_scratch;
                graph.search_selected(query, params, selection, scratch)?
            }
            (Index::Buckets(buckets), None) => {
                Some(buckets.search(query, params, None, &mut self.buckets_scratch)?)
            }
            (Index::Buckets(buckets), Some(Filter(selection))) => {
                buckets.search_selected(query, params, selection, &mut self.buckets_scratch)?
            }
        };
        found.ok_or_else(|| OUT_OF_DATE.into())
    }

    fn scan(&mut self, query: &[f32], k: usize) -> Result<Vec<Candidate>> {
        let Filter(selection) = self.filter.as_ref().ok_or("there is no filter")?;
        let found = match self.index.as_ref().ok_or("nothing is built")? {
            Index::Graph(graph) => {
                graph.scan_selected(query, k, selection, &mut self.graph_scratch)?
            }
            Index::Buckets(buckets) => {
                buckets.scan_selected(query, k, selection, &mut self.buckets_scratch)?
            }
        };
        found.ok_or_else(|| OUT_OF_DATE.into())
    }
}

fn build_graph(data: &Data) -> aether_index::Result<Hnsw> {
    let points = data.points();
    let vector = |row| data.base.row(row);
    let (params, options) = (HnswParams::DEFAULT, BuildOptions::ALONE);
    Hnsw::build(data.shape(), params, 1, &points, vector, options)
}

fn build_buckets(data: &Data) -> aether_index::Result<Ivf> {
    let points = data.points();
    let vector = |row| data.base.row(row);
    let (params, options) = (IvfParams::DEFAULT, BuildOptions::ALONE);
    Ivf::build(data.shape(), params, 1, &points, vector, options)
}

impl Data {
    fn shape(&self) -> (usize, Metric, ElementType) {
        (self.base.dim(), self.metric, self.base.element())
    }

    fn points(&self) -> Vec<PointId> {
        (0..self.base.rows() as u64).map(PointId).collect()
    }
}
