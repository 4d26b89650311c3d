//! Selections: searches among points that were looked up before find what searches under the same filter find, and know
//! when they are out of date.

use aether_distance::Metric;
use aether_index::{
    BuildOptions, Candidate, Hnsw, Ivf, IvfParams, IvfScratch, PointId, Scratch, SearchParams,
};

use crate::data::{Vectors, build, id, load, overlap, random, seed, truth};

const POINTS: usize = 3_000;
const QUERIES: usize = 40;
const K: usize = 10;

/// Every so manieth point is selected.
const STEPS: [usize; 4] = [1, 3, 10, 150];

fn params(ef: usize) -> SearchParams {
    SearchParams {
        k: K,
        ef,
        include_dead: false,
    }
}

fn buckets(vectors: &Vectors, metric: Metric) -> Ivf {
    let points: Vec<PointId> = (0..POINTS).map(id).collect();
    let kind = (vectors.dim, metric, vectors.element());
    let vector = |i| vectors.row(i);
    Ivf::build(
        kind,
        IvfParams::DEFAULT,
        7,
        &points,
        vector,
        BuildOptions::ALONE,
    )
    .unwrap()
}

fn every(step: usize) -> impl Iterator<Item = PointId> {
    (0..POINTS).step_by(step).map(id)
}

/// How much of the nearest of every `step`th point `find` finds.
fn recall(
    vectors: &Vectors,
    metric: Metric,
    queries: &Vectors,
    step: usize,
    mut find: impl FnMut(&[f32]) -> Vec<Candidate>,
) -> f64 {
    let truth = truth(vectors, metric, (0..POINTS).step_by(step), queries, K);
    let mut hits = 0;
    for (q, truth) in truth.iter().enumerate() {
        let found = find(&queries.floats(q));
        assert!(
            found
                .iter()
                .all(|near| near.point.0.is_multiple_of(step as u64))
        );
        assert_eq!(found.len(), truth.len());
        hits += overlap(&found, truth);
    }
    hits as f64 / truth.iter().map(Vec::len).sum::<usize>() as f64
}

#[test]
fn what_is_selected_is_found() {
    let rng = &mut fastrand::Rng::with_seed(seed());
    let (vectors, queries) = (random(rng, POINTS, 24), random(rng, QUERIES, 24));
    for metric in [Metric::L2Squared, Metric::Cosine, Metric::InnerProduct] {
        let (ivf, graph) = (
            buckets(&vectors, metric),
            build(&vectors, metric, 0..POINTS),
        );
        let (mut in_buckets, mut in_graph) = (IvfScratch::default(), Scratch::default());
        for step in STEPS {
            let chosen = ivf.select(every(step)).unwrap();
            assert_eq!(chosen.len(), every(step).count());
            let mut search = |query: &[f32]| {
                let found = ivf.search_selected(query, params(300), &chosen, &mut in_buckets);
                found.unwrap().unwrap()
            };
            let found = recall(&vectors, metric, &queries, step, &mut search);
            assert!(found > 0.97, "{metric:?}, {step}: {found}");
            let mut scan = |query: &[f32]| {
                let found = ivf.scan_selected(query, K, &chosen, &mut in_buckets);
                found.unwrap().unwrap()
            };
            let found = recall(&vectors, metric, &queries, step, &mut scan);
            assert!(found > 0.999, "{metric:?}, {step}: {found}");

            let chosen = graph.select(every(step));
            let mut search = |query: &[f32]| {
                let all = usize::MAX;
                let found = graph.search_selected(query, params(300), &chosen, all, &mut in_graph);
                found.unwrap().unwrap()
            };
            let found = recall(&vectors, metric, &queries, step, &mut search);
            assert!(found > 0.97, "{metric:?}, {step}: {found}");
            let mut scan = |query: &[f32]| {
                let found = graph.scan_selected(query, K, &chosen, &mut in_graph);
                found.unwrap().unwrap()
            };
            let found = recall(&vectors, metric, &queries, step, &mut scan);
            assert!(found > 0.99, "{metric:?}, {step}: {found}");
        }
    }
}

#[test]
fn what_died_is_not_found() {
    let rng = &mut fastrand::Rng::with_seed(seed());
    let (vectors, queries) = (random(rng, POINTS, 24), random(rng, 1, 24));
    let metric = Metric::L2Squared;
    let (ivf, graph) = (
        buckets(&vectors, metric),
        build(&vectors, metric, 0..POINTS),
    );
    let query = queries.floats(0);
    let (mut in_buckets, mut in_graph) = (IvfScratch::default(), Scratch::default());
    for step in STEPS {
        let (chosen, in_graph_chosen) =
            (ivf.select(every(step)).unwrap(), graph.select(every(step)));
        let found = ivf.search_selected(&query, params(300), &chosen, &mut in_buckets);
        let nearest = found.unwrap().unwrap()[0].point;
        assert!(ivf.remove(nearest));
        graph.remove(nearest);
        let found = ivf.search_selected(&query, params(300), &chosen, &mut in_buckets);
        assert_ne!(found.unwrap().unwrap()[0].point, nearest);
        let found = graph.scan_selected(&query, K, &in_graph_chosen, &mut in_graph);
        assert_ne!(found.unwrap().unwrap()[0].point, nearest);
    }
}

#[test]
fn a_selection_ends_when_the_index_changes() {
    let rng = &mut fastrand::Rng::with_seed(seed());
    let vectors = random(rng, POINTS + 2, 24);
    let metric = Metric::L2Squared;
    let (ivf, graph) = (
        buckets(&vectors, metric),
        build(&vectors, metric, 0..POINTS),
    );
    let query = vectors.floats(0);
    let in_buckets = |ivf: &Ivf, chosen| {
        let scratch = &mut IvfScratch::default();
        let searched = ivf
            .search_selected(&query, params(20), chosen, scratch)
            .unwrap();
        let scanned = ivf.scan_selected(&query, K, chosen, scratch).unwrap();
        assert_eq!(searched.is_some(), scanned.is_some());
        searched.is_some()
    };
    let in_graph = |graph: &Hnsw, chosen| {
        let scratch = &mut Scratch::default();
        let all = usize::MAX;
        let searched = graph
            .search_selected(&query, params(20), chosen, all, scratch)
            .unwrap();
        let scanned = graph.scan_selected(&query, K, chosen, scratch).unwrap();
        assert_eq!(searched.is_some(), scanned.is_some());
        searched.is_some()
    };
    // A new point that is not in it.
    let (first, second) = (ivf.select(every(3)).unwrap(), graph.select(every(3)));
    assert!(in_buckets(&ivf, &first) && in_graph(&graph, &second));
    ivf.insert(id(POINTS), vectors.row(POINTS)).unwrap();
    graph.insert(id(POINTS), vectors.row(POINTS)).unwrap();
    assert!(!in_buckets(&ivf, &first) && !in_graph(&graph, &second));

    // Places that may be given to others.
    ivf.remove(id(3));
    graph.remove(id(3));
    let (first, second) = (ivf.select(every(3)).unwrap(), graph.select(every(3)));
    assert!(in_buckets(&ivf, &first) && in_graph(&graph, &second));
    while !ivf.consolidate(1_000).unwrap().done {}
    while !graph.consolidate(1_000).unwrap().done {}
    assert!(!in_buckets(&ivf, &first) && !in_graph(&graph, &second));
}

/// Sentences, of which some are selected at random or because they are near to one of them: far from most queries.
#[test]
fn searches_step_over_what_is_not_selected() {
    let (vectors, queries) = (load("minilm-base.npy"), load("minilm-query.npy"));
    let metric = Metric::Cosine;
    let graph = build(&vectors, metric, 0..vectors.len());
    let mut scratch = Scratch::default();
    let near_one = graph.scan_all(
        &vectors.floats(0),
        vectors.len(),
        &|_| true,
        false,
        &mut scratch,
    );
    let near_one: Vec<PointId> = near_one.unwrap().iter().map(|near| near.point).collect();
    for share in [2, 10, 50] {
        let count = vectors.len() / share;
        let some = (0..vectors.len()).step_by(share).map(id).collect();
        let nearest = near_one[..count].to_vec();
        for points in [some, nearest] {
            let points: Vec<PointId> = points;
            let chosen = graph.select(points.iter().copied());
            let (mut hits, mut all) = (0, 0);
            for q in 0..100 {
                let query = queries.floats(q);
                let truth = graph.scan_selected(&query, K, &chosen, &mut scratch);
                let truth: Vec<PointId> = truth
                    .unwrap()
                    .unwrap()
                    .iter()
                    .map(|near| near.point)
                    .collect();
                let budget = usize::MAX;
                let found =
                    graph.search_selected(&query, params(100), &chosen, budget, &mut scratch);
                let found = found.unwrap().unwrap();
                assert!(found.is_sorted() && found.len() == truth.len());
                hits += found
                    .iter()
                    .filter(|near| truth.contains(&near.point))
                    .count();
                all += truth.len();
            }
            assert!(hits * 100 >= all * 95, "one in {share}: {hits} of {all}");
        }
    }
}
