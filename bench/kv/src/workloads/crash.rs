//! Opening after the process was killed with 64 MiB in its log.

use std::process::Command;

use serde_json::json;

use crate::data::{Permutation, key};
use crate::engine::Key;
use crate::measure::{Usage, disk_bytes, report, resident_bytes, rounded};

use super::{BATCH_ENTRIES, Run};

const LOG_BYTES: u64 = 64 << 20;

/// `open`: until the first key is read. A child has filled the log and killed itself.
pub fn open_after(run: &Run) {
    let run = &large_memtable(run);
    run.remove();
    std::fs::create_dir_all(run.directory()).expect("make the directory");
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["crash-child", "--engine", &run.engine])
        .args(["--value-bytes", &run.value_bytes.to_string()])
        .arg("--directory")
        .arg(run.directory().parent().expect("made from a parent"))
        .status()
        .expect("start the child");
    assert!(!child.success(), "the child kills itself");
    let written = disk_bytes(run.directory());
    let entries = entries(run);
    let start = Usage::now();
    let engine = run.open();
    let opened = start.spent();
    let session = &mut *engine.session(false);
    assert!(session.get(&key(0), &mut |_| {}), "the first key");
    let spent = start.spent();
    let resident = resident_bytes();
    let found = session.scan(&[0; 16], usize::MAX, &mut |_, value| {
        assert_eq!(value.len(), run.value_bytes)
    });
    // An engine may lose its last batches: then the figure says so.
    let more = json!({
        "opened_s": rounded(opened.wall_s),
        "opened_cpu_s": rounded(opened.cpu_s),
        "entries": entries,
        "found": found,
        "disk_bytes": written,
        "resident_bytes": resident,
    });
    report("open", 1, spent, None, more);
}

/// The child: never returns.
pub fn fill_and_die(run: &Run) {
    let run = &large_memtable(run);
    let engine = run.open();
    let session = &mut *engine.session(false);
    let (values, order) = (run.values(), Permutation::new(entries(run)));
    for batch in 0..entries(run) / BATCH_ENTRIES {
        let numbers = batch * BATCH_ENTRIES..(batch + 1) * BATCH_ENTRIES;
        let entries: Vec<(Key, &[u8])> =
            numbers.map(|i| (key(order.at(i)), values.at(i))).collect();
        session.batch(&entries);
    }
    let this = rustix::process::getpid();
    rustix::process::kill_process(this, rustix::process::Signal::KILL).expect("kill this process");
}

/// Nothing is flushed before the crash.
fn large_memtable(run: &Run) -> Run {
    run.with(|settings| settings.write_buffer_bytes = 256 << 20)
}

fn entries(run: &Run) -> u64 {
    LOG_BYTES / run.bytes_of(1) / BATCH_ENTRIES * BATCH_ENTRIES
}
