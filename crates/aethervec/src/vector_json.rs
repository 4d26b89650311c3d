//! Vectors as JSON: dense ones are arrays of numbers, several dense ones arrays of these; sparse ones are
//! `{"indices": [3, 17], "values": [0.5, 1.5]}`, binary ones `{"bits": "a0ff"}` in hexadecimal digits.

use crate::query::{Input, InputDocument};
use crate::vector::{BinaryVector, MultiVector, SparseVector, Vector, VectorValue};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use std::fmt::{self, Write};

impl Serialize for VectorValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            VectorValue::Dense(vector) => vector.serialize(serializer),
            VectorValue::Binary(vector) => {
                let mut bits = String::with_capacity(2 * vector.as_bytes().len());
                for byte in vector.as_bytes() {
                    write!(bits, "{byte:02x}").map_err(serde::ser::Error::custom)?;
                }
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("bits", &bits)?;
                map.end()
            }
            VectorValue::Sparse(vector) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("indices", vector.indices())?;
                map.serialize_entry("values", vector.values())?;
                map.end()
            }
            VectorValue::Multi(vector) => {
                let components = vector.components().to_f32();
                let mut vectors = serializer.serialize_seq(Some(vector.len()))?;
                for vector in components.chunks(vector.dim().max(1)) {
                    vectors.serialize_element(vector)?;
                }
                vectors.end()
            }
        }
    }
}

impl Serialize for Vector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Vector::F32(components) => components.serialize(serializer),
            Vector::U8(components) => components.serialize(serializer),
            Vector::F16(_) => self.to_f32().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for VectorValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<VectorValue, D::Error> {
        match Input::deserialize(deserializer)? {
            Input::Vector(vector) => Ok(vector),
            Input::Document(_) => Err(de::Error::custom("expected a vector, found a document")),
        }
    }
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Input, D::Error> {
        deserializer.deserialize_any(InputVisitor)
    }
}

struct InputVisitor;

/// What the object of a vector, or of a document, may have.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct InputObject {
    id: Option<crate::id::DocId>,
    collection: Option<String>,
    using: Option<String>,
    indices: Option<Vec<u32>>,
    values: Option<Vec<f32>>,
    bits: Option<String>,
}

impl<'de> Visitor<'de> for InputVisitor {
    type Value = Input;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vector such as [0.1, 0.2] or {\"indices\": [3], \"values\": [0.5]}, or a document such as {\"id\": 7}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Input, A::Error> {
        let mut dense = Vec::new();
        let mut multi = Vec::new();
        while let Some(element) = elements.next_element()? {
            match element {
                Element::Component(component) if multi.is_empty() => dense.push(component),
                Element::Vector(vector) if dense.is_empty() => multi.push(vector),
                _ => {
                    return Err(de::Error::custom(
                        "numbers and vectors stand in one array: it is neither one vector nor several",
                    ));
                }
            }
        }
        if multi.is_empty() {
            return Ok(Input::from(dense));
        }
        let multi = MultiVector::new(multi).map_err(de::Error::custom)?;
        Ok(Input::from(multi))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Input, A::Error> {
        match InputObject::deserialize(MapAccessDeserializer::new(map))? {
            InputObject {
                id: Some(id),
                collection,
                using,
                indices: None,
                values: None,
                bits: None,
            } => Ok(Input::Document(InputDocument {
                id,
                collection,
                using,
            })),
            InputObject {
                id: None,
                collection: None,
                using: None,
                indices: Some(indices),
                values: Some(values),
                bits: None,
            } if indices.len() == values.len() => Ok(Input::from(SparseVector::new(
                indices.into_iter().zip(values),
            ))),
            InputObject {
                id: None,
                collection: None,
                using: None,
                indices: None,
                values: None,
                bits: Some(bits),
            } => {
                let bytes = bytes(&bits).ok_or_else(|| de::Error::custom(BITS_EXPECTED))?;
                Ok(Input::from(BinaryVector::from_bytes(bytes)))
            }
            _ => Err(de::Error::custom(
                "expected {\"indices\": …, \"values\": …} of one length, {\"bits\": …}, or {\"id\": …} with or without \"collection\" and \"using\"",
            )),
        }
    }
}

/// What to say of a binary vector that is none.
pub(crate) const BITS_EXPECTED: &str = "bits: expected two hexadecimal digits for each byte";

/// The bytes that hexadecimal digits spell.
pub(crate) fn bytes(digits: &str) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    pairs
        .iter()
        .map(|&[high, low]| u8::try_from(digit(high)? << 4 | digit(low)?).ok())
        .collect()
}

/// What an array of a vector may hold.
enum Element {
    Component(f32),
    Vector(Vec<f32>),
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Element, D::Error> {
        struct ElementVisitor;

        impl<'de> Visitor<'de> for ElementVisitor {
            type Value = Element;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or an array of numbers")
            }

            #[expect(clippy::cast_possible_truncation, reason = "the nearest f32 is wanted")]
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Element, E> {
                Ok(Element::Component(number as f32))
            }

            #[expect(clippy::cast_precision_loss, reason = "the nearest f32 is wanted")]
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Element, E> {
                Ok(Element::Component(number as f32))
            }

            #[expect(clippy::cast_precision_loss, reason = "the nearest f32 is wanted")]
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Element, E> {
                Ok(Element::Component(number as f32))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Element, A::Error> {
                let mut vector = Vec::new();
                while let Some(number) = numbers.next_element::<f32>()? {
                    vector.push(number);
                }
                Ok(Element::Vector(vector))
            }
        }

        deserializer.deserialize_any(ElementVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    fn read(json: &str) -> Result<VectorValue, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_survives_a_round_trip() {
        let multi = MultiVector::new([[0.1f32, 0.2], [0.3, 0.4]]).unwrap();
        for vector in [
            VectorValue::from([0.1, -1e-7, 3e20]),
            VectorValue::from(SparseVector::new([(3, 0.5), (u32::MAX, -1.5)])),
            VectorValue::from(BinaryVector::from_bytes([0x00, 0xa0, 0xff])),
            VectorValue::from(multi),
        ] {
            let json = serde_json::to_string(&vector).unwrap();
            assert_eq!(read(&json), Ok(vector), "{json}");
        }
        let halves = VectorValue::from(vec![f16::from_f32(0.5), f16::from_f32(-2.0)]);
        assert_eq!(serde_json::to_string(&halves).unwrap(), "[0.5,-2.0]");
        let bytes = VectorValue::from(vec![0u8, 255]);
        assert_eq!(serde_json::to_string(&bytes).unwrap(), "[0,255]");
    }

    #[test]
    fn what_is_no_vector_is_refused() {
        for json in [
            "[1, [2]]",
            "[[1], 2]",
            "[[1], [2, 3]]",
            "[\"1\"]",
            "7",
            "{}",
            "{\"id\": 7}",
            "{\"indices\": [1], \"values\": []}",
            "{\"indices\": [1]}",
            "{\"indices\": [-1], \"values\": [0]}",
            "{\"bits\": \"abc\"}",
            "{\"bits\": \"zz\"}",
            "{\"bits\": \"00\", \"id\": 1}",
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
