//! Vectors of points and queries. They are read without an intermediate form: a request may carry millions of numbers.

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// A vector of any kind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Vector {
    Dense(Vec<f32>),
    Multi(Vec<Vec<f32>>),
    Sparse { indices: Vec<u32>, values: Vec<f32> },
}

/// The vectors of a point: one for the default field, or several by name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PointVectors {
    Default(Vector),
    Named(BTreeMap<String, Vector>),
}

/// The vectors of several points, one behind the other; by name, if they have names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BatchVectors {
    Default(Vec<Vector>),
    Named(BTreeMap<String, Vec<Vector>>),
}

/// Why texts and images are refused in place of vectors.
pub(crate) const NO_INFERENCE: &str =
    "vectors are not inferred from texts, images or objects here: send the vector itself";

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Sparse {
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl TryFrom<Sparse> for Vector {
    type Error = String;

    fn try_from(sparse: Sparse) -> Result<Vector, String> {
        Vector::sparse(sparse.indices, sparse.values)
    }
}

impl Vector {
    pub(crate) fn sparse(indices: Vec<u32>, values: Vec<f32>) -> Result<Vector, String> {
        if indices.len() == values.len() {
            return Ok(Vector::Sparse { indices, values });
        }
        Err(format!(
            "a sparse vector must have the same number of indices and values: it has {} and {}",
            indices.len(),
            values.len()
        ))
    }
}

/// An element of a list: a number of a dense vector, or one of several vectors.
enum Element {
    Number(f32),
    Vector(Vec<f32>),
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Element, D::Error> {
        struct ElementVisitor;

        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "components are the nearest f32"
        )]
        impl<'de> Visitor<'de> for ElementVisitor {
            type Value = Element;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a list of numbers")
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Element, E> {
                Ok(Element::Number(number as f32))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Element, E> {
                Ok(Element::Number(number as f32))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Element, E> {
                Ok(Element::Number(number as f32))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Element, A::Error> {
                let mut vector = Vec::with_capacity(seq.size_hint().unwrap_or(0));
                while let Some(number) = seq.next_element()? {
                    vector.push(number);
                }
                Ok(Element::Vector(vector))
            }
        }

        deserializer.deserialize_any(ElementVisitor)
    }
}

/// The vector that a list spells whose first element was `first`.
fn list<'de, A: SeqAccess<'de>>(first: Element, mut rest: A) -> Result<Vector, A::Error> {
    match first {
        Element::Number(first) => {
            let mut components = vec![first];
            while let Some(number) = rest.next_element()? {
                components.push(number);
            }
            Ok(Vector::Dense(components))
        }
        Element::Vector(first) => {
            let mut vectors = vec![first];
            while let Some(vector) = rest.next_element()? {
                vectors.push(vector);
            }
            Ok(Vector::Multi(vectors))
        }
    }
}

/// Reads the rest of a list.
pub(crate) fn vector_of_list<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<Vector, A::Error> {
    match seq.next_element()? {
        Some(first) => list(first, seq),
        None => Ok(Vector::Dense(Vec::new())),
    }
}

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Vector, D::Error> {
        struct VectorVisitor;

        impl<'de> Visitor<'de> for VectorVisitor {
            type Value = Vector;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a vector: a list of numbers, a list of such lists, or an object with indices and values")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Vector, A::Error> {
                vector_of_list(seq)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vector, A::Error> {
                let sparse = Sparse::deserialize(MapAccessDeserializer::new(map))
                    .map_err(|error| de::Error::custom(format!("{error} ({NO_INFERENCE})")))?;
                Vector::try_from(sparse).map_err(de::Error::custom)
            }
        }

        deserializer.deserialize_any(VectorVisitor)
    }
}

impl<'de> Deserialize<'de> for PointVectors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PointVectors, D::Error> {
        struct PointVisitor;

        impl<'de> Visitor<'de> for PointVisitor {
            type Value = PointVectors;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a vector, or an object of vectors by their names")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<PointVectors, A::Error> {
                vector_of_list(seq).map(PointVectors::Default)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PointVectors, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(PointVectors::Named)
            }
        }

        deserializer.deserialize_any(PointVisitor)
    }
}

impl<'de> Deserialize<'de> for BatchVectors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BatchVectors, D::Error> {
        struct BatchVisitor;

        impl<'de> Visitor<'de> for BatchVisitor {
            type Value = BatchVectors;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of vectors, or an object of such lists by their names")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<BatchVectors, A::Error> {
                let mut vectors = Vec::new();
                while let Some(vector) = seq.next_element()? {
                    vectors.push(vector);
                }
                Ok(BatchVectors::Default(vectors))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<BatchVectors, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(BatchVectors::Named)
            }
        }

        deserializer.deserialize_any(BatchVisitor)
    }
}

impl Serialize for Vector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Vector::Dense(components) => components.serialize(serializer),
            Vector::Multi(vectors) => vectors.serialize(serializer),
            Vector::Sparse { indices, values } => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("indices", indices)?;
                map.serialize_entry("values", values)?;
                map.end()
            }
        }
    }
}

impl Serialize for PointVectors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            PointVectors::Default(vector) => vector.serialize(serializer),
            PointVectors::Named(vectors) => vectors.serialize(serializer),
        }
    }
}
