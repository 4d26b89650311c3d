//! What a run costs: time, CPU time, bytes written, latencies, space.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::Advice;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};

/// The process is quiet when it used less CPU than this in `POLL`, and wrote less than `QUIET_BYTES`, `QUIET_POLLS` times in a row.
const QUIET_CPU_S: f64 = 0.005;
const QUIET_BYTES: u64 = 64 << 10;
const QUIET_POLLS: u32 = 6;
const POLL: Duration = Duration::from_millis(250);
const SETTLE_S_MAX: f64 = 60.0;

/// What the process had used at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    at: Instant,
    cpu_s: f64,
    written: u64,
}

impl Usage {
    pub fn now() -> Usage {
        Usage {
            at: Instant::now(),
            cpu_s: cpu_s(),
            written: bytes_written(),
        }
    }

    /// What was used from then to now.
    pub fn spent(self) -> Spent {
        Spent {
            wall_s: self.at.elapsed().as_secs_f64(),
            cpu_s: cpu_s() - self.cpu_s,
            written: bytes_written() - self.written,
        }
    }
}

/// What some work used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    pub wall_s: f64,
    /// All threads of the process, those of the engine included.
    pub cpu_s: f64,
    /// Bytes that the process gave to the disk, or to be written back.
    pub written: u64,
}

/// Waits until the engine has nothing left to do in the background; the seconds that this took, the silence at the end
/// left out.
pub fn settle() -> f64 {
    let start = Instant::now();
    let mut quiet_polls = 0;
    let mut last = Usage::now();
    while start.elapsed().as_secs_f64() < SETTLE_S_MAX {
        std::thread::sleep(POLL);
        let spent = last.spent();
        last = Usage::now();
        let quiet = spent.cpu_s < QUIET_CPU_S && spent.written < QUIET_BYTES;
        quiet_polls = if quiet { quiet_polls + 1 } else { 0 };
        if quiet_polls == QUIET_POLLS {
            let silence = POLL * QUIET_POLLS;
            return (start.elapsed().as_secs_f64() - silence.as_secs_f64()).max(0.0);
        }
    }
    SETTLE_S_MAX
}

/// CPU nanoseconds of threads that only measure.
static MEASURING_NS: AtomicU64 = AtomicU64::new(0);

/// CPU seconds of this process, but for threads that only measure.
pub fn cpu_s() -> f64 {
    seconds(ClockId::ProcessCPUTime) - MEASURING_NS.load(Ordering::Relaxed) as f64 * 1e-9
}

/// Says that this thread only measures, and what it has used so far is not the engine's.
pub fn only_measures() {
    let ns = seconds(ClockId::ThreadCPUTime) * 1e9;
    MEASURING_NS.store(ns as u64, Ordering::Relaxed);
}

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn bytes_written() -> u64 {
    proc_field("/proc/self/io", "write_bytes:")
}

/// Bytes of this process that lie in memory.
pub fn resident_bytes() -> u64 {
    proc_field("/proc/self/status", "VmRSS:") << 10
}

fn proc_field(path: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let field = text.lines().find_map(|line| line.strip_prefix(name));
    let number = field.map(|field| field.trim().trim_end_matches("kB").trim().parse());
    number.and_then(Result::ok).unwrap_or(0)
}

/// Bytes that the files below `directory` take on the disk.
pub fn disk_bytes(directory: &Path) -> u64 {
    let mut bytes = 0;
    each_file(directory, &mut |_, blocks| bytes += blocks * 512);
    bytes
}

/// Drops the files below `directory` from the page cache; `sync` writes them first, as only clean pages can go.
pub fn evict(directory: &Path, sync: bool) {
    each_file(directory, &mut |path, _| {
        if let Ok(file) = std::fs::File::open(path) {
            if sync {
                // A file that goes away meanwhile needs no sync.
                let _ = file.sync_all();
            }
            let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
        }
    });
}

fn each_file(directory: &Path, see: &mut dyn FnMut(&Path, u64)) {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => each_file(&entry.path(), see),
            Ok(metadata) => see(&entry.path(), metadata.blocks()),
            Err(_) => {}
        }
    }
}

/// Latencies, in classes of 1/16 of a power of two.
#[derive(Clone, Debug)]
pub struct Latencies {
    classes: Vec<u64>,
    count: u64,
    max_ns: u64,
}

impl Latencies {
    pub fn new() -> Latencies {
        Latencies {
            classes: vec![0; 64 * 16],
            count: 0,
            max_ns: 0,
        }
    }

    pub fn add(&mut self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let exponent = 63 - ns.max(16).leading_zeros();
        let class = exponent as usize * 16 + (ns.max(16) >> (exponent - 4)) as usize % 16;
        self.classes[class] += 1;
        self.count += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    pub fn join(&mut self, other: &Latencies) {
        for (own, other) in self.classes.iter_mut().zip(&other.classes) {
            *own += other;
        }
        self.count += other.count;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// The latency that a share of all stays below, in microseconds.
    fn quantile_us(&self, share: f64) -> f64 {
        let rank = (self.count as f64 * share) as u64;
        let mut below = 0;
        for (class, count) in self.classes.iter().enumerate() {
            below += count;
            if below > rank {
                let (exponent, part) = (class / 16, class % 16);
                return (((16 + part) as u64) << (exponent - 4)) as f64 / 1e3;
            }
        }
        self.max_ns as f64 / 1e3
    }

    pub fn to_json(&self) -> Value {
        json!({
            "p50_us": self.quantile_us(0.5),
            "p99_us": self.quantile_us(0.99),
            "p999_us": self.quantile_us(0.999),
            "p9999_us": self.quantile_us(0.9999),
            "max_us": self.max_ns as f64 / 1e3,
        })
    }
}

/// Prints a line: `phase`, how many operations there were and what they used, and `more`.
pub fn report(
    phase: &str,
    operations: u64,
    spent: Spent,
    latencies: Option<&Latencies>,
    more: Value,
) {
    let count = operations.max(1) as f64;
    let mut line = json!({
        "phase": phase,
        "operations": operations,
        "wall_s": rounded(spent.wall_s),
        "cpu_s": rounded(spent.cpu_s),
        "per_s": rounded(count / spent.wall_s.max(1e-9)),
        "cpu_us": rounded(spent.cpu_s * 1e6 / count),
    });
    let fields = line.as_object_mut().expect("an object");
    let others = [latencies.map(Latencies::to_json), Some(more)];
    for other in others.into_iter().flatten() {
        fields.extend(other.as_object().cloned().unwrap_or_else(Map::new));
    }
    println!("{line}");
}

/// With four digits behind the point: more is noise.
pub fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
