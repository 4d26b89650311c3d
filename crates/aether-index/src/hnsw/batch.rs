//! Many searches at once: two walks take turns, so that one computes while the other waits for memory.

use super::scratch::Scratch;
use super::{Hnsw, SearchParams};
use crate::memory::{Node, Reader, State};
use crate::{Candidate, Result};

/// Walks that take turns. More of them drive each other's data out of the nearest cache.
const LANES: usize = 2;

/// Working memory of [`Hnsw::search_batch`]. Give the same one to each call of a thread.
#[derive(Debug, Default)]
pub struct BatchScratch {
    lanes: [Scratch; LANES],
}

impl Hnsw {
    /// What [`search`](Hnsw::search) finds for each of `queries` (`dim` floats each) if all points are allowed. In graphs
    /// that are larger than the caches this is up to a tenth faster than one search after the other, as long as no dead
    /// points have to be left out.
    ///
    /// # Errors
    /// As [`search`](Hnsw::search).
    pub fn search_batch(
        &self,
        queries: &[&[f32]],
        params: SearchParams,
        scratch: &mut BatchScratch,
    ) -> Result<Vec<Vec<Candidate>>> {
        for query in queries {
            self.check_dim(query.len())?;
        }
        let lanes = &mut scratch.lanes;
        if !params.include_dead && self.dead() > 0 {
            let search = |query: &&[f32]| self.search(query, params, None, &mut lanes[0]);
            return queries.iter().map(search).collect();
        }
        let reader = self.graph.nodes.read();
        let alive = |node: &Node<'_>| params.include_dead || node.state() == State::LIVE;
        let mut found = vec![Vec::new(); queries.len()];
        let mut waiting = queries.iter().enumerate();
        let mut searched = [None; LANES];
        loop {
            for (lane, searched) in lanes.iter_mut().zip(&mut searched) {
                if let Some(number) = *searched {
                    if self.graph.turn(&reader, &lane.query.probe, &mut lane.walk) {
                        continue;
                    }
                    let near = lane.walk.front.pool.entries();
                    found[number] =
                        self.rerank(&reader, &lane.query, near, self.doubt(params), alive);
                }
                let mut begun = waiting
                    .by_ref()
                    .filter(|(_, query)| self.begin(&reader, query, params, lane));
                *searched = begun.next().map(|(number, _)| number);
            }
            if searched.iter().all(Option::is_none) {
                return Ok(found);
            }
        }
    }

    /// Begins the walk of a search; false if there is nothing to be found.
    fn begin(
        &self,
        reader: &Reader<'_>,
        query: &[f32],
        params: SearchParams,
        lane: &mut Scratch,
    ) -> bool {
        let (
            graph,
            Scratch {
                query: prepared,
                walk,
            },
        ) = (&self.graph, lane);
        graph.codec.query(query, prepared);
        let entry = graph.entry().filter(|_| params.k > 0);
        let start = entry.and_then(|entry| graph.descend(reader, &prepared.probe, entry, 0, walk));
        let Some((key, start)) = start else {
            return false;
        };
        walk.results = params.k;
        walk.begin(graph.nodes.bound(), start.slot(), self.reach(params));
        walk.front.pool.push(key, start.slot());
        true
    }
}
