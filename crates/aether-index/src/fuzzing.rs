//! Rows and checkpoints of which some bytes are replaced, for fuzzers and for the test that reads what they have found.
//!
//! Any error is fine, and so are wrong answers; a panic, a hang or unbounded memory is a bug. Inputs for checkpoints are lists of
//! replacements, five bytes each: where (`u32`, little endian, modulo the length) and by what. Header and trailer get their
//! checksums anew, or hardly any input would get past them.

use std::fmt;

use aether_distance::{ElementType, Metric, VectorRef};
use xxhash_rust::xxh3::xxh3_64;

use crate::drift;
use crate::pages::{CHECKED, PAGE};
use crate::{
    Hnsw, HnswParams, Image, Ivf, IvfParams, IvfScratch, PointId, Result, Scratch, SearchParams,
};

const DIM: usize = 20;
const POINTS: u64 = 300;

/// Steps of maintenance: more than a pass takes.
const STEPS: usize = 20;

/// What reads bytes.
pub struct Target {
    /// What it reads as the crate writes it; of a checkpoint nothing is replaced.
    pub start: Vec<u8>,
    examine: Box<Examine>,
}

type Examine = dyn Fn(&[u8]) + Send + Sync;

/// The target `name`, `graph`, `buckets` or `drift`; none for another name.
pub fn target(name: &str) -> Option<Target> {
    match name {
        "graph" => Some(Target::of_checkpoint(graph(), examine_graph)),
        "buckets" => Some(Target::of_checkpoint(buckets(), examine_buckets)),
        "drift" => Some(Target {
            start: drift::fuzzing::start().expect("vectors and parameters are good ones"),
            examine: Box::new(|bytes| {
                let _ = drift::fuzzing::examine(bytes);
            }),
        }),
        _ => None,
    }
}

impl Target {
    /// Opens and uses the checkpoint with replacements.
    fn of_checkpoint(written: Result<Vec<u8>>, examine: fn(Image) -> Result<()>) -> Target {
        let whole = written.expect("vectors and parameters are good ones");
        let examine = move |replacements: &[u8]| {
            let _ = examine(Image::from(replaced(&whole, replacements)));
        };
        Target {
            start: Vec::new(),
            examine: Box::new(examine),
        }
    }

    /// Reads these bytes.
    pub fn examine(&self, bytes: &[u8]) {
        (self.examine)(bytes);
    }
}

fn replaced(whole: &[u8], replacements: &[u8]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for &[a, b, c, d, by] in replacements.as_chunks().0 {
        let at = u32::from_le_bytes([a, b, c, d]) as usize;
        let at = at % bytes.len();
        bytes[at] = by;
    }
    for page in [0, bytes.len() - PAGE] {
        let page = &mut bytes[page..][..PAGE];
        let checksum = xxh3_64(&page[..CHECKED]);
        page[CHECKED..].copy_from_slice(&checksum.to_le_bytes());
    }
    bytes
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").finish_non_exhaustive()
    }
}

const SEARCH: SearchParams = SearchParams {
    k: 10,
    ef: 40,
    include_dead: true,
};

fn vector(point: u64) -> [f32; DIM] {
    let mut rng = fastrand::Rng::with_seed(point);
    std::array::from_fn(|_| rng.f32())
}

fn graph() -> Result<Vec<u8>> {
    let params = HnswParams {
        m: 4,
        ef_construction: 16,
    };
    let graph = Hnsw::new(DIM, Metric::L2Squared, ElementType::F32, params, 1)?;
    for point in 0..POINTS {
        graph.insert(PointId(point), VectorRef::F32(&vector(point)))?;
    }
    graph.remove(PointId(5));
    let mut bytes = Vec::new();
    graph
        .write_checkpoint(&mut bytes)
        .expect("memory is writable");
    Ok(bytes)
}

fn buckets() -> Result<Vec<u8>> {
    let params = IvfParams { bucket_points: 32 };
    let buckets = Ivf::new(DIM, Metric::L2Squared, ElementType::F32, params, 1)?;
    for point in 0..POINTS {
        buckets.insert(PointId(point), VectorRef::F32(&vector(point)))?;
    }
    buckets.remove(PointId(5));
    let mut bytes = Vec::new();
    buckets
        .write_checkpoint(&mut bytes)
        .expect("memory is writable");
    Ok(bytes)
}

fn examine_graph(image: Image) -> Result<()> {
    let _ = crate::verify_checkpoint(image.as_bytes());
    let graph = Hnsw::open(image)?;
    let scratch = &mut Scratch::default();
    let mut query = vec![0.5; graph.dim()];
    for round in 0..3 {
        query.fill(0.1 + 0.3 * round as f32);
        let _ = graph.search(&query, SEARCH, None, scratch)?;
        let _ = graph.scan_all(&query, 5, &|_| true, true, scratch)?;
        let _ = graph.check();
        for point in 0..POINTS / 3 {
            graph.remove(PointId(3 * point + round));
        }
        for _ in 0..STEPS {
            if graph.consolidate(100)?.done {
                break;
            }
        }
        for point in 0..40 {
            let _ = graph.insert(
                PointId(POINTS * round + point),
                VectorRef::F32(&vector(point)),
            );
        }
    }
    let _ = graph.write_checkpoint(&mut std::io::sink());
    Ok(())
}

fn examine_buckets(image: Image) -> Result<()> {
    let _ = Ivf::verify_checkpoint(image.as_bytes());
    let buckets = Ivf::open(image)?;
    let scratch = &mut IvfScratch::default();
    let mut query = vec![0.5; buckets.dim()];
    for round in 0..3 {
        query.fill(0.1 + 0.3 * round as f32);
        let _ = buckets.search(&query, SEARCH, None, scratch)?;
        let _ = buckets.scan_all(&query, 5, &|_| true, true, scratch)?;
        let _ = buckets.check();
        for point in 0..POINTS / 3 {
            buckets.remove(PointId(3 * point + round));
        }
        for _ in 0..STEPS {
            if buckets.consolidate(100)?.done {
                break;
            }
        }
        for point in 0..40 {
            let _ = buckets.insert(
                PointId(POINTS * round + point),
                VectorRef::F32(&vector(point)),
            );
        }
    }
    let _ = buckets.write_checkpoint(&mut std::io::sink());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn rows_of_which_bytes_are_replaced_give_errors_or_wrong_answers() {
        let target = target("drift").unwrap();
        let mut random = fastrand::Rng::with_seed(21);
        for _ in 0..500 {
            let mut bytes = target.start.clone();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(..bytes.len().min(300));
                bytes[at] = random.u8(..);
            }
            if random.u8(..) < 64 {
                bytes.truncate(random.usize(..bytes.len()));
            }
            target.examine(&bytes);
        }
    }

    #[test]
    fn what_fuzzers_have_found_is_read() {
        for name in ["graph", "buckets", "drift"] {
            let target = target(name).unwrap();
            target.examine(&target.start);
            let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
            let inputs = fs::read_dir(corpus.join(name)).unwrap();
            for path in inputs.map(|input| input.unwrap().path()) {
                eprintln!("{}", path.display());
                target.examine(&fs::read(path).unwrap());
            }
        }
    }

    #[test]
    fn replaced_bytes_never_panic() {
        let seed = fastrand::u64(..);
        eprintln!("seed {seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        for name in ["graph", "buckets"] {
            let target = target(name).unwrap();
            for _ in 0..300 {
                // Half of them in the header, where most is decided.
                let place = |rng: &mut fastrand::Rng| match rng.bool() {
                    true => rng.u32(8..64),
                    false => rng.u32(..1 << 20),
                };
                let mut one = || {
                    let [a, b, c, d] = place(&mut rng).to_le_bytes();
                    [a, b, c, d, rng.u8(..)]
                };
                let replacements: Vec<u8> = (0..3).flat_map(|_| one()).collect();
                eprintln!("{name}: {replacements:?}");
                target.examine(&replacements);
            }
        }
    }
}
