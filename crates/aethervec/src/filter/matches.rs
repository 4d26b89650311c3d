//! What a filter means. Slow and plain: the truth that indexes and planner are tested against, and the last word on documents
//! that an index can only guess at.

use super::{Filter, GeoPoint, Path, Scalar, Test, TextMode, TextTest};
use crate::id::DocId;
use crate::text::tokenize::Tokenizer;
use serde_json::Value;

impl Filter {
    /// Whether a document satisfies this: one called `id`, with this payload, and with a vector in each field that `has_vector`
    /// says yes to.
    ///
    /// ```
    /// use aethervec::Filter;
    /// use serde_json::json;
    ///
    /// let payload = json!({"tags": ["new", "red"]});
    /// assert!(Filter::eq("tags", "red").matches(&7.into(), Some(&payload), |_| true));
    /// assert!(Filter::ne("color", "red").matches(&7.into(), Some(&payload), |_| true));
    /// ```
    pub fn matches(
        &self,
        id: &DocId,
        payload: Option<&Value>,
        has_vector: impl Fn(&str) -> bool,
    ) -> bool {
        let subject = Subject {
            id,
            has_vector: &has_vector,
        };
        subject.satisfies(self, payload.unwrap_or(&Value::Null))
    }
}

/// What a filter can ask of a document beside its payload.
struct Subject<'a> {
    id: &'a DocId,
    has_vector: &'a dyn Fn(&str) -> bool,
}

impl Subject<'_> {
    /// `root`: the payload, or the object in it that a nested filter is about.
    fn satisfies(&self, filter: &Filter, root: &Value) -> bool {
        match filter {
            Filter::And(all) => all.iter().all(|filter| self.satisfies(filter, root)),
            Filter::Or(any) => any.iter().any(|filter| self.satisfies(filter, root)),
            Filter::Not(filter) => !self.satisfies(filter, root),
            Filter::AtLeast { min, of } => {
                let holding = of.iter().filter(|filter| self.satisfies(filter, root));
                holding.take(*min).count() == *min
            }
            Filter::Field { path, test } => test.holds(path, root),
            Filter::Nested { path, filter } => path.any_leaf(root, |value| {
                value.is_object() && self.satisfies(filter, value)
            }),
            Filter::HasId(ids) => ids.contains(self.id),
            Filter::HasVector(field) => (self.has_vector)(field),
        }
    }
}

impl Test {
    /// Whether this holds for one of the values that `path` reaches from `root`.
    pub(crate) fn holds(&self, path: &Path, root: &Value) -> bool {
        match self {
            Test::Exists => path.any(root, |_| true),
            Test::Null => path.any(root, Value::is_null),
            Test::Empty => !path.any(root, |value| len(value) > 0),
            Test::Len(bounds) => {
                let mut there = false;
                let holds = path.any(root, |value| {
                    there = true;
                    bounds.contains(&len(value))
                });
                holds || (!there && bounds.contains(&0))
            }
            test => path.any_leaf(root, |value| test.holds_for(value)),
        }
    }

    /// Whether this, a test on values, holds for `value`.
    fn holds_for(&self, value: &Value) -> bool {
        match self {
            Test::Eq(scalar) => scalar.equals(value),
            Test::AnyOf(scalars) => is_any_of(scalars, value),
            Test::Except(scalars) => {
                let is_scalar = !matches!(value, Value::Null | Value::Array(_) | Value::Object(_));
                is_scalar && !is_any_of(scalars, value)
            }
            Test::Range(range) => range.contains(value),
            Test::GeoRadius { center, meters } => {
                GeoPoint::of(value).is_some_and(|point| center.meters_to(&point) <= *meters)
            }
            Test::GeoBox(corners) => {
                GeoPoint::of(value).is_some_and(|point| corners.contains(&point))
            }
            Test::GeoPolygon(polygon) => {
                GeoPoint::of(value).is_some_and(|point| polygon.contains(&point))
            }
            Test::Text(text) => value.as_str().is_some_and(|value| text.holds_for(value)),
            Test::Exists | Test::Null | Test::Empty | Test::Len(_) => false,
        }
    }
}

fn is_any_of(scalars: &[Scalar], value: &Value) -> bool {
    scalars.iter().any(|scalar| scalar.equals(value))
}

fn len(value: &Value) -> u64 {
    match value {
        Value::Null => 0,
        Value::Array(elements) => elements.len() as u64,
        _ => 1,
    }
}

impl TextTest {
    /// How the words of this test, and of texts for it, are found.
    pub(crate) fn tokenizer(&self) -> Tokenizer {
        Tokenizer { fold: self.fold }
    }

    /// Whether `text` has the words. A test without words holds for no text.
    fn holds_for(&self, text: &str) -> bool {
        let wanted = self.tokenizer().words(&self.query);
        let Some((last, first)) = wanted.split_last() else {
            return false;
        };
        let words = self.tokenizer().words(text);
        match self.mode {
            TextMode::All => wanted.iter().all(|word| words.contains(word)),
            TextMode::Any => wanted.iter().any(|word| words.contains(word)),
            TextMode::Phrase => words.windows(wanted.len()).any(|window| window == wanted),
            TextMode::Prefix => words.windows(wanted.len()).any(|window| {
                window.starts_with(first) && window[first.len()].starts_with(last.as_str())
            }),
        }
    }
}
