//! Documents that come in one by one become batches, each of them one commit.

use super::header::Header;
use super::{STEP_BYTES, STEP_DOCUMENTS};
use crate::collection::Collection;
use crate::database::AetherDB;
use crate::document::{Document, Upserted};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::CollectionSchema;
use crate::write::{Prepared, Write};

/// A collection that documents come into.
pub(crate) struct Incoming {
    collection: Collection,
    schema: CollectionSchema,
    /// How many documents were promised.
    promised: u64,
    /// How many have come.
    read: u64,
    batch: Prepared,
    batch_documents: u64,
    written: Upserted,
}

impl Incoming {
    /// The collection that `header` describes, under the name `name`: created if there is none.
    pub(crate) fn begin(db: &AetherDB, name: &str, header: Header) -> Result<Incoming> {
        let promised = header.documents;
        let (schema, indexes) = header.declared()?;
        let collection = db.collection_of(name, &schema)?;
        for (path, kind) in indexes {
            collection.create_payload_index(path, kind)?;
        }
        Ok(Incoming {
            batch: Prepared::none(&collection.core),
            collection,
            schema,
            promised,
            read: 0,
            batch_documents: 0,
            written: Upserted::default(),
        })
    }

    /// What the documents may hold.
    pub(crate) fn schema(&self) -> &CollectionSchema {
        &self.schema
    }

    /// How many documents have come.
    pub(crate) fn read(&self) -> u64 {
        self.read
    }

    /// Takes one more document, of about so many bytes. True when there was a commit.
    pub(crate) fn push(&mut self, document: Document, bytes: usize) -> Result<bool> {
        if bytes > STEP_BYTES {
            // It has a commit of its own: with others it might be more than one may hold.
            self.commit()?;
        }
        self.batch
            .add(&self.collection.core, Write::upsert(document))?;
        self.read += 1;
        self.batch_documents += 1;
        if self.batch.bytes < STEP_BYTES && self.batch_documents < STEP_DOCUMENTS {
            return Ok(false);
        }
        self.commit()?;
        Ok(true)
    }

    /// All have come: fails when they are not as many as were promised.
    pub(crate) fn finish(mut self) -> Result<Upserted> {
        self.commit()?;
        if self.read == self.promised {
            return Ok(self.written);
        }
        Err(Error::invalid(format!(
            "the input ends after {} documents: its beginning promises {}",
            self.read, self.promised
        )))
    }

    fn commit(&mut self) -> Result<()> {
        let batch = std::mem::replace(&mut self.batch, Prepared::none(&self.collection.core));
        self.batch_documents = 0;
        let resolved = self.collection.write_prepared(batch)?;
        self.written.inserted += resolved.changes.len() - resolved.were_there;
        self.written.replaced += resolved.were_there;
        Ok(())
    }
}

impl AetherDB {
    /// The collection `name`, created with `schema` if there is none.
    fn collection_of(&self, name: &str, schema: &CollectionSchema) -> Result<Collection> {
        let collection = match self.collection(name) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return self.create_collection_with(name, schema.clone());
            }
            found => found?,
        };
        if *collection.schema() == *schema {
            return Ok(collection);
        }
        Err(Error::new(
            ErrorKind::Exists,
            format!(
                "collection {name:?} exists already, with other vector fields than the input: import under another name"
            ),
        ))
    }
}
