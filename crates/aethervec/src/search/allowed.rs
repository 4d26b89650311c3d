//! Which points may be hits of a filtered search: as much of it as is known.

use super::found::Found;
use super::selections::Selections;
use crate::ann::Ann;
use crate::error::Result;
use crate::filter::Filter;
use crate::keyspace::{self, DocRow, PointRow};
use crate::overlay::is_staged;
use crate::payload;
use crate::view::CollectionView;
use aether_index::{PointId, Selection};
use roaring::{RoaringBitmap, RoaringTreemap};
use std::sync::Arc;

/// The points that a filter allows. All that it does are [`may_be`](Allowed::may_be); of some it is sure.
pub(super) struct Allowed<'a> {
    filter: Option<&'a Filter>,
    known: Option<Arc<Known>>,
}

/// What is known of a filter.
#[derive(Debug)]
pub(crate) struct Known {
    /// All for which the filter holds, and perhaps others.
    upper: RoaringTreemap,
    /// Those of them that have to be looked at; `None`: none.
    unsure: Option<RoaringTreemap>,
    /// Where the points are in approximate indexes.
    selections: Selections,
}

impl Known {
    pub(super) fn exactly(points: RoaringTreemap) -> Known {
        Known {
            upper: points,
            unsure: None,
            selections: Selections::default(),
        }
    }

    /// About how many bytes it takes.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Known>() + self.upper.serialized_size() + self.selections.memory_bytes()
    }
}

impl<'a> Allowed<'a> {
    /// Everything.
    pub(super) fn all() -> Allowed<'a> {
        Allowed {
            filter: None,
            known: None,
        }
    }

    /// What is remembered of the filter, or what the payload indexes know.
    pub(super) fn new(view: &CollectionView, filter: &'a Filter) -> Result<Allowed<'a>> {
        let version = view.version();
        let recent = &view.core.recent_filters;
        if let Some(version) = version
            && let Some(known) = recent.get(version, filter)
        {
            return Ok(Allowed::knowing(filter, known));
        }
        let known = Arc::new(match view.candidates(filter)? {
            None => Known::exactly(view.matching(filter)?),
            Some(candidates) => {
                let payload::Found { sure, unsure } = candidates.found;
                if unsure.is_empty() {
                    Known::exactly(sure)
                } else {
                    Known {
                        upper: sure | &unsure,
                        unsure: Some(unsure),
                        selections: Selections::default(),
                    }
                }
            }
        });
        // An index that is declared later may know more of the others.
        if let Some(version) = version.filter(|_| known.unsure.is_none()) {
            recent.insert(version, filter, &known);
        }
        Ok(Allowed::knowing(filter, known))
    }

    fn knowing(filter: &'a Filter, known: Arc<Known>) -> Allowed<'a> {
        Allowed {
            filter: Some(filter),
            known: Some(known),
        }
    }

    /// Found out by looking at documents, where the indexes are not sure.
    fn exactly(view: &CollectionView, filter: &'a Filter) -> Result<Allowed<'a>> {
        let known = Known::exactly(view.matching(filter)?);
        Ok(Allowed::knowing(filter, Arc::new(known)))
    }

    /// Whether looking at documents would tell more.
    pub(super) fn is_unsure(&self) -> bool {
        self.known
            .as_ref()
            .is_some_and(|known| known.unsure.is_some())
    }

    /// The same, with nothing unsure any more.
    pub(super) fn found_out(&self, view: &CollectionView) -> Result<Allowed<'a>> {
        self.filter.map_or_else(
            || Ok(Allowed::all()),
            |filter| Allowed::exactly(view, filter),
        )
    }

    /// For a step of a plan.
    pub(super) fn explanation(&self) -> (u64, String) {
        let upper = self.points().map_or(0, RoaringTreemap::len);
        let unsure = self.known.as_ref().and_then(|known| known.unsure.as_ref());
        let text = match unsure.map(RoaringTreemap::len) {
            None => "exactly these".to_owned(),
            Some(unsure) => format!("at most; no index knows of {unsure} of them"),
        };
        (upper, text)
    }

    /// `None`: everything is allowed.
    pub(super) fn filter(&self) -> Option<&'a Filter> {
        self.filter
    }

    /// The points that may be hits; `None`: all.
    pub(super) fn points(&self) -> Option<&RoaringTreemap> {
        self.known.as_ref().map(|known| &known.upper)
    }

    /// Where they are in an approximate index, if it was searched for them before; and whether they were looked up just now.
    pub(super) fn selection(&self, ann: &Arc<Ann>) -> Result<(Option<Arc<Selection>>, bool)> {
        match &self.known {
            Some(known) => known.selections.get(ann, &known.upper),
            None => Ok((None, false)),
        }
    }

    /// The selection turned out to be out of date.
    pub(super) fn forget_selection(&self, ann: &Arc<Ann>) {
        if let Some(known) = &self.known {
            known.selections.forget(ann);
        }
    }

    /// The same, for asking of many points.
    pub(super) fn members(&self) -> Option<Members<'_>> {
        self.points().map(Members::new)
    }

    pub(super) fn may_be(&self, point: PointId) -> bool {
        // What the reader's own transaction has staged is in no index.
        is_staged(point) || self.points().is_none_or(|points| points.contains(point.0))
    }

    /// Whether the filter holds for `hit`, which is visible, [may be](Allowed::may_be) one, and has its rows.
    pub(super) fn accepts(&self, view: &CollectionView, hit: &Found) -> Result<bool> {
        let point = hit.candidate.point;
        let unsure = self.known.as_ref().and_then(|known| known.unsure.as_ref());
        match self.filter {
            Some(filter)
                if is_staged(point) || unsure.is_some_and(|unsure| unsure.contains(point.0)) =>
            {
                hit.satisfies(view, filter)
            }
            _ => Ok(true),
        }
    }
}

/// A set of points that is asked of each point of a walk. Nearly always all numbers have the same upper half: then it is not
/// looked for each time.
pub(super) struct Members<'a> {
    points: &'a RoaringTreemap,
    first: Option<(u32, &'a RoaringBitmap)>,
}

impl<'a> Members<'a> {
    fn new(points: &'a RoaringTreemap) -> Members<'a> {
        Members {
            points,
            first: points.bitmaps().next(),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the lower half is what is left"
    )]
    pub(super) fn contains(&self, point: PointId) -> bool {
        match self.first {
            Some((upper, points)) if point.0 >> 32 == u64::from(upper) => {
                points.contains(point.0 as u32)
            }
            _ => self.points.contains(point.0),
        }
    }
}

impl Found {
    fn satisfies(&self, view: &CollectionView, filter: &Filter) -> Result<bool> {
        let point_key = keyspace::point_key(view.core.id, self.candidate.point);
        let fields = view.core.fields.load();
        let mut present = Vec::new();
        if let Some(row) = &self.point_row {
            for vector in PointRow::parse(&point_key, row)?.fields(&point_key) {
                present.push(vector?.0);
            }
        }
        let has_vector = |name: &str| {
            let field = fields.get(name);
            field.is_ok_and(|field| present.contains(&field.number))
        };
        let payload = match &self.doc_row {
            Some(row) => {
                let key = view.doc_key(&self.id);
                DocRow::parse(&key, row)?.payload(&key)?
            }
            None => None,
        };
        Ok(filter.matches(&self.id, payload.as_ref(), has_vector))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_the_points() {
        for offset in [0, u64::from(u32::MAX) - 3, 7 << 40] {
            let points: RoaringTreemap = (offset..offset + 10).step_by(3).collect();
            let members = Members::new(&points);
            for point in offset.saturating_sub(5)..offset + 15 {
                assert_eq!(members.contains(PointId(point)), points.contains(point));
            }
        }
        assert!(!Members::new(&RoaringTreemap::new()).contains(PointId(0)));
    }
}
