//! A bell that workers answer: they are started when it rings, and leave when there has been nothing to do for a while, so
//! that a database that rests has no threads.
//!
//! Who leaves does so under the lock of the bell, and only if it has not rung since the last look for work: then nothing is
//! there to do that somebody has rung for.
//!
//! Never here: what workers do, and who may leave (background/).

use std::fmt;
use std::io;
use std::sync::OnceLock;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Starts the worker of this number.
type Start = Box<dyn Fn(usize) -> io::Result<JoinHandle<()>> + Send + Sync>;

/// Rings when there is work.
#[derive(Default)]
pub(crate) struct Bell {
    rings: Mutex<Rings>,
    rung: Condvar,
    crew: OnceLock<Crew>,
}

#[derive(Debug, Default)]
struct Rings {
    count: u64,
    /// Workers that are to be started by the next ring.
    away: Vec<usize>,
}

struct Crew {
    start: Start,
    /// None once the threads are to end.
    threads: Mutex<Option<Vec<JoinHandle<()>>>>,
}

impl Bell {
    /// From now on `workers` answer, started by `start` when they are needed. Once.
    pub(crate) fn hire(&self, workers: usize, start: Start) {
        let crew = Crew {
            start,
            threads: Mutex::new(Some(Vec::new())),
        };
        if self.crew.set(crew).is_ok() {
            self.rings.lock().away = (0..workers).collect();
        }
    }

    /// The rings so far: look here first, then for work, then [`Bell::wait`].
    pub(crate) fn rings(&self) -> u64 {
        self.rings.lock().count
    }

    /// Wakes all workers, and starts those that are away. One that cannot be started now is by a later ring.
    pub(crate) fn ring(&self) {
        let away = {
            let mut rings = self.rings.lock();
            rings.count += 1;
            std::mem::take(&mut rings.away)
        };
        self.rung.notify_all();
        if !away.is_empty() {
            self.start(away);
        }
    }

    /// Sleeps until it has rung more than `seen` times, or for `at_most`.
    pub(crate) fn wait(&self, seen: u64, at_most: Duration) {
        let mut rings = self.rings.lock();
        if rings.count == seen {
            self.rung.wait_for(&mut rings, at_most);
        }
    }

    /// Says that `worker`, whose thread this is, is away from now on, unless it has rung more than `seen` times. False then.
    pub(crate) fn leave(&self, worker: usize, seen: u64) -> bool {
        let mut rings = self.rings.lock();
        if rings.count != seen {
            return false;
        }
        rings.away.push(worker);
        drop(rings);
        // Nobody will wait for its end: the system takes its stack back by itself.
        let own = thread::current().id();
        if let Some(crew) = self.crew.get()
            && let Some(threads) = &mut *crew.threads.lock()
        {
            threads.retain(|thread| thread.thread().id() != own);
        }
        true
    }

    /// How many workers are away.
    #[cfg(test)]
    pub(crate) fn away(&self) -> usize {
        self.rings.lock().away.len()
    }

    /// Nobody is started any more; the threads that may still run.
    pub(crate) fn dismiss(&self) -> Vec<JoinHandle<()>> {
        let threads = self.crew.get().and_then(|crew| crew.threads.lock().take());
        threads.unwrap_or_default()
    }

    #[cold]
    fn start(&self, away: Vec<usize>) {
        let Some(crew) = self.crew.get() else { return };
        let mut threads = crew.threads.lock();
        let Some(threads) = &mut *threads else { return };
        for worker in away {
            match (crew.start)(worker) {
                Ok(thread) => threads.push(thread),
                Err(_) => self.rings.lock().away.push(worker),
            }
        }
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rings.lock().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Workers that leave at once: each ring is answered by somebody who was started for it, or was there.
    #[test]
    fn no_ring_is_missed_by_workers_that_come_and_go() {
        let bell = Arc::new(Bell::default());
        let (asked, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let start = {
            let (bell, asked, done) =
                (Arc::downgrade(&bell), Arc::clone(&asked), Arc::clone(&done));
            move |worker| {
                let (bell, asked, done) = (bell.clone(), Arc::clone(&asked), Arc::clone(&done));
                std::thread::Builder::new().spawn(move || {
                    let Some(bell) = bell.upgrade() else { return };
                    loop {
                        let seen = bell.rings();
                        done.fetch_max(asked.load(Ordering::SeqCst), Ordering::SeqCst);
                        if bell.leave(worker, seen) {
                            return;
                        }
                    }
                })
            }
        };
        bell.hire(2, Box::new(start));
        for number in 1..=2_000 {
            asked.store(number, Ordering::SeqCst);
            bell.ring();
            while done.load(Ordering::SeqCst) < number {
                std::thread::yield_now();
            }
        }
        bell.ring();
        let threads = bell.dismiss();
        bell.ring();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert!(bell.dismiss().is_empty());
    }
}
