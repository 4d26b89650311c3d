//! Whether checksums and tags are compared. Always, but in a build for fuzzing, which takes everything for genuine, and in
//! the test that reads what fuzzers have found: else hardly any input would reach what stands behind them.

#[cfg(not(test))]
pub(crate) const fn takes_all() -> bool {
    cfg!(fuzzing)
}

#[cfg(test)]
pub(crate) use tests::takes_all;

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    thread_local! {
        static ALL: Cell<bool> = const { Cell::new(false) };
    }

    pub(crate) fn takes_all() -> bool {
        cfg!(fuzzing) || ALL.get()
    }

    /// Everything is genuine for this thread from now on.
    pub(crate) fn take_all() {
        ALL.set(true);
    }
}
