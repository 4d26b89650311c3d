//! What the operating system says of the process. Linux tells it in `/proc`; elsewhere these figures are missing.

use super::family::Family;
use super::sheet::Sheet;
use std::fs;
use std::path::Path;

/// Units of time in `/proc/self/stat` for each second: what Linux shows to programs, on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// Notes all of it.
pub(super) fn put(data_dir: &Path, sheet: &mut Sheet) {
    sheet.put(Family::Build, [env!("CARGO_PKG_VERSION").into()], 1_u64);
    if let Ok(disk) = rustix::fs::statvfs(data_dir) {
        sheet.put(Family::DiskFree, [], disk.f_bavail * disk.f_frsize);
        sheet.put(Family::DiskSize, [], disk.f_blocks * disk.f_frsize);
    }
    // What cannot be read is not told.
    put_stat(sheet);
    put_status(sheet);
    put_files(sheet);
}

/// Times: `/proc/self/stat` has them in places counted behind the name of the program, which is in parentheses.
fn put_stat(sheet: &mut Sheet) -> Option<()> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, behind) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = behind.split(' ').collect();
    let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
    sheet.put(
        Family::ProcessCpu,
        [],
        (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND,
    );
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime "))?;
    let boot: f64 = boot.parse().ok()?;
    sheet.put(
        Family::ProcessStart,
        [],
        boot + ticks(19)? / TICKS_PER_SECOND,
    );
    Some(())
}

/// Memory and threads.
fn put_status(sheet: &mut Sheet) -> Option<()> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    sheet.put(Family::ProcessResident, [], number("VmRSS:")? * 1024);
    sheet.put(Family::ProcessVirtual, [], number("VmSize:")? * 1024);
    sheet.put(Family::ProcessThreads, [], number("Threads:")?);
    Some(())
}

/// Open files.
fn put_files(sheet: &mut Sheet) -> Option<()> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    // Looking takes one itself.
    sheet.put(Family::ProcessFds, [], open.saturating_sub(1));
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let limit = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    let limit: u64 = limit.split_ascii_whitespace().next()?.parse().ok()?;
    sheet.put(Family::ProcessFdsMax, [], limit);
    Some(())
}
