//! A bell: background threads sleep until it rings, and miss no ring between looking for work and sleeping.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Counts its rings, so that a waiter can tell that it has missed one.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    rings: Mutex<u64>,
    rung: Condvar,
}

impl Signal {
    /// The rings so far: look here first, then for work, then [`Signal::wait`].
    pub(crate) fn rings(&self) -> u64 {
        *self.rings.lock()
    }

    /// Wakes all waiters.
    pub(crate) fn ring(&self) {
        *self.rings.lock() += 1;
        self.rung.notify_all();
    }

    /// Sleeps until it has rung more than `seen` times, or for `at_most`.
    pub(crate) fn wait(&self, seen: u64, at_most: Duration) {
        let mut rings = self.rings.lock();
        if *rings == seen {
            self.rung.wait_for(&mut rings, at_most);
        }
    }
}
