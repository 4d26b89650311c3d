//! What searches of every effort make of one query, compared with what there is to find.

use super::{
    DEPTHS, EFFORT_OF_TRUTH, EFFORTS, FILTERED_DEPTH, FILTERED_EFFORTS, INLINE_POINTS, RANK,
    efforts,
};
use crate::ann::{Ann, AnnScratch};
use crate::error::Result;
use crate::plan::trials::{SHARES, Trials, passes};
use aether_index::{Candidate, SearchParams};
use std::sync::Arc;

/// What searches of every effort make of one query. What was not tried finds no more than the greatest effort that was.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sample {
    /// See [`Samples::applied`](super::samples::Samples::applied).
    pub(super) at: u64,
    /// Whether the query was asked before the sample was due, and not now: see [`Recent`](super::recent::Recent).
    pub(super) is_again: bool,
    pub(super) hardness: [f32; EFFORTS.len()],
    /// For each depth: how much of the exact answer was found, 0 to 1.
    pub(super) shares: [[f32; EFFORTS.len()]; DEPTHS.len()],
    /// The same under a filter, for each of [`SHARES`].
    pub(super) filtered: [[f32; FILTERED_EFFORTS]; SHARES.len()],
}

impl Sample {
    /// Tries the query. Under filters with `trials`, if these are of the index; those that were tried are returned, too.
    ///
    /// What there is to find is found by comparing with all points, or, where they are many, by a search that goes much farther.
    pub(super) fn of(
        ann: &Arc<Ann>,
        query: &[f32],
        trials: Option<Arc<Trials>>,
        scratch: &mut AnnScratch,
    ) -> Result<(Sample, Arc<Trials>)> {
        let deepest = DEPTHS[DEPTHS.len() - 1];
        let search = |ef: usize, scratch: &mut AnnScratch| {
            let params = SearchParams {
                k: ef.min(deepest),
                ef,
                include_dead: false,
            };
            ann.search(query, params, None, scratch)
        };
        let truth = match ann.len() > INLINE_POINTS {
            true => search(EFFORT_OF_TRUTH, scratch)?,
            false => ann.scan_all(query, deepest, &|_| true, scratch)?,
        };
        let mut sample = Sample::default();
        for (e, &ef) in efforts(ann.len()).iter().enumerate() {
            let found = search(ef, scratch)?;
            sample.hardness[e..].fill(hardness(&found));
            for (d, &depth) in DEPTHS.iter().enumerate() {
                sample.shares[d][e..].fill(share(&truth, &found, depth));
            }
            if sample.shares.iter().all(|shares| shares[e] >= 1.0) {
                // Greater efforts find no more, and take the longest.
                break;
            }
        }
        let trials = sample.try_filters(ann, query, &truth, trials, scratch)?;
        Ok((sample, trials))
    }

    /// Notes what searches under filters find of the nearest points, which are `truth`. Returns the filters, for the next one.
    fn try_filters(
        &mut self,
        ann: &Arc<Ann>,
        query: &[f32],
        truth: &[Candidate],
        trials: Option<Arc<Trials>>,
        scratch: &mut AnnScratch,
    ) -> Result<Arc<Trials>> {
        let mut trials = match trials.filter(|trials| trials.is_of(ann)) {
            Some(known) => known,
            None => Arc::new(Trials::new(ann)?),
        };
        for (place, share) in SHARES.into_iter().enumerate() {
            let of = truth.iter().filter(|near| passes(near.point, share));
            let truth: Vec<Candidate> = of.copied().collect();
            for (e, &ef) in EFFORTS[..FILTERED_EFFORTS].iter().enumerate() {
                let params = SearchParams {
                    k: FILTERED_DEPTH,
                    ef,
                    include_dead: false,
                };
                let mut found = trials.search(ann, place, query, params, scratch)?;
                if found.is_none() && ann.selects() {
                    trials = Arc::new(Trials::new(ann)?);
                    found = trials.search(ann, place, query, params, scratch)?;
                }
                // An index that changes all the time is asked of each point.
                let found = match found {
                    Some(found) => found,
                    None => {
                        let passes = |point| passes(point, share);
                        ann.search(query, params, Some(&passes), scratch)?
                    }
                };
                self.filtered[place][e] = self::share(&truth, &found, FILTERED_DEPTH);
            }
        }
        Ok(trials)
    }
}

/// How hard a query is for which a search has found these, nearest first.
pub(crate) fn hardness(found: &[Candidate]) -> f32 {
    let at_rank = found.get(RANK - 1);
    at_rank.map_or(f32::INFINITY, |candidate| candidate.distance.0)
}

/// How much of the first `depth` of `truth` was found.
pub(super) fn share(truth: &[Candidate], found: &[Candidate], depth: usize) -> f32 {
    let truth = &truth[..truth.len().min(depth)];
    let Some(farthest) = truth.last() else {
        return 1.0;
    };
    // By distance: of several that are equally far, each is right.
    let hits = found
        .iter()
        .take(depth)
        .filter(|candidate| candidate.distance <= farthest.distance)
        .count();
    hits as f32 / truth.len() as f32
}
