//! What the indexes have near a query: the delta first and the approximate index second, for a point moves in the other direction.

use super::allowed::Allowed;
use super::pace::Pace;
use crate::ann::{Ann, AnnScratch};
use crate::error::Result;
use crate::index::query::FieldQuery;
use crate::keyspace::{self, PointRow};
use crate::plan::explain::Trace;
use crate::plan::{self, Route};
use crate::view::CollectionView;
use aether_distance::Distance;
use aether_index::{Candidate, PointId, Selection};
use roaring::RoaringTreemap;
use std::collections::HashSet;
use std::sync::Arc;

/// One point in so many may be dead while a search asks of none whether it is: what it finds is looked at afterwards.
const DEAD_SHARE: usize = 64;

pub(super) struct Candidates {
    /// Each once.
    pub(super) nearest: Vec<Candidate>,
    /// Whether these are all that may be visible.
    pub(super) all: bool,
    /// Whether the distances are those to the vectors as they are stored.
    pub(super) exact: bool,
}

/// About as many points as the pace says that may be visible, nearest first: as far as each of the indexes has told all that
/// is there. Else what only one of them knows (or the reader's own transaction) would take the place of nearer points of
/// another one, which it had not come to because those before them turn out not to be visible.
pub(super) fn candidates(
    view: &CollectionView,
    query: &FieldQuery<'_>,
    pace: &mut Pace,
    allowed: &Allowed<'_>,
    trace: &mut Trace,
) -> Result<Candidates> {
    if let Some(few) = few(view, pace, allowed) {
        let tell = |few: &Vec<Candidate>| (few.len() as u64, "all that are allowed".into());
        let nearest = trace.step("few", || Ok(few), tell)?;
        return Ok(Candidates {
            nearest,
            all: true,
            exact: false,
        });
    }
    let core = &view.core;
    let members = allowed.members();
    // Those that a filter allows are visible.
    let may_be_hit = |point: PointId| match &members {
        Some(members) => members.contains(point),
        None => core.may_see(view, point),
    };
    if let Some((index, _)) = query.as_dense() {
        index.note_search(view.now);
    }
    let mut nearest = trace.step(
        "delta",
        || query.search_exact(pace.fetch, may_be_hit),
        |nearest| {
            (
                nearest.len() as u64,
                "points that wait, all compared".into(),
            )
        },
    )?;
    let (mut all, mut exact) = (nearest.len() < pace.fetch, true);
    let mut end = last_told(&nearest, pace);
    let ann = query
        .as_dense()
        .and_then(|(index, query)| Some((index.ann.load_full()?, query)));
    if let Some((ann, vector)) = ann {
        let nearly_all_are_visible =
            view.points_end() == u64::MAX && core.deaths.len() * DEAD_SHARE <= ann.len();
        let everything = nearly_all_are_visible && allowed.points().is_none();
        let look = InAnn {
            ann: &ann,
            query: vector.vector(),
            allowed,
            may_be_hit: (!everything).then_some(&may_be_hit),
        };
        let found = loop {
            let (found, route) = look.traced(view, pace, trace)?;
            all &= route.is_scan() && found.len() < pace.fetch;
            if !pace.judge(view, query, allowed, (&found, route.is_scan()))? {
                break found;
            }
        };
        end = end.into_iter().chain(last_told(&found, pace)).min();
        nearest = merged(nearest, found);
        exact = ann.keeps_vectors();
    }
    nearest.extend(staged(view, query)?);
    nearest.sort_unstable();
    if let Some(end) = end {
        nearest.truncate(nearest.partition_point(|candidate| *candidate <= end));
    }
    Ok(Candidates {
        nearest,
        all,
        exact,
    })
}

/// The last candidate of an index that may have more behind it.
fn last_told(found: &[Candidate], pace: &Pace) -> Option<Candidate> {
    found.last().copied().filter(|_| found.len() >= pace.fetch)
}

/// The points that a filter allows, if these are no more than are read at once: how far they are is told by their rows.
fn few(view: &CollectionView, pace: &Pace, allowed: &Allowed<'_>) -> Option<Vec<Candidate>> {
    let points = allowed.points()?;
    if points.len() > pace.at_once() as u64 || view.staged_points().next().is_some() {
        return None;
    }
    let candidate = |point| Candidate {
        point: PointId(point),
        distance: Distance::INFINITE,
    };
    Some(points.iter().map(candidate).collect())
}

/// What either has. A point that moved between the two searches is in both, at slightly different distances.
fn merged(delta: Vec<Candidate>, ann: Vec<Candidate>) -> Vec<Candidate> {
    if delta.is_empty() {
        return ann;
    }
    let mut merged = delta;
    let in_delta: HashSet<PointId> = merged.iter().map(|candidate| candidate.point).collect();
    merged.extend(
        ann.into_iter()
            .filter(|candidate| !in_delta.contains(&candidate.point)),
    );
    merged
}

/// A search of one approximate index.
struct InAnn<'a> {
    ann: &'a Arc<Ann>,
    query: &'a [f32],
    allowed: &'a Allowed<'a>,
    /// Whether a point is one of these and may be visible; `None`: nearly each is.
    may_be_hit: Option<&'a dyn Fn(PointId) -> bool>,
}

impl InAnn<'_> {
    /// By points that were looked up (`selection`) or that are asked for one by one.
    fn route(&self, pace: &Pace, selection: Option<&Selection>) -> Route {
        if let (Ann::Graph(graph), Some(selection)) = (&**self.ann, selection) {
            return if pace.scan || graph.scans(selection, pace.ef) {
                Route::ScanAllowed
            } else {
                Route::Search { budget: None }
            };
        }
        let (family, points) = (self.ann.family(), self.ann.len());
        let allowed = self.allowed.points().map(RoaringTreemap::len);
        if pace.scan {
            plan::cheapest_scan(points as f64, allowed)
        } else {
            plan::route(family, points, allowed, pace.ef)
        }
    }

    /// What is found by the way that the planner chooses, and which way was taken, as a step of a plan.
    fn traced(
        &self,
        view: &CollectionView,
        pace: &Pace,
        trace: &mut Trace,
    ) -> Result<(Vec<Candidate>, Route)> {
        trace.step(
            self.ann.family().name(),
            || {
                let (selection, is_new) = self.allowed.selection(self.ann)?;
                if is_new {
                    view.core.recent_filters.trim();
                }
                view.core
                    .with_scratch(|scratch| self.find(pace, selection.as_deref(), scratch))
            },
            |(found, route)| {
                let (Pace { fetch, ef, .. }, points) = (pace, self.ann.len());
                let text = format!("{route}; fetch {fetch}, ef {ef}, of {points} points");
                (found.len() as u64, text)
            },
        )
    }

    /// What is found by the way that the planner chooses, or by the way that was taken instead.
    fn find(
        &self,
        pace: &Pace,
        selection: Option<&Selection>,
        scratch: &mut AnnScratch,
    ) -> Result<(Vec<Candidate>, Route)> {
        let (ann, query) = (self.ann, self.query);
        if let Some(selection) = selection {
            let route = self.route(pace, Some(selection));
            let found = if route.is_scan() {
                ann.scan_selected(query, pace.fetch, selection, scratch)?
            } else {
                ann.search_selected(query, pace.params(), selection, scratch)?
            };
            if let Some(found) = found {
                return Ok((found, route));
            }
            self.allowed.forget_selection(ann);
        }
        let mut route = self.route(pace, None);
        if let Route::Search { budget } = route {
            let budget = budget.unwrap_or(usize::MAX);
            let allowed = self.may_be_hit;
            let found = ann.search_within(query, pace.params(), allowed, budget, scratch)?;
            if let Some(found) = found {
                return Ok((found, route));
            }
            // Few of the near ones are allowed: the filter has to do with the vectors.
            let allowed = self.allowed.points().map(RoaringTreemap::len);
            route = plan::cheapest_scan(ann.len() as f64, allowed);
        }
        let found = if route == Route::ScanAllowed {
            let points = self.allowed.points().into_iter().flatten().map(PointId);
            ann.scan(query, pace.fetch, points, scratch)?
        } else {
            let any = |_: PointId| true;
            let allowed = self.may_be_hit.unwrap_or(&any);
            ann.scan_all(query, pace.fetch, allowed, scratch)?
        };
        Ok((found, route))
    }
}

/// The points that the reader's own transaction has staged.
pub(super) fn staged(view: &CollectionView, query: &FieldQuery<'_>) -> Result<Vec<Candidate>> {
    let mut buffer = query.buffer();
    let mut staged = Vec::new();
    for (point, row) in view.staged_points() {
        let key = keyspace::point_key(view.core.id, point);
        let row = PointRow::parse(&key, row)?;
        let distance = query.distance_of(&key, &row, &mut buffer)?;
        staged.extend(distance.map(|distance| Candidate { point, distance }));
    }
    Ok(staged)
}
