//! Indexes of buckets: recall, points that come and go, filters, threads.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use aether_distance::{ElementType, Metric, VectorRef};
use aether_index::{BuildOptions, Candidate, Ivf, IvfParams, IvfScratch, PointId, SearchParams};

use crate::data::{Rows, Vectors, id, load, overlap, random, seed, truth};

const PARAMS: IvfParams = IvfParams::DEFAULT;

fn build(
    vectors: &Vectors,
    metric: Metric,
    numbers: std::ops::Range<usize>,
    threads: usize,
) -> Ivf {
    let points: Vec<PointId> = numbers.clone().map(id).collect();
    let kind = (vectors.dim, metric, vectors.element());
    let vector = |i| vectors.row(numbers.start + i);
    let options = BuildOptions {
        threads,
        progress: None,
    };
    let ivf = Ivf::build(kind, PARAMS, 7, &points, vector, options).unwrap();
    assert_eq!(ivf.len(), points.len());
    ivf
}

fn grown(vectors: &Vectors, metric: Metric, numbers: std::ops::Range<usize>) -> Ivf {
    let ivf = Ivf::new(vectors.dim, metric, vectors.element(), PARAMS, 7).unwrap();
    for i in numbers {
        assert!(ivf.insert(id(i), vectors.row(i)).unwrap());
    }
    ivf
}

fn with_ef(k: usize, ef: usize) -> SearchParams {
    SearchParams {
        k,
        ef,
        include_dead: false,
    }
}

fn recall(ivf: &Ivf, queries: &Vectors, truth: &[Vec<Candidate>], ef: usize) -> f64 {
    let mut scratch = IvfScratch::default();
    let (mut hits, mut all) = (0, 0);
    for (q, truth) in truth.iter().enumerate() {
        let params = with_ef(truth.len(), ef);
        let found = ivf
            .search(&queries.floats(q), params, None, &mut scratch)
            .unwrap();
        assert!(found.is_sorted());
        hits += overlap(&found, truth);
        all += truth.len();
    }
    hits as f64 / all as f64
}

#[test]
fn recall_on_real_data_by_every_metric() {
    for (base, queries, metric, ef, floor) in [
        (
            "minilm-base.npy",
            "minilm-query.npy",
            Metric::Cosine,
            100,
            0.98,
        ),
        (
            "minilm-base.npy",
            "minilm-query.npy",
            Metric::L2Squared,
            100,
            0.98,
        ),
        (
            "minilm-base.npy",
            "minilm-query.npy",
            Metric::InnerProduct,
            200,
            0.97,
        ),
        (
            "fashion-base.npy.gz",
            "fashion-query.npy.gz",
            Metric::L2Squared,
            60,
            0.98,
        ),
        (
            "fashion-base.npy.gz",
            "fashion-query.npy.gz",
            Metric::Cosine,
            100,
            0.97,
        ),
    ] {
        let (base, queries) = (load(base), load(queries));
        let exact = truth(&base, metric, 0..base.len(), &queries, 10);
        let built = recall(
            &build(&base, metric, 0..base.len(), 2),
            &queries,
            &exact,
            ef,
        );
        let grown = recall(&grown(&base, metric, 0..base.len()), &queries, &exact, ef);
        println!(
            "{metric} {}: recall@10 {built} built, {grown} grown, at ef {ef}",
            base.element()
        );
        assert!(
            built >= floor && grown >= floor,
            "{metric}: {built} and {grown}, not {floor}"
        );
    }
}

#[test]
fn more_effort_finds_everything() {
    let (base, queries) = (load("minilm-base.npy"), load("minilm-query.npy"));
    for k in [1, 10, 100] {
        let exact = truth(&base, Metric::Cosine, 0..base.len(), &queries, k);
        let ivf = build(&base, Metric::Cosine, 0..base.len(), 1);
        let found = recall(&ivf, &queries, &exact, 1000);
        assert!(found >= 0.999, "k {k}: {found}");
    }
}

#[test]
fn the_same_seed_gives_the_same_answers_from_any_number_of_threads() {
    let (base, queries) = (load("minilm-base.npy"), load("minilm-query.npy"));
    let found = |threads| {
        let ivf = build(&base, Metric::Cosine, 0..2000, threads);
        let mut scratch = IvfScratch::default();
        let search = |q| {
            ivf.search(&queries.floats(q), with_ef(10, 20), None, &mut scratch)
                .unwrap()
        };
        (0..50).map(search).collect::<Vec<_>>()
    };
    assert_eq!(found(1), found(3));
}

#[test]
fn filters_keep_recall_at_every_selectivity() {
    let (base, queries) = (load("minilm-base.npy"), load("minilm-query.npy"));
    let ivf = build(&base, Metric::Cosine, 0..base.len(), 2);
    let mut scratch = IvfScratch::default();
    for every in [2, 10, 100, 2000] {
        let numbers = || (0..base.len()).step_by(every);
        let exact = truth(&base, Metric::Cosine, numbers(), &queries, 10);
        let allowed = |point: PointId| point.0.is_multiple_of(every as u64);
        let (mut hits, mut all) = (0, 0);
        for (q, exact) in exact.iter().enumerate() {
            let query = queries.floats(q);
            let found = ivf
                .search(&query, with_ef(10, 100), Some(&allowed), &mut scratch)
                .unwrap();
            assert!(found.iter().all(|candidate| allowed(candidate.point)));
            hits += overlap(&found, exact);
            all += exact.len();
            // Points that are not here are no matter.
            let asked = numbers().map(id).chain([id(base.len() + 7)]);
            let scanned = ivf.scan(&query, 10, asked, false, &mut scratch).unwrap();
            let all = ivf
                .scan_all(&query, 10, &allowed, false, &mut scratch)
                .unwrap();
            assert_eq!(scanned, all);
            assert!(overlap(&all, exact) >= exact.len() - 1);
        }
        assert!(
            hits as f64 >= 0.98 * all as f64,
            "one in {every}: {hits} of {all}"
        );
    }
    let none = ivf.search(
        &queries.floats(0),
        with_ef(10, 100),
        Some(&|_| false),
        &mut scratch,
    );
    assert!(none.unwrap().is_empty());
}

#[test]
fn a_search_gives_up_when_few_points_are_allowed() {
    let (base, queries) = (load("minilm-base.npy"), load("minilm-query.npy"));
    let ivf = build(&base, Metric::Cosine, 0..base.len(), 1);
    let mut scratch = IvfScratch::default();
    let mut within = |every: u64, budget| {
        let allowed = |point: PointId| point.0.is_multiple_of(every);
        let (query, params) = (queries.floats(1), with_ef(10, 60));
        ivf.search_within(&query, params, Some(&allowed), budget, &mut scratch)
            .unwrap()
    };
    assert_eq!(within(1, 1_000).unwrap().len(), 10);
    assert_eq!(within(2, 1_000).unwrap().len(), 10);
    assert!(within(500, 2_000).is_none());
    assert_eq!(within(500, usize::MAX).unwrap().len(), 10);
}

#[test]
fn ten_rounds_of_replacement_keep_recall() {
    for (base, queries, metric, ef) in [
        ("minilm-base.npy", "minilm-query.npy", Metric::Cosine, 80),
        (
            "fashion-base.npy.gz",
            "fashion-query.npy.gz",
            Metric::L2Squared,
            40,
        ),
    ] {
        let (base, queries) = (load(base), load(queries));
        let half = base.len() / 2;
        let ivf = build(&base, metric, 0..half, 2);
        let bytes = ivf.memory_bytes();
        let step = half * 9 / 100;
        for round in 0..10 {
            for i in round * step..(round + 1) * step {
                assert!(ivf.contains(id(i)) && ivf.remove(id(i)) && !ivf.remove(id(i)));
                assert!(!ivf.contains(id(i)));
            }
            assert_eq!((ivf.len(), ivf.dead()), (half - step, step));
            while !ivf.consolidate(500).unwrap().done {}
            assert_eq!(ivf.dead(), 0);
            for i in half + round * step..half + (round + 1) * step {
                assert!(ivf.insert(id(i), base.row(i)).unwrap());
                assert!(!ivf.insert(id(i), base.row(i)).unwrap());
            }
        }
        let now = 10 * step..half + 10 * step;
        assert!(ivf.memory_bytes() < bytes + bytes / 5, "slots are reused");
        let exact = truth(&base, metric, now.clone(), &queries, 10);
        let churned = recall(&ivf, &queries, &exact, ef);
        let fresh = recall(&build(&base, metric, now, 2), &queries, &exact, ef);
        println!("recall {churned} after ten rounds, {fresh} in a fresh index; {ivf:?}");
        assert!(
            churned >= fresh - 0.005,
            "{metric}: recall {churned}, fresh {fresh}"
        );
    }
}

#[test]
fn dead_points_are_found_when_asked_for() {
    let (base, queries) = (load("minilm-base.npy"), load("minilm-query.npy"));
    let ivf = build(&base, Metric::Cosine, 0..2000, 1);
    for i in (0..2000).filter(|i| i % 3 != 0) {
        ivf.remove(id(i));
    }
    assert_eq!(
        (ivf.len(), ivf.dead(), ivf.points().count()),
        (667, 1333, 667)
    );
    let exact = truth(&base, Metric::Cosine, (0..2000).step_by(3), &queries, 10);
    assert!(recall(&ivf, &queries, &exact, 100) >= 0.98);
    let exact = truth(&base, Metric::Cosine, 0..2000, &queries, 10);
    let params = SearchParams {
        include_dead: true,
        ..with_ef(10, 100)
    };
    let mut scratch = IvfScratch::default();
    let mut hits = 0;
    for (q, exact) in exact.iter().enumerate() {
        let found = ivf
            .search(&queries.floats(q), params, None, &mut scratch)
            .unwrap();
        hits += overlap(&found, exact);
    }
    assert!(hits >= 1960, "{hits} of 2000");
}

#[test]
fn duplicates_are_split_and_found() {
    let base = Vectors {
        rows: Rows::F32([1.0, 2.0, 3.0].repeat(1000)),
        dim: 3,
    };
    for ivf in [
        grown(&base, Metric::L2Squared, 0..1000),
        build(&base, Metric::Cosine, 0..1000, 2),
    ] {
        let mut scratch = IvfScratch::default();
        let found = ivf
            .search(&[1.0, 2.0, 3.0], with_ef(100, 200), None, &mut scratch)
            .unwrap();
        assert!(found.len() == 100 && found.iter().all(|twin| twin.distance.0.abs() < 1e-6));
        assert!(ivf.buckets() > 1, "{ivf:?}");
        for i in 0..1000 {
            assert!(ivf.remove(id(i)));
        }
        while !ivf.consolidate(100).unwrap().done {}
        assert!(
            ivf.is_empty() && ivf.dead() == 0 && ivf.buckets() == 1,
            "{ivf:?}"
        );
        assert!(ivf.insert(id(5), base.row(5)).unwrap() && ivf.contains(id(5)));
    }
}

#[test]
fn small_indexes_are_exact_and_odd_shapes_work() {
    let mut rng = fastrand::Rng::with_seed(seed());
    for (n, dim) in [(0, 8), (1, 1), (2, 3), (5, 65), (40, 8), (300, 2)] {
        for metric in [Metric::L2Squared, Metric::Cosine, Metric::InnerProduct] {
            let base = random(&mut rng, n, dim);
            let query = random(&mut rng, 1, dim);
            let ivf = Ivf::new(dim, metric, ElementType::F32, PARAMS, 1).unwrap();
            for i in 0..n {
                assert!(ivf.insert(id(i), base.row(i)).unwrap());
            }
            let exact = match n {
                0 => vec![],
                _ => truth(&base, metric, 0..n, &query, 10).remove(0),
            };
            let mut scratch = IvfScratch::default();
            let found = ivf
                .search(&query.floats(0), with_ef(10, 400), None, &mut scratch)
                .unwrap();
            assert_eq!(
                (found.len(), overlap(&found, &exact)),
                (n.min(10), n.min(10))
            );
            let none = ivf
                .search(&query.floats(0), with_ef(0, 400), None, &mut scratch)
                .unwrap();
            assert!(none.is_empty());
        }
    }
}

#[test]
fn zeros_and_wrong_shapes_are_no_trouble() {
    let zeros = [0.0; 4];
    for metric in [Metric::L2Squared, Metric::Cosine, Metric::InnerProduct] {
        let ivf = Ivf::new(4, metric, ElementType::F32, PARAMS, 1).unwrap();
        for i in 0..300 {
            ivf.insert(id(i), VectorRef::F32(&zeros)).unwrap();
        }
        let mut scratch = IvfScratch::default();
        assert_eq!(
            ivf.search(&zeros, with_ef(10, 20), None, &mut scratch)
                .unwrap()
                .len(),
            10
        );
        assert!(
            ivf.search(&zeros[..3], with_ef(10, 20), None, &mut scratch)
                .is_err()
        );
        assert!(ivf.insert(id(900), VectorRef::F32(&zeros[..3])).is_err());
        assert!(ivf.insert(id(900), VectorRef::U8(&[0; 4])).is_err());
    }
    for bad in [f32::NAN, f32::INFINITY, 1e19] {
        let ivf = Ivf::new(4, Metric::L2Squared, ElementType::F32, PARAMS, 1).unwrap();
        assert!(
            ivf.insert(id(0), VectorRef::F32(&[0.0, bad, 0.0, 0.0]))
                .is_err()
        );
        assert!(ivf.with_centre(&[bad; 4]).is_err());
    }
    assert!(Ivf::new(0, Metric::Cosine, ElementType::F32, PARAMS, 1).is_err());
    let params = IvfParams { bucket_points: 1 };
    assert!(Ivf::new(4, Metric::Cosine, ElementType::F32, params, 1).is_err());
}

#[test]
fn data_far_from_the_origin_are_told_apart() {
    let queries = load("minilm-query.npy").map(|x| x + 5.0);
    let base = load("minilm-base.npy").map(|x| x + 5.0);
    let exact = truth(&base, Metric::L2Squared, 0..base.len(), &queries, 10);
    let built = build(&base, Metric::L2Squared, 0..base.len(), 2);
    assert!(recall(&built, &queries, &exact, 100) >= 0.98);
    let grown = Ivf::new(base.dim, Metric::L2Squared, base.element(), PARAMS, 7).unwrap();
    let grown = grown.with_centre(&vec![5.0; base.dim]).unwrap();
    for i in 0..base.len() {
        assert!(grown.insert(id(i), base.row(i)).unwrap());
    }
    assert!(recall(&grown, &queries, &exact, 100) >= 0.98);
    assert!(grown.with_centre(&vec![0.0; base.dim]).is_err());
}

#[test]
fn threads_add_remove_search_and_clean_at_once() {
    let base = load("minilm-base.npy");
    let ivf = build(&base, Metric::Cosine, 0..1000, 1);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let adding: Vec<_> = (0..2)
            .map(|thread| {
                let ivf = &ivf;
                let base = &base;
                scope.spawn(move || {
                    for i in (1000 + thread..base.len()).step_by(2) {
                        assert!(ivf.insert(id(i), base.row(i)).unwrap());
                        if i % 3 == 0 {
                            ivf.remove(id(i - 1000)); // it may not be here yet
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Relaxed) {
                ivf.consolidate(1000).unwrap();
            }
        });
        scope.spawn(|| {
            let mut scratch = IvfScratch::default();
            let mut i = 0;
            while !done.load(Relaxed) {
                i = (i + 7) % base.len();
                let found = ivf
                    .search(&base.floats(i), with_ef(10, 40), None, &mut scratch)
                    .unwrap();
                assert!(found.is_sorted() && found.len() == 10);
                let mut points: Vec<_> = found.iter().map(|candidate| candidate.point).collect();
                points.sort_unstable();
                points.dedup();
                assert_eq!(points.len(), 10, "no point is found twice");
            }
        });
        for thread in adding {
            thread.join().unwrap();
        }
        done.store(true, Relaxed);
    });
    while !ivf.consolidate(10_000).unwrap().done {}
    let mut scratch = IvfScratch::default();
    let mut lost = 0;
    for i in (base.len() - 500)..base.len() {
        let found = ivf
            .search(&base.floats(i), with_ef(1, 40), None, &mut scratch)
            .unwrap();
        lost += usize::from(
            found
                .first()
                .is_none_or(|candidate| candidate.point != id(i)),
        );
    }
    assert!(lost <= 3, "{lost} of 500 are not found by themselves");
    assert_eq!(ivf.points().count(), ivf.len());
}
