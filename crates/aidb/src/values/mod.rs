//! Large values stand apart from their keys: the tree holds where they are. The bytes: docs/formats/values.md.
//!
//! ```text
//! commit      a value is written once, into the log
//! flush       the log becomes a value file: the table gets a pointer into it          (no byte is written again)
//! compaction  a pointer into a file that is mostly garbage: its value moves into a `.val` file, in key order
//! ```
//!
//! A value file is any file that pointers lead to. The manifest names it for as long as a table has a pointer into it,
//! and a version holds it, so that it is deleted as a table is: once nobody reads it any more.
//!
//! Never here: when values move (compaction), what a value means (iter, db).

mod fetch;
mod file;
mod format;
mod pointer;
mod set;
mod walk;
mod writer;

pub(crate) use file::{ValueFile, ValueFileKind, ValueFileRecord};
pub(crate) use format::HEADER_BYTES as FILE_HEADER_BYTES;
pub(crate) use pointer::{EXPIRY_BYTES, Pointer, in_stored};
pub(crate) use set::{ValueFiles, no_pointer};
pub(crate) use walk::{Found, walk};
pub(crate) use writer::ValueWriter;
