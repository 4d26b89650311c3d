//! Runs the real binary, as a script would.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod aidb;
mod ask;
mod bad_input;
mod commands;
mod demo;
mod drift_sim;
mod import;
mod interrupt;
mod key;
mod serve;
mod tool;
