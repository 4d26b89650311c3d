//! Where threads come from.

use std::fmt::Debug;
use std::io;
use std::thread::JoinHandle;

/// What a background thread runs.
pub type Task = Box<dyn FnOnce() + Send + 'static>;

/// Starts background threads.
pub trait Spawner: Send + Sync + Debug {
    /// Runs `task` on a thread of its own called `name`.
    fn spawn(&self, name: &str, task: Task) -> io::Result<JoinHandle<()>>;

    /// As [`Spawner::spawn`], for work of which nobody waits for the end: where processors are scarce, other threads come
    /// first, as far as the operating system can tell them apart.
    fn spawn_behind(&self, name: &str, task: Task) -> io::Result<JoinHandle<()>> {
        self.spawn(name, task)
    }
}

/// Threads of the operating system.
#[derive(Debug)]
pub struct Threads;

impl Spawner for Threads {
    fn spawn(&self, name: &str, task: Task) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(task)
    }

    fn spawn_behind(&self, name: &str, task: Task) -> io::Result<JoinHandle<()>> {
        let behind = || {
            step_back();
            task();
        };
        self.spawn(name, Box::new(behind))
    }
}

/// Gives the calling thread a tenth of the weight of others that want the same processor: with a third, a writer that has slept for a moment
/// waits for several time slices of others, more than 10 ms.
#[cfg(target_os = "linux")]
fn step_back() {
    const NICE: i32 = 10;
    // Of the thread, on Linux. It is no worse than before when that is refused.
    let _ = rustix::process::nice(NICE);
}

#[cfg(not(target_os = "linux"))]
fn step_back() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use rustix::process::getpriority_process;
    use std::sync::mpsc;

    #[test]
    fn a_thread_behind_others_is_nicer_than_they_are() {
        let (tell, told) = mpsc::channel();
        let task = move || tell.send(getpriority_process(None)).unwrap();
        let thread = Threads.spawn_behind("behind", Box::new(task)).unwrap();
        let own = getpriority_process(None).unwrap();
        // Nobody is nicer than by 19.
        assert_eq!(told.recv().unwrap().unwrap(), (own + 10).min(19));
        thread.join().unwrap();
        assert_eq!(getpriority_process(None).unwrap(), own);
    }
}
