//! What models use in the place of `parking_lot` and `arc_swap`, over loom's.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use loom::sync::{Condvar, Mutex as StdMutex, MutexGuard as StdMutexGuard};
use loom::thread::yield_now;

use loom::sync::atomic::{AtomicUsize, Ordering};

pub(crate) mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};
}

/// Runs `model` in all orders in which its threads are interrupted at most `interruptions` times.
pub(crate) fn check(interruptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut orders = loom::model::Builder::new();
    orders.preemption_bound = Some(interruptions);
    orders.check(model);
}

/// Waits until the time is over: whatever the others do meanwhile.
pub(crate) fn wait_for<'a, T>(
    _condition: &Condvar,
    mutex: &'a StdMutex<T>,
    guard: StdMutexGuard<'a, T>,
    _at_most: Duration,
) -> StdMutexGuard<'a, T> {
    drop(guard);
    yield_now();
    mutex.lock().unwrap()
}

/// As `parking_lot::Mutex`.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(StdMutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Mutex<T> {
        Mutex(StdMutex::new(value))
    }

    pub(crate) fn lock(&self) -> StdMutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

/// As `arc_swap::Guard`.
pub(crate) struct Guard<T>(T);

impl<T> Guard<T> {
    pub(crate) fn into_inner(guard: Guard<T>) -> T {
        guard.0
    }
}

impl<T> Deref for Guard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Something that is replaced whole, as by a pointer that is acquired and released. All that it ever was stays.
struct Replaced<T> {
    values: std::sync::Mutex<Vec<T>>,
    current: AtomicUsize,
}

impl<T: Clone> Replaced<T> {
    fn new(value: T) -> Replaced<T> {
        Replaced {
            values: std::sync::Mutex::new(vec![value]),
            current: AtomicUsize::new(0),
        }
    }

    fn load(&self) -> (usize, T) {
        let place = self.current.load(Ordering::Acquire);
        (place, self.get(place))
    }

    fn swap(&self, place: usize) -> T {
        self.get(self.current.swap(place, Ordering::AcqRel))
    }

    /// What was there; the exchange took place if that is what is `expected`.
    fn exchange(&self, expected: usize, place: usize) -> (usize, T) {
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        let found = self
            .current
            .compare_exchange(expected, place, success, failure);
        let found = found.unwrap_or_else(|found| found);
        (found, self.get(found))
    }

    fn get(&self, place: usize) -> T {
        self.values.lock().unwrap()[place].clone()
    }

    fn keep(&self, value: T) -> usize {
        let mut values = self.values.lock().unwrap();
        values.push(value);
        values.len() - 1
    }

    fn place(&self, is_it: impl Fn(&T) -> bool) -> usize {
        self.values.lock().unwrap().iter().position(is_it).unwrap()
    }
}

/// As `arc_swap::ArcSwap`.
pub(crate) struct ArcSwap<T>(Replaced<Arc<T>>);

impl<T> ArcSwap<T> {
    pub(crate) fn new(value: Arc<T>) -> ArcSwap<T> {
        ArcSwap(Replaced::new(value))
    }

    pub(crate) fn load(&self) -> Guard<Arc<T>> {
        Guard(self.0.load().1)
    }

    pub(crate) fn load_full(&self) -> Arc<T> {
        self.0.load().1
    }

    pub(crate) fn store(&self, value: Arc<T>) {
        let place = self.0.keep(value);
        self.0.swap(place);
    }

    pub(crate) fn rcu<R: Into<Arc<T>>>(&self, mut change: impl FnMut(&Arc<T>) -> R) {
        let (mut before, mut value) = self.0.load();
        loop {
            let place = self.0.keep(change(&value).into());
            let found = self.0.exchange(before, place);
            if found.0 == before {
                return;
            }
            (before, value) = found;
        }
    }

    pub(crate) fn compare_and_swap(&self, current: &Guard<Arc<T>>, value: Arc<T>) {
        let current = self.0.place(|value| Arc::ptr_eq(value, current));
        let place = self.0.keep(value);
        self.0.exchange(current, place);
    }
}

impl<T: Default> Default for ArcSwap<T> {
    fn default() -> ArcSwap<T> {
        ArcSwap::new(Arc::default())
    }
}

impl<T> fmt::Debug for ArcSwap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ArcSwap")
    }
}

/// As `arc_swap::ArcSwapOption`. None is the first of its values.
pub(crate) struct ArcSwapOption<T>(Replaced<Option<Arc<T>>>);

impl<T> ArcSwapOption<T> {
    pub(crate) fn empty() -> ArcSwapOption<T> {
        ArcSwapOption(Replaced::new(None))
    }

    pub(crate) fn load(&self) -> Guard<Option<Arc<T>>> {
        Guard(self.0.load().1)
    }

    pub(crate) fn swap(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
        let place = self.place(value);
        self.0.swap(place)
    }

    pub(crate) fn compare_and_swap(
        &self,
        current: &Option<Arc<T>>,
        value: Option<Arc<T>>,
    ) -> Guard<Option<Arc<T>>> {
        assert!(current.is_none(), "nobody replaces anything else");
        let place = self.place(value);
        Guard(self.0.exchange(0, place).1)
    }

    fn place(&self, value: Option<Arc<T>>) -> usize {
        value.map_or(0, |value| self.0.keep(Some(value)))
    }
}
