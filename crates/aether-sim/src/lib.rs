//! Seeded faults and crash images for tests of whole databases.
//!
//! [`SimStorage`] is a [`MemoryStorage`](aether_env::MemoryStorage) that counts what is written and can cut the power
//! at any I/O, fail chosen kinds of I/O, and run out of space. A crash test is then:
//!
//! 1. run the script once and read [`SimStorage::io_count`];
//! 2. for each `n` below it: run the script on a fresh storage with [`SimStorage::power_cut_at`]`(n)`, noting what was
//!    acknowledged, and open the database on each [`MemoryStorage::image`](aether_env::MemoryStorage::image) of it.
//!
//! With [`SimStorage::env`], which has no threads and a clock that stands still, all of this repeats exactly.

mod plan;
mod storage;

pub use plan::{Fault, Io};
pub use storage::{NoThreads, SimStorage};
