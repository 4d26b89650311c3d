//! A sorted table.
#![no_main]

aether_fuzz::fuzz_file!(|name| name.ends_with(".sst"));
