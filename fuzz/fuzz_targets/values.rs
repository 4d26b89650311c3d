//! A file of values that stand apart from their keys.
#![no_main]

aether_fuzz::fuzz!(aidb, "values");
