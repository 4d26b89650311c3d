//! Writing a collection out.

use crate::error::Result;
use crate::keyspace;
use crate::payload::PayloadIndexInfo;
use crate::view::CollectionView;
use crate::whole::{Header, STEP_DOCUMENTS, not_written};
use serde::Serialize;
use std::io::{self, BufWriter, Write};

impl CollectionView {
    /// Writes the whole collection as JSON lines: what it is, then a document per line, ordered by id. Returns how many, and
    /// calls `progress` with how many there are so far now and then. Vectors, payloads, ids and expiries are read back exactly by
    /// [`AetherDB::import_jsonl`](crate::AetherDB::import_jsonl).
    ///
    /// All documents are those of this view's moment. Nothing but one document at a time is held in memory.
    ///
    /// ```
    /// use aethervec::{AetherDB, Document, IndexConfig};
    /// # let dir = tempfile::tempdir().unwrap();
    /// let db = AetherDB::open(dir.path())?;
    /// let notes = db.create_collection("notes", 2, "cosine", IndexConfig::default())?;
    /// notes.upsert(Document::new([0.1, 0.2], "a"))?;
    ///
    /// let mut file = Vec::new();
    /// assert_eq!(notes.view()?.export_jsonl(&mut file, |_| {})?, 1);
    /// let text = String::from_utf8(file).unwrap();
    /// assert!(text.ends_with("{\"id\":\"a\",\"vector\":[0.1,0.2]}\n"));
    ///
    /// let written = db.import_jsonl("copy", text.as_bytes(), |_| {})?;
    /// assert_eq!(written.inserted, 1);
    /// assert_eq!(db.collection("copy")?.get("a")?, notes.get("a")?);
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) or [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when `out` cannot be
    /// written; [`ErrorKind::Corruption`](crate::ErrorKind::Corruption) when a row is damaged.
    pub fn export_jsonl(&self, out: impl Write, mut progress: impl FnMut(u64)) -> Result<u64> {
        let indexes = self.core.payload.indexes();
        let indexes: Vec<PayloadIndexInfo> = indexes.iter().map(|index| index.info()).collect();
        let schema = &self.core.fields.load().schema;
        let header = Header::new(&self.core.name, self.count()?, schema, &indexes);
        let mut out = BufWriter::new(out);
        write_line(&mut out, &header)?;
        let mut rows = self.all_docs(None);
        let mut documents = 0;
        while let Some((key, row)) = rows.try_next()? {
            let id = keyspace::decode_doc_key(&key)?;
            write_line(&mut out, &self.document(id, &key, &row)?)?;
            documents += 1;
            if documents % STEP_DOCUMENTS == 0 {
                progress(documents);
            }
        }
        out.flush().map_err(not_written)?;
        progress(documents);
        Ok(documents)
    }
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> Result<()> {
    let written = serde_json::to_writer(&mut *out, line).map_err(io::Error::from);
    written
        .and_then(|()| out.write_all(b"\n"))
        .map_err(not_written)
}
