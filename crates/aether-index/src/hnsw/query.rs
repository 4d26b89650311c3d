//! Searches: which points are near, as far as anybody may know of them.

use std::collections::BinaryHeap;

use super::code::Query;
use super::filtered::Ended;
use super::scratch::{key_of, slot_of};
use super::{Hnsw, Scratch, SearchParams};
use crate::doubt::{DEVIATIONS_MAX, deviations};
use crate::memory::{Node, Reader, State};
use crate::selection::Selection;
use crate::{Candidate, PointId, Result};

/// Points by their estimates that a scan keeps, beyond what `k` takes: their order is nearly the final one.
const SCAN_SLACK: usize = 32;

/// Where fewer than this share of all points is selected, searches step over the others.
const STEPPED_OVER: (usize, usize) = (2, 3);

/// Points that a scan asks from memory at a time.
const SCAN_BATCH: usize = 32;

/// Candidates for each of the nearest with which a search usually finds nineteen of twenty.
const EF_USUAL: usize = 4;

/// What a search that steps over points has come to.
enum Stepped {
    Found(Vec<Candidate>),
    /// It found too few: what is selected lies elsewhere.
    Short,
    GaveUp,
}

impl Hnsw {
    /// The nearest points, nearest first; fewer than `k` when the graph has no more that are allowed.
    ///
    /// `query`: `dim` floats, not normalized; not finite ones give arbitrary answers. Approximate: of all points that
    /// are alive (or dead and still in the graph, see [`SearchParams::include_dead`]) and `allowed`, which is asked
    /// only about points that the search meets and must not call this graph. Distances are computed from 16-bit
    /// codes (bytes: exactly).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the dimension differs.
    pub fn search(
        &self,
        query: &[f32],
        params: SearchParams,
        allowed: Option<&dyn Fn(PointId) -> bool>,
        scratch: &mut Scratch,
    ) -> Result<Vec<Candidate>> {
        let found = self.search_at_most(query, params, allowed, None, scratch)?;
        Ok(found.expect("a search without a budget comes to its end"))
    }

    /// Like [`search`](Hnsw::search), but gives up, with `None`, when it would have to compare the query with more than
    /// about `budget` points: where few of those near it are `allowed`, [`scan`](Hnsw::scan) is faster.
    ///
    /// # Errors
    /// As [`search`](Hnsw::search).
    pub fn search_within(
        &self,
        query: &[f32],
        params: SearchParams,
        allowed: Option<&dyn Fn(PointId) -> bool>,
        budget: usize,
        scratch: &mut Scratch,
    ) -> Result<Option<Vec<Candidate>>> {
        let budget = (budget < usize::MAX).then_some(budget);
        self.search_at_most(query, params, allowed, budget, scratch)
    }

    fn search_at_most(
        &self,
        query: &[f32],
        params: SearchParams,
        allowed: Option<&dyn Fn(PointId) -> bool>,
        budget: Option<usize>,
        scratch: &mut Scratch,
    ) -> Result<Option<Vec<Candidate>>> {
        let reader = self.graph.nodes.read();
        let counts = allowed.map(|allowed| |node: &Node<'_>| allowed(PointId(node.id())));
        self.search_counting(&reader, query, params, counts, budget, scratch)
    }

    /// A search of those that count; `None` when it has given up.
    fn search_counting(
        &self,
        reader: &Reader<'_>,
        query: &[f32],
        params: SearchParams,
        counts: Option<impl Fn(&Node<'_>) -> bool>,
        budget: Option<usize>,
        scratch: &mut Scratch,
    ) -> Result<Option<Vec<Candidate>>> {
        self.check_dim(query.len())?;
        let Scratch {
            query: prepared,
            walk,
        } = scratch;
        self.graph.codec.query(query, prepared);
        let graph = &self.graph;
        let entry = graph.entry().filter(|_| params.k > 0);
        let Some((key, start)) =
            entry.and_then(|entry| graph.descend(reader, &prepared.probe, entry, 0, walk))
        else {
            return Ok(Some(Vec::new()));
        };
        let ef = params
            .ef
            .max(params.k)
            .min(self.graph.nodes.bound() as usize);
        let alive = |node: &Node<'_>| params.include_dead || node.state() == State::LIVE;
        let probe = &prepared.probe;
        let ended = match counts {
            None if params.include_dead || self.dead() == 0 => {
                graph.walk(reader, probe, 0, (key, start.slot()), ef, walk);
                true
            }
            None => graph.walk_counting(reader, probe, (key, start), (ef, None), walk, alive),
            Some(counts) => {
                let counts = |node: &Node<'_>| alive(node) && counts(node);
                graph.walk_counting(reader, probe, (key, start), (ef, budget), walk, counts)
            }
        };
        Ok(ended.then(|| {
            self.rerank(
                reader,
                prepared,
                walk.front.pool.entries(),
                self.doubt(params),
                alive,
            )
        }))
    }

    /// The `k` nearest of `points`, nearest first, by comparing with all of them that are here: for few of them, and
    /// for ground truth. Finds the nearest but for what the rounding to 16-bit codes changes (bytes: exactly).
    ///
    /// `query`: as for [`search`](Hnsw::search). O(points).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the dimension differs.
    pub fn scan(
        &self,
        query: &[f32],
        k: usize,
        points: impl Iterator<Item = PointId>,
        include_dead: bool,
        scratch: &mut Scratch,
    ) -> Result<Vec<Candidate>> {
        let reader = self.graph.nodes.read();
        let mut points = points.fuse();
        let mut batch = Vec::with_capacity(SCAN_BATCH);
        let next = |reader: &Reader<'_>, slots: &mut Vec<u32>| {
            batch.clear();
            batch.extend(points.by_ref().take(SCAN_BATCH));
            self.points.find_all(&batch, reader, slots);
            !batch.is_empty()
        };
        self.scan_slots(&reader, query, (k, include_dead), next, |_| true, scratch)
    }

    /// Like [`scan`](Hnsw::scan), of all points here that are `allowed`: in the order of the memory, which makes it
    /// the faster one when they are many.
    ///
    /// # Errors
    /// As [`scan`](Hnsw::scan).
    pub fn scan_all(
        &self,
        query: &[f32],
        k: usize,
        allowed: &dyn Fn(PointId) -> bool,
        include_dead: bool,
        scratch: &mut Scratch,
    ) -> Result<Vec<Candidate>> {
        let reader = self.graph.nodes.read();
        let mut all = 0..self.graph.nodes.bound();
        let next = |_: &Reader<'_>, slots: &mut Vec<u32>| {
            slots.extend(all.by_ref().take(SCAN_BATCH));
            !slots.is_empty()
        };
        self.scan_slots(&reader, query, (k, include_dead), next, allowed, scratch)
    }

    /// Compares with what `next` adds to a list of slots, as long as it says that there was more.
    fn scan_slots(
        &self,
        reader: &Reader<'_>,
        query: &[f32],
        (k, include_dead): (usize, bool),
        mut next: impl FnMut(&Reader<'_>, &mut Vec<u32>) -> bool,
        allowed: impl Fn(PointId) -> bool,
        scratch: &mut Scratch,
    ) -> Result<Vec<Candidate>> {
        self.check_dim(query.len())?;
        if k == 0 {
            return Ok(Vec::new());
        }
        let Scratch {
            query: prepared,
            walk,
        } = scratch;
        self.graph.codec.query(query, prepared);
        let alive = |node: &Node<'_>| include_dead || node.state() == State::LIVE;
        let counts = |node: &Node<'_>| alive(node) && allowed(PointId(node.id()));
        walk.front.pool.reset(k + k / 2 + SCAN_SLACK);
        walk.batch.clear();
        while next(reader, &mut walk.batch) {
            self.graph
                .score_batch(reader, &prepared.probe, walk, counts);
            walk.batch.clear();
        }
        Ok(self.rerank(
            reader,
            prepared,
            walk.front.pool.entries(),
            (k, DEVIATIONS_MAX),
            alive,
        ))
    }

    /// How many points a search is for, and how much it doubts estimates: less where a fine code may have to be read from the disk.
    pub(super) fn doubt(&self, params: SearchParams) -> (usize, f32) {
        let deviations = if self.graph.nodes.is_opened() {
            deviations(params.ef, params.k, EF_USUAL)
        } else {
            DEVIATIONS_MAX
        };
        (params.k, deviations)
    }

    /// The `k` nearest of a pool by distances from all that is stored, which takes about `k` of them: the rest is too
    /// far by its estimate, which is doubted by so many `deviations`.
    pub(super) fn rerank(
        &self,
        reader: &Reader<'_>,
        query: &Query,
        near: &[u64],
        (k, deviations): (usize, f32),
        alive: impl Fn(&Node<'_>) -> bool,
    ) -> Vec<Candidate> {
        let codec = &self.graph.codec;
        for &entry in near.iter().take(2 * k) {
            reader.prefetch_fine(slot_of(entry), codec.fine_bytes());
        }
        let mut nearest = BinaryHeap::with_capacity(k.min(near.len()));
        for &entry in near {
            // One that died while we searched may be in the pool.
            let Some(node) = reader.node(slot_of(entry)).filter(&alive) else {
                continue;
            };
            if nearest.len() < k {
                let distance = codec.distance(query, &node);
                nearest.push(Candidate {
                    point: PointId(node.id()),
                    distance,
                });
            } else if let Some(mut farthest) = nearest.peek_mut() {
                if codec.at_least(query, key_of(entry), &node, deviations) > farthest.distance {
                    break;
                }
                let candidate = Candidate {
                    point: PointId(node.id()),
                    distance: codec.distance(query, &node),
                };
                if candidate < *farthest {
                    *farthest = candidate;
                }
            }
        }
        nearest.into_sorted_vec()
    }

    /// Looks those of `points` up that are here, for many searches among them. The selection is of use until a point is
    /// inserted or dead ones are freed. O(points).
    ///
    /// ```
    /// use aether_distance::{ElementType, Metric, VectorRef};
    /// use aether_index::{Hnsw, HnswParams, PointId, Scratch, SearchParams};
    ///
    /// let graph = Hnsw::new(1, Metric::L2Squared, ElementType::F32, HnswParams::DEFAULT, 42)?;
    /// for i in 0..100 {
    ///     graph.insert(PointId(i), VectorRef::F32(&[i as f32]))?;
    /// }
    /// let even = graph.select((0..100).step_by(2).map(PointId));
    /// let params = SearchParams { k: 2, ef: 20, include_dead: false };
    /// let mut scratch = Scratch::default();
    /// let found = graph.search_selected(&[7.2], params, &even, usize::MAX, &mut scratch)?;
    /// assert_eq!(found.unwrap()[0].point, PointId(8));
    /// assert_eq!(graph.scan_selected(&[7.2], 1, &even, &mut scratch)?.unwrap()[0].point, PointId(8));
    ///
    /// graph.insert(PointId(100), VectorRef::F32(&[100.0]))?;
    /// assert_eq!(graph.scan_selected(&[7.2], 1, &even, &mut scratch)?, None);
    /// # Ok::<(), aether_index::Error>(())
    /// ```
    pub fn select(&self, points: impl Iterator<Item = PointId>) -> Selection {
        let reader = self.graph.nodes.read();
        let mut selection = Selection::new(self.version.get(), self.graph.nodes.bound());
        let (mut points, mut batch, mut slots) = (points.fuse(), Vec::new(), Vec::new());
        loop {
            batch.extend(points.by_ref().take(SCAN_BATCH));
            if batch.is_empty() {
                return selection;
            }
            self.points.find_all(&batch, &reader, &mut slots);
            batch.clear();
            slots.drain(..).for_each(|slot| selection.insert(slot));
        }
    }

    /// Like [`search_within`](Hnsw::search_within), of the points of a selection. `None`, too, when that is out of date.
    ///
    /// # Errors
    /// As [`search`](Hnsw::search).
    pub fn search_selected(
        &self,
        query: &[f32],
        params: SearchParams,
        selection: &Selection,
        budget: usize,
        scratch: &mut Scratch,
    ) -> Result<Option<Vec<Candidate>>> {
        let reader = self.graph.nodes.read();
        if self.version.get() != selection.version() {
            return Ok(None);
        }
        let budget = (budget < usize::MAX).then_some(budget);
        let (part, of) = STEPPED_OVER;
        if selection.len() * of <= self.len() * part {
            match self.search_stepping(&reader, query, params, selection, budget, scratch)? {
                Stepped::Found(found) => return Ok(Some(found)),
                Stepped::GaveUp => return Ok(None),
                Stepped::Short => {}
            }
        }
        let counts = |node: &Node<'_>| selection.contains(node.slot());
        self.search_counting(&reader, query, params, Some(counts), budget, scratch)
    }

    /// A search of the points of a selection that steps over the others.
    fn search_stepping(
        &self,
        reader: &Reader<'_>,
        query: &[f32],
        params: SearchParams,
        selection: &Selection,
        budget: Option<usize>,
        scratch: &mut Scratch,
    ) -> Result<Stepped> {
        self.check_dim(query.len())?;
        let Scratch {
            query: prepared,
            walk,
        } = scratch;
        let graph = &self.graph;
        graph.codec.query(query, prepared);
        let probe = &prepared.probe;
        let entry = graph.entry().filter(|_| params.k > 0);
        let start = entry.and_then(|entry| graph.descend(reader, probe, entry, 0, walk));
        let Some((key, start)) = start else {
            return Ok(Stepped::Found(Vec::new()));
        };
        let alive = |node: &Node<'_>| params.include_dead || node.state() == State::LIVE;
        let (start, limits) = ((key, start.slot()), (params.ef.max(params.k), budget));
        let ended = graph.walk_selected(reader, probe, start, limits, walk, (selection, alive));
        Ok(match ended {
            Ended::Full => {
                let near = walk.front.pool.entries();
                Stepped::Found(self.rerank(reader, prepared, near, self.doubt(params), alive))
            }
            Ended::Short => Stepped::Short,
            Ended::GaveUp => Stepped::GaveUp,
        })
    }

    /// Like [`scan`](Hnsw::scan), of the points of a selection: faster. `None` when that is out of date.
    ///
    /// # Errors
    /// As [`scan`](Hnsw::scan).
    pub fn scan_selected(
        &self,
        query: &[f32],
        k: usize,
        selection: &Selection,
        scratch: &mut Scratch,
    ) -> Result<Option<Vec<Candidate>>> {
        let reader = self.graph.nodes.read();
        if self.version.get() != selection.version() {
            return Ok(None);
        }
        let mut slots = selection.slots();
        let next = |reader: &Reader<'_>, batch: &mut Vec<u32>| {
            batch.extend(slots.by_ref().take(SCAN_BATCH));
            batch.iter().for_each(|&slot| reader.prefetch_codes(slot));
            !batch.is_empty()
        };
        let found = self.scan_slots(&reader, query, (k, false), next, |_| true, scratch);
        found.map(Some)
    }
}
