//! Everything at once: writers, removers, maintenance and searches, which never see what they must not.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;

use aether_distance::{ElementType, Metric};
use aether_index::{Hnsw, HnswParams, Scratch, SearchParams};

use crate::data::{Vectors, id, load, recall, truth};

fn empty(base: &Vectors) -> Hnsw {
    Hnsw::new(
        base.dim,
        Metric::Cosine,
        base.element(),
        HnswParams::DEFAULT,
        7,
    )
    .unwrap()
}

#[test]
fn several_threads_insert_as_well_as_one() {
    let (base, queries) = (load("minilm-base.npy"), load("minilm-query.npy"));
    let hnsw = empty(&base);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // Each point is offered twice, by different threads.
                while let i = next.fetch_add(1, Relaxed)
                    && i < 2 * base.len()
                {
                    hnsw.insert(id(i / 2), base.row(i / 2)).unwrap();
                }
            });
        }
    });
    while !hnsw.consolidate(usize::MAX).unwrap().done {}
    let summary = hnsw.check().unwrap();
    assert_eq!(summary.live, base.len());
    assert!(summary.unreachable < 10, "{summary:?}");
    let exact = truth(&base, Metric::Cosine, 0..base.len(), &queries, 10);
    assert!(recall(&hnsw, &queries, &exact, 64) >= 0.985);
}

/// Point ids tell how a point's vector began: a search that mixed two of them up would return a wrong distance.
#[test]
fn searches_see_whole_points_while_all_changes() {
    let (base, queries) = (load("minilm-base.npy"), load("minilm-query.npy"));
    let hnsw = empty(&base);
    for i in 0..1000 {
        hnsw.insert(id(i), base.row(i)).unwrap();
    }
    let removed = AtomicUsize::new(0);
    let done = AtomicBool::new(false);
    let searches = AtomicUsize::new(0);
    thread::scope(|scope| {
        for reader in 0..2 {
            let (hnsw, base, queries, removed, done, searches) =
                (&hnsw, &base, &queries, &removed, &done, &searches);
            scope.spawn(move || {
                let mut scratch = Scratch::default();
                let mut q = reader;
                while !done.load(Relaxed) {
                    q = (q + 1) % queries.len();
                    let query = queries.floats(q);
                    let dead_before = removed.load(Relaxed);
                    let params = SearchParams {
                        k: 10,
                        ef: 40,
                        include_dead: false,
                    };
                    let found = hnsw.search(&query, params, None, &mut scratch).unwrap();
                    assert_eq!(found.len(), 10);
                    for candidate in found {
                        let i = usize::try_from(candidate.point.0).unwrap();
                        assert!(i >= dead_before, "point {i} was removed");
                        let exact = cosine(&query, &base.floats(i));
                        assert!(
                            (candidate.distance.0 - exact).abs() < 1e-3,
                            "{candidate:?} is at {exact}"
                        );
                    }
                    searches.fetch_add(1, Relaxed);
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Relaxed) {
                hnsw.consolidate(200).unwrap();
                thread::yield_now();
            }
        });
        for i in 1000..base.len() {
            hnsw.insert(id(i), base.row(i)).unwrap();
            assert!(hnsw.remove(id(i - 1000)));
            removed.store(i - 999, Relaxed);
        }
        done.store(true, Relaxed);
    });
    assert!(searches.into_inner() > 0);
    while hnsw.dead() > 0 {
        hnsw.consolidate(usize::MAX).unwrap();
    }
    let summary = hnsw.check().unwrap();
    assert_eq!((summary.live, summary.dead), (1000, 0));
    let exact = truth(
        &base,
        Metric::Cosine,
        base.len() - 1000..base.len(),
        &queries,
        10,
    );
    let found = recall(&hnsw, &queries, &exact, 64);
    assert!(found >= 0.98, "recall {found}");
    assert_eq!(hnsw.element(), ElementType::F16);
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
