//! Filters: which documents count.
//!
//! A filter is a tree of conditions on a document's payload, id and vectors. It has three forms that say the same: a
//! builder in Rust (`build`), JSON (`json`, `to_json`) and text (`parse`, `print`). `matches` is its meaning; every index must agree with it.
//!
//! Logic is two-valued: a condition holds or it does not, and `not` is the complement. A condition on a missing field does not
//! hold, so its negation does.

mod build;
mod geo;
mod json;
mod lex;
mod matches;
mod number;
mod parse;
mod path;
mod print;
mod range;
mod to_json;
mod validate;

pub use geo::{GeoBox, GeoPoint, GeoPolygon};
pub use number::{Number, Scalar};
pub use path::Path;
pub(crate) use path::Step;
pub use range::{Bounds, Range, RangeValue};

use crate::id::DocId;

/// Which documents count: a tree of conditions.
///
/// ```
/// use aethervec::Filter;
/// use serde_json::json;
///
/// let filter = Filter::eq("lang", "en").and(Filter::range("year", 2020..));
/// let payload = json!({"lang": "en", "year": 2024});
/// assert!(filter.matches(&"a".into(), Some(&payload), |_| true));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All of these hold. With none of them: every document.
    And(Vec<Filter>),
    /// One of these holds, or more. With none of them: no document.
    Or(Vec<Filter>),
    /// This does not hold.
    Not(Box<Filter>),
    /// At least `min` of these hold.
    AtLeast {
        /// How many must hold.
        min: usize,
        /// The filters that are counted.
        of: Vec<Filter>,
    },
    /// A condition on the payload: on one of the values that `path` reaches.
    Field {
        /// Where to look.
        path: Path,
        /// What must hold there.
        test: Test,
    },
    /// One object that `path` reaches satisfies all of `filter`, whose paths begin at that object. An array at the end of
    /// `path` stands for its elements.
    Nested {
        /// Where the objects are.
        path: Path,
        /// What one of them must satisfy.
        filter: Box<Filter>,
    },
    /// The document is called one of these.
    HasId(Vec<DocId>),
    /// The document has a vector in this field.
    HasVector(String),
}

/// What a [`Filter`] can ask of a value in the payload.
///
/// Tests on a value hold for an array when they hold for one of its elements; [`Exists`](Test::Exists),
/// [`Null`](Test::Null), [`Empty`](Test::Empty) and [`Len`](Test::Len) are about the array itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// It equals this.
    Eq(Scalar),
    /// It equals one of these.
    AnyOf(Vec<Scalar>),
    /// It is a boolean, a number or a string that equals none of these.
    Except(Vec<Scalar>),
    /// It is a number, or a string that names a moment, inside of these bounds.
    Range(Range),
    /// It is a place at most so far away from the centre.
    GeoRadius {
        /// The centre.
        center: GeoPoint,
        /// The greatest distance over the surface of the Earth, in meters.
        meters: f64,
    },
    /// It is a place inside of this box.
    GeoBox(GeoBox),
    /// It is a place inside of this polygon.
    GeoPolygon(GeoPolygon),
    /// It is a text with these words.
    Text(TextTest),
    /// It is there; `null` is.
    Exists,
    /// It is `null`.
    Null,
    /// It is missing, `null` or `[]`.
    Empty,
    /// It has so many values: as many as an array has elements, none if it is missing or `null`, else one.
    Len(Bounds<u64>),
}

/// Which words a text must have.
///
/// Texts are cut into words by the Unicode rules and compared in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextTest {
    /// The words, as a text.
    pub query: String,
    /// How many of them, and in what order.
    pub mode: TextMode,
    /// Whether marks above and below letters are ignored, and compatible forms taken for the same: `cafe` finds `Café`.
    pub fold: bool,
}

/// How the words of a [`TextTest`] must occur.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TextMode {
    /// All of them, anywhere.
    #[default]
    All,
    /// One of them.
    Any,
    /// All of them, one directly behind the other.
    Phrase,
    /// As a phrase, and the last one needs only to be the beginning of a word.
    Prefix,
}

#[cfg(test)]
mod tests;
