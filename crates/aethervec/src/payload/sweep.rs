//! Sweeping: what is said of points that nobody sees any more goes, from memory and from the keyspace.
//!
//! Dead points do no harm but take room. Once they are many, the lane goes through everything, one bounded step at a time.
//! Rows of the newest chunk are left alone: commits append to them at any time, and what is put in their place must not lose
//! anything.

use crate::error::Result;
use crate::index::core::Core;
use crate::payload::index::Phase;
use crate::payload::rows::{self, ALL_POINTS, Row, RowKey};
use aidb::{Durability, WriteBatch};
use parking_lot::Mutex;
use roaring::RoaringTreemap;
use std::ops::Bound;
use std::sync::atomic::Ordering;

/// Dead points from which on sweeping is worthwhile …
const DEAD_MIN: u64 = 4_096;

/// … if they are more than one in this many.
const DEAD_SHARE: u64 = 4;

/// Rows looked at in one step …
const STEP_ROWS: usize = 4_096;

/// … unless they have so many bytes.
const STEP_BYTES: usize = 4 << 20;

/// How far a sweep is.
#[derive(Debug, Default)]
pub(crate) struct Sweep(Mutex<Option<Progress>>);

#[derive(Debug)]
struct Progress {
    keep: RoaringTreemap,
    /// How many dead points there were when it began.
    dead: u64,
    /// Rows of this chunk and later ones are left alone.
    chunk_end: u64,
    /// Numbers of indexes whose memory is still to be swept.
    memories: Vec<u16>,
    /// The last row that was looked at.
    after: Option<Vec<u8>>,
}

/// Sweeps a part, if it is time. False when it is not.
pub(crate) fn step(core: &Core) -> Result<bool> {
    let mut sweep = core.payload.sweep.0.lock();
    let progress = match &mut *sweep {
        Some(progress) => progress,
        None if is_due(core) => sweep.insert(Progress::new(core)),
        None => return Ok(false),
    };
    if let Some(number) = progress.memories.pop() {
        sweep_memory(core, number);
        return Ok(true);
    }
    if !progress.sweep_rows(core)? {
        core.payload.visible.swept(progress.dead);
        *sweep = None;
    }
    Ok(true)
}

/// Dead points that no snapshot sees any more.
fn dead(core: &Core) -> u64 {
    let dead = core.payload.visible.dead();
    dead.saturating_sub(core.deaths.len() as u64)
}

fn is_due(core: &Core) -> bool {
    let dead = dead(core);
    dead >= DEAD_MIN && dead * DEAD_SHARE > core.payload.visible.len() + dead
}

fn sweep_memory(core: &Core, number: u16) {
    let indexes = core.payload.indexes();
    let Some(index) = indexes.iter().find(|index| index.number == number) else {
        return;
    };
    let mut phase = index.phase.write();
    if let Phase::Loaded(memory) = &mut *phase {
        // Points are told to be visible before they come to an index: under its lock none of them is missed.
        memory.keep_only(&core.payload.visible.all(&core.deaths));
    }
}

impl Progress {
    fn new(core: &Core) -> Progress {
        let next = {
            // Nobody is in the middle of a commit: whoever comes has numbers from `next` on.
            let _writer = core.writer.lock();
            core.next.load(Ordering::Acquire)
        };
        Progress {
            dead: dead(core),
            keep: core.payload.visible.all(&core.deaths),
            chunk_end: rows::split(next).0,
            memories: core
                .payload
                .indexes()
                .iter()
                .map(|index| index.number)
                .collect(),
            after: None,
        }
    }

    /// False when there are no more rows.
    fn sweep_rows(&mut self, core: &Core) -> Result<bool> {
        let snapshot = core.db.snapshot();
        let all = rows::index_prefix(core.id, ALL_POINTS);
        let from = match &self.after {
            Some(key) => Bound::Excluded(&key[..]),
            None => Bound::Included(&all[..]),
        };
        let mut rows = snapshot.range::<&[u8]>(&core.keyspaces.filter, (from, Bound::Unbounded));
        let mut batch = WriteBatch::new();
        let (mut looked, mut bytes) = (0, 0);
        let mut entries = Vec::new();
        let mut last = None;
        while looked < STEP_ROWS
            && bytes < STEP_BYTES
            && let Some((key, value)) = rows.try_next()?
            && key.starts_with(&all[..4])
        {
            looked += 1;
            bytes += value.len();
            let chunk = RowKey::decode(&key)?.chunk;
            if chunk < self.chunk_end {
                let mut row = Row::decode(&key, &value)?;
                row.keep_only(chunk, &self.keep);
                entries.clear();
                row.encode(&mut entries);
                if entries.is_empty() {
                    batch.delete(&core.keyspaces.filter, &key);
                } else if entries.len() < value.len() {
                    batch.put(&core.keyspaces.filter, &key, &entries);
                }
            }
            last = Some(key.to_vec());
        }
        if !batch.is_empty() {
            core.db.write(batch, Durability::Buffered)?;
        }
        let more = last.is_some();
        self.after = last;
        Ok(more)
    }
}
