//! From the ends of a range of numbers to the keys of an index, exactly: an end needs not be a number that the index can hold.

use crate::filter::{Bounds, Number};
use crate::payload::kind;
use std::ops::Bound;

/// A range of keys.
pub(crate) type Keys = (Bound<u64>, Bound<u64>);

/// A range without keys.
const NO_KEYS: Keys = (Bound::Included(1), Bound::Included(0));

/// The keys of the integers inside of `bounds`; `None` when an end is no number.
pub(crate) fn integer_keys(bounds: &Bounds<Number>) -> Option<Keys> {
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
pub(crate) fn float_keys(bounds: &Bounds<Number>) -> Option<Keys> {
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
