//! The demo's parts: the documentation as passages, and an embedder that needs no model.

pub(crate) mod corpus;
pub(crate) mod embedder;
pub(crate) mod words;
