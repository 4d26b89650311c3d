//! All that reads bytes from a disk or text from a user, as targets that take any bytes. Only built for fuzzers, and for the test
//! that reads what they have found.
//!
//! Any error is fine; a panic, a hang or unbounded memory is a bug.
//!
//! ```text
//! rows        decoders of keys and values, each by itself
//! collection  rows of a small database are replaced; then everything is read, changed and checked
//! texts       filters, paths and times as people write them
//! requests    queries and documents as JSON, carried out on a small database
//! ```

mod collection;
mod requests;
mod rows;
mod specimen;
#[cfg(test)]
mod tests;
mod texts;

use std::fmt;

type Examine = dyn Fn(&[u8]) + Send + Sync;

/// Something that reads bytes.
pub struct Target {
    /// What it reads when nothing is wrong; empty when that is nothing in particular.
    pub start: Vec<u8>,
    examine: Box<Examine>,
}

impl Target {
    /// Has `bytes` read.
    pub fn examine(&self, bytes: &[u8]) {
        (self.examine)(bytes);
    }

    fn of(examine: impl Fn(&[u8]) + Send + Sync + 'static) -> Target {
        Target {
            start: Vec::new(),
            examine: Box::new(examine),
        }
    }
}

/// The target `name`; none for a name that no target has.
pub fn target(name: &str) -> Option<Target> {
    Some(match name {
        "rows" => Target::of(rows::examine),
        "collection" => collection::target(),
        "texts" => Target::of(texts::examine),
        "requests" => requests::target(),
        _ => return None,
    })
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").finish_non_exhaustive()
    }
}
