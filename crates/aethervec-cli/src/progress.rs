//! Progress bars: on standard error, and only when a person is looking at it.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use parking_lot::Mutex;
use std::io::{IsTerminal, Write as _};
use std::time::Duration;

/// The bar that is on the screen, so that notes can be written above it.
static CURRENT: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// The progress of one piece of long work. Removed from the screen when dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

/// What a bar counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    /// Things, shown with thousands separators.
    Items,
    /// Bytes of a file, shown in binary units.
    Bytes,
}

impl Progress {
    /// A bar of `total` units; without a total, a spinner with counts.
    pub(crate) fn begin(label: &'static str, total: Option<u64>, unit: Unit) -> Progress {
        let bar = ProgressBar::with_draw_target(total, draw_target());
        bar.set_style(style(total.is_some(), unit));
        bar.set_prefix(label);
        bar.enable_steady_tick(Duration::from_millis(200));
        *CURRENT.lock() = Some(bar.clone());
        Progress { bar }
    }

    /// How far the work is.
    pub(crate) fn set(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// A few words at the end of the bar.
    pub(crate) fn message(&self, text: impl Into<String>) {
        self.bar.set_message(text.into());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        *CURRENT.lock() = None;
    }
}

/// A line on standard error, above the bar if there is one.
pub(crate) fn note(text: &str) {
    match CURRENT.lock().as_ref() {
        Some(bar) if !bar.is_hidden() => bar.println(text),
        // A note that cannot be shown is not worth failing for.
        _ => drop(writeln!(std::io::stderr().lock(), "{text}")),
    }
}

fn draw_target() -> ProgressDrawTarget {
    if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr_with_hz(10)
    } else {
        ProgressDrawTarget::hidden()
    }
}

fn style(known_total: bool, unit: Unit) -> ProgressStyle {
    let template = match (known_total, unit) {
        (true, Unit::Items) => {
            "{prefix:>9} [{bar:30}] {human_pos}/{human_len} {speed} {eta} left {msg}"
        }
        (true, Unit::Bytes) => {
            "{prefix:>9} [{bar:30}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta} left {msg}"
        }
        (false, Unit::Items) => "{prefix:>9} {spinner} {human_pos} {speed} {elapsed} {msg}",
        (false, Unit::Bytes) => {
            "{prefix:>9} {spinner} {binary_bytes} {binary_bytes_per_sec} {elapsed} {msg}"
        }
    };
    let speed = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate for people; saturates"
        )]
        let whole = state.per_sec().round() as u64;
        // Writing into the bar's own buffer cannot fail.
        let _ = write!(text, "{}/s", crate::human::count(whole));
    };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("speed", speed)
        .progress_chars("=> ")
}
