//! Whole databases: against a model, through power cuts and kills, with bad input and on real vectors.
//!
//! Random runs take their seeds from 0 on and name them when they fail. `AETHER_SEED=n` runs one seed alone,
//! `AETHER_ROUNDS=n` runs n times as many.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod aliases;
#[cfg(feature = "arrow")]
mod arrow;
mod asked;
mod auto;
mod bad_input;
mod common;
mod corruption;
mod crash;
mod cursors;
mod faults;
mod fields;
mod fields_crash;
mod filters;
mod generate;
mod histories;
mod isolation;
mod jsonl;
mod kill;
mod limits;
mod lives;
mod model;
mod naive;
mod ordered;
mod payload_crash;
mod planner;
mod program;
mod queries;
mod rarity;
mod recall;
mod requests;
mod schema_faults;
mod time;
mod transactions;
mod vectors;
