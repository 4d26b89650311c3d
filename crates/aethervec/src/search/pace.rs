//! How far a search goes: so many candidates, and how they are found.
//!
//! Who asks for a recall is searched for with a small effort first, which tells how hard the query is, and again with what
//! that takes (`plan/calibration.rs`). Under a filter there is only one search: the points that a filter allows tell nothing of
//! how hard the query is. But some are made again with a greater effort, to see what they miss (`plan/lessons.rs`).

use super::allowed::Allowed;
use super::found::slack;
use crate::ann::AnnScratch;
use crate::document::SearchRequest;
use crate::error::Result;
use crate::index::query::FieldQuery;
use crate::plan;
use crate::plan::calibration::{self, Calibration, Curve, Effort};
use crate::plan::explain::Trace;
use crate::plan::lessons::CHECK_EFFORT;
use crate::view::CollectionView;
use aether_index::{Candidate, SearchParams};
use std::sync::Arc;

/// Candidates that a search holds that asks for no effort and no recall. What is searched exactly holds none.
fn effort(query: &FieldQuery<'_>, k: usize) -> usize {
    query
        .as_dense()
        .map_or(k + slack(k), |(index, _)| index.effort(k))
}

/// How far a search goes in one attempt.
pub(super) struct Pace {
    k: usize,
    pub(super) fetch: usize,
    pub(super) ef: usize,
    /// Compare the codes of everything.
    pub(super) scan: bool,
    /// What an attempt is to be judged by.
    judged: Judged,
}

enum Judged {
    /// What it finds is the answer.
    Final,
    /// By how hard the query turns out to be.
    Hardness(Arc<Curve>),
    /// By an attempt that goes farther, for this recall.
    Checked(f32),
    /// It goes farther than the one that has found these.
    Check(f32, Vec<Candidate>),
}

impl Pace {
    /// `None`: by the vectors themselves, exactly.
    pub(super) fn new(
        view: &CollectionView,
        query: &FieldQuery<'_>,
        request: &SearchRequest<'_>,
        allowed: &Allowed<'_>,
        trace: &mut Trace,
    ) -> Result<Option<Pace>> {
        let k = request.k;
        let pace = match (request.recall, request.ef) {
            _ if request.exact => return Ok(None),
            (Some(recall), _) if recall >= 1.0 => return Ok(None),
            (Some(recall), _) => trace.step(
                "calibrate",
                || Pace::calibrated(view, query, (k, recall), allowed),
                |pace| (0, format!("recall {recall}: {}", pace.told())),
            )?,
            (None, Some(ef)) => Pace::of(k, ef),
            (None, None) => Pace::of(k, effort(query, k)),
        };
        Ok(Some(pace))
    }

    fn of(k: usize, ef: usize) -> Pace {
        let ef = ef.max(k);
        Pace {
            k,
            fetch: (k + slack(k)).min(ef),
            ef,
            scan: false,
            judged: Judged::Final,
        }
    }

    fn scan(k: usize) -> Pace {
        Pace {
            scan: true,
            ..Pace::of(k, k + slack(k))
        }
    }

    /// What is to be done for a recall.
    fn calibrated(
        view: &CollectionView,
        query: &FieldQuery<'_>,
        (k, recall): (usize, f32),
        allowed: &Allowed<'_>,
    ) -> Result<Pace> {
        let ann = query
            .as_dense()
            .and_then(|(index, query)| Some((index, index.ann.load_full()?, query.vector())));
        let Some((index, ann, vector)) = ann else {
            return Ok(Pace::scan(k));
        };
        let (calibration, points) = (&index.calibration, ann.len());
        let filtered = allowed.filter().zip(allowed.points());
        let (effort, is_checked) = if let Some((filter, allowed)) = filtered {
            let allowed = allowed.len();
            if plan::route(ann.family(), points, Some(allowed), k).is_scan() {
                return Ok(Pace::scan(k));
            }
            calibration.filtered((points, allowed), vector, filter, (k, recall))
        } else if let Some(curve) = calibration.curve(points, vector, (k, recall)) {
            let mut pace = Pace::of(k, curve.first(k).max(calibration::RANK));
            pace.fetch = pace.fetch.max(calibration::RANK);
            pace.judged = Judged::Hardness(curve);
            return Ok(pace);
        } else {
            (Calibration::unlearned(points, k), false)
        };
        match effort {
            Effort::Ef(ef) if is_checked => Ok(Pace {
                judged: Judged::Checked(recall),
                ..Pace::of(k, ef)
            }),
            Effort::Ef(ef) => Ok(Pace::of(k, ef)),
            Effort::Exact => Ok(Pace::scan(k)),
            Effort::Sample => Pace::sample(view, query, k),
        }
    }

    /// Learns from the query, which is then answered by comparing with everything.
    fn sample(view: &CollectionView, query: &FieldQuery<'_>, k: usize) -> Result<Pace> {
        if let Some((index, query)) = query.as_dense()
            && let Some(ann) = index.ann.load_full()
        {
            let learn =
                |scratch: &mut AnnScratch| index.calibration.learn(&ann, query.vector(), scratch);
            view.core.with_scratch(learn)?;
        }
        Ok(Pace::scan(k))
    }

    /// Whether what the index has `found` (all that there is to find: `is_scan`) tells that another attempt is to go farther: then
    /// this is it.
    pub(super) fn judge(
        &mut self,
        view: &CollectionView,
        query: &FieldQuery<'_>,
        allowed: &Allowed<'_>,
        (found, is_scan): (&[Candidate], bool),
    ) -> Result<bool> {
        let k = self.k;
        let judged = std::mem::replace(&mut self.judged, Judged::Final);
        let Some((index, asked)) = query.as_dense() else {
            return Ok(false);
        };
        let vector = asked.vector();
        match judged {
            Judged::Check(recall, first) => {
                if let Some(filter) = allowed.filter() {
                    let calibration = &index.calibration;
                    calibration.check(filter, (k, recall), &first, found);
                }
                return Ok(false);
            }
            _ if is_scan => return Ok(false),
            Judged::Final => return Ok(false),
            Judged::Checked(recall) => {
                *self = Pace {
                    judged: Judged::Check(recall, found.to_vec()),
                    ..Pace::of(k, self.ef.saturating_mul(CHECK_EFFORT))
                };
            }
            Judged::Hardness(curve) => {
                let hardness = calibration::hardness(found);
                match index.calibration.effort(&curve, vector, hardness, k) {
                    Effort::Ef(ef) if ef <= self.ef => return Ok(false),
                    Effort::Ef(ef) => *self = Pace::of(k, ef),
                    Effort::Exact => *self = Pace::scan(k),
                    Effort::Sample => *self = Pace::sample(view, query, k)?,
                }
            }
        }
        Ok(true)
    }

    pub(super) fn params(&self) -> SearchParams {
        SearchParams {
            k: self.fetch,
            ef: self.ef,
            include_dead: false,
        }
    }

    /// Candidates whose rows are read before it is asked whether there are enough hits.
    pub(super) fn at_once(&self) -> usize {
        self.k + slack(self.k)
    }

    pub(super) fn widen(&mut self) {
        self.fetch = self.fetch.saturating_mul(4);
        self.ef = self.ef.max(self.fetch);
    }

    /// For a step of a plan.
    fn told(&self) -> String {
        match &self.judged {
            _ if self.scan => "compare with everything".to_owned(),
            Judged::Final | Judged::Check(..) => format!("ef {}", self.ef),
            Judged::Hardness(_) => format!("ef {} shows what it takes", self.ef),
            Judged::Checked(_) => format!("ef {}, checked by more", self.ef),
        }
    }
}
