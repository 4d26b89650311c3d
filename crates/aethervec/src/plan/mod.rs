//! How a query is answered: which way through a dense field's graph costs least, and what effort the recall that was
//! asked for takes. Pure decisions; `search` carries them out.
//!
//! Costs are counted in vectors that are compared with the query, for that is where the time goes:
//!
//! ```text
//! walk through the graph   about WALK_PER_EF × ef, and 1 / (share of the points that are allowed) times as much
//! scan of allowed points   one each, in the order of their ids, which is no order of the memory
//! scan of everything       one each, in the order of the memory: half the price
//! ```

pub(crate) mod calibration;
pub(crate) mod explain;

use std::fmt;

/// Vectors that a walk compares for each candidate that it holds, with the links that are usual.
const WALK_PER_EF: f64 = 12.0;

/// What a comparison costs in a scan in the order of the memory, against one at a random place.
const IN_ORDER: f64 = 0.6;

/// How the graph of a dense field is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Walk through the graph; with a budget, give up and scan instead when it would compare more vectors.
    Walk { budget: Option<usize> },
    /// Compare with each of the allowed points.
    ScanAllowed,
    /// Compare with all points, and look which of the near ones are allowed.
    ScanAll,
}

impl Route {
    /// Whether fewer points than asked for means that there are no more.
    pub(crate) fn is_scan(self) -> bool {
        !matches!(self, Route::Walk { .. })
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Route::Walk { budget: None } => f.write_str("walk"),
            Route::Walk {
                budget: Some(budget),
            } => write!(f, "walk, for at most {budget} comparisons"),
            Route::ScanAllowed => f.write_str("scan of the allowed points"),
            Route::ScanAll => f.write_str("scan of all points"),
        }
    }
}

/// The way that should cost least, through a graph of `points` points of which `allowed` may be hits (`None`: all).
pub(crate) fn route(points: usize, allowed: Option<u64>, ef: usize) -> Route {
    let walk = WALK_PER_EF * ef as f64;
    let everything = points as f64 * IN_ORDER;
    let Some(allowed) = allowed else {
        return if walk < everything {
            Route::Walk { budget: None }
        } else {
            Route::ScanAll
        };
    };
    let scan = (allowed as f64).min(everything);
    // How many of those near the query are allowed is not known: this is right for filters that have nothing to do
    // with the vectors. The budget bounds what the others cost.
    if walk * (points as f64) < scan * allowed as f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of points"
        )]
        let budget = Some(scan as usize);
        Route::Walk { budget }
    } else {
        cheapest_scan(points, Some(allowed))
    }
}

/// The cheaper way to compare with all of them.
pub(crate) fn cheapest_scan(points: usize, allowed: Option<u64>) -> Route {
    if allowed.is_some_and(|allowed| (allowed as f64) < points as f64 * IN_ORDER) {
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
        let route = |allowed| route(100_000, Some(allowed), 64);
        assert_eq!(route(10), Route::ScanAllowed);
        assert_eq!(route(1_000), Route::ScanAllowed);
        assert_eq!(
            route(50_000),
            Route::Walk {
                budget: Some(50_000)
            }
        );
        assert_eq!(
            route(100_000),
            Route::Walk {
                budget: Some(60_000)
            }
        );
    }

    #[test]
    fn a_great_effort_or_a_small_graph_is_a_scan() {
        assert_eq!(route(100_000, None, 64), Route::Walk { budget: None });
        assert_eq!(route(1_000, None, 64), Route::ScanAll);
        assert_eq!(route(10_000, None, 1_024), Route::ScanAll);
        assert_eq!(route(10_000, Some(9_900), 1_024), Route::ScanAll);
        assert_eq!(route(10_000, Some(0), 64), Route::ScanAllowed);
    }
}
