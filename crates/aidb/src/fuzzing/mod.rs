//! All that reads bytes from a disk, as targets that take any bytes. Only built for fuzzers, and for the test that reads
//! what they have found.
//!
//! Any error is fine; a panic, a hang or unbounded memory is a bug.
//!
//! ```text
//! files      one file of a small database, or of its backups, is replaced; then everything is read and verified
//! decoders   what no file stands for: contents of blocks and records, without the checksums around them
//! ```

mod decoders;
mod specimen;
#[cfg(test)]
mod tests;

use std::fmt;

use specimen::Specimen;

type Examine = dyn Fn(&[u8]) + Send + Sync;

/// Something that reads bytes.
pub struct Target {
    /// What it reads when nothing is damaged; empty when that is nothing in particular.
    pub start: Vec<u8>,
    examine: Box<Examine>,
}

impl Target {
    /// Has `bytes` read.
    pub fn examine(&self, bytes: &[u8]) {
        (self.examine)(bytes);
    }

    fn of(decoder: fn(&[u8])) -> Target {
        Target {
            start: Vec::new(),
            examine: Box::new(decoder),
        }
    }

    fn file(is_it: fn(&str) -> bool) -> Target {
        let specimen = Specimen::new(is_it);
        Target {
            start: specimen.bytes(),
            examine: Box::new(move |bytes| specimen.examine(bytes)),
        }
    }
}

/// The target `name`; none for a name that no target has.
pub fn target(name: &str) -> Option<Target> {
    Some(match name {
        "log" => Target::file(|name| name.ends_with(".wal")),
        "table" => Target::file(|name| name.ends_with(".sst")),
        "values" => Target::file(|name| name.ends_with(".val")),
        "manifest" => Target::file(|name| name.starts_with("MANIFEST-")),
        "backup" => Target::file(|name| name.starts_with("BACKUP-")),
        "batch" => Target::of(decoders::writes),
        "block" => Target::of(decoders::block),
        "records" => Target::of(decoders::records),
        _ => return None,
    })
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").finish_non_exhaustive()
    }
}
