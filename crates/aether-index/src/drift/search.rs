//! Searching: codes of one bit choose whom codes of four bits estimate, and these choose the few whose exact vectors are read.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use aether_distance::{BLOCK_CODES, Distance, Metric, Query as ExactQuery, prefetch};

use super::record::Image;
use super::view::InView;
use super::{Drift, Store};
use crate::doubt::{DEVIATIONS_MAX, deviations};
use crate::hnsw::SearchParams;
use crate::ivf::rank::{Promising, Ranked};
use crate::ivf::{ERROR, Near, Pool, Query, Space, nibbles};
use crate::nearest::Nearest;
use crate::{Candidate, PointId};

/// Candidates for each of the nearest with which a search usually finds nineteen of twenty.
const EF_USUAL: usize = 8;

/// Candidates for each of the nearest in a search of all buckets: exact but for what codes of one bit hide.
const EF_SCAN: usize = 32;

/// The fewest candidates of such a search.
const EF_SCAN_MIN: usize = 1024;

/// Points beyond `k` whose longer codes are read in any case.
const SURELY: usize = 8;

/// Codes asked from memory ahead of their use.
const AHEAD: usize = 8;

/// Buckets behind one that is not in memory that are read together with it, if they promise as much: so many at first, ...
const LOADED_FIRST: usize = 3;

/// ... and one more for each that the search has looked into, up to so many: half of them are of no use at worst.
const LOADED_MAX: usize = 31;

/// Copies of buckets that a search keeps from going, at most.
const BUCKETS_HELD: usize = 64;

/// Working memory of searches. Give the same one to each search of a thread.
#[derive(Debug, Default)]
pub struct DriftScratch {
    query: Query,
    ranked: Vec<Ranked>,
    near: NearPoints,
    points: Vec<PointId>,
    is_trial: bool,
}

impl DriftScratch {
    /// Whether searches with it are trials, which [`DriftStats`](super::DriftStats) do not count. They are not, at first.
    pub fn set_trial(&mut self, is_trial: bool) {
        self.is_trial = is_trial;
    }
}

/// What was found in the buckets so far.
#[derive(Debug, Default)]
struct NearPoints {
    /// Their slots are places in `points`.
    pool: Pool,
    points: Vec<Found>,
    buckets: Buckets,
}

/// A point, and where its longer code is: which of the buckets that were searched, and where in that.
#[derive(Debug, Clone, Copy)]
struct Found {
    point: PointId,
    bucket: u32,
    place: u32,
}

/// Buckets that were searched, and what estimates in each begin with.
#[derive(Debug, Default)]
struct Buckets {
    /// How many were let go. The codes of their points are read, as far as these may be near.
    gone: u32,
    held: Vec<(Arc<Image>, f32)>,
}

impl Buckets {
    fn reset(&mut self) {
        self.gone = 0;
        self.held.clear();
    }

    /// The number of the next one.
    fn next(&self) -> u32 {
        self.gone + u32::try_from(self.held.len()).unwrap_or(u32::MAX)
    }

    #[inline]
    fn get(&self, number: u32) -> Option<&(Arc<Image>, f32)> {
        self.held.get(number.checked_sub(self.gone)? as usize)
    }

    fn let_go(&mut self) {
        self.gone = self.next();
        self.held.clear();
    }
}

/// How far a search goes.
#[derive(Clone, Copy)]
struct Reach {
    k: usize,
    ef: usize,
    budget: usize,
    /// Whether to look into all buckets.
    everywhere: bool,
}

impl Reach {
    /// Candidates whose longer codes are read in any case.
    fn surely(self) -> usize {
        match self.everywhere {
            true => self.ef,
            false => self.k + SURELY,
        }
    }
}

impl Drift {
    /// The nearest points, nearest first; fewer than `k` when there are no more that are allowed.
    ///
    /// `query`: `dim` floats, not normalized; not finite ones give arbitrary answers. Approximate, as
    /// [`Ivf::search`](crate::Ivf::search). Of all points that are alive and `allowed`, which is asked about points with small
    /// estimates only. Gives up, with `None`, when it has looked at the codes of more than `budget` points and still has fewer than `ef`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the dimension differs; those of the store.
    pub fn search<S: Store>(
        &self,
        query: &[f32],
        params: SearchParams,
        allowed: Option<&dyn Fn(PointId) -> bool>,
        budget: usize,
        store: &S,
        scratch: &mut DriftScratch,
    ) -> Result<Option<Vec<Candidate>>, S::Error> {
        let reach = Reach {
            k: params.k,
            ef: params.ef.max(params.k),
            budget,
            everywhere: false,
        };
        self.find(query, reach, allowed, store, scratch)
    }

    /// The `k` nearest of all points that are alive and `allowed`, by looking into all buckets: about one in ten thousand is missed.
    ///
    /// # Errors
    /// As [`search`](Drift::search).
    pub fn scan_all<S: Store>(
        &self,
        query: &[f32],
        k: usize,
        allowed: &dyn Fn(PointId) -> bool,
        store: &S,
        scratch: &mut DriftScratch,
    ) -> Result<Vec<Candidate>, S::Error> {
        let reach = Reach {
            k,
            ef: k.saturating_mul(EF_SCAN).max(EF_SCAN_MIN),
            budget: usize::MAX,
            everywhere: true,
        };
        let found = self.find(query, reach, Some(allowed), store, scratch)?;
        Ok(found.unwrap_or_default())
    }

    /// The `k` nearest of `points` that are alive, by comparing with each: exact.
    ///
    /// # Errors
    /// As [`search`](Drift::search).
    pub fn scan<S: Store>(
        &self,
        query: &[f32],
        k: usize,
        points: &[PointId],
        store: &S,
    ) -> Result<Vec<Candidate>, S::Error> {
        self.space.check_dim(query.len())?;
        let exact = ExactQuery::new(self.space.kernels, self.space.metric, query);
        let mut nearest = Nearest::new(k, points.len());
        if k > 0 {
            compare(&exact, points, store, &mut nearest)?;
        }
        Ok(nearest.into_sorted())
    }

    fn find<S: Store>(
        &self,
        query: &[f32],
        reach: Reach,
        allowed: Option<&dyn Fn(PointId) -> bool>,
        store: &S,
        scratch: &mut DriftScratch,
    ) -> Result<Option<Vec<Candidate>>, S::Error> {
        self.space.check_dim(query.len())?;
        if reach.k == 0 {
            return Ok(Some(Vec::new()));
        }
        self.space.query(query, &mut scratch.query);
        let records = usize::try_from(self.records()).unwrap_or(usize::MAX);
        scratch.near.pool.reset(reach.ef.min(records));
        scratch.near.points.clear();
        scratch.near.buckets.reset();
        let ended = match allowed {
            Some(allowed) => self.fill(reach, &|id| allowed(PointId(id)), store, scratch)?,
            None => self.fill(reach, &|_| true, store, scratch)?,
        };
        if !ended {
            return Ok(None);
        }
        scratch.near.sharpen(&self.space, &scratch.query, reach);
        self.rerank(query, reach, store, scratch).map(Some)
    }

    /// Fills the pool from the promising buckets; false when it gave up.
    fn fill<S: Store>(
        &self,
        reach: Reach,
        counts: &impl Fn(u64) -> bool,
        store: &S,
        scratch: &mut DriftScratch,
    ) -> Result<bool, S::Error> {
        let view = self.view();
        let DriftScratch {
            query,
            ranked,
            near,
            is_trial,
            ..
        } = scratch;
        view.rank(&self.space, query, ranked);
        let (mut buckets, mut scanned, mut ended) = (0, 0, true);
        let mut promising = Promising::new(ranked);
        let (mut next, mut opened) = (promising.next(), None);
        let mut loaded = VecDeque::new();
        let in_view = |ranked: Ranked| view.bucket(ranked.bucket() as usize);
        while let Some(ranked) = next {
            let bound = (!reach.everywhere).then(|| near.pool.bound());
            if bound.is_some_and(|bound| ranked.hope() >= bound) {
                break;
            }
            let bucket = in_view(ranked);
            let image = match opened {
                Some(image) => image,
                None => {
                    let most = (LOADED_FIRST + buckets).min(LOADED_MAX);
                    let after = (0..most).map_while(|after| promising.peek(after));
                    let after =
                        after.take_while(|after| bound.is_none_or(|bound| after.hope() < bound));
                    let after = after.map(in_view);
                    let wanted: Vec<InView<'_>> = std::iter::once(bucket).chain(after).collect();
                    loaded = self.images(&wanted, store)?.into();
                    loaded.pop_front().expect("as many copies as buckets")
                }
            };
            // Those that come next come from memory while this one is scanned, each a step of the way to its codes.
            next = promising.next();
            opened = next.and_then(|next| in_view(next).open(loaded.pop_front()));
            let steps = [InView::fetch_image, InView::fetch_slot, InView::fetch_entry];
            for (ahead, fetch) in steps.iter().enumerate() {
                if let Some(ahead) = promising.peek(ahead) {
                    fetch(in_view(ahead));
                }
            }
            scanned += image.codes.len();
            self.scan_bucket(bucket, image, query, counts, near);
            near.pool.tighten_once();
            if near.buckets.held.len() == BUCKETS_HELD {
                near.sharpen(&self.space, query, reach);
            }
            buckets += 1;
            if scanned > reach.budget && !near.pool.is_full() {
                ended = false;
                break;
            }
        }
        near.pool.tighten();
        if !*is_trial {
            self.counters.searches.fetch_add(1, Relaxed);
            self.counters.scanned.fetch_add(buckets as u64, Relaxed);
        }
        Ok(ended)
    }

    fn scan_bucket(
        &self,
        bucket: InView<'_>,
        image: Arc<Image>,
        query: &mut Query,
        counts: &impl Fn(u64) -> bool,
        near: &mut NearPoints,
    ) {
        let outlook = self.space.outlook(query, &bucket.entry().centroid);
        query.table.set_base(outlook.base);
        let error = ERROR * outlook.reach;
        let mut estimates = [0.0; BLOCK_CODES];
        for (first, block) in (0..).step_by(BLOCK_CODES).zip(image.codes.blocks()) {
            let (table, bound) = (&query.table, near.pool.bound());
            let small = table.estimate32(block.codes, block.factors, bound, &mut estimates);
            for lane in lanes(small) {
                if counts(block.ids[lane]) {
                    let error = error * block.factors.scale[lane].abs();
                    near.push((estimates[lane], error), block.ids[lane], first + lane);
                }
            }
        }
        near.buckets.held.push((image, outlook.base));
    }

    /// The `k` nearest of the pool by exact distances.
    fn rerank<S: Store>(
        &self,
        query: &[f32],
        reach: Reach,
        store: &S,
        scratch: &mut DriftScratch,
    ) -> Result<Vec<Candidate>, S::Error> {
        let bound = match reach.everywhere {
            true => DEVIATIONS_MAX,
            false => deviations(reach.ef, reach.k, EF_USUAL),
        };
        let DriftScratch { near, points, .. } = scratch;
        let NearPoints {
            pool,
            points: found,
            ..
        } = near;
        let exact = ExactQuery::new(self.space.kernels, self.space.metric, query);
        let mut nearest = Nearest::new(reach.k, pool.len());
        let (surely, others) = pool.split(reach.k);
        let point = |near: &Near| found[near.slot() as usize].point;
        points.clear();
        points.extend(surely.iter().map(point));
        distinct(points);
        compare(&exact, points, store, &mut nearest)?;
        let farthest = self.estimate_of(nearest.farthest());
        let seen = points.len();
        let maybe = others
            .iter()
            .filter(|near| near.estimate() - bound * near.error < farthest);
        points.extend(maybe.map(point));
        // A point that moved between two buckets while this search looked into them is in both.
        let (first, rest) = points.split_at_mut(seen);
        rest.sort_unstable();
        let mut rest: Vec<PointId> = rest
            .iter()
            .filter(|point| first.binary_search(point).is_err())
            .copied()
            .collect();
        rest.dedup();
        compare(&exact, &rest, store, &mut nearest)?;
        Ok(nearest.into_sorted())
    }

    /// What estimates say for an exact distance.
    fn estimate_of(&self, distance: Distance) -> f32 {
        match self.space.metric {
            Metric::Cosine => 2.0 * distance.0,
            Metric::L2Squared | Metric::InnerProduct => distance.0,
        }
    }
}

impl NearPoints {
    /// Adds a point of the bucket that is scanned.
    fn push(&mut self, (estimate, error): (f32, f32), id: u64, place: usize) {
        let number = |number| u32::try_from(number).unwrap_or(u32::MAX);
        let near = Near::new(estimate, error, number(self.points.len()));
        self.points.push(Found {
            point: PointId(id),
            bucket: self.buckets.next(),
            place: number(place),
        });
        self.pool.push(near);
    }

    /// Estimates those points of the pool that can be among the `k` nearest by their longer codes, unless that was done, and lets
    /// go of the buckets. The others keep the estimates of their signs.
    fn sharpen(&mut self, space: &Space, query: &Query, reach: Reach) {
        let NearPoints {
            pool,
            points,
            buckets,
        } = self;
        let (surely, others) = pool.split_mut(reach.surely());
        sharpen(surely, points, buckets, (space, query));
        let mut estimates: Vec<f32> = surely.iter().map(|near| near.estimate()).collect();
        let farthest = match reach
            .k
            .checked_sub(1)
            .filter(|&last| last < estimates.len())
        {
            Some(last) => *estimates.select_nth_unstable_by(last, f32::total_cmp).1,
            None => f32::INFINITY,
        };
        let may_be_near = |near: &Near| near.estimate() - DEVIATIONS_MAX * near.error <= farthest;
        let maybe = partition(others, may_be_near);
        sharpen(maybe, points, buckets, (space, query));
        buckets.let_go();
    }
}

/// Estimates points of a pool by their longer codes.
fn sharpen(
    entries: &mut [Near],
    points: &[Found],
    buckets: &Buckets,
    (space, query): (&Space, &Query),
) {
    let code_bytes = nibbles::code_bytes(space.width());
    let read = |near: &Near| {
        let found = points[near.slot() as usize];
        let (image, base) = buckets.get(found.bucket)?;
        Some((image.nibbles(found.place as usize, code_bytes), *base))
    };
    for i in 0..entries.len() + AHEAD {
        if let Some((code, _)) = entries.get(i).and_then(read) {
            prefetch(code);
        }
        if let Some(near) = i.checked_sub(AHEAD).map(|i| &mut entries[i])
            && let Some((code, base)) = read(near)
            && let Some((estimate, error)) = nibbles::estimate(space, query, base, code)
        {
            *near = Near::new(estimate, error, near.slot());
        }
    }
}

/// Moves the entries of which `is_first` is true to the start, and returns them.
fn partition(entries: &mut [Near], is_first: impl Fn(&Near) -> bool) -> &mut [Near] {
    let mut count = 0;
    for i in 0..entries.len() {
        if is_first(&entries[i]) {
            entries.swap(i, count);
            count += 1;
        }
    }
    &mut entries[..count]
}

/// The numbers of the bits that are set.
fn lanes(mut bits: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lane = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(lane)
    })
}

/// Sorts points, each once.
fn distinct(points: &mut Vec<PointId>) {
    points.sort_unstable();
    points.dedup();
}

/// Compares the query with the exact vectors of points.
fn compare<S: Store>(
    exact: &ExactQuery<'_>,
    points: &[PointId],
    store: &S,
    nearest: &mut Nearest,
) -> Result<(), S::Error> {
    if points.is_empty() {
        return Ok(());
    }
    store.vectors(points, &mut |place, vector| {
        nearest.push(Candidate {
            point: points[place],
            distance: exact.distance(vector),
        });
    })
}
