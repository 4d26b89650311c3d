//! Replays the logs at open. Reads only: what it finds must be replayable again after a crash.
//!
//! Logs are chained: each begins with a record that says which log it goes on from, where that one ends, and with which
//! sequence number. A log whose length the manifest knows (sealed) is durable, and must read back whole. The logs after
//! the last sealed one were being written: they may end anywhere, and where one does, nothing after it was ever
//! acknowledged as durable, so it ends the whole replay.

use std::collections::BTreeMap;

use aether_env::Storage;
use bytes::Bytes;

use crate::batch::{self, Entry};
use crate::error::{Error, Result};
use crate::file_name;
use crate::files::Files;
use crate::key::SeqNo;
use crate::keyspace::KeyspaceId;
use crate::memtable::MemTable;
use crate::version::Catalog;
use crate::wal::{self, LogContents, LogPosition, START_BYTES};

/// Writes that are put into the memtable at once.
const LOAD_ENTRIES: usize = 512;

/// What the logs hold beyond the tables.
pub(super) struct Replay {
    pub(super) memtable: MemTable,
    /// The last write.
    pub(super) last_seq: SeqNo,
    /// The last write that is known to survive a power cut.
    pub(super) durable: SeqNo,
    /// The last log with writes, and how much of it counts; (0, 0) for none.
    pub(super) previous: (u64, u64),
    /// Logs without writes that count.
    pub(super) unused: Vec<u64>,
    /// How many logs have writes that count.
    pub(super) logs: usize,
    /// Some of the writes may not survive a power cut: their log was never sealed.
    pub(super) must_flush: bool,
}

/// Reads the logs of `catalog`.
pub(super) fn replay(files: &Files, catalog: &Catalog) -> Result<Replay> {
    let ends = ends(files, catalog)?;
    let mut replay = Replay {
        memtable: MemTable::new(),
        last_seq: catalog.flushed,
        durable: catalog.flushed,
        previous: (0, 0),
        unused: Vec::new(),
        logs: 0,
        must_flush: false,
    };
    // The log that was cut off, and where.
    let mut cut: Option<(u64, u64)> = None;
    for (&number, &sealed) in &catalog.logs {
        let mut bytes = read(files.storage.as_ref(), number, usize::MAX)?;
        let end = ends.get(&number).copied().filter(|_| sealed.is_none());
        if let Some(end) = end.and_then(|end| usize::try_from(end).ok()) {
            bytes.truncate(end);
        }
        let log = wal::read(number, &bytes, sealed)?;
        let Some(start) = log.start else {
            // Given up before it began, or its beginning was lost: then its successor says that it goes on from it.
            if end.is_some() && cut.is_none() {
                cut = Some((number, log.bytes));
            }
            replay.unused.push(number);
            continue;
        };
        if let Some((cut, at)) = cut {
            if log.durable > 0 {
                let name = file_name::log(number);
                let detail = format_args!(
                    "the log ends here, and {name} was written when more of it was durable"
                );
                return Err(Error::corruption(&file_name::log(cut), at, detail));
            }
            replay.unused.push(number);
            continue;
        }
        if start.first.0 != replay.last_seq.0 + 1 {
            let expected = replay.last_seq.0 + 1;
            let detail = format_args!(
                "it starts at write {}, and {expected} is expected",
                start.first
            );
            return Err(Error::corruption(&file_name::log(number), 0, detail));
        }
        // The memtable keeps what counts, and not the room behind it.
        bytes.truncate(usize::try_from(log.bytes).unwrap_or(usize::MAX));
        bytes.shrink_to_fit();
        replay.load(number, &log, &bytes.into(), catalog)?;
        if !log.clean || end.is_some_and(|end| log.bytes < end) {
            cut = Some((number, log.bytes));
        }
        if log.records.is_empty() {
            replay.unused.push(number);
        } else {
            replay.previous = (number, log.bytes);
            replay.logs += 1;
            replay.must_flush |= sealed.is_none();
            if !replay.must_flush {
                replay.durable = replay.last_seq;
            }
        }
    }
    Ok(replay)
}

impl Replay {
    /// Takes the writes of log `number`, of which `bytes` are read.
    fn load(
        &mut self,
        number: u64,
        log: &LogContents,
        bytes: &Bytes,
        catalog: &Catalog,
    ) -> Result<()> {
        let mut loading: Vec<(SeqNo, Entry<'_>)> = Vec::with_capacity(LOAD_ENTRIES);
        // The last keyspace that was found.
        let mut known = KeyspaceId::SYSTEM;
        for record in &log.records {
            let damaged = |offset: usize, detail: &str| {
                let at = record.offset + offset as u64;
                Error::corruption(&file_name::log(number), at, detail)
            };
            let mut seq = record.first;
            let at = LogPosition {
                log: number,
                offset: record.offset,
            };
            for entry in batch::decode(record.payload(bytes), at) {
                let entry =
                    entry.map_err(|offset| damaged(offset, "a write does not read back"))?;
                let keyspace = entry.keyspace;
                if keyspace != known {
                    if !keyspace.is_own() && !catalog.keyspaces.contains_key(&keyspace) {
                        let detail =
                            format!("a write to keyspace {keyspace}, which does not exist");
                        return Err(damaged(0, &detail));
                    }
                    known = keyspace;
                }
                loading.push((seq, entry));
                seq.0 += 1;
                if loading.len() == LOAD_ENTRIES {
                    self.memtable.load(&loading, bytes);
                    loading.clear();
                }
            }
            let entries = seq.0 - record.first.0;
            if entries != u64::from(record.entries) {
                let expected = record.entries;
                let detail = format!("{entries} writes, and {expected} are expected");
                return Err(damaged(0, &detail));
            }
            self.last_seq = SeqNo(seq.0 - 1);
        }
        self.memtable.load(&loading, bytes);
        Ok(())
    }
}

/// Where logs end, as far as their successors say so.
fn ends(files: &Files, catalog: &Catalog) -> Result<BTreeMap<u64, u64>> {
    let mut ends = BTreeMap::new();
    for &number in catalog.logs.keys() {
        let head = read(files.storage.as_ref(), number, START_BYTES)?;
        if let Some(start) = wal::read_start(number, &head) {
            ends.insert(start.previous, start.previous_bytes);
        }
    }
    Ok(ends)
}

/// The first bytes of a log, at most `limit`.
pub(super) fn read(storage: &dyn Storage, number: u64, limit: usize) -> Result<Vec<u8>> {
    let name = file_name::log(number);
    let explain = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::corruption(&name, 0, "the log is missing, and the manifest needs it")
        }
        _ => Error::io(format_args!("read {name}"), error),
    };
    let file = storage.open(&name).map_err(explain)?;
    let length = usize::try_from(file.len()).unwrap_or(usize::MAX).min(limit);
    let mut bytes = vec![0; length];
    file.read_at(0, &mut bytes).map_err(explain)?;
    Ok(bytes)
}
