//! Bytes as the rows of an index of buckets in a store.
#![no_main]

aether_fuzz::fuzz!(aether_index, "drift");
