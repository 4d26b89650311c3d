//! A writer that begins logs, while the background makes them ahead of time, in all orders: no log is begun behind
//! another one or behind a span that was begun, and none is forgotten.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use aether_env::MemoryStorage;
use loom::thread;

use super::*;
use crate::error::{Error, ErrorKind};
use crate::sync::atomic::AtomicU64;
use crate::sync::check;

/// What the engine has around it.
#[derive(Default)]
struct Site {
    storage: MemoryStorage,
    last_number: AtomicU64,
    /// Logs that the manifest names.
    manifest: Mutex<BTreeSet<u64>>,
    next_log: NextLog,
}

impl Site {
    fn new_number(&self) -> u64 {
        self.last_number.fetch_add(1, Relaxed) + 1
    }

    /// As `Engine::prepare_log`.
    fn make(&self) -> Result<LogWriter> {
        let unused = self.next_log.take_unused();
        let log = LogWriter::create(&self.storage, self.new_number(), 0)?;
        let mut manifest = self.manifest.lock();
        for number in unused {
            assert!(manifest.remove(&number), "{number} is dropped twice");
        }
        manifest.insert(log.number());
        Ok(log)
    }

    /// As the background, when it finds that a log is wanted.
    fn prepare(&self) {
        self.next_log.prepare(|| self.make()).unwrap();
    }

    /// As a writer, until the active memtable is sealed `spans` times; `fails` says which logs cannot be started. Returns
    /// those that were begun.
    fn write(&self, spans: usize, fails: impl Fn(usize) -> bool) -> BTreeSet<u64> {
        let mut begun = BTreeSet::new();
        let mut span = 0;
        for turn in 0..spans {
            let start = |_: &mut LogWriter| match fails(turn) {
                true => Err(Error::new(ErrorKind::Io, "broken")),
                false => Ok(()),
            };
            let Ok(log) = self.next_log.begin(|| self.make(), start) else {
                continue;
            };
            let number = log.number();
            assert!(number >= span, "{number} is begun in the span from {span}");
            assert!(begun.last() < Some(&number), "{number} behind {begun:?}");
            begun.insert(number);
            span = self.next_log.begin_span(|| self.new_number());
            assert!(span > number, "the span from {span} holds {number}");
        }
        begun
    }
}

/// A writer and the background, which prepares so many logs.
fn check_logs(spans: usize, prepared: usize, fails: fn(usize) -> bool) {
    check(3, move || {
        let site = Arc::new(Site::default());
        let other = Arc::clone(&site);
        let background = thread::spawn(move || (0..prepared).for_each(|_| other.prepare()));
        let begun = site.write(spans, fails);
        background.join().unwrap();
        let left = site.next_log.take_all();
        let all: BTreeSet<u64> = left.iter().copied().chain(begun.iter().copied()).collect();
        assert_eq!(all.len(), left.len() + begun.len(), "{left:?}, {begun:?}");
        assert_eq!(all, *site.manifest.lock());
    });
}

#[test]
fn logs_are_begun_in_the_order_of_their_numbers() {
    check_logs(3, 2, |_| false);
}

#[test]
fn a_log_that_cannot_be_started_is_not_forgotten() {
    check_logs(3, 2, |turn| turn == 1);
}
