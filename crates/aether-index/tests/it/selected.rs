//! Selections: searches among points that were looked up before find what searches under the same filter find, and know
//! when they are out of date.

use aether_distance::{ElementType, Metric};
use aether_index::{
    BuildOptions, Candidate, Hnsw, HnswParams, Ivf, IvfParams, IvfScratch, PointId, Scratch,
    SearchParams, Selection,
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
                let found = graph.search_selected(query, params(300), &chosen, &mut in_graph);
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
            for q in 0..QUERIES {
                let query = queries.floats(q);
                let read = graph.scan_selected(&query, K, &chosen, &mut in_graph);
                let copied =
                    graph.search_selected(&query, params(usize::MAX), &chosen, &mut in_graph);
                assert_eq!(read.unwrap(), copied.unwrap(), "{metric:?}, {step}");
            }
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
        for ef in [K, usize::MAX] {
            let found = graph.search_selected(&query, params(ef), &in_graph_chosen, &mut in_graph);
            assert_ne!(found.unwrap().unwrap()[0].point, nearest);
        }
    }
}

#[test]
fn little_is_selected_or_nothing_or_only_dead_points() {
    let rng = &mut fastrand::Rng::with_seed(seed());
    let vectors = random(rng, POINTS, 24);
    let graph = build(&vectors, Metric::L2Squared, 0..POINTS);
    let (query, mut scratch) = (vectors.floats(1), Scratch::default());
    let mut search = |params, points: &[usize]| {
        let chosen = graph.select(points.iter().copied().map(id));
        assert_eq!(chosen.len(), points.len());
        let found = graph.search_selected(&query, params, &chosen, &mut scratch);
        let found = found.unwrap().unwrap();
        found.iter().map(|near| near.point).collect::<Vec<_>>()
    };
    for ef in [0, K, 300, usize::MAX] {
        assert_eq!(search(params(ef), &[]), []);
        let nothing = SearchParams { k: 0, ..params(ef) };
        assert_eq!(search(nothing, &[1, 2]), []);
        let mut few = search(params(ef), &[7, 1, 3]);
        assert_eq!(few[0], id(1));
        few.sort_unstable();
        assert_eq!(few, [1, 3, 7].map(id));
        let many: Vec<usize> = (0..POINTS).step_by(30).collect();
        let all = SearchParams {
            k: POINTS,
            ..params(ef)
        };
        assert_eq!(search(all, &many).len(), many.len());
    }
    // Some that are dead, and all of them.
    let half: Vec<usize> = (0..POINTS).step_by(2).collect();
    for (i, &point) in half.iter().enumerate() {
        if i >= K / 2 {
            graph.remove(id(point));
        }
    }
    for ef in [K, 300, usize::MAX] {
        assert_eq!(search(params(ef), &half).len(), K / 2);
        assert_eq!(search(params(ef), &half[K..]), []);
        let dead = SearchParams {
            include_dead: true,
            ..params(ef)
        };
        assert_eq!(search(dead, &half[K..]).len(), K);
    }
    let chosen = graph.select([id(1)].into_iter());
    let wrong = graph.search_selected(&query[1..], params(K), &chosen, &mut scratch);
    assert!(wrong.is_err());
}

#[test]
fn few_points_are_scanned_and_many_walked_among() {
    let rng = &mut fastrand::Rng::with_seed(seed());
    let vectors = random(rng, POINTS, 24);
    let graph = build(&vectors, Metric::L2Squared, 0..POINTS);
    let scans = |step, ef| graph.scans(&graph.select(every(step)), ef);
    assert!(scans(150, K) && scans(10, K) && scans(1, usize::MAX));
    assert!(!scans(1, K) && !scans(2, 1));
    let nothing = graph.select(std::iter::empty());
    assert!(graph.scans(&nothing, 0));
}

/// So many codes are not copied: they are read where they are.
#[test]
fn a_selection_takes_little_memory() {
    const DIM: usize = 16_384;
    let rng = &mut fastrand::Rng::with_seed(seed());
    let vectors = random(rng, 1_100, DIM);
    let params = HnswParams {
        m: 4,
        ef_construction: 8,
    };
    let graph = Hnsw::new(DIM, Metric::L2Squared, ElementType::F32, params, 1).unwrap();
    for i in 0..vectors.len() {
        graph.insert(id(i), vectors.row(i)).unwrap();
    }
    let (query, mut scratch) = (vectors.floats(3), Scratch::default());
    let some = |count| graph.select((0..count).map(id));
    let (few, many) = (some(900), some(1_100));
    let bytes = 900 * DIM / 2;
    assert!((bytes..8 << 20).contains(&few.memory_bytes()));
    assert!(many.memory_bytes() < 10_000);
    for chosen in [few, many] {
        let read = graph.scan_selected(&query, K, &chosen, &mut scratch);
        let params = self::params(usize::MAX);
        let found = graph.search_selected(&query, params, &chosen, &mut scratch);
        assert_eq!(read.unwrap(), found.unwrap());
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
        let searched = graph
            .search_selected(&query, params(20), chosen, scratch)
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

/// Sentences, of which some are selected at random, or because they are near to one of them, or far from it.
#[test]
fn searches_among_sentences_find_what_scans_find() {
    let (vectors, queries) = (load("minilm-base.npy"), load("minilm-query.npy"));
    let graph = build(&vectors, Metric::Cosine, 0..vectors.len());
    let mut scratch = Scratch::default();
    let (first, all) = (vectors.floats(0), vectors.len());
    let near_first = graph.scan_all(&first, all, &|_| true, false, &mut scratch);
    let near_first: Vec<PointId> = near_first.unwrap().iter().map(|near| near.point).collect();
    for share in [2, 3, 5, 10, 30, 100, 1_000] {
        let count = vectors.len() / share;
        let some = (0..vectors.len()).step_by(share).map(id).collect();
        let nearest = near_first[..count].to_vec();
        let farthest = near_first[all - count..].to_vec();
        for (kind, points) in [("some", some), ("nearest", nearest), ("farthest", farthest)] {
            let points: Vec<PointId> = points;
            let chosen = graph.select(points.iter().copied());
            let found = found_of_scans(&graph, &queries, &chosen, &mut scratch);
            assert!(found > 0.95, "{kind}, one in {share}: {found}");
        }
    }
}

/// How much of what a scan of a selection finds a search finds.
fn found_of_scans(
    graph: &Hnsw,
    queries: &Vectors,
    chosen: &Selection,
    scratch: &mut Scratch,
) -> f64 {
    let (mut hits, mut all) = (0, 0);
    for q in 0..100 {
        let query = queries.floats(q);
        let truth = graph.scan_selected(&query, K, chosen, scratch);
        let truth: Vec<PointId> = truth.unwrap().unwrap().iter().map(|n| n.point).collect();
        let found = graph.search_selected(&query, params(60), chosen, scratch);
        let found = found.unwrap().unwrap();
        assert!(found.is_sorted() && found.len() == truth.len());
        hits += found.iter().filter(|n| truth.contains(&n.point)).count();
        all += truth.len();
    }
    hits as f64 / all as f64
}
