//! What users hold: the database, keyspaces, snapshots, iterators.

mod admission;
mod as_of;
mod checkpoint;
mod commit;
mod figures;
mod frozen;
mod handle;
mod iter;
mod keyspace;
mod open;
mod read;
mod recover;
mod snapshot;
mod throttle;
mod transaction;
mod verify;
mod verify_values;
mod write;

pub use as_of::AsOf;
pub(crate) use checkpoint::{check_empty, publish};
pub use commit::Commit;
pub(crate) use frozen::Frozen;
pub use handle::DB;
pub use iter::Iter;
pub use keyspace::Keyspace;
pub use snapshot::Snapshot;
#[cfg(any(fuzzing, test))]
pub(crate) use transaction::examine_promise;
pub use transaction::{
    Isolation, PREPARED_NAME_BYTES_MAX, Retry, Savepoint, Transaction, TransactionOptions,
};
pub use verify::{Problem, VerifyReport};
