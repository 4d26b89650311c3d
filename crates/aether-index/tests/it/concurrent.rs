//! Everything at once: writers, removers, maintenance and searches, which never see what they must not.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;

use aether_distance::{ElementType, Metric, VectorRef};
use aether_index::{Hnsw, HnswParams, Image, Scratch, SearchParams};

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

/// Small enough for Miri, which sees data races and undefined behaviour: `cargo miri test -p aether-index in_miniature`.
#[test]
fn everything_at_once_in_miniature() {
    let params = HnswParams {
        m: 2,
        ef_construction: 6,
    };
    let rounds = if cfg!(miri) { 24 } else { 2000 };
    let vector = |i: usize| [(i % 7) as f32, (i % 11) as f32, (i % 13) as f32];
    let empty = Hnsw::new(3, Metric::L2Squared, ElementType::F32, params, 7).unwrap();
    for i in 0..rounds {
        empty.insert(id(i), VectorRef::F32(&vector(i))).unwrap();
    }
    let mut bytes = Vec::new();
    empty.write_checkpoint(&mut bytes).unwrap();
    let hnsw = Hnsw::open(Image::from(bytes)).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for i in rounds..2 * rounds {
                hnsw.insert(id(i), VectorRef::F32(&vector(i))).unwrap();
            }
        });
        scope.spawn(|| {
            for i in 0..rounds {
                hnsw.remove(id(i));
                hnsw.consolidate(rounds / 4).unwrap();
            }
        });
        let mut scratch = Scratch::default();
        for i in 0..rounds {
            let params = SearchParams {
                k: 3,
                ef: 5,
                include_dead: i % 2 == 0,
            };
            hnsw.search(&vector(i), params, None, &mut scratch).unwrap();
            hnsw.contains(id(i));
        }
    });
    while hnsw.dead() > 0 {
        hnsw.consolidate(usize::MAX).unwrap();
    }
    assert_eq!(hnsw.check().unwrap().live, rounds);
}
