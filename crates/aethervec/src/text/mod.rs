//! Words in texts.

pub(crate) mod tokenize;
