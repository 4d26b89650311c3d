//! The keyspaces of a database and the bytes of their keys and values: the one place that encodes and decodes them.
//! `docs/formats/keyspaces.md` has the picture.
//!
//! Keys are big endian, so that their order is the order of the numbers; values are little endian. Every decoder takes
//! bytes from a disk: it returns an error that names the key, and never panics.

use crate::error::{Error, Result};
use crate::id::DocId;
use crate::index::point_cache::PointCache;
use aether_index::{ImageCache, PointId};
use aidb::{Append, Compression, DB, Keyspace, KeyspaceOptions, SeqNo, TableOptions};
use bytes::Bytes;
use std::ops::Bound;
use std::sync::Arc;
use uuid::Uuid;

mod buckets;
mod form;
mod rows;
mod vectors;

pub(crate) use buckets::BucketKey;
use form::Form;
pub(crate) use rows::{DocRow, FieldNumber, PointRow, doc_value, point_value};
pub(crate) use vectors::{buffer as vector_buffer, plain_bytes as vector_bytes};

/// The number of a collection: given once, never again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CollectionId(pub(crate) u32);

/// The part of the memory for rows that ids take, and that rows of documents take: where distances are exact, searches need
/// nothing else.
const IDS_SHARE: usize = 8;

/// The keyspaces of a database.
#[derive(Clone, Debug)]
pub(crate) struct Keyspaces {
    pub(crate) catalog: Keyspace,
    pub(crate) docs: Keyspace,
    pub(crate) points: Keyspace,
    pub(crate) expiry: Keyspace,
    pub(crate) pending: Keyspace,
    pub(crate) index: Keyspace,
    pub(crate) filter: Keyspace,
    pub(crate) buckets: Keyspace,
    /// Copies of rows of `buckets`.
    pub(crate) bucket_cache: Arc<ImageCache>,
    /// Rows of `points`.
    pub(crate) row_cache: Arc<PointCache<Arc<[u8]>>>,
    /// The documents of points.
    pub(crate) id_cache: Arc<PointCache<DocId>>,
    /// Their rows of `docs`, as they were when the points were the newest.
    pub(crate) doc_cache: Arc<PointCache<Bytes>>,
    /// The last write before this opening: nothing in memory knows of earlier states.
    pub(crate) opened_at: SeqNo,
    /// Whether past moments can be read.
    pub(crate) keeps_past: bool,
}

impl Keyspaces {
    /// Opens all keyspaces, creating those that are missing. `keeps_past`: whether past moments can be read.
    pub(crate) fn open(
        db: &DB,
        (row_cache_bytes, bucket_cache_bytes): (usize, usize),
        keeps_past: bool,
    ) -> Result<Keyspaces> {
        let plain = || KeyspaceOptions::DEFAULT;
        // Vectors do not shrink, and they are read by their own number, which is nearly always there.
        let vectors = KeyspaceOptions {
            table: TableOptions {
                compression: Compression::None,
                ..TableOptions::DEFAULT
            },
            ..KeyspaceOptions::DEFAULT
        };
        let appended = KeyspaceOptions {
            merge: Some(Arc::new(Append)),
            ..KeyspaceOptions::DEFAULT
        };
        // Codes do not shrink either.
        let records = KeyspaceOptions {
            merge: Some(Arc::new(Append)),
            ..vectors.clone()
        };
        let [
            catalog,
            docs,
            points,
            expiry,
            pending,
            index,
            filter,
            buckets,
        ] = db.keyspaces([
            ("catalog", plain()),
            ("docs", plain()),
            ("points", vectors),
            ("expiry", plain()),
            ("pending", plain()),
            ("index", plain()),
            ("filter", appended),
            ("buckets", records),
        ])?;
        Ok(Keyspaces {
            catalog,
            docs,
            points,
            expiry,
            pending,
            index,
            filter,
            buckets,
            bucket_cache: ImageCache::new(bucket_cache_bytes),
            row_cache: Arc::new(PointCache::new(
                row_cache_bytes - 2 * (row_cache_bytes / IDS_SHARE),
            )),
            id_cache: Arc::new(PointCache::new(row_cache_bytes / IDS_SHARE)),
            doc_cache: Arc::new(PointCache::new(row_cache_bytes / IDS_SHARE)),
            opened_at: db.last_seq(),
            keeps_past,
        })
    }

    /// The keyspaces whose keys begin with a collection's number.
    pub(crate) fn of_collections(&self) -> [&Keyspace; 7] {
        [
            &self.docs,
            &self.points,
            &self.expiry,
            &self.pending,
            &self.index,
            &self.filter,
            &self.buckets,
        ]
    }
}

const CATALOG_META: u8 = 0;
const CATALOG_COLLECTION: u8 = 1;
const CATALOG_DROPPED: u8 = 2;
const CATALOG_PAYLOAD_INDEX: u8 = 3;
const CATALOG_ALIAS: u8 = 4;

/// A key of the `catalog`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CatalogKey {
    /// What holds for the whole database.
    Meta,
    /// The collection of this name.
    Collection(String),
    /// A collection that was dropped and whose keys are being removed.
    Dropped(CollectionId),
    /// A payload index of a collection, by its number.
    PayloadIndex(CollectionId, u16),
    /// Another name of a collection.
    Alias(String),
}

impl CatalogKey {
    /// What the keys of all payload indexes of a collection begin with.
    pub(crate) fn payload_indexes_prefix(id: CollectionId) -> Vec<u8> {
        [&[CATALOG_PAYLOAD_INDEX][..], &collection_prefix(id)].concat()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            CatalogKey::Meta => vec![CATALOG_META],
            CatalogKey::Collection(name) => [&[CATALOG_COLLECTION], name.as_bytes()].concat(),
            CatalogKey::Alias(name) => [&[CATALOG_ALIAS], name.as_bytes()].concat(),
            CatalogKey::Dropped(id) => [&[CATALOG_DROPPED][..], &id.0.to_be_bytes()].concat(),
            CatalogKey::PayloadIndex(id, number) => {
                let mut key = CatalogKey::payload_indexes_prefix(*id);
                key.extend_from_slice(&number.to_be_bytes());
                key
            }
        }
    }

    pub(crate) fn decode(key: &[u8]) -> Result<CatalogKey> {
        let decoded = match key.split_first() {
            Some((&CATALOG_META, [])) => Some(CatalogKey::Meta),
            Some((&CATALOG_COLLECTION, name)) => str::from_utf8(name)
                .ok()
                .map(|name| CatalogKey::Collection(name.to_owned())),
            Some((&CATALOG_ALIAS, name)) => str::from_utf8(name)
                .ok()
                .map(|name| CatalogKey::Alias(name.to_owned())),
            Some((&CATALOG_DROPPED, id)) => id
                .try_into()
                .ok()
                .map(|id| CatalogKey::Dropped(CollectionId(u32::from_be_bytes(id)))),
            Some((&CATALOG_PAYLOAD_INDEX, rest)) => {
                rest.split_first_chunk().and_then(|(id, number)| {
                    let number = u16::from_be_bytes(number.try_into().ok()?);
                    let id = CollectionId(u32::from_be_bytes(*id));
                    Some(CatalogKey::PayloadIndex(id, number))
                })
            }
            _ => None,
        };
        decoded.ok_or_else(|| bad("catalog", key, "it is no key of a catalog"))
    }
}

/// What every key of a collection begins with.
pub(crate) fn collection_prefix(collection: CollectionId) -> [u8; 4] {
    collection.0.to_be_bytes()
}

/// All keys of a collection.
pub(crate) fn collection_range(collection: CollectionId) -> (Bound<[u8; 4]>, Bound<[u8; 4]>) {
    let next = collection.0.checked_add(1).map(u32::to_be_bytes);
    (
        Bound::Included(collection_prefix(collection)),
        next.map_or(Bound::Unbounded, Bound::Excluded),
    )
}

/// The collection that a key of `keyspace` belongs to.
pub(crate) fn collection_of(keyspace: &str, key: &[u8]) -> Result<CollectionId> {
    match key.first_chunk() {
        Some(id) => Ok(CollectionId(u32::from_be_bytes(*id))),
        None => Err(bad(
            keyspace,
            key,
            "it is shorter than a collection's number",
        )),
    }
}

/// Replaces `out` by the key of a document in `docs`.
pub(crate) fn doc_key(collection: CollectionId, id: &DocId, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&collection_prefix(collection));
    encode_id(id, out);
}

/// The document that a key of `docs` is for.
pub(crate) fn decode_doc_key(key: &[u8]) -> Result<DocId> {
    key.get(4..)
        .and_then(decode_id)
        .ok_or_else(|| bad("docs", key, "it holds no document id"))
}

/// The key of a point in `points`.
pub(crate) fn point_key(collection: CollectionId, point: PointId) -> [u8; 12] {
    numbered_key(collection, point.0)
}

/// The key in `expiry` of a point that ends at `expires`, in milliseconds since 1970.
pub(crate) fn expiry_key(collection: CollectionId, expires: u64, point: PointId) -> [u8; 20] {
    let mut key = [0; 20];
    key[..12].copy_from_slice(&numbered_key(collection, expires));
    key[12..].copy_from_slice(&point.0.to_be_bytes());
    key
}

/// When which point ends, by a key of `expiry`.
pub(crate) fn decode_expiry_key(key: &[u8]) -> Result<(u64, PointId)> {
    let numbers = key.get(4..).map(<[u8]>::as_chunks);
    match numbers {
        Some(([expires, point], [])) => Ok((
            u64::from_be_bytes(*expires),
            PointId(u64::from_be_bytes(*point)),
        )),
        _ => Err(bad("expiry", key, "it does not have 20 bytes")),
    }
}

/// The key of a numbered entry in `pending`.
pub(crate) fn pending_key(collection: CollectionId, number: u64) -> [u8; 12] {
    numbered_key(collection, number)
}

/// The number that a key of `points` or `pending` ends with.
pub(crate) fn decode_number(keyspace: &str, key: &[u8]) -> Result<u64> {
    let number = (key.len() == 12).then(|| key.last_chunk()).flatten();
    number
        .map(|number| u64::from_be_bytes(*number))
        .ok_or_else(|| bad(keyspace, key, "it does not have 12 bytes"))
}

/// The key of a collection's state in `index`.
pub(crate) fn state_key(collection: CollectionId) -> [u8; 4] {
    collection_prefix(collection)
}

/// The key of a field's saved index in `index`: its record, and the attachment with its checkpoint.
pub(crate) fn ann_key(collection: CollectionId, field: FieldNumber) -> [u8; 6] {
    let mut key = [0; 6];
    key[..4].copy_from_slice(&collection_prefix(collection));
    key[4..].copy_from_slice(&field.0.to_be_bytes());
    key
}

/// The field that a key of `index` belongs to; `None` for the state of the collection.
pub(crate) fn decode_index_key(key: &[u8]) -> Result<Option<FieldNumber>> {
    match key.get(4..) {
        Some([]) => Ok(None),
        Some(&[high, low]) => Ok(Some(FieldNumber(u16::from_be_bytes([high, low])))),
        _ => Err(bad("index", key, "it has neither 4 nor 6 bytes")),
    }
}

/// What one commit has changed and an index has still to apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PendingEntry {
    /// Its key's number, and the first of the added points.
    pub(crate) number: u64,
    /// How many points were added: `number`, `number + 1`, …
    pub(crate) added: u64,
    /// The points that died, ascending.
    pub(crate) died: Vec<PointId>,
}

impl PendingEntry {
    /// The first number that neither this entry nor one of its points has.
    pub(crate) fn end(&self) -> u64 {
        self.number.saturating_add(self.added.max(1))
    }

    /// Replaces `out` by the value in `pending`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        put_varint(self.added, out);
        put_varint(self.died.len() as u64, out);
        let mut previous = 0;
        for point in &self.died {
            put_varint(point.0 - previous, out);
            previous = point.0;
        }
    }

    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<PendingEntry> {
        let number = decode_number("pending", key)?;
        let parse = || {
            let mut rest = value;
            let added = take_varint(&mut rest)?;
            number.checked_add(added)?;
            let count = usize::try_from(take_varint(&mut rest)?).ok()?;
            // Each takes a byte at least.
            if count > rest.len() {
                return None;
            }
            let mut died = Vec::with_capacity(count);
            let mut previous = 0u64;
            for _ in 0..count {
                previous = previous.checked_add(take_varint(&mut rest)?)?;
                died.push(PointId(previous));
            }
            rest.is_empty().then_some(PendingEntry {
                number,
                added,
                died,
            })
        };
        parse().ok_or_else(|| bad("pending", key, "its value is malformed"))
    }
}

/// A time as rows have it: in milliseconds since 1970.
pub(crate) fn millis(time: aidb::Timestamp) -> u64 {
    time.0 / 1_000
}

/// The error for a document in `docs` whose point is not there.
pub(crate) fn missing_point(key: &[u8], point: PointId) -> Error {
    bad("docs", key, &format!("its point {point} is missing"))
}

/// The error for a record that is not what it should be.
pub(crate) fn bad(keyspace: &str, key: &[u8], what: &str) -> Error {
    Error::corruption(format!("keyspace {keyspace}, key {}: {what}", hex(key)))
}

fn hex(key: &[u8]) -> String {
    let shown = &key[..key.len().min(40)];
    let digits: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
    if shown.len() < key.len() {
        format!("{digits}… ({} bytes)", key.len())
    } else {
        digits
    }
}

fn numbered_key(collection: CollectionId, number: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&collection_prefix(collection));
    key[4..].copy_from_slice(&number.to_be_bytes());
    key
}

const ID_U64: u8 = 1;
const ID_UUID: u8 = 2;
const ID_STR: u8 = 3;

fn encode_id(id: &DocId, out: &mut Vec<u8>) {
    match id {
        DocId::U64(number) => {
            out.push(ID_U64);
            out.extend_from_slice(&number.to_be_bytes());
        }
        DocId::Uuid(uuid) => {
            out.push(ID_UUID);
            out.extend_from_slice(uuid.as_bytes());
        }
        DocId::Str(text) => {
            out.push(ID_STR);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

fn decode_id(encoded: &[u8]) -> Option<DocId> {
    let (kind, id) = encoded.split_first()?;
    match *kind {
        ID_U64 => Some(DocId::U64(u64::from_be_bytes(id.try_into().ok()?))),
        ID_UUID => Some(DocId::Uuid(Uuid::from_bytes(id.try_into().ok()?))),
        ID_STR if !id.is_empty() => Some(DocId::Str(str::from_utf8(id).ok()?.to_owned())),
        _ => None,
    }
}

pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

pub(crate) fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests;
