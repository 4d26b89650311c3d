//! All buckets and their centroids.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use aether_distance::{BLOCK_CODES, prefetch};
use parking_lot::{RwLock, RwLockReadGuard};

use super::bucket::Bucket;
use super::rank::{self, Ranked, Ranking};
use super::space::{Code, Outlook, Query, Space};
use crate::memory::NO_SLOT;
use crate::{PointId, Result};

/// The buckets. Readers hold a lock on all of them while they search, so that none is split or given up meanwhile; points
/// are added under the lock of one bucket.
#[derive(Debug)]
pub(super) struct Directory {
    /// The codes of the centroids, in the bucket around the origin.
    codes: Bucket,
    /// Rotated, row by row.
    centroids: Vec<f32>,
    /// Of each bucket, the mean squared distance of its points from the centroid: the bits of a float.
    spreads: Vec<AtomicU32>,
    buckets: Vec<RwLock<Bucket>>,
    /// The share of the squared distance of points from their centroid that lies, on average, in the direction of a query:
    /// the bits of a float. One divided by the number of dimensions that the data seem to have.
    alignment: AtomicU32,
    /// How often buckets came or went.
    pub(super) changes: u64,
}

fn code_of(space: &Space, centroid: &[f32]) -> Code {
    let mut code = Code::default();
    space.encode(centroid, &vec![0.0; centroid.len()], &mut code);
    code
}

impl Directory {
    pub(super) fn new(space: &Space) -> Directory {
        Directory {
            codes: Bucket::new(space.code_bytes()),
            centroids: Vec::new(),
            spreads: Vec::new(),
            buckets: Vec::new(),
            alignment: AtomicU32::new(0),
            changes: 0,
        }
    }

    /// Buckets of a checkpoint, one for each row of `centroids`, with their spreads; `codes` are those of the centroids.
    pub(super) fn over(
        codes: Bucket,
        centroids: Vec<f32>,
        buckets: Vec<(Bucket, f32)>,
        alignment: f32,
    ) -> Directory {
        let (buckets, spreads): (Vec<Bucket>, Vec<f32>) = buckets.into_iter().unzip();
        Directory {
            codes,
            centroids,
            spreads: spreads
                .into_iter()
                .map(|spread| AtomicU32::new(spread.to_bits()))
                .collect(),
            buckets: buckets.into_iter().map(RwLock::new).collect(),
            alignment: AtomicU32::new(alignment.to_bits()),
            changes: 0,
        }
    }

    /// The centroids, row by row, and their codes.
    pub(super) fn centroids(&self) -> (&[f32], &Bucket) {
        (&self.centroids, &self.codes)
    }

    pub(super) fn len(&self) -> usize {
        self.buckets.len()
    }

    pub(super) fn buckets(&self) -> &[RwLock<Bucket>] {
        &self.buckets
    }

    pub(super) fn bucket(&self, i: u32) -> &RwLock<Bucket> {
        &self.buckets[i as usize]
    }

    pub(super) fn centroid(&self, space: &Space, i: u32) -> &[f32] {
        let width = space.width();
        &self.centroids[i as usize * width..][..width]
    }

    /// The mean squared distance of a bucket's points from its centroid.
    pub(super) fn spread(&self, i: u32) -> f32 {
        f32::from_bits(self.spreads[i as usize].load(Relaxed))
    }

    pub(super) fn set_spread(&self, i: u32, spread: f32) {
        self.spreads[i as usize].store(spread.to_bits(), Relaxed);
    }

    /// Measures how points `own` of a bucket lie towards the `others` of one beside it; all of them rotated rows.
    pub(super) fn align(&self, centroid: &[f32], own: &[f32], others: &[f32]) {
        let measured = rank::alignment(self.alignment(), centroid, own, others);
        self.alignment.store(measured.to_bits(), Relaxed);
    }

    /// 0 before the first measurement.
    pub(super) fn alignment(&self) -> f32 {
        f32::from_bits(self.alignment.load(Relaxed))
    }

    /// Adds a bucket.
    pub(super) fn push(
        &mut self,
        space: &Space,
        centroid: &[f32],
        spread: f32,
        bucket: Bucket,
    ) -> Result<()> {
        self.codes
            .push(&code_of(space, centroid), NO_SLOT, PointId(0))?;
        self.changes += 1;
        self.centroids.extend_from_slice(centroid);
        self.spreads.push(AtomicU32::new(spread.to_bits()));
        self.buckets.push(RwLock::new(bucket));
        Ok(())
    }

    /// Puts a bucket into the place of another.
    pub(super) fn replace(
        &mut self,
        space: &Space,
        i: u32,
        centroid: &[f32],
        spread: f32,
        bucket: Bucket,
    ) {
        let i = i as usize;
        self.codes
            .set(i, &code_of(space, centroid), NO_SLOT, PointId(0));
        self.changes += 1;
        self.centroids[i * centroid.len()..][..centroid.len()].copy_from_slice(centroid);
        self.spreads[i] = AtomicU32::new(spread.to_bits());
        self.buckets[i] = RwLock::new(bucket);
    }

    /// Takes a bucket out; the last one takes its number.
    pub(super) fn swap_remove(&mut self, space: &Space, i: u32) {
        let (i, width) = (i as usize, space.width());
        self.codes.swap_remove(i);
        self.changes += 1;
        let last = (self.buckets.len() - 1) * width;
        self.centroids.copy_within(last.., i * width);
        self.centroids.truncate(last);
        self.spreads.swap_remove(i);
        self.buckets.swap_remove(i);
    }

    /// The bucket whose centroid is nearest to a rotated vector; `None` without buckets.
    pub(super) fn nearest(
        &self,
        space: &Space,
        rotated: &[f32],
        except: Option<u32>,
    ) -> Option<u32> {
        let rows = (0..).zip(self.centroids.chunks_exact(space.width()));
        let others = rows.filter(|&(i, _)| Some(i) != except);
        let distances = others.map(|(i, row)| (space.kernels.l2_f32(rotated, row), i));
        distances.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, i)| i)
    }

    /// The buckets that have points, of which `points_of` tells how many, each with the distance of the nearest one that can be
    /// hoped for, by estimates.
    pub(super) fn rank(
        &self,
        space: &Space,
        query: &mut Query,
        ranked: &mut Vec<Ranked>,
        points_of: impl Fn(u32) -> u32,
    ) {
        let ranking = Ranking::new(space, query, self.alignment());
        ranked.clear();
        let blocks = self.codes.blocks().zip(self.spreads.chunks(BLOCK_CODES));
        for (first, (block, spreads)) in (0..).step_by(BLOCK_CODES).zip(blocks) {
            let bases = Ranking::bases(query, &block);
            let buckets = (first..).zip(bases.iter().zip(spreads));
            let buckets = buckets.map(|(bucket, of)| (bucket, points_of(bucket), of));
            let some = buckets.filter(|&(_, points, _)| points > 0);
            ranked.extend(some.map(|(bucket, points, (&base, spread))| {
                let spread = f32::from_bits(spread.load(Relaxed));
                ranking.rank(bucket, base, spread, points)
            }));
        }
    }

    /// The contents of a bucket. Asks the memory for what a search reads of it first.
    #[inline]
    pub(super) fn open(&self, space: &Space, i: u32) -> RwLockReadGuard<'_, Bucket> {
        prefetch(bytemuck::cast_slice(self.centroid(space, i)));
        let bucket = self.bucket(i).read();
        bucket.prefetch();
        bucket
    }

    /// What a bucket is to a query, exactly.
    #[inline]
    pub(super) fn outlook(&self, space: &Space, query: &Query, bucket: u32) -> Outlook {
        space.outlook(query, self.centroid(space, bucket))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let buckets: usize = self
            .buckets
            .iter()
            .map(|bucket| bucket.read().memory_bytes())
            .sum();
        buckets
            + self.codes.memory_bytes()
            + self.centroids.capacity() * size_of::<f32>()
            + self.spreads.capacity() * size_of::<f32>()
            + self.buckets.capacity() * size_of::<RwLock<Bucket>>()
    }
}
