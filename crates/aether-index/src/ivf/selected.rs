//! Searches among points that were looked up before.

use super::{Bucket, Ivf, IvfScratch};
use crate::hnsw::SearchParams;
use crate::memory::Reader;
use crate::selection::Selection;
use crate::{Candidate, PointId, Result};
use parking_lot::RwLock;

/// Points looked up at a time.
const BATCH: usize = 32;

/// Points of which the codes are copied, at most.
const COPIED_MAX: usize = 1 << 15;

/// They are at most one of so many.
const COPIED_SHARE: usize = 4;

impl Ivf {
    /// Looks those of `points` up that are here, for many searches among them. The selection is of use until a point is
    /// inserted, a bucket is split or given up, or dead points are freed. O(points in the index). The codes of the points are
    /// copied if they are few, so that searches look at no others.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when there is no memory.
    pub fn select(&self, points: impl Iterator<Item = PointId>) -> Result<Selection> {
        let reader = self.nodes.read();
        let directory = self.directory.read();
        let mut selection = Selection::new(self.version.get(), self.nodes.bound());
        let (mut points, mut batch, mut slots) = (points.fuse(), Vec::new(), Vec::new());
        loop {
            batch.extend(points.by_ref().take(BATCH));
            if batch.is_empty() {
                break;
            }
            self.points.find_all(&batch, &reader, &mut slots);
            batch.clear();
            slots.drain(..).for_each(|slot| selection.insert(slot));
        }
        let in_bucket = |bucket: &RwLock<Bucket>| {
            let bucket = bucket.read();
            let selected = bucket.slots().filter(|&slot| selection.contains(slot));
            u32::try_from(selected.count()).unwrap_or(u32::MAX)
        };
        let in_buckets = directory.buckets().iter().map(in_bucket).collect();
        let copies = (selection.len() <= COPIED_MAX
            && selection.len() * COPIED_SHARE <= self.len())
        .then(|| {
            let copy =
                |bucket: &RwLock<Bucket>| bucket.read().copy_of(|slot| selection.contains(slot));
            directory.buckets().iter().map(copy).collect()
        });
        selection.set_buckets(in_buckets, copies.transpose()?);
        Ok(selection)
    }

    /// Like [`search`](Ivf::search), of the points of a selection: buckets without any of them are passed over. `None` when
    /// the selection is out of date.
    ///
    /// ```
    /// use aether_distance::{ElementType, Metric, VectorRef};
    /// use aether_index::{Ivf, IvfParams, IvfScratch, PointId, SearchParams};
    ///
    /// let ivf = Ivf::new(1, Metric::L2Squared, ElementType::F32, IvfParams::DEFAULT, 42)?;
    /// for i in 0..100 {
    ///     ivf.insert(PointId(i), VectorRef::F32(&[i as f32]))?;
    /// }
    /// let even = ivf.select((0..100).step_by(2).map(PointId))?;
    /// let params = SearchParams { k: 2, ef: 20, include_dead: false };
    /// let mut scratch = IvfScratch::default();
    /// let found = ivf.search_selected(&[7.2], params, &even, &mut scratch)?;
    /// assert_eq!(found.unwrap()[0].point, PointId(8));
    ///
    /// ivf.insert(PointId(100), VectorRef::F32(&[100.0]))?;
    /// assert_eq!(ivf.search_selected(&[7.2], params, &even, &mut scratch)?, None);
    /// # Ok::<(), aether_index::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`search`](Ivf::search).
    pub fn search_selected(
        &self,
        query: &[f32],
        params: SearchParams,
        selection: &Selection,
        scratch: &mut IvfScratch,
    ) -> Result<Option<Vec<Candidate>>> {
        if !self.prepare(query, params, scratch)? {
            return Ok(Some(Vec::new()));
        }
        let reader = self.nodes.read();
        let directory = self.directory.read();
        if self.version.get() != selection.version() {
            return Ok(None);
        }
        let IvfScratch {
            query: prepared,
            ranked,
            ..
        } = scratch;
        directory.rank(&self.space, prepared, ranked, |bucket| {
            selection.in_bucket(bucket)
        });
        let skips_dead = !params.include_dead && self.dead() > 0;
        let alive = |slot| !(skips_dead && self.dead.contains(slot));
        match selection.copies() {
            Some(copies) => {
                let open = |bucket: u32| {
                    let bucket = &copies[bucket as usize];
                    bucket.prefetch();
                    bucket
                };
                let counts = |slot, _| alive(slot);
                self.fill(&directory, scratch, usize::MAX, open, counts)
            }
            None => {
                let open = |bucket| directory.open(&self.space, bucket);
                let counts = |slot, _| selection.contains(slot) && alive(slot);
                self.fill(&directory, scratch, usize::MAX, open, counts)
            }
        };
        Ok(Some(self.rerank(&reader, query, params, scratch)))
    }

    /// Like [`scan`](Ivf::scan), of the points of a selection: faster. `None` when that is out of date.
    ///
    /// # Errors
    /// As [`scan`](Ivf::scan).
    pub fn scan_selected(
        &self,
        query: &[f32],
        k: usize,
        selection: &Selection,
        scratch: &mut IvfScratch,
    ) -> Result<Option<Vec<Candidate>>> {
        let reader = self.nodes.read();
        if self.version.get() != selection.version() {
            return Ok(None);
        }
        let mut rest = selection.slots();
        let next = |_: &Reader<'_>, slots: &mut Vec<u32>| {
            slots.extend(rest.by_ref().take(BATCH));
            !slots.is_empty()
        };
        let found = self.scan_slots(&reader, query, (k, false), scratch, |_| true, next);
        found.map(Some)
    }
}
