//! Reading a collection in, line by line.

use crate::database::AetherDB;
use crate::document::{Document, Upserted};
use crate::document_json::DocumentSeed;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::JSONL_LINE_BYTES_MAX;
use crate::schema::CollectionSchema;
use crate::whole::{Header, Incoming};
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
        let mut incoming = Incoming::begin(self, name, header).map_err(|error| lines.at(error))?;
        while lines.advance()? {
            let document = lines.document(incoming.schema())?;
            let pushed = incoming.push(document, lines.line.len());
            if pushed.map_err(|error| lines.at(error))? {
                progress(incoming.read());
            }
        }
        progress(incoming.read());
        incoming.finish().map_err(|error| lines.at(error))
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

    fn document(&self, schema: &CollectionSchema) -> Result<Document> {
        let mut json = serde_json::Deserializer::from_slice(&self.line);
        DocumentSeed(Some(schema))
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
