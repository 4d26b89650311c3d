//! Which points of an index are alive: one bit for each number, which searches read without a lock. Each of them asks about hundreds of
//! points while others die; the lock around one compressed bitmap took an eighth of a search.

use aether_index::PointId;
use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use roaring::RoaringTreemap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers in a chunk: 8 KiB.
const CHUNK: u64 = 1 << 16;

const WORDS: usize = (CHUNK / 64) as usize;

/// The points that are alive. Changes are atomic each by itself.
#[derive(Debug, Default)]
pub(crate) struct Alive {
    table: ArcSwap<Table>,
    /// Held by who changes the table.
    growing: Mutex<()>,
    len: AtomicU64,
}

/// The chunks there are, from that of the number `first * CHUNK` on; none where all are dead.
#[derive(Debug, Default)]
pub(crate) struct Table {
    first: u64,
    chunks: Vec<Option<Arc<Chunk>>>,
}

#[derive(Debug)]
struct Chunk {
    words: [AtomicU64; WORDS],
}

impl Alive {
    /// Those with these numbers.
    pub(crate) fn of(numbers: &RoaringTreemap) -> Alive {
        let chunks = match (numbers.min(), numbers.max()) {
            (Some(first), Some(last)) => first / CHUNK..last / CHUNK + 1,
            _ => 0..0,
        };
        let table = Table {
            first: chunks.start,
            chunks: chunks.map(|chunk| Chunk::of(numbers, chunk)).collect(),
        };
        Alive {
            table: ArcSwap::from_pointee(table),
            growing: Mutex::default(),
            len: AtomicU64::new(numbers.len()),
        }
    }

    /// For many questions, one after the other: the answers are those of the moment in which they are asked, but for points whose numbers
    /// are larger than all that there were when this was called. These are dead.
    pub(crate) fn table(&self) -> Guard<Arc<Table>> {
        self.table.load()
    }

    /// Adds points, whose numbers are near to each other.
    pub(crate) fn insert(&self, points: &[PointId]) {
        let chunks = || points.iter().map(|point| point.0 / CHUNK);
        let (Some(first), Some(last)) = (chunks().min(), chunks().max()) else {
            return;
        };
        let _growing = self.growing.lock();
        let mut table = self.table.load_full();
        if !table.covers(first, last) {
            table = Arc::new(table.grown(first, last));
            self.table.store(Arc::clone(&table));
        }
        let is_new = |&&point: &&PointId| {
            let word = table.word(point.0);
            word.is_some_and(|word| word.fetch_or(bit(point), Ordering::AcqRel) & bit(point) == 0)
        };
        let new = points.iter().filter(is_new).count();
        self.len.fetch_add(new as u64, Ordering::AcqRel);
    }

    /// Takes a point out. False when it is not here.
    pub(crate) fn remove(&self, point: PointId) -> bool {
        // A chunk that goes meanwhile has nobody alive, and so none whom this could take out.
        let table = self.table();
        let word = table.word(point.0);
        let removed = word
            .is_some_and(|word| word.fetch_and(!bit(point), Ordering::AcqRel) & bit(point) != 0);
        self.len.fetch_sub(u64::from(removed), Ordering::AcqRel);
        removed
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let table = self.table();
        let chunks = table.chunks.iter().flatten().count();
        chunks * size_of::<Chunk>() + size_of_val(&table.chunks[..])
    }
}

/// Where a point is in its word.
fn bit(point: PointId) -> u64 {
    1 << (point.0 % 64)
}

impl Table {
    /// Whether a point is alive.
    pub(crate) fn contains(&self, point: PointId) -> bool {
        let word = self.word(point.0);
        word.is_some_and(|word| word.load(Ordering::Relaxed) & bit(point) != 0)
    }

    fn word(&self, number: u64) -> Option<&AtomicU64> {
        let place = (number / CHUNK).checked_sub(self.first)?;
        let chunk = self.chunks.get(usize::try_from(place).ok()?)?.as_ref()?;
        Some(&chunk.words[(number % CHUNK / 64) as usize])
    }

    /// Whether there are all chunks from `first` to `last`.
    fn covers(&self, first: u64, last: u64) -> bool {
        (first..=last).all(|chunk| self.word(chunk * CHUNK).is_some())
    }

    /// With chunks from `first` to `last`, and without those in which all are dead.
    fn grown(&self, first: u64, last: u64) -> Table {
        let kept = |number: u64| {
            let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
            let chunk = self.chunks.get(place)?.as_ref()?;
            (!chunk.is_empty()).then(|| Arc::clone(chunk))
        };
        let end = (self.first + self.chunks.len() as u64).max(last + 1);
        let begin = (self.first..end).find(|&number| kept(number).is_some());
        let begin = begin.unwrap_or(first).min(first);
        let chunk = |number| match kept(number) {
            None if (first..=last).contains(&number) => Some(Arc::new(Chunk::default())),
            kept => kept,
        };
        Table {
            first: begin,
            chunks: (begin..end).map(chunk).collect(),
        }
    }
}

impl Default for Chunk {
    fn default() -> Chunk {
        Chunk {
            words: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Chunk {
    /// The chunk of that number; none if no number is there.
    fn of(numbers: &RoaringTreemap, chunk: u64) -> Option<Arc<Chunk>> {
        let all = chunk * CHUNK..(chunk + 1) * CHUNK;
        // Most are full in a collection without deletions, which is to open in milliseconds.
        if numbers.contains_range(all.clone()) {
            let words = std::array::from_fn(|_| AtomicU64::new(u64::MAX));
            return Some(Arc::new(Chunk { words }));
        }
        let mut there = numbers.iter();
        there.advance_to(all.start);
        let mut there = there.take_while(|&number| number < all.end).peekable();
        there.peek()?;
        let mut words = [0; WORDS];
        there.for_each(|number| words[(number % CHUNK / 64) as usize] |= 1u64 << (number % 64));
        Some(Arc::new(Chunk {
            words: words.map(AtomicU64::new),
        }))
    }

    fn is_empty(&self) -> bool {
        let mut words = self.words.iter();
        words.all(|word| word.load(Ordering::Acquire) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastrand::Rng;
    use std::collections::BTreeSet;

    #[test]
    fn it_is_a_set_of_points_that_come_in_order() {
        let seed = 7;
        println!("seed {seed}");
        let mut random = Rng::with_seed(seed);
        let (mut alive, mut model) = (Alive::default(), BTreeSet::new());
        let mut next = 5 * CHUNK - 9;
        for _ in 0..200 {
            let count = random.u64(0..CHUNK / 4);
            next += random.u64(0..3) * random.u64(0..CHUNK);
            let new: Vec<PointId> = (next..next + count).map(PointId).collect();
            next += count;
            alive.insert(&new);
            model.extend(new);
            // The oldest go; now and then nearly all.
            let kept = random.usize(1..100_000);
            while model.len() > kept {
                let point = model.pop_first().unwrap();
                assert!(alive.remove(point) && !alive.remove(point));
            }
            if random.u8(..) < 40 {
                let numbers: RoaringTreemap = model.iter().map(|point| point.0).collect();
                alive = Alive::of(&numbers);
            }
            assert_eq!(alive.len(), model.len() as u64);
            let table = alive.table();
            let from = model
                .first()
                .map_or(0, |first| first.0.saturating_sub(CHUNK));
            for _ in 0..1_000 {
                let point = PointId(random.u64(from..next + CHUNK));
                assert_eq!(table.contains(point), model.contains(&point), "{point:?}");
            }
            assert!(!table.contains(PointId(0)));
            assert!(
                model
                    .iter()
                    .step_by(101)
                    .all(|&point| table.contains(point))
            );
        }
        let chunks = alive.table().chunks.iter().flatten().count();
        assert!(
            chunks <= 8,
            "chunks of which all are dead have gone: {chunks}"
        );
    }

    #[test]
    fn who_asks_sees_points_die_and_those_come_that_have_a_place() {
        let alive = Alive::default();
        alive.insert(&[PointId(1), PointId(3)]);
        let table = alive.table();
        alive.insert(&[PointId(5)]);
        alive.insert(&[PointId(CHUNK)]);
        assert!(alive.remove(PointId(3)));
        let seen: Vec<u64> = (0..=CHUNK)
            .filter(|&n| table.contains(PointId(n)))
            .collect();
        assert_eq!(seen, [1, 5]);
        assert!(alive.table().contains(PointId(CHUNK)));
        assert_eq!(alive.len(), 3);
    }
}
