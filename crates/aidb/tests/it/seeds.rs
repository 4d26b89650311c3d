//! Where tests get their seeds.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs `test` for seeds 0 to `count` (times `AETHER_ROUNDS`), or for `AETHER_SEED` alone; names the one that fails.
pub(crate) fn for_each(count: u64, test: impl Fn(u64)) {
    from(0, count, test);
}

/// As [`for_each`], with seeds that no run before has had.
pub(crate) fn fresh(count: u64, test: impl Fn(u64)) {
    from(fastrand::u64(..1 << 62), count, test);
}

fn from(first: u64, count: u64, test: impl Fn(u64)) {
    let seeds = match number("AETHER_SEED") {
        Some(seed) => seed..seed + 1,
        None => first..first + count * number("AETHER_ROUNDS").unwrap_or(1),
    };
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(seed))) {
            eprintln!("failed with AETHER_SEED={seed}");
            resume_unwind(panic);
        }
    }
}

/// Whether every case is to run where a sample is the default.
pub(crate) fn exhaustive() -> bool {
    number("AETHER_EXHAUSTIVE") == Some(1)
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}")),
    )
}
