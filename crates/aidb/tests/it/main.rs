//! Whole databases against models, crashes, damage, faults and threads.
//!
//! Random runs take their seeds from 0 on (the simulation: fresh ones) and name them when they fail. `AETHER_SEED=n` runs one seed alone,
//! `AETHER_ROUNDS=n` runs n times as many, and `AETHER_EXHAUSTIVE=1` damages every byte instead of a sample.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod attachments;
mod background;
mod backups;
mod batched;
mod concurrency;
mod corruption;
mod crash;
mod encryption;
mod example;
mod faults;
mod histories;
mod input;
mod inspect;
mod kill;
mod kinds;
mod memory;
mod model;
mod oracle;
mod retention;
mod script;
mod seeds;
mod simulation;
mod transactions;
mod values;
