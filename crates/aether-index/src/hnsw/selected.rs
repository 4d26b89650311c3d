//! Searches among points that were looked up before: walks where these are many, scans of them all where they are few or turn out
//! to lie apart from what is near the query.
//!
//! Which of the two takes less is one rule. In the time in which a walk compares with one node, a scan compares with [`COPIED`] points whose
//! codes were copied side by side, or with [`IN_PLACE`] where they are. A walk compares with about [`STEPPING`] nodes for each
//! candidate that it holds, whatever the share of the points that is selected; or with [`PASSING`] of them, if most are selected. If a scan takes less than that,
//! no walk is begun; if a walk takes more than the scan would have, it gives up, and what it took is lost. Measured in
//! docs/decisions/0015, with 384 components of 4 bits and shares of 0.1 to 0.5.

use super::code::Query;
use super::copied::Copied;
use super::query::{SCAN_BATCH, scan_capacity};
use super::scratch::{Reach, Walk, pack};
use super::{Hnsw, Scratch, SearchParams};
use crate::doubt::DEVIATIONS_MAX;
use crate::memory::{Node, Reader, State};
use crate::selection::Selection;
use crate::{Candidate, PointId, Result};

/// Where fewer than this share of all points is selected, walks step over the others.
const STEPPED_OVER: (usize, usize) = (2, 3);

/// Nodes with which a walk that steps over others compares for each candidate that it holds.
const STEPPING: usize = 100;

/// The same of a walk that passes through all nodes.
const PASSING: usize = 24;

/// Copied points that are compared in the time of one node of a walk.
const COPIED: (usize, usize) = (4, 1);

/// The same of points whose codes are among those of others.
const IN_PLACE: (usize, usize) = (4, 3);

/// Points of a selection from which walks may begin.
const STARTS: usize = 32;

impl Hnsw {
    /// Looks those of `points` up that are here, for many searches among them. The selection is of use until a point is
    /// inserted or dead ones are freed. O(points). The first search
    /// that scans them copies their codes, if that takes no more than 8 MiB.
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
    /// let found = graph.search_selected(&[7.2], params, &even, &mut scratch)?;
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
                break;
            }
            self.points.find_all(&batch, &reader, &mut slots);
            batch.clear();
            slots.drain(..).for_each(|slot| selection.insert(slot));
        }
        let step = selection.len().div_ceil(STARTS).max(1);
        let starts = selection.slots().step_by(step).collect();
        let codes_bytes = Copied::bytes_for(selection.len(), &self.graph.codec);
        selection.set_nodes(codes_bytes, starts);
        selection
    }

    /// The codes of a selection side by side; `None` if they are too many, or there is no memory. Takes about as long as scanning them.
    fn copy_codes(&self, reader: &Reader<'_>, selection: &Selection) -> Option<Copied> {
        if !selection.has_codes() {
            return None;
        }
        let mut copied = Copied::room_for(selection.len(), &self.graph.codec).ok()?;
        let mut ahead = selection.slots();
        for slot in ahead.by_ref().take(SCAN_BATCH) {
            reader.prefetch_codes(slot);
        }
        let mut rows = 0..;
        for slot in selection.slots() {
            if let Some(slot) = ahead.next() {
                reader.prefetch_codes(slot);
            }
            if let Some((node, row)) = reader.node(slot).zip(rows.next()) {
                copied.put(row, &node);
            }
        }
        Some(copied)
    }

    /// Whether a [search](Hnsw::search_selected) with this `ef` is a scan of the selection from the beginning: a walk that holds so many
    /// candidates would take more.
    pub fn scans(&self, selection: &Selection, ef: usize) -> bool {
        scan_cost(selection) <= walk_cost(selection.len(), self.len(), ef)
    }

    /// Like [`search`](Hnsw::search), of the points of a selection, in whichever way takes less: a walk, or a scan of them all where these
    /// are few or turn out to lie apart from what is near the query. `None` when the selection is out of date.
    ///
    /// A scan promises what [`scan_selected`](Hnsw::scan_selected) does: the nearest by the stored 16-bit codes (or bytes), unless the
    /// estimate of one of them is off by more than 3 standard deviations (one in a thousand), or is behind the first `k * 3 / 2 + 32`. It finds `k` points if so many of the
    /// selection are alive; so does a walk, or it ends in a scan. With an `ef` of `usize::MAX` there is no walk. O(points of the selection) at most.
    ///
    /// # Errors
    /// As [`search`](Hnsw::search).
    pub fn search_selected(
        &self,
        query: &[f32],
        params: SearchParams,
        selection: &Selection,
        scratch: &mut Scratch,
    ) -> Result<Option<Vec<Candidate>>> {
        let reader = self.graph.nodes.read();
        if self.version.get() != selection.version() {
            return Ok(None);
        }
        self.check_dim(query.len())?;
        if params.k == 0 {
            return Ok(Some(Vec::new()));
        }
        let Scratch {
            query: prepared,
            walk,
        } = scratch;
        self.graph.codec.query(query, prepared);
        let alive = |node: &Node<'_>| params.include_dead || node.state() == State::LIVE;
        walk.results = params.k;
        let ef = params.ef.max(params.k);
        let limits = (ef, scan_cost(selection));
        let doubt = if !self.scans(selection, ef)
            && self.walk_among(&reader, prepared, limits, walk, (selection, alive))
        {
            self.doubt(params)
        } else {
            walk.front.pool.reset(Reach::fixed(scan_capacity(params.k)));
            match selection.codes(|| self.copy_codes(&reader, selection)) {
                Some(copied) => {
                    let all_count = params.include_dead || self.dead() == 0;
                    let counts =
                        |slot| all_count || reader.node(slot).is_some_and(|node| alive(&node));
                    self.scan_copied(prepared, copied, walk, counts);
                }
                None => self.scan_in_place(&reader, prepared, selection, walk, alive),
            }
            (params.k, DEVIATIONS_MAX)
        };
        let near = walk.front.pool.entries();
        Ok(Some(self.rerank(&reader, prepared, near, doubt, alive)))
    }

    /// Fills the pool with `ef` of the points of a selection by a walk; false if that would compare with more than `budget` nodes.
    fn walk_among(
        &self,
        reader: &Reader<'_>,
        query: &Query,
        (ef, budget): (usize, usize),
        walk: &mut Walk,
        (selection, alive): (&Selection, impl Fn(&Node<'_>) -> bool),
    ) -> bool {
        let (graph, probe) = (&self.graph, &query.probe);
        let entry = graph.entry();
        let Some((key, start)) =
            entry.and_then(|entry| graph.descend(reader, probe, entry, 0, walk))
        else {
            return false;
        };
        if is_stepped_over(selection.len(), self.len()) {
            let (start, limits) = ((key, start.slot()), (ef, budget));
            return graph.walk_selected(reader, probe, start, limits, walk, (selection, alive));
        }
        let counts = |node: &Node<'_>| selection.contains(node.slot()) && alive(node);
        let limits = (Reach::fixed(ef.min(selection.len())), Some(budget));
        graph.walk_counting(reader, probe, (key, start), limits, walk, counts)
    }

    /// Adds the nearest of copied points to the pool, of those whose slots count.
    fn scan_copied(
        &self,
        query: &Query,
        copied: &Copied,
        walk: &mut Walk,
        counts: impl Fn(u32) -> bool,
    ) {
        let pool = &mut walk.front.pool;
        copied.score(&self.graph.codec, &query.probe, |key, slot| {
            if pool.admits(pack(key, slot)) && counts(slot) {
                pool.push(key, slot);
            }
        });
    }

    /// Adds the nearest of the points of a selection to the pool.
    fn scan_in_place(
        &self,
        reader: &Reader<'_>,
        query: &Query,
        selection: &Selection,
        walk: &mut Walk,
        alive: impl Fn(&Node<'_>) -> bool,
    ) {
        let mut slots = selection.slots();
        loop {
            walk.batch.clear();
            walk.batch.extend(slots.by_ref().take(SCAN_BATCH));
            if walk.batch.is_empty() {
                return;
            }
            for &slot in &walk.batch {
                reader.prefetch_codes(slot);
            }
            let graph = &self.graph;
            graph.score_batch(reader, &query.probe, walk, &alive);
        }
    }

    /// Like [`scan`](Hnsw::scan), of the points of a selection: faster. `None` when that is out of date. It reads the points themselves, and
    /// nothing that was copied.
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

fn is_stepped_over(selected: usize, points: usize) -> bool {
    let (part, of) = STEPPED_OVER;
    selected.saturating_mul(of) <= points.saturating_mul(part)
}

/// Nodes with which a walk compares that holds `ef` candidates, about.
fn walk_cost(selected: usize, points: usize, ef: usize) -> usize {
    let each = if is_stepped_over(selected, points) {
        STEPPING
    } else {
        PASSING
    };
    each.saturating_mul(ef)
}

/// Nodes with which a walk compares in the time in which a scan compares with all points of the selection.
fn scan_cost(selection: &Selection) -> usize {
    let (points, nodes) = if selection.has_codes() {
        COPIED
    } else {
        IN_PLACE
    };
    selection.len().saturating_mul(nodes) / points
}
