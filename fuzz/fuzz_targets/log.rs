//! The write-ahead log.
#![no_main]

aether_fuzz::fuzz_file!(|name| name.ends_with(".wal"));
