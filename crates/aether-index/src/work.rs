//! Work on many items by several threads, which can be watched and called off.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use parking_lot::Mutex;

use crate::{Error, Result};

/// How an index of many points is built.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use aether_index::{BuildOptions, ErrorKind, Hnsw, HnswParams, PointId};
/// use aether_distance::{ElementType, Metric, VectorRef};
///
/// let points: Vec<PointId> = (0..1000).map(PointId).collect();
/// let vectors: Vec<[f32; 2]> = (0..1000).map(|i| [i as f32, 1.0]).collect();
/// let last = AtomicUsize::new(0);
/// let progress = |done: usize, all: usize| {
///     last.store(100 * done / all, Ordering::Relaxed);
///     true // go on
/// };
/// let options = BuildOptions { threads: 2, progress: Some(&progress) };
/// let shape = (2, Metric::L2Squared, ElementType::F32);
/// let vector = |i: usize| VectorRef::F32(&vectors[i]);
/// let graph = Hnsw::build(shape, HnswParams::DEFAULT, 42, &points, vector, options)?;
/// assert_eq!((graph.len(), last.into_inner()), (1000, 100));
///
/// let never = |_: usize, _: usize| false;
/// let options = BuildOptions { threads: 2, progress: Some(&never) };
/// let error = Hnsw::build(shape, HnswParams::DEFAULT, 42, &points, vector, options).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Cancelled);
/// # Ok::<(), aether_index::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct BuildOptions<'a> {
    /// Threads that share the work; 0 counts as 1.
    pub threads: usize,
    /// Told how many of how many points are done (work is counted in points), many times a second, by whichever thread comes
    /// by, one at a time. False ends the build with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled), in some hundredths
    /// of a second.
    pub progress: Option<&'a (dyn Fn(usize, usize) -> bool + Sync)>,
}

impl BuildOptions<'_> {
    /// One thread, not watched.
    pub const ALONE: BuildOptions<'static> = BuildOptions {
        threads: 1,
        progress: None,
    };
}

impl fmt::Debug for BuildOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildOptions")
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

/// A build in progress.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    options: BuildOptions<'a>,
    points: usize,
    /// Steps that all of them take.
    steps: usize,
    /// Steps that were done.
    done: Mutex<usize>,
    stopped: AtomicBool,
}

impl<'a> Work<'a> {
    /// On so many points, which takes so many steps.
    pub(crate) fn new(options: BuildOptions<'a>, points: usize, steps: usize) -> Work<'a> {
        Work {
            options,
            points,
            steps,
            done: Mutex::default(),
            stopped: AtomicBool::new(false),
        }
    }

    pub(crate) fn threads(&self) -> usize {
        self.options.threads.max(1)
    }

    /// By one thread, not watched.
    pub(crate) fn alone() -> Work<'static> {
        Work::new(BuildOptions::ALONE, 0, 0)
    }

    /// Some steps are done, or a turn of work that does not count: an error if that was enough.
    pub(crate) fn advance(&self, steps: usize) -> Result<()> {
        if let Some(progress) = self.options.progress {
            let mut steps_done = self.done.lock();
            *steps_done += steps;
            let done = *steps_done as u128 * self.points as u128 / self.steps.max(1) as u128;
            let done = usize::try_from(done).map_or(self.points, |done| done.min(self.points));
            if !progress(done, self.points) {
                self.stopped.store(true, Relaxed);
            }
        }
        if self.stopped.load(Relaxed) {
            return Err(Error::cancelled("the build was called off"));
        }
        Ok(())
    }

    /// What `work` makes of each item, in their order. Each thread has a `memory` of its own. Ends with the first error.
    pub(crate) fn map<I: Send, M, T: Send>(
        &self,
        items: impl Iterator<Item = I> + Send,
        memory: impl Fn() -> M + Sync,
        work: impl Fn(&mut M, I) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let threads = self
            .threads()
            .min(items.size_hint().1.unwrap_or(usize::MAX));
        let items = Mutex::new(items.enumerate());
        let results = Mutex::new(Ok(Vec::new()));
        let failed = AtomicBool::new(false);
        let turn = || {
            let (mut memory, mut done) = (memory(), Vec::new());
            while !failed.load(Relaxed) {
                let Some((number, item)) = items.lock().next() else {
                    break;
                };
                match work(&mut memory, item) {
                    Ok(result) => done.push((number, result)),
                    Err(error) => {
                        failed.store(true, Relaxed);
                        *results.lock() = Err(error);
                    }
                }
            }
            if let Ok(results) = &mut *results.lock() {
                results.append(&mut done);
            }
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(turn);
            }
            turn();
        });
        let mut results = results.into_inner()?;
        results.sort_unstable_by_key(|&(number, _)| number);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn results_come_in_order_and_errors_end_the_work() {
        for threads in [0, 1, 5] {
            let progress = |done: usize, all: usize| done < all;
            let options = BuildOptions {
                threads,
                progress: Some(&progress),
            };
            let work = Work::new(options, 100, 200);
            let turns = AtomicUsize::new(0);
            let twice = work.map(
                0..100,
                || (),
                |(), i| {
                    turns.fetch_add(1, Relaxed);
                    work.advance(1).map(|()| 2 * i)
                },
            );
            assert_eq!(twice.unwrap(), (0..200).step_by(2).collect::<Vec<_>>());
            assert_eq!(turns.into_inner(), 100);
            let error = work
                .map(0..1000, || (), |(), _| work.advance(1))
                .unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Cancelled);
        }
    }
}
