//! `demo`: the project's documentation as a collection, and questions to it.
//!
//! The collection is named after the documentation's hash: a database that has it, complete, is opened; in any other
//! case the passages are indexed anew, and collections of earlier documentation are dropped.

use super::Stopwatch;
use super::info::directory_bytes;
use super::search::percentile;
use crate::args::{DEFAULT_DEMO_DB, Demo};
use crate::demo::corpus::{self, Passage};
use crate::demo::embedder::{self, Embedder, HashedTextEmbedder};
use crate::demo::words::words;
use crate::failure::{Failure, Outcome};
use crate::human;
use crate::interrupt::Polite;
use crate::output::Output;
use crate::progress::{Progress, Unit};
use crate::session::Session;
use aethervec::{
    AetherDB, Collection, CollectionSchema, DocId, Document, ErrorKind, Hit, IndexConfig, Metric,
    SearchRequest,
};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::hash::Hasher;
use std::time::Duration;

/// Components of each passage's vector: enough that the noise of the projection stays below what a shared word adds.
const DIM: usize = 512;
/// What collections of documentation are called, before the hash.
const NAME_PREFIX: &str = "documentation-";
/// Documents of one commit.
const BATCH: usize = 500;
/// Width of lines of text.
const TEXT_WIDTH: usize = 100;

/// Asked when the user asks nothing.
const SAMPLES: [&str; 3] = [
    "what happens when the disk is full?",
    "how do I back up a database?",
    "can two processes open the same database?",
];

/// `aethervec demo`.
pub(crate) fn run(session: &Session, args: &Demo) -> Outcome {
    let session = session.clone().or_at(DEFAULT_DEMO_DB);
    let passages = corpus::passages();
    let texts: Vec<String> = passages.iter().map(Passage::embedded).collect();
    let embedder = HashedTextEmbedder::learn(texts.iter().map(String::as_str), DIM);
    let demo = Demonstration {
        session: &session,
        passages,
        texts,
        embedder: &embedder,
    };
    let watch = Stopwatch::start();
    let summary = session.with(|db| demo.run(db, args, &watch))?;
    summary.tell(&session);
    Ok(())
}

/// What the demo works with.
struct Demonstration<'a> {
    session: &'a Session,
    passages: Vec<Passage>,
    texts: Vec<String>,
    embedder: &'a dyn Embedder,
}

/// What just happened.
struct Summary {
    documents: u64,
    dim: usize,
    opened: bool,
    ready: Duration,
    indexed: u64,
    family: &'static str,
    queries: usize,
    recall: f64,
    p50: Duration,
    p99: Duration,
}

impl Demonstration<'_> {
    fn run(&self, db: &AetherDB, args: &Demo, watch: &Stopwatch) -> Outcome<Summary> {
        let out = self.session.out;
        let (collection, opened) = self.collection(db)?;
        let ready = watch.elapsed();
        let documents = collection.count()?;
        let what = format!(
            "{} of {}",
            human::counted(documents, "passage"),
            human::counted(corpus::files() as u64, "file")
        );
        let place = self.session.path().display();
        out.line(match opened {
            true => format!(
                "opened {place}, which an earlier run wrote: {what}, ready in {}",
                human::duration(ready)
            ),
            false => format!(
                "indexed AetherVec's documentation into {place}: {what}, in {}",
                human::duration(ready)
            ),
        });
        let questions: Vec<&str> = args
            .question
            .as_deref()
            .map_or(SAMPLES.to_vec(), |question| vec![question]);
        for question in questions {
            self.answer(&collection, question, args.k)?;
        }
        let measured = self.measure(&collection)?;
        let status = collection.index_status();
        let family = status.dense.get("").map_or("scan", |dense| dense.family);
        Ok(Summary {
            documents,
            dim: self.embedder.dim(),
            opened,
            ready,
            indexed: status.indexed,
            family,
            ..measured
        })
    }

    /// The collection of this very documentation, and whether it was there.
    fn collection(&self, db: &AetherDB) -> Outcome<(Collection, bool)> {
        let name = format!("{NAME_PREFIX}{:016x}", self.hash());
        match db.collection(&name) {
            Ok(collection) if collection.count()? == self.passages.len() as u64 => {
                return Ok((collection, true));
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        for old in db.collections() {
            if old.name.starts_with(NAME_PREFIX) {
                db.drop_collection(&old.name)?;
            }
        }
        let schema =
            CollectionSchema::new(self.embedder.dim(), Metric::Cosine, IndexConfig::default());
        let collection = db.create_collection_with(&name, schema)?;
        self.index(&collection)?;
        Ok((collection, false))
    }

    fn index(&self, collection: &Collection) -> Outcome {
        let polite = Polite::begin();
        let progress = Progress::begin("indexing", Some(self.passages.len() as u64), Unit::Items);
        let numbered: Vec<(usize, &Passage)> = self.passages.iter().enumerate().collect();
        for batch in numbered.chunks(BATCH) {
            let document = |&(number, passage): &(usize, &Passage)| {
                let vector = self.embedder.embed(&self.texts[number]);
                Document::new(vector, number as u64).with_payload(payload(passage))
            };
            collection.upsert_batch(batch.iter().map(document).collect())?;
            progress.set(batch.last().map_or(0, |(number, _)| *number as u64 + 1));
            if polite.requested() {
                return Err(Failure::interrupted("stopped; the next run indexes again"));
            }
        }
        collection.wait_indexed(|_| {})?;
        Ok(())
    }

    /// Changes with the documentation and with the way that it is embedded.
    fn hash(&self) -> u64 {
        let mut hasher = StableHasher::default();
        hasher.write_u64(embedder::VERSION);
        hasher.write_u64(self.embedder.dim() as u64);
        for (passage, text) in self.passages.iter().zip(&self.texts) {
            hasher.write(passage.file.as_bytes());
            hasher.write_u64(passage.line as u64);
            hasher.write(text.as_bytes());
        }
        hasher.finish()
    }

    fn answer(&self, collection: &Collection, question: &str, k: usize) -> Outcome {
        let vector = self.embedder.embed(question);
        if vector.iter().all(|&component| component == 0.0) {
            return Err(Failure::invalid(format!(
                "{question:?}: none of these words occurs in the documentation: try others"
            )));
        }
        let hits = collection.search(&vector, k)?;
        let out = self.session.out;
        out.object(&json!({"question": question, "answers": hits.iter().map(answer_json).collect::<Vec<_>>()}));
        out.line(format!("\n{}", out.bold(&format!("? {question}"))));
        let asked: HashSet<String> = words(question).into_iter().collect();
        for hit in &hits {
            self.print(out, hit, &asked);
        }
        Ok(())
    }

    fn print(&self, out: Output, hit: &Hit, asked: &HashSet<String>) {
        let Some(passage) = self.passage(hit) else {
            return;
        };
        let place = out.accent(&format!("{}:{}", passage.file, passage.line));
        out.line(format!(
            "\n  {:.3}  {place}  {}",
            hit.score,
            out.dim(&passage.heading)
        ));
        for line in wrapped(&passage.text, TEXT_WIDTH) {
            out.line(format!("         {}", highlighted(out, &line, asked)));
        }
    }

    fn passage(&self, hit: &Hit) -> Option<&Passage> {
        let DocId::U64(number) = hit.id else {
            return None;
        };
        self.passages.get(usize::try_from(number).ok()?)
    }

    /// Every heading is a question: what the index finds against what an exact search finds.
    fn measure(&self, collection: &Collection) -> Outcome<Summary> {
        let headings: HashSet<&str> = self
            .passages
            .iter()
            .map(|passage| passage.heading.as_str())
            .collect();
        let mut headings: Vec<&str> = headings.into_iter().chain(SAMPLES).collect();
        headings.sort_unstable();
        let vectors = headings.iter().map(|heading| self.embedder.embed(heading));
        let queries: Vec<Vec<f32>> = vectors
            .filter(|vector| vector.iter().any(|&component| component != 0.0))
            .collect();
        let (mut times, mut found, mut wanted) = (Vec::new(), 0, 0);
        for query in &queries {
            let request = SearchRequest {
                with_payload: false,
                ..SearchRequest::new(query, 10)
            };
            let exact = collection.search_with(SearchRequest {
                exact: true,
                ..request
            })?;
            let nearest: HashSet<DocId> = exact.into_iter().map(|hit| hit.id).collect();
            let watch = Stopwatch::start();
            let hits = collection.search_with(request)?;
            times.push(watch.elapsed());
            found += hits.iter().filter(|hit| nearest.contains(&hit.id)).count();
            wanted += nearest.len();
        }
        times.sort_unstable();
        Ok(Summary {
            documents: 0,
            dim: 0,
            opened: false,
            ready: Duration::ZERO,
            indexed: 0,
            family: "scan",
            queries: queries.len(),
            recall: found as f64 / (wanted.max(1)) as f64,
            p50: percentile(&times, 0.50),
            p99: percentile(&times, 0.99),
        })
    }
}

impl Summary {
    /// After the database is closed, so that what is on disk is all of it.
    fn tell(&self, session: &Session) {
        let out = session.out;
        let disk_bytes = directory_bytes(session.path());
        out.line(format!("\n{}", out.bold("what just happened")));
        let how = match self.family {
            "scan" => "few enough for an exact scan",
            "graph" => "in an HNSW graph",
            _ => "in buckets of short codes",
        };
        out.line(format!(
            "  documents  {}, {} dimensions, cosine, {how}",
            human::count(self.documents),
            human::count(self.dim as u64)
        ));
        out.line(format!(
            "  recall@10  {:.4} against exact search, over {}",
            self.recall,
            human::counted(self.queries as u64, "heading")
        ));
        out.line(format!(
            "  latency    p50 {}, p99 {}",
            human::duration(self.p50),
            human::duration(self.p99)
        ));
        out.line(format!(
            "  on disk    {} in {}",
            human::bytes(disk_bytes),
            session.path().display()
        ));
        out.object(&json!({
            "database": session.path().display().to_string(),
            "opened": self.opened,
            "documents": self.documents,
            "files": corpus::files(),
            "dim": self.dim,
            "indexed": self.indexed,
            "ready_seconds": self.ready.as_secs_f64(),
            "queries": self.queries,
            "recall_at_10": self.recall,
            "latency_p50_ms": self.p50.as_secs_f64() * 1e3,
            "latency_p99_ms": self.p99.as_secs_f64() * 1e3,
            "disk_bytes": disk_bytes,
        }));
    }
}

fn payload(passage: &Passage) -> Value {
    json!({"file": passage.file, "line": passage.line, "heading": passage.heading, "text": passage.text})
}

fn answer_json(hit: &Hit) -> Value {
    let mut answer = json!({"score": hit.score});
    if let (Some(Value::Object(payload)), Some(answer)) = (&hit.payload, answer.as_object_mut()) {
        answer.extend(payload.clone());
    }
    answer
}

/// Lines of at most `width` characters; paragraphs flow, lines of lists, tables and code stay lines.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut flows = false;
    for line in text.lines() {
        let stands_apart =
            line.trim().is_empty() || line.starts_with(['-', ' ', '`']) || line.contains(" · ");
        if !flows || stands_apart {
            lines.push(String::new());
        }
        for word in line.split_whitespace() {
            let length = lines.last().map_or(0, |last| last.chars().count());
            if length > 0 && length + 1 + word.chars().count() > width {
                lines.push(String::new());
            }
            if let Some(last) = lines.last_mut() {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(word);
            }
        }
        flows = !line.trim().is_empty() && !line.contains(" · ");
    }
    lines.retain(|line| !line.is_empty());
    lines
}

/// The line with the words that were asked for standing out.
fn highlighted(out: Output, line: &str, asked: &HashSet<String>) -> String {
    let is_asked = |word: &str| words(word).iter().any(|stem| asked.contains(stem));
    let shown = line.split(' ').map(|word| {
        if is_asked(word) {
            out.bold(word)
        } else {
            word.to_owned()
        }
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// FNV-1a: the same in every version and on every machine, unlike the standard library's.
struct StableHasher(u64);

impl Default for StableHasher {
    fn default() -> Self {
        StableHasher(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for StableHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.write(&number.to_le_bytes());
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped() {
        assert_eq!(
            wrapped("one two\nthree\n- item\n\nfour", 9),
            ["one two", "three", "- item", "four"]
        );
        assert_eq!(wrapped("one two\nthree", 80), ["one two three"]);
        assert_eq!(wrapped("a · b\nc · d", 80), ["a · b", "c · d"]);
    }
}
