//! Estimates from short codes on real data: how many of the nearest ten are among the best so many estimates.
//!
//! The floors are a little below what is reached; codes that miss a rotation, the centre or a factor are far below them.

use aether_distance::{Metric, ScanFactors};
use aether_index::quantize::{
    Code, ProductQuantizer, ProductTable, QueryTable, RaBitQ, ScalarBits, ScalarQuantizer,
    ScalarTable, mean, pack,
};

use crate::data::{Vectors, id, load, truth};

fn sentences() -> (Vectors, Vectors, Metric) {
    (
        load("minilm-base.npy"),
        load("minilm-query.npy"),
        Metric::Cosine,
    )
}

fn images() -> (Vectors, Vectors, Metric) {
    let (base, queries) = (load("fashion-base.npy.gz"), load("fashion-query.npy.gz"));
    (base, queries, Metric::L2Squared)
}

/// Recall@10 for each pool, the pool being the points of the smallest estimates. `estimate` appends those of all points.
fn recalls(
    (base, queries, metric): &(Vectors, Vectors, Metric),
    pools: &[usize],
    mut estimate: impl FnMut(&[f32], &mut Vec<f32>),
) -> Vec<f64> {
    let truth = truth(base, *metric, 0..base.len(), queries, 10);
    let mut hits = vec![0; pools.len()];
    let (mut estimates, mut order) = (Vec::new(), Vec::new());
    for (q, truth) in truth.iter().enumerate() {
        estimates.clear();
        estimate(&queries.floats(q), &mut estimates);
        order.clear();
        order.extend(0..base.len());
        order.sort_by(|&a, &b| estimates[a].total_cmp(&estimates[b]));
        for (hits, &pool) in hits.iter_mut().zip(pools) {
            let pool = order[..pool].iter().map(|&i| id(i));
            *hits += pool
                .filter(|&point| truth.iter().any(|near| near.point == point))
                .count();
        }
    }
    hits.into_iter()
        .map(|hits| f64::from(u32::try_from(hits).unwrap()) / (10 * truth.len()) as f64)
        .collect()
}

fn assert_floors(what: &str, pools: &[usize], found: &[f64], floors: &[f64]) {
    println!("{what}: recall@10 {found:.4?} with pools of {pools:?}");
    assert!(
        found
            .iter()
            .zip(floors)
            .all(|(found, floor)| found >= floor),
        "{what}: recall {found:?} below {floors:?}"
    );
}

fn rabitq((base, _, metric): &(Vectors, Vectors, Metric), bits: u32) -> RaBitQ {
    let centre = mean(*metric, base.dim, (0..base.len()).map(|i| base.row(i)));
    RaBitQ::new(*metric, bits, centre, 42).unwrap()
}

#[test]
fn signs_in_blocks_find_the_nearest() {
    let pools = [10, 20, 50, 100];
    for (what, data, floors) in [
        ("sentences", sentences(), [0.63, 0.83, 0.965, 0.99]),
        ("images", images(), [0.6, 0.85, 0.97, 0.99]),
    ] {
        let quantizer = rabitq(&data, 1);
        let base = &data.0;
        let blocks = base.len().div_ceil(32);
        let mut codes = vec![0; blocks * quantizer.block_bytes()];
        let mut factors = vec![([f32::INFINITY; 32], [0.0; 32]); blocks];
        let mut code = Code::default();
        for i in 0..base.len() {
            quantizer.encode(base.row(i), &mut code);
            let (block, lane) = (i / 32, i % 32);
            let bytes = quantizer.block_bytes();
            pack(&mut codes[block * bytes..][..bytes], lane, code.signs());
            factors[block].0[lane] = code.factors().add;
            factors[block].1[lane] = code.factors().scale;
        }
        let mut table = QueryTable::default();
        let found = recalls(&data, &pools, |query, estimates| {
            quantizer.prepare(query, &mut table);
            let mut out = [0.0; 32];
            let blocks = codes.chunks_exact(quantizer.block_bytes());
            for (block, (add, scale)) in blocks.zip(&factors) {
                table.estimate32(block, ScanFactors { add, scale }, 0.0, &mut out);
                estimates.extend_from_slice(&out);
            }
            estimates.truncate(base.len());
        });
        assert_floors(what, &pools, &found, &floors);
    }
}

#[test]
fn more_bits_need_smaller_pools() {
    let (data, pools) = (sentences(), [10, 20, 50]);
    for (bits, floors) in [
        (2, [0.8, 0.965, 0.995]),
        (4, [0.93, 0.999, 0.999]),
        (8, [0.99, 0.999, 0.999]),
    ] {
        let quantizer = rabitq(&data, bits);
        let codes: Vec<Code> = (0..data.0.len())
            .map(|i| {
                let mut code = Code::default();
                quantizer.encode(data.0.row(i), &mut code);
                code
            })
            .collect();
        let mut table = QueryTable::default();
        let found = recalls(&data, &pools, |query, estimates| {
            quantizer.prepare(query, &mut table);
            let estimate = |code: &Code| table.estimate(code.planes(), code.all_bits_factors());
            estimates.extend(codes.iter().map(estimate));
        });
        assert_floors(&format!("{bits} bits"), &pools, &found, &floors);
    }
}

#[test]
fn scalar_codes_find_the_nearest() {
    let pools = [10, 20, 50];
    for (what, data, bits, floors) in [
        (
            "sentences",
            sentences(),
            ScalarBits::Eight,
            [0.98, 0.999, 0.999],
        ),
        (
            "sentences",
            sentences(),
            ScalarBits::Four,
            [0.92, 0.999, 0.999],
        ),
        ("images", images(), ScalarBits::Eight, [0.98, 0.999, 0.999]),
        ("images", images(), ScalarBits::Four, [0.94, 0.999, 0.999]),
    ] {
        let (base, _, metric) = &data;
        let sample = (0..base.len()).step_by(4).map(|i| base.row(i));
        let quantizer = ScalarQuantizer::train(*metric, bits, base.dim, sample).unwrap();
        let mut floats = Vec::new();
        let codes: Vec<_> = (0..base.len())
            .map(|i| {
                let mut code = vec![0; quantizer.code_bytes()];
                let factors = quantizer.encode(base.row(i), &mut code, &mut floats);
                (code, factors)
            })
            .collect();
        let mut table = ScalarTable::default();
        let found = recalls(&data, &pools, |query, estimates| {
            quantizer.prepare(query, &mut table);
            estimates.extend(
                codes
                    .iter()
                    .map(|(code, factors)| table.estimate(code, *factors)),
            );
        });
        assert_floors(&format!("{what}, {bits:?} bits"), &pools, &found, &floors);
    }
}

#[test]
fn product_codes_find_the_nearest() {
    let (pools, data) = ([20, 50, 100], sentences());
    let (base, _, metric) = &data;
    for (subspaces, floors) in [(192, [0.97, 0.995, 0.999]), (96, [0.84, 0.965, 0.985])] {
        let sample = (0..base.len()).step_by(4).map(|i| base.row(i));
        let quantizer = ProductQuantizer::train(*metric, base.dim, subspaces, sample, 1).unwrap();
        let mut floats = Vec::new();
        let codes: Vec<_> = (0..base.len())
            .map(|i| {
                let mut code = vec![0; quantizer.code_bytes()];
                let factors = quantizer.encode(base.row(i), &mut code, &mut floats);
                (code, factors)
            })
            .collect();
        let mut table = ProductTable::default();
        let found = recalls(&data, &pools, |query, estimates| {
            quantizer.prepare(query, &mut table);
            estimates.extend(
                codes
                    .iter()
                    .map(|(code, factors)| table.estimate(code, *factors)),
            );
        });
        assert_floors(&format!("{subspaces} subspaces"), &pools, &found, &floors);
    }
}
