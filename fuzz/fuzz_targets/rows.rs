//! Keys and values of all keyspaces of a database of vectors, each shown to its decoder.
#![no_main]

aether_fuzz::fuzz!(aethervec, "rows");
