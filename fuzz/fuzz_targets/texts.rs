//! Filters, paths and times as people write them.
#![no_main]

aether_fuzz::fuzz!(aethervec, "texts");
