//! Searching: which buckets, which of their points, and which of these are the nearest.

use std::ops::Deref;

use aether_distance::{BLOCK_CODES, Distance, Query as ExactQuery};

use super::Ivf;
use super::bucket::Bucket;
use super::directory::Directory;
use super::pool::{Near, Pool};
use super::rank::{BUCKET_USUAL, Promising, Ranked};
use super::space;
use crate::doubt::{DEVIATIONS_MAX, deviations};
use crate::hnsw::SearchParams;
use crate::memory::Reader;
use crate::nearest::Nearest;
use crate::pages::in_page;
use crate::{Candidate, PointId, Result};

/// Exact distances that are computed in any case, beyond `k`: those of the points with the least estimates, where these come from
/// signs.
const SURELY: usize = 8;

/// Candidates for each of the nearest with which a search usually finds nineteen of twenty.
const EF_USUAL: usize = 8;

/// Vectors asked from memory ahead of their use.
const AHEAD: usize = 8;

/// Slots that a scan asks from memory at a time.
const SCAN_BATCH: usize = 32;

/// Working memory of searches. Give the same one to each search of a thread: then searches allocate only their results.
#[derive(Debug, Default)]
pub struct IvfScratch {
    pub(super) query: space::Query,
    pub(super) ranked: Vec<Ranked>,
    pub(super) pool: Pool,
    slots: Vec<u32>,
    /// Slots whose vectors the last search has read from a checkpoint, and how many of them are on a page.
    read: Vec<u32>,
    in_page: u32,
}

impl IvfScratch {
    /// Pages of 4 KiB with vectors that the last search has read of the checkpoint from which the index was opened; 0 when it was not, and
    /// vectors that are longer than a page count as one. What a search reads besides is what all searches need:
    /// [`CheckpointInfo::rare`](crate::CheckpointInfo::rare) tells the two apart.
    ///
    /// O(n log n) for n vectors.
    pub fn pages_read(&self) -> usize {
        let mut pages: Vec<u32> = self
            .read
            .iter()
            .map(|slot| slot / self.in_page.max(1))
            .collect();
        pages.sort_unstable();
        pages.dedup();
        pages.len()
    }
}

impl Ivf {
    /// The nearest points, nearest first; fewer than `k` when there are no more that are allowed.
    ///
    /// `query`: `dim` floats, not normalized; not finite ones give arbitrary answers. Approximate: buckets are scanned as
    /// long as a point in them can be expected to be among the `ef` nearest so far, and of these the ones that can be among
    /// the `k` nearest, but for one in a thousand, are compared exactly. So recall and time rise with `ef`. Of all points
    /// that are alive (or dead and not yet freed, see [`SearchParams::include_dead`]) and `allowed`, which is asked about
    /// points with small estimates only and must not call this index.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the dimension differs.
    pub fn search(
        &self,
        query: &[f32],
        params: SearchParams,
        allowed: Option<&dyn Fn(PointId) -> bool>,
        scratch: &mut IvfScratch,
    ) -> Result<Vec<Candidate>> {
        let found = self.search_within(query, params, allowed, usize::MAX, scratch)?;
        Ok(found.expect("a search without a budget comes to its end"))
    }

    /// Like [`search`](Ivf::search), but gives up, with `None`, when it has looked at the codes of more than `budget` points
    /// and still has fewer than `ef`: where few points are `allowed`, [`scan`](Ivf::scan) is faster.
    ///
    /// # Errors
    /// As [`search`](Ivf::search).
    pub fn search_within(
        &self,
        query: &[f32],
        params: SearchParams,
        allowed: Option<&dyn Fn(PointId) -> bool>,
        budget: usize,
        scratch: &mut IvfScratch,
    ) -> Result<Option<Vec<Candidate>>> {
        if !self.prepare(query, params, scratch)? {
            return Ok(Some(Vec::new()));
        }
        let reader = self.nodes.read();
        let directory = self.directory.read();
        let skips_dead = !params.include_dead && self.dead() > 0;
        let ended = match allowed {
            None if !skips_dead => self.fill_from_all(&directory, scratch, budget, |_, _| true),
            None => self.fill_from_all(&directory, scratch, budget, |slot, _| {
                !self.dead.contains(slot)
            }),
            Some(allowed) => self.fill_from_all(&directory, scratch, budget, |slot, id| {
                !(skips_dead && self.dead.contains(slot)) && allowed(PointId(id))
            }),
        };
        Ok(ended.then(|| self.rerank(&reader, query, params, scratch)))
    }

    /// Makes the scratch ready for a query; false when nothing is asked for.
    pub(super) fn prepare(
        &self,
        query: &[f32],
        params: SearchParams,
        scratch: &mut IvfScratch,
    ) -> Result<bool> {
        self.space.check_dim(query.len())?;
        self.space.query(query, &mut scratch.query);
        let ef = params.ef.max(params.k);
        scratch.pool.reset(ef.min(self.nodes.bound() as usize));
        Ok(params.k > 0)
    }

    /// Scans the promising ones of all buckets into the pool; false when it gave up. `counts` tells which points count, by
    /// their slots and ids.
    fn fill_from_all(
        &self,
        directory: &Directory,
        scratch: &mut IvfScratch,
        budget: usize,
        counts: impl Fn(u32, u64) -> bool,
    ) -> bool {
        directory.rank(&self.space, &mut scratch.query, &mut scratch.ranked, |_| {
            BUCKET_USUAL
        });
        let open = |bucket| directory.open(&self.space, bucket);
        self.fill(directory, scratch, budget, open, counts)
    }

    /// Scans the promising ones of the buckets that were ranked, which `open` gives.
    pub(super) fn fill<B: Deref<Target = Bucket>>(
        &self,
        directory: &Directory,
        scratch: &mut IvfScratch,
        budget: usize,
        open: impl Fn(u32) -> B,
        counts: impl Fn(u32, u64) -> bool,
    ) -> bool {
        let IvfScratch {
            query,
            ranked,
            pool,
            ..
        } = scratch;
        let mut estimates = [0.0; BLOCK_CODES];
        let mut scanned = 0;
        let mut promising = Promising::new(ranked);
        let mut next = promising.next();
        let mut opened = next.map(|next| open(next.bucket()));
        while let Some((ranked, bucket)) = next
            .zip(opened)
            .filter(|(next, _)| next.hope() < pool.bound())
        {
            // The next one comes from memory while this one is scanned.
            next = promising.next();
            opened = next.map(|next| open(next.bucket()));
            let outlook = directory.outlook(&self.space, query, ranked.bucket());
            query.table.set_base(outlook.base);
            let error = space::ERROR * outlook.reach;
            for block in bucket.blocks() {
                let table = &query.table;
                let mut near =
                    table.estimate32(block.codes, block.factors, pool.bound(), &mut estimates);
                while near != 0 {
                    let lane = near.trailing_zeros() as usize;
                    near &= near - 1;
                    if counts(block.slots[lane], block.ids[lane]) {
                        let error = error * block.factors.scale[lane].abs();
                        pool.push(Near::new(estimates[lane], error, block.slots[lane]));
                    }
                }
            }
            pool.tighten_once();
            scanned += bucket.len();
            if scanned > budget && !pool.is_full() {
                return false;
            }
        }
        pool.tighten();
        true
    }

    /// The `k` nearest of the pool by exact distances.
    pub(super) fn rerank(
        &self,
        reader: &Reader<'_>,
        query: &[f32],
        params: SearchParams,
        scratch: &mut IvfScratch,
    ) -> Vec<Candidate> {
        let pool = &mut scratch.pool;
        let (surely, bound) = match &self.nibbles {
            Some(nibbles) => {
                nibbles.sharpen(&self.space, &scratch.query, pool);
                (params.k, deviations(params.ef, params.k, EF_USUAL))
            }
            None => (params.k + SURELY, DEVIATIONS_MAX),
        };
        let mut nearest = Nearest::new(params.k, pool.len());
        let exact = ExactQuery::new(self.space.kernels, self.metric(), query);
        let (surely, others) = pool.split(surely);
        self.compare(
            reader,
            &exact,
            surely.iter().map(|near| near.slot()),
            &mut nearest,
        );
        let farthest = self.estimate_of(nearest.farthest());
        let maybe = others
            .iter()
            .filter(|near| near.estimate() - bound * near.error < farthest);
        scratch.read.clear();
        if let Some(nibbles) = &self.nibbles {
            let compared = surely.iter().chain(maybe.clone()).map(|near| near.slot());
            scratch
                .read
                .extend(compared.filter(|&slot| nibbles.holds(slot)));
            scratch.in_page = in_page(self.nodes.layout().hot_stride());
        }
        self.compare(reader, &exact, maybe.map(|near| near.slot()), &mut nearest);
        nearest.into_sorted()
    }

    /// What estimates say for an exact distance.
    fn estimate_of(&self, distance: Distance) -> f32 {
        match self.metric() {
            aether_distance::Metric::Cosine => 2.0 * distance.0,
            _ => distance.0,
        }
    }

    /// Compares the query with the vectors of slots.
    fn compare(
        &self,
        reader: &Reader<'_>,
        exact: &ExactQuery<'_>,
        slots: impl Iterator<Item = u32> + Clone,
        nearest: &mut Nearest,
    ) {
        let mut ahead = slots.clone();
        for slot in ahead.by_ref().take(AHEAD) {
            reader.prefetch_codes(slot);
        }
        for slot in slots {
            if let Some(slot) = ahead.next() {
                reader.prefetch_codes(slot);
            }
            let Some(node) = reader.node(slot) else {
                continue;
            };
            if let Some(vector) = self.vector(&node) {
                nearest.push(Candidate {
                    point: PointId(node.id()),
                    distance: exact.distance_known(vector, node.constants().square),
                });
            }
        }
    }

    /// The `k` nearest of `points`, nearest first, by comparing with all of them that are here: exact.
    ///
    /// `query`: as for [`search`](Ivf::search). O(points).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the dimension differs.
    pub fn scan(
        &self,
        query: &[f32],
        k: usize,
        points: impl Iterator<Item = PointId>,
        include_dead: bool,
        scratch: &mut IvfScratch,
    ) -> Result<Vec<Candidate>> {
        let reader = self.nodes.read();
        let mut points = points.fuse();
        let mut batch = Vec::with_capacity(SCAN_BATCH);
        self.scan_slots(
            &reader,
            query,
            (k, include_dead),
            scratch,
            |_| true,
            |reader, slots| {
                batch.clear();
                batch.extend(points.by_ref().take(SCAN_BATCH));
                self.points.find_all(&batch, reader, slots);
                !batch.is_empty()
            },
        )
    }

    /// Like [`scan`](Ivf::scan), of all points here that are `allowed`: in the order of the memory, which makes it the
    /// faster one when they are many.
    ///
    /// # Errors
    /// As [`scan`](Ivf::scan).
    pub fn scan_all(
        &self,
        query: &[f32],
        k: usize,
        allowed: &dyn Fn(PointId) -> bool,
        include_dead: bool,
        scratch: &mut IvfScratch,
    ) -> Result<Vec<Candidate>> {
        let reader = self.nodes.read();
        let mut all = 0..self.nodes.bound();
        let next = |_: &Reader<'_>, slots: &mut Vec<u32>| {
            slots.extend(all.by_ref().take(SCAN_BATCH));
            !slots.is_empty()
        };
        self.scan_slots(&reader, query, (k, include_dead), scratch, allowed, next)
    }

    /// Compares with the slots that `next` adds to a list, as long as it says that there was more.
    pub(super) fn scan_slots(
        &self,
        reader: &Reader<'_>,
        query: &[f32],
        (k, include_dead): (usize, bool),
        scratch: &mut IvfScratch,
        allowed: impl Fn(PointId) -> bool,
        mut next: impl FnMut(&Reader<'_>, &mut Vec<u32>) -> bool,
    ) -> Result<Vec<Candidate>> {
        self.space.check_dim(query.len())?;
        if k == 0 {
            return Ok(Vec::new());
        }
        let exact = ExactQuery::new(self.space.kernels, self.metric(), query);
        let mut nearest = Nearest::new(k, 0);
        let slots = &mut scratch.slots;
        slots.clear();
        while next(reader, slots) {
            let counts = |slot: u32| {
                let alive = include_dead || !self.dead.contains(slot);
                alive
                    && reader
                        .node(slot)
                        .is_some_and(|node| allowed(PointId(node.id())))
            };
            let counted = slots.iter().copied().filter(|&slot| counts(slot));
            self.compare(reader, &exact, counted, &mut nearest);
            slots.clear();
        }
        Ok(nearest.into_sorted())
    }
}
