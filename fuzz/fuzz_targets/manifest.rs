//! The newest manifest.
#![no_main]

aether_fuzz::fuzz_file!(|name| name.starts_with("MANIFEST-"));
