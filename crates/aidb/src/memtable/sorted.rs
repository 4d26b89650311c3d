//! The order of a memtable: sorted runs of its writes.
//!
//! ```text
//! writes   0 ........................................ sealed ........ now
//! runs     [          a           ] [    b    ] [ c ]  [  d  ] [e] [f]
//!          made by the writer                          the tail: made by readers
//! ```
//!
//! - Every [`SEAL_WRITES`] writes the writer sorts them into a run, and does a bounded piece of merging work: runs of
//!   about the same length become one, so that there are few of them. A large merge goes on over many such steps,
//!   and smaller ones overtake it; until it is done its inputs serve.
//! - A reader needs the writes after the last sealed one too. It sorts what nobody has sorted yet, merges it with the
//!   short runs of the readers before it, and leaves the result for the next reader.
//!
//! Runs never change. Whoever holds a list of them keeps it.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::position::{Head, Position, tail};
use super::writes::{WriteId, Writes};

/// Writes that are sorted together by the writer.
pub(super) const SEAL_WRITES: u32 = 4096;

/// Entries that are merged at most when a run is sealed. On average about 8 per write are needed.
const MERGE_STEP_ENTRIES: usize = 12 * SEAL_WRITES as usize;

/// What it costs to compare two keys beyond their heads, in entries that are merged without.
const DETOUR_ENTRIES: usize = 4;

/// A sealed run is merged with its successor unless it is more than this many times as long.
const SEALED_RATIO: usize = 3;

/// The same for the tail. There merging is cheap, and runs are what a short scan pays for.
const TAIL_RATIO: usize = 8;

/// Entries per sample of a run.
const SAMPLE_ENTRIES: usize = 64;

/// Writes in the order of internal keys. The heads of their keys stand beside them: most comparisons need no more.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// The first halves of the heads, and the second ones.
    firsts: Vec<u128>,
    seconds: Vec<u128>,
    ids: Vec<WriteId>,
    /// Every [`SAMPLE_ENTRIES`]th of `firsts`: where a search begins, and what stays in the processor's cache.
    samples: Vec<u128>,
}

impl Run {
    fn with_capacity(entries: usize) -> Run {
        Run {
            firsts: Vec::with_capacity(entries),
            seconds: Vec::with_capacity(entries),
            ids: Vec::with_capacity(entries),
            samples: Vec::new(),
        }
    }

    /// The run when all entries are in it.
    fn finished(mut self) -> Arc<Run> {
        self.samples = self
            .firsts
            .iter()
            .copied()
            .step_by(SAMPLE_ENTRIES)
            .collect();
        Arc::new(self)
    }

    /// The writes with ids in `range`, sorted.
    fn sort(writes: &Writes, range: Range<u32>) -> Arc<Run> {
        let mut items: Vec<(Head, WriteId)> = range
            .map(|id| {
                let write = writes.get(WriteId(id));
                (Head::new(write.keyspace, &write.key), WriteId(id))
            })
            .collect();
        items.sort_unstable_by(|a, b| compare(writes, *a, *b));
        let mut run = Run::with_capacity(items.len());
        for (head, id) in items {
            run.push(head, id);
        }
        run.finished()
    }

    /// Appends what `from` has after `taken` entries, up to `len` in all.
    fn copy(&mut self, from: &Run, taken: &mut usize, len: usize) {
        let entries = (from.len() - *taken).min(len.saturating_sub(self.len()));
        let range = *taken..*taken + entries;
        self.firsts.extend_from_slice(&from.firsts[range.clone()]);
        self.seconds.extend_from_slice(&from.seconds[range.clone()]);
        self.ids.extend_from_slice(&from.ids[range]);
        *taken += entries;
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    fn push(&mut self, head: Head, id: WriteId) {
        self.firsts.push(head.0);
        self.seconds.push(head.1);
        self.ids.push(id);
    }

    /// Head and write at `place`.
    pub(super) fn item(&self, place: usize) -> Option<(Head, WriteId)> {
        let head = Head(*self.firsts.get(place)?, self.seconds[place]);
        Some((head, self.ids[place]))
    }

    /// How many entries stand before `target`.
    pub(super) fn before(&self, writes: &Writes, target: &Position<'_>) -> usize {
        self.partition(writes, target, Ordering::is_lt)
    }

    /// How many entries stand before `target` or at it.
    pub(super) fn up_to(&self, writes: &Writes, target: &Position<'_>) -> usize {
        self.partition(writes, target, Ordering::is_le)
    }

    fn partition(
        &self,
        writes: &Writes,
        target: &Position<'_>,
        is_before: impl Fn(Ordering) -> bool,
    ) -> usize {
        let is_before = |place: usize| {
            self.firsts[place] == target.head.0
                && match self.seconds[place].cmp(&target.head.1) {
                    Ordering::Equal => {
                        is_before(target.compare_to(writes.get(self.ids[place])).reverse())
                    }
                    order => order.is_lt(),
                }
        };
        // Entries that are alike are mostly versions of one key, and nearly always the first ones are wanted.
        let mut low = self.first(target.head.0);
        let mut step = 1;
        while low + step <= self.len() && is_before(low + step - 1) {
            low += step;
            step *= 2;
        }
        let mut high = self.len().min(low + step - 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_before(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// How many entries have a first half before `first`.
    fn first(&self, first: u128) -> usize {
        let sample = self.samples.partition_point(|&sample| sample < first);
        let end = self.len().min(sample * SAMPLE_ENTRIES);
        let start = sample.saturating_sub(1) * SAMPLE_ENTRIES;
        start + self.firsts[start..end].partition_point(|&each| each < first)
    }
}

/// The order of two writes of one memtable.
#[inline]
pub(super) fn compare(writes: &Writes, a: (Head, WriteId), b: (Head, WriteId)) -> Ordering {
    a.0.cmp(&b.0).then_with(|| compare_alike(writes, a.1, b.1))
}

/// The order of two writes whose heads are equal. Later writes of a key are newer and come first.
#[cold]
fn compare_alike(writes: &Writes, a: WriteId, b: WriteId) -> Ordering {
    let (a_key, b_key) = (&writes.get(a).key, &writes.get(b).key);
    tail(a_key)
        .cmp(tail(b_key))
        .then_with(|| a_key.len().cmp(&b_key.len()))
        .then_with(|| b.cmp(&a))
}

/// Two neighbouring runs on the way to be one.
#[derive(Debug)]
struct Merge {
    left: Arc<Run>,
    right: Arc<Run>,
    left_taken: usize,
    right_taken: usize,
    merged: Run,
}

impl Merge {
    fn new(left: &Arc<Run>, right: &Arc<Run>) -> Merge {
        Merge {
            merged: Run::with_capacity(left.len() + right.len()),
            left: Arc::clone(left),
            right: Arc::clone(right),
            left_taken: 0,
            right_taken: 0,
        }
    }

    /// Merges for about `work` entries, and tells what it cost.
    fn step(&mut self, writes: &Writes, work: usize) -> usize {
        let before = self.merged.len();
        let mut target = before.saturating_add(work);
        let mut detours = 0;
        while self.merged.len() < target {
            let (Some(left), Some(right)) = (
                self.left.item(self.left_taken),
                self.right.item(self.right_taken),
            ) else {
                break;
            };
            let is_left = if left.0 == right.0 {
                detours += DETOUR_ENTRIES;
                target = target.saturating_sub(DETOUR_ENTRIES);
                compare_alike(writes, left.1, right.1).is_lt()
            } else {
                left.0 < right.0
            };
            let (head, id) = if is_left { left } else { right };
            self.left_taken += usize::from(is_left);
            self.right_taken += usize::from(!is_left);
            self.merged.push(head, id);
        }
        // One of them is used up, or `work` is.
        self.merged.copy(&self.left, &mut self.left_taken, target);
        self.merged.copy(&self.right, &mut self.right_taken, target);
        self.merged.len() - before + detours
    }

    fn is_done(&self) -> bool {
        self.merged.len() == self.left.len() + self.right.len()
    }
}

/// Sealed runs, or the tail of a moment.
#[derive(Debug, Default)]
struct Span {
    writes: Range<u32>,
    /// Of consecutive writes, the oldest first.
    runs: Vec<Arc<Run>>,
}

/// See the head of this module.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    sealed: ArcSwap<Span>,
    tail: ArcSwap<Span>,
    merges: Mutex<Merges>,
}

impl Sorted {
    /// Runs of all writes that are counted when it is called, and of no write twice.
    pub(super) fn runs(&self, writes: &Writes) -> Vec<Arc<Run>> {
        let sealed = self.sealed.load();
        // After the sealed runs: so there are at least as many.
        let len = writes.len();
        let mut runs = sealed.runs.clone();
        if sealed.writes.end < len {
            runs.extend(self.tail(writes, sealed.writes.end..len));
        }
        runs
    }

    /// Runs of the writes in `range` and maybe of some later ones.
    fn tail(&self, writes: &Writes, range: Range<u32>) -> Vec<Arc<Run>> {
        let known = self.tail.load();
        let is_start = known.writes.start == range.start;
        if is_start && known.writes.end >= range.end {
            return known.runs.clone();
        }
        let (mut runs, sorted) = if is_start {
            (known.runs.clone(), known.writes.end)
        } else {
            (Vec::new(), range.start)
        };
        runs.push(Run::sort(writes, sorted..range.end));
        while let [.., left, right] = &runs[..]
            && left.len() <= TAIL_RATIO * right.len()
        {
            let mut merge = Merge::new(left, right);
            merge.step(writes, usize::MAX);
            runs.truncate(runs.len() - 2);
            runs.push(merge.merged.finished());
        }
        // A reader that comes late does not put an old tail in the place of a new one.
        if known.writes.start <= range.start {
            let span = Span {
                writes: range,
                runs: runs.clone(),
            };
            self.tail.compare_and_swap(&known, Arc::new(span));
        }
        runs
    }

    /// Sorts the last [`SEAL_WRITES`] writes up to number `len`. Callers take turns.
    pub(super) fn seal(&self, writes: &Writes, len: u32) {
        let mut runs = self.sealed.load().runs.clone();
        runs.push(Run::sort(writes, len - SEAL_WRITES..len));
        self.merges.lock().work(writes, &mut runs);
        self.sealed.store(Arc::new(Span {
            writes: 0..len,
            runs,
        }));
    }
}

/// Merges of sealed runs that are under way, from left to right. The last one is the smallest and goes on first.
#[derive(Debug, Default)]
struct Merges {
    /// With the place of the left run in the list of runs.
    open: Vec<(usize, Merge)>,
}

impl Merges {
    /// A bounded piece of work on `runs`.
    fn work(&mut self, writes: &Writes, runs: &mut Vec<Arc<Run>>) {
        let mut left = MERGE_STEP_ENTRIES;
        while left > 0 {
            self.begin(runs);
            let Some((place, merge)) = self.open.last_mut() else {
                return;
            };
            left = left.saturating_sub(merge.step(writes, left));
            if merge.is_done() {
                let merged = std::mem::take(&mut merge.merged);
                runs.splice(*place..*place + 2, [merged.finished()]);
                self.open.pop();
            }
        }
    }

    /// Opens a merge when two runs right of all open merges ask for it.
    fn begin(&mut self, runs: &[Arc<Run>]) {
        let free = self.open.last().map_or(0, |(place, _)| place + 2);
        let place = (free..runs.len().saturating_sub(1))
            .rev()
            .find(|&place| runs[place].len() <= SEALED_RATIO * runs[place + 1].len());
        self.open
            .extend(place.map(|place| (place, Merge::new(&runs[place], &runs[place + 1]))));
    }
}
