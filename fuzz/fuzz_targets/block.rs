//! The contents of a data block, of an index, of a filter and of a compressed block.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    aidb::fuzzing::block(bytes);
});
