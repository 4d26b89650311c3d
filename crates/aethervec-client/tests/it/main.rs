//! The client against a server in the same process.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod administration;
mod calls;
mod failures;
mod program;
mod secured;
mod server;
