//! The commit path: batch → log → memtable → visible.
//!
//! 1. Before the lock: check the batch, slow down if flushes or compactions are behind, checksum the batch.
//! 2. Under the commit lock: number the writes, append the batch to the log as one write, insert it into the memtable
//!    (which shares the batch's memory), publish. So the order of the log is the order of visibility.
//! 3. After the lock: whoever wants durability waits for a sync that many share (wal/group.rs).
//!
//! A batch of more than half a memtable does not share one with what came before it: it becomes a sorted run by itself,
//! and what was gathered so far is flushed meanwhile.
//!
//! # When an append fails
//! A full disk (or any refused append) leaves a tail of unknown bytes behind the last good record. Nothing may be
//! written after such a tail, and the failed batch may not come back from it:
//!
//! - The batch is not in the memtable and has used no sequence number: the write failed, and nothing else happened.
//! - The log is given up at the end of its last good record. Everything before that stays as it is, and stays durable
//!   or becomes so at the next sync.
//! - The next write begins a new log, whose start record says where the old one ends; what lies behind that end is
//!   never replayed. Making the new log takes a few small durable steps first; while the disk is full they fail, and
//!   so does the write, without a trace. Once there is room they succeed, and writing goes on.
//! - A log that was given up before it held a batch is removed when its successor is made, so that repeated attempts
//!   do not eat the last free bytes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::Guard;
use bytes::Bytes;

use crate::attachment::Attachment;
use crate::background;
use crate::batch::{self, BatchParts, WriteBatch};
use crate::engine::{Engine, LogState};
use crate::error::{Error, Result};
use crate::key::SeqNo;
use crate::memtable::{MemTable, SHARED_BYTES_MIN};
use crate::state::State;
use crate::wal::{LogPosition, RECORD_HEADER_BYTES, START_BYTES, payload_checksum};

/// The most writes of a memtable that may still take the delete of a range.
const POINTS_BEFORE_RANGE_MAX: u32 = 8192;

/// How often the memory of a memtable is counted while it grows to its full size.
const MEMORY_COUNTS: usize = 64;

impl Engine {
    /// Logs `batch`, applies it and makes it visible, if `admit` agrees. The result is the number of its last write.
    ///
    /// `admit` is asked under the commit lock, with the number of the last write so far, which is visible, and the
    /// batch as the log will hold it, which will be the next. It may still fail afterwards. Never asked about an empty
    /// batch.
    pub(super) fn submit_if(
        &self,
        batch: WriteBatch,
        admit: impl FnOnce(SeqNo, &[u8]) -> Result<()>,
    ) -> Result<SeqNo> {
        let mut parts = batch.into_parts()?;
        self.check_open()?;
        self.group.check()?;
        if parts.entries == 0 {
            return Ok(self.snapshots.visible());
        }
        if parts.database != Some(self.id) {
            return Err(Error::invalid(
                "the batch holds keyspaces of another database",
            ));
        }
        if self.must_flush.load(Ordering::Acquire) {
            background::flush_sealed(self)?;
            self.must_flush.store(false, Ordering::Release);
        }
        self.throttle(parts.record.len(), parts.entries)?;
        let suspect = parts.touches_attachments;
        let due = self.take_marks_along(&mut parts);
        let seq = self.commit(parts, admit);
        self.settle_marks(due, &seq);
        let seq = seq?;
        if suspect {
            self.attachments.suspect();
        }
        Ok(seq)
    }

    fn commit(
        &self,
        parts: BatchParts,
        admit: impl FnOnce(SeqNo, &[u8]) -> Result<()>,
    ) -> Result<SeqNo> {
        let BatchParts {
            mut record,
            entries,
            attachments,
            deletes_ranges,
            ..
        } = parts;
        let checksum = payload_checksum(&record[RECORD_HEADER_BYTES..]);
        let mut log = self.log.lock();
        self.check_open()?;
        self.group.check()?;
        admit(log.last_seq, &record[RECORD_HEADER_BYTES..])?;
        let state = self.make_room(&mut log, record.len(), deletes_ranges);
        self.ensure_log(&mut log)?;
        let first = SeqNo(log.last_seq.0 + 1);
        let last = SeqNo(log.last_seq.0 + u64::from(entries));
        let current = log.current.as_mut().expect("the log was just made sure of");
        // No space: the log is as it was, and so is everything else.
        current.reserve(record.len())?;
        let position = LogPosition {
            log: current.number(),
            offset: current.bytes() + RECORD_HEADER_BYTES as u64,
        };
        if let Err(error) = current.append(
            &mut record,
            first,
            entries,
            checksum,
            self.group.synced_bytes(),
        ) {
            give_up_log(self, &mut log);
            attachments.into_iter().for_each(Attachment::leave);
            return Err(error);
        }
        let log_bytes = current.bytes();
        self.group.appended(last, log_bytes);
        log.last_seq = last;
        self.counters.commits.add(1);
        self.counters.writes.add(entries.into());
        self.counters.bytes_logged.add(record.len() as u64);

        let before = state.active.bytes();
        apply(&state.active, first, record, position);
        self.snapshots.publish(last);
        attachments.into_iter().for_each(Attachment::keep);
        self.follow_up(&mut log, &state, before);
        Ok(last)
    }

    /// Seals the active memtable when it is full and there is room in the queue. The state that takes the next writes:
    /// it stays the one with the active memtable while the commit lock is held.
    ///
    /// One of many writes is as good as full for the delete of a range: readers step over what a range hides in older
    /// memtables, but go through it in the same one. And any is for a large batch, of `bytes`.
    fn make_room(
        &self,
        log: &mut LogState,
        bytes: usize,
        deletes_ranges: bool,
    ) -> Guard<Arc<State>> {
        let state = self.state.load();
        let (active, full) = (&state.active, self.options.memtable_bytes);
        let is_full = active.bytes() >= full
            || deletes_ranges && active.points() >= POINTS_BEFORE_RANGE_MAX
            || bytes > full / 2 && !active.is_empty();
        if is_full && state.sealed.len() < self.options.sealed_memtables_max.max(1) {
            self.rotate(log);
            return self.state.load();
        }
        state
    }

    /// What a write may call for, before which the active memtable had `before` bytes.
    fn follow_up(&self, log: &mut LogState, state: &State, before: usize) {
        if !log.next_asked && self.needs_next_log(state) {
            log.next_asked = true;
            self.work.ring();
        }
        let step = self.options.memtable_bytes / MEMORY_COUNTS + 1;
        if before / step != state.active.bytes() / step {
            self.count_memory();
        }
    }

    fn ensure_log(&self, log: &mut LogState) -> Result<()> {
        if log.current.is_some() {
            return Ok(());
        }
        log.next_asked = false;
        let (previous, previous_bytes) = log.previous;
        let first = SeqNo(log.last_seq.0 + 1);
        let next = self.next_log.begin(
            || self.prepare_log(),
            |next| next.start(previous, previous_bytes, first),
        )?;
        self.group.begin(next.number(), next.syncer(), next.bytes());
        log.current = Some(next);
        Ok(())
    }
}

/// Inserts the writes of `record`, the first of which is `first`. Its payload stands at `position`.
fn apply(memtable: &MemTable, first: SeqNo, record: Vec<u8>, position: LogPosition) {
    let insert = |entries: &[u8], shared: Option<&Bytes>| {
        for (seq, entry) in (first.0..).zip(batch::decode(entries, position)) {
            let entry = entry.expect("a batch decodes what it encoded");
            memtable.insert(SeqNo(seq), &entry, shared);
        }
    };
    if record.len() < SHARED_BYTES_MIN {
        insert(&record[RECORD_HEADER_BYTES..], None);
    } else {
        let record = Bytes::from(record);
        insert(&record[RECORD_HEADER_BYTES..], Some(&record));
    }
}

/// See the head of this module.
fn give_up_log(engine: &Engine, log: &mut LogState) {
    let Some(current) = log.current.take() else {
        return;
    };
    if current.bytes() > START_BYTES as u64 {
        log.previous = (current.number(), current.bytes());
        engine.group.finish();
    } else {
        engine.next_log.add_unused(current.number());
        engine.group.abandon();
    }
}

#[cfg(test)]
mod tests {
    use crate::key::SeqNo;
    use crate::wal::LogWriter;
    use crate::{DB, Durability, Options, WriteBatch};
    use aether_env::{Env, MemoryStorage};

    /// A log that was being made ahead of time was finished after another one had been begun, and was then used with
    /// a number below that one's: the next open replayed them in the wrong order.
    #[test]
    fn a_spare_log_that_comes_late_is_not_used() {
        let storage = MemoryStorage::new();
        let options = Options {
            background_threads: 0,
            ..Options::DEFAULT
        };
        let db = DB::open_with(Env::memory(storage.clone()), options.clone()).unwrap();
        let engine = db.engine();
        db.put("a", "1").unwrap();
        let late = engine.prepare_log().unwrap();
        db.flush().unwrap();
        db.put("b", "2").unwrap();
        engine.next_log.offer(late);
        assert_eq!(db.verify().unwrap().problems, []);
        engine.rotate(&mut engine.log.lock());
        db.put("c", "3").unwrap();
        let image = storage.image(aether_env::CrashImage::KeepAll, 0);
        let db = DB::open_with(Env::memory(image), options).unwrap();
        assert_eq!(db.iter().count(), 3);
        assert_eq!(db.verify().unwrap().problems, []);
    }

    /// A log that became ready while the writer made one itself, with a greater number, was then used behind it.
    #[test]
    fn a_spare_log_that_comes_while_another_is_made_is_not_used() {
        let storage = MemoryStorage::new();
        let options = Options {
            background_threads: 0,
            ..Options::DEFAULT
        };
        let db = DB::open_with(Env::memory(storage.clone()), options.clone()).unwrap();
        let engine = db.engine();
        let late = engine.prepare_log().unwrap();
        {
            let mut log = engine.log.lock();
            let make = || {
                let own = engine.prepare_log();
                engine.next_log.offer(late);
                own
            };
            let start = |own: &mut LogWriter| own.start(0, 0, SeqNo(log.last_seq.0 + 1));
            let own = engine.next_log.begin(make, start).unwrap();
            engine.group.begin(own.number(), own.syncer(), own.bytes());
            log.current = Some(own);
        }
        db.put("a", "1").unwrap();
        engine.rotate(&mut engine.log.lock());
        db.put("b", "2").unwrap();
        let image = storage.image(aether_env::CrashImage::KeepAll, 0);
        let db = DB::open_with(Env::memory(image), options).unwrap();
        assert_eq!(db.iter().count(), 2);
        assert_eq!(db.verify().unwrap().problems, []);
    }

    /// What was gathered before a large batch is in a table of its own, and so is what comes after it.
    #[test]
    fn a_large_batch_has_a_memtable_of_its_own() {
        let storage = MemoryStorage::new();
        let options = Options {
            background_threads: 0,
            memtable_bytes: 1 << 20,
            sealed_memtables_max: 3,
            ..Options::DEFAULT
        };
        let db = DB::open_with(Env::memory(storage), options).unwrap();
        let keyspace = db.default_keyspace();
        db.put("small", "1").unwrap();
        let mut batch = WriteBatch::new();
        for number in 0..3_000_u32 {
            batch.put(&keyspace, number.to_be_bytes(), [7; 300]);
        }
        db.write(batch, Durability::Sync).unwrap();
        assert_eq!(db.stats().sealed_memtables, 1);
        db.put("small", "2").unwrap();
        assert_eq!(db.stats().sealed_memtables, 2);
        assert_eq!(db.get("small").unwrap().as_deref(), Some(&b"2"[..]));
        assert_eq!(db.iter().count(), 3_001);
        db.flush().unwrap();
        assert_eq!(db.stats().flushes, 3);
        assert_eq!(db.iter().count(), 3_001);
    }
}
