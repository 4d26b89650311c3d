//! The effort that queries take, by how hard they are: what samples say of one number of hits and one recall.

use super::sample::Sample;
use super::{DEPTHS, EFFORTS, UNKNOWN_FACTOR};
use crate::plan::trials::SHARES;

/// The effort that queries take, by how hard they are, for one depth and recall.
#[derive(Debug, PartialEq)]
pub(crate) struct Curve {
    pub(super) depth: usize,
    pub(super) recall: f32,
    /// With this effort queries are searched for to see how hard they are.
    pub(super) first: usize,
    /// Of harder queries nothing is known.
    pub(super) limit: f32,
    /// The same for one that is alone with how hard it is.
    pub(super) limit_alone: f32,
    /// Of each sample how hard it is, ascending, and the effort for a query that is as hard; `None` if none is enough. What is harder than all of them
    /// takes as much as the last.
    pub(super) steps: Vec<(f32, Option<usize>)>,
    /// The effort with which all samples together reach the recall; `None` if none is enough.
    pub(super) typical: Option<usize>,
    /// The same under a filter, for each of [`SHARES`], for [`FILTERED_DEPTH`] hits.
    pub(super) filtered: [Option<usize>; SHARES.len()],
}

impl Curve {
    /// With so many candidates a query is searched for first, for `k` hits.
    pub(crate) fn first(&self, k: usize) -> usize {
        self.scaled(self.first, k)
    }

    /// What a query takes that is so hard, if that is known.
    pub(super) fn known(&self, hardness: f32, is_alone: bool) -> Option<Option<usize>> {
        let easier = self.steps.partition_point(|&(other, _)| other < hardness);
        let (_, need) = self.steps.get(easier).or(self.steps.last())?;
        let limit = match is_alone {
            true => self.limit_alone,
            false => self.limit,
        };
        (hardness <= limit).then_some(*need)
    }

    /// How much of its exact answer a search with this curve finds for the query of `sample`.
    pub(super) fn finds(&self, sample: &Sample) -> f32 {
        let tried = |ef: usize| EFFORTS.partition_point(|&tried| tried <= ef).checked_sub(1);
        let first = tried(self.first).unwrap_or(0);
        let need = match self.known(sample.hardness[first], false) {
            Some(need) => need,
            None => self.greatest().map(|ef| ef * UNKNOWN_FACTOR),
        };
        // Without an effort that is enough, the search compares with everything.
        need.map_or(1.0, |ef| {
            tried(ef.max(self.first)).map_or(0.0, |e| sample.shares[self.depth][e])
        })
    }

    /// The effort that it takes if one of `share` points is allowed; between those that were tried by the logarithm. `None`: no
    /// effort that was tried is enough.
    pub(super) fn filtered_at(&self, share: f64) -> Option<f64> {
        let all = (1, self.typical);
        let tried = std::iter::once(all).chain(SHARES.into_iter().zip(self.filtered));
        let mut before: Option<(f64, Option<usize>)> = None;
        for (at, effort) in tried {
            let at = (at as f64).ln();
            if share.ln() <= at {
                let (from, less) = before.unwrap_or((at, effort));
                let (less, more) = (less? as f64, effort? as f64);
                let part = if at > from {
                    (share.ln() - from) / (at - from)
                } else {
                    1.0
                };
                return Some(less + part * (more - less));
            }
            before = Some((at, effort));
        }
        before?.1.map(|effort| effort as f64)
    }

    /// The greatest effort of all; `None` when none is enough for some.
    pub(super) fn greatest(&self) -> Option<usize> {
        let needs = self.steps.iter().map(|&(_, need)| need);
        needs.collect::<Option<Vec<usize>>>()?.into_iter().max()
    }

    /// More hits than were tried: as many candidates to each as for the deepest.
    pub(super) fn scaled(&self, ef: usize, k: usize) -> usize {
        (ef * k.div_ceil(DEPTHS[self.depth]).max(1)).max(k)
    }
}

/// The least effort with which so much is found as is asked for; between two that were tried, in proportion: twice the
/// effort never brings twice the gain.
pub(super) fn least_effort(reached: impl Iterator<Item = f32>, asked: f32) -> Option<usize> {
    let mut below: Option<(usize, f32)> = None;
    for (reached, ef) in reached.zip(EFFORTS) {
        if reached >= asked {
            return Some(below.map_or(ef, |(less, share)| {
                let part = (asked - share) / (reached - share);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a part of the way between two efforts"
                )]
                let more = ((ef - less) as f32 * part).ceil() as usize;
                less + more
            }));
        }
        below = Some((ef, reached));
    }
    None
}

/// What searches of every effort find of the answers of `samples`, but for chance.
pub(super) fn reached(
    samples: &[&Sample],
    depth: usize,
    deviations: f32,
) -> impl Iterator<Item = f32> {
    (0..EFFORTS.len()).map(move |e| {
        let shares = || samples.iter().map(|sample| sample.shares[depth][e]);
        surely(shares, deviations)
    })
}

/// The mean of some shares, less so many standard deviations.
pub(super) fn surely<I: Iterator<Item = f32>>(shares: impl Fn() -> I, deviations: f32) -> f32 {
    let count = shares().count().max(1) as f32;
    let mean = shares().sum::<f32>() / count;
    let variance = shares().map(|share| (share - mean).powi(2)).sum::<f32>() / count;
    mean - deviations * variance.sqrt()
}
