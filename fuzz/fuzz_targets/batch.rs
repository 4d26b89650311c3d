//! The batch inside a record of the log, the deleted ranges of a table, and a prepared transaction.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    aidb::fuzzing::batch(bytes);
    aidb::fuzzing::range_deletes(bytes);
    aidb::fuzzing::promise(bytes);
});
