//! Ctrl-C (and SIGTERM, SIGHUP): the first asks, the second insists.
//!
//! 1. Outside of a [`Polite`] section the process ends at once with exit code 130. The database stays whole: that is
//!    what its log is for.
//! 2. Inside, the first signal only raises a flag, which the work looks at between two batches; the second ends the process.

use crate::failure::{Exit, Failure, Outcome};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

static POLITE: AtomicBool = AtomicBool::new(false);
static SIGNALS: AtomicU32 = AtomicU32::new(0);

/// Installs the handler. Call once, first.
pub(crate) fn install() -> Outcome {
    ctrlc::set_handler(|| {
        let earlier = SIGNALS.fetch_add(1, Ordering::SeqCst);
        if !POLITE.load(Ordering::SeqCst) || earlier > 0 {
            std::process::exit(i32::from(Exit::Interrupted as u8));
        }
        crate::progress::note("stopping; press Ctrl-C again to end at once");
    })
    .map_err(|error| Failure::failed(format!("cannot install the handler for Ctrl-C: {error}")))
}

/// While it lives, the first signal is left to [`Polite::requested`].
#[derive(Debug)]
pub(crate) struct Polite(());

impl Polite {
    /// Begins a section that looks at [`Polite::requested`] often.
    pub(crate) fn begin() -> Polite {
        POLITE.store(true, Ordering::SeqCst);
        Polite(())
    }

    /// True once the user has asked to stop.
    pub(crate) fn requested(&self) -> bool {
        SIGNALS.load(Ordering::SeqCst) > 0
    }
}

impl Drop for Polite {
    fn drop(&mut self) {
        POLITE.store(false, Ordering::SeqCst);
    }
}
