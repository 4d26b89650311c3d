//! The record of a backup.
#![no_main]

aether_fuzz::fuzz!(aidb, "backup");
