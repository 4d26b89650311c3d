//! Points come and go: recall stays, slots are reused, nothing is left over.

use aether_distance::Metric;
use aether_index::{Hnsw, PointId, Scratch, SearchParams};

use crate::data::{Rows, Vectors, build, id, load, recall, search, truth};

/// Whole passes until nothing is dead.
fn consolidate(hnsw: &Hnsw) {
    while hnsw.dead() > 0 {
        while !hnsw.consolidate(1000).unwrap().done {}
    }
}

#[test]
fn ten_rounds_of_replacement_keep_recall() {
    for (base, queries, metric, ef) in [
        ("minilm-base.npy", "minilm-query.npy", Metric::Cosine, 40),
        (
            "fashion-base.npy.gz",
            "fashion-query.npy.gz",
            Metric::L2Squared,
            20,
        ),
    ] {
        let (base, queries) = (load(base), load(queries));
        let half = base.len() / 2;
        let hnsw = build(&base, metric, 0..half);
        let bytes = hnsw.memory_bytes();
        let step = half * 9 / 100;
        for round in 0..10 {
            for i in round * step..(round + 1) * step {
                assert!(hnsw.remove(id(i)) && !hnsw.remove(id(i)));
                assert!(!hnsw.contains(id(i)));
            }
            consolidate(&hnsw);
            for i in half + round * step..half + (round + 1) * step {
                assert!(hnsw.insert(id(i), base.row(i)).unwrap());
            }
        }
        let now = || 10 * step..half + 10 * step;
        assert!(hnsw.memory_bytes() < bytes + bytes / 20, "slots are reused");
        let summary = hnsw.check().unwrap();
        assert_eq!((summary.live, summary.dead), (half, 0));
        assert!(summary.unreachable <= half / 100, "{summary:?}");
        let exact = truth(&base, metric, now(), &queries, 10);
        let churned = recall(&hnsw, &queries, &exact, ef);
        let fresh = recall(&build(&base, metric, now()), &queries, &exact, ef);
        println!("recall {churned} after ten rounds, {fresh} in a fresh graph; {summary:?}");
        assert!(
            churned >= fresh - 0.01,
            "{metric}: recall {churned}, fresh {fresh}"
        );
    }
}

#[test]
fn dead_points_are_found_when_asked_for() {
    let (base, queries) = (load("minilm-base.npy"), load("minilm-query.npy"));
    let hnsw = build(&base, Metric::Cosine, 0..2000);
    for i in (0..2000).filter(|i| i % 3 != 0) {
        hnsw.remove(id(i));
    }
    assert_eq!((hnsw.len(), hnsw.dead()), (667, 1333));
    let exact = truth(&base, Metric::Cosine, (0..2000).step_by(3), &queries, 10);
    assert!(recall(&hnsw, &queries, &exact, 64) >= 0.98);
    let exact = truth(&base, Metric::Cosine, 0..2000, &queries, 10);
    let params = SearchParams {
        k: 10,
        ef: 64,
        include_dead: true,
    };
    let mut scratch = Scratch::default();
    let mut hits = 0;
    for (q, exact) in exact.iter().enumerate() {
        // Some readers see some of the dead only: those that were alive in their snapshot.
        let query = queries.floats(q);
        let seen = |point: PointId| point.0.is_multiple_of(3) || point.0 < 1000;
        let some = hnsw
            .search(&query, params, Some(&seen), &mut scratch)
            .unwrap();
        assert!(some.len() == 10 && some.iter().all(|found| seen(found.point)));
        let all = hnsw.search(&query, params, None, &mut scratch).unwrap();
        hits += crate::data::overlap(&all, exact);
    }
    assert!(hits >= 1960, "{hits} of 2000");
}

#[test]
fn a_graph_that_died_out_lives_again() {
    let base = load("minilm-base.npy");
    let hnsw = build(&base, Metric::Cosine, 0..600);
    for i in 0..600 {
        hnsw.remove(id(i));
    }
    assert!(search(&hnsw, &base.floats(1), 10, 50).is_empty());
    // Half of a pass, inserts, and the rest of it: the new points must find each other and stay.
    assert!(!hnsw.consolidate(300).unwrap().done);
    for i in 600..1200 {
        hnsw.insert(id(i), base.row(i)).unwrap();
    }
    consolidate(&hnsw);
    let found = |range: std::ops::Range<usize>| {
        range
            .filter(|&i| search(&hnsw, &base.floats(i), 1, 50)[0].point == id(i))
            .count()
    };
    assert!(found(600..1200) >= 594, "{}", found(600..1200));
    hnsw.check().unwrap();
    for i in 600..1200 {
        hnsw.remove(id(i));
    }
    consolidate(&hnsw);
    assert!(hnsw.is_empty() && hnsw.dead() == 0);
    let bytes = hnsw.memory_bytes();
    for i in 1200..1800 {
        hnsw.insert(id(i), base.row(i)).unwrap();
    }
    assert!(found(1200..1800) >= 594);
    assert!(hnsw.memory_bytes() <= bytes + 16_384, "slots are reused");
}

#[test]
fn clustered_deletes_do_not_cut_the_rest_off() {
    let base = load("fashion-base.npy.gz");
    let Rows::U8(rows) = &base.rows else {
        unreachable!()
    };
    // Dark images first: whole regions die, not a sample.
    let mut order: Vec<usize> = (0..base.len()).collect();
    let light = |i: usize| {
        rows[i * base.dim..(i + 1) * base.dim]
            .iter()
            .map(|&x| u64::from(x))
            .sum::<u64>()
    };
    order.sort_by_key(|&i| light(i));
    let sorted = order
        .iter()
        .flat_map(|&i| rows[i * base.dim..(i + 1) * base.dim].to_vec())
        .collect();
    let base = Vectors {
        rows: Rows::U8(sorted),
        dim: base.dim,
    };
    let queries = load("fashion-query.npy.gz");
    let hnsw = build(&base, Metric::L2Squared, 0..4000);
    for i in 0..2000 {
        hnsw.remove(id(i));
    }
    consolidate(&hnsw);
    let summary = hnsw.check().unwrap();
    assert!(summary.unreachable <= 40, "{summary:?}");
    let exact = truth(&base, Metric::L2Squared, 2000..4000, &queries, 10);
    let fresh = recall(
        &build(&base, Metric::L2Squared, 2000..4000),
        &queries,
        &exact,
        20,
    );
    let found = recall(&hnsw, &queries, &exact, 20);
    println!("recall {found}, fresh {fresh}; {summary:?}");
    assert!(found >= fresh - 0.01, "recall {found}, fresh {fresh}");
}
