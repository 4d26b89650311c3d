//! An index as it is in memory.

use crate::filter::GeoPoint;
use crate::payload::geo::Place;
use crate::payload::kind::{MARK, Mark, PayloadIndexKind, VALUE};
use crate::payload::ordered::Ordered;
use crate::payload::posting::{Posting, bitmap_bytes};
use crate::payload::text::Text;
use roaring::RoaringTreemap;

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

/// A term, and all points that have it, ascending, with their weights.
#[derive(Debug, Default)]
pub(crate) struct Term {
    pub(crate) bytes: Vec<u8>,
    pub(crate) points: Vec<(u64, u32)>,
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
            Values::Numbers(values) => values.insert(number(term)?, point),
            Values::Uuids(values) => values.insert(uuid(term)?, point),
            Values::Places(values) => values.insert(place(term)?, point),
            Values::Text(text) => text.insert_word(str::from_utf8(term).ok()?, point, weight),
        }
        Some(())
    }

    /// As [`insert`](Memory::insert), for all points of some terms: fast when these come in the order of their bytes.
    pub(crate) fn extend(&mut self, terms: Vec<Term>) -> Option<()> {
        let mut values = Vec::with_capacity(terms.len());
        for Term { bytes, points } in terms {
            match (&bytes[..], &mut self.values) {
                ([VALUE, word @ ..], Values::Text(text)) => {
                    text.insert_points(str::from_utf8(word).ok()?, &points);
                }
                ([VALUE, value @ ..], _) => {
                    let points = points.into_iter().map(|(point, _)| point).collect();
                    values.extend(Posting::of(points).map(|posting| (value.into(), posting)));
                }
                _ => points
                    .into_iter()
                    .try_for_each(|(point, weight)| self.insert(&bytes, point, weight))?,
            }
        }
        match &mut self.values {
            Values::Bytes(all) => all.extend(values),
            Values::Numbers(all) => all.extend(parsed(values, number)?),
            Values::Uuids(all) => all.extend(parsed(values, uuid)?),
            Values::Places(all) => all.extend(parsed(values, place)?),
            Values::Text(_) => {}
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
}

type Postings<V> = Vec<(V, Posting)>;

fn parsed<V>(
    values: Postings<Box<[u8]>>,
    parse: impl Fn(&[u8]) -> Option<V>,
) -> Option<Postings<V>> {
    let values = values.into_iter();
    values
        .map(|(bytes, posting)| Some((parse(&bytes)?, posting)))
        .collect()
}

fn number(term: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(term.try_into().ok()?))
}

fn uuid(term: &[u8]) -> Option<u128> {
    Some(u128::from_be_bytes(term.try_into().ok()?))
}

fn place(term: &[u8]) -> Option<Place> {
    let ([lat, lon], []) = term.as_chunks() else {
        return None;
    };
    let degrees = |bits: &[u8; 8]| f64::from_bits(u64::from_be_bytes(*bits));
    Some(Place::new(GeoPoint::new(degrees(lat), degrees(lon))))
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
