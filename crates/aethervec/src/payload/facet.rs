//! Counts, and which values there are how often.
//!
//! A facet is counted by the bitmaps of an index where there is one. Values that the index does not hold as they are, and
//! paths without an index, are read from the documents.

use crate::collection::Collection;
use crate::error::Result;
use crate::filter::{Filter, Number, Path};
use crate::limits;
use crate::payload::kind::{self, Mark, PayloadIndexKind};
use crate::payload::memory::{Memory, Values};
use crate::payload::ordered::Ordered;
use crate::validate;
use crate::view::CollectionView;
use roaring::RoaringTreemap;
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Which values to count.
///
/// ```
/// use aethervec::{FacetRequest, Filter};
///
/// let request = FacetRequest {
///     filter: Some(Filter::eq("lang", "en")),
///     ..FacetRequest::new("tags")
/// };
/// assert_eq!(request.limit, 10);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct FacetRequest {
    /// Where the values are. Those that are strings, numbers and booleans count; an array stands for its elements.
    pub path: Path,
    /// Only documents for which this holds.
    pub filter: Option<Filter>,
    /// How many values at most, the most frequent ones: 1 to [`FACET_LIMIT_MAX`](crate::limits::FACET_LIMIT_MAX).
    pub limit: usize,
}

impl FacetRequest {
    /// The ten most frequent values of all documents.
    pub fn new(path: impl Into<Path>) -> FacetRequest {
        FacetRequest {
            path: path.into(),
            filter: None,
            limit: 10,
        }
    }
}

/// A value, and how many documents have it.
#[derive(Clone, Debug, PartialEq)]
pub struct FacetCount {
    /// A string, a number or a boolean.
    pub value: Value,
    /// How many documents have it. One that has it twice counts once.
    pub count: u64,
}

impl CollectionView {
    /// For how many documents `filter` holds: exactly. Where indexes know enough, no document is read.
    ///
    /// ```
    /// # use aethervec::{AetherDB, Document, Filter, IndexConfig, PayloadIndexKind};
    /// # use serde_json::json;
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let db = AetherDB::open(dir.path())?;
    /// # let notes = db.create_collection("notes", 1, "l2", IndexConfig::default())?;
    /// notes.create_payload_index("year", PayloadIndexKind::Integer)?;
    /// notes.upsert_batch(
    ///     (0..9).map(|i| Document::new([0.5], i).with_payload(json!({"year": 2016 + i}))).collect(),
    /// )?;
    /// assert_eq!(notes.count_matching(&Filter::range("year", 2020..))?, 5);
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the filter makes no sense.
    pub fn count_matching(&self, filter: &Filter) -> Result<u64> {
        filter.validate()?;
        Ok(self.matching(filter)?.len())
    }

    /// The most frequent values that a path reaches, with how many documents have each: the most frequent first, equally
    /// frequent ones by their order.
    ///
    /// ```
    /// # use aethervec::{AetherDB, Document, FacetRequest, IndexConfig, PayloadIndexKind};
    /// # use serde_json::json;
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let db = AetherDB::open(dir.path())?;
    /// # let notes = db.create_collection("notes", 1, "l2", IndexConfig::default())?;
    /// notes.create_payload_index("tags", PayloadIndexKind::Keyword)?;
    /// notes.upsert(Document::new([0.5], "a").with_payload(json!({"tags": ["red", "new"]})))?;
    /// notes.upsert(Document::new([0.5], "b").with_payload(json!({"tags": "red"})))?;
    /// let facets = notes.facet(&FacetRequest::new("tags"))?;
    /// assert_eq!((facets[0].value.as_str(), facets[0].count), (Some("red"), 2));
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when path, filter or limit make no sense.
    pub fn facet(&self, request: &FacetRequest) -> Result<Vec<FacetCount>> {
        request.path.validate()?;
        validate::range("limit", request.limit, 1..=limits::FACET_LIMIT_MAX)?;
        let everything = Filter::And(Vec::new());
        let filter = request.filter.as_ref().unwrap_or(&everything);
        filter.validate()?;
        let points = self.matching(filter)?;
        let mut counts = BTreeMap::new();
        let unread = self.count_by_index(&request.path, &points, &mut counts)?;
        self.count_by_reading(&request.path, &unread, &mut counts)?;
        Ok(most_frequent(counts, request.limit))
    }

    /// Counts values by an index. Returns the points that have values which it does not hold; all if there is no index.
    fn count_by_index(
        &self,
        path: &Path,
        points: &RoaringTreemap,
        counts: &mut BTreeMap<Countable, u64>,
    ) -> Result<RoaringTreemap> {
        for index in self.core.payload.indexes().iter() {
            if index.path == *path
                && counts_values(index.kind)
                && index.is_usable_at(self.snapshot.seq())
                && let Some(memory) = index.load(&self.core)?
            {
                return Ok(memory.count_values(points, counts));
            }
        }
        Ok(points.clone())
    }

    fn count_by_reading(
        &self,
        path: &Path,
        points: &RoaringTreemap,
        counts: &mut BTreeMap<Countable, u64>,
    ) -> Result<()> {
        self.each_document(points, |document| {
            let mut values = BTreeSet::new();
            if let Some(payload) = &document.payload {
                path.any_leaf(payload, |value| {
                    values.extend(Countable::of(value));
                    false
                });
            }
            for value in values {
                *counts.entry(value).or_default() += 1;
            }
            Ok(())
        })
    }
}

impl Collection {
    /// As [`CollectionView::count_matching`], now.
    pub fn count_matching(&self, filter: &Filter) -> Result<u64> {
        self.view()?.count_matching(filter)
    }

    /// As [`CollectionView::facet`], now.
    pub fn facet(&self, request: &FacetRequest) -> Result<Vec<FacetCount>> {
        self.view()?.facet(request)
    }
}

/// Whether an index of this kind holds values as they are, and not only what they mean.
fn counts_values(kind: PayloadIndexKind) -> bool {
    matches!(
        kind,
        PayloadIndexKind::Keyword
            | PayloadIndexKind::Integer
            | PayloadIndexKind::Float
            | PayloadIndexKind::Bool
    )
}

impl Memory {
    /// Counts the values of `points`. Returns those of them of which nothing was counted, because they have others, too.
    fn count_values(
        &self,
        points: &RoaringTreemap,
        counts: &mut BTreeMap<Countable, u64>,
    ) -> RoaringTreemap {
        let mut unread = self.marked(Mark::Other) & points;
        if let Values::Bytes(values) = &self.values {
            for (key, posting) in values.iter() {
                if kind::is_long_keyword(key) {
                    posting.union_into(&mut unread);
                }
            }
            unread &= points;
        }
        let counted = points - &unread;
        match &self.values {
            Values::Bytes(values) => count(values, &counted, counts, |key| {
                Countable::Str(String::from_utf8_lossy(key).into_owned())
            }),
            Values::Numbers(values) => {
                let kind = self.kind;
                count(values, &counted, counts, |key| match kind {
                    PayloadIndexKind::Integer => Countable::Int(kind::integer_of_key(*key)),
                    PayloadIndexKind::Bool => Countable::Bool(*key == 1),
                    _ => Countable::number(Number::from(kind::float_of_key(*key))),
                });
            }
            Values::Uuids(_) | Values::Places(_) | Values::Text(_) => return points.clone(),
        }
        unread
    }
}

fn count<V: Ord>(
    values: &Ordered<V>,
    points: &RoaringTreemap,
    counts: &mut BTreeMap<Countable, u64>,
    of: impl Fn(&V) -> Countable,
) {
    for (value, posting) in values.iter() {
        let count = posting.intersection_len(points);
        if count > 0 {
            *counts.entry(of(value)).or_default() += count;
        }
    }
}

/// A value that is counted; numbers that are worth the same are one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Countable {
    Bool(bool),
    Int(i64),
    /// By the key of the float.
    Float(u64),
    /// Too large for the others.
    Large(u64),
    Str(String),
}

impl Countable {
    fn of(value: &Value) -> Option<Countable> {
        match value {
            Value::Bool(value) => Some(Countable::Bool(*value)),
            Value::Number(number) => match (number.as_u64(), Number::of(value)?) {
                (Some(large), _) if large > i64::MAX.cast_unsigned() => {
                    Some(Countable::Large(large))
                }
                (_, number) => Some(Countable::number(number)),
            },
            Value::String(text) => Some(Countable::Str(text.clone())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn number(number: Number) -> Countable {
        match number.as_i64() {
            Some(number) => Countable::Int(number),
            None => Countable::Float(kind::float_key(number.as_f64())),
        }
    }

    fn into_value(self) -> Value {
        match self {
            Countable::Bool(value) => value.into(),
            Countable::Int(number) => number.into(),
            Countable::Float(key) => kind::float_of_key(key).into(),
            Countable::Large(number) => number.into(),
            Countable::Str(text) => text.into(),
        }
    }
}

fn most_frequent(counts: BTreeMap<Countable, u64>, limit: usize) -> Vec<FacetCount> {
    let mut counts: Vec<(Countable, u64)> = counts.into_iter().collect();
    // Stable: the order of the values stays among equals.
    counts.sort_by_key(|&(_, count)| Reverse(count));
    counts.truncate(limit);
    counts
        .into_iter()
        .map(|(value, count)| FacetCount {
            value: value.into_value(),
            count,
        })
        .collect()
}
