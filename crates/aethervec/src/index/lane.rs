//! The background work of one collection, in order, one step of bounded size at a time:
//!
//! 1. take over what was committed;
//! 2. remove documents that have ended, and what dropped fields have left;
//! 3. *reap*: points that no snapshot can see any more leave the indexes;
//! 4. write a checkpoint when one is due;
//! 5. *succeed*: have an index built of many points at once where that is better, and put it into its place;
//! 6. *apply*: committed points move from the deltas into the approximate indexes;
//! 7. build payload indexes that are not complete, and sweep the dead out of the others;
//! 8. *learn* what effort searches take for a recall, from queries that were asked;
//! 9. *maintain*: mend a graph around its dead nodes, take the dead out of buckets, split those that are too long;
//! 10. *learn again* what the points that came have made out of date.
//!
//! Only here do committed points leave an index. Everything done here is derived from the keyspaces: a crash loses nothing
//! but time.

use crate::ann::{Ann, Shape};
use crate::error::Result;
use crate::expiry;
use crate::index::checkpoint;
use crate::index::core::{Committed, Core, Lane};
use crate::index::dense::DenseIndex;
use crate::index::drift::DriftIndex;
use crate::index::field::Field;
use crate::index::successor::{self, Succession, Turn};
use crate::payload;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Points reaped in one step, at least: a commit is reaped as a whole.
const REAP_POINTS: usize = 4_096;

/// What a step leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// More.
    More,
    /// Nothing before the next write.
    Idle,
    /// Nothing before a moment has passed, or a snapshot ends.
    Parked,
    /// Nothing before a document ends.
    Asleep,
}

/// Does a step of `core`'s work. An error is kept in its status, and the work rests until the next write.
pub(crate) fn step(core: &Arc<Core>, turn: &mut Turn<'_>) -> Step {
    let mut lane = core.lane.lock();
    if core.dropped.load(Ordering::Acquire) || turn.closing.load(Ordering::Acquire) {
        return Step::Idle;
    }
    let stepped = lane.step(core, turn);
    core.progress
        .checkpoints
        .store(lane.checkpoints, Ordering::Release);
    drop(lane);
    // Forgets those that have moved.
    core.waiting_since();
    let mut error = core.progress.error.lock();
    let step = match stepped {
        Ok(step) => {
            *error = None;
            step
        }
        Err(failed) => {
            *error = Some(failed);
            Step::Idle
        }
    };
    core.progress.stepped.notify_all();
    step
}

/// Saves what is worth saving before the database is closed. No step may run any more.
pub(crate) fn finish(core: &Core) -> Result<()> {
    let mut lane = core.lane.lock();
    lane.settle(core);
    checkpoint::write_at_close(&mut lane, core)
}

/// Saves the index as it is now, unless the collection was dropped.
pub(crate) fn save(core: &Core) -> Result<()> {
    let mut lane = core.lane.lock();
    // Under the lock: what is dropped is not written to any more.
    core.alive()?;
    lane.settle(core);
    checkpoint::write(&mut lane, core)?;
    core.progress
        .checkpoints
        .store(lane.checkpoints, Ordering::Release);
    Ok(())
}

impl Lane {
    /// Takes over and reaps all that can be.
    fn settle(&mut self, core: &Core) {
        self.take_over(core);
        while self.reap(core) {}
    }

    fn step(&mut self, core: &Arc<Core>, turn: &mut Turn<'_>) -> Result<Step> {
        self.take_over(core);
        checkpoint::remove_left_over(core)?;
        if expiry::remove_ended(core)? {
            return Ok(Step::More);
        }
        if self.reap(core) || checkpoint::write_if_due(self, core)? {
            return Ok(Step::More);
        }
        // By turns: where writes never end, the dead would pile up behind them.
        let (indexed, waits) = self.index(core, turn)?;
        let built = payload::build_step(core)? || payload::sweep_step(core)?;
        let learned = self.learn(core)?;
        if maintain(core)? || indexed || built || learned || learns_again(core) {
            return Ok(Step::More);
        }
        if waits || self.reaped < self.entries.len() {
            return Ok(Step::Parked);
        }
        Ok(match core.expiries.are_there() {
            true => Step::Asleep,
            false => Step::Idle,
        })
    }

    /// Takes over what was committed since the last step.
    fn take_over(&mut self, core: &Core) {
        for committed in core.incoming.lock().drain(..) {
            self.committed = self.committed.max(committed.entry.end());
            self.entries.push_back(committed);
        }
    }

    /// Takes points out of the indexes that no snapshot sees any more. False when there are none.
    fn reap(&mut self, core: &Core) -> bool {
        let watermark = core.db.watermark();
        core.payload.visible.forget_before(watermark);
        let fields = core.fields.load();
        let mut reaped = 0;
        // Oldest first, so that what cannot be reaped yet ends the walk.
        let ready = self
            .entries
            .iter()
            .skip(self.reaped)
            .take_while(|committed| committed.seq <= watermark);
        for Committed { entry, .. } in ready {
            for &point in &entry.died {
                fields.iter().for_each(|field| field.index.reap(point));
            }
            core.deaths.forget(&entry.died);
            self.reaped += 1;
            reaped += entry.died.len();
            if reaped >= REAP_POINTS {
                break;
            }
        }
        self.reaped_points += reaped;
        self.progress += reaped as u64;
        reaped > 0
    }

    /// Moves committed points from the deltas into the approximate indexes, and has indexes built of many points at once where
    /// that is better. Whether there was something to do, and whether one would rather wait for writes to pause.
    fn index(&mut self, core: &Arc<Core>, turn: &mut Turn<'_>) -> Result<(bool, bool)> {
        let (mut numbers, mut waits) = (0, false);
        for (field, index) in core.fields.load().dense() {
            let now = (self.committed, seed(core, field));
            match successor::step(core, field, index, now, turn)? {
                Succession::On(on) => {
                    begin_drift(core, field, index, seed(core, field))?;
                    numbers += on + index.apply(self.committed, turn.closing)?;
                }
                Succession::Waits => waits = true,
            }
        }
        self.progress += numbers;
        Ok((numbers > 0, waits))
    }

    /// Learns what effort searches take, from one query for each field. False when there is none.
    fn learn(&mut self, core: &Core) -> Result<bool> {
        let mut learned = false;
        for (_, index) in core.fields.load().dense() {
            learned |= index.learn(&mut self.scratch)?;
        }
        Ok(learned)
    }
}

/// Begins an index that grows by appending, where one is wanted and there is none.
fn begin_drift(core: &Core, field: &Field, index: &DenseIndex, seed: u64) -> Result<()> {
    let Some(Shape::Drift(params)) = index.choice().shape else {
        return Ok(());
    };
    if index.ann.load().is_none() {
        let sample = index.sample();
        let vectors = (0..sample.len()).map(|i| sample.row(i));
        let drift = DriftIndex::create(core, field, (&index.spec, params), seed, vectors)?;
        index.ann.store(Some(Arc::new(Ann::Drift(Box::new(drift)))));
    }
    Ok(())
}

/// The seed of a field's index: it only has to differ between fields.
fn seed(core: &Core, field: &Field) -> u64 {
    u64::from(core.id.0) << 16 | u64::from(field.number.0)
}

/// Whether there is something to learn again, of which the next steps do one query each.
fn learns_again(core: &Core) -> bool {
    let fields = core.fields.load();
    let mut indexes = fields.dense().filter(|(_, index)| index.wants_ann());
    indexes.any(|(_, index)| index.calibration.offer_again())
}

/// Maintains an approximate index that needs it. False when there is none.
fn maintain(core: &Core) -> Result<bool> {
    for (_, index) in core.fields.load().dense() {
        if index.maintain()? {
            return Ok(true);
        }
    }
    Ok(false)
}
