//! The kinds of payload indexes, and what each keeps of a payload: its *terms*.
//!
//! A term is a few bytes; the first one is 0 for what is said of the point as a whole, 1 for a value.

use crate::error::{Error, Result};
use crate::filter::{GeoPoint, Number, Path};
use crate::payload::text::Words;
use crate::text::tokenize::Tokenizer;
use crate::timestamp::Timestamp;
use serde_json::Value;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// What a payload index keeps, and so which conditions it answers.
///
/// A value of another kind than the index's does no harm: it is known to be there, and such documents are looked at one by one.
///
/// ```
/// use aethervec::PayloadIndexKind;
///
/// let kind: PayloadIndexKind = "keyword".parse()?;
/// assert_eq!(kind.to_string(), "keyword");
/// let error = "btree".parse::<PayloadIndexKind>().unwrap_err().to_string();
/// assert!(error.starts_with("kind: \"btree\" is not known"));
/// # Ok::<(), aethervec::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PayloadIndexKind {
    /// Strings: equal, one of, none of.
    Keyword,
    /// Whole numbers within the range of `i64`: equal, one of, none of, ranges.
    Integer,
    /// Numbers that a 64-bit float holds exactly: equal, one of, none of, ranges.
    Float,
    /// `true` and `false`.
    Bool,
    /// Strings that name a moment in RFC 3339: ranges, equal to a moment.
    Datetime,
    /// Strings that spell a UUID, in whatever way: equal to a UUID.
    Uuid,
    /// Places: `{"lat": …, "lon": …}`: radius, box, polygon.
    Geo,
    /// The words of texts, in lower case: words, phrases, beginnings of words, and BM25 scores.
    Text,
    /// As [`Text`](PayloadIndexKind::Text), without marks on letters: for tests that fold.
    FoldedText,
}

impl PayloadIndexKind {
    /// All kinds.
    pub const ALL: [PayloadIndexKind; 9] = [
        PayloadIndexKind::Keyword,
        PayloadIndexKind::Integer,
        PayloadIndexKind::Float,
        PayloadIndexKind::Bool,
        PayloadIndexKind::Datetime,
        PayloadIndexKind::Uuid,
        PayloadIndexKind::Geo,
        PayloadIndexKind::Text,
        PayloadIndexKind::FoldedText,
    ];

    /// Its name, as the catalog and the command have it.
    pub fn name(self) -> &'static str {
        match self {
            PayloadIndexKind::Keyword => "keyword",
            PayloadIndexKind::Integer => "integer",
            PayloadIndexKind::Float => "float",
            PayloadIndexKind::Bool => "bool",
            PayloadIndexKind::Datetime => "datetime",
            PayloadIndexKind::Uuid => "uuid",
            PayloadIndexKind::Geo => "geo",
            PayloadIndexKind::Text => "text",
            PayloadIndexKind::FoldedText => "folded_text",
        }
    }

    /// How an index of this kind finds words, if it is one of texts.
    pub(crate) fn tokenizer(self) -> Option<Tokenizer> {
        match self {
            PayloadIndexKind::Text => Some(Tokenizer { fold: false }),
            PayloadIndexKind::FoldedText => Some(Tokenizer { fold: true }),
            _ => None,
        }
    }
}

impl fmt::Display for PayloadIndexKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for PayloadIndexKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<PayloadIndexKind> {
        let kinds = PayloadIndexKind::ALL;
        kinds
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| {
                let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
                Error::invalid(format!(
                    "kind: {name:?} is not known: it must be one of {}",
                    names.join(", ")
                ))
            })
    }
}

/// What is said of a point as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// The path reaches nothing.
    Absent,
    /// The path reaches a `null`.
    Null,
    /// The path reaches something, but nothing except `null` and `[]`.
    Hollow,
    /// A boolean, number or string is there that the index has no value for.
    Other,
    /// There are several texts.
    Several,
    /// How many words the text has.
    Length,
}

impl Mark {
    pub(crate) const ALL: [Mark; 6] = [
        Mark::Absent,
        Mark::Null,
        Mark::Hollow,
        Mark::Other,
        Mark::Several,
        Mark::Length,
    ];

    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    pub(crate) fn term(self) -> [u8; 2] {
        [MARK, self.number()]
    }

    pub(crate) fn of(number: u8) -> Option<Mark> {
        Mark::ALL.get(usize::from(number)).copied()
    }
}

/// The first byte of a term that says something of the point as a whole.
pub(crate) const MARK: u8 = 0;

/// The first byte of a term that is a value.
pub(crate) const VALUE: u8 = 1;

/// Calls `out` with each term of `payload` at `path`, and its weight (0 where weights say nothing). A term may come several
/// times.
pub(crate) fn terms(
    kind: PayloadIndexKind,
    path: &Path,
    payload: &Value,
    mut out: impl FnMut(&[u8], u32),
) {
    let (mut reached, mut null, mut filled) = (false, false, false);
    path.any(payload, |value| {
        reached = true;
        match value {
            Value::Null => null = true,
            Value::Array(elements) if elements.is_empty() => {}
            _ => filled = true,
        }
        false
    });
    if !reached {
        return out(&Mark::Absent.term(), 0);
    }
    if null {
        out(&Mark::Null.term(), 0);
    }
    if !filled {
        return out(&Mark::Hollow.term(), 0);
    }
    match kind.tokenizer() {
        Some(tokenizer) => words(tokenizer, path, payload, &mut out),
        None => values(kind, path, payload, &mut out),
    }
}

fn values(kind: PayloadIndexKind, path: &Path, payload: &Value, out: &mut impl FnMut(&[u8], u32)) {
    let mut term = Vec::new();
    let mut other = false;
    path.any_leaf(payload, |value| {
        term.clear();
        term.push(VALUE);
        if value_term(kind, value, &mut term) {
            out(&term, 0);
        } else {
            other |= !matches!(value, Value::Null | Value::Array(_) | Value::Object(_));
        }
        false
    });
    if other {
        out(&Mark::Other.term(), 0);
    }
}

/// Appends what an index of this kind keeps of `value`. False when it keeps nothing.
fn value_term(kind: PayloadIndexKind, value: &Value, term: &mut Vec<u8>) -> bool {
    let text = || value.as_str();
    match kind {
        PayloadIndexKind::Keyword => text().map(|text| keyword_key(text, term)),
        PayloadIndexKind::Integer => Number::of(value)
            .and_then(Number::as_i64)
            .map(|number| term.extend_from_slice(&integer_key(number).to_be_bytes())),
        PayloadIndexKind::Float => Number::of(value)
            .and_then(float_of)
            .map(|number| term.extend_from_slice(&float_key(number).to_be_bytes())),
        PayloadIndexKind::Bool => value
            .as_bool()
            .map(|value| term.extend_from_slice(&u64::from(value).to_be_bytes())),
        PayloadIndexKind::Datetime => text()
            .and_then(Timestamp::parse)
            .map(|moment| term.extend_from_slice(&integer_key(moment.as_micros()).to_be_bytes())),
        PayloadIndexKind::Uuid => text()
            .and_then(|text| Uuid::try_parse(text).ok())
            .map(|uuid| term.extend_from_slice(uuid.as_bytes())),
        PayloadIndexKind::Geo => GeoPoint::of(value).map(|place| {
            term.extend_from_slice(&place.lat.to_bits().to_be_bytes());
            term.extend_from_slice(&place.lon.to_bits().to_be_bytes());
        }),
        PayloadIndexKind::Text | PayloadIndexKind::FoldedText => None,
    }
    .is_some()
}

fn words(tokenizer: Tokenizer, path: &Path, payload: &Value, out: &mut impl FnMut(&[u8], u32)) {
    let mut words = Words::default();
    let mut texts = 0;
    path.any_leaf(payload, |value| {
        if let Some(text) = value.as_str() {
            texts += 1;
            tokenizer.each(text, |word| words.add(word));
        }
        false
    });
    if texts > 1 {
        out(&Mark::Several.term(), 0);
    }
    if words.length > 0 {
        out(&Mark::Length.term(), words.length);
    }
    let mut term = Vec::new();
    for (word, &count) in &words.occurrences {
        term.clear();
        term.push(VALUE);
        term.extend_from_slice(word.as_bytes());
        out(&term, count);
    }
}

/// Bytes of a string that a keyword index keeps in full. Of a longer one it keeps the beginning and a checksum.
pub(crate) const KEYWORD_BYTES_MAX: usize = 256;

/// The key of a string that is too long has so many bytes, one more than any other.
const LONG_KEYWORD_BYTES: usize = KEYWORD_BYTES_MAX + 1;

/// Appends the key of a string.
pub(crate) fn keyword_key(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    if bytes.len() <= KEYWORD_BYTES_MAX {
        out.extend_from_slice(bytes);
        return;
    }
    out.extend_from_slice(&bytes[..LONG_KEYWORD_BYTES - 8]);
    out.extend_from_slice(&fnv(bytes).to_be_bytes());
}

/// Whether different strings may have this key.
pub(crate) fn is_long_keyword(key: &[u8]) -> bool {
    key.len() == LONG_KEYWORD_BYTES
}

/// FNV-1a: only tells long strings of one beginning apart, nearly always.
fn fnv(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// A key whose order is that of the integers.
pub(crate) fn integer_key(number: i64) -> u64 {
    number.cast_unsigned() ^ (1 << 63)
}

/// What [`integer_key`] was made of.
pub(crate) fn integer_of_key(key: u64) -> i64 {
    (key ^ (1 << 63)).cast_signed()
}

/// The float that is worth the same as `number`, if there is one.
pub(crate) fn float_of(number: Number) -> Option<f64> {
    let float = number.as_f64();
    (Number::from(float) == number).then_some(float)
}

/// A key whose order is that of the floats. Both zeros have one.
pub(crate) fn float_key(number: f64) -> u64 {
    let bits = (number + 0.0).to_bits();
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}

/// What [`float_key`] was made of.
pub(crate) fn float_of_key(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 {
        key & !(1 << 63)
    } else {
        !key
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_have_the_order_of_their_numbers() {
        let integers = [i64::MIN, -5, -1, 0, 1, 7, i64::MAX];
        assert!(integers.is_sorted_by_key(|&number| integer_key(number)));
        assert!(
            integers
                .iter()
                .all(|&n| integer_of_key(integer_key(n)) == n)
        );
        let floats = [
            f64::MIN,
            -2.5,
            -f64::MIN_POSITIVE,
            0.0,
            1e-300,
            3.5,
            f64::MAX,
        ];
        assert!(floats.is_sorted_by_key(|&number| float_key(number)));
        assert!(floats.iter().all(|&n| float_of_key(float_key(n)) == n));
        assert_eq!(float_key(-0.0), float_key(0.0));
    }

    #[test]
    fn terms_tell_what_is_there() {
        let list = |kind, payload: Value| {
            let mut list = Vec::new();
            terms(kind, &Path::from("a"), &payload, |term, weight| {
                list.push((term.to_vec(), weight));
            });
            list
        };
        let mark = |mark: Mark| (mark.term().to_vec(), 0);
        let value = |bytes: &[u8]| ([&[VALUE], bytes].concat(), 0);
        let keyword = PayloadIndexKind::Keyword;
        assert_eq!(list(keyword, json!({"b": 1})), [mark(Mark::Absent)]);
        assert_eq!(list(keyword, json!(null)), [mark(Mark::Absent)]);
        assert_eq!(
            list(keyword, json!({"a": null})),
            [mark(Mark::Null), mark(Mark::Hollow)]
        );
        assert_eq!(list(keyword, json!({"a": []})), [mark(Mark::Hollow)]);
        assert_eq!(
            list(keyword, json!({"a": ["x", 1, {}]})),
            [value(b"x"), mark(Mark::Other)]
        );
        assert_eq!(list(keyword, json!({"a": {}})), []);
        let text = list(PayloadIndexKind::Text, json!({"a": ["To be", "be"]}));
        let expected = [
            (Mark::Several.term().to_vec(), 0),
            (Mark::Length.term().to_vec(), 3),
            ([&[VALUE], &b"be"[..]].concat(), 2),
            ([&[VALUE], &b"to"[..]].concat(), 1),
        ];
        assert_eq!(text, expected);
    }

    #[test]
    fn long_strings_have_short_keys() {
        let key = |text: &str| {
            let mut key = Vec::new();
            keyword_key(text, &mut key);
            key
        };
        let long = "x".repeat(KEYWORD_BYTES_MAX);
        assert_eq!(key(&long), long.as_bytes());
        assert!(!is_long_keyword(&key(&long)));
        let (longer, other) = (format!("{long}a"), format!("{long}b"));
        assert!(is_long_keyword(&key(&longer)));
        assert_ne!(key(&longer), key(&other));
    }
}
