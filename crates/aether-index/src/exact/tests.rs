//! Each kind of rows against a plain computation, while points come and go.

use super::*;
use aether_distance::{Metric, VectorRef};
use std::collections::BTreeMap;

/// Adds and removes points at random and compares each search with `naive`.
fn check<R: Rows, V: Clone>(
    index: &Exact<R>,
    steps: u64,
    vector: impl Fn(&mut fastrand::Rng) -> V,
    insert: impl Fn(&Exact<R>, PointId, &V) -> bool,
    search: impl Fn(&Exact<R>, &V, usize) -> Vec<Candidate>,
    naive: impl Fn(&V, &V) -> Option<f32>,
) {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut model: BTreeMap<PointId, V> = BTreeMap::new();
    for step in 0..steps {
        let point = PointId(step);
        let row = vector(&mut rng);
        assert!(insert(index, point, &row) && !insert(index, point, &row));
        model.insert(point, row);
        // In phases, so that whole chunks empty.
        if step % 4_000 > 2_000 && rng.u8(..) < 240 {
            for _ in 0..2 {
                let gone = PointId(rng.u64(..=step));
                assert_eq!(index.remove(gone), model.remove(&gone).is_some());
            }
        }
        if step % 500 == 499 {
            let query = vector(&mut rng);
            let odd = |point: PointId| point.0 % 2 == 1;
            let mut expected: Vec<(f32, PointId)> = model
                .iter()
                .filter(|(point, _)| odd(**point))
                .filter_map(|(point, row)| Some((naive(&query, row)?, *point)))
                .collect();
            expected.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            expected.truncate(10);
            let found = search(index, &query, 10);
            assert_eq!(found.len(), expected.len());
            for (found, (distance, _)) in found.iter().zip(&expected) {
                assert!((found.distance.0 - distance).abs() < 1e-3);
                let row = &model[&found.point];
                assert!((naive(&query, row).unwrap() - distance).abs() < 1e-3);
            }
        }
    }
    assert_eq!(index.len(), model.len());
    let mut points = index.points();
    points.sort_unstable();
    assert!(points.iter().eq(model.keys()));
    for point in points {
        assert!(index.contains(point) && index.remove(point));
    }
    assert!(index.is_empty() && search(index, &vector(&mut rng), 10).is_empty());
    assert!(index.contents.read().chunks.is_empty());
}

fn odd(point: PointId) -> bool {
    point.0 % 2 == 1
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn bits() {
    check(
        &Exact::new(BinaryRows::new(9)),
        20_000,
        |rng| (0..9).map(|_| rng.u8(..)).collect::<Vec<u8>>(),
        |index, point, row| index.insert(point, row),
        |index, query, k| index.search(&&query[..], k, odd),
        |a, b| {
            assert_eq!(
                BinaryRows::distance(a, b).0,
                a.iter()
                    .zip(b)
                    .map(|(a, b)| (a ^ b).count_ones())
                    .sum::<u32>() as f32
            );
            Some(BinaryRows::distance(a, b).0)
        },
    );
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn sparse_vectors() {
    fn view((indices, values): &(Vec<u32>, Vec<f32>)) -> SparseRef<'_> {
        SparseRef { indices, values }
    }
    check(
        &Exact::new(SparseRows::default()),
        60_000,
        |rng| {
            let mut indices: Vec<u32> = (0..rng.usize(..6)).map(|_| rng.u32(..200)).collect();
            indices.sort_unstable();
            indices.dedup();
            let values = indices.iter().map(|_| rng.f32() - 0.5).collect();
            (indices, values)
        },
        |index, point, row| index.insert(point, view(row)),
        |index, query, k| index.search(&view(query), k, odd),
        |a, b| {
            let shared: Vec<f32> =
                a.0.iter()
                    .zip(&a.1)
                    .filter_map(|(index, value)| {
                        let place = b.0.iter().position(|other| other == index)?;
                        Some(value * b.1[place])
                    })
                    .collect();
            let plain = (!shared.is_empty()).then(|| -shared.iter().sum::<f32>());
            let distance = SparseRows::distance(view(a), view(b)).map(|distance| distance.0);
            assert_eq!(distance.is_some(), plain.is_some());
            distance
        },
    );
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn several_vectors() {
    const DIM: usize = 4;
    for metric in [Metric::Cosine, Metric::InnerProduct, Metric::L2Squared] {
        check(
            &Exact::new(MultiRows::new(DIM)),
            5_000,
            |rng| {
                (0..DIM * rng.usize(1..4))
                    .map(|_| rng.f32() - 0.5)
                    .collect::<Vec<f32>>()
            },
            |index, point, row| index.insert(point, VectorRef::F32(row)),
            |index, query, k| index.search(&MultiQuery::new(metric, DIM, &query[..]), k, odd),
            |query, row| {
                let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
                let similarity = |a: &[f32], b: &[f32]| match metric {
                    Metric::Cosine => dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(),
                    Metric::InnerProduct => dot(a, b),
                    Metric::L2Squared => 2.0 * dot(a, b) - dot(a, a) - dot(b, b),
                };
                let best = |a: &[f32]| {
                    let all = row.chunks_exact(DIM).map(|b| similarity(a, b));
                    all.fold(f32::MIN, f32::max)
                };
                Some(-query.chunks_exact(DIM).map(best).sum::<f32>())
            },
        );
    }
}
