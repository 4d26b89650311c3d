//! The records of the catalog: which collections there are, and what they are made of.
//!
//! Records are JSON: few, small, and read by people who repair things. Each names its format; a newer one is refused.

use crate::error::{Error, Result};
use crate::keyspace::{CatalogKey, CollectionId, FieldNumber, Keyspaces};
use crate::schema::{CollectionSchema, VectorField};
use crate::validate;
use aidb::Snapshot;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

mod field;

pub(crate) use field::KindRecord;

/// The format of the catalog and of everything it describes.
pub(crate) const FORMAT: u32 = 1;

/// What the catalog says.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    /// The number that the next collection gets.
    pub(crate) next: u32,
    /// Name → number and schema.
    pub(crate) collections: BTreeMap<String, CollectionRecord>,
    /// Alias → name of the collection.
    pub(crate) aliases: BTreeMap<String, String>,
    /// Collections whose keys are still to be removed.
    pub(crate) dropped: Vec<CollectionId>,
}

/// A collection as the catalog knows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CollectionRecord {
    pub(crate) id: CollectionId,
    pub(crate) schema: CollectionSchema,
    /// The number of each of the schema's vector fields.
    pub(crate) numbers: BTreeMap<String, FieldNumber>,
    /// The number that the next vector field gets.
    pub(crate) next_field: u32,
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
                CatalogKey::Alias(alias) => {
                    let record = AliasRecord::decode(&alias, &value)?;
                    catalog.aliases.insert(alias, record.collection);
                }
                // Read with the collection that it belongs to.
                CatalogKey::PayloadIndex(..) => {}
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
    /// A collection that is new: its fields are numbered.
    pub(crate) fn new(id: CollectionId, schema: CollectionSchema) -> CollectionRecord {
        let numbers = (0..).map(FieldNumber);
        let numbers: BTreeMap<_, _> = schema.fields.keys().cloned().zip(numbers).collect();
        CollectionRecord {
            id,
            schema,
            next_field: u32::try_from(numbers.len()).expect("fields are validated to be few"),
            numbers,
        }
    }

    /// The number of the field called `name`, which is one of the schema's.
    pub(crate) fn number(&self, name: &str) -> FieldNumber {
        *self
            .numbers
            .get(name)
            .expect("each field of the schema has a number")
    }

    /// Adds a vector field.
    pub(crate) fn add_field(&mut self, name: &str, field: VectorField) -> Result<()> {
        let number = u16::try_from(self.next_field)
            .map_err(|_| Error::invalid("the numbers for vector fields are used up"))?;
        self.next_field += 1;
        self.numbers.insert(name.to_owned(), FieldNumber(number));
        self.schema.fields.insert(name.to_owned(), field);
        Ok(())
    }

    /// Takes a vector field out, if there is one of that name.
    pub(crate) fn remove_field(&mut self, name: &str) {
        self.numbers.remove(name);
        self.schema.fields.remove(name);
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let fields = self.schema.fields.iter().zip(self.numbers.values());
        json(&Record {
            format: FORMAT,
            id: self.id.0,
            next_field: self.next_field,
            ttl_ms: self
                .schema
                .ttl
                .map(|ttl| u64::try_from(ttl.as_millis()).expect("it is validated to be shorter")),
            metadata: self.schema.metadata.clone(),
            fields: fields
                .map(|((name, field), number)| FieldRecord {
                    number: number.0,
                    name: name.clone(),
                    field: KindRecord::from(field),
                })
                .collect(),
        })
    }

    pub(crate) fn decode(name: &str, value: &[u8]) -> Result<CollectionRecord> {
        let decode = || {
            let record: Record = parse(value)?;
            let mut schema = CollectionSchema {
                ttl: record.ttl_ms.map(Duration::from_millis),
                metadata: record.metadata,
                ..CollectionSchema::default()
            };
            let mut numbers = BTreeMap::new();
            for field in record.fields {
                if u32::from(field.number) >= record.next_field {
                    return Err(Error::corruption(format!(
                        "field number {} is in use, and the next one is to be {}",
                        field.number, record.next_field
                    )));
                }
                let number = FieldNumber(field.number);
                if numbers.values().any(|&other| other == number) {
                    return Err(Error::corruption(format!(
                        "two fields have number {}",
                        number.0
                    )));
                }
                numbers.insert(field.name.clone(), number);
                schema
                    .fields
                    .insert(field.name, VectorField::try_from(field.field)?);
            }
            validate::schema(&schema)?;
            Ok(CollectionRecord {
                id: CollectionId(record.id),
                schema,
                numbers,
                next_field: record.next_field,
            })
        };
        decode().map_err(|error: Error| error.within(&format!("catalog, collection {name:?}")))
    }
}

/// The value of [`CatalogKey::Alias`].
#[derive(Serialize, Deserialize)]
pub(crate) struct AliasRecord {
    format: u32,
    collection: String,
}

impl AliasRecord {
    pub(crate) fn new(collection: &str) -> AliasRecord {
        AliasRecord {
            format: FORMAT,
            collection: collection.to_owned(),
        }
    }

    fn decode(alias: &str, value: &[u8]) -> Result<AliasRecord> {
        parse(value).map_err(|error| error.within(&format!("catalog, alias {alias:?}")))
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
    next_field: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ttl_ms: Option<u64>,
    #[serde(skip_serializing_if = "Map::is_empty", default)]
    metadata: Map<String, Value>,
    fields: Vec<FieldRecord>,
}

#[derive(Serialize, Deserialize)]
struct FieldRecord {
    number: u16,
    name: String,
    #[serde(flatten)]
    field: KindRecord,
}

/// What every record of any format has.
#[derive(Deserialize)]
struct Header {
    format: u32,
}

pub(crate) fn parse<T: for<'a> Deserialize<'a>>(value: &[u8]) -> Result<T> {
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

pub(crate) fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("numbers and strings always become JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::schema::{
        AutoParams, BinaryField, DenseField, IndexConfig, MultiField, SparseField,
    };
    use aether_distance::{ElementType, Metric};
    use aether_index::{HnswParams, IvfParams};

    #[test]
    fn records_round_trip() {
        let bounded = AutoParams {
            memory_bytes_max: Some(1 << 40),
        };
        let hnsw = IndexConfig::Hnsw(HnswParams {
            m: 8,
            ef_construction: 99,
        });
        let schema = CollectionSchema::new(384, Metric::InnerProduct, IndexConfig::Flat)
            .with_field(
                "image",
                DenseField {
                    element: ElementType::F16,
                    ..DenseField::new(512, Metric::Cosine, hnsw)
                },
            )
            .with_field(
                "buckets",
                DenseField::new(7, Metric::Cosine, IndexConfig::Ivf(IvfParams::DEFAULT)),
            )
            .with_field(
                "chosen",
                DenseField::new(7, Metric::Cosine, IndexConfig::default()),
            )
            .with_field(
                "bounded",
                DenseField::new(7, Metric::Cosine, IndexConfig::Auto(bounded)),
            )
            .with_field("print", BinaryField { bits: 100 })
            .with_field("words", SparseField::default())
            .with_field("tokens", MultiField::new(96, Metric::L2Squared));
        let mut record = CollectionRecord::new(CollectionId(7), schema);
        record.schema.metadata = serde_json::from_str(r#"{"owner": {"name": "me"}}"#).unwrap();
        record.schema.fields.remove("image");
        record.numbers.remove("image");
        assert_eq!(record.next_field, 8);
        assert_eq!(
            CollectionRecord::decode("x", &record.encode()).unwrap(),
            record
        );
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
