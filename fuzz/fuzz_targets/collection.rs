//! Rows of a small database of vectors, replaced before it is opened and used.
#![no_main]

aether_fuzz::fuzz!(aethervec, "collection");
