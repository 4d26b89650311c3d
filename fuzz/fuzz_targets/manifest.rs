//! The newest manifest.
#![no_main]

aether_fuzz::fuzz!(aidb, "manifest");
