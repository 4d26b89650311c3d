//! Filters built in Rust.

use super::{
    Bounds, Filter, GeoBox, GeoPoint, GeoPolygon, Path, RangeValue, Scalar, Test, TextMode,
    TextTest,
};
use crate::id::DocId;
use std::ops::{Bound, RangeBounds};

impl Filter {
    /// Every document.
    pub fn all() -> Filter {
        Filter::And(Vec::new())
    }

    /// The value at `path` equals `value`.
    ///
    /// ```
    /// # use aethervec::Filter;
    /// assert_eq!(Filter::eq("lang", "en").to_string(), r#"lang = "en""#);
    /// ```
    pub fn eq(path: impl Into<Path>, value: impl Into<Scalar>) -> Filter {
        Filter::field(path, Test::Eq(value.into()))
    }

    /// No value at `path` equals `value`; also if there is none.
    pub fn ne(path: impl Into<Path>, value: impl Into<Scalar>) -> Filter {
        !Filter::eq(path, value)
    }

    /// The value at `path` equals one of `values`.
    ///
    /// ```
    /// # use aethervec::Filter;
    /// assert_eq!(Filter::any_of("lang", ["en", "de"]).to_string(), r#"lang in ("en", "de")"#);
    /// ```
    pub fn any_of<S: Into<Scalar>>(
        path: impl Into<Path>,
        values: impl IntoIterator<Item = S>,
    ) -> Filter {
        Filter::field(path, Test::AnyOf(scalars(values)))
    }

    /// No value at `path` equals one of `values`; also if there is none.
    pub fn none_of<S: Into<Scalar>>(
        path: impl Into<Path>,
        values: impl IntoIterator<Item = S>,
    ) -> Filter {
        !Filter::any_of(path, values)
    }

    /// There is a value at `path` other than all of `values`.
    pub fn except<S: Into<Scalar>>(
        path: impl Into<Path>,
        values: impl IntoIterator<Item = S>,
    ) -> Filter {
        Filter::field(path, Test::Except(scalars(values)))
    }

    /// The value at `path`, a number or a moment, is in `range`.
    ///
    /// ```
    /// # use aethervec::Filter;
    /// assert_eq!(Filter::range("year", 2020..).to_string(), "year >= 2020");
    /// assert_eq!(Filter::range("price", 1.5..=9.5).to_string(), "1.5 <= price <= 9.5");
    /// ```
    pub fn range<V: RangeValue>(path: impl Into<Path>, range: impl RangeBounds<V>) -> Filter {
        let bounds = (range.start_bound().cloned(), range.end_bound().cloned());
        Filter::field(path, Test::Range(V::range(bounds)))
    }

    /// The value at `path` is greater than `value`.
    pub fn gt<V: RangeValue>(path: impl Into<Path>, value: V) -> Filter {
        Filter::range(path, (Bound::Excluded(value), Bound::Unbounded))
    }

    /// The value at `path` is `value` or greater.
    pub fn gte<V: RangeValue>(path: impl Into<Path>, value: V) -> Filter {
        Filter::range(path, value..)
    }

    /// The value at `path` is less than `value`.
    pub fn lt<V: RangeValue>(path: impl Into<Path>, value: V) -> Filter {
        Filter::range(path, ..value)
    }

    /// The value at `path` is `value` or less.
    pub fn lte<V: RangeValue>(path: impl Into<Path>, value: V) -> Filter {
        Filter::range(path, ..=value)
    }

    /// The place at `path` is at most `meters` away from `center`.
    pub fn geo_radius(path: impl Into<Path>, center: GeoPoint, meters: f64) -> Filter {
        Filter::field(path, Test::GeoRadius { center, meters })
    }

    /// The place at `path` is in this box.
    pub fn geo_box(path: impl Into<Path>, top_left: GeoPoint, bottom_right: GeoPoint) -> Filter {
        let corners = GeoBox {
            top_left,
            bottom_right,
        };
        Filter::field(path, Test::GeoBox(corners))
    }

    /// The place at `path` is in the polygon.
    pub fn geo_polygon(path: impl Into<Path>, polygon: GeoPolygon) -> Filter {
        Filter::field(path, Test::GeoPolygon(polygon))
    }

    /// The text at `path` has all words of `words`.
    pub fn text(path: impl Into<Path>, words: impl Into<String>) -> Filter {
        Filter::words(path, words, TextMode::All)
    }

    /// The text at `path` has one of the words of `words`.
    pub fn text_any(path: impl Into<Path>, words: impl Into<String>) -> Filter {
        Filter::words(path, words, TextMode::Any)
    }

    /// The text at `path` has these words in this order, one directly behind the other.
    pub fn phrase(path: impl Into<Path>, words: impl Into<String>) -> Filter {
        Filter::words(path, words, TextMode::Phrase)
    }

    /// As [`phrase`](Filter::phrase), and the last word may go on.
    pub fn prefix(path: impl Into<Path>, words: impl Into<String>) -> Filter {
        Filter::words(path, words, TextMode::Prefix)
    }

    /// There is something at `path`, if only `null`.
    pub fn exists(path: impl Into<Path>) -> Filter {
        Filter::field(path, Test::Exists)
    }

    /// There is `null` at `path`.
    pub fn is_null(path: impl Into<Path>) -> Filter {
        Filter::field(path, Test::Null)
    }

    /// There is nothing, `null` or `[]` at `path`.
    pub fn is_empty(path: impl Into<Path>) -> Filter {
        Filter::field(path, Test::Empty)
    }

    /// How many values there are at `path` is in `range`.
    ///
    /// ```
    /// # use aethervec::Filter;
    /// assert_eq!(Filter::len("tags", 2..).to_string(), "len(tags) >= 2");
    /// ```
    pub fn len(path: impl Into<Path>, range: impl RangeBounds<u64>) -> Filter {
        Filter::field(path, Test::Len(Bounds::new(range)))
    }

    /// The document is called one of `ids`.
    pub fn has_id<I: Into<DocId>>(ids: impl IntoIterator<Item = I>) -> Filter {
        Filter::HasId(ids.into_iter().map(Into::into).collect())
    }

    /// The document has a vector in the field called `name`.
    pub fn has_vector(name: impl Into<String>) -> Filter {
        Filter::HasVector(name.into())
    }

    /// One of the objects at `path` satisfies all of `filter`, whose paths begin at that object.
    ///
    /// ```
    /// # use aethervec::Filter;
    /// use serde_json::json;
    ///
    /// let cheap_red = Filter::nested("items", Filter::eq("color", "red").and(Filter::lt("price", 5)));
    /// let payload = json!({"items": [{"color": "red", "price": 9}, {"color": "blue", "price": 1}]});
    /// assert!(!cheap_red.matches(&1.into(), Some(&payload), |_| true));
    /// ```
    pub fn nested(path: impl Into<Path>, filter: Filter) -> Filter {
        Filter::Nested {
            path: path.into(),
            filter: Box::new(filter),
        }
    }

    /// At least `min` of the filters hold.
    pub fn at_least(min: usize, of: impl IntoIterator<Item = Filter>) -> Filter {
        Filter::AtLeast {
            min,
            of: of.into_iter().collect(),
        }
    }

    /// A condition on the values at `path`.
    pub fn field(path: impl Into<Path>, test: Test) -> Filter {
        Filter::Field {
            path: path.into(),
            test,
        }
    }

    /// Both this and `other` hold.
    #[must_use]
    pub fn and(self, other: Filter) -> Filter {
        match (self, other) {
            (Filter::And(mut all), Filter::And(more)) => {
                all.extend(more);
                Filter::And(all)
            }
            (Filter::And(mut all), other) => {
                all.push(other);
                Filter::And(all)
            }
            (first, Filter::And(mut all)) => {
                all.insert(0, first);
                Filter::And(all)
            }
            (first, other) => Filter::And(vec![first, other]),
        }
    }

    /// This or `other` holds, or both.
    #[must_use]
    pub fn or(self, other: Filter) -> Filter {
        match (self, other) {
            (Filter::Or(mut any), Filter::Or(more)) => {
                any.extend(more);
                Filter::Or(any)
            }
            (Filter::Or(mut any), other) => {
                any.push(other);
                Filter::Or(any)
            }
            (first, Filter::Or(mut any)) => {
                any.insert(0, first);
                Filter::Or(any)
            }
            (first, other) => Filter::Or(vec![first, other]),
        }
    }

    fn words(path: impl Into<Path>, words: impl Into<String>, mode: TextMode) -> Filter {
        let test = TextTest {
            query: words.into(),
            mode,
            fold: false,
        };
        Filter::field(path, Test::Text(test))
    }
}

fn scalars<S: Into<Scalar>>(values: impl IntoIterator<Item = S>) -> Vec<Scalar> {
    values.into_iter().map(Into::into).collect()
}

impl std::ops::Not for Filter {
    type Output = Filter;

    /// The documents that this filter leaves out.
    fn not(self) -> Filter {
        match self {
            Filter::Not(inner) => *inner,
            filter => Filter::Not(Box::new(filter)),
        }
    }
}
