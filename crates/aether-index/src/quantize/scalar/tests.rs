//! Codes against what they stand for, and estimates against exact distances.

use aether_distance::Query;

use super::*;

const METRICS: [Metric; 3] = [Metric::L2Squared, Metric::InnerProduct, Metric::Cosine];
const BITS: [ScalarBits; 2] = [ScalarBits::Four, ScalarBits::Eight];

fn seed() -> u64 {
    let seed = std::env::var("AETHER_SEED").map_or(20_261_121, |seed| seed.parse().unwrap());
    println!("AETHER_SEED={seed}");
    seed
}

/// Components of very different ranges, one of them constant.
fn vectors(n: usize, dim: usize, rng: &mut fastrand::Rng) -> Vec<Vec<f32>> {
    let component = |i: usize, rng: &mut fastrand::Rng| (rng.f32() - 0.3) * (i % 5) as f32 + 1.0;
    (0..n)
        .map(|_| (0..dim).map(|i| component(i, rng)).collect())
        .collect()
}

fn train(metric: Metric, bits: ScalarBits, vectors: &[Vec<f32>]) -> ScalarQuantizer {
    let sample = vectors.iter().map(|vector| VectorRef::F32(vector));
    ScalarQuantizer::train(metric, bits, vectors[0].len(), sample).unwrap()
}

/// `<query', code>` as the module's header has it, component by component.
fn dot(quantizer: &ScalarQuantizer, code: &[u8], query: &[f32]) -> f64 {
    let mut centred = Vec::new();
    quantizer.centred.query(query, &mut centred);
    let middle = f64::from(quantizer.bits.last()) / 2.0;
    let bytes = code.len();
    let level = |i: usize| match quantizer.bits {
        ScalarBits::Eight => code[i],
        ScalarBits::Four if i < bytes => code[i] & 15,
        ScalarBits::Four => code[i - bytes] >> 4,
    };
    let term = |i: usize| {
        (f64::from(level(i)) - middle) * f64::from(quantizer.steps[i]) * f64::from(centred[i])
    };
    (0..query.len()).map(term).sum()
}

#[test]
fn estimates_are_what_the_codes_say() {
    let mut rng = fastrand::Rng::with_seed(seed());
    for metric in METRICS {
        for bits in BITS {
            for dim in [1, 7, 100, 385] {
                let vectors = vectors(50, dim, &mut rng);
                let quantizer = train(metric, bits, &vectors);
                let (mut code, mut floats) = (vec![0; quantizer.code_bytes()], Vec::new());
                let mut table = ScalarTable::default();
                let query = &vectors[3];
                quantizer.prepare(query, &mut table);
                for vector in &vectors {
                    let factors = quantizer.encode(VectorRef::F32(vector), &mut code, &mut floats);
                    let expected = f64::from(table.base + factors.add)
                        + f64::from(factors.scale) * dot(&quantizer, &code, query);
                    let found = f64::from(table.estimate(&code, factors));
                    // The query is rounded to steps of 1/127 of its largest component.
                    let allowed =
                        0.02 * dim as f64 * (1.0 + f64::from(factors.scale.abs() * table.norm));
                    assert!(
                        (found - expected).abs() < allowed,
                        "{metric} {bits:?} {dim}: {found} {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn estimates_are_near_exact_distances() {
    let mut rng = fastrand::Rng::with_seed(seed());
    let (dim, kernels) = (200, Kernels::detect());
    let vectors = vectors(300, dim, &mut rng);
    for metric in METRICS {
        for bits in BITS {
            let quantizer = train(metric, bits, &vectors);
            let (mut code, mut floats) = (vec![0; quantizer.code_bytes()], Vec::new());
            let mut table = ScalarTable::default();
            let (mut squares, mut count) = (0.0, 0.0);
            for query in vectors.iter().step_by(10) {
                quantizer.prepare(query, &mut table);
                for vector in &vectors {
                    let factors = quantizer.encode(VectorRef::F32(vector), &mut code, &mut floats);
                    let exact = Query::new(kernels, metric, query)
                        .distance(VectorRef::F32(vector))
                        .0;
                    let off =
                        (table.estimate(&code, factors) - exact) / (factors.error * table.norm());
                    (squares, count) = (squares + off * off, count + 1.0);
                }
            }
            let deviation = f32::sqrt(squares / count);
            println!("{metric} {bits:?}: off by {deviation:.2} errors");
            assert!(
                deviation < 2.0,
                "{metric} {bits:?}: off by {deviation} errors"
            );
        }
    }
}

#[test]
fn samples_have_to_fit() {
    let good = VectorRef::F32(&[1.0, 2.0]);
    let train = |dim, sample: Vec<VectorRef<'_>>| {
        let trained = ScalarQuantizer::train(Metric::L2Squared, ScalarBits::Eight, dim, sample);
        trained.map(|_| ()).map_err(|error| error.to_string())
    };
    assert!(train(2, vec![good]).is_ok());
    assert!(train(0, vec![]).unwrap_err().contains("dimension is 0"));
    assert!(train(2, vec![]).unwrap_err().contains("empty"));
    assert!(train(3, vec![good]).unwrap_err().contains("2 components"));
    assert!(
        train(1, vec![VectorRef::F32(&[f32::NAN])])
            .unwrap_err()
            .contains("finite")
    );
}

#[test]
fn extremes_do_not_panic() {
    let extremes = [[0.0; 9], [f32::MAX; 9], [f32::MIN; 9], [1e-40; 9]];
    for metric in METRICS {
        for bits in BITS {
            let sample = extremes.iter().map(|vector| VectorRef::F32(vector));
            let quantizer = ScalarQuantizer::train(metric, bits, 9, sample).unwrap();
            let (mut code, mut floats) = (vec![0; quantizer.code_bytes()], Vec::new());
            let mut table = ScalarTable::default();
            for vector in &extremes {
                let factors = quantizer.encode(VectorRef::F32(vector), &mut code, &mut floats);
                assert!(factors.scale.is_finite() && !factors.add.is_nan());
                quantizer.prepare(vector, &mut table);
                table.estimate(&code, factors);
            }
        }
    }
}
