//! The rows of `docs` and `points`.

use super::{
    CollectionId, Form, bad, collection_prefix, decode_id, encode_id, put_varint, take_varint,
};
use crate::error::Result;
use crate::id::DocId;
use crate::keyspace::vectors::{self, Stored};
use crate::schema::VectorField;
use crate::vector::VectorValue;
use aether_distance::VectorRef;
use aether_index::PointId;
use serde_json::Value;

/// The number of a vector field in its collection: given once, never again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FieldNumber(pub(crate) u16);

impl FieldNumber {
    /// In a row, the form of a field's vector stands above its number.
    const BITS: u32 = u16::BITS;
}

/// Replaces `out` by the value of a document in `docs`. `expires`: when it is hidden, in milliseconds since 1970; 0 for
/// never. `payload` is its JSON, empty for none.
pub(crate) fn doc_value(point: PointId, expires: u64, payload: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&point.0.to_le_bytes());
    out.extend_from_slice(&expires.to_le_bytes());
    out.extend_from_slice(payload);
}

/// A document's row, its payload still encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DocRow<'a> {
    /// The newest version.
    pub(crate) point: PointId,
    /// When it is hidden, in milliseconds since 1970; 0 for never.
    pub(crate) expires: u64,
    /// JSON; empty for none.
    pub(crate) payload: &'a [u8],
}

impl<'a> DocRow<'a> {
    /// Takes a value of `docs` apart.
    pub(crate) fn parse(key: &[u8], value: &'a [u8]) -> Result<DocRow<'a>> {
        let split = value
            .split_first_chunk()
            .and_then(|(point, rest)| Some((point, rest.split_first_chunk()?)));
        let (point, (expires, payload)) =
            split.ok_or_else(|| bad("docs", key, "its value is shorter than its header"))?;
        Ok(DocRow {
            point: PointId(u64::from_le_bytes(*point)),
            expires: u64::from_le_bytes(*expires),
            payload,
        })
    }

    /// The payload.
    pub(crate) fn payload(&self, key: &[u8]) -> Result<Option<Value>> {
        match self.payload {
            [] => Ok(None),
            json => serde_json::from_slice(json)
                .map(Some)
                .map_err(|error| bad("docs", key, &format!("its payload is not JSON: {error}"))),
        }
    }
}

/// Replaces `out` by the value of a point in `points`. `vectors`: in the form in which they are stored, ordered by field.
pub(crate) fn point_value(id: &DocId, vectors: &[(FieldNumber, VectorValue)], out: &mut Vec<u8>) {
    out.clear();
    // One byte less than three of them would do for a varint; a fixed width keeps the id's place simple.
    out.extend_from_slice(&[0; 2]);
    encode_id(id, out);
    let id_bytes = u16::try_from(out.len() - 2).expect("ids are validated to be short");
    out[..2].copy_from_slice(&id_bytes.to_le_bytes());
    for (field, vector) in vectors {
        let form = vectors::form(vector);
        put_varint(u64::from(field.0) | (form as u64) << FieldNumber::BITS, out);
        put_varint(vectors::encoded_bytes(vector, form) as u64, out);
        vectors::encode(vector, form, out);
    }
}

/// A point's row, its vectors still encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PointRow<'a> {
    id: &'a [u8],
    vectors: &'a [u8],
}

impl<'a> PointRow<'a> {
    /// Takes the document's id off. What follows is looked at when it is asked for.
    pub(crate) fn parse(key: &[u8], value: &'a [u8]) -> Result<PointRow<'a>> {
        let split = value.split_first_chunk().and_then(|(id_bytes, rest)| {
            rest.split_at_checked(usize::from(u16::from_le_bytes(*id_bytes)))
        });
        let (id, vectors) =
            split.ok_or_else(|| bad("points", key, "its value ends within the document id"))?;
        Ok(PointRow { id, vectors })
    }

    /// The document that the point belongs or belonged to.
    pub(crate) fn id(&self, key: &[u8]) -> Result<DocId> {
        decode_id(self.id).ok_or_else(|| bad("points", key, "its value holds no document id"))
    }

    /// The key in `docs` of the document that the point belongs or belonged to.
    pub(crate) fn doc_key(&self, collection: CollectionId) -> Vec<u8> {
        [&collection_prefix(collection)[..], self.id].concat()
    }

    /// The fields that have a vector, with what is stored of it, ascending.
    pub(crate) fn fields(
        &self,
        key: &[u8],
    ) -> impl Iterator<Item = Result<(FieldNumber, Stored<'a>)>> {
        let mut rest = self.vectors;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let field = take_field(&mut rest);
            if field.is_none() {
                rest = &[];
            }
            Some(field.ok_or_else(|| bad("points", key, "its vectors are malformed")))
        })
    }

    /// What is stored of the vector in `field`, if there is one.
    pub(crate) fn field(&self, key: &[u8], field: FieldNumber) -> Result<Option<Stored<'a>>> {
        for vector in self.fields(key) {
            let (number, stored) = vector?;
            if number == field {
                return Ok(Some(stored));
            }
        }
        Ok(None)
    }

    /// Puts the vector in `field`, which is declared as `spec`, into `out`. False when there is none.
    pub(crate) fn read(
        &self,
        key: &[u8],
        field: FieldNumber,
        spec: &VectorField,
        out: &mut VectorValue,
    ) -> Result<bool> {
        let Some(stored) = self.field(key, field)? else {
            return Ok(false);
        };
        vectors::decode_into(stored, spec, out)
            .map(|()| true)
            .map_err(|what| bad("points", key, &what))
    }

    /// The same for a field of one dense vector, which is lent as it lies there if it can be.
    pub(crate) fn read_dense<'v>(
        &self,
        key: &[u8],
        field: FieldNumber,
        spec: &VectorField,
        out: &'v mut VectorValue,
    ) -> Result<Option<VectorRef<'v>>>
    where
        'a: 'v,
    {
        let Some(stored) = self.field(key, field)? else {
            return Ok(None);
        };
        if let Some(vector) = vectors::lend(stored, spec) {
            return Ok(Some(vector));
        }
        vectors::decode_into(stored, spec, out).map_err(|what| bad("points", key, &what))?;
        match out {
            VectorValue::Dense(vector) => Ok(Some(vector.as_ref())),
            _ => Ok(None),
        }
    }

    /// The vector in `field`, which is declared as `spec`, if there is one.
    pub(crate) fn vector(
        &self,
        key: &[u8],
        field: FieldNumber,
        spec: &VectorField,
    ) -> Result<Option<VectorValue>> {
        self.field(key, field)?
            .map(|stored| vectors::decode(stored, spec).map_err(|what| bad("points", key, &what)))
            .transpose()
    }
}

fn take_field<'a>(rest: &mut &'a [u8]) -> Option<(FieldNumber, Stored<'a>)> {
    let number = take_varint(rest)?;
    let form = Form::numbered(number >> FieldNumber::BITS)?;
    let number = u16::try_from(number & u64::from(u16::MAX)).ok()?;
    let bytes = usize::try_from(take_varint(rest)?).ok()?;
    let (bytes, tail) = rest.split_at_checked(bytes)?;
    *rest = tail;
    Some((FieldNumber(number), Stored { form, bytes }))
}
