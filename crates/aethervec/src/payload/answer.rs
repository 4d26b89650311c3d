//! What an index in memory knows of a condition.

use crate::filter::{Range, Scalar, Test, TextMode, TextTest};
use crate::payload::bounds::{float_keys, integer_keys};
use crate::payload::found::Found;
use crate::payload::geo;
use crate::payload::kind::{self, Mark, PayloadIndexKind};
use crate::payload::memory::{Memory, Values};
use crate::payload::ordered::Ordered;
use crate::timestamp::Timestamp;
use roaring::RoaringTreemap;
use std::ops::Bound;
use uuid::Uuid;

impl Memory {
    /// For which points of `universe` the test holds; `None` when this index knows nothing of it.
    pub(crate) fn find(&self, test: &Test, universe: &RoaringTreemap) -> Option<Found> {
        let marked = |mark: Mark| self.marked(mark) & universe;
        match test {
            Test::Exists => Some(Found::exactly(universe - self.marked(Mark::Absent))),
            Test::Null => Some(Found::exactly(marked(Mark::Null))),
            Test::Empty => Some(Found::exactly(marked(Mark::Absent) | marked(Mark::Hollow))),
            Test::Len(_) => None,
            Test::Eq(scalar) => self.any_of(std::slice::from_ref(scalar), universe),
            Test::AnyOf(scalars) => self.any_of(scalars, universe),
            Test::Except(scalars) => self.except(scalars, universe),
            Test::Range(range) => self.range(range, universe),
            Test::GeoRadius { .. } | Test::GeoBox(_) | Test::GeoPolygon(_) => {
                let Values::Places(places) = &self.values else {
                    return None;
                };
                let mut points = RoaringTreemap::new();
                geo::union_into(places, test, &mut points)
                    .then(|| Found::exactly(points & universe))
            }
            Test::Text(test) => self.text(test, universe),
        }
    }

    fn any_of(&self, scalars: &[Scalar], universe: &RoaringTreemap) -> Option<Found> {
        match &self.values {
            Values::Bytes(values) => {
                any_of(values, scalars.iter().map(keyword), self.others(), universe)
            }
            Values::Numbers(values) => {
                let matches = scalars.iter().map(|scalar| number(self.kind, scalar));
                any_of(values, matches, self.others(), universe)
            }
            Values::Uuids(values) => {
                any_of(values, scalars.iter().map(uuid), self.others(), universe)
            }
            Values::Places(_) | Values::Text(_) => None,
        }
    }

    fn except(&self, scalars: &[Scalar], universe: &RoaringTreemap) -> Option<Found> {
        match &self.values {
            Values::Bytes(values) => {
                except(values, scalars.iter().map(keyword), self.others(), universe)
            }
            Values::Numbers(values) => {
                let matches = scalars.iter().map(|scalar| number(self.kind, scalar));
                except(values, matches, self.others(), universe)
            }
            Values::Uuids(values) => {
                except(values, scalars.iter().map(uuid), self.others(), universe)
            }
            Values::Places(_) | Values::Text(_) => None,
        }
    }

    fn range(&self, range: &Range, universe: &RoaringTreemap) -> Option<Found> {
        let keys = match (range, self.kind) {
            (Range::Number(bounds), PayloadIndexKind::Integer) => integer_keys(bounds)?,
            (Range::Number(bounds), PayloadIndexKind::Float) => float_keys(bounds)?,
            (Range::Datetime(bounds), PayloadIndexKind::Datetime) => {
                let key = |moment: &Timestamp| kind::integer_key(moment.as_micros());
                (
                    bounds.lower.as_ref().map(key),
                    bounds.upper.as_ref().map(key),
                )
            }
            // Strings may be moments, and this index has no others.
            (Range::Datetime(_), PayloadIndexKind::Keyword) => return None,
            (_, PayloadIndexKind::Geo | PayloadIndexKind::Text | PayloadIndexKind::FoldedText) => {
                return None;
            }
            // What is in the range is no value of this index.
            _ => return Some(Found::new(RoaringTreemap::new(), self.others() & universe)),
        };
        let Values::Numbers(values) = &self.values else {
            return None;
        };
        let mut points = RoaringTreemap::new();
        values.union_into(&keys, &mut points);
        let others = match range {
            Range::Number(_) => self.others() & universe,
            // All strings that are moments have a value here.
            Range::Datetime(_) => RoaringTreemap::new(),
        };
        Some(Found::new(points & universe, others))
    }

    fn text(&self, test: &TextTest, universe: &RoaringTreemap) -> Option<Found> {
        let text = self.text_of()?;
        if self.kind.tokenizer() != Some(test.tokenizer()) {
            return None;
        }
        let words = test.tokenizer().words(&test.query);
        let Some((last, first)) = words.split_last() else {
            return Some(Found::default());
        };
        let with = |word: &str| {
            let mut points = RoaringTreemap::new();
            if let Some(occurrences) = text.get(word) {
                occurrences.points.union_into(&mut points);
            }
            points & universe
        };
        if test.mode == TextMode::Any {
            let points = words
                .iter()
                .fold(RoaringTreemap::new(), |all, word| all | with(word));
            return Some(Found::exactly(points));
        }
        let mut points = if test.mode == TextMode::Prefix {
            let mut points = RoaringTreemap::new();
            for (_, occurrences) in text.with_prefix(last) {
                occurrences.points.union_into(&mut points);
            }
            points & universe
        } else {
            with(last)
        };
        for word in first {
            points &= with(word);
        }
        Some(match test.mode {
            _ if first.is_empty() => Found::exactly(points),
            // Each word is there, but perhaps in different texts.
            TextMode::All => Found::new(&points - self.marked(Mark::Several), points),
            _ => Found::new(RoaringTreemap::new(), points),
        })
    }

    fn others(&self) -> &RoaringTreemap {
        self.marked(Mark::Other)
    }
}

/// Where the values are that equal a scalar.
enum Match<V> {
    /// All values of this key, and no others.
    Key(V),
    /// Some values of this key, and no others.
    WithinKey(V),
    /// None that the index has a key for.
    Other,
    /// The index cannot tell.
    Unknown,
}

fn keyword(scalar: &Scalar) -> Match<Box<[u8]>> {
    match scalar {
        Scalar::Str(text) => {
            let mut key = Vec::new();
            kind::keyword_key(text, &mut key);
            if kind::is_long_keyword(&key) {
                Match::WithinKey(key.into())
            } else {
                Match::Key(key.into())
            }
        }
        Scalar::Bool(_) | Scalar::Number(_) => Match::Other,
        Scalar::Uuid(_) | Scalar::Datetime(_) => Match::Unknown,
    }
}

fn number(index: PayloadIndexKind, scalar: &Scalar) -> Match<u64> {
    let key = match (index, scalar) {
        (PayloadIndexKind::Integer, Scalar::Number(number)) => {
            number.as_i64().map(kind::integer_key)
        }
        (PayloadIndexKind::Float, Scalar::Number(number)) => {
            kind::float_of(*number).map(kind::float_key)
        }
        (PayloadIndexKind::Bool, Scalar::Bool(value)) => Some(u64::from(*value)),
        (PayloadIndexKind::Datetime, Scalar::Datetime(moment)) => {
            Some(kind::integer_key(moment.as_micros()))
        }
        (PayloadIndexKind::Datetime, Scalar::Str(text)) => {
            let moment = Timestamp::parse(text);
            return moment.map_or(Match::Other, |moment| {
                Match::WithinKey(kind::integer_key(moment.as_micros()))
            });
        }
        _ => None,
    };
    key.map_or(Match::Other, Match::Key)
}

fn uuid(scalar: &Scalar) -> Match<u128> {
    match scalar {
        Scalar::Uuid(uuid) => Match::Key(uuid.as_u128()),
        Scalar::Str(text) => match Uuid::try_parse(text) {
            Ok(uuid) => Match::WithinKey(uuid.as_u128()),
            Err(_) => Match::Other,
        },
        _ => Match::Other,
    }
}

fn any_of<V: Ord>(
    values: &Ordered<V>,
    matches: impl Iterator<Item = Match<V>>,
    others: &RoaringTreemap,
    universe: &RoaringTreemap,
) -> Option<Found> {
    let (mut sure, mut unsure) = (RoaringTreemap::new(), RoaringTreemap::new());
    let add = |key: &V, out: &mut RoaringTreemap| {
        if let Some(posting) = values.get(key) {
            posting.union_into(out);
        }
    };
    let mut may_be_other = false;
    for one in matches {
        match one {
            Match::Key(key) => add(&key, &mut sure),
            Match::WithinKey(key) => add(&key, &mut unsure),
            Match::Other => may_be_other = true,
            Match::Unknown => return None,
        }
    }
    if may_be_other {
        unsure |= others;
    }
    Some(Found::new(sure & universe, unsure & universe))
}

fn except<V: Ord>(
    values: &Ordered<V>,
    matches: impl Iterator<Item = Match<V>>,
    others: &RoaringTreemap,
    universe: &RoaringTreemap,
) -> Option<Found> {
    let mut unsure = others & universe;
    let mut keys = Vec::new();
    for one in matches {
        match one {
            Match::Key(key) => keys.push(key),
            Match::WithinKey(key) => {
                if let Some(posting) = values.get(&key) {
                    posting.union_into(&mut unsure);
                }
                keys.push(key);
            }
            Match::Other => {}
            Match::Unknown => return None,
        }
    }
    keys.sort_unstable();
    let mut sure = RoaringTreemap::new();
    let starts = std::iter::once(Bound::Unbounded).chain(keys.iter().map(Bound::Excluded));
    let ends = keys.iter().map(Bound::Excluded);
    for (start, end) in starts.zip(ends.chain(std::iter::once(Bound::Unbounded))) {
        values.union_into(&KeysBetween { start, end }, &mut sure);
    }
    Some(Found::new(sure & universe, unsure & universe))
}

/// A range whose ends are borrowed.
struct KeysBetween<'a, V> {
    start: Bound<&'a V>,
    end: Bound<&'a V>,
}

impl<V> std::ops::RangeBounds<V> for KeysBetween<'_, V> {
    fn start_bound(&self) -> Bound<&V> {
        self.start
    }

    fn end_bound(&self) -> Bound<&V> {
        self.end
    }
}
