//! Vectors to test with, and what is true of them.

use std::collections::HashSet;
use std::io::Read;
use std::path::PathBuf;

use aether_distance::{ElementType, Metric, VectorRef};
use aether_index::{Candidate, Flat, Hnsw, HnswParams, PointId, Scratch, SearchParams};
use half::f16;

/// Rows of one element type.
pub(crate) enum Rows {
    F32(Vec<f32>),
    F16(Vec<f16>),
    U8(Vec<u8>),
}

pub(crate) struct Vectors {
    pub(crate) rows: Rows,
    pub(crate) dim: usize,
}

impl Vectors {
    pub(crate) fn len(&self) -> usize {
        let components = match &self.rows {
            Rows::F32(rows) => rows.len(),
            Rows::F16(rows) => rows.len(),
            Rows::U8(rows) => rows.len(),
        };
        components / self.dim
    }

    pub(crate) fn row(&self, i: usize) -> VectorRef<'_> {
        let range = i * self.dim..(i + 1) * self.dim;
        match &self.rows {
            Rows::F32(rows) => VectorRef::F32(&rows[range]),
            Rows::F16(rows) => VectorRef::F16(&rows[range]),
            Rows::U8(rows) => VectorRef::U8(&rows[range]),
        }
    }

    pub(crate) fn floats(&self, i: usize) -> Vec<f32> {
        let mut floats = Vec::new();
        self.row(i).to_f32(&mut floats);
        floats
    }

    pub(crate) fn element(&self) -> ElementType {
        self.row(0).element()
    }

    /// The same vectors as floats, each component changed by `map`.
    pub(crate) fn map(&self, map: impl Fn(f32) -> f32) -> Vectors {
        let rows = (0..self.len())
            .flat_map(|i| self.floats(i))
            .map(map)
            .collect();
        Vectors {
            rows: Rows::F32(rows),
            dim: self.dim,
        }
    }
}

/// A file of `testdata/`: numpy's format, u8 or f16.
pub(crate) fn load(name: &str) -> Vectors {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata")
        .join(name);
    let mut bytes =
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if name.ends_with(".gz") {
        let mut unzipped = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice())
            .read_to_end(&mut unzipped)
            .unwrap();
        bytes = unzipped;
    }
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..start]).unwrap();
    let shape = header
        .split_once("'shape': (")
        .unwrap()
        .1
        .split_once(')')
        .unwrap()
        .0;
    let dim = shape.split_once(',').unwrap().1.trim().parse().unwrap();
    let data = &bytes[start..];
    let rows = if header.contains("<f2") {
        let halves = data
            .chunks_exact(2)
            .map(|half| f16::from_le_bytes([half[0], half[1]]));
        Rows::F16(halves.collect())
    } else {
        assert!(header.contains("|u1"), "{header}");
        Rows::U8(data.to_vec())
    };
    Vectors { rows, dim }
}

pub(crate) fn random(rng: &mut fastrand::Rng, n: usize, dim: usize) -> Vectors {
    Vectors {
        rows: Rows::F32((0..n * dim).map(|_| rng.f32() - 0.5).collect()),
        dim,
    }
}

/// From the environment, to repeat a failure; printed by the harness when a test fails.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("AETHER_SEED").map_or(20_261_121, |seed| seed.parse().unwrap());
    println!("AETHER_SEED={seed}");
    seed
}

pub(crate) fn id(i: usize) -> PointId {
    PointId(i as u64)
}

/// A graph of the vectors with these numbers, which are their ids too.
pub(crate) fn build(
    vectors: &Vectors,
    metric: Metric,
    numbers: impl Iterator<Item = usize>,
) -> Hnsw {
    let hnsw = Hnsw::new(
        vectors.dim,
        metric,
        vectors.element(),
        HnswParams::DEFAULT,
        7,
    )
    .unwrap();
    for i in numbers {
        assert!(hnsw.insert(id(i), vectors.row(i)).unwrap());
    }
    hnsw
}

/// The exact answers.
pub(crate) fn truth(
    vectors: &Vectors,
    metric: Metric,
    numbers: impl Iterator<Item = usize>,
    queries: &Vectors,
    k: usize,
) -> Vec<Vec<Candidate>> {
    let flat = Flat::new(vectors.dim, metric, vectors.element()).unwrap();
    for i in numbers {
        flat.insert(id(i), vectors.row(i)).unwrap();
    }
    (0..queries.len())
        .map(|q| flat.search(&queries.floats(q), k, |_| true).unwrap())
        .collect()
}

pub(crate) fn search(hnsw: &Hnsw, query: &[f32], k: usize, ef: usize) -> Vec<Candidate> {
    let params = SearchParams {
        k,
        ef,
        include_dead: false,
    };
    hnsw.search(query, params, None, &mut Scratch::default())
        .unwrap()
}

pub(crate) fn recall(hnsw: &Hnsw, queries: &Vectors, truth: &[Vec<Candidate>], ef: usize) -> f64 {
    let mut scratch = Scratch::default();
    let (mut hits, mut all) = (0, 0);
    for (q, truth) in truth.iter().enumerate() {
        let params = SearchParams {
            k: truth.len(),
            ef,
            include_dead: false,
        };
        let found = hnsw
            .search(&queries.floats(q), params, None, &mut scratch)
            .unwrap();
        assert!(found.is_sorted());
        hits += overlap(&found, truth);
        all += truth.len();
    }
    hits as f64 / all as f64
}

pub(crate) fn overlap(found: &[Candidate], truth: &[Candidate]) -> usize {
    let truth: HashSet<PointId> = truth.iter().map(|candidate| candidate.point).collect();
    found
        .iter()
        .filter(|candidate| truth.contains(&candidate.point))
        .count()
}
