//! Searches: which points are near, as far as anybody may know of them.

use std::collections::BinaryHeap;

use super::code::Query;
use super::scratch::{Reach, key_of, slot_of};
use super::{Hnsw, Scratch, SearchParams};
use crate::doubt::{DEVIATIONS_MAX, deviations};
use crate::memory::{Node, Reader, State};
use crate::{Candidate, PointId, Result};

/// Points by their estimates that a scan keeps, beyond what `k` takes: their order is nearly the final one.
const SCAN_SLACK: usize = 32;

/// Points by their estimates that a scan for `k` keeps.
pub(super) fn scan_capacity(k: usize) -> usize {
    k.saturating_add(k / 2 + SCAN_SLACK)
}

/// Points that a scan asks from memory at a time.
pub(super) const SCAN_BATCH: usize = 32;

/// Candidates for each of the nearest with which a search usually finds nineteen of twenty.
const EF_USUAL: usize = 4;

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
    pub(super) fn search_counting(
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
        let alive = |node: &Node<'_>| params.include_dead || node.state() == State::LIVE;
        let probe = &prepared.probe;
        walk.results = params.k;
        let ended = match counts {
            None if params.include_dead || self.dead() == 0 => {
                graph.walk(
                    reader,
                    probe,
                    0,
                    (key, start.slot()),
                    self.reach(params),
                    walk,
                );
                true
            }
            None => {
                let bounds = (self.reach(params), None);
                graph.walk_counting(reader, probe, (key, start), bounds, walk, alive)
            }
            Some(counts) => {
                let bounds = (Reach::fixed(self.ef(params)), budget);
                let counts = |node: &Node<'_>| alive(node) && counts(node);
                graph.walk_counting(reader, probe, (key, start), bounds, walk, counts)
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
    pub(super) fn scan_slots(
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
        walk.front.pool.reset(Reach::fixed(scan_capacity(k)));
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

    /// How far a search without a filter looks. Under one, how far it has to look is up to what the filter lets through.
    pub(super) fn reach(&self, params: SearchParams) -> Reach {
        let reach = self.graph.spread.reach(params.k, self.ef(params));
        Reach {
            most: reach.most.min(self.graph.nodes.bound() as usize),
            ..reach
        }
    }

    fn ef(&self, params: SearchParams) -> usize {
        let all = self.graph.nodes.bound() as usize;
        params.ef.max(params.k).min(all)
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
}
