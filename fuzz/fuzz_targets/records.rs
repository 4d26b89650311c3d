//! What is kept under keys and names.
#![no_main]

aether_fuzz::fuzz!(aidb, "records");
