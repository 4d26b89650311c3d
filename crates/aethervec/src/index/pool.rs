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
//! Indexes that are built of many points at once take longer than a step may: one more thread runs them, one after the other, as
//! long as there are any. Without threads they are steps.
//!
//! Threads are started when there is work, and end when there has been none for a while: a database that rests has none. Queries
//! never run here, threads that answer somebody come first, and the threads hold no handle of the database.

use crate::index::core::Core;
use crate::index::lane::{self, Step};
use crate::index::purge::Purge;
use crate::index::successor::{Build, Turn};
use aether_env::Spawner;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often parked and sleeping lanes are looked at.
const PARKED_RETRY: Duration = Duration::from_millis(250);

/// How often who waits for purges is asked whether to go on.
const PURGE_LOOK: Duration = Duration::from_millis(50);

/// A thread that has had nothing to do for so long ends.
const LINGER: Duration = Duration::from_secs(1);

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
}

#[derive(Debug)]
struct Shared {
    spawner: Arc<dyn Spawner>,
    /// How many serve the queue at most. 0: nobody does, but for who calls [`Pool::tick`].
    servers: usize,
    queue: Mutex<Queue>,
    arrived: Condvar,
    /// Signalled when the removal of a collection has ended, and at the end of everything.
    purged: Condvar,
    /// Asks steps and builds to end early.
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
    /// What waits for the thread that builds.
    builds: VecDeque<Build>,
    /// Whether there is that thread.
    is_building: bool,
    /// Threads that serve the queue, and how many of them wait for something to do.
    serving: usize,
    waiting: usize,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
enum Job {
    Lane(Arc<Core>),
    Purge(Purge),
    Build(Build),
}

impl Pool {
    /// A queue for which `servers` threads are started at most, when they are needed.
    pub(crate) fn new(spawner: Arc<dyn Spawner>, servers: usize) -> Pool {
        let shared = Shared {
            spawner,
            servers,
            queue: Mutex::default(),
            arrived: Condvar::new(),
            purged: Condvar::new(),
            closing: AtomicBool::new(false),
        };
        Pool {
            shared: Arc::new(shared),
        }
    }

    /// Whether no threads are started, so that somebody has to call [`tick`](Pool::tick).
    pub(crate) fn is_manual(&self) -> bool {
        self.shared.servers == 0
    }

    /// Says that `core` may have work, for which somebody waits.
    pub(crate) fn notify(&self, core: &Arc<Core>) {
        let mut queue = self.shared.queue.lock();
        queue.end_gathering();
        queue.push(core);
        self.shared.call(queue);
    }

    /// Says that there was a commit in each of `cores`, or something else that has time.
    pub(crate) fn committed<'a>(&self, cores: impl IntoIterator<Item = &'a Arc<Core>>) {
        let mut queue = self.shared.queue.lock();
        if queue.gather(cores) {
            self.shared.call(queue);
        }
    }

    /// Removes the keys of a dropped collection.
    pub(crate) fn purge(&self, purge: Purge) {
        let mut queue = self.shared.queue.lock();
        queue.purges += 1;
        queue.jobs.push_back(Job::Purge(purge));
        self.shared.call(queue);
    }

    /// Waits until the keys of all dropped collections are removed, or the pool is closed, as long as `go_on`: what it says at last.
    pub(crate) fn wait_for_purges(&self, go_on: &dyn Fn() -> bool) -> bool {
        if self.is_manual() {
            while go_on() && self.shared.queue.lock().purges > 0 {
                self.tick();
            }
            return go_on();
        }
        let mut queue = self.shared.queue.lock();
        while queue.purges > 0 && go_on() {
            self.shared.purged.wait_for(&mut queue, PURGE_LOOK);
        }
        drop(queue);
        go_on()
    }

    /// Looks at parked lanes soon: a snapshot has ended.
    pub(crate) fn unpark(&self) {
        let mut queue = self.shared.queue.lock();
        let parked = std::mem::take(&mut queue.parked);
        if queue.gather(&parked) {
            self.shared.call(queue);
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

    /// Does a step of `core`'s work here, and all that is to be built for it: for who waits for it and has no threads.
    pub(crate) fn step(&self, core: &Arc<Core>) {
        let mut turn = self.shared.turn();
        lane::step(core, &mut turn);
        for build in turn.builds {
            build.run(1, &self.shared.closing);
        }
    }

    /// Stops the threads: each ends the step that it is in.
    pub(crate) fn close(&self) {
        self.shared.closing.store(true, Ordering::Release);
        let threads = {
            let mut queue = self.shared.queue.lock();
            queue.jobs.clear();
            queue.gathering.clear();
            queue.parked.clear();
            queue.sleeping.clear();
            queue.builds.clear();
            queue.purges = 0;
            std::mem::take(&mut queue.threads)
        };
        self.shared.arrived.notify_all();
        self.shared.purged.notify_all();
        for thread in threads {
            // A lane that has panicked has nothing more to say.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn spawn(
        self: &Arc<Shared>,
        name: &str,
        task: impl FnOnce(&Arc<Shared>) + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let shared = Arc::clone(self);
        let task = Box::new(move || task(&shared));
        self.spawner.spawn_behind(name, task)
    }

    fn turn(&self) -> Turn<'_> {
        Turn {
            closing: &self.closing,
            may_wait: self.servers > 0,
            builds: Vec::new(),
        }
    }

    /// Has a thread see what was put into `queue`: one that waits, or one more.
    fn call(self: &Arc<Shared>, mut queue: MutexGuard<'_, Queue>) {
        let wanted = queue.jobs.len() + usize::from(!queue.gathering.is_empty());
        let is_short = wanted > queue.waiting && queue.serving < self.servers;
        if !is_short || self.closing.load(Ordering::Acquire) {
            drop(queue);
            self.arrived.notify_one();
            return;
        }
        let name = format!("aethervec-lane-{}", queue.serving);
        // Where no thread is to be had now, the next call may have one.
        if let Ok(thread) = self.spawn(&name, Shared::serve) {
            queue.serving += 1;
            queue.threads.push(thread);
        }
    }

    fn serve(self: &Arc<Shared>) {
        while let Some(job) = self.next() {
            self.run(job);
        }
    }

    /// What a thread does next; none when it ends.
    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            if self.closing.load(Ordering::Acquire) {
                return None;
            }
            if let Some(job) = queue.take() {
                return Some(job);
            }
            if !queue.gathering.is_empty() {
                if self.has_waited(&mut queue, GATHER) {
                    queue.end_gathering();
                }
            } else if !queue.parked.is_empty() || !queue.sleeping.is_empty() {
                if self.has_waited(&mut queue, PARKED_RETRY) {
                    queue.unpark();
                    queue.wake();
                }
            } else if self.has_waited(&mut queue, LINGER) && queue.is_empty() {
                queue.serving -= 1;
                // Nobody will wait for its end: the system takes its stack back by itself.
                let own = thread::current().id();
                queue.threads.retain(|thread| thread.thread().id() != own);
                return None;
            }
        }
    }

    /// Waits to be called; true when that has not happened for `time`.
    fn has_waited(&self, queue: &mut MutexGuard<'_, Queue>, time: Duration) -> bool {
        queue.waiting += 1;
        let has_waited = self.arrived.wait_for(queue, time).timed_out();
        queue.waiting -= 1;
        has_waited
    }

    /// Runs a build on the thread for builds, or, without threads, when its turn comes. Where no thread is to be had it is
    /// run here.
    fn begin(self: &Arc<Shared>, build: Build) {
        let mut queue = self.queue.lock();
        if self.closing.load(Ordering::Acquire) {
            return;
        }
        if self.servers == 0 {
            return queue.jobs.push_back(Job::Build(build));
        }
        queue.builds.push_back(build);
        if queue.is_building {
            return;
        }
        queue.threads.retain(|thread| !thread.is_finished());
        queue.is_building = true;
        match self.spawn("aethervec-build", Shared::build) {
            Ok(thread) => queue.threads.push(thread),
            Err(_) => {
                drop(queue);
                self.build();
            }
        }
    }

    /// Builds what there is to build.
    fn build(self: &Arc<Shared>) {
        loop {
            let build = {
                let mut queue = self.queue.lock();
                let build = queue.builds.pop_front();
                queue.is_building = build.is_some();
                build
            };
            let Some(build) = build else {
                return;
            };
            self.run_build(&build);
        }
    }

    fn run_build(self: &Arc<Shared>, build: &Build) {
        build.run(self.servers.max(1), &self.closing);
        if !self.closing.load(Ordering::Acquire) {
            let mut queue = self.queue.lock();
            queue.push(&build.core);
            self.call(queue);
        }
    }

    fn run(self: &Arc<Shared>, job: Job) {
        match job {
            Job::Lane(core) => {
                let mut turn = self.turn();
                let step = lane::step(&core, &mut turn);
                let builds = turn.builds;
                self.queue.lock().finish(core, step);
                builds.into_iter().for_each(|build| self.begin(build));
            }
            Job::Build(build) => self.run_build(&build),
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
    /// Nothing is left that a thread has to see to.
    fn is_empty(&self) -> bool {
        let waits =
            !self.gathering.is_empty() || !self.parked.is_empty() || !self.sleeping.is_empty();
        self.jobs.is_empty() && !waits
    }

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
        if notified || step == Step::More {
            set(&core.scheduled, QUEUED);
            return self.jobs.push_back(Job::Lane(core));
        }
        set(&core.scheduled, IDLE);
        match step {
            Step::Parked => keep(&mut self.parked, core),
            Step::Asleep => keep(&mut self.sleeping, core),
            Step::Idle | Step::More => {}
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

/// Whether a step of `core` runs, or waits for a thread.
pub(crate) fn is_scheduled(core: &Core) -> bool {
    core.scheduled.load(Ordering::Relaxed) != IDLE
}

fn set(scheduled: &AtomicU64, state: u64) {
    scheduled.store(state, Ordering::Relaxed);
}
