//! Bytes of the checkpoint of small buckets, replaced before they are opened and used.
#![no_main]

aether_fuzz::fuzz!(aether_index, "buckets");
