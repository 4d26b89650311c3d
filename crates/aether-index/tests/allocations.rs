//! Searches allocate nothing but what they return.

use aether_distance::{ElementType, Metric, VectorRef};
use aether_index::{
    BuildOptions, Hnsw, HnswParams, Ivf, IvfParams, IvfScratch, PointId, Scratch, SearchParams,
};

const DIM: usize = 32;
const POINTS: usize = 2_000;
const QUERIES: usize = 100;

#[test]
fn searches_allocate_only_what_they_return() {
    let mut random = fastrand::Rng::with_seed(11);
    let rows: Vec<f32> = (0..POINTS * DIM).map(|_| random.f32()).collect();
    let points: Vec<PointId> = (0..POINTS as u64).map(PointId).collect();
    let vector = |i: usize| VectorRef::F32(&rows[i * DIM..][..DIM]);
    let (shape, alone) = (
        (DIM, Metric::L2Squared, ElementType::F32),
        BuildOptions::ALONE,
    );
    let graph = Hnsw::build(shape, HnswParams::DEFAULT, 1, &points, vector, alone).unwrap();
    let buckets = Ivf::build(shape, IvfParams::DEFAULT, 1, &points, vector, alone).unwrap();
    let params = SearchParams {
        k: 10,
        ef: 100,
        include_dead: false,
    };
    let (mut of_graph, mut of_buckets) = (Scratch::default(), IvfScratch::default());
    let mut search = || {
        for query in rows.chunks_exact(DIM).take(QUERIES) {
            graph.search(query, params, None, &mut of_graph).unwrap();
            buckets
                .search(query, params, None, &mut of_buckets)
                .unwrap();
        }
    };
    search();
    let allocations = allocation_counter::measure(search).count_total;
    assert_eq!(allocations, 2 * QUERIES as u64);
}
