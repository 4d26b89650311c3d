//! Building from many points at once: centroids are trained on a sample, then every point goes to its nearest one.

use std::sync::atomic::Ordering::Relaxed;

use aether_distance::{ElementType, Metric, VectorRef};

use super::bucket::Bucket;
use super::{Draft, Ivf, IvfParams};
use crate::kmeans::Centroids;
use crate::memory::Reader;
use crate::partition::{self, numbers_of};
use crate::quantize;
use crate::work::{BuildOptions, Work};
use crate::{PointId, Result};

/// Points per centroid that it is trained on.
const SAMPLE_PER_BUCKET: usize = 48;

/// The fewest points that a centre is the mean of.
const SAMPLE_MIN: usize = 1_000;

/// Buckets by which their alignment is measured.
const ALIGNED_BUCKETS: usize = 64;

/// Steps of work on each point, besides training: it is assigned, stored and put into its bucket.
const STEPS: usize = 3;

/// A bucket, and the mean squared distance of its points from the centroid.
type Filled = Result<(Bucket, f32)>;

impl Ivf {
    /// An index of `points`, whose vectors `vector` gives by their place in `points`, built as `options` say. The
    /// result depends on the seed, not on the number of threads. A point that comes twice counts once.
    ///
    /// Work grows with the square of the number of points as long as there are few, with its power of one and a half from about
    /// 100,000 on. Takes 4 bytes per component of a sample of them, about a third, besides what the index itself takes.
    ///
    /// # Errors
    /// As [`new`](Ivf::new) and [`insert`](Ivf::insert); [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    pub fn build<'a>(
        (dim, metric, element): (usize, Metric, ElementType),
        params: IvfParams,
        seed: u64,
        points: &[PointId],
        vector: impl Fn(usize) -> VectorRef<'a> + Sync,
        options: BuildOptions<'_>,
    ) -> Result<Ivf> {
        let buckets = points.len() / usize::from(params.validate()?.bucket_points);
        let ivf = Ivf::new(dim, metric, element, params, seed)?;
        for i in 0..points.len() {
            ivf.suits(&vector(i), element)?;
        }
        let numbers = numbers_of(points)?;
        let sample = buckets.saturating_mul(SAMPLE_PER_BUCKET).max(SAMPLE_MIN);
        let sample = sample.min(points.len());
        let steps = points.len() * STEPS + Centroids::fit_steps(sample, buckets.max(1));
        let work = Work::new(options, points.len(), steps);
        let sample = || (0..sample).map(|i| vector(i * points.len() / sample));
        let ivf = ivf.with_centre(&quantize::mean(metric, dim, sample()))?;
        let centroids = partition::train(&ivf.space, sample(), buckets.max(1), seed, &work)?;
        let parts = partition::assign(&ivf.space, &centroids, &numbers, &vector, &work)?;
        let reader = ivf.nodes.read();
        let mut slots = vec![Vec::new(); centroids.len()];
        for (slots, members) in slots.iter_mut().zip(parts) {
            for &i in &members {
                let (point, vector) = (points[i as usize], vector(i as usize));
                if ivf.points.find(point, &reader).is_none() {
                    let slot = ivf.store(point, vector)?;
                    ivf.points.insert(point, slot, &reader);
                    slots.push(slot);
                }
            }
            ivf.live.fetch_add(slots.len(), Relaxed);
            work.advance(members.len())?;
        }
        ivf.fill_buckets(&centroids, &slots, &reader, &work)?;
        ivf.align(&reader);
        let mut next = 0;
        while let Some(long) = ivf.long_bucket(&mut next) {
            work.advance(0)?;
            let _writer = ivf.writer.lock();
            ivf.split(long, &reader)?;
        }
        drop(reader);
        Ok(ivf)
    }

    /// Makes the buckets of these slots.
    fn fill_buckets(
        &self,
        centroids: &Centroids,
        slots: &[Vec<u32>],
        reader: &Reader<'_>,
        work: &Work<'_>,
    ) -> Result<()> {
        let filled = work.map((0..).zip(slots), Draft::default, |draft, (i, slots)| {
            work.advance(slots.len())?;
            self.bucket_of(centroids.row(i), slots, reader, draft)
        })?;
        let mut directory = self.directory.write();
        for (i, (bucket, spread)) in filled.into_iter().enumerate() {
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
            directory.align(centroid, &own, &others);
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
