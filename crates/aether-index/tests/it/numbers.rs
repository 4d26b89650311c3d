//! Where arithmetic is hard: offsets, extremes, tails, exact integers, bad arguments.

use aether_distance::{DIM_MAX, ElementType, Metric, VectorRef};
use aether_index::{ErrorKind, Hnsw, HnswParams, Scratch, SearchParams};

use crate::data::{Rows, Vectors, build, id, load, random, recall, search, seed, truth};

/// With |q|² + |x|² - 2<q,x> in floats, vectors of length 2·10⁵ that differ by 1 would be told apart by chance.
#[test]
fn a_large_common_offset_costs_nothing_under_l2() {
    let (base, queries) = (load("minilm-base.npy"), load("minilm-query.npy"));
    let base = Vectors {
        rows: Rows::F32((0..3000).flat_map(|i| base.floats(i)).collect()),
        dim: base.dim,
    };
    let shift = |x| 10_000.0 + 20.0 * x;
    let (base, queries) = (base.map(shift), queries.map(shift));
    let exact = truth(&base, Metric::L2Squared, 0..base.len(), &queries, 10);
    let mut mean = vec![0.0; base.dim];
    for i in 0..100 {
        for (mean, x) in mean.iter_mut().zip(base.floats(i)) {
            *mean += x / 100.0;
        }
    }
    let hnsw = Hnsw::new(
        base.dim,
        Metric::L2Squared,
        ElementType::F32,
        HnswParams::DEFAULT,
        7,
    )
    .unwrap();
    let hnsw = hnsw.with_centre(&mean).unwrap();
    for i in 0..base.len() {
        hnsw.insert(id(i), base.row(i)).unwrap();
    }
    let found = recall(&hnsw, &queries, &exact, 64);
    assert!(found >= 0.98, "recall {found}");
    for (q, exact) in exact.iter().enumerate() {
        for candidate in search(&hnsw, &queries.floats(q), 10, 64) {
            if let Some(exact) = exact.iter().find(|exact| exact.point == candidate.point) {
                let error = (candidate.distance.0 - exact.distance.0).abs();
                assert!(
                    error <= 1e-3 * exact.distance.0,
                    "{candidate:?} but {exact:?}"
                );
            }
        }
    }
}

#[test]
fn distances_are_near_the_exact_ones() {
    let (base, queries) = (
        load("minilm-base.npy").map(|x| 3.0 * x),
        load("minilm-query.npy"),
    );
    for metric in [Metric::L2Squared, Metric::Cosine, Metric::InnerProduct] {
        let hnsw = build(&base, metric, 0..500);
        let exact = truth(&base, metric, 0..500, &queries, 500);
        for (q, exact) in exact.iter().enumerate().take(20) {
            let found = search(&hnsw, &queries.floats(q), 500, 500);
            for candidate in &found {
                let exact = exact
                    .iter()
                    .find(|exact| exact.point == candidate.point)
                    .unwrap();
                let error = (candidate.distance.0 - exact.distance.0).abs();
                assert!(error <= 1e-4, "{metric}: {candidate:?} but {exact:?}");
            }
        }
    }
}

#[test]
fn bytes_are_exact() {
    let (base, queries) = (load("fashion-base.npy.gz"), load("fashion-query.npy.gz"));
    for metric in [Metric::L2Squared, Metric::InnerProduct] {
        let hnsw = build(&base, metric, 0..2000);
        let exact = truth(&base, metric, 0..2000, &queries, 10);
        for (q, exact) in exact.iter().enumerate() {
            let found = search(&hnsw, &queries.floats(q), 10, 300);
            for (found, exact) in found.iter().zip(exact) {
                if found.point == exact.point {
                    let error = (found.distance.0 - exact.distance.0).abs();
                    assert!(
                        error <= 1e-6 * exact.distance.0.abs(),
                        "{found:?} but {exact:?}"
                    );
                }
            }
        }
        // A query between whole numbers goes another way, and must agree.
        let query: Vec<f32> = queries.floats(0).iter().map(|x| x + 0.25).collect();
        let near = search(&hnsw, &query, 10, 300);
        assert!(
            near.iter()
                .filter(|found| exact[0].iter().any(|exact| exact.point == found.point))
                .count()
                >= 8
        );
    }
}

#[test]
fn any_dimension_and_extreme_components() {
    let mut rng = fastrand::Rng::with_seed(seed());
    for dim in [1, 2, 3, 17, 63, 64, 65, 1000] {
        for metric in [Metric::L2Squared, Metric::Cosine, Metric::InnerProduct] {
            let base = random(&mut rng, 300, dim);
            let hnsw = build(&base, metric, 0..300);
            let exact = truth(&base, metric, 0..300, &base, 1);
            let found = recall(&hnsw, &base, &exact, 100);
            // In one dimension all vectors of one sign are the same under cosine.
            let floor = if dim < 3 && metric != Metric::L2Squared {
                0.0
            } else {
                0.95
            };
            assert!(found >= floor, "{metric}, dim {dim}: {found}");
        }
    }
    for bytes in [[0_u8; DIM_MAX], [255; DIM_MAX]] {
        let hnsw = Hnsw::new(
            DIM_MAX,
            Metric::L2Squared,
            ElementType::U8,
            HnswParams::DEFAULT,
            1,
        )
        .unwrap();
        hnsw.insert(id(1), VectorRef::U8(&[0; DIM_MAX])).unwrap();
        hnsw.insert(id(2), VectorRef::U8(&[255; DIM_MAX])).unwrap();
        let found = search(&hnsw, &bytes.map(f32::from), 2, 10);
        assert_eq!(found[0].distance.0, 0.0);
        assert_eq!(found[1].distance.0, 65_535.0 * 255.0 * 255.0);
    }
}

#[test]
fn nonsense_gives_no_panic() {
    let extremes = [
        0.0,
        f32::MAX,
        f32::MIN,
        f32::MIN_POSITIVE,
        f32::INFINITY,
        f32::NAN,
        -0.0,
        1.0,
    ];
    for metric in [Metric::L2Squared, Metric::Cosine, Metric::InnerProduct] {
        let hnsw = Hnsw::new(8, metric, ElementType::F32, HnswParams::DEFAULT, 1).unwrap();
        let mut rng = fastrand::Rng::with_seed(seed());
        for i in 0..200 {
            let vector: [f32; 8] = std::array::from_fn(|_| extremes[rng.usize(..extremes.len())]);
            hnsw.insert(id(i), VectorRef::F32(&vector)).unwrap();
        }
        hnsw.insert(id(200), VectorRef::F32(&[0.0; 8])).unwrap();
        for value in extremes {
            for candidate in search(&hnsw, &[value; 8], 50, 100) {
                assert!(!candidate.distance.0.is_nan());
            }
        }
        hnsw.check().unwrap();
    }
}

#[test]
fn bad_arguments_are_named() {
    let params = HnswParams::DEFAULT;
    let invalid = |error: aether_index::Error, word: &str| {
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(word), "{error}");
    };
    let new = |dim, params| Hnsw::new(dim, Metric::L2Squared, ElementType::F32, params, 1);
    invalid(new(0, params).unwrap_err(), "dimension is 0");
    invalid(new(70_000, params).unwrap_err(), "70000");
    invalid(new(4, HnswParams { m: 1, ..params }).unwrap_err(), "m is 1");
    invalid(
        new(
            4,
            HnswParams {
                ef_construction: 0,
                ..params
            },
        )
        .unwrap_err(),
        "ef_construction",
    );
    let hnsw = new(4, params).unwrap().with_centre(&[1.0; 4]).unwrap();
    invalid(
        hnsw.insert(id(1), VectorRef::F32(&[1.0; 3])).unwrap_err(),
        "3 components",
    );
    invalid(
        hnsw.insert(id(1), VectorRef::U8(&[1; 4])).unwrap_err(),
        "u8",
    );
    let search = SearchParams {
        k: 1,
        ef: 1,
        include_dead: false,
    };
    invalid(
        hnsw.search(&[1.0; 5], search, None, &mut Scratch::default())
            .unwrap_err(),
        "5 components",
    );
    assert!(hnsw.is_empty());
    hnsw.insert(id(1), VectorRef::F32(&[1.0; 4])).unwrap();
    invalid(hnsw.with_centre(&[0.0; 4]).unwrap_err(), "centre");
    invalid(
        new(4, params)
            .unwrap()
            .with_centre(&[f32::NAN; 4])
            .unwrap_err(),
        "NaN",
    );
}
