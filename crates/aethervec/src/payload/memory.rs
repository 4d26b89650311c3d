//! An index as it is in memory, and what it knows of conditions.

use crate::filter::{Bounds, GeoPoint, Number, Range, Scalar, Test, TextMode, TextTest};
use crate::payload::found::Found;
use crate::payload::geo::{self, Place};
use crate::payload::kind::{self, MARK, Mark, PayloadIndexKind, VALUE};
use crate::payload::ordered::Ordered;
use crate::payload::posting::bitmap_bytes;
use crate::payload::text::Text;
use crate::timestamp::Timestamp;
use roaring::RoaringTreemap;
use std::ops::Bound;
use uuid::Uuid;

/// One index: all of its terms and their points. Points that are dead may be among them.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) kind: PayloadIndexKind,
    marks: [RoaringTreemap; Mark::ALL.len()],
    pub(crate) values: Values,
}

/// The values of an index, by what they are compared as.
#[derive(Debug)]
pub(crate) enum Values {
    Bytes(Ordered<Box<[u8]>>),
    Numbers(Ordered<u64>),
    Uuids(Ordered<u128>),
    Places(Ordered<Place>),
    Text(Text),
}

impl Memory {
    /// An index without points.
    pub(crate) fn new(kind: PayloadIndexKind) -> Memory {
        let values = match kind {
            PayloadIndexKind::Keyword => Values::Bytes(Ordered::default()),
            PayloadIndexKind::Integer
            | PayloadIndexKind::Float
            | PayloadIndexKind::Bool
            | PayloadIndexKind::Datetime => Values::Numbers(Ordered::default()),
            PayloadIndexKind::Uuid => Values::Uuids(Ordered::default()),
            PayloadIndexKind::Geo => Values::Places(Ordered::default()),
            PayloadIndexKind::Text | PayloadIndexKind::FoldedText => Values::Text(Text::default()),
        };
        Memory {
            kind,
            marks: Default::default(),
            values,
        }
    }

    /// `point` has `term`. `None` when an index of this kind has no such terms.
    pub(crate) fn insert(&mut self, term: &[u8], point: u64, weight: u32) -> Option<()> {
        let (&tag, term) = term.split_first()?;
        if tag == MARK {
            let &[number] = term else { return None };
            match (Mark::of(number)?, &mut self.values) {
                (Mark::Length, Values::Text(text)) => text.insert_length(point, weight),
                (mark, _) => {
                    self.marks[usize::from(mark.number())].insert(point);
                }
            }
            return Some(());
        }
        if tag != VALUE {
            return None;
        }
        match &mut self.values {
            Values::Bytes(values) => values.insert(term.into(), point),
            Values::Numbers(values) => {
                values.insert(u64::from_be_bytes(term.try_into().ok()?), point);
            }
            Values::Uuids(values) => {
                values.insert(u128::from_be_bytes(term.try_into().ok()?), point);
            }
            Values::Places(values) => {
                let ([lat, lon], []) = term.as_chunks() else {
                    return None;
                };
                let degrees = |bits: &[u8; 8]| f64::from_bits(u64::from_be_bytes(*bits));
                values.insert(Place::new(GeoPoint::new(degrees(lat), degrees(lon))), point);
            }
            Values::Text(text) => text.insert_word(str::from_utf8(term).ok()?, point, weight),
        }
        Some(())
    }

    /// The points of which `mark` is said.
    pub(crate) fn marked(&self, mark: Mark) -> &RoaringTreemap {
        &self.marks[usize::from(mark.number())]
    }

    /// Calls `out` with each term, point and weight: what [`insert`](Memory::insert) was given.
    pub(crate) fn each(&self, mut out: impl FnMut(&[u8], u64, u32)) {
        for (mark, points) in Mark::ALL.iter().zip(&self.marks) {
            points.iter().for_each(|point| out(&mark.term(), point, 0));
        }
        match &self.values {
            Values::Bytes(values) => each_value(values, |value| value.to_vec(), out),
            Values::Numbers(values) => {
                each_value(values, |value| value.to_be_bytes().to_vec(), out);
            }
            Values::Uuids(values) => each_value(values, |value| value.to_be_bytes().to_vec(), out),
            Values::Places(values) => {
                let term = |place: &Place| {
                    let point = place.point();
                    let bits =
                        [point.lat, point.lon].map(|degrees| degrees.to_bits().to_be_bytes());
                    bits.concat()
                };
                each_value(values, term, out);
            }
            Values::Text(text) => {
                for (point, length) in text.lengths() {
                    out(&Mark::Length.term(), point, length);
                }
                for (word, occurrences) in text.iter() {
                    let term = [&[VALUE], word.as_bytes()].concat();
                    for (point, count) in occurrences.iter() {
                        out(&term, point, count);
                    }
                }
            }
        }
    }

    /// How many different values there are.
    pub(crate) fn len(&self) -> usize {
        match &self.values {
            Values::Bytes(values) => values.len(),
            Values::Numbers(values) => values.len(),
            Values::Uuids(values) => values.len(),
            Values::Places(values) => values.len(),
            Values::Text(text) => text.len(),
        }
    }

    /// Forgets all points but those of `keep`.
    pub(crate) fn keep_only(&mut self, keep: &RoaringTreemap) {
        self.marks.iter_mut().for_each(|points| *points &= keep);
        match &mut self.values {
            Values::Bytes(values) => values.keep_only(keep),
            Values::Numbers(values) => values.keep_only(keep),
            Values::Uuids(values) => values.keep_only(keep),
            Values::Places(values) => values.keep_only(keep),
            Values::Text(text) => text.keep_only(keep),
        }
    }

    /// About how many bytes it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let values = match &self.values {
            Values::Bytes(values) => values.memory_bytes(|value| value.len()),
            Values::Numbers(values) => values.memory_bytes(|_| 0),
            Values::Uuids(values) => values.memory_bytes(|_| 0),
            Values::Places(values) => values.memory_bytes(|_| 0),
            Values::Text(text) => text.memory_bytes(),
        };
        self.marks.iter().map(bitmap_bytes).sum::<usize>() + values
    }

    /// The words, if it is an index of texts.
    pub(crate) fn text_of(&self) -> Option<&Text> {
        match &self.values {
            Values::Text(text) => Some(text),
            _ => None,
        }
    }

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

fn each_value<V: Ord>(
    values: &Ordered<V>,
    bytes: impl Fn(&V) -> Vec<u8>,
    mut out: impl FnMut(&[u8], u64, u32),
) {
    for (value, posting) in values.iter() {
        let term = [&[VALUE][..], &bytes(value)].concat();
        posting.iter().for_each(|point| out(&term, point, 0));
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

type Keys = (Bound<u64>, Bound<u64>);

/// A range without keys.
const NO_KEYS: Keys = (Bound::Included(1), Bound::Included(0));

/// The keys of the integers inside of `bounds`; `None` when an end is no number.
fn integer_keys(bounds: &Bounds<Number>) -> Option<Keys> {
    let (largest, smallest) = (Number::from(i64::MAX), Number::from(i64::MIN));
    let lower = match integer_bound(&bounds.lower)? {
        Bound::Included(Err(number)) if number > largest => return Some(NO_KEYS),
        Bound::Included(Err(number)) if number < smallest => Bound::Unbounded,
        bound => bound.map(|number| kind::integer_key(number.unwrap_or_else(up))),
    };
    let upper = match integer_bound(&bounds.upper)? {
        Bound::Included(Err(number)) if number < smallest => return Some(NO_KEYS),
        Bound::Included(Err(number)) if number > largest => Bound::Unbounded,
        bound => bound.map(|number| kind::integer_key(number.unwrap_or_else(down))),
    };
    Some((lower, upper))
}

/// An end that is an integer, or included: what is none cannot be hit.
fn integer_bound(bound: &Bound<Number>) -> Option<Bound<Result<i64, Number>>> {
    Some(match *bound {
        Bound::Unbounded => Bound::Unbounded,
        Bound::Included(number) | Bound::Excluded(number) if number.as_f64().is_nan() => {
            return None;
        }
        Bound::Included(number) => Bound::Included(number.as_i64().ok_or(number)),
        Bound::Excluded(number) => match number.as_i64() {
            Some(number) => Bound::Excluded(Ok(number)),
            None => Bound::Included(Err(number)),
        },
    })
}

/// The first integer above a number with a fraction.
fn up(number: Number) -> i64 {
    Number::from(number.as_f64().ceil())
        .as_i64()
        .expect("floats with a fraction are far from the ends of i64")
}

/// The last integer below a number with a fraction.
fn down(number: Number) -> i64 {
    Number::from(number.as_f64().floor())
        .as_i64()
        .expect("floats with a fraction are far from the ends of i64")
}

/// The keys of the floats inside of `bounds`; `None` when an end is no number.
fn float_keys(bounds: &Bounds<Number>) -> Option<Keys> {
    // The nearest float may lie beyond an end that is none: then it is inside, or else it is outside.
    let end = |bound: &Bound<Number>, is_inside: fn(Number, Number) -> bool| {
        let (number, included) = match *bound {
            Bound::Unbounded => return Some(Bound::Unbounded),
            Bound::Included(number) => (number, true),
            Bound::Excluded(number) => (number, false),
        };
        let float = number.as_f64();
        if float.is_nan() {
            return None;
        }
        let key = kind::float_key(float);
        let nearest = Number::from(float);
        let included = if nearest == number {
            included
        } else {
            is_inside(nearest, number)
        };
        Some(if included {
            Bound::Included(key)
        } else {
            Bound::Excluded(key)
        })
    };
    Some((
        end(&bounds.lower, |nearest, end| nearest > end)?,
        end(&bounds.upper, |nearest, end| nearest < end)?,
    ))
}
