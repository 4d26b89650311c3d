//! Codes against what they stand for, and blocks against single codes.

use aether_distance::{Kernels, Query};

use super::super::pack;
use super::*;

const METRICS: [Metric; 3] = [Metric::L2Squared, Metric::InnerProduct, Metric::Cosine];

fn seed() -> u64 {
    let seed = std::env::var("AETHER_SEED").map_or(20_261_121, |seed| seed.parse().unwrap());
    println!("AETHER_SEED={seed}");
    seed
}

/// Neighbouring components go together: that is what subspaces use.
fn vectors(n: usize, dim: usize, rng: &mut fastrand::Rng) -> Vec<Vec<f32>> {
    let vector = |rng: &mut fastrand::Rng| {
        let mut last = 0.0;
        let mut next = || {
            last = 0.7 * last + rng.f32() - 0.4;
            last
        };
        (0..dim).map(|_| next()).collect()
    };
    (0..n).map(|_| vector(rng)).collect()
}

fn train(metric: Metric, subspaces: usize, vectors: &[Vec<f32>]) -> ProductQuantizer {
    let sample = vectors.iter().map(|vector| VectorRef::F32(vector));
    ProductQuantizer::train(metric, vectors[0].len(), subspaces, sample, 9).unwrap()
}

#[test]
fn blocks_give_the_same_estimates_as_single_codes() {
    let mut rng = fastrand::Rng::with_seed(seed());
    for metric in METRICS {
        for (dim, subspaces) in [(1, 1), (10, 3), (100, 50), (97, 31)] {
            let vectors = vectors(32, dim, &mut rng);
            let quantizer = train(metric, subspaces, &vectors);
            let (mut code, mut floats) = (vec![0; quantizer.code_bytes()], Vec::new());
            let mut table = ProductTable::default();
            quantizer.prepare(&vectors[5], &mut table);
            let mut block = vec![0; quantizer.block_bytes()];
            let (mut add, mut scale, mut single) = ([0.0; 32], [0.0; 32], [0.0; 32]);
            for (lane, vector) in vectors.iter().enumerate() {
                let factors = quantizer.encode(VectorRef::F32(vector), &mut code, &mut floats);
                pack(&mut block, lane, &code);
                (add[lane], scale[lane]) = (factors.add, factors.scale);
                single[lane] = table.estimate(&code, factors);
            }
            let mut found = [0.0; 32];
            let factors = ScanFactors {
                add: &add,
                scale: &scale,
            };
            table.estimate32(&block, factors, 0.0, &mut found);
            for lane in 0..32 {
                let allowed = subspaces as f32 * table.scan.formula.step * scale[lane].abs() + 1e-4;
                assert!(
                    (found[lane] - single[lane]).abs() <= allowed,
                    "{metric} {dim}: {} {}",
                    found[lane],
                    single[lane]
                );
            }
        }
    }
}

#[test]
fn estimates_are_near_exact_distances() {
    let mut rng = fastrand::Rng::with_seed(seed());
    let (dim, kernels) = (96, Kernels::detect());
    let vectors = vectors(2000, dim, &mut rng);
    for metric in METRICS {
        let mut previous = f64::INFINITY;
        for subspaces in [12, 24, 48, 96] {
            let quantizer = train(metric, subspaces, &vectors);
            let (mut code, mut floats) = (vec![0; quantizer.code_bytes()], Vec::new());
            let mut table = ProductTable::default();
            let (mut squares, mut count) = (0.0, 0.0);
            for query in vectors.iter().step_by(200) {
                quantizer.prepare(query, &mut table);
                for vector in vectors.iter().skip(1).step_by(20) {
                    let factors = quantizer.encode(VectorRef::F32(vector), &mut code, &mut floats);
                    let exact = Query::new(kernels, metric, query)
                        .distance(VectorRef::F32(vector))
                        .0;
                    let off = f64::from(table.estimate(&code, factors) - exact);
                    (squares, count) = (squares + off * off, count + 1.0);
                }
            }
            let deviation = f64::sqrt(squares / count);
            println!("{metric}, {subspaces} subspaces: off by {deviation:.4}");
            assert!(
                deviation < 0.8 * previous,
                "{metric}: {subspaces} subspaces are no better than half of them"
            );
            previous = deviation;
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_codes() {
    let vectors = vectors(200, 20, &mut fastrand::Rng::with_seed(1));
    let codes = || {
        let quantizer = train(Metric::L2Squared, 7, &vectors);
        let (mut code, mut floats) = (vec![0; quantizer.code_bytes()], Vec::new());
        let mut codes = Vec::new();
        for vector in &vectors {
            quantizer.encode(VectorRef::F32(vector), &mut code, &mut floats);
            codes.extend_from_slice(&code);
        }
        codes
    };
    assert_eq!(codes(), codes());
}

#[test]
fn limits_are_named() {
    let train = |dim, subspaces, sample: Vec<VectorRef<'_>>| {
        let trained = ProductQuantizer::train(Metric::L2Squared, dim, subspaces, sample, 1);
        trained.map(|_| ()).map_err(|error| error.to_string())
    };
    let good = VectorRef::F32(&[1.0, 2.0]);
    assert!(train(2, 2, vec![good]).is_ok());
    assert!(train(2, 3, vec![good]).unwrap_err().contains("1 to 2"));
    assert!(train(2, 0, vec![good]).unwrap_err().contains("0 subspaces"));
    assert!(train(2, 1, vec![]).unwrap_err().contains("empty"));
}
