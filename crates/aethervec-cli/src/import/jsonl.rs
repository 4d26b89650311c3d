//! JSON lines: one object per line with a vector, perhaps an id, and anything else as payload.
//!
//! `{"id": 7, "vector": [0.1, 0.2], "payload": {"lang": "en"}, "title": "x"}` has the payload `{"lang": "en", "title": "x"}`.

use super::{Fields, Place, Record, Shape, Source, id_from_json};
use crate::failure::Outcome;
use crate::input::Input;
use aethervec::limits::{DIM_MAX, PAYLOAD_BYTES_MAX};
use aethervec::{DocId, ElementType, Vector};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Longest line: the largest payload and the longest vector, its numbers written at length.
const LINE_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 32 * DIM_MAX;

/// A file of JSON objects.
#[derive(Debug)]
pub(crate) struct JsonLines {
    input: Input,
    names: Names,
    line: Vec<u8>,
    lines: u64,
    /// Whether the records have ids; the first one decides.
    with_ids: Option<bool>,
}

#[derive(Debug)]
struct Names {
    id: String,
    vector: String,
    payload: String,
}

impl JsonLines {
    /// Reads objects from `input`.
    pub(crate) fn new(input: Input, fields: &Fields) -> JsonLines {
        let name =
            |given: &Option<String>, usual: &str| given.clone().unwrap_or_else(|| usual.to_owned());
        let names = Names {
            id: name(&fields.id, "id"),
            vector: name(&fields.vector, "vector"),
            payload: name(&fields.payload, "payload"),
        };
        JsonLines {
            input,
            names,
            line: Vec::new(),
            lines: 0,
            with_ids: fields.id.as_ref().map(|_| true),
        }
    }

    fn parse_line(&mut self) -> Outcome<Record> {
        let place = Place::Line(self.lines);
        let text = std::str::from_utf8(&self.line)
            .map_err(|_| self.input.invalid(format!("{place}: not UTF-8")))?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let parsed = Object(&self.names)
            .deserialize(&mut deserializer)
            .and_then(|object| deserializer.end().map(|()| object));
        let (id, vector, payload) =
            parsed.map_err(|error| self.input.invalid(format!("{place}: {}", describe(&error))))?;
        if *self.with_ids.get_or_insert(id.is_some()) != id.is_some() {
            let field = &self.names.id;
            let what = if id.is_some() {
                "is there, but earlier lines have none"
            } else {
                "is missing"
            };
            return Err(self
                .input
                .invalid(format!("{place}: field `{field}` {what}")));
        }
        Ok(Record {
            place,
            id,
            vector: Vector::F32(vector),
            payload,
        })
    }
}

impl Source for JsonLines {
    fn shape(&self) -> Shape {
        let bytes = self
            .input
            .file_bytes()
            .map(|total| (total, self.input.consumed()));
        Shape {
            rows: None,
            element: ElementType::F32,
            bytes,
            left_out: Vec::new(),
        }
    }

    fn next(&mut self) -> Outcome<Option<Record>> {
        loop {
            if !self.input.read_line(&mut self.line, LINE_BYTES_MAX)? {
                return Ok(None);
            }
            self.lines += 1;
            if !self.line.trim_ascii().is_empty() {
                return self.parse_line().map(Some);
            }
        }
    }
}

/// A JSON array of numbers, as on a command line or in a cell of a table.
pub(crate) fn parse_vector(text: &str) -> Result<Vec<f32>, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = Numbers
        .deserialize(&mut deserializer)
        .and_then(|numbers| deserializer.end().map(|()| numbers));
    parsed.map_err(|error| describe(&error))
}

/// The message without serde_json's idea of the line, which is always 1.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line 1 column ").next().unwrap_or_default();
    if error.column() == 0 {
        text.to_owned()
    } else {
        format!("{text} (column {})", error.column())
    }
}

struct Object<'a>(&'a Names);

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = (Option<DocId>, Vec<f32>, Map<String, Value>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = (Option<DocId>, Vec<f32>, Map<String, Value>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let names = self.0;
        let (mut id, mut vector, mut payload) = (None, None, Map::new());
        while let Some(key) = map.next_key::<String>()? {
            if key == names.vector {
                vector = Some(
                    map.next_value_seed(Numbers)
                        .map_err(|error| in_field::<A>(&key, &error))?,
                );
            } else if key == names.id {
                let value: Value = map.next_value()?;
                let parsed = id_from_json(&value);
                id = Some(parsed.ok_or_else(|| {
                    A::Error::custom(format!(
                        "field `{key}`: {value} is no id: a number from 0 or a string is"
                    ))
                })?);
            } else if key == names.payload {
                match map.next_value()? {
                    Value::Null => {}
                    Value::Object(object) => merge::<A>(&mut payload, object)?,
                    _ => {
                        return Err(A::Error::custom(format!(
                            "field `{key}`: not a JSON object"
                        )));
                    }
                }
            } else {
                let value = map.next_value()?;
                merge::<A>(&mut payload, std::iter::once((key, value)).collect())?;
            }
        }
        let vector = vector
            .ok_or_else(|| A::Error::custom(format!("field `{}` is missing", names.vector)))?;
        Ok((id, vector, payload))
    }
}

fn in_field<'de, A: MapAccess<'de>>(field: &str, error: &A::Error) -> A::Error {
    let text = error.to_string();
    A::Error::custom(format!(
        "field `{field}`: {}",
        text.split(" at line 1 column ").next().unwrap_or_default()
    ))
}

fn merge<'de, A: MapAccess<'de>>(
    payload: &mut Map<String, Value>,
    more: Map<String, Value>,
) -> Result<(), A::Error> {
    for (key, value) in more {
        if payload.contains_key(&key) {
            return Err(A::Error::custom(format!(
                "field `{key}` is there twice, beside and inside the payload"
            )));
        }
        payload.insert(key, value);
    }
    Ok(())
}

/// An array of numbers of bounded length.
struct Numbers;

impl<'de> DeserializeSeed<'de> for Numbers {
    type Value = Vec<f32>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<f32>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Numbers {
    type Value = Vec<f32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<f32>, A::Error> {
        let mut numbers = Vec::new();
        while let Some(number) = seq.next_element()? {
            if numbers.len() == DIM_MAX {
                return Err(A::Error::custom(format!("more than {DIM_MAX} numbers")));
            }
            numbers.push(number);
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &[u8], fields: &Fields) -> Outcome<Vec<Record>> {
        let mut source = JsonLines::new(Input::from_bytes("x.jsonl", text), fields);
        std::iter::from_fn(|| source.next().transpose()).collect()
    }

    fn error(text: &[u8]) -> String {
        read(text, &Fields::default()).unwrap_err().to_string()
    }

    #[test]
    fn other_fields_join_the_payload() {
        let text = br#"{"id": 7, "vector": [1, 2.5], "payload": {"lang": "en"}, "title": "x"}

{"vector": [0, -1e-3], "id": "a", "payload": null}"#;
        let records = read(text, &Fields::default()).unwrap();
        assert_eq!(records[0].id, Some(DocId::U64(7)));
        assert_eq!(records[0].vector, Vector::F32(vec![1.0, 2.5]));
        assert_eq!(
            Value::Object(records[0].payload.clone()),
            json!({"lang": "en", "title": "x"})
        );
        assert_eq!(
            (records[1].place, &records[1].id),
            (Place::Line(3), &Some(DocId::from("a")))
        );
        assert!(records[1].payload.is_empty());
    }

    #[test]
    fn fields_can_be_named() {
        let fields = Fields {
            id: Some("key".into()),
            vector: Some("emb".into()),
            payload: Some("meta".into()),
            ..Fields::default()
        };
        let records = read(
            br#"{"key": "k", "emb": [1], "meta": {"a": 1}, "id": 5}"#,
            &fields,
        )
        .unwrap();
        assert_eq!(records[0].id, Some(DocId::from("k")));
        assert_eq!(
            Value::Object(records[0].payload.clone()),
            json!({"a": 1, "id": 5})
        );
        let failure = read(br#"{"emb": [1]}"#, &fields).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "x.jsonl: line 1: field `key` is missing"
        );
    }

    #[test]
    fn errors_name_line_and_field() {
        assert_eq!(
            error(b"{\"id\": 1}"),
            "x.jsonl: line 1: field `vector` is missing (column 9)"
        );
        assert!(
            error(b"\n[1, 2]")
                .starts_with("x.jsonl: line 2: invalid type: sequence, expected a JSON object")
        );
        assert!(
            error(br#"{"vector": [1, "a"]}"#)
                .starts_with("x.jsonl: line 1: field `vector`: invalid type: string \"a\"")
        );
        assert!(error(br#"{"vector": [1, null]}"#).contains("field `vector`"));
        assert!(error(br#"{"vector": [1], "id": -4}"#).contains("field `id`: -4 is no id"));
        assert!(
            error(br#"{"vector": [1], "payload": 3}"#)
                .contains("field `payload`: not a JSON object")
        );
        assert!(
            error(br#"{"vector": [1], "payload": {"a": 1}, "a": 2}"#)
                .contains("`a` is there twice")
        );
        assert!(
            error(b"{\"vector\": [1]}\n{\"vector\": [1], \"id\": 3}")
                .contains("line 2: field `id` is there, but")
        );
        assert!(
            error(b"{\"vector\": [1], \"id\": 3}\n{\"vector\": [1]}")
                .contains("line 2: field `id` is missing")
        );
        assert!(error(b"{\"vector\": [1").contains("EOF while parsing"));
        assert!(error(b"{\"vector\": [1]} x").contains("trailing characters"));
        assert!(error(&[b'{', 0xff, b'}']).contains("not UTF-8"));
        assert!(error("[".repeat(100_000).as_bytes()).contains("line 1"));
        let deep = format!("{{\"vector\": [1], \"x\": {}", "[".repeat(100_000));
        assert!(error(deep.as_bytes()).contains("recursion limit"));
    }

    #[test]
    fn a_vector_is_a_json_array() {
        assert_eq!(parse_vector(" [1, 2e0] ").unwrap(), [1.0, 2.0]);
        assert!(parse_vector("[1, 2").unwrap_err().contains("EOF"));
        assert!(
            parse_vector(&format!("[{}1]", "1,".repeat(DIM_MAX)))
                .unwrap_err()
                .contains("more than 65535")
        );
    }
}
