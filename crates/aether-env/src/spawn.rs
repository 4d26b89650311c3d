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
}
