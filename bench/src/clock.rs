//! Time and memory of this process.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// What some work took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// Seconds of CPU time, all threads of this process together.
    pub cpu_s: f64,
    /// Seconds that passed.
    pub wall_s: f64,
}

impl Took {
    /// Does `work` and says what it took.
    pub fn of<T>(work: impl FnOnce() -> T) -> (T, Took) {
        let (wall, cpu) = (now(), cpu_seconds());
        let result = work();
        (
            result,
            Took {
                cpu_s: cpu_seconds() - cpu,
                wall_s: wall.elapsed().as_secs_f64(),
            },
        )
    }

    /// `{"cpu_s": …, "wall_s": …}`.
    pub fn to_json(self) -> Value {
        json!({ "cpu_s": self.cpu_s, "wall_s": self.wall_s })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures the real time"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Seconds of CPU time that this process has used, all threads together.
pub fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Bytes of this process that lie in memory; 0 where the system does not say.
pub fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

/// Bytes of this process in memory that are not those of files; 0 where the system does not say.
pub fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
