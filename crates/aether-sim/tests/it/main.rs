//! What every storage must do, and what the simulated one adds.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod contract;
mod faults;
