//! Between messages and what the engine knows: ids, vectors, documents.

use crate::v1;
use aethervec::{
    BinaryVector, DocId, Document, MultiVector, SparseVector, Uuid, Vector, VectorValue, Vectors,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// A message that says nothing the engine knows: which field, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(String);

impl Malformed {
    fn new(message: impl Into<String>) -> Malformed {
        Malformed(message.into())
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

impl TryFrom<v1::Id> for DocId {
    type Error = Malformed;

    fn try_from(id: v1::Id) -> Result<DocId, Malformed> {
        use v1::id::Kind;
        match id.kind {
            Some(Kind::Number(number)) => Ok(DocId::U64(number)),
            Some(Kind::Text(text)) => Ok(DocId::Str(text)),
            Some(Kind::Uuid(text)) => match Uuid::parse_str(&text) {
                Ok(uuid) => Ok(DocId::Uuid(uuid)),
                Err(error) => Err(Malformed::new(format!("id: uuid: {error}"))),
            },
            None => Err(Malformed::new("id: it is missing")),
        }
    }
}

impl From<DocId> for v1::Id {
    fn from(id: DocId) -> v1::Id {
        use v1::id::Kind;
        let kind = match id {
            DocId::U64(number) => Kind::Number(number),
            DocId::Uuid(uuid) => Kind::Uuid(uuid.to_string()),
            DocId::Str(text) => Kind::Text(text),
        };
        v1::Id { kind: Some(kind) }
    }
}

impl TryFrom<v1::Vector> for VectorValue {
    type Error = Malformed;

    fn try_from(vector: v1::Vector) -> Result<VectorValue, Malformed> {
        use v1::vector::Kind;
        match vector.kind {
            Some(Kind::Dense(dense)) => Ok(VectorValue::from(dense.components)),
            Some(Kind::Sparse(v1::SparseVector { indices, values })) => {
                if indices.len() != values.len() {
                    return Err(Malformed::new(format!(
                        "vector: {} indices for {} values",
                        indices.len(),
                        values.len()
                    )));
                }
                let components = indices.into_iter().zip(values);
                Ok(VectorValue::Sparse(SparseVector::new(components)))
            }
            Some(Kind::Bits(bits)) => Ok(VectorValue::Binary(BinaryVector::from_bytes(bits))),
            Some(Kind::Multi(v1::MultiVector { dim, components })) => {
                MultiVector::from_components(dim as usize, Vector::F32(components))
                    .map(VectorValue::Multi)
                    .map_err(|error| Malformed::new(error.to_string()))
            }
            None => Err(Malformed::new("vector: it is missing")),
        }
    }
}

impl From<VectorValue> for v1::Vector {
    fn from(vector: VectorValue) -> v1::Vector {
        use v1::vector::Kind;
        let kind = match vector {
            VectorValue::Dense(vector) => Kind::Dense(v1::DenseVector {
                components: floats(vector),
            }),
            VectorValue::Sparse(vector) => Kind::Sparse(v1::SparseVector {
                indices: vector.indices().to_vec(),
                values: vector.values().to_vec(),
            }),
            VectorValue::Binary(vector) => Kind::Bits(vector.as_bytes().to_vec().into()),
            VectorValue::Multi(vector) => Kind::Multi(v1::MultiVector {
                dim: u32::try_from(vector.dim()).unwrap_or(u32::MAX),
                components: vector.components().to_f32(),
            }),
        };
        v1::Vector { kind: Some(kind) }
    }
}

/// The components, in the memory that they are in if they are of 32 bits.
fn floats(vector: Vector) -> Vec<f32> {
    match vector {
        Vector::F32(components) => components,
        others => others.to_f32(),
    }
}

impl v1::Vector {
    /// That of each field.
    pub fn by_field(vectors: Vectors) -> BTreeMap<String, v1::Vector> {
        let vectors = vectors.into_iter();
        vectors
            .map(|(field, vector)| (field, v1::Vector::from(vector)))
            .collect()
    }

    /// The vectors that [`by_field`](v1::Vector::by_field) has made messages of.
    ///
    /// # Errors
    /// When one says no vector; the message names its field.
    pub fn to_vectors(fields: BTreeMap<String, v1::Vector>) -> Result<Vectors, Malformed> {
        let vectors = fields.into_iter().map(|(field, vector)| {
            let vector = VectorValue::try_from(vector)
                .map_err(|error| Malformed::new(format!("vectors: {field:?}: {error}")))?;
            Ok((field, vector))
        });
        vectors.collect()
    }
}

impl TryFrom<v1::Document> for Document {
    type Error = Malformed;

    fn try_from(document: v1::Document) -> Result<Document, Malformed> {
        let expires_at = document.expires_at.map(|text| text.parse()).transpose();
        Ok(Document {
            id: document.id.unwrap_or_default().try_into()?,
            vectors: v1::Vector::to_vectors(document.vectors)?,
            payload: document.payload.as_deref().map(payload).transpose()?,
            expires_at: expires_at
                .map_err(|error| Malformed::new(format!("expires_at: {error}")))?,
        })
    }
}

impl From<Document> for v1::Document {
    fn from(document: Document) -> v1::Document {
        v1::Document {
            vectors: v1::Vector::by_field(document.vectors),
            id: Some(document.id.into()),
            payload: document.payload.as_ref().map(Value::to_string),
            expires_at: document.expires_at.map(|moment| moment.to_string()),
        }
    }
}

fn payload(text: &str) -> Result<Value, Malformed> {
    serde_json::from_str::<Map<String, Value>>(text)
        .map(Value::Object)
        .map_err(|error| Malformed::new(format!("payload: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_is_the_same_after_the_way_there_and_back() {
        let document = Document::new([0.5, -1.0], "a")
            .with_vector("words", SparseVector::new([(3, 0.5), (7, 1.0)]))
            .with_payload(json!({"lang": "en", "year": 2021}));
        let message = v1::Document::from(document.clone());
        assert_eq!(Document::try_from(message), Ok(document));
        let uuid = DocId::Uuid(Uuid::from_u128(7));
        assert_eq!(DocId::try_from(v1::Id::from(uuid.clone())), Ok(uuid));
    }

    #[test]
    fn what_says_nothing_is_named() {
        let message = |id| v1::Document {
            id,
            vectors: [("image".to_owned(), v1::Vector::default())].into(),
            ..v1::Document::default()
        };
        let error = Document::try_from(message(None)).unwrap_err();
        assert_eq!(error.to_string(), "id: it is missing");
        let error = Document::try_from(message(Some(DocId::U64(1).into()))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "vectors: \"image\": vector: it is missing"
        );
    }
}
