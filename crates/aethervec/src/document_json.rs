//! Documents as JSON: `{"id": 7, "vector": […], "vectors": {"words": {…}}, "payload": {…}, "expires_at": "…"}`.
//!
//! `vector` is that of the default field, `vectors` has those of the others; what a document lacks is left out. Written, a
//! component has as many digits as it takes to read the same `f32` again. Read, a vector is taken for what its field holds, number
//! by number, so that nothing is rounded twice.

use crate::document::Document;
use crate::id::DocId;
use crate::schema::{CollectionSchema, VectorField};
use crate::timestamp::Timestamp;
use crate::vector::{BinaryVector, MultiVector, SparseVector, VectorValue, Vectors};
use crate::vector_json;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};
use std::fmt;

/// What the object of a document may have.
const KEYS: [&str; 5] = ["id", "vector", "vectors", "payload", "expires_at"];

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        if let Some(vector) = self.vectors.get("") {
            map.serialize_entry("vector", vector)?;
        }
        if self.vectors.iter().any(|(field, _)| !field.is_empty()) {
            map.serialize_entry("vectors", &Named(&self.vectors))?;
        }
        if let Some(payload) = &self.payload {
            map.serialize_entry("payload", payload)?;
        }
        if let Some(expires_at) = &self.expires_at {
            map.serialize_entry("expires_at", expires_at)?;
        }
        map.end()
    }
}

/// The vectors of all fields but the default one.
struct Named<'a>(&'a Vectors);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().filter(|(field, _)| !field.is_empty()))
    }
}

/// Without knowing its collection: its vectors are what they look like.
impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Document, D::Error> {
        DocumentSeed(None).deserialize(deserializer)
    }
}

/// Reads a document of a collection with this schema, or of any.
pub(crate) struct DocumentSeed<'a>(pub(crate) Option<&'a CollectionSchema>);

impl<'de> DeserializeSeed<'de> for DocumentSeed<'_> {
    type Value = Document;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Document, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for DocumentSeed<'_> {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document such as {\"id\": 7, \"vector\": [0.1, 0.2]}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
        let mut id: Option<DocId> = None;
        let mut vectors = Vectors::new();
        let mut payload: Option<Map<String, Value>> = None;
        let mut expires_at: Option<Timestamp> = None;
        while let Some(key) = map.next_key::<String>()? {
            match &key[..] {
                "id" => id = Some(map.next_value()?),
                "vector" => read_vector(self.0, String::new(), &mut map, &mut vectors)?,
                "vectors" => map.next_value_seed(NamedSeed(self.0, &mut vectors))?,
                "payload" => payload = map.next_value()?,
                "expires_at" => expires_at = map.next_value()?,
                other => return Err(de::Error::unknown_field(other, &KEYS)),
            }
        }
        Ok(Document {
            id: id.ok_or_else(|| de::Error::missing_field("id"))?,
            vectors,
            payload: payload.map(Value::Object),
            expires_at,
        })
    }
}

/// Reads an object of vectors by the names of their fields.
struct NamedSeed<'a>(Option<&'a CollectionSchema>, &'a mut Vectors);

impl<'de> DeserializeSeed<'de> for NamedSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for NamedSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of vectors by the names of their fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            read_vector(self.0, name, &mut map, self.1)?;
        }
        Ok(())
    }
}

/// Reads the next value of `map`, the vector of the field called `name`.
fn read_vector<'de, A: MapAccess<'de>>(
    schema: Option<&CollectionSchema>,
    name: String,
    map: &mut A,
    vectors: &mut Vectors,
) -> Result<(), A::Error> {
    let Some(schema) = schema else {
        let vector = map.next_value::<VectorValue>()?;
        vectors.insert(name, vector);
        return Ok(());
    };
    let Some(field) = schema.fields.get(&name) else {
        return Err(de::Error::custom(format!(
            "the collection has no vector field {name:?}"
        )));
    };
    let vector = map.next_value_seed(VectorSeed(field))?;
    vectors.insert(name, vector);
    Ok(())
}

/// Reads a vector of a field.
struct VectorSeed<'a>(&'a VectorField);

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SparseObject {
    indices: Vec<u32>,
    values: Vec<f32>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct BinaryObject {
    bits: String,
}

impl<'de> DeserializeSeed<'de> for VectorSeed<'_> {
    type Value = VectorValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<VectorValue, D::Error> {
        match self.0 {
            VectorField::Dense(_) => Vec::<f32>::deserialize(deserializer).map(VectorValue::from),
            VectorField::Multi(_) => {
                let vectors = Vec::<Vec<f32>>::deserialize(deserializer)?;
                let vectors = MultiVector::new(vectors).map_err(de::Error::custom)?;
                Ok(VectorValue::Multi(vectors))
            }
            VectorField::Sparse(_) => {
                let SparseObject { indices, values } = SparseObject::deserialize(deserializer)?;
                if indices.len() != values.len() {
                    return Err(de::Error::custom(format!(
                        "{} indices for {} values",
                        indices.len(),
                        values.len()
                    )));
                }
                let components = indices.into_iter().zip(values);
                Ok(VectorValue::Sparse(SparseVector::new(components)))
            }
            VectorField::Binary(_) => {
                let BinaryObject { bits } = BinaryObject::deserialize(deserializer)?;
                let bytes = vector_json::bytes(&bits)
                    .ok_or_else(|| de::Error::custom(vector_json::BITS_EXPECTED))?;
                Ok(VectorValue::Binary(BinaryVector::from_bytes(bytes)))
            }
        }
    }
}
