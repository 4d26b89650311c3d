//! Which value files to empty, so that garbage stays a small share of what is live. Pure.
//!
//! Values that nothing points to any more are garbage; their space comes back when the rest of their file has moved. A
//! file that is mostly garbage costs little to empty, so these come first, and no more of them than it takes.

use std::collections::BTreeSet;

use crate::version::ValueFileUse;

/// Garbage that is left alone, over all value files: one part in so many of what is live.
const GARBAGE_PART: u64 = 6;

/// When everything is compacted, a file may have one part in so many of garbage.
const THOROUGH_PART: u64 = 16;

/// The files that must be emptied for garbage to become small again, those with most garbage for their size first.
/// `floor_bytes` of garbage are never worth the work.
pub(crate) fn overdue<'a>(
    files: impl Iterator<Item = &'a ValueFileUse>,
    floor_bytes: u64,
) -> BTreeSet<u64> {
    let mut files: Vec<&ValueFileUse> = files.collect();
    let live: u64 = files.iter().map(|file| file.live_bytes).sum();
    let mut garbage: u64 = files.iter().map(|file| file.garbage_bytes()).sum();
    let mut emptied = BTreeSet::new();
    files.sort_by_key(|file| {
        file.garbage_bytes().saturating_mul(1 << 20) / file.record.bytes.max(1)
    });
    while garbage > (live / GARBAGE_PART).max(floor_bytes) {
        let Some(file) = files.pop() else {
            break;
        };
        garbage -= file.garbage_bytes();
        emptied.insert(file.record.number);
    }
    emptied
}

/// The files that a compaction empties as it meets pointers into them: at least half garbage.
pub(crate) fn mostly<'a>(files: impl Iterator<Item = &'a ValueFileUse>) -> BTreeSet<u64> {
    numbers(files.filter(|file| file.garbage_bytes() >= file.live_bytes))
}

/// The files to empty when all tables are compacted anyway.
pub(crate) fn noticeable<'a>(files: impl Iterator<Item = &'a ValueFileUse>) -> BTreeSet<u64> {
    numbers(files.filter(|file| file.garbage_bytes() > file.record.bytes / THOROUGH_PART))
}

fn numbers<'a>(files: impl Iterator<Item = &'a ValueFileUse>) -> BTreeSet<u64> {
    files.map(|file| file.record.number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::{ValueFileKind, ValueFileRecord};

    /// Files 0, 1, …: (bytes, of these live).
    fn files(sizes: &[(u64, u64)]) -> Vec<ValueFileUse> {
        let file = |(number, (bytes, live_bytes)): (usize, &(u64, u64))| ValueFileUse {
            record: ValueFileRecord {
                number: number as u64,
                kind: ValueFileKind::Values,
                bytes: *bytes,
            },
            live_bytes: *live_bytes,
        };
        sizes.iter().enumerate().map(file).collect()
    }

    #[test]
    fn the_worst_files_are_emptied_until_little_garbage_is_left() {
        let files = files(&[
            (1_000_000, 900_000),
            (1_000_000, 450_000),
            (1_000_000, 1_000_000),
            (1_000_000, 100_000),
            (100_000, 99_000),
        ]);
        assert_eq!(overdue(files.iter(), 0), BTreeSet::from([1, 3]));
        assert_eq!(overdue(files.iter(), 1_100_000), BTreeSet::from([3]));
        assert_eq!(overdue(files.iter(), 2_000_000), BTreeSet::new());
        assert_eq!(mostly(files.iter()), BTreeSet::from([1, 3]));
        assert_eq!(noticeable(files.iter()), BTreeSet::from([0, 1, 3]));
    }

    #[test]
    fn without_files_there_is_nothing_to_do() {
        assert_eq!(overdue([].iter(), 0), BTreeSet::new());
        assert_eq!(mostly([].iter()), BTreeSet::new());
    }
}
