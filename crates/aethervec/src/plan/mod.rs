//! How a query is answered: which index a dense field has (`choice`), which way through it costs least, and what effort the recall
//! that was asked for takes (`calibration`). Pure decisions; `search` and the lane carry them out.
//!
//! Costs are counted in vectors that are compared with the query, for that is where the time goes:
//!
//! ```text
//! walk through the graph   about WALK_PER_EF × ef, and 1 / (share of the points that are allowed) times as much
//! scan of buckets          about CODES_PER_EF × ef codes of one bit, and 1 / share times as much, but never more than
//!                          there are; CODES_PER_VECTOR of them cost as much as a vector
//! scan of allowed points   one each, in the order of their ids, which is no order of the memory
//! scan of everything       one each, in the order of the memory: half the price
//! ```
//!
//! That is for points that are asked for one by one. Where a graph has looked the allowed points up, it knows better which way costs least
//! (`Hnsw::scans`), and changes it on the way.

pub(crate) mod calibration;
pub(crate) mod choice;
pub(crate) mod explain;
pub(crate) mod lessons;
mod trials;

use crate::ann::Family;
use std::fmt;

/// Vectors that a walk compares for each candidate that it holds, with the links that are usual.
const WALK_PER_EF: f64 = 12.0;

/// Codes that a search of buckets compares for each candidate that it holds.
const CODES_PER_EF: f64 = 100.0;

/// Codes of one bit that are compared in the time that a vector takes.
const CODES_PER_VECTOR: f64 = 40.0;

/// What a comparison costs in a scan in the order of the memory, against one at a random place.
const IN_ORDER: f64 = 0.6;

/// What a comparison with a vector costs that is read from the storage engine first.
const STORED: f64 = 10.0;

/// How the approximate index of a dense field is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// As the index searches; with a budget, give up and scan instead when it would compare more vectors.
    Search { budget: Option<usize> },
    /// Compare with each of the allowed points.
    ScanAllowed,
    /// Compare with all points, and look which of the near ones are allowed.
    ScanAll,
}

impl Route {
    /// Whether fewer points than asked for means that there are no more.
    pub(crate) fn is_scan(self) -> bool {
        !matches!(self, Route::Search { .. })
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Route::Search { budget: None } => f.write_str("search"),
            Route::Search {
                budget: Some(budget),
            } => write!(f, "search, for at most {budget} comparisons"),
            Route::ScanAllowed => f.write_str("scan of the allowed points"),
            Route::ScanAll => f.write_str("scan of all points"),
        }
    }
}

/// The way that should cost least, through an index of `points` points of which `allowed` may be hits (`None`: all).
pub(crate) fn route(family: Family, points: usize, allowed: Option<u64>, ef: usize) -> Route {
    let (points, ef) = (points as f64, ef as f64);
    let everything = points * IN_ORDER;
    let allowed_points = allowed.map_or(points, |allowed| allowed as f64);
    let share = allowed_points.max(1.0) / points.max(1.0);
    let scan = allowed_points.min(everything);
    // How many of those near the query are allowed is not known: this is right for filters that have nothing to do
    // with the vectors.
    let search = match family {
        Family::Graph => WALK_PER_EF * ef / share,
        Family::Buckets | Family::Drift => {
            (CODES_PER_EF * ef / share).min(points) / CODES_PER_VECTOR
        }
    };
    let scan = match family {
        Family::Drift => scan * STORED,
        Family::Graph | Family::Buckets => scan,
    };
    if search >= scan {
        return cheapest_scan(points, allowed);
    }
    // A walk that meets few allowed points goes on and on; a scan of all codes has an end.
    let budget = (family == Family::Graph && allowed.is_some()).then_some(scan);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of points"
    )]
    Route::Search {
        budget: budget.map(|budget| budget as usize),
    }
}

/// The cheaper way to compare with all of them.
pub(crate) fn cheapest_scan(points: f64, allowed: Option<u64>) -> Route {
    if allowed.is_some_and(|allowed| (allowed as f64) < points * IN_ORDER) {
        Route::ScanAllowed
    } else {
        Route::ScanAll
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_allowed_points_are_scanned_and_many_searched_for() {
        let route = |allowed| route(Family::Graph, 100_000, Some(allowed), 64);
        assert_eq!(route(10), Route::ScanAllowed);
        assert_eq!(route(1_000), Route::ScanAllowed);
        let searched = |budget| Route::Search {
            budget: Some(budget),
        };
        assert_eq!(route(50_000), searched(50_000));
        assert_eq!(route(100_000), searched(60_000));
    }

    #[test]
    fn a_great_effort_or_a_small_graph_is_a_scan() {
        let route = |points, allowed, ef| route(Family::Graph, points, allowed, ef);
        assert_eq!(route(100_000, None, 64), Route::Search { budget: None });
        assert_eq!(route(1_000, None, 64), Route::ScanAll);
        assert_eq!(route(10_000, None, 1_024), Route::ScanAll);
        assert_eq!(route(10_000, Some(9_900), 1_024), Route::ScanAll);
        assert_eq!(route(10_000, Some(0), 64), Route::ScanAllowed);
    }

    #[test]
    fn buckets_are_searched_unless_very_few_points_are_allowed() {
        let route = |points, allowed, ef| route(Family::Buckets, points, allowed, ef);
        let searched = Route::Search { budget: None };
        assert_eq!(route(100_000, None, 64), searched);
        assert_eq!(route(100_000, Some(10_000), 16), searched);
        assert_eq!(route(1_000_000, Some(10_000), 16), searched);
        assert_eq!(route(100_000, Some(1_000), 16), Route::ScanAllowed);
        assert_eq!(route(100_000, Some(0), 16), Route::ScanAllowed);
    }
}
