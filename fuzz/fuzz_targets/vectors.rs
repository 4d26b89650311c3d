//! Bytes as compressed vectors, and as vectors that are compressed and must come back.
#![no_main]

aether_fuzz::fuzz!(aether_index, "vectors");
