//! Running a transaction again after a conflict.

use std::time::Duration;

use crate::checksum::checksum_seeded;
use crate::error::{Error, ErrorKind, Result};

use super::{Transaction, TransactionOptions};
use crate::db::handle::DB;

/// How often a transaction is run before its conflict is the caller's.
const ATTEMPTS_MAX: u32 = 64;

/// The longest pause before another attempt; the first is a hundredth of it.
const PAUSE_MAX: Duration = Duration::from_millis(10);

/// Counts attempts at something that others may get in the way of, and pauses between them: longer and longer, and not as
/// long as a rival does.
///
/// ```
/// let mut retry = aidb::Retry::new(7);
/// assert!(retry.pause());
/// ```
#[derive(Clone, Debug)]
pub struct Retry {
    attempt: u32,
    seed: u64,
}

impl Retry {
    /// Before the first attempt. Rivals should have different seeds.
    pub fn new(seed: u64) -> Retry {
        Retry { attempt: 1, seed }
    }

    /// Pauses after an attempt that has failed. False, at once, when it was the last.
    pub fn pause(&mut self) -> bool {
        if self.attempt >= ATTEMPTS_MAX {
            return false;
        }
        std::thread::sleep(pause(self.attempt, self.seed));
        self.attempt += 1;
        true
    }
}

impl DB {
    /// Runs `work` in a transaction of snapshot isolation and commits it, as often as it takes; see
    /// [`DB::transact_with`].
    ///
    /// ```
    /// use aidb::{DB, Options};
    ///
    /// # fn main() -> aidb::Result<()> {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let db = DB::open(directory.path(), Options::default())?;
    /// let counters = db.default_keyspace();
    /// let count = db.transact(|txn| {
    ///     let count = txn.get(&counters, "visits")?.map_or(0, |value| value[0]) + 1;
    ///     txn.put(&counters, "visits", [count])?;
    ///     Ok(count)
    /// })?;
    /// assert_eq!(count, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn transact<T>(&self, work: impl FnMut(&mut Transaction) -> Result<T>) -> Result<T> {
        self.transact_with(TransactionOptions::default(), work)
    }

    /// Runs `work` in a transaction and commits it, waiting as [`Options::durability`](crate::Options::durability)
    /// says. After a conflict it is run again, from the beginning and on the then present, with growing pauses: `work`
    /// may be called many times, and what it does besides must not mind.
    ///
    /// # Errors
    /// What `work` returns, which rolls back. [`ErrorKind::Conflict`] after very many attempts. Else as
    /// [`Transaction::commit`].
    pub fn transact_with<T>(
        &self,
        options: TransactionOptions,
        mut work: impl FnMut(&mut Transaction) -> Result<T>,
    ) -> Result<T> {
        let durability = self.engine().options.durability;
        let mut retry = Retry::new(self.last_seq().0);
        loop {
            let mut transaction = self.begin(options)?;
            let done = work(&mut transaction)
                .and_then(|result| transaction.commit(durability).map(|_| result));
            match done {
                Err(error) if is_worth_another(&error) && retry.pause() => {}
                done => return done,
            }
        }
    }
}

fn is_worth_another(error: &Error) -> bool {
    error.kind() == ErrorKind::Conflict
}

/// Doubles with every attempt, up to its limit, less a part that differs between rivals.
fn pause(attempt: u32, seed: u64) -> Duration {
    let longest = (PAUSE_MAX / 100)
        .saturating_mul(1 << attempt.min(10))
        .min(PAUSE_MAX);
    let thread = format!("{:?}", std::thread::current().id());
    let share = checksum_seeded(thread.as_bytes(), seed ^ u64::from(attempt)) % 1000;
    longest * u32::try_from(share).unwrap_or(1000) / 1000
}
