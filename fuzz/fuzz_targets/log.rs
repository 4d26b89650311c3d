//! The write-ahead log.
#![no_main]

aether_fuzz::fuzz!(aidb, "log");
