//! Texts: the words in them, and places in them for errors.

pub(crate) mod place;
pub(crate) mod tokenize;
