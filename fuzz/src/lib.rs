//! What all targets have in common. What they examine stands beside the code under test.

/// Fuzzes the target `$name` of the crate `$home`.
#[macro_export]
macro_rules! fuzz {
    ($home:ident, $name:literal) => {
        static TARGET: std::sync::LazyLock<$home::fuzzing::Target> =
            std::sync::LazyLock::new(|| {
                $home::fuzzing::target($name).expect("the crate has this target")
            });

        $crate::fuzz_from!(TARGET.start, |bytes| TARGET.examine(bytes));
    };
}

/// Fuzzes `$examine`. An empty input becomes `$start`, unless that is empty too.
#[macro_export]
macro_rules! fuzz_from {
    ($start:expr, |$bytes:ident| $examine:expr) => {
        libfuzzer_sys::fuzz_target!(|$bytes: &[u8]| $examine);

        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8],
                                      size: usize,
                                      max_size: usize,
                                      _seed: u32| {
            let whole = &$start;
            if size < 8 && !whole.is_empty() && whole.len() <= max_size {
                data[..whole.len()].copy_from_slice(whole);
                return whole.len();
            }
            libfuzzer_sys::fuzzer_mutate(data, size, max_size)
        });
    };
}
