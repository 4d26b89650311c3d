//! Reading a collection in: lines become batches, each of them one commit.

use super::header::Header;
use super::{STEP_BYTES, STEP_DOCUMENTS};
use crate::collection::Collection;
use crate::database::AetherDB;
use crate::document::{Document, Upserted};
use crate::document_json::DocumentSeed;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::JSONL_LINE_BYTES_MAX;
use crate::schema::CollectionSchema;
use crate::write::{Prepared, Write};
use serde::de::DeserializeSeed;
use std::io::{BufRead, Read};

impl AetherDB {
    /// Reads what [`CollectionView::export_jsonl`](crate::CollectionView::export_jsonl) has written into the collection `name`, and
    /// calls `progress` with how many documents there are so far now and then.
    ///
    /// The collection is created as the first line says. If there is one already, it must have the same vector fields; documents
    /// with the same ids are replaced. Documents are durable and searchable batch by batch: after an error those of the lines
    /// before it may be there, and importing the same file once more goes on from them.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when a line is not acceptable, or when the file ends too soon: the message begins with the number of the
    /// line. [`ErrorKind::Exists`] when there is another collection of this name, [`ErrorKind::Io`] when `input` cannot be read.
    pub fn import_jsonl(
        &self,
        name: &str,
        input: impl BufRead,
        mut progress: impl FnMut(u64),
    ) -> Result<Upserted> {
        let mut lines = Lines {
            input,
            line: Vec::new(),
            number: 0,
        };
        if !lines.advance()? {
            return Err(Error::invalid("the input is empty: nothing to import"));
        }
        let header = Header::parse(&lines.line).map_err(|error| lines.at(error))?;
        let documents = header.documents;
        let (schema, indexes) = header.declared().map_err(|error| lines.at(error))?;
        let collection = self.collection_of(name, &schema)?;
        for (path, kind) in indexes {
            collection.create_payload_index(path, kind)?;
        }
        let mut written = Upserted::default();
        let mut read = 0;
        loop {
            let more = lines.write_batch(&collection, &schema, &mut read, &mut written)?;
            progress(read);
            if !more {
                break;
            }
        }
        if read == documents {
            return Ok(written);
        }
        Err(lines.at(Error::invalid(format!(
            "the input ends after {read} documents: the first line promises {documents}"
        ))))
    }

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

/// The lines of an export.
struct Lines<R> {
    input: R,
    /// The last line that was read, without its end.
    line: Vec<u8>,
    /// Its number; the first one is 1.
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line that is not empty. False at the end.
    fn advance(&mut self) -> Result<bool> {
        loop {
            self.line.clear();
            self.number += 1;
            let mut bounded = (&mut self.input).take(JSONL_LINE_BYTES_MAX as u64 + 1);
            let read = bounded.read_until(b'\n', &mut self.line).map_err(|error| {
                let message = format!("it cannot be read: {error}");
                self.at(Error::with_source(ErrorKind::Io, message, error))
            })?;
            if read > JSONL_LINE_BYTES_MAX {
                return Err(self.at(Error::invalid(format!(
                    "it is longer than {JSONL_LINE_BYTES_MAX} bytes"
                ))));
            }
            if read == 0 {
                return Ok(false);
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    /// Reads documents of one batch and commits them. False at the end of the input.
    fn write_batch(
        &mut self,
        collection: &Collection,
        schema: &CollectionSchema,
        documents: &mut u64,
        written: &mut Upserted,
    ) -> Result<bool> {
        let core = &collection.core;
        let mut batch = Prepared::none(core);
        let mut more = true;
        let first = *documents;
        while batch.bytes < STEP_BYTES && *documents - first < STEP_DOCUMENTS {
            if !self.advance()? {
                more = false;
                break;
            }
            let document = self.document(schema)?;
            if self.line.len() > STEP_BYTES {
                // It has a commit of its own: with others it might be more than one may hold.
                commit(
                    collection,
                    std::mem::replace(&mut batch, Prepared::none(core)),
                    written,
                )?;
            }
            batch
                .add(core, Write::upsert(document))
                .map_err(|error| self.at(error))?;
            *documents += 1;
        }
        commit(collection, batch, written)?;
        Ok(more)
    }

    fn document(&self, schema: &CollectionSchema) -> Result<Document> {
        let mut json = serde_json::Deserializer::from_slice(&self.line);
        DocumentSeed(schema)
            .deserialize(&mut json)
            .and_then(|document| json.end().map(|()| document))
            .map_err(|error| {
                let text = error.to_string();
                let place = format!(" at line {} column {}", error.line(), error.column());
                let message = text.strip_suffix(&place).unwrap_or(&text);
                self.at(Error::invalid(format!(
                    "column {}: {message}",
                    error.column()
                )))
            })
    }

    /// The error, with the number of the line.
    fn at(&self, error: Error) -> Error {
        error.within(&format!("line {}", self.number))
    }
}

fn commit(collection: &Collection, batch: Prepared, written: &mut Upserted) -> Result<()> {
    let resolved = collection.write_prepared(batch)?;
    written.inserted += resolved.changes.len() - resolved.were_there;
    written.replaced += resolved.were_there;
    Ok(())
}
