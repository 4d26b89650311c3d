//! The guide: what the engine does and promises, with examples. From front to back it takes half an hour; each page stands
//! by itself.
//!
//! 1. [Getting started](start)
//! 2. [Keys, keyspaces, batches](data_model)
//! 3. [When is a write safe?](durability)
//! 4. [Reading: iterators, snapshots, the past](reading)
//! 5. [Merge, deletes of ranges, expiry, compaction filters](merging)
//! 6. [Transactions](transactions)
//! 7. [Attachments, backup, encryption](files)
//! 8. [Statistics, background work, tests](operating)
//! 9. [Tuning](tuning)
//!
//! What is promised, each promise with the tests that hold it, and every byte on disk are described in the repository: `docs/guarantees.md`,
//! `docs/formats`.

#[doc = include_str!("../guide/start.md")]
pub mod start {}

#[doc = include_str!("../guide/data_model.md")]
pub mod data_model {}

#[doc = include_str!("../guide/durability.md")]
pub mod durability {}

#[doc = include_str!("../guide/reading.md")]
pub mod reading {}

#[doc = include_str!("../guide/merging.md")]
pub mod merging {}

#[doc = include_str!("../guide/transactions.md")]
pub mod transactions {}

#[doc = include_str!("../guide/files.md")]
pub mod files {}

#[doc = include_str!("../guide/operating.md")]
pub mod operating {}

#[doc = include_str!("../guide/tuning.md")]
pub mod tuning {}
