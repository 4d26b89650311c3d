//! Codes against what they stand for: the formulas one component at a time, exact distances, the promised error.

use aether_distance::{Kernels, Query, ScanFactors};
use half::f16;

use super::super::{mean, pack, unpack};
use super::*;

const METRICS: [Metric; 3] = [Metric::L2Squared, Metric::InnerProduct, Metric::Cosine];

fn seed() -> u64 {
    let seed = std::env::var("AETHER_SEED").map_or(20_261_121, |seed| seed.parse().unwrap());
    println!("AETHER_SEED={seed}");
    seed
}

fn vector(dim: usize, rng: &mut fastrand::Rng) -> Vec<f32> {
    // Uneven on purpose: a few components are large, and the mean is not 0.
    (0..dim)
        .map(|i| rng.f32() + if i % 17 == 0 { 3.0 * rng.f32() } else { 0.0 })
        .collect()
}

fn quantizer(metric: Metric, bits: u32, vectors: &[Vec<f32>]) -> RaBitQ {
    let dim = vectors[0].len();
    let rows = vectors.iter().map(|vector| VectorRef::F32(vector));
    RaBitQ::new(metric, bits, mean(metric, dim, rows), 5).unwrap()
}

/// What the bits of a code stand for, component by component.
fn values(code: &Code, bits: u32) -> Vec<f64> {
    let plane_bytes = code.signs().len();
    (0..8 * plane_bytes)
        .map(|i| {
            let bit =
                |plane: u32| code.planes()[plane as usize * plane_bytes + i / 8] >> (i % 8) & 1;
            let level = (0..bits).fold(0, |level, plane| 2 * level + u32::from(bit(plane)));
            let value = f64::from(level) - f64::from((1 << bits) - 1) / 2.0;
            if bits == 1 { 2.0 * value } else { value }
        })
        .collect()
}

fn dot(a: &[f64], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| a * f64::from(b)).sum()
}

#[test]
fn estimates_are_what_the_bits_say() {
    let mut rng = fastrand::Rng::with_seed(seed());
    for (metric, dim) in METRICS.into_iter().zip([100, 384, 65]) {
        let vectors: Vec<_> = (0..40).map(|_| vector(dim, &mut rng)).collect();
        for bits in 1..=BITS_MAX {
            let quantizer = quantizer(metric, bits, &vectors);
            let (mut code, mut table) = (Code::default(), QueryTable::default());
            quantizer.prepare(&vector(dim, &mut rng), &mut table);
            for vector in &vectors {
                quantizer.encode(VectorRef::F32(vector), &mut code);
                let factors = code.all_bits_factors();
                let expected = f64::from(table.base() + factors.add)
                    + f64::from(factors.scale) * dot(&values(&code, bits), table.rotated());
                let found = table.estimate(code.planes(), factors);
                // The query is rounded to 8 bits.
                let allowed = 0.05
                    * f64::from(factors.scale.abs() * table.norm())
                    * values(&code, bits)
                        .iter()
                        .map(|v| v * v)
                        .sum::<f64>()
                        .sqrt();
                assert!(
                    (f64::from(found) - expected).abs() < allowed,
                    "{metric}, {bits} bits: {found} {expected} ± {allowed}"
                );
            }
        }
    }
}

#[test]
fn blocks_give_the_same_estimates_as_single_codes() {
    let mut rng = fastrand::Rng::with_seed(seed());
    for metric in METRICS {
        for dim in [1, 64, 384, 1100] {
            let vectors: Vec<_> = (0..32).map(|_| vector(dim, &mut rng)).collect();
            let quantizer = quantizer(metric, 1, &vectors);
            let (mut code, mut table) = (Code::default(), QueryTable::default());
            quantizer.prepare(&vector(dim, &mut rng), &mut table);
            let mut block = vec![0; quantizer.block_bytes()];
            let (mut add, mut scale) = ([0.0; 32], [0.0; 32]);
            let mut single = [0.0; 32];
            for (lane, vector) in vectors.iter().enumerate() {
                quantizer.encode(VectorRef::F32(vector), &mut code);
                pack(&mut block, lane, code.signs());
                let mut signs = vec![0; quantizer.plane_bytes()];
                unpack(&block, lane, &mut signs);
                assert_eq!(signs, code.signs());
                (add[lane], scale[lane]) = (code.factors().add, code.factors().scale);
                single[lane] = table.estimate(&signs, code.factors());
            }
            let mut found = [0.0; 32];
            let factors = ScanFactors {
                add: &add,
                scale: &scale,
            };
            let below = table.estimate32(&block, factors, f32::INFINITY, &mut found);
            assert_eq!(below, u32::MAX);
            for lane in 0..32 {
                let allowed = 0.05 * scale[lane].abs() * table.norm() * (dim as f32).sqrt() + 1e-4;
                assert!(
                    (found[lane] - single[lane]).abs() < allowed,
                    "{metric}, {dim}: {} {}",
                    found[lane],
                    single[lane]
                );
            }
        }
    }
}

/// The promise: unbiased, and off by one `error` in the root of the mean square.
#[test]
fn estimates_have_the_promised_error() {
    let mut rng = fastrand::Rng::with_seed(seed());
    let (dim, kernels) = (300, Kernels::detect());
    let vectors: Vec<_> = (0..400).map(|_| vector(dim, &mut rng)).collect();
    for metric in METRICS {
        let mut previous = f64::INFINITY;
        for bits in 1..=BITS_MAX {
            let quantizer = quantizer(metric, bits, &vectors);
            let codes: Vec<Code> = vectors
                .iter()
                .map(|vector| {
                    let mut code = Code::default();
                    quantizer.encode(VectorRef::F32(vector), &mut code);
                    code
                })
                .collect();
            let mut table = QueryTable::default();
            let (mut sum, mut squares, mut errors, mut count) = (0.0, 0.0, 0.0, 0.0);
            for _ in 0..20 {
                let query = vector(dim, &mut rng);
                quantizer.prepare(&query, &mut table);
                for (vector, code) in vectors.iter().zip(&codes) {
                    let factors = code.all_bits_factors();
                    let exact = Query::new(kernels, metric, &query)
                        .distance(VectorRef::F32(vector))
                        .0;
                    let error = factors.error * table.norm();
                    let off = f64::from((table.estimate(code.planes(), factors) - exact) / error);
                    (sum, squares, count) = (sum + off, squares + off * off, count + 1.0);
                    errors += f64::from(error);
                }
            }
            let (bias, deviation) = (sum / count, f64::sqrt(squares / count));
            println!(
                "{metric}, {bits} bits: bias {bias:.3}, deviation {deviation:.3}, error {:.5}",
                errors / count
            );
            assert!(
                bias.abs() < 0.1,
                "{metric}, {bits} bits: biased by {bias} errors"
            );
            assert!(
                (0.7..1.2).contains(&deviation),
                "{metric}, {bits} bits: off by {deviation} errors"
            );
            assert!(
                errors < 0.75 * previous,
                "{metric}: {bits} bits are no better than one less"
            );
            previous = errors;
        }
    }
}

#[test]
fn every_element_type_is_encoded_alike() {
    let bytes: Vec<u8> = (0..100).map(|i| (i * 7 % 251) as u8).collect();
    let floats: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte)).collect();
    let halves: Vec<f16> = floats.iter().map(|&x| f16::from_f32(x)).collect();
    for metric in METRICS {
        let quantizer = RaBitQ::new(metric, 3, vec![0.5; 100], 1).unwrap();
        let codes = [
            VectorRef::F32(&floats),
            VectorRef::F16(&halves),
            VectorRef::U8(&bytes),
        ]
        .map(|vector| {
            let mut code = Code::default();
            quantizer.encode(vector, &mut code);
            (code.planes().to_vec(), code.factors())
        });
        assert_eq!(codes[0], codes[1]);
        assert_eq!(codes[0], codes[2]);
    }
}

#[test]
fn extremes_are_not_nan() {
    let extremes: [&[f32]; 6] = [
        &[0.0; 70],
        &[f32::MAX; 70],
        &[f32::MIN; 70],
        &[f32::MIN_POSITIVE; 70],
        &[1e-40; 70],
        &[1e18; 70],
    ];
    for metric in METRICS {
        for bits in [1, 4, 8] {
            for centre in [0.0, 1.0, f32::MAX] {
                let quantizer = RaBitQ::new(metric, bits, vec![centre; 70], 1).unwrap();
                let (mut code, mut table) = (Code::default(), QueryTable::default());
                for vector in extremes {
                    quantizer.encode(VectorRef::F32(vector), &mut code);
                    for factors in [code.factors(), code.all_bits_factors()] {
                        assert!(
                            !factors.add.is_nan()
                                && factors.scale.is_finite()
                                && factors.error.is_finite(),
                            "{metric} {bits} {factors:?}"
                        );
                    }
                    // Only that nothing panics: a distance beyond all floats may be NaN, which is below nothing.
                    quantizer.prepare(vector, &mut table);
                    table.estimate(code.planes(), code.all_bits_factors());
                }
            }
        }
    }
}

#[test]
fn a_zero_vector_is_at_cosine_distance_one() {
    let quantizer = RaBitQ::new(Metric::Cosine, 8, vec![0.1; 64], 1).unwrap();
    let (mut code, mut table) = (Code::default(), QueryTable::default());
    let query: Vec<f32> = (0..64).map(|i| i as f32 - 20.0).collect();
    for (vector, query) in [(vec![0.0; 64], query.clone()), (query, vec![0.0; 64])] {
        quantizer.encode(VectorRef::F32(&vector), &mut code);
        quantizer.prepare(&query, &mut table);
        let found = table.estimate(code.planes(), code.all_bits_factors());
        assert!((found - 1.0).abs() < 0.02, "{found}");
    }
}

#[test]
fn limits_are_named() {
    for (dim, bits, what) in [
        (0, 1, "dimension is 0"),
        (65_536, 1, "65535"),
        (8, 0, "0 bits"),
        (8, 9, "1 to 8"),
    ] {
        let error = RaBitQ::new(Metric::Cosine, bits, vec![0.0; dim], 1)
            .unwrap_err()
            .to_string();
        assert!(error.contains(what), "{error}");
    }
    assert!(RaBitQ::new(Metric::Cosine, 1, vec![f32::NAN], 1).is_err());
}
