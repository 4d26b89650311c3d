//! The writes of a memtable in the order in which they came: appended, never moved, never changed.
//!
//! ```text
//! shelf s  = FIRST_WRITES * 2^s cells, in chunks that are made when they are needed
//! chunk    = CHUNK_WRITES cells, or all of a shelf that has fewer; each is filled once
//! ```
//!
//! So a write stays where it is while readers look at it, a few writes take little memory, and room for the next ones is made
//! in small steps. The
//! versions of a key are chained, newest first. Each also knows one that is further back, so far that any moment is
//! found in a logarithmic number of steps (Myers 1983, "An applicative random-access stack").

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::batch::Entry;
use crate::key::{self, SeqNo, ValueKind};
use crate::keyspace::KeyspaceId;
use crate::sync::atomic::AtomicU32;
use crate::sync::unless_modelled;
use crate::wal::LogPosition;

/// Cells of the first shelf.
const FIRST_WRITES: u64 = unless_modelled(32, 1);

/// Cells that are made at once, at most.
const CHUNK_WRITES: u64 = unless_modelled(1024, 2);

/// Enough for all 32-bit numbers.
const SHELVES: usize = unless_modelled(28, 33);

/// The place of a write in the order of all writes of its memtable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WriteId(pub(super) u32);

/// A version of a key.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) key: Bytes,
    pub(super) value: Bytes,
    pub(super) trailer: u64,
    pub(super) keyspace: KeyspaceId,
    /// Where the value stands in the logs.
    pub(super) position: LogPosition,
    chain: Chain,
}

impl Write {
    pub(super) fn seq(&self) -> SeqNo {
        key::trailer_seq(self.trailer)
    }

    pub(super) fn kind(&self) -> ValueKind {
        key::trailer_kind(self.trailer).expect("only known kinds are inserted")
    }

    /// How many older versions there are.
    pub(super) fn depth(&self) -> u32 {
        self.chain.depth
    }

    pub(super) fn is_of(&self, keyspace: KeyspaceId, user_key: &[u8]) -> bool {
        self.keyspace == keyspace && self.key == user_key
    }
}

/// Where the older versions of a key are. The oldest names itself.
#[derive(Clone, Copy, Debug)]
struct Chain {
    older: WriteId,
    much_older: WriteId,
    /// How many older versions there are.
    depth: u32,
}

type Chunk = OnceLock<Box<[OnceLock<Write>]>>;

/// See the head of this module. One thread at a time appends, any number read.
#[derive(Debug)]
pub(super) struct Writes {
    shelves: [OnceLock<Box<[Chunk]>>; SHELVES],
    len: AtomicU32,
}

impl Writes {
    pub(super) fn new() -> Writes {
        Writes {
            shelves: [const { OnceLock::new() }; SHELVES],
            len: AtomicU32::new(0),
        }
    }

    /// How many writes are counted; all of them can be read.
    pub(super) fn len(&self) -> u32 {
        self.len.load(Ordering::Acquire)
    }

    /// The counted writes with numbers after `since`: the last ones.
    pub(super) fn after(&self, since: SeqNo) -> Range<u32> {
        let len = self.len();
        let (mut low, mut high) = (0, len);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(WriteId(middle)).seq() > since {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low..len
    }

    /// The write `id`.
    ///
    /// # Panics
    /// When nothing was appended under this id.
    pub(super) fn get(&self, id: WriteId) -> &Write {
        let (shelf, chunk, cell) = place(id);
        self.shelves[shelf]
            .get()
            .and_then(|chunks| chunks[chunk].get())
            .and_then(|cells| cells[cell].get())
            .expect("an id is given out after its write")
    }

    /// Appends a version, the next newer one to `previous`. It is not counted yet: see [`Writes::count`].
    ///
    /// `key` and `value` are those of `entry`, in memory that may be kept.
    pub(super) fn append(
        &self,
        entry: &Entry<'_>,
        (key, value): (Bytes, Bytes),
        trailer: u64,
        previous: Option<WriteId>,
    ) -> WriteId {
        let id = WriteId(self.len.load(Ordering::Relaxed));
        let write = Write {
            key,
            value,
            trailer,
            keyspace: entry.keyspace,
            position: entry.position,
            chain: self.chain(id, previous),
        };
        let (shelf, chunk, cell) = place(id);
        let all = FIRST_WRITES << shelf;
        let chunks = self.shelves[shelf].get_or_init(|| empty(all.div_ceil(CHUNK_WRITES)));
        let cells = chunks[chunk].get_or_init(|| empty(all.min(CHUNK_WRITES)));
        assert!(
            cells[cell].set(write).is_ok(),
            "two threads write to one memtable"
        );
        id
    }

    /// Counts the write that was just appended.
    pub(super) fn count(&self, id: WriteId) -> u32 {
        let len =
            id.0.checked_add(1)
                .expect("a memtable is sealed long before");
        self.len.store(len, Ordering::Release);
        len
    }

    /// The newest of `newest` and the versions before it up to `at`.
    pub(super) fn version(&self, newest: WriteId, at: SeqNo) -> Option<(WriteId, &Write)> {
        let (mut id, mut write) = (newest, self.get(newest));
        while write.seq() > at {
            if write.chain.depth == 0 {
                return None;
            }
            let much_older = self.get(write.chain.much_older);
            (id, write) = if much_older.seq() > at {
                (write.chain.much_older, much_older)
            } else {
                (write.chain.older, self.get(write.chain.older))
            };
        }
        Some((id, write))
    }

    /// The version before `write`.
    pub(super) fn older(&self, write: &Write) -> Option<WriteId> {
        (write.chain.depth > 0).then_some(write.chain.older)
    }

    fn chain(&self, id: WriteId, previous: Option<WriteId>) -> Chain {
        let Some(older) = previous else {
            return Chain {
                older: id,
                much_older: id,
                depth: 0,
            };
        };
        let first = self.get(older).chain;
        let second = self.get(first.much_older).chain;
        let third = self.get(second.much_older).chain;
        // Two leaps of one length are followed by one of twice that length and one more.
        let is_even = first.depth - second.depth == second.depth - third.depth;
        Chain {
            older,
            much_older: if is_even { second.much_older } else { older },
            depth: first.depth + 1,
        }
    }
}

fn empty<T>(cells: u64) -> Box<[OnceLock<T>]> {
    (0..cells).map(|_| OnceLock::new()).collect()
}

/// Shelf, chunk in the shelf, cell in the chunk.
#[inline]
fn place(id: WriteId) -> (usize, usize, usize) {
    let shifted = u64::from(id.0) + FIRST_WRITES;
    let power = shifted.ilog2();
    let in_shelf = shifted - (1 << power);
    (
        (power - FIRST_WRITES.ilog2()) as usize,
        (in_shelf / CHUNK_WRITES) as usize,
        (in_shelf % CHUNK_WRITES) as usize,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::trailer;

    #[test]
    fn every_id_has_a_cell_of_its_own() {
        let mut expected = (0, 0, 0);
        for id in 0..CHUNK_WRITES * 70 {
            let id = WriteId(u32::try_from(id).unwrap());
            assert_eq!(place(id), expected);
            expected.2 += 1;
            let all = usize::try_from(FIRST_WRITES).unwrap() << expected.0;
            let chunk = all.min(usize::try_from(CHUNK_WRITES).unwrap());
            if expected.2 == chunk {
                expected = (expected.0, expected.1 + 1, 0);
            }
            if expected.1 * chunk == all {
                expected = (expected.0 + 1, 0, 0);
            }
        }
        assert_eq!(place(WriteId(u32::MAX)).0, SHELVES - 1);
    }

    /// A counter that is written with each commit has as many versions as there are commits: a reader of an old
    /// moment may not walk past all of them.
    #[test]
    fn an_old_version_is_found_in_few_steps() {
        let writes = Writes::new();
        let versions = 100_000_u32;
        let mut newest = None;
        for number in 0..versions {
            let trailer = trailer(SeqNo(u64::from(number) * 2), ValueKind::Put);
            let entry = Entry {
                kind: ValueKind::Put,
                keyspace: KeyspaceId(1),
                key: b"",
                value: b"",
                position: LogPosition::default(),
            };
            let id = writes.append(&entry, (Bytes::new(), Bytes::new()), trailer, newest);
            writes.count(id);
            newest = Some(id);
        }
        for at in (0..u64::from(versions) * 2).step_by(37) {
            let mut steps = 0;
            let mut id = newest.unwrap();
            while writes.get(id).seq() > SeqNo(at) {
                let chain = writes.get(id).chain;
                let is_far = writes.get(chain.much_older).seq() > SeqNo(at);
                id = if is_far {
                    chain.much_older
                } else {
                    chain.older
                };
                steps += 1;
            }
            assert!(steps < 50, "{steps} steps to {at}");
            let (_, found) = writes.version(newest.unwrap(), SeqNo(at)).unwrap();
            assert_eq!(found.seq(), SeqNo(at / 2 * 2));
        }
    }
}
