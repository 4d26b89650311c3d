//! What a database does around its vectors: filters, transactions, facets, hybrid queries, many collections.
//!
//! - `filtered DIR NAME DB ROWS QUERIES`: fills a collection, then searches it with and without filters, and asks for several recalls;
//! - `peer DIR NAME DB ROWS QUERIES`: what the other databases are asked for: rows with a number each, and a filter on it;
//! - `transactions DB`: what a transaction takes (transactions.rs);
//! - `facets DB DOCUMENTS`: facets and counts on an indexed keyword;
//! - `hybrid DIR DB`: vector, words and filter in one query, on a collection of the demo's size;
//! - `empty DB COLLECTIONS`: what collections without documents cost.

use std::collections::{BinaryHeap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use aether_distance::{Kernels, Metric, Query as DistanceQuery};
use aethervec::{
    AetherDB, Collection, CollectionSchema, DenseField, DocId, Document, FacetRequest, Filter,
    IndexConfig, PayloadIndexKind, Prefetch, Query, QueryRequest, SearchRequest,
};
use serde_json::{Value, json};

use crate::clock::{now, resident_bytes};
use crate::data::{Matrix, attribute, metric};
use crate::protocol::{Commands, Result, argument};
use crate::transactions;

const K: usize = 10;

/// The recall that searches ask for.
const RECALL: f32 = 0.95;

/// Efforts that are tried where it is not asked for.
const EFFORTS: [usize; 6] = [48, 64, 72, 80, 96, 128];

/// Queries from which that is learned before anything is measured.
const LEARNING: usize = 100;

#[derive(Default)]
pub struct Bench;

impl Commands for Bench {
    fn run(&mut self, command: &str, arguments: &[&str]) -> Result<Value> {
        let path = |position| argument::<PathBuf>(arguments, position, "DIR");
        match command {
            "filtered" | "peer" => {
                let set = Set {
                    dir: path(0)?,
                    name: argument(arguments, 1, "NAME")?,
                    rows: argument(arguments, 3, "ROWS")?,
                    queries: argument(arguments, 4, "QUERIES")?,
                };
                if command == "peer" {
                    peer(&set, &path(2)?)
                } else {
                    filtered(&set, &path(2)?)
                }
            }
            "transactions" => transactions::measure(&path(0)?),
            "facets" => facets(&path(0)?, argument(arguments, 1, "DOCUMENTS")?),
            "hybrid" => hybrid(&path(0)?, &path(1)?),
            "empty" => empty(&path(0)?, argument(arguments, 1, "COLLECTIONS")?),
            _ => Err(format!("unknown command {command:?}").into()),
        }
    }
}

/// What is read of a data set.
struct Set {
    dir: PathBuf,
    name: String,
    rows: usize,
    queries: usize,
}

impl Set {
    fn base(&self) -> Result<Matrix> {
        Matrix::read(&self.dir, &format!("{}_base", self.name), self.rows)
    }

    /// Those from which a recall is learned, and those that are measured.
    fn queries(&self) -> Result<(Vec<Vec<f32>>, Vec<Vec<f32>>)> {
        let stem = format!("{}_query", self.name);
        let mut learning = Matrix::read(&self.dir, &stem, LEARNING + self.queries)?.to_queries();
        let measured = learning.split_off(LEARNING.min(learning.len() / 2));
        Ok((learning, measured))
    }

    /// A collection with all rows, each with its number and what else `attributes` have of it; and the seconds that its
    /// documents took to be durable and searchable.
    fn filled(
        &self,
        database: &AetherDB,
        base: &Matrix,
        attributes: &[(&str, Vec<u32>)],
    ) -> Result<(Collection, f64)> {
        let schema = CollectionSchema::of(DenseField {
            element: base.element(),
            ..DenseField::new(
                base.dim(),
                metric(&self.dir, &self.name)?,
                IndexConfig::default(),
            )
        });
        let collection = database.create_collection_with("vectors", schema)?;
        for (field, _) in attributes {
            collection.create_payload_index(*field, PayloadIndexKind::Integer)?;
        }
        collection.wait_payload_indexes()?;
        let begin = now();
        for start in (0..base.rows()).step_by(1_000) {
            let documents = (start..base.rows().min(start + 1_000)).map(|row| {
                let mut payload = json!({ "row": row });
                for (field, values) in attributes {
                    payload[*field] = json!(values[row]);
                }
                Document::new(base.vector(row), row as u64).with_payload(payload)
            });
            collection.upsert_batch(documents.collect())?;
        }
        let ingest_s = begin.elapsed().as_secs_f64();
        // Behind the rows, as with the other databases.
        collection.create_payload_index("row", PayloadIndexKind::Integer)?;
        collection.wait_payload_indexes()?;
        collection.wait_indexed(|_| {})?;
        Ok((collection, ingest_s))
    }
}

/// A filter, and the rows that it lets through.
struct Case {
    name: String,
    filter: Filter,
    rows: Vec<usize>,
}

fn filtered(set: &Set, db: &Path) -> Result<Value> {
    let (dir, name) = (&set.dir, &set.name);
    let base = set.base()?;
    let (learning, queries) = set.queries()?;
    let fields: &[&str] = if name == "fashion" {
        &["label"]
    } else {
        &["tokens", "doc"]
    };
    let mut attributes = Vec::new();
    for &field in fields {
        let values = attribute(dir, &format!("{name}_{field}"), base.rows())?;
        attributes.push((field, values));
    }
    attributes.push(("near", nearness(&base, metric(dir, name)?)));
    let cases = cases(name, &attributes, base.rows());
    let tenths = [
        &format!("row < {}", tenth(&base)),
        &format!("near < {}", tenth(&base)),
    ];
    let tenths = cases.iter().filter(|case| tenths.contains(&&case.name));
    let narrow: Vec<Option<&Case>> = std::iter::once(None).chain(tenths.map(Some)).collect();
    let database = AetherDB::open(db)?;
    let (collection, ingest_s) = set.filled(&database, &base, &attributes)?;

    for query in &learning {
        collection.search_with(asking(query, RECALL))?;
    }
    let unfiltered = measured(&collection, &queries, None, RECALL)?;
    let mut found = Vec::new();
    for case in &cases {
        let filtered = measured(&collection, &queries, Some(&case.filter), RECALL)?;
        let scan = scanned(&base, dir, name, &case.rows, &queries)?;
        found.push(json!({
            "filter": case.name, "share": case.rows.len() as f64 / base.rows() as f64, "recall": filtered.recall,
            "p50_us": filtered.p50, "p99_us": filtered.p99, "exact_p99_us": filtered.exact_p99, "array_scan_p99_us": scan,
        }));
    }
    // Queries of another kind come last, so that what was learned is learned from the first ones.
    let mut kinds = vec![("like the data", queries)];
    if name == "minilm" {
        let headings = Matrix::read(dir, "minilm_query_headings", set.queries)?.to_queries();
        kinds.push(("headings", headings));
    }
    let mut asked = Vec::new();
    for (kind, queries) in &kinds {
        for recall in [0.9, 0.95, 0.98] {
            for &filter in &narrow {
                let measured = measured(
                    &collection,
                    queries,
                    filter.map(|case| &case.filter),
                    recall,
                )?;
                asked.push(json!({
                    "queries": kind, "filter": filter.map(|case| &case.name), "asked": recall, "recall": measured.recall,
                    "p50_us": measured.p50, "p99_us": measured.p99,
                }));
            }
        }
    }
    database.close()?;
    Ok(json!({
        "rows": base.rows(), "ingest_rows_per_s": base.rows() as f64 / ingest_s, "recall": unfiltered.recall,
        "p50_us": unfiltered.p50, "p99_us": unfiltered.p99, "qps": unfiltered.qps, "filters": found, "asked": asked,
    }))
}

fn peer(set: &Set, db: &Path) -> Result<Value> {
    let base = set.base()?;
    let (learning, queries) = set.queries()?;
    let database = AetherDB::open(db)?;
    let (collection, ingest_s) = set.filled(&database, &base, &[])?;
    let tenth = Filter::lt("row", (base.rows() / 10) as i64);
    for query in &learning {
        collection.search_with(asking(query, RECALL))?;
    }
    let asked = measured(&collection, &queries, None, RECALL)?;
    let filtered = measured(&collection, &queries, Some(&tenth), RECALL)?;
    // The others have no recall to ask for: theirs is the fastest of some efforts that reach it, and so is this.
    let mut by_effort = Vec::new();
    for ef in EFFORTS {
        by_effort.push((ef, with_effort(&collection, &queries, ef)?));
    }
    database.close()?;
    let enough = by_effort
        .iter()
        .filter(|(_, found)| found.recall >= f64::from(RECALL));
    let best = enough.map(|(_, found)| found.qps).fold(0.0, f64::max);
    let efforts = by_effort
        .iter()
        .map(|(ef, found)| json!({"ef": ef, "recall": found.recall, "qps": found.qps}));
    Ok(json!({
        "rows": base.rows(), "ingest_rows_per_s": base.rows() as f64 / ingest_s, "asked_recall": asked.recall,
        "asked_qps": asked.qps, "filtered_recall": filtered.recall, "filtered_qps": filtered.qps,
        "qps": best, "efforts": efforts.collect::<Vec<_>>(),
    }))
}

/// A tenth of all rows.
fn tenth(base: &Matrix) -> usize {
    base.rows().div_ceil(10)
}

/// Of each row, how many others are nearer to the first one: a filter on that is one on the vectors.
fn nearness(base: &Matrix, metric: Metric) -> Vec<u32> {
    let mut first = Vec::new();
    base.row(0).to_f32(&mut first);
    let first = DistanceQuery::new(Kernels::detect(), metric, &first);
    let mut order: Vec<usize> = (0..base.rows()).collect();
    order.sort_by_cached_key(|&row| first.distance(base.row(row)));
    let mut ranks = vec![0; base.rows()];
    for (rank, row) in (0..).zip(order) {
        ranks[row] = rank;
    }
    ranks
}

fn cases(name: &str, attributes: &[(&str, Vec<u32>)], rows: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: String, filter: Filter, passes: &dyn Fn(usize) -> bool| {
        let rows = (0..rows).filter(|&row| passes(row)).collect();
        cases.push(Case { name, filter, rows });
    };
    for share in [0.0001, 0.001, 0.01, 0.1, 0.5] {
        let bound = (share * rows as f64).ceil() as i64;
        add(format!("row < {bound}"), Filter::lt("row", bound), &|row| {
            (row as i64) < bound
        });
    }
    let (_, near) = &attributes[attributes.len() - 1];
    for share in [0.01, 0.1, 0.5] {
        let bound = (share * rows as f64).ceil() as u32;
        add(
            format!("near < {bound}"),
            Filter::lt("near", i64::from(bound)),
            &|row| near[row] < bound,
        );
    }
    if name == "fashion" {
        let labels = &attributes[0].1;
        add("label = 3".into(), Filter::eq("label", 3), &|row| {
            labels[row] == 3
        });
        add("label < 5".into(), Filter::lt("label", 5), &|row| {
            labels[row] < 5
        });
        let part = (rows / 10) as i64;
        let filter = Filter::eq("label", 3).and(Filter::lt("row", part));
        add(format!("label = 3 and row < {part}"), filter, &|row| {
            labels[row] == 3 && (row as i64) < part
        });
    } else {
        let (tokens, docs) = (&attributes[0].1, &attributes[1].1);
        for share in [0.01, 0.1, 0.5] {
            let mut sorted = tokens.clone();
            sorted.sort_unstable();
            let bound = sorted[(share * rows as f64) as usize].max(sorted[0] + 1);
            add(
                format!("tokens < {bound}"),
                Filter::lt("tokens", i64::from(bound)),
                &|row| tokens[row] < bound,
            );
        }
        add(
            format!("doc = {}", docs[7]),
            Filter::eq("doc", i64::from(docs[7])),
            &|row| docs[row] == docs[7],
        );
    }
    cases
}

/// What a number of searches took and found.
pub(crate) struct Measured {
    pub(crate) recall: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) qps: f64,
    /// The same by comparing with all that may be hits.
    pub(crate) exact_p99: f64,
}

/// A search that asks for a recall.
fn asking(query: &[f32], recall: f32) -> SearchRequest<'_> {
    SearchRequest {
        recall: Some(recall),
        with_payload: false,
        ..SearchRequest::new(query, K)
    }
}

/// Searches that ask for a recall.
pub(crate) fn measured(
    collection: &Collection,
    queries: &[Vec<f32>],
    filter: Option<&Filter>,
    recall: f32,
) -> Result<Measured> {
    let request = |query| SearchRequest {
        filter,
        ..asking(query, recall)
    };
    measured_as(collection, queries, request)
}

/// Searches that hold `ef` candidates.
pub(crate) fn with_effort(
    collection: &Collection,
    queries: &[Vec<f32>],
    ef: usize,
) -> Result<Measured> {
    let request = |query| SearchRequest {
        recall: None,
        ef: Some(ef),
        ..asking(query, RECALL)
    };
    measured_as(collection, queries, request)
}

fn measured_as<'a>(
    collection: &Collection,
    queries: &'a [Vec<f32>],
    request: impl Fn(&'a [f32]) -> SearchRequest<'a>,
) -> Result<Measured> {
    let (mut truths, mut exact_took) = (Vec::new(), Vec::new());
    for query in queries {
        let exact = SearchRequest {
            recall: None,
            ef: None,
            exact: true,
            ..request(query)
        };
        let begin = now();
        let truth: HashSet<DocId> = collection
            .search_with(exact)?
            .into_iter()
            .map(|hit| hit.id)
            .collect();
        exact_took.push(begin.elapsed().as_secs_f64() * 1e6);
        truths.push(truth);
    }
    let (mut hits, mut took) = (0, Vec::new());
    for (query, truth) in queries.iter().zip(&truths) {
        let request = request(query);
        let begin = now();
        let found = collection.search_with(request)?;
        took.push(begin.elapsed().as_secs_f64() * 1e6);
        hits += found.iter().filter(|hit| truth.contains(&hit.id)).count();
    }
    let all: usize = truths.iter().map(HashSet::len).sum();
    let total: f64 = took.iter().sum();
    let (p50, p99) = quantiles(&mut took);
    Ok(Measured {
        recall: hits as f64 / all.max(1) as f64,
        p50,
        p99,
        qps: queries.len() as f64 / total * 1e6,
        exact_p99: quantiles(&mut exact_took).1,
    })
}

/// The 99th percentile of comparing with these rows of an array, in microseconds.
fn scanned(
    base: &Matrix,
    dir: &Path,
    name: &str,
    rows: &[usize],
    queries: &[Vec<f32>],
) -> Result<f64> {
    let (kernels, metric) = (Kernels::detect(), metric(dir, name)?);
    let mut took = Vec::new();
    for query in queries {
        let begin = now();
        let query = DistanceQuery::new(kernels, metric, query);
        let mut nearest = BinaryHeap::new();
        for &row in rows {
            nearest.push((query.distance(base.row(row)), row));
            if nearest.len() > K {
                nearest.pop();
            }
        }
        std::hint::black_box(nearest);
        took.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    Ok(quantiles(&mut took).1)
}

/// The median, and the 99th percentile.
pub(crate) fn quantiles(took: &mut [f64]) -> (f64, f64) {
    took.sort_by(f64::total_cmp);
    (took[took.len() / 2], took[took.len() * 99 / 100])
}

fn facets(db: &Path, documents: usize) -> Result<Value> {
    let database = AetherDB::open(db)?;
    let collection = database.create_collection("documents", 2, "l2", IndexConfig::Flat)?;
    collection.create_payload_index("tag", PayloadIndexKind::Keyword)?;
    let mut rng = fastrand::Rng::with_seed(1);
    for start in (0..documents).step_by(10_000) {
        let document = |i: usize| {
            let tag = format!("tag {}", rng.u32(..1_000).isqrt());
            Document::new(vec![0.0, 1.0], i as u64).with_payload(json!({ "tag": tag }))
        };
        collection.upsert_batch(
            (start..documents.min(start + 10_000))
                .map(document)
                .collect(),
        )?;
    }
    collection.wait_payload_indexes()?;
    let filter = Filter::any_of("tag", ["tag 3", "tag 17", "tag 30"]);
    let request = FacetRequest::new("tag");
    let (mut facets, mut counts, mut found) = (Vec::new(), Vec::new(), (0, 0));
    for _ in 0..30 {
        let begin = now();
        found.0 = collection.facet(&request)?.len();
        facets.push(begin.elapsed().as_secs_f64() * 1e3);
        let begin = now();
        found.1 = collection.count_matching(&filter)?;
        counts.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    database.close()?;
    Ok(json!({
        "documents": documents, "facet_ms": quantiles(&mut facets).0, "count_ms": quantiles(&mut counts).0,
        "values": found.0, "counted": found.1,
    }))
}

fn hybrid(dir: &Path, db: &Path) -> Result<Value> {
    const WORDS: [&str; 12] = [
        "index", "vector", "graph", "commit", "log", "table", "merge", "snapshot", "filter",
        "query", "write", "page",
    ];
    let base = Matrix::read(dir, "minilm_base", 440)?;
    let queries = Matrix::read(dir, "minilm_query", 200)?.to_queries();
    let database = AetherDB::open(db)?;
    let collection =
        database.create_collection("passages", base.dim(), "cosine", IndexConfig::default())?;
    collection.create_payload_index("text", PayloadIndexKind::Text)?;
    collection.create_payload_index("part", PayloadIndexKind::Integer)?;
    let mut rng = fastrand::Rng::with_seed(2);
    let documents = (0..base.rows()).map(|row| {
        let words: Vec<&str> = (0..40).map(|_| WORDS[rng.usize(..WORDS.len())]).collect();
        let payload = json!({ "text": words.join(" "), "part": row % 3 });
        Document::new(base.vector(row), row as u64).with_payload(payload)
    });
    collection.upsert_batch(documents.collect())?;
    collection.wait_payload_indexes()?;
    let (mut took, mut hits) = (Vec::new(), 0);
    for (i, query) in queries.iter().enumerate() {
        let words = format!("{} {}", WORDS[i % 12], WORDS[(i / 12) % 12]);
        let request = QueryRequest::new(Query::rrf())
            .prefetch(Prefetch::new(Query::nearest(query.clone())).limit(50))
            .prefetch(Prefetch::new(Query::text("text", words)).limit(50))
            .filter(Filter::lt("part", 2));
        let begin = now();
        hits += collection.query(&request)?.hits.len();
        took.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    database.close()?;
    let (p50, p99) = quantiles(&mut took);
    Ok(json!({ "p50_ms": p50, "p99_ms": p99, "hits": hits }))
}

fn empty(db: &Path, collections: usize) -> Result<Value> {
    let database = AetherDB::open(db)?;
    let (memory, disk) = (resident_bytes(), bytes_on_disk(db)?);
    for i in 0..collections {
        database.create_collection(&format!("c{i}"), 384, "cosine", IndexConfig::default())?;
    }
    let per = |bytes: u64, before: u64| bytes.saturating_sub(before) as f64 / collections as f64;
    let memory = per(resident_bytes(), memory);
    database.close()?;
    drop(database);
    let disk = per(bytes_on_disk(db)?, disk);
    let begin = now();
    let database = AetherDB::open(db)?;
    let open_s = begin.elapsed().as_secs_f64();
    let found = database.collections().len();
    database.close()?;
    Ok(
        json!({ "collections": found, "memory_bytes": memory, "disk_bytes": disk, "open_s": open_s }),
    )
}

/// Bytes that the files of a directory occupy.
fn bytes_on_disk(dir: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            bytes_on_disk(&entry.path())?
        } else {
            metadata.blocks() * 512
        };
    }
    Ok(bytes)
}
