//! Bytes of the checkpoint of a small graph, replaced before it is opened and used.
#![no_main]

aether_fuzz::fuzz!(aether_index, "graph");
