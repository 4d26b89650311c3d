//! The header of an export: what the collection is.

use crate::catalog::KindRecord;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::Path;
use crate::payload::{PayloadIndexInfo, PayloadIndexKind};
use crate::schema::{CollectionSchema, VectorField};
use crate::validate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// The version of the format; a newer one is refused.
const FORMAT: u32 = 1;

/// The first line of JSON lines, or what the schema of record batches says under the key `aethervec`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    /// The version of the format. Its name comes first, so that a file can be told by its first bytes.
    aethervec: u32,
    /// What the collection was called.
    collection: String,
    /// How many lines follow.
    pub(crate) documents: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ttl_ms: Option<u64>,
    /// What else is kept with the collection.
    #[serde(skip_serializing_if = "Map::is_empty", default)]
    metadata: Map<String, Value>,
    /// The vector fields by name.
    fields: BTreeMap<String, KindRecord>,
    #[serde(default)]
    payload_indexes: Vec<IndexRecord>,
}

/// A payload index.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IndexRecord {
    path: String,
    kind: String,
}

/// What every version has.
#[derive(Deserialize)]
struct Version {
    aethervec: u32,
}

impl Header {
    /// Of a collection with so many documents.
    pub(crate) fn new(
        collection: &str,
        documents: u64,
        schema: &CollectionSchema,
        indexes: &[PayloadIndexInfo],
    ) -> Header {
        let fields = schema.fields.iter();
        Header {
            aethervec: FORMAT,
            collection: collection.to_owned(),
            documents,
            ttl_ms: schema
                .ttl
                .map(|ttl| u64::try_from(ttl.as_millis()).expect("it is validated to be shorter")),
            metadata: schema.metadata.clone(),
            fields: fields
                .map(|(name, field)| (name.clone(), KindRecord::from(field)))
                .collect(),
            payload_indexes: indexes
                .iter()
                .map(|index| IndexRecord {
                    path: index.path.to_string(),
                    kind: index.kind.name().to_owned(),
                })
                .collect(),
        }
    }

    /// As JSON on one line.
    #[cfg(feature = "arrow")]
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }

    /// What a header says.
    pub(crate) fn parse(line: &[u8]) -> Result<Header> {
        let no_header = |error: serde_json::Error| {
            Error::invalid(format!(
                "it does not say what the collection is, as the first line of an export does: {error}"
            ))
        };
        let Version { aethervec } = serde_json::from_slice(line).map_err(no_header)?;
        if aethervec > FORMAT {
            return Err(Error::invalid(format!(
                "aethervec: format {aethervec} was written by a newer version: this one reads up to {FORMAT}"
            )));
        }
        serde_json::from_slice(line).map_err(no_header)
    }

    /// The schema and the payload indexes.
    pub(crate) fn declared(self) -> Result<(CollectionSchema, Vec<(Path, PayloadIndexKind)>)> {
        let invalid = |error: Error| Error::new(ErrorKind::Invalid, error.to_string());
        let mut schema = CollectionSchema {
            ttl: self.ttl_ms.map(Duration::from_millis),
            metadata: self.metadata,
            ..CollectionSchema::default()
        };
        for (name, record) in self.fields {
            let field = VectorField::try_from(record).map_err(invalid)?;
            schema.fields.insert(name, field);
        }
        validate::schema(&schema)?;
        let mut indexes = Vec::new();
        for IndexRecord { path, kind } in self.payload_indexes {
            indexes.push((Path::parse(&path)?, kind.parse()?));
        }
        Ok((schema, indexes))
    }
}
