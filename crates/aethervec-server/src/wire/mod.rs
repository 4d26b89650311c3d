//! What the native protocols say in JSON, beyond what the engine itself reads and writes.
//!
//! Requests refuse what they do not know; answers leave out what there is not.

pub(crate) mod ask;
pub(crate) mod collection;
pub(crate) mod documents;
pub(crate) mod language;
pub(crate) mod operations;
pub(crate) mod schema;
pub(crate) mod short;
pub(crate) mod state;
