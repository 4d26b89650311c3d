//! The batch inside a record of the log, and the deleted ranges of a table.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    aidb::fuzzing::batch(bytes);
    aidb::fuzzing::range_deletes(bytes);
});
