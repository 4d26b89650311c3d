//! The contents of a data block, of an index, of a filter and of a compressed block.
#![no_main]

aether_fuzz::fuzz!(aidb, "block");
