//! The order of a memtable: sorted runs of its writes.
//!
//! ```text
//! writes   0 ........................................ sealed ........ now
//! runs     [        a         ] [    b    ] [c] [d] [e] [f]
//!          sealed by the writer, merged by readers      the tail: made by readers
//! ```
//!
//! - Every [`SEAL_WRITES`] writes the writer sorts them into a run. It merges nothing: who only writes needs no order
//!   but at the flush, which merges all runs at once.
//! - Readers pay for each run. When there are [`WIDTH`] neighbours of about the same length, a reader makes one of
//!   them, for those after it.
//! - A reader needs the writes after the last sealed one too. It sorts what nobody has sorted yet, merges it with the
//!   short runs of the readers before it, and leaves the result for the next reader.
//!
//! - What an open loads from logs is not sorted either, until it is flushed or somebody wants an order.
//!
//! Runs never change. Whoever holds a list of them keeps it.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use super::position::{Head, Position, compare_tails};
use super::writes::{WriteId, Writes};
use crate::sync::{ArcSwap, Mutex, unless_modelled};

/// Writes that are sorted together by the writer.
pub(super) const SEAL_WRITES: u32 = unless_modelled(4096, 2);

/// Runs of about one length that become one.
const WIDTH: usize = unless_modelled(8, 2);

/// A run of the tail is merged with its successor unless it is more than this many times as long: short runs are what
/// a short scan pays for.
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

    /// All entries of `runs`, of consecutive writes each, as one run.
    fn merged(writes: &Writes, runs: &[Arc<Run>]) -> Arc<Run> {
        let mut merged = Run::with_capacity(runs.iter().map(|run| run.len()).sum());
        let mut heap = Heap::new(writes, runs);
        while let Some(part) = heap.parts.first_mut() {
            merged.push(part.head, part.id);
            heap.advance();
        }
        merged.finished()
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
    compare_tails(a_key, b_key).then_with(|| b.cmp(&a))
}

/// The next entries of several runs, the first one on top: a binary heap.
struct Heap<'a> {
    writes: &'a Writes,
    parts: Vec<Part<'a>>,
}

/// A run, and its next entry.
struct Part<'a> {
    head: Head,
    id: WriteId,
    run: &'a Run,
    place: usize,
}

impl<'a> Heap<'a> {
    fn new(writes: &'a Writes, runs: &'a [Arc<Run>]) -> Heap<'a> {
        let parts = runs.iter().filter_map(|run| {
            let (head, id) = run.item(0)?;
            Some(Part {
                head,
                id,
                run,
                place: 0,
            })
        });
        let mut heap = Heap {
            writes,
            parts: parts.collect(),
        };
        for place in (0..heap.parts.len() / 2).rev() {
            heap.sink(place);
        }
        heap
    }

    /// Goes on behind the entry on top.
    fn advance(&mut self) {
        let top = &mut self.parts[0];
        top.place += 1;
        match top.run.item(top.place) {
            Some((head, id)) => (top.head, top.id) = (head, id),
            None => drop(self.parts.swap_remove(0)),
        }
        self.sink(0);
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let mut first = place;
            for child in [2 * place + 1, 2 * place + 2] {
                if child < self.parts.len() && self.is_before(child, first) {
                    first = child;
                }
            }
            if first == place {
                return;
            }
            self.parts.swap(place, first);
            place = first;
        }
    }

    fn is_before(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.parts[a], &self.parts[b]);
        compare(self.writes, (a.head, a.id), (b.head, b.id)).is_lt()
    }
}

/// Sealed runs, or the tail of a moment.
#[derive(Clone, Debug, Default)]
struct Span {
    writes: Range<u32>,
    /// Of consecutive writes, the oldest first.
    runs: Vec<Arc<Run>>,
}

impl Span {
    /// The first [`WIDTH`] neighbours that are to become one.
    fn crowd(&self) -> Option<&[Arc<Run>]> {
        let tier = |run: &Arc<Run>| (run.len() / SEAL_WRITES as usize).max(1).ilog(WIDTH);
        self.runs
            .windows(WIDTH)
            .find(|runs| runs.iter().all(|run| tier(run) == tier(&runs[0])))
    }

    /// With `one` in the place of `many`.
    fn with(&self, one: &Arc<Run>, many: &[Arc<Run>]) -> Span {
        let mut span = self.clone();
        let place = many
            .first()
            .and_then(|first| span.runs.iter().position(|run| Arc::ptr_eq(run, first)));
        if let Some(place) = place {
            span.runs
                .splice(place..place + many.len(), [Arc::clone(one)]);
        }
        span
    }
}

/// See the head of this module.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// The writer adds runs at the end; who holds `merging` puts one in the place of several.
    sealed: ArcSwap<Span>,
    tail: ArcSwap<Span>,
    merging: Mutex<()>,
}

impl Sorted {
    /// Runs of all writes that are counted when it is called, and of no write twice.
    pub(super) fn runs(&self, writes: &Writes) -> Vec<Arc<Run>> {
        let mut sealed = self.sealed.load();
        if sealed.crowd().is_some() {
            self.merge_crowds(writes);
            sealed = self.sealed.load();
        }
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
            let merged = Run::merged(writes, &[Arc::clone(left), Arc::clone(right)]);
            runs.truncate(runs.len() - 2);
            runs.push(merged);
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

    /// Sorts the writes up to number `len` that are not in sealed runs. Callers take turns.
    pub(super) fn seal(&self, writes: &Writes, len: u32) {
        let run = Run::sort(writes, self.sealed.load().writes.end..len);
        self.sealed.rcu(|span| {
            let mut runs = Vec::with_capacity(span.runs.len() + 1);
            runs.extend(span.runs.iter().cloned());
            runs.push(Arc::clone(&run));
            Span {
                writes: 0..len,
                runs,
            }
        });
    }

    /// Makes one run of all that are sealed, and of what was loaded.
    pub(super) fn settle(&self, writes: &Writes) {
        let len = writes.len();
        if len - self.sealed.load().writes.end >= SEAL_WRITES {
            self.seal(writes, len);
        }
        let _turn = self.merging.lock();
        let sealed = self.sealed.load_full();
        if sealed.runs.len() > 1 {
            self.replace(writes, &sealed.runs);
        }
    }

    fn merge_crowds(&self, writes: &Writes) {
        let _turn = self.merging.lock();
        loop {
            let sealed = self.sealed.load_full();
            let Some(crowd) = sealed.crowd() else {
                return;
            };
            self.replace(writes, crowd);
        }
    }

    /// Puts one run in the place of `many`. The caller holds `merging`.
    fn replace(&self, writes: &Writes, many: &[Arc<Run>]) {
        let one = Run::merged(writes, many);
        self.sealed.rcu(|span| span.with(&one, many));
    }
}
