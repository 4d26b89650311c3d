//! What threads share and wait for: the machine's, or in the models (`RUSTFLAGS="--cfg loom"`, tests only) loom's, which
//! tries all orders of what they do, with the reorderings that the memory model allows.
//!
//! What is not from here has no moments of its own in a model: it happens together with what comes before it.

#[cfg(not(all(test, loom)))]
mod machine {
    use std::sync::PoisonError;
    pub(crate) use std::sync::{Condvar, Mutex as StdMutex, MutexGuard as StdMutexGuard};
    use std::time::Duration;

    pub(crate) use arc_swap::{ArcSwap, ArcSwapOption, Guard};
    pub(crate) use parking_lot::Mutex;

    /// Waits for `condition` of the locked `mutex`, or until the time is over.
    pub(crate) fn wait_for<'a, T>(
        condition: &Condvar,
        _mutex: &'a StdMutex<T>,
        guard: StdMutexGuard<'a, T>,
        at_most: Duration,
    ) -> StdMutexGuard<'a, T> {
        let (guard, _) = condition
            .wait_timeout(guard, at_most)
            .unwrap_or_else(PoisonError::into_inner);
        guard
    }

    pub(crate) mod atomic {
        pub(crate) use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};
    }
}

#[cfg(all(test, loom))]
mod model;

#[cfg(not(all(test, loom)))]
pub(crate) use machine::*;
#[cfg(all(test, loom))]
pub(crate) use model::*;

/// `large`, or in a model `small`: there it must happen within few steps.
pub(crate) const fn unless_modelled<T: Copy>(large: T, small: T) -> T {
    if cfg!(all(test, loom)) { small } else { large }
}
