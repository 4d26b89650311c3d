//! The values that conditions compare with: [`Scalar`], and [`Number`] with its exact order.

use crate::timestamp::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt;
use uuid::Uuid;

/// A number as JSON has them: an integer of 64 bits, with or without sign, or a float.
///
/// Numbers are compared by what they are worth, exactly: `1` equals `1.0`, and 2⁵³ + 1 does not equal the float 2⁵³.
///
/// ```
/// use aethervec::Number;
///
/// assert_eq!(Number::from(1), Number::from(1.0));
/// assert!(Number::from((1u64 << 53) + 1) > Number::from((1u64 << 53) as f64));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Number(Repr);

#[derive(Clone, Copy, Debug)]
enum Repr {
    /// Within the ranges of `i64` and `u64`.
    Int(i128),
    Float(f64),
}

impl Number {
    /// The number in a JSON value.
    pub(crate) fn of(value: &Value) -> Option<Number> {
        let Value::Number(number) = value else {
            return None;
        };
        if let Some(number) = number.as_i64() {
            return Some(Number::from(number));
        }
        if let Some(number) = number.as_u64() {
            return Some(Number::from(number));
        }
        number.as_f64().map(Number::from)
    }

    /// It as an integer, if it is a whole number that `i64` can hold.
    pub fn as_i64(self) -> Option<i64> {
        match self.0 {
            Repr::Int(number) => i64::try_from(number).ok(),
            Repr::Float(number) => whole(number).and_then(|number| i64::try_from(number).ok()),
        }
    }

    /// It as an integer, if it is a whole number that `u64` can hold.
    pub fn as_u64(self) -> Option<u64> {
        match self.0 {
            Repr::Int(number) => u64::try_from(number).ok(),
            Repr::Float(number) => whole(number).and_then(|number| u64::try_from(number).ok()),
        }
    }

    /// It as a float: the nearest one.
    pub fn as_f64(self) -> f64 {
        match self.0 {
            #[expect(
                clippy::cast_precision_loss,
                reason = "the nearest float is what is asked for"
            )]
            Repr::Int(number) => number as f64,
            Repr::Float(number) => number,
        }
    }

    /// Whether it is neither infinite nor no number at all.
    pub(crate) fn is_finite(self) -> bool {
        match self.0 {
            Repr::Int(_) => true,
            Repr::Float(number) => number.is_finite(),
        }
    }
}

/// `number` as an integer, if it is one of a size that some integer type here has.
fn whole(number: f64) -> Option<i128> {
    if number.fract() != 0.0 || number.abs() > 1e20 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked: a whole number of at most 67 bits"
    )]
    Some(number as i128)
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        match (self.0, other.0) {
            (Repr::Int(a), Repr::Int(b)) => Some(a.cmp(&b)),
            (Repr::Float(a), Repr::Float(b)) => a.partial_cmp(&b),
            (Repr::Int(a), Repr::Float(b)) => compare(a, b),
            (Repr::Float(a), Repr::Int(b)) => compare(b, a).map(Ordering::reverse),
        }
    }
}

fn compare(int: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    let floor = float.floor();
    match whole(floor) {
        Some(whole) => Some(int.cmp(&whole).then(if float > floor {
            Ordering::Less
        } else {
            Ordering::Equal
        })),
        None if float > 0.0 => Some(Ordering::Less),
        None => Some(Ordering::Greater),
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Repr::Int(number) => number.fmt(f),
            // With a fraction or an exponent, so that it stays a float.
            Repr::Float(number) => write!(f, "{number:?}"),
        }
    }
}

/// A JSON number.
impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Repr::Int(number) => match (i64::try_from(number), u64::try_from(number)) {
                (Ok(number), _) => serializer.serialize_i64(number),
                (_, Ok(number)) => serializer.serialize_u64(number),
                _ => serializer.serialize_i128(number),
            },
            Repr::Float(number) => serializer.serialize_f64(number),
        }
    }
}

macro_rules! number_from_int {
    ($($int:ty),*) => { $(
        impl From<$int> for Number {
            fn from(number: $int) -> Number {
                Number(Repr::Int(i128::from(number)))
            }
        }

        impl From<$int> for Scalar {
            fn from(number: $int) -> Scalar {
                Scalar::Number(Number::from(number))
            }
        }
    )* };
}

number_from_int!(i8, i16, i32, i64, u8, u16, u32, u64);

impl From<f64> for Number {
    fn from(number: f64) -> Number {
        Number(Repr::Float(number))
    }
}

impl From<f32> for Number {
    fn from(number: f32) -> Number {
        Number::from(f64::from(number))
    }
}

/// A value that a condition compares with.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// A boolean.
    Bool(bool),
    /// A number; equal to every number that is worth the same.
    Number(Number),
    /// A string; equal to the same string.
    Str(String),
    /// A UUID; equal to a string that spells it, with or without hyphens, in capitals or not.
    Uuid(Uuid),
    /// A moment; equal to a string that names it in RFC 3339, in whatever time zone.
    Datetime(Timestamp),
}

impl Scalar {
    /// Whether `value` equals this.
    pub(crate) fn equals(&self, value: &Value) -> bool {
        match (self, value) {
            (Scalar::Bool(a), Value::Bool(b)) => a == b,
            (Scalar::Number(a), value) => Number::of(value).is_some_and(|b| *a == b),
            (Scalar::Str(a), Value::String(b)) => a == b,
            (Scalar::Uuid(a), Value::String(b)) => Uuid::try_parse(b).is_ok_and(|b| *a == b),
            (Scalar::Datetime(a), Value::String(b)) => Timestamp::parse(b) == Some(*a),
            _ => false,
        }
    }
}

impl From<bool> for Scalar {
    fn from(value: bool) -> Scalar {
        Scalar::Bool(value)
    }
}

impl From<f64> for Scalar {
    fn from(value: f64) -> Scalar {
        Scalar::Number(value.into())
    }
}

impl From<f32> for Scalar {
    fn from(value: f32) -> Scalar {
        Scalar::Number(value.into())
    }
}

impl From<Number> for Scalar {
    fn from(value: Number) -> Scalar {
        Scalar::Number(value)
    }
}

impl From<&str> for Scalar {
    fn from(value: &str) -> Scalar {
        Scalar::Str(value.to_owned())
    }
}

impl From<String> for Scalar {
    fn from(value: String) -> Scalar {
        Scalar::Str(value)
    }
}

impl From<Uuid> for Scalar {
    fn from(value: Uuid) -> Scalar {
        Scalar::Uuid(value)
    }
}

impl From<Timestamp> for Scalar {
    fn from(value: Timestamp) -> Scalar {
        Scalar::Datetime(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_by_worth() {
        let big = (1u64 << 53) + 1;
        assert!(Number::from(big) > Number::from(9_007_199_254_740_992.0));
        assert!(Number::from(u64::MAX) < Number::from(18_446_744_073_709_551_616.0));
        assert!(Number::from(i64::MIN) == Number::from(-9_223_372_036_854_775_808.0));
        assert!(Number::from(-1) > Number::from(-1.5));
        assert!(Number::from(1) < Number::from(1.5));
        assert!(Number::from(0) == Number::from(-0.0));
        assert!(Number::from(5) < Number::from(f64::INFINITY));
        assert!(Number::from(5) > Number::from(-1e300));
        assert!(Number::from(f64::NAN) != Number::from(f64::NAN));
        assert_eq!(Number::from(7.0).as_i64(), Some(7));
        assert_eq!(Number::from(7.5).as_i64(), None);
    }
}
