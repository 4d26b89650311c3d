//! Queries and documents as JSON, carried out on a small database.
#![no_main]

aether_fuzz::fuzz!(aethervec, "requests");
