//! How many of the nearest are found: floors on real data, well below what is reached, well above what a bug leaves.

use aether_distance::{ElementType, Metric};
use aether_index::{BatchScratch, Hnsw, HnswParams, PointId, Scratch, SearchParams};

use crate::data::{Rows, Vectors, build, id, load, overlap, random, recall, search, seed, truth};

fn assert_recall(base: &Vectors, queries: &Vectors, metric: Metric, ef: usize, floor: f64) {
    let hnsw = build(base, metric, 0..base.len());
    let truth = truth(base, metric, 0..base.len(), queries, 10);
    let found = recall(&hnsw, queries, &truth, ef);
    println!("{metric} {}: recall@10 {found} at ef {ef}", base.element());
    assert!(found >= floor, "{metric}: recall {found} below {floor}");
    assert_eq!(hnsw.check().unwrap().live, base.len());
}

#[test]
fn sentences_by_cosine() {
    assert_recall(
        &load("minilm-base.npy"),
        &load("minilm-query.npy"),
        Metric::Cosine,
        64,
        0.985,
    );
}

#[test]
fn images_by_euclidean_distance() {
    let (base, queries) = (load("fashion-base.npy.gz"), load("fashion-query.npy.gz"));
    assert_recall(&base, &queries, Metric::L2Squared, 32, 0.985);
}

#[test]
fn floats_by_every_metric() {
    let (base, queries) = (load("minilm-base.npy").map(|x| x), load("minilm-query.npy"));
    for metric in [Metric::L2Squared, Metric::Cosine, Metric::InnerProduct] {
        assert_recall(&base, &queries, metric, 64, 0.985);
    }
}

#[test]
fn bytes_by_cosine_and_dot() {
    let (base, queries) = (load("fashion-base.npy.gz"), load("fashion-query.npy.gz"));
    assert_recall(&base, &queries, Metric::Cosine, 64, 0.98);
    // Only the few longest vectors are near anything by their dot product.
    assert_recall(&base, &queries, Metric::InnerProduct, 128, 0.9);
}

#[test]
fn random_vectors_need_a_larger_pool() {
    let mut rng = fastrand::Rng::with_seed(seed());
    let (base, queries) = (random(&mut rng, 4000, 24), random(&mut rng, 100, 24));
    assert_recall(&base, &queries, Metric::L2Squared, 200, 0.98);
}

#[test]
fn a_batch_finds_what_single_searches_find() {
    let (base, queries) = (load("minilm-base.npy"), load("minilm-query.npy"));
    let hnsw = build(&base, Metric::Cosine, 0..2000);
    let queries: Vec<Vec<f32>> = (0..50).map(|q| queries.floats(q)).collect();
    let mut scratch = BatchScratch::default();
    let mut compare = |count: usize, k: usize| {
        let queries: Vec<&[f32]> = queries[..count].iter().map(Vec::as_slice).collect();
        let (ef, include_dead) = (40, false);
        let params = SearchParams {
            k,
            ef,
            include_dead,
        };
        let found = hnsw.search_batch(&queries, params, &mut scratch).unwrap();
        let single = queries.iter().map(|query| search(&hnsw, query, k, ef));
        assert_eq!(found, single.collect::<Vec<_>>());
    };
    for count in [0, 1, 2, 3, 50] {
        compare(count, 10);
    }
    compare(5, 0);
    (0..100).for_each(|i| assert!(hnsw.remove(id(i))));
    compare(50, 10);
    let params = SearchParams {
        k: 1,
        ef: 1,
        include_dead: false,
    };
    assert!(hnsw.search_batch(&[&[1.0]], params, &mut scratch).is_err());
    let empty = build(&base, Metric::Cosine, 0..0);
    let found = empty.search_batch(&[&queries[0]], params, &mut scratch);
    assert_eq!(found.unwrap(), [vec![]]);
}

#[test]
fn the_same_inserts_give_the_same_graph() {
    let base = load("minilm-base.npy");
    let bytes = || {
        let mut bytes = Vec::new();
        build(&base, Metric::Cosine, 0..2000)
            .write_checkpoint(&mut bytes)
            .unwrap();
        bytes
    };
    assert!(bytes() == bytes());
}

#[test]
fn filters_keep_recall_at_every_selectivity() {
    let (base, queries) = (load("minilm-base.npy"), load("minilm-query.npy"));
    let hnsw = build(&base, Metric::Cosine, 0..base.len());
    let mut scratch = Scratch::default();
    for every in [2, 10, 100, 2000] {
        let exact = truth(
            &base,
            Metric::Cosine,
            (0..base.len()).step_by(every),
            &queries,
            10,
        );
        let allowed = |point: PointId| point.0.is_multiple_of(every as u64);
        let (mut hits, mut all) = (0, 0);
        for (q, exact) in exact.iter().enumerate() {
            let params = SearchParams {
                k: 10,
                ef: 64,
                include_dead: false,
            };
            let found = hnsw
                .search(&queries.floats(q), params, Some(&allowed), &mut scratch)
                .unwrap();
            assert!(found.iter().all(|candidate| allowed(candidate.point)));
            hits += overlap(&found, exact);
            all += exact.len();
        }
        assert!(
            hits as f64 >= 0.98 * all as f64,
            "one in {every}: {hits} of {all}"
        );
    }
    let none = hnsw.search(
        &queries.floats(0),
        SearchParams {
            k: 10,
            ef: 64,
            include_dead: true,
        },
        Some(&|_| false),
        &mut scratch,
    );
    assert!(none.unwrap().is_empty());
}

#[test]
fn a_crowd_of_duplicates_does_not_cut_others_off() {
    let base = load("minilm-base.npy");
    let Rows::F16(rows) = &base.rows else {
        unreachable!()
    };
    let mut crowded = rows[..1000 * base.dim].to_vec();
    for _ in 0..1000 {
        crowded.extend_from_slice(&rows[500 * base.dim..501 * base.dim]);
    }
    crowded.extend_from_slice(&rows[1000 * base.dim..3000 * base.dim]);
    let base = Vectors {
        rows: Rows::F16(crowded),
        dim: base.dim,
    };
    let hnsw = build(&base, Metric::Cosine, 0..base.len());
    let others = (0..1000).chain(2000..base.len());
    let lost = others
        .filter(|&i| search(&hnsw, &base.floats(i), 10, 64)[0].distance.0 > 1e-4)
        .count();
    let summary = hnsw.check().unwrap();
    println!("{lost} lost, {summary:?}");
    assert!(
        lost <= 12 && summary.unreachable <= 100,
        "{lost} vectors are not found by themselves"
    );
    let twins = search(&hnsw, &base.floats(1500), 10, 64);
    assert!(
        twins.len() == 10 && twins.iter().all(|twin| twin.distance.0 < 1e-4),
        "{twins:?}"
    );
}

#[test]
fn small_graphs_are_exact() {
    let mut rng = fastrand::Rng::with_seed(seed());
    for n in [0, 1, 2, 5, 40] {
        let base = random(&mut rng, n, 8);
        let hnsw = Hnsw::new(
            8,
            Metric::L2Squared,
            ElementType::F32,
            HnswParams::DEFAULT,
            1,
        )
        .unwrap();
        for i in 0..n {
            assert!(hnsw.insert(id(i), base.row(i)).unwrap());
            assert!(!hnsw.insert(id(i), base.row(i)).unwrap());
        }
        let query = random(&mut rng, 1, 8);
        let exact = if n == 0 {
            vec![vec![]]
        } else {
            truth(&base, Metric::L2Squared, 0..n, &query, 10)
        };
        let found = search(&hnsw, &query.floats(0), 10, 50);
        assert_eq!(
            (found.len(), overlap(&found, &exact[0])),
            (n.min(10), n.min(10))
        );
        assert!(search(&hnsw, &query.floats(0), 0, 50).is_empty());
        assert_eq!(hnsw.points().count(), n);
        assert_eq!((hnsw.len(), hnsw.is_empty()), (n, n == 0));
    }
}

#[test]
fn a_scan_finds_the_nearest_of_the_points_given() {
    let (base, queries) = (load("minilm-base.npy"), load("minilm-query.npy"));
    let hnsw = build(&base, Metric::Cosine, 0..base.len());
    let mut scratch = Scratch::default();
    for every in [1, 10, 100, 2000] {
        let points = || (0..base.len()).step_by(every);
        let exact = truth(&base, Metric::Cosine, points(), &queries, 10);
        let (mut hits, mut all) = (0, 0);
        for (q, exact) in exact.iter().enumerate() {
            // Points that are not here are no matter.
            let asked = points().map(id).chain([id(base.len() + 7)]);
            let found = hnsw
                .scan(&queries.floats(q), 10, asked, false, &mut scratch)
                .unwrap();
            hits += overlap(&found, exact);
            all += exact.len();
            let allowed = |point: PointId| point.0.is_multiple_of(every as u64);
            let same = hnsw.scan_all(&queries.floats(q), 10, &allowed, false, &mut scratch);
            assert_eq!(same.unwrap(), found);
        }
        assert!(
            hits as f64 >= 0.999 * all as f64,
            "one in {every}: {hits} of {all}"
        );
    }
    assert!(
        hnsw.scan(
            &queries.floats(0),
            0,
            [id(0)].into_iter(),
            false,
            &mut scratch
        )
        .unwrap()
        .is_empty()
    );
    hnsw.remove(id(0));
    for include_dead in [false, true] {
        let found = hnsw
            .scan(
                &queries.floats(0),
                5,
                [id(0)].into_iter(),
                include_dead,
                &mut scratch,
            )
            .unwrap();
        assert_eq!(found.len(), usize::from(include_dead));
    }
}

#[test]
fn a_search_gives_up_when_few_near_points_are_allowed() {
    let (base, queries) = (load("minilm-base.npy"), load("minilm-query.npy"));
    let hnsw = build(&base, Metric::Cosine, 0..base.len());
    let mut scratch = Scratch::default();
    let params = SearchParams {
        k: 10,
        ef: 64,
        include_dead: false,
    };
    let mut within = |every: u64, budget| {
        let allowed = |point: PointId| point.0.is_multiple_of(every);
        hnsw.search_within(
            &queries.floats(1),
            params,
            Some(&allowed),
            budget,
            &mut scratch,
        )
        .unwrap()
    };
    assert_eq!(within(1, 10_000).unwrap().len(), 10);
    assert_eq!(within(2, 10_000).unwrap().len(), 10);
    assert!(within(500, 2_000).is_none());
    assert!(within(2, 10).is_none());
}
