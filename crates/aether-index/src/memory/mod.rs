//! Records that threads read while others write: the only `unsafe` of this crate, and its whole argument.
//!
//! ```text
//! Block    bytes that never move: allocated, or the checkpoint that a graph was opened from
//! Part     an exclusive range of a checkpoint's block
//! Column   records of one size: those of a Part first, then blocks that double; a slot's address never changes
//! Nodes    two columns and a lock: who may read, write and reuse a slot
//! Lists    a column of atomic numbers: upper layers
//! Lines    bytes that one owner writes and grows: a bucket
//! ```
//!
//! Above this module a slot number is just a number: a wrong one (a damaged file, a torn mixture of old and new
//! links) gives `None` or another record, never undefined behaviour.

#![expect(
    unsafe_code,
    reason = "readers share records with writers without a lock on each record"
)]

mod block;
mod column;
mod lines;
mod lists;
mod nodes;

pub use block::Image;
pub(crate) use block::Part;
pub(crate) use column::{Column, NO_SLOT, SLOTS_MAX};
pub(crate) use lines::Lines;
pub(crate) use lists::Lists;
pub(crate) use nodes::{Constants, Node, NodeLayout, Nodes, Reader, State, tail};

#[cfg(target_endian = "big")]
compile_error!(
    "records are little endian and read in place: big-endian machines are not supported"
);
