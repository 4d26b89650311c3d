//! A whole collection as JSON lines, out and in again: `docs/formats/jsonl.md` is the description.
//!
//! ```text
//! line 1      what the collection is: vector fields, payload indexes, how many documents follow (header.rs)
//! the others  a document each, ordered by id (document_json.rs)
//! ```
//!
//! Both directions take one document at a time, and memory for one batch.

mod export;
mod header;
mod import;

/// How many documents pass between two calls of a progress function, and at most in one commit.
const STEP_DOCUMENTS: u64 = 1_000;

/// A commit holds no more once its documents take so many bytes.
const STEP_BYTES: usize = 16 << 20;
