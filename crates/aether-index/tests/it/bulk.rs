//! Graphs that are built from many points at once.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use aether_distance::{ElementType, Metric, VectorRef};
use aether_index::{BuildOptions, ErrorKind, Hnsw, HnswParams, PointId};

use crate::data::{Rows, Vectors, id, load, random, recall, search, seed, truth};

fn with_threads(threads: usize) -> BuildOptions<'static> {
    BuildOptions {
        threads,
        progress: None,
    }
}

fn shape(vectors: &Vectors, metric: Metric) -> (usize, Metric, ElementType) {
    (vectors.dim, metric, vectors.element())
}

fn build(vectors: &Vectors, metric: Metric, options: BuildOptions<'_>) -> Hnsw {
    let points: Vec<PointId> = (0..vectors.len()).map(id).collect();
    let (params, vector) = (HnswParams::DEFAULT, |i| vectors.row(i));
    Hnsw::build(shape(vectors, metric), params, 7, &points, vector, options).unwrap()
}

fn assert_recall(base: &Vectors, queries: &Vectors, metric: Metric, ef: usize, floor: f64) {
    let hnsw = build(base, metric, with_threads(2));
    let truth = truth(base, metric, 0..base.len(), queries, 10);
    let found = recall(&hnsw, queries, &truth, ef);
    let summary = hnsw.check().unwrap();
    println!(
        "{metric} {}: recall@10 {found} at ef {ef}, {summary:?}",
        base.element()
    );
    assert!(found >= floor, "{metric}: recall {found} below {floor}");
    assert_eq!((summary.live, hnsw.len()), (base.len(), base.len()));
    assert_eq!(summary.unreachable, 0);
}

#[test]
fn recall_is_that_of_inserts() {
    let (base, queries) = (load("minilm-base.npy"), load("minilm-query.npy"));
    assert_recall(&base, &queries, Metric::Cosine, 64, 0.985);
    let floats = base.map(|x| x);
    for metric in [Metric::L2Squared, Metric::InnerProduct] {
        assert_recall(&floats, &queries, metric, 64, 0.985);
    }
    let (base, queries) = (load("fashion-base.npy.gz"), load("fashion-query.npy.gz"));
    assert_recall(&base, &queries, Metric::L2Squared, 32, 0.985);
    assert_recall(&base, &queries, Metric::Cosine, 64, 0.98);
}

#[test]
fn random_vectors_need_a_larger_pool() {
    let mut rng = fastrand::Rng::with_seed(seed());
    let (base, queries) = (random(&mut rng, 4000, 24), random(&mut rng, 100, 24));
    assert_recall(&base, &queries, Metric::L2Squared, 200, 0.98);
}

/// What is near all lies in the cloud that a point belongs to, but walks have to find the cloud.
#[test]
fn clouds_far_apart_are_found() {
    let mut rng = fastrand::Rng::with_seed(seed());
    let (clouds, dim) = (300, 24);
    let centres = random(&mut rng, clouds, dim);
    let mut draw = |count: usize| {
        let mut rows = Vec::with_capacity(count * dim);
        for _ in 0..count {
            // Of very different sizes.
            let cloud = rng.usize(..clouds).min(rng.usize(..clouds));
            let near = centres.floats(cloud).into_iter();
            rows.extend(near.map(|x| x + 0.1 * (rng.f32() - 0.5)));
        }
        Vectors {
            rows: Rows::F32(rows),
            dim,
        }
    };
    let (base, queries) = (draw(20_000), draw(200));
    assert_recall(&base, &queries, Metric::L2Squared, 64, 0.98);
}

#[test]
fn threads_do_not_change_the_graph() {
    let base = load("minilm-base.npy");
    let bytes = |threads| {
        let mut bytes = Vec::new();
        let hnsw = build(&base, Metric::Cosine, with_threads(threads));
        hnsw.write_checkpoint(&mut bytes).unwrap();
        bytes
    };
    assert!(bytes(1) == bytes(3));
}

/// Points come and go in a graph as if it had been grown.
#[test]
fn inserts_and_removals_go_on() {
    let (base, queries) = (load("minilm-base.npy"), load("minilm-query.npy"));
    let half: Vec<PointId> = (0..base.len() / 2).map(id).collect();
    let shape = shape(&base, Metric::Cosine);
    let (params, vector) = (HnswParams::DEFAULT, |i| base.row(i));
    let hnsw = Hnsw::build(shape, params, 7, &half, vector, with_threads(1)).unwrap();
    for i in half.len()..base.len() {
        assert!(hnsw.insert(id(i), base.row(i)).unwrap());
        assert!(hnsw.remove(id(i - half.len())) || i % 2 == 1);
    }
    while !hnsw.consolidate(1000).unwrap().done {}
    let rest = half.len()..base.len();
    assert_eq!(hnsw.len(), rest.len());
    let truth = truth(&base, Metric::Cosine, rest, &queries, 10);
    let found = recall(&hnsw, &queries, &truth, 64);
    assert!(found >= 0.98, "recall {found}");
    hnsw.check().unwrap();
}

#[test]
fn a_crowd_of_duplicates_does_not_cut_others_off() {
    let base = load("minilm-base.npy");
    let Rows::F16(rows) = &base.rows else {
        unreachable!()
    };
    let mut crowded = rows[..2000 * base.dim].to_vec();
    for _ in 0..1000 {
        crowded.extend_from_slice(&rows[500 * base.dim..501 * base.dim]);
    }
    let base = Vectors {
        rows: Rows::F16(crowded),
        dim: base.dim,
    };
    let hnsw = build(&base, Metric::Cosine, with_threads(2));
    let summary = hnsw.check().unwrap();
    let lost = (0..2000).filter(|&i| search(&hnsw, &base.floats(i), 10, 64)[0].distance.0 > 1e-4);
    let lost = lost.count();
    println!("{lost} lost, {summary:?}");
    assert!(lost <= 12 && summary.unreachable <= 100);
}

#[test]
fn a_point_counts_once_and_what_overflows_is_here_too() {
    let dim = 3;
    let vectors: Vec<Vec<f32>> = (0..500)
        .map(|i| match i {
            7 => vec![f32::MAX; dim],
            8 => vec![0.0; dim],
            _ => vec![i as f32, 1.0, (i % 10) as f32],
        })
        .collect();
    let points: Vec<PointId> = (0..500).map(|i| id(i % 400)).collect();
    for metric in [Metric::L2Squared, Metric::Cosine, Metric::InnerProduct] {
        let shape = (dim, metric, ElementType::F32);
        let vector = |i: usize| VectorRef::F32(&vectors[i]);
        let params = HnswParams {
            m: 4,
            ..HnswParams::DEFAULT
        };
        let hnsw = Hnsw::build(shape, params, 1, &points, vector, with_threads(2)).unwrap();
        assert_eq!(hnsw.check().unwrap().live, 400);
        assert!(points.iter().all(|&point| hnsw.contains(point)));
        if metric == Metric::L2Squared {
            assert_eq!(search(&hnsw, &[20.0, 1.0, 0.0], 1, 50)[0].point, id(20));
        }
    }
}

#[test]
fn none_and_few_points_are_no_trouble() {
    let base = load("minilm-base.npy");
    for count in [0, 1, 2, 30, 200] {
        let points: Vec<PointId> = (0..count).map(id).collect();
        let (params, vector) = (HnswParams::DEFAULT, |i| base.row(i));
        let shape = shape(&base, Metric::Cosine);
        let hnsw = Hnsw::build(shape, params, 7, &points, vector, with_threads(3)).unwrap();
        assert_eq!(hnsw.check().unwrap().unreachable, 0);
        let found = search(&hnsw, &base.floats(count / 2), 10, 50);
        assert_eq!(found.len(), count.min(10));
        assert!(
            found
                .first()
                .is_none_or(|first| first.point == id(count / 2))
        );
    }
    let wrong = |_| VectorRef::F32(&[1.0]);
    let shape = shape(&base, Metric::Cosine);
    let error = Hnsw::build(
        shape,
        HnswParams::DEFAULT,
        7,
        &[id(1)],
        wrong,
        with_threads(1),
    );
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_build_tells_how_far_it_is_and_can_be_called_off() {
    let base = load("minilm-base.npy");
    for threads in [1, 3] {
        let last = AtomicUsize::new(0);
        let progress = |done: usize, all: usize| {
            assert!(all == base.len() && (last.swap(done, Relaxed)..=all).contains(&done));
            true
        };
        let progress = Some(&progress as &(dyn Fn(usize, usize) -> bool + Sync));
        build(&base, Metric::Cosine, BuildOptions { threads, progress });
        assert_eq!(last.load(Relaxed), base.len());

        let until_half = |done: usize, all: usize| 2 * done < all;
        let progress = Some(&until_half as &(dyn Fn(usize, usize) -> bool + Sync));
        let points: Vec<PointId> = (0..base.len()).map(id).collect();
        let (params, vector) = (HnswParams::DEFAULT, |i| base.row(i));
        let shape = shape(&base, Metric::Cosine);
        let options = BuildOptions { threads, progress };
        let error = Hnsw::build(shape, params, 7, &points, vector, options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
}
