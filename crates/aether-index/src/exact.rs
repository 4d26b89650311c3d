//! Exact search in vectors that are not single dense ones: every row that can be near is looked at.
//!
//! Rows stand in chunks, in the order in which they came. A search takes the list of chunks as it is, and locks one chunk
//! at a time; a writer waits for one chunk at most. A chunk that is emptied goes away; one that is half empty is copied
//! together. What a row is and how it is compared says a [`Rows`].

use std::collections::{BinaryHeap, HashMap};
use std::fmt::Debug;
use std::sync::Arc;

use aether_distance::Distance;
use parking_lot::RwLock;

use crate::{Candidate, PointId};

mod binary;
mod multi;
mod sparse;

pub use binary::BinaryRows;
pub use multi::{MultiQuery, MultiRows};
pub use sparse::{Frequencies, SparseRef, SparseRows};

/// Some rows of an [`Exact`] index: a kind of vector, and how it is compared with a query.
pub trait Rows: Debug + Send + Sync {
    /// A vector.
    type Vector<'a>: Copy;
    /// What vectors are compared with.
    type Query<'a>;
    /// Memory that one search uses for all chunks.
    type Scratch: Default;

    /// Rows in a chunk, at most.
    const CHUNK_ROWS: usize;
    /// Whether comparing costs more than asking whether a row is wanted.
    const COMPARING_IS_SLOW: bool;

    /// No rows, of the same kind.
    fn empty(&self) -> Self;

    /// Adds a row behind the others.
    fn push(&mut self, vector: Self::Vector<'_>);

    /// The rows with these numbers, which ascend, in this order.
    fn pick(&self, rows: &[usize]) -> Self;

    /// Tells `found` the number and the distance of each row that is near at all. Need not tell those that are not
    /// `wanted`.
    fn compare(
        &self,
        query: &Self::Query<'_>,
        scratch: &mut Self::Scratch,
        wanted: &dyn Fn(usize) -> bool,
        found: &mut dyn FnMut(usize, Distance),
    );

    /// Bytes that the rows take.
    fn memory_bytes(&self) -> usize;
}

/// Rows that are all compared. Safe to use from many threads at once.
#[derive(Debug)]
pub struct Exact<R> {
    none: R,
    contents: RwLock<Contents<R>>,
}

#[derive(Debug)]
struct Contents<R> {
    /// Oldest first; the last one is being filled.
    chunks: Vec<Arc<Chunk<R>>>,
    places: HashMap<PointId, (Arc<Chunk<R>>, usize)>,
}

#[derive(Debug)]
struct Chunk<R>(RwLock<Filled<R>>);

#[derive(Debug)]
struct Filled<R> {
    rows: R,
    /// The point of each row; `None` once it is removed.
    points: Vec<Option<PointId>>,
    live: usize,
}

impl<R: Rows> Exact<R> {
    /// An empty index of this kind of rows.
    pub fn new(none: R) -> Exact<R> {
        Exact {
            none,
            contents: RwLock::new(Contents {
                chunks: Vec::new(),
                places: HashMap::new(),
            }),
        }
    }

    /// Adds a point, searchable on return; false when it is here already.
    pub fn insert(&self, point: PointId, vector: R::Vector<'_>) -> bool {
        let mut contents = self.contents.write();
        if contents.places.contains_key(&point) {
            return false;
        }
        let last = contents.chunks.last();
        let chunk = match last.filter(|chunk| chunk.0.read().points.len() < R::CHUNK_ROWS) {
            Some(chunk) => Arc::clone(chunk),
            None => {
                let chunk = Arc::new(Chunk(RwLock::new(Filled::new(self.none.empty()))));
                contents.chunks.push(Arc::clone(&chunk));
                chunk
            }
        };
        let row = chunk.0.write().push(point, vector);
        contents.places.insert(point, (chunk, row));
        true
    }

    /// Forgets a point; false when it is not here.
    pub fn remove(&self, point: PointId) -> bool {
        let mut contents = self.contents.write();
        let Some((chunk, row)) = contents.places.remove(&point) else {
            return false;
        };
        let (live, rows) = chunk.0.write().remove(row);
        if live == 0 {
            contents.chunks.retain(|other| !Arc::ptr_eq(other, &chunk));
        } else if live * 2 < rows && rows == R::CHUNK_ROWS {
            contents.shrink(&chunk);
        }
        true
    }

    /// The nearest points, nearest first; fewer than `k` when no more are here, near at all and `allowed`, which must
    /// not change this index. Exact, but for the rounding of sums of floats.
    pub fn search(
        &self,
        query: &R::Query<'_>,
        k: usize,
        allowed: impl Fn(PointId) -> bool,
    ) -> Vec<Candidate> {
        let chunks = self.contents.read().chunks.clone();
        let mut scratch = R::Scratch::default();
        let mut nearest = BinaryHeap::new();
        for chunk in chunks.iter().filter(|_| k > 0) {
            let filled = chunk.0.read();
            filled.search(query, k, &allowed, &mut scratch, &mut nearest);
        }
        nearest.into_sorted_vec()
    }

    /// Whether the point is here.
    pub fn contains(&self, point: PointId) -> bool {
        self.contents.read().places.contains_key(&point)
    }

    /// Points here.
    pub fn len(&self) -> usize {
        self.contents.read().places.len()
    }

    /// True without points.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All points, in no order.
    pub fn points(&self) -> Vec<PointId> {
        self.contents.read().places.keys().copied().collect()
    }

    /// Bytes that vectors and ids take.
    pub fn memory_bytes(&self) -> usize {
        let contents = self.contents.read();
        let chunks = contents.chunks.iter().map(|chunk| {
            let filled = chunk.0.read();
            filled.rows.memory_bytes() + filled.points.capacity() * size_of::<Option<PointId>>()
        });
        chunks.sum::<usize>()
            + contents.places.capacity() * size_of::<(PointId, (Arc<Chunk<R>>, usize))>()
    }
}

impl<R: Rows> Contents<R> {
    /// Puts a chunk without removed rows in the place of one with many. Searches see one of the two, never both.
    fn shrink(&mut self, sparse: &Arc<Chunk<R>>) {
        let dense = Arc::new(Chunk(RwLock::new(sparse.0.read().without_removed())));
        for (row, point) in dense.0.read().points.iter().enumerate() {
            self.places
                .extend(point.map(|point| (point, (Arc::clone(&dense), row))));
        }
        let same = |chunk: &&mut Arc<Chunk<R>>| Arc::ptr_eq(chunk, sparse);
        for chunk in self.chunks.iter_mut().filter(same) {
            *chunk = Arc::clone(&dense);
        }
    }
}

impl<R: Rows> Filled<R> {
    fn new(rows: R) -> Filled<R> {
        Filled {
            rows,
            points: Vec::new(),
            live: 0,
        }
    }

    fn push(&mut self, point: PointId, vector: R::Vector<'_>) -> usize {
        self.rows.push(vector);
        self.points.push(Some(point));
        self.live += 1;
        self.points.len() - 1
    }

    /// Returns how many rows are left, and how many there are with the removed ones.
    fn remove(&mut self, row: usize) -> (usize, usize) {
        self.points[row] = None;
        self.live -= 1;
        (self.live, self.points.len())
    }

    fn without_removed(&self) -> Filled<R> {
        let rows: Vec<usize> = (0..self.points.len())
            .filter(|&row| self.points[row].is_some())
            .collect();
        Filled {
            rows: self.rows.pick(&rows),
            points: rows.iter().map(|&row| self.points[row]).collect(),
            live: rows.len(),
        }
    }

    /// Adds what is here to the `k` nearest so far.
    fn search(
        &self,
        query: &R::Query<'_>,
        k: usize,
        allowed: &impl Fn(PointId) -> bool,
        scratch: &mut R::Scratch,
        nearest: &mut BinaryHeap<Candidate>,
    ) {
        let wanted = |row: usize| self.points[row].is_some_and(allowed);
        self.rows
            .compare(query, scratch, &wanted, &mut |row, distance| {
                let Some(point) = self.points[row] else {
                    return;
                };
                let candidate = Candidate { point, distance };
                let is_near = nearest.len() < k
                    || nearest.peek().is_some_and(|farthest| candidate < *farthest);
                if is_near && (R::COMPARING_IS_SLOW || allowed(point)) {
                    if nearest.len() == k {
                        nearest.pop();
                    }
                    nearest.push(candidate);
                }
            });
    }
}

#[cfg(test)]
mod tests;
