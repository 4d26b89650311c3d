//! A sorted table.
#![no_main]

aether_fuzz::fuzz!(aidb, "table");
