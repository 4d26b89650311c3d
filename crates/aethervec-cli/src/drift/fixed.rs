//! What an index without upkeep is like: buckets around centroids that were trained on the first points and never change.
//!
//! A point lies in the bucket of its nearest centroid. A search compares with all points of as many nearest buckets as reached the
//! wanted recall at the beginning.

use super::distance;
use fastrand::Rng;
use std::collections::HashMap;

/// Points for each centroid.
const BUCKET_POINTS: usize = 64;

const TRAINING_ROUNDS: usize = 8;

/// Buckets around fixed centroids.
#[derive(Debug)]
pub(crate) struct FixedBuckets {
    dimension: usize,
    centroids: Vec<f32>,
    buckets: Vec<Bucket>,
    /// Which bucket a point is in, and where there.
    places: HashMap<u32, (usize, usize)>,
    /// Buckets that a search looks at.
    pub(crate) probes: usize,
}

#[derive(Clone, Debug, Default)]
struct Bucket {
    ids: Vec<u32>,
    vectors: Vec<f32>,
}

impl FixedBuckets {
    /// Empty buckets, their centroids trained on `vectors`.
    pub(crate) fn train(vectors: &[f32], dimension: usize, seed: u64) -> FixedBuckets {
        let points = vectors.len() / dimension;
        let count = (points / BUCKET_POINTS).max(1);
        let mut rng = Rng::with_seed(seed);
        let chosen = rng.choose_multiple(0..points, count);
        let mut centroids: Vec<f32> = Vec::with_capacity(count * dimension);
        for point in chosen {
            centroids.extend_from_slice(&vectors[point * dimension..][..dimension]);
        }
        let mut fixed = FixedBuckets {
            dimension,
            buckets: vec![Bucket::default(); centroids.len() / dimension],
            centroids,
            places: HashMap::new(),
            probes: 1,
        };
        for _ in 0..TRAINING_ROUNDS {
            fixed.round(vectors);
        }
        fixed
    }

    /// A round of Lloyd's algorithm: each centroid becomes the mean of what is nearest to it.
    fn round(&mut self, vectors: &[f32]) {
        let mut sums = vec![0.0; self.centroids.len()];
        let mut counts = vec![0.0_f32; self.buckets.len()];
        for vector in vectors.chunks_exact(self.dimension) {
            let nearest = self.nearest(vector);
            counts[nearest] += 1.0;
            let sum = &mut sums[nearest * self.dimension..][..self.dimension];
            sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
        }
        let centroids = self.centroids.chunks_exact_mut(self.dimension);
        let sums = sums.chunks_exact(self.dimension);
        for ((centroid, sum), count) in centroids.zip(sums).zip(counts) {
            if count > 0.0 {
                let means = sum.iter().map(|sum| sum / count);
                centroid
                    .iter_mut()
                    .zip(means)
                    .for_each(|(c, mean)| *c = mean);
            }
        }
    }

    fn nearest(&self, vector: &[f32]) -> usize {
        let centroids = self.centroids.chunks_exact(self.dimension);
        let distances = centroids.map(|centroid| distance(centroid, vector));
        let nearest = distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        nearest.map_or(0, |(bucket, _)| bucket)
    }

    /// How many buckets there are.
    pub(crate) fn buckets(&self) -> usize {
        self.buckets.len()
    }

    pub(crate) fn insert(&mut self, id: u32, vector: &[f32]) {
        let number = self.nearest(vector);
        let bucket = &mut self.buckets[number];
        self.places.insert(id, (number, bucket.ids.len()));
        bucket.ids.push(id);
        bucket.vectors.extend_from_slice(vector);
    }

    pub(crate) fn remove(&mut self, id: u32) {
        let Some((number, place)) = self.places.remove(&id) else {
            return;
        };
        let bucket = &mut self.buckets[number];
        let last = bucket.ids.len() - 1;
        bucket.ids.swap_remove(place);
        let (start, end) = (last * self.dimension, (last + 1) * self.dimension);
        bucket
            .vectors
            .copy_within(start..end, place * self.dimension);
        bucket.vectors.truncate(start);
        if let Some(moved) = bucket.ids.get(place) {
            self.places.insert(*moved, (number, place));
        }
    }

    /// The `k` nearest points of the nearest buckets.
    pub(crate) fn search(&self, query: &[f32], k: usize) -> Vec<u32> {
        let centroids = self.centroids.chunks_exact(self.dimension);
        let mut order: Vec<(f32, usize)> = centroids
            .map(|centroid| distance(centroid, query))
            .zip(0..)
            .collect();
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut found: Vec<(f32, u32)> = Vec::new();
        for &(_, number) in order.iter().take(self.probes) {
            let bucket = &self.buckets[number];
            let vectors = bucket.vectors.chunks_exact(self.dimension);
            let distances = vectors.map(|vector| distance(vector, query));
            found.extend(distances.zip(bucket.ids.iter().copied()));
        }
        found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        found.into_iter().take(k).map(|(_, id)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_buckets_have_all_points_that_are_there() {
        let mut rng = Rng::with_seed(7);
        let vectors: Vec<f32> = (0..300 * 4).map(|_| rng.f32()).collect();
        let mut fixed = FixedBuckets::train(&vectors, 4, 7);
        for (id, vector) in (0..).zip(vectors.chunks_exact(4)) {
            fixed.insert(id, vector);
        }
        for id in (0..300).filter(|id| id % 3 == 0) {
            fixed.remove(id);
            fixed.remove(id);
        }
        fixed.probes = fixed.buckets();
        for (id, vector) in (0..).zip(vectors.chunks_exact(4)) {
            let found = fixed.search(vector, 300);
            assert_eq!(found.len(), 200);
            assert_eq!(found[0] == id, id % 3 != 0);
        }
    }
}
