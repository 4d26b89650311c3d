//! The batch inside a record of the log, the deleted ranges of a table, and a prepared transaction.
#![no_main]

aether_fuzz::fuzz!(aidb, "batch");
