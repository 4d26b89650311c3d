//! Building from many points at once: centroids are trained on a sample, then every point goes to its nearest one.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use aether_distance::{ElementType, Metric, VectorRef};
use parking_lot::Mutex;

use super::bucket::Bucket;
use super::{Draft, Ivf, IvfParams};
use crate::kmeans::Centroids;
use crate::memory::Reader;
use crate::quantize;
use crate::{PointId, Result};

/// Points per centroid that it is trained on.
const SAMPLE_PER_BUCKET: usize = 48;

/// The fewest points that a centre is the mean of.
const SAMPLE_MIN: usize = 1_000;

/// Buckets by which their alignment is measured.
const ALIGNED_BUCKETS: usize = 64;

/// Points that are placed at a time.
const BLOCK_POINTS: usize = 8_192;

/// A bucket, and the mean squared distance of its points from the centroid.
type Filled = Result<(Bucket, f32)>;

impl Ivf {
    /// An index of `points`, whose vectors `vector` gives by their place in `points`, built by `threads` threads. The
    /// result depends on the seed, not on the number of threads. A point that comes twice counts once.
    ///
    /// Work grows with the square of the number of points as long as there are few, with its power of one and a half from about
    /// 100,000 on. Takes 4 bytes per component of a sample of them, about a third, besides what the index itself takes.
    ///
    /// # Errors
    /// As [`new`](Ivf::new) and [`insert`](Ivf::insert).
    pub fn build<'a>(
        (dim, metric, element): (usize, Metric, ElementType),
        params: IvfParams,
        seed: u64,
        points: &[PointId],
        vector: impl Fn(usize) -> VectorRef<'a> + Sync,
        threads: usize,
    ) -> Result<Ivf> {
        let buckets = points.len() / usize::from(params.validate()?.bucket_points);
        let ivf = Ivf::new(dim, metric, element, params, seed)?;
        for i in 0..points.len() {
            ivf.suits(&vector(i), element)?;
        }
        let sample = buckets.saturating_mul(SAMPLE_PER_BUCKET).max(SAMPLE_MIN);
        let sample = sample.min(points.len());
        let sample = || (0..sample).map(|i| vector(i * points.len() / sample));
        let ivf = ivf.with_centre(&quantize::mean(metric, dim, sample()))?;
        let centroids = ivf.train(sample(), buckets.max(1), threads);
        let nearest = ivf.assign(points.len(), &vector, &centroids, threads);
        let reader = ivf.nodes.read();
        let mut slots = vec![Vec::new(); centroids.len()];
        for (slots, members) in slots.iter_mut().zip(by_bucket(&nearest, centroids.len())) {
            for i in members {
                if ivf.points.find(points[i], &reader).is_none() {
                    let slot = ivf.store(points[i], vector(i))?;
                    ivf.points.insert(points[i], slot, &reader);
                    slots.push(slot);
                }
            }
            ivf.live.fetch_add(slots.len(), Relaxed);
        }
        ivf.fill_buckets(&centroids, &slots, &reader, threads)?;
        ivf.align(&reader);
        let mut next = 0;
        while let Some(long) = ivf.long_bucket(&mut next) {
            let _writer = ivf.writer.lock();
            ivf.split(long, &reader)?;
        }
        drop(reader);
        Ok(ivf)
    }

    /// Centroids of a sample.
    fn train<'a>(
        &self,
        sample: impl Iterator<Item = VectorRef<'a>>,
        buckets: usize,
        threads: usize,
    ) -> Centroids {
        let mut draft = Draft::default();
        for vector in sample {
            self.space
                .place(vector, &mut draft.floats, &mut draft.rotated);
        }
        Centroids::fit(
            &draft.rotated,
            self.space.width(),
            buckets,
            self.seed,
            threads,
        )
    }

    /// The nearest centroid of each vector.
    fn assign<'a>(
        &self,
        count: usize,
        vector: &(impl Fn(usize) -> VectorRef<'a> + Sync),
        centroids: &Centroids,
        threads: usize,
    ) -> Vec<u32> {
        let mut nearest = vec![0; count];
        let blocks = Mutex::new(
            (0..)
                .step_by(BLOCK_POINTS)
                .zip(nearest.chunks_mut(BLOCK_POINTS)),
        );
        let next = || blocks.lock().next();
        on_threads(threads, || {
            let mut draft = Draft::default();
            while let Some((start, nearest)) = next() {
                draft.rotated.clear();
                for i in start..start + nearest.len() {
                    self.space
                        .place(vector(i), &mut draft.floats, &mut draft.rotated);
                }
                nearest.copy_from_slice(&centroids.nearest(&draft.rotated, 1));
            }
        });
        nearest
    }

    /// Makes the buckets of these slots.
    fn fill_buckets(
        &self,
        centroids: &Centroids,
        slots: &[Vec<u32>],
        reader: &Reader<'_>,
        threads: usize,
    ) -> Result<()> {
        let filled: Vec<Mutex<Option<Filled>>> = slots.iter().map(|_| Mutex::default()).collect();
        let next = AtomicUsize::new(0);
        on_threads(threads, || {
            let mut draft = Draft::default();
            loop {
                let i = next.fetch_add(1, Relaxed);
                let Some(slots) = slots.get(i) else {
                    break;
                };
                let bucket = self.bucket_of(centroids.row(i), slots, reader, &mut draft);
                *filled[i].lock() = Some(bucket);
            }
        });
        let mut directory = self.directory.write();
        for (i, bucket) in filled.into_iter().enumerate() {
            let filled = bucket.into_inner();
            let (bucket, spread) = filled.expect("every bucket was somebody's turn")?;
            if bucket.len() > 0 {
                directory.push(&self.space, centroids.row(i), spread, bucket)?;
            }
        }
        Ok(())
    }

    /// A bucket of these slots, and the mean squared distance of its points from the centroid.
    pub(super) fn bucket_of(
        &self,
        centroid: &[f32],
        slots: &[u32],
        reader: &Reader<'_>,
        draft: &mut Draft,
    ) -> Filled {
        let mut bucket = Bucket::new(self.space.code_bytes());
        bucket.reserve(slots.len())?;
        let mut squares = 0.0;
        for &slot in slots {
            draft.rotated.clear();
            if let Some(node) = reader.node(slot)
                && self.place(slot, reader, &mut draft.floats, &mut draft.rotated)
            {
                squares += self.space.encode(&draft.rotated, centroid, &mut draft.code);
                bucket.push(&draft.code, slot, PointId(node.id()))?;
            }
        }
        let spread = squares / bucket.len().max(1) as f32;
        Ok((bucket, spread))
    }

    /// Measures how the points of some buckets lie towards those of the nearest other one.
    fn align(&self, reader: &Reader<'_>) {
        let directory = self.directory.read();
        let mut draft = Draft::default();
        let step = directory.len().div_ceil(ALIGNED_BUCKETS).max(1);
        for bucket in (0..).take(directory.len()).step_by(step) {
            let centroid = directory.centroid(&self.space, bucket);
            let Some(beside) = directory.nearest(&self.space, centroid, Some(bucket)) else {
                return;
            };
            let mut rows_of = |bucket: u32| {
                let mut rows = Vec::new();
                for slot in directory.bucket(bucket).read().slots() {
                    self.place(slot, reader, &mut draft.floats, &mut rows);
                }
                rows
            };
            let (own, others) = (rows_of(bucket), rows_of(beside));
            directory.align(&self.space, centroid, &own, &others);
        }
    }

    /// A bucket that is too long, from `next` on.
    fn long_bucket(&self, next: &mut u32) -> Option<u32> {
        let directory = self.directory.read();
        while (*next as usize) < directory.len() {
            if directory.bucket(*next).read().len() > self.params.bucket_points_max() {
                return Some(*next);
            }
            *next += 1;
        }
        None
    }
}

/// The places of the points of each bucket, in their order.
fn by_bucket(nearest: &[u32], buckets: usize) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); buckets];
    for (i, &bucket) in nearest.iter().enumerate() {
        members[bucket as usize].push(i);
    }
    members
}

/// Does `work` on so many threads at once.
fn on_threads(threads: usize, work: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(&work);
        }
        work();
    });
}
