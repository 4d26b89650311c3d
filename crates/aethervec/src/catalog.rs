//! The records of the catalog: which collections there are, and what they are made of.
//!
//! Records are JSON: few, small, and read by people who repair things. Each names its format; a newer one is refused.

use crate::error::{Error, Result};
use crate::keyspace::{CatalogKey, CollectionId, Keyspaces};
use crate::schema::{self, CollectionSchema, IndexConfig};
use crate::validate;
use aether_index::HnswParams;
use aidb::Snapshot;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The format of the catalog and of everything it describes.
const FORMAT: u32 = 1;

/// What the catalog says.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    /// The number that the next collection gets.
    pub(crate) next: u32,
    /// Name → number and schema.
    pub(crate) collections: BTreeMap<String, CollectionRecord>,
    /// Collections whose keys are still to be removed.
    pub(crate) dropped: Vec<CollectionId>,
}

/// A collection as the catalog knows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CollectionRecord {
    pub(crate) id: CollectionId,
    pub(crate) schema: CollectionSchema,
}

impl Catalog {
    /// Reads the whole catalog.
    pub(crate) fn read(snapshot: &Snapshot, keyspaces: &Keyspaces) -> Result<Catalog> {
        let mut catalog = Catalog::default();
        let mut rows = snapshot.iter(&keyspaces.catalog);
        // The meta record sorts first, so that a newer format is noticed before anything else is looked at.
        while let Some((key, value)) = rows.try_next()? {
            match CatalogKey::decode(&key)? {
                CatalogKey::Meta => catalog.next = Meta::decode(&value)?.next_collection,
                CatalogKey::Collection(name) => {
                    let record = CollectionRecord::decode(&name, &value)?;
                    catalog.collections.insert(name, record);
                }
                CatalogKey::Dropped(id) => catalog.dropped.push(id),
            }
        }
        if let Some(id) = catalog.ids().find(|id| id.0 >= catalog.next) {
            return Err(Error::corruption(format!(
                "catalog: collection number {} is in use, and the next one is to be {}",
                id.0, catalog.next
            )));
        }
        Ok(catalog)
    }

    /// The numbers under which there may be keys.
    pub(crate) fn ids(&self) -> impl Iterator<Item = CollectionId> {
        let existing = self.collections.values().map(|record| record.id);
        existing.chain(self.dropped.iter().copied())
    }
}

/// The value of [`CatalogKey::Meta`].
pub(crate) fn encode_meta(next: u32) -> Vec<u8> {
    json(&Meta {
        format: FORMAT,
        next_collection: next,
    })
}

impl CollectionRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let schema = &self.schema;
        let params = match &schema.index {
            IndexConfig::Flat => None,
            IndexConfig::Hnsw(params) => Some(params),
        };
        json(&Record {
            format: FORMAT,
            id: self.id.0,
            dim: schema.dim,
            metric: schema.metric.to_string(),
            element: schema.element.to_string(),
            index: IndexRecord {
                kind: schema.index.name().to_owned(),
                m: params.map(|params| params.m),
                ef_construction: params.map(|params| params.ef_construction),
            },
        })
    }

    pub(crate) fn decode(name: &str, value: &[u8]) -> Result<CollectionRecord> {
        let decode = || {
            let record: Record = parse(value)?;
            let index = match record.index {
                IndexRecord { kind, .. } if kind == "flat" => IndexConfig::Flat,
                IndexRecord {
                    kind,
                    m: Some(m),
                    ef_construction: Some(ef_construction),
                } if kind == "hnsw" => IndexConfig::Hnsw(HnswParams { m, ef_construction }),
                IndexRecord { kind, .. } => {
                    return Err(Error::corruption(format!(
                        "index {kind:?} is not known or incomplete"
                    )));
                }
            };
            let schema = CollectionSchema {
                dim: record.dim,
                metric: schema::parse_metric(&record.metric)?,
                element: schema::parse_element(&record.element)?,
                index,
            };
            validate::schema(&schema)?;
            Ok(CollectionRecord {
                id: CollectionId(record.id),
                schema,
            })
        };
        decode().map_err(|error: Error| error.within(&format!("catalog, collection {name:?}")))
    }
}

#[derive(Serialize, Deserialize)]
struct Meta {
    format: u32,
    next_collection: u32,
}

impl Meta {
    fn decode(value: &[u8]) -> Result<Meta> {
        parse(value).map_err(|error| error.within("catalog, meta record"))
    }
}

#[derive(Serialize, Deserialize)]
struct Record {
    format: u32,
    id: u32,
    dim: usize,
    metric: String,
    element: String,
    index: IndexRecord,
}

#[derive(Serialize, Deserialize)]
struct IndexRecord {
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    m: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ef_construction: Option<u16>,
}

/// What every record of any format has.
#[derive(Deserialize)]
struct Header {
    format: u32,
}

fn parse<T: for<'a> Deserialize<'a>>(value: &[u8]) -> Result<T> {
    let malformed =
        |error: serde_json::Error| Error::corruption(format!("it is malformed: {error}"));
    let Header { format } = serde_json::from_slice(value).map_err(malformed)?;
    if format > FORMAT {
        return Err(Error::invalid(format!(
            "format {format} was written by a newer version: this one reads up to {FORMAT}"
        )));
    }
    serde_json::from_slice(value).map_err(malformed)
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("numbers and strings always become JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use aether_distance::{ElementType, Metric};

    #[test]
    fn records_round_trip() {
        for index in [
            IndexConfig::Flat,
            IndexConfig::Hnsw(HnswParams {
                m: 8,
                ef_construction: 99,
            }),
        ] {
            let schema = CollectionSchema {
                element: ElementType::F16,
                ..CollectionSchema::new(384, Metric::InnerProduct, index)
            };
            let record = CollectionRecord {
                id: CollectionId(7),
                schema,
            };
            assert_eq!(
                CollectionRecord::decode("x", &record.encode()).unwrap(),
                record
            );
        }
        assert_eq!(Meta::decode(&encode_meta(9)).unwrap().next_collection, 9);
    }

    #[test]
    fn a_newer_format_is_refused() {
        let error =
            CollectionRecord::decode("x", br#"{"format": 2, "colour": "red"}"#).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(
            error.to_string(),
            "catalog, collection \"x\": format 2 was written by a newer version: this one reads up to 1"
        );
    }

    #[test]
    fn malformed_records_are_errors() {
        for bad in ["", "[]", r#"{"format":1}"#, r#"{"format":-1}"#] {
            assert!(CollectionRecord::decode("x", bad.as_bytes()).is_err());
            assert!(Meta::decode(bad.as_bytes()).is_err());
        }
    }
}
