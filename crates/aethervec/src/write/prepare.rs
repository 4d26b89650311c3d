//! Writes that have passed validation, in the form in which they are stored.

use crate::document::Document;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::id::DocId;
use crate::index::core::Core;
use crate::index::field::{Field, Fields};
use crate::keyspace::{self, FieldNumber};
use crate::validate;
use crate::vector::{VectorValue, Vectors};
use crate::version::Version;
use crate::write::operation::{Change, Condition, Write};
use crate::write::patch::{self, Expiry, Patch, PayloadStep};
use std::sync::Arc;

/// Writes that have passed validation.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(super) writes: Vec<PreparedWrite>,
    /// The fields that vectors were checked against.
    fields: Arc<Fields>,
    /// What the vectors, ids and payloads of the writes that were given one by one take.
    pub(crate) bytes: usize,
}

#[derive(Debug)]
pub(super) struct PreparedWrite {
    pub(super) id: DocId,
    /// Its key in `docs`.
    pub(super) key: Vec<u8>,
    pub(super) change: PreparedChange,
    pub(super) condition: Option<Condition>,
}

#[derive(Debug)]
pub(super) enum PreparedChange {
    /// Without an expiry, that of the collection holds.
    Put(Version, Option<Expiry>),
    Patch(Arc<PreparedPatch>),
    Delete,
}

#[derive(Debug)]
pub(super) struct PreparedPatch {
    pub(super) payload: Vec<PayloadStep>,
    /// None: the field has no vector from now on.
    pub(super) vectors: Vec<(FieldNumber, Option<VectorValue>)>,
    pub(super) expiry: Option<Expiry>,
}

impl Prepared {
    /// Validates `writes`.
    pub(crate) fn new(
        core: &Core,
        writes: impl ExactSizeIterator<Item = Write>,
    ) -> Result<Prepared> {
        let count = writes.len();
        validate::batch_len(count)?;
        let mut prepared = Prepared::none(core);
        prepared.writes.reserve_exact(count);
        for (position, write) in writes.enumerate() {
            let id = write.id().clone();
            let write = prepared.check(core, write).map_err(|error| match count {
                1 => error,
                _ => validate::in_document(error, position, &id),
            })?;
            prepared.push(write)?;
        }
        Ok(prepared)
    }

    /// No writes yet, against the present fields.
    pub(crate) fn none(core: &Core) -> Prepared {
        Prepared {
            writes: Vec::new(),
            fields: core.fields.load_full(),
            bytes: 0,
        }
    }

    /// Validates one more write.
    pub(crate) fn add(&mut self, core: &Core, write: Write) -> Result<()> {
        let write = self.check(core, write)?;
        self.push(write)
    }

    fn check(&self, core: &Core, write: Write) -> Result<PreparedWrite> {
        PreparedWrite::new(core, &self.fields, write)
    }

    fn push(&mut self, write: PreparedWrite) -> Result<()> {
        self.bytes += write.bytes();
        validate::batch_bytes(self.bytes)?;
        self.writes.push(write);
        Ok(())
    }

    /// The same patch for each of `ids`, if the document still satisfies `filter`.
    pub(crate) fn patches(
        core: &Core,
        ids: Vec<DocId>,
        filter: &Filter,
        patch: Patch,
    ) -> Result<Prepared> {
        let fields = core.fields.load_full();
        let patch = Arc::new(PreparedPatch::new(&fields, patch)?);
        let changes = || PreparedChange::Patch(Arc::clone(&patch));
        Ok(Prepared::matching(core, fields, ids, filter, changes))
    }

    /// Removes each of `ids`, if the document still satisfies `filter`.
    pub(crate) fn deletes(core: &Core, ids: Vec<DocId>, filter: &Filter) -> Prepared {
        let fields = core.fields.load_full();
        Prepared::matching(core, fields, ids, filter, || PreparedChange::Delete)
    }

    fn matching(
        core: &Core,
        fields: Arc<Fields>,
        ids: Vec<DocId>,
        filter: &Filter,
        change: impl Fn() -> PreparedChange,
    ) -> Prepared {
        let filter = Arc::new(filter.clone());
        let write = |id| PreparedWrite {
            key: key_of(core, &id),
            id,
            change: change(),
            condition: Some(Condition::Matches(Arc::clone(&filter))),
        };
        Prepared {
            writes: ids.into_iter().map(write).collect(),
            fields,
            bytes: 0,
        }
    }

    /// The keys in `docs` of the documents that they are about.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.writes.iter().map(|write| &write.key[..])
    }

    /// Fails when a field that a write has a vector for is not among the fields as they are `now`.
    pub(crate) fn check_fields(&self, now: &Arc<Fields>) -> Result<()> {
        if Arc::ptr_eq(&self.fields, now) {
            return Ok(());
        }
        let used = self.writes.iter().flat_map(|write| write.fields());
        for number in used {
            if let (Some(field), None) = (self.fields.by_number(number), now.by_number(number)) {
                return Err(Error::not_found(format!(
                    "vector field {:?} was dropped",
                    field.name
                )));
            }
        }
        Ok(())
    }
}

impl PreparedWrite {
    fn new(core: &Core, fields: &Fields, write: Write) -> Result<PreparedWrite> {
        validate::id(write.id())?;
        if let Some(Condition::Matches(filter)) = &write.condition {
            filter.validate()?;
        }
        let (id, change) = match write.change {
            Change::Upsert(document) => prepare_document(fields, document)?,
            Change::Patch(id, patch) => (
                id,
                PreparedChange::Patch(Arc::new(PreparedPatch::new(fields, patch)?)),
            ),
            Change::Delete(id) => (id, PreparedChange::Delete),
        };
        Ok(PreparedWrite {
            key: key_of(core, &id),
            id,
            change,
            condition: write.condition,
        })
    }

    /// The fields that it brings vectors for.
    fn fields(&self) -> Vec<FieldNumber> {
        match &self.change {
            PreparedChange::Put(version, _) => {
                version.vectors.iter().map(|(field, _)| *field).collect()
            }
            PreparedChange::Patch(patch) => patch.vectors.iter().map(|(field, _)| *field).collect(),
            PreparedChange::Delete => Vec::new(),
        }
    }

    /// Bytes of what it brings along, about.
    fn bytes(&self) -> usize {
        let brought = match &self.change {
            PreparedChange::Put(version, _) => version.bytes(),
            PreparedChange::Patch(patch) => {
                let vectors = patch
                    .vectors
                    .iter()
                    .filter_map(|(_, vector)| vector.as_ref());
                vectors.map(keyspace::vector_bytes).sum()
            }
            PreparedChange::Delete => 0,
        };
        self.key.len() + brought
    }
}

impl PreparedPatch {
    fn new(fields: &Fields, patch: Patch) -> Result<PreparedPatch> {
        patch::validate(&patch.payload)?;
        let stored = |(name, vector): (String, Option<VectorValue>)| match vector {
            Some(vector) => {
                let (number, vector) = stored_vector(fields, &name, vector)?;
                Ok((number, Some(vector)))
            }
            None => Ok((field(fields, &name)?.number, None)),
        };
        Ok(PreparedPatch {
            payload: patch.payload,
            vectors: patch
                .vectors
                .into_iter()
                .map(stored)
                .collect::<Result<_>>()?,
            expiry: patch.expiry,
        })
    }
}

fn prepare_document(fields: &Fields, document: Document) -> Result<(DocId, PreparedChange)> {
    let mut json = Vec::new();
    if let Some(payload) = &document.payload {
        validate::payload(payload, &mut json)?;
    }
    let version = Version {
        vectors: stored_vectors(fields, document.vectors)?,
        payload: document.payload,
        json,
        expires: 0,
    };
    let expiry = document.expires_at.map(Expiry::At);
    Ok((document.id, PreparedChange::Put(version, expiry)))
}

fn key_of(core: &Core, id: &DocId) -> Vec<u8> {
    let mut key = Vec::new();
    keyspace::doc_key(core.id, id, &mut key);
    key
}

/// The vectors as they are stored, ordered by field; fails when one does not suit its field.
fn stored_vectors(fields: &Fields, vectors: Vectors) -> Result<Vec<(FieldNumber, VectorValue)>> {
    let mut stored = Vec::with_capacity(vectors.len());
    for (name, vector) in vectors {
        stored.push(stored_vector(fields, &name, vector)?);
    }
    stored.sort_unstable_by_key(|(number, _)| *number);
    Ok(stored)
}

fn stored_vector(
    fields: &Fields,
    name: &str,
    vector: VectorValue,
) -> Result<(FieldNumber, VectorValue)> {
    let field = field(fields, name)?;
    let vector =
        validate::stored(&field.spec, vector).map_err(|error| validate::in_field(error, name))?;
    Ok((field.number, vector))
}

fn field<'a>(fields: &'a Fields, name: &str) -> Result<&'a Field> {
    let field = fields.get(name);
    Ok(field.map_err(|error| Error::invalid(error.to_string()))?)
}
