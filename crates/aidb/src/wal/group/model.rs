//! Writers that wait for their own writes, in all orders: none waits for ever, and none goes on before the disk has what it
//! wrote.

use std::io;
use std::sync::atomic::{AtomicU64 as Plain, Ordering::Relaxed};

use loom::thread;

use super::*;
use crate::sync::check;

/// A disk that keeps exactly what was appended before a sync began.
#[derive(Debug, Default)]
struct Disk {
    appended: Plain,
    synced: Plain,
    fails: bool,
}

impl FileSync for Disk {
    fn sync(&self) -> io::Result<()> {
        let appended = self.appended.load(Relaxed);
        thread::yield_now();
        if self.fails {
            return Err(io::Error::other("broken"));
        }
        self.synced.fetch_max(appended, Relaxed);
        Ok(())
    }
}

/// Writers, in turns, and the logs that they write.
struct Log {
    /// The last write, and the disk that takes the next one.
    last: Mutex<(u64, Arc<Disk>)>,
    group: GroupSync,
}

impl Log {
    fn on(disk: &Arc<Disk>) -> Arc<Log> {
        let group = GroupSync::new(SeqNo(0), SeqNo(0));
        group.begin(1, Arc::clone(disk) as Arc<dyn FileSync>, 0);
        Arc::new(Log {
            last: Mutex::new((0, Arc::clone(disk))),
            group,
        })
    }

    fn write(&self) -> (u64, Arc<Disk>) {
        let mut last = self.last.lock();
        last.0 += 1;
        last.1.appended.store(last.0, Relaxed);
        self.group.appended(SeqNo(last.0), last.0 * 100);
        last.clone()
    }

    fn write_durably(&self) {
        let (seq, disk) = self.write();
        self.group.wait(SeqNo(seq)).unwrap();
        assert!(disk.synced.load(Relaxed) >= seq);
        assert!(self.group.durable() >= SeqNo(seq));
    }

    /// Goes on in log 2.
    fn rotate(&self, disk: &Arc<Disk>) {
        let mut last = self.last.lock();
        self.group
            .begin(2, Arc::clone(disk) as Arc<dyn FileSync>, 0);
        last.1 = Arc::clone(disk);
    }
}

fn on_threads(threads: usize, log: &Arc<Log>, each: fn(&Log)) {
    let spawned = (1..threads).map(|_| {
        let log = Arc::clone(log);
        thread::spawn(move || each(&log))
    });
    let spawned: Vec<_> = spawned.collect();
    each(log);
    for thread in spawned {
        thread.join().unwrap();
    }
}

#[test]
fn three_writers_share_waves() {
    check(2, || {
        let log = Log::on(&Arc::default());
        on_threads(3, &log, Log::write_durably);
        assert_eq!(log.group.durable(), SeqNo(3));
    });
}

#[test]
fn two_writers_come_back() {
    check(2, || {
        let log = Log::on(&Arc::default());
        on_threads(2, &log, |log| {
            log.write_durably();
            log.write_durably();
        });
        assert_eq!(log.group.durable(), SeqNo(4));
    });
}

#[test]
fn a_log_is_sealed_when_all_of_it_is_synced() {
    check(3, || {
        let (first, second) = (Arc::new(Disk::default()), Arc::new(Disk::default()));
        let log = Log::on(&first);
        let other = Arc::clone(&log);
        let other = thread::spawn(move || other.write_durably());
        log.write();
        log.rotate(&second);
        log.write_durably();
        other.join().unwrap();
        let bytes = first.appended.load(Relaxed) * 100;
        let sealed = log.group.take_sealed();
        assert_eq!((sealed[0].number, sealed[0].sealed), (1, Some(bytes)));
        assert_eq!((sealed.len(), first.synced.load(Relaxed) * 100), (1, bytes));
    });
}

#[test]
fn nobody_waits_for_a_disk_that_has_failed() {
    check(2, || {
        let log = Log::on(&Arc::new(Disk {
            fails: true,
            ..Disk::default()
        }));
        on_threads(3, &log, |log| {
            let (seq, _) = log.write();
            assert!(log.group.wait(SeqNo(seq)).is_err());
        });
        assert_eq!(log.group.durable(), SeqNo(0));
    });
}
