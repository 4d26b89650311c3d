//! Bounds of numbers and of moments.

use super::number::Number;
use crate::timestamp::Timestamp;
use serde_json::Value;
use std::ops::{Bound, RangeBounds};

/// From where to where; a value of another kind than the bounds is outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// Numbers.
    Number(Bounds<Number>),
    /// Moments: strings in RFC 3339.
    Datetime(Bounds<Timestamp>),
}

impl Range {
    /// Whether `value` is inside.
    pub(crate) fn contains(&self, value: &Value) -> bool {
        match self {
            Range::Number(bounds) => {
                Number::of(value).is_some_and(|number| bounds.contains(&number))
            }
            Range::Datetime(bounds) => value
                .as_str()
                .and_then(Timestamp::parse)
                .is_some_and(|moment| bounds.contains(&moment)),
        }
    }
}

/// The ends of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds<T> {
    /// Where it begins.
    pub lower: Bound<T>,
    /// Where it ends.
    pub upper: Bound<T>,
}

impl<T> Bounds<T> {
    /// The ends of `range`.
    pub fn new<V: Clone + Into<T>>(range: impl RangeBounds<V>) -> Bounds<T> {
        Bounds {
            lower: range.start_bound().cloned().map(Into::into),
            upper: range.end_bound().cloned().map(Into::into),
        }
    }

    /// The same ends, each replaced by what `map` makes of it; `None` if `map` fails.
    pub(super) fn try_map<U>(&self, map: impl Fn(&T) -> Option<U>) -> Option<Bounds<U>> {
        let end = |bound: &Bound<T>| match bound {
            Bound::Unbounded => Some(Bound::Unbounded),
            Bound::Included(value) => map(value).map(Bound::Included),
            Bound::Excluded(value) => map(value).map(Bound::Excluded),
        };
        Some(Bounds {
            lower: end(&self.lower)?,
            upper: end(&self.upper)?,
        })
    }

    /// Whether it is open at both ends.
    pub(crate) fn is_everything(&self) -> bool {
        matches!(
            (&self.lower, &self.upper),
            (Bound::Unbounded, Bound::Unbounded)
        )
    }
}

impl<T: PartialOrd> Bounds<T> {
    /// Whether `value` is between the ends.
    pub(crate) fn contains(&self, value: &T) -> bool {
        let above = match &self.lower {
            Bound::Unbounded => true,
            Bound::Included(lower) => value >= lower,
            Bound::Excluded(lower) => value > lower,
        };
        above
            && match &self.upper {
                Bound::Unbounded => true,
                Bound::Included(upper) => value <= upper,
                Bound::Excluded(upper) => value < upper,
            }
    }
}

/// What a [`Range`] can be made of: numbers and moments.
pub trait RangeValue: Clone {
    /// The range with these ends.
    fn range(bounds: (Bound<Self>, Bound<Self>)) -> Range;
}

macro_rules! range_of_numbers {
    ($($number:ty),*) => { $(
        impl RangeValue for $number {
            fn range(bounds: (Bound<$number>, Bound<$number>)) -> Range {
                Range::Number(Bounds::new(bounds))
            }
        }
    )* };
}

range_of_numbers!(i8, i16, i32, i64, u8, u16, u32, u64, f32, f64, Number);

impl RangeValue for Timestamp {
    fn range(bounds: (Bound<Timestamp>, Bound<Timestamp>)) -> Range {
        Range::Datetime(Bounds::new(bounds))
    }
}
