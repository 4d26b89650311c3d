//! The threads that do background work: fair between collections, one step of bounded size at a time.
//!
//! Each collection's lane is in the queue at most once, and at most one thread runs it. A lane that has more to do goes
//! to the end of the queue. A lane that waits for a snapshot to end is *parked*, and looked at again from time to time; one
//! that waits for a document to end *sleeps*, and is woken when that is due.
//!
//! What a commit leaves to do need not be done at once: searches find everything all the same. Unless a thread is awake
//! anyway, its lane *gathers* more of it for a moment. So many commits wake one thread once, and a small one costs little more
//! than itself.
//!
//! Queries never run here, threads that answer somebody come first, and the threads hold no handle of the database.

use crate::index::core::Core;
use crate::index::lane::{self, Step};
use crate::index::purge::Purge;
use aether_env::Spawner;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often parked and sleeping lanes are looked at.
const PARKED_RETRY: Duration = Duration::from_millis(250);

/// How long lanes gather what commits leave to do.
const GATHER: Duration = Duration::from_millis(5);

// Values of `Core::scheduled`, changed only while the queue is locked.
const IDLE: u64 = 0;
const QUEUED: u64 = 1;
const RUNNING: u64 = 2;
const RUNNING_AND_NOTIFIED: u64 = 3;

/// The queue of background work and the threads that serve it.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
    /// Signalled when the removal of a collection has ended, and at the end of everything.
    purged: Condvar,
    /// Asks steps to end early.
    closing: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Lanes that are going to be in `jobs` in a moment.
    gathering: Vec<Arc<Core>>,
    parked: Vec<Arc<Core>>,
    sleeping: Vec<Arc<Core>>,
    /// Removals of collections that have not ended.
    purges: usize,
}

#[derive(Debug)]
enum Job {
    Lane(Arc<Core>),
    Purge(Purge),
}

impl Pool {
    /// Starts `threads` threads.
    pub(crate) fn start(spawner: &dyn Spawner, threads: usize) -> std::io::Result<Pool> {
        let pool = Pool {
            shared: Arc::default(),
            threads: Mutex::default(),
        };
        for number in 0..threads {
            let shared = Arc::clone(&pool.shared);
            let serve = Box::new(move || shared.serve());
            pool.threads
                .lock()
                .push(spawner.spawn_behind(&format!("aethervec-lane-{number}"), serve)?);
        }
        Ok(pool)
    }

    /// Whether no threads were started, so that somebody has to call [`tick`](Pool::tick).
    pub(crate) fn is_manual(&self) -> bool {
        self.threads.lock().is_empty()
    }

    /// Says that `core` may have work, for which somebody waits.
    pub(crate) fn notify(&self, core: &Arc<Core>) {
        let mut queue = self.shared.queue.lock();
        queue.end_gathering();
        queue.push(core);
        drop(queue);
        self.shared.arrived.notify_one();
    }

    /// Says that there was a commit in each of `cores`.
    pub(crate) fn committed<'a>(&self, cores: impl IntoIterator<Item = &'a Arc<Core>>) {
        if self.shared.queue.lock().gather(cores) {
            self.shared.arrived.notify_one();
        }
    }

    /// Removes the keys of a dropped collection.
    pub(crate) fn purge(&self, purge: Purge) {
        let mut queue = self.shared.queue.lock();
        queue.purges += 1;
        queue.jobs.push_back(Job::Purge(purge));
        drop(queue);
        self.shared.arrived.notify_one();
    }

    /// Waits until the keys of all dropped collections are removed, or the pool is closed.
    pub(crate) fn wait_for_purges(&self) {
        if self.is_manual() {
            while self.shared.queue.lock().purges > 0 {
                self.tick();
            }
            return;
        }
        let mut queue = self.shared.queue.lock();
        while queue.purges > 0 {
            self.shared.purged.wait(&mut queue);
        }
    }

    /// Looks at parked lanes soon: a snapshot has ended.
    pub(crate) fn unpark(&self) {
        let mut queue = self.shared.queue.lock();
        let parked = std::mem::take(&mut queue.parked);
        let is_first = queue.gather(&parked);
        drop(queue);
        if is_first {
            self.shared.arrived.notify_one();
        }
    }

    /// Does one step here. True when there is more to do.
    pub(crate) fn tick(&self) -> bool {
        let job = {
            let mut queue = self.shared.queue.lock();
            queue.end_gathering();
            if queue.jobs.is_empty() {
                queue.unpark();
                queue.wake();
            }
            queue.take()
        };
        job.is_some_and(|job| {
            self.shared.run(job);
            let queue = self.shared.queue.lock();
            !queue.jobs.is_empty() || !queue.gathering.is_empty()
        })
    }

    /// Stops the threads: each ends the step that it is in.
    pub(crate) fn close(&self) {
        self.shared.closing.store(true, Ordering::Release);
        {
            let mut queue = self.shared.queue.lock();
            queue.jobs.clear();
            queue.gathering.clear();
            queue.parked.clear();
            queue.sleeping.clear();
            queue.purges = 0;
        }
        self.shared.arrived.notify_all();
        self.shared.purged.notify_all();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            // A lane that has panicked has nothing more to say.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn serve(&self) {
        loop {
            let job = {
                let mut queue = self.queue.lock();
                loop {
                    if self.closing.load(Ordering::Acquire) {
                        return;
                    }
                    if let Some(job) = queue.take() {
                        break job;
                    }
                    if !queue.gathering.is_empty() {
                        if self.arrived.wait_for(&mut queue, GATHER).timed_out() {
                            queue.end_gathering();
                        }
                    } else if queue.parked.is_empty() && queue.sleeping.is_empty() {
                        self.arrived.wait(&mut queue);
                    } else if self.arrived.wait_for(&mut queue, PARKED_RETRY).timed_out() {
                        queue.unpark();
                        queue.wake();
                    }
                }
            };
            self.run(job);
        }
    }

    fn run(&self, job: Job) {
        match job {
            Job::Lane(core) => {
                let step = lane::step(&core, &self.closing);
                self.queue.lock().finish(core, step);
            }
            Job::Purge(mut purge) => {
                let more = purge.step();
                let mut queue = self.queue.lock();
                if more && !self.closing.load(Ordering::Acquire) {
                    queue.jobs.push_back(Job::Purge(purge));
                } else {
                    queue.purges = queue.purges.saturating_sub(1);
                    self.purged.notify_all();
                }
            }
        }
    }
}

impl Queue {
    fn push(&mut self, core: &Arc<Core>) {
        match core.scheduled.load(Ordering::Relaxed) {
            IDLE => {
                set(&core.scheduled, QUEUED);
                self.jobs.push_back(Job::Lane(Arc::clone(core)));
            }
            RUNNING => set(&core.scheduled, RUNNING_AND_NOTIFIED),
            _ => {}
        }
    }

    /// Lets each of `cores` gather. True when somebody has to wait for them from now on: nobody else gathers.
    fn gather<'a>(&mut self, cores: impl IntoIterator<Item = &'a Arc<Core>>) -> bool {
        let was_empty = self.gathering.is_empty();
        for core in cores {
            match core.scheduled.load(Ordering::Relaxed) {
                IDLE => {
                    set(&core.scheduled, QUEUED);
                    self.gathering.push(Arc::clone(core));
                }
                _ => self.push(core),
            }
        }
        was_empty && !self.gathering.is_empty()
    }

    fn end_gathering(&mut self) {
        self.jobs.extend(self.gathering.drain(..).map(Job::Lane));
    }

    fn take(&mut self) -> Option<Job> {
        let job = self.jobs.pop_front()?;
        if let Job::Lane(core) = &job {
            set(&core.scheduled, RUNNING);
        }
        self.end_gathering();
        Some(job)
    }

    fn finish(&mut self, core: Arc<Core>, step: Step) {
        let notified = core.scheduled.load(Ordering::Relaxed) == RUNNING_AND_NOTIFIED;
        set(&core.scheduled, IDLE);
        match step {
            Step::Idle if !notified => {}
            Step::Parked if !notified => keep(&mut self.parked, core),
            Step::Asleep if !notified => keep(&mut self.sleeping, core),
            _ => self.push(&core),
        }
    }

    fn unpark(&mut self) {
        let parked = std::mem::take(&mut self.parked);
        parked.iter().for_each(|core| self.push(core));
    }

    /// Wakes the lanes whose documents may have ended.
    fn wake(&mut self) {
        let is_due = |core: &mut Arc<Core>| core.has_ended();
        let due: Vec<Arc<Core>> = self.sleeping.extract_if(.., is_due).collect();
        due.iter().for_each(|core| self.push(core));
    }
}

/// Adds `core` to `kept`, once.
fn keep(kept: &mut Vec<Arc<Core>>, core: Arc<Core>) {
    if !kept.iter().any(|other| Arc::ptr_eq(other, &core)) {
        kept.push(core);
    }
}

fn set(scheduled: &AtomicU64, state: u64) {
    scheduled.store(state, Ordering::Relaxed);
}
