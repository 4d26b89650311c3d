//! Buckets in a store: what they find, how they keep up, and what they leave behind.

use aether_distance::{ElementType, Metric, VectorRef};
use aether_index::{
    Candidate, Drift, DriftScratch, Error, ImageCache, IvfParams, PointId, Row, SearchParams, Store,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};

const DIM: usize = 24;

/// A header and a body.
type Contents = (Vec<u8>, Vec<u8>);

/// Rows and vectors in memory.
#[derive(Default)]
struct Memory {
    state: RwLock<Vec<u8>>,
    buckets: RwLock<BTreeMap<u32, Contents>>,
    vectors: RwLock<HashMap<u64, Vec<f32>>>,
    dead: RwLock<HashSet<u64>>,
    /// Commits fail while this is set.
    fails: AtomicBool,
}

#[derive(Debug)]
enum Failure {
    Store,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        panic!("{error}, though nothing is damaged")
    }
}

impl Store for Memory {
    type Error = Failure;
    type Body = Vec<u8>;

    fn bodies(&self, buckets: &[u32]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let stored = self.buckets.read().unwrap();
        let body = |bucket| stored.get(bucket).map(|(_, body)| body.clone());
        Ok(buckets.iter().map(body).collect())
    }

    fn vectors(
        &self,
        points: &[PointId],
        show: &mut dyn FnMut(usize, VectorRef<'_>),
    ) -> Result<(), Failure> {
        let vectors = self.vectors.read().unwrap();
        for (place, point) in points.iter().enumerate() {
            if let Some(vector) = vectors.get(&point.0) {
                show(place, VectorRef::F32(vector));
            }
        }
        Ok(())
    }

    fn is_dead(&self, point: PointId) -> bool {
        self.dead.read().unwrap().contains(&point.0)
    }

    fn commit(&self, rows: &[Row]) -> Result<(), Failure> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(Failure::Store);
        }
        let mut buckets = self.buckets.write().unwrap();
        for row in rows {
            match row {
                Row::State(state) => *self.state.write().unwrap() = state.clone(),
                Row::Create(number, header, body) => {
                    let new = buckets.insert(*number, (header.clone(), body.clone()));
                    assert!(new.is_none(), "a number is given once");
                }
                Row::Append(number, header, body) => {
                    let bucket = buckets.get_mut(number).expect("only to what is there");
                    bucket.0.extend_from_slice(header);
                    bucket.1.extend_from_slice(body);
                }
                Row::Remove(number) => {
                    buckets.remove(number).expect("only what is there");
                }
                _ => unreachable!(),
            }
        }
        Ok(())
    }
}

/// An index, its store, and what it should hold.
struct World {
    drift: Drift,
    store: Memory,
    params: IvfParams,
    metric: Metric,
    next: u64,
    random: fastrand::Rng,
}

fn small() -> IvfParams {
    IvfParams { bucket_points: 32 }
}

impl World {
    fn new(metric: Metric, cache_bytes: usize, seed: u64) -> World {
        let cache = ImageCache::new(cache_bytes);
        let drift = Drift::new(
            (DIM, metric, ElementType::F32),
            small(),
            7,
            vec![0.0; DIM],
            cache,
        );
        World {
            drift: drift.unwrap(),
            store: Memory::default(),
            params: small(),
            metric,
            next: 0,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// A point near one of eight centres, which are `shift` away from where they began.
    fn vector(&mut self, shift: f32) -> Vec<f32> {
        let centre = self.random.u32(0..8);
        let mut of_centre = fastrand::Rng::with_seed(u64::from(centre));
        (0..DIM)
            .map(|_| of_centre.f32() * 4.0 + shift + self.random.f32())
            .collect()
    }

    fn append(&mut self, count: usize, shift: f32) -> Result<(), Failure> {
        let vectors: Vec<Vec<f32>> = (0..count).map(|_| self.vector(shift)).collect();
        let points: Vec<PointId> = (self.next..).take(count).map(PointId).collect();
        self.next += count as u64;
        for (point, vector) in points.iter().zip(&vectors) {
            self.store
                .vectors
                .write()
                .unwrap()
                .insert(point.0, vector.clone());
        }
        let appended = self
            .drift
            .append(&points, |i| VectorRef::F32(&vectors[i]), &self.store);
        if appended.is_err() {
            for point in points {
                self.store.vectors.write().unwrap().remove(&point.0);
            }
        }
        appended
    }

    fn kill(&mut self, count: usize) {
        let mut alive = self.alive();
        self.random.shuffle(&mut alive);
        self.store
            .dead
            .write()
            .unwrap()
            .extend(alive.into_iter().take(count));
    }

    fn alive(&self) -> Vec<u64> {
        let dead = self.store.dead.read().unwrap();
        let vectors = self.store.vectors.read().unwrap();
        let mut alive: Vec<u64> = vectors
            .keys()
            .copied()
            .filter(|point| !dead.contains(point))
            .collect();
        alive.sort_unstable();
        alive
    }

    fn dead(&self) -> u64 {
        self.drift.records() - self.alive().len() as u64
    }

    fn maintain(&mut self) -> Result<(), Failure> {
        while self.drift.maintain(500, self.dead(), &self.store)? {}
        Ok(())
    }

    /// The same from its rows.
    fn reopen(&mut self, cache_bytes: usize) {
        let buckets = self.store.buckets.read().unwrap();
        let headers: Vec<(u32, Vec<u8>)> = buckets
            .iter()
            .map(|(&number, (header, _))| (number, header.clone()))
            .collect();
        let state = self.store.state.read().unwrap();
        let kind = (DIM, self.metric, ElementType::F32);
        let cache = ImageCache::new(cache_bytes);
        self.drift = Drift::open(kind, self.params, &state, headers, cache).unwrap();
    }

    fn check(&self) {
        let summary = self.drift.check(&self.store).unwrap();
        let mut found: Vec<u64> = summary.alive.iter().map(|point| point.0).collect();
        found.sort_unstable();
        assert_eq!(found, self.alive());
    }

    fn exact(&self, query: &[f32], k: usize) -> Vec<Candidate> {
        let alive: Vec<PointId> = self.alive().into_iter().map(PointId).collect();
        self.drift.scan(query, k, &alive, &self.store).unwrap()
    }

    fn recall(&mut self, ef: usize, shift: f32) -> f64 {
        let mut scratch = DriftScratch::default();
        let (k, mut found_all) = (10, 0);
        let queries: Vec<Vec<f32>> = (0..100).map(|_| self.vector(shift)).collect();
        for query in &queries {
            let truth: HashSet<PointId> =
                self.exact(query, k).iter().map(|near| near.point).collect();
            let params = SearchParams {
                k,
                ef,
                include_dead: false,
            };
            let alive = |point: PointId| !self.store.is_dead(point);
            let found = self
                .drift
                .search(
                    query,
                    params,
                    Some(&alive),
                    usize::MAX,
                    &self.store,
                    &mut scratch,
                )
                .unwrap()
                .unwrap();
            assert!(found.is_sorted());
            found_all += found
                .iter()
                .filter(|near| truth.contains(&near.point))
                .count();
        }
        found_all as f64 / (k * queries.len()) as f64
    }
}

#[test]
fn points_are_found_by_every_metric() {
    for metric in [Metric::L2Squared, Metric::Cosine, Metric::InnerProduct] {
        let mut world = World::new(metric, 1 << 30, 1);
        for _ in 0..10 {
            world.append(400, 0.0).unwrap();
            world.maintain().unwrap();
        }
        world.check();
        let stats = world.drift.stats();
        assert!(stats.buckets > 60 && stats.splits > 30, "{stats:?}");
        assert_eq!(stats.records, 4_000);
        let recall = world.recall(400, 0.0);
        assert!(recall >= 0.95, "{metric}: {recall}");
    }
}

#[test]
fn a_scan_of_all_buckets_misses_next_to_nothing() {
    for (metric, seed) in [(Metric::L2Squared, 11), (Metric::InnerProduct, 12)] {
        // Copies of all buckets, and of hardly any: a search lets go of them as it goes on.
        for cache_bytes in [1 << 30, 10_000] {
            let mut world = World::new(metric, cache_bytes, seed);
            for _ in 0..10 {
                world.append(1_000, 0.0).unwrap();
                world.maintain().unwrap();
            }
            assert!(world.drift.stats().buckets > 200);
            let (k, queries, mut missed) = (10, 100, 0);
            let mut scratch = DriftScratch::default();
            for _ in 0..queries {
                let query = world.vector(0.0);
                let truth = world.exact(&query, k);
                let all = |_: PointId| true;
                let found = world
                    .drift
                    .scan_all(&query, k, &all, &world.store, &mut scratch)
                    .unwrap();
                missed += truth.iter().filter(|near| !found.contains(near)).count();
            }
            assert!(missed <= 1, "{metric}: {missed} of {}", k * queries);
        }
    }
}

#[test]
fn nothing_is_lost_however_it_changes_and_whenever_it_is_opened() {
    for seed in 0..4 {
        let mut world = World::new(Metric::L2Squared, 1 << 30, seed);
        for round in 0..30 {
            let shift = round as f32 * 0.2;
            let count = world.random.usize(0..300);
            world.append(count, shift).unwrap();
            let killed = world.random.usize(0..200);
            world.kill(killed);
            match world.random.u32(0..4) {
                0 => world.reopen(1 << 30),
                1 => world.reopen(20_000),
                2 => {
                    // A step that was interrupted: the rest comes after opening.
                    let dead = world.dead();
                    world.drift.maintain(100, dead, &world.store).unwrap();
                }
                _ => world.maintain().unwrap(),
            }
            world.check();
        }
        world.maintain().unwrap();
        let recall = world.recall(400, 5.8);
        assert!(recall >= 0.95, "seed {seed}: {recall}");
    }
}

#[test]
fn a_commit_that_fails_changes_nothing() {
    let mut world = World::new(Metric::L2Squared, 1 << 30, 5);
    world.append(1_000, 0.0).unwrap();
    for _ in 0..6 {
        world.append(300, 0.5).unwrap();
        world.kill(150);
        world.store.fails.store(true, Ordering::Relaxed);
        assert!(matches!(world.append(100, 0.5), Err(Failure::Store)));
        assert!(matches!(world.maintain(), Err(Failure::Store) | Ok(())));
        world.check();
        assert!(world.recall(400, 0.5) >= 0.95);
        world.store.fails.store(false, Ordering::Relaxed);
        world.maintain().unwrap();
        world.check();
    }
    assert!(world.drift.stats().splits > 0);
}

#[test]
fn buckets_follow_what_moves_away() {
    let mut world = World::new(Metric::L2Squared, 1 << 30, 6);
    for round in 0..40 {
        let shift = round as f32 * 0.25;
        world.append(100, shift).unwrap();
        if round >= 20 {
            // The oldest go.
            let oldest: Vec<u64> = world.alive().into_iter().take(100).collect();
            world.store.dead.write().unwrap().extend(oldest);
        }
        world.maintain().unwrap();
    }
    world.check();
    let stats = world.drift.stats();
    assert!(stats.cleaned > 500 && stats.buckets < 200, "{stats:?}");
    assert!(world.recall(400, 9.75) >= 0.95);
}

#[test]
fn it_is_told_what_is_due_and_how_far_the_data_have_moved() {
    let mut world = World::new(Metric::L2Squared, 1 << 30, 11);
    assert_eq!(world.drift.stats().drift, 1.0);
    world.append(32, 0.0).unwrap();
    assert_eq!(world.drift.stats().due, 0);
    // More than a bucket may have.
    world.append(200, 0.0).unwrap();
    let stats = world.drift.stats();
    assert!(stats.due > 0, "{stats:?}");
    world.reopen(1 << 30);
    assert_eq!(world.drift.stats().due, stats.due);
    world.maintain().unwrap();
    let stats = world.drift.stats();
    assert_eq!(stats.due, 0);
    assert!((0.9..1.1).contains(&stats.drift), "{stats:?}");
    let buckets = stats.buckets;
    assert_eq!(stats.temperatures.iter().sum::<u64>(), buckets);
    assert_eq!(stats.temperatures[1..].iter().sum::<u64>(), stats.cached);
    // A pass is due for all buckets, from its first step on.
    world.kill(150);
    world.drift.maintain(1, world.dead(), &world.store).unwrap();
    assert_eq!(world.drift.stats().due, buckets);
    world.maintain().unwrap();
    // Too few, and too near, for anything to be made anew.
    for _ in 0..3 {
        world.append(8, 0.6).unwrap();
    }
    let moved = world.drift.stats().drift;
    assert!(moved > 1.02, "{moved}");
    for _ in 0..3 {
        world.recall(100, 0.0);
    }
    let stats = world.drift.stats();
    assert!(stats.temperatures[3] > 0, "{stats:?}");
    world.reopen(0);
    let stats = world.drift.stats();
    assert_eq!(stats.temperatures, [stats.buckets, 0, 0, 0]);
}

#[test]
fn a_full_memory_drops_buckets_and_reads_them_again() {
    let mut world = World::new(Metric::L2Squared, 60_000, 8);
    for _ in 0..10 {
        world.append(400, 0.0).unwrap();
        world.maintain().unwrap();
    }
    assert!(world.recall(400, 0.0) >= 0.95);
    let stats = world.drift.stats();
    assert!(stats.cached < stats.buckets / 2, "{stats:?}");
    assert!(stats.buckets_loaded > 100, "{stats:?}");
    world.check();
}

#[test]
fn searches_find_what_stays_while_everything_changes_around_it() {
    let mut world = World::new(Metric::L2Squared, 200_000, 9);
    world.append(600, 0.0).unwrap();
    let fresh: Vec<Vec<f32>> = (0..6_000)
        .map(|i| world.vector(i as f32 / 3_000.0))
        .collect();
    let World { drift, store, .. } = &world;
    let stays: Vec<(u64, Vec<f32>)> = {
        let vectors = store.vectors.read().unwrap();
        let some = vectors.iter().filter(|(point, _)| **point % 10 == 0);
        some.map(|(&point, vector)| (point, vector.clone()))
            .collect()
    };
    let ended = AtomicBool::new(false);
    let search = || {
        let mut scratch = DriftScratch::default();
        let (mut rounds, mut missed) = (0, 0);
        while !ended.load(Ordering::Acquire) || rounds == 0 {
            for (point, vector) in &stays {
                let params = SearchParams {
                    k: 1,
                    ef: 300,
                    include_dead: false,
                };
                let found = drift
                    .search(vector, params, None, usize::MAX, store, &mut scratch)
                    .unwrap()
                    .unwrap();
                missed += usize::from(found[0].point.0 != *point);
            }
            rounds += 1;
        }
        // A point is nearer to itself than all others: codes of one bit may still hide it.
        assert!(
            missed * 500 <= rounds * stays.len(),
            "{missed} in {rounds} rounds"
        );
    };
    std::thread::scope(|scope| {
        let searches = [scope.spawn(search), scope.spawn(search)];
        for (round, vectors) in fresh.chunks(100).enumerate() {
            let points: Vec<PointId> = (1_000 + 100 * round as u64..)
                .take(100)
                .map(PointId)
                .collect();
            for (point, vector) in points.iter().zip(vectors) {
                store
                    .vectors
                    .write()
                    .unwrap()
                    .insert(point.0, vector.clone());
            }
            drift
                .append(&points, |i| VectorRef::F32(&vectors[i]), store)
                .unwrap();
            let dead = points
                .iter()
                .map(|point| point.0)
                .filter(|point| point % 3 == 0);
            store.dead.write().unwrap().extend(dead);
            let alive = store.vectors.read().unwrap().len() - store.dead.read().unwrap().len();
            while drift
                .maintain(1_000, drift.records() - alive as u64, store)
                .unwrap()
            {}
        }
        ended.store(true, Ordering::Release);
        for search in searches {
            search.join().unwrap();
        }
    });
    world.check();
    let stats = world.drift.stats();
    assert!(stats.splits > 50 && stats.cleaned > 500, "{stats:?}");
}
