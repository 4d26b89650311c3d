//! A whole collection as JSON lines, out and in again: `docs/formats/jsonl.md` is the description.
//!
//! ```text
//! line 1      what the collection is: vector fields, payload indexes, how many documents follow (whole/header.rs)
//! the others  a document each, ordered by id (document_json.rs)
//! ```
//!
//! Both directions take one document at a time, and memory for one batch.

mod export;
mod import;
