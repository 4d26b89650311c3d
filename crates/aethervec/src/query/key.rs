//! Values of payloads that documents are ordered, grouped and counted by.

use crate::filter::Number;
use crate::timestamp::Timestamp;
use serde_json::Value;
use std::cmp::Ordering;

/// A value, in one order with all others: booleans, numbers, moments, strings. Equal numbers are one key however they are
/// written.
#[derive(Clone, Debug)]
pub(super) enum Key {
    Bool(bool),
    Number(Number),
    Datetime(Timestamp),
    Str(String),
}

impl Key {
    /// The key of a boolean, number or string.
    pub(super) fn of(value: &Value) -> Option<Key> {
        match value {
            Value::Bool(value) => Some(Key::Bool(*value)),
            Value::Number(_) => Number::of(value).map(Key::Number),
            Value::String(text) => Some(Key::Str(text.clone())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The key of a string that names a moment.
    pub(super) fn of_datetime(value: &Value) -> Option<Key> {
        Timestamp::parse(value.as_str()?).map(Key::Datetime)
    }

    /// The value, as JSON.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Key::Bool(value) => Value::from(*value),
            Key::Number(number) => serde_json::to_value(number).unwrap_or(Value::Null),
            Key::Datetime(moment) => Value::from(moment.to_string()),
            Key::Str(text) => Value::from(text.clone()),
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Key::Bool(_) => 0,
            Key::Number(_) => 1,
            Key::Datetime(_) => 2,
            Key::Str(_) => 3,
        }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        match (self, other) {
            (Key::Bool(a), Key::Bool(b)) => a.cmp(b),
            // JSON has no NaN.
            (Key::Number(a), Key::Number(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
            (Key::Datetime(a), Key::Datetime(b)) => a.cmp(b),
            (Key::Str(a), Key::Str(b)) => a.cmp(b),
            (a, b) => a.kind().cmp(&b.kind()),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}
