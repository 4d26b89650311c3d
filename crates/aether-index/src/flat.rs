//! Exact search: every vector as given, compared one by one.
//!
//! Vectors stand in chunks, in the order in which they came. A search takes the list of chunks as it is and scans them
//! without a lock that writers need. A chunk that is emptied goes away; one that is half empty is copied together.

use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use aether_distance::{DIM_MAX, ElementType, Kernels, Metric, Query, VectorRef};
use half::f16;
use parking_lot::RwLock;

use crate::memory::{Constants, NO_SLOT, Node, NodeLayout, Nodes, State};
use crate::{Candidate, Error, PointId, Result};

/// Vectors in a chunk: what fills the first four blocks of its memory.
const CHUNK_VECTORS: u32 = 960;

/// Vectors that are all compared. Safe to use from many threads at once; writers wait for each other only.
#[derive(Debug)]
pub struct Flat {
    dim: usize,
    metric: Metric,
    element: ElementType,
    kernels: Kernels,
    contents: RwLock<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    /// Oldest first; the last one is being filled.
    chunks: Vec<Arc<Chunk>>,
    places: HashMap<PointId, (Arc<Chunk>, u32), BuildHasherDefault<PointHasher>>,
}

/// Numbers of points are given one after the other: multiplied by an odd number they are spread well enough.
#[derive(Debug, Default)]
struct PointHasher(u64);

impl Hasher for PointHasher {
    fn write_u64(&mut self, number: u64) {
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a point is one number")
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Debug)]
struct Chunk {
    nodes: Nodes,
    live: AtomicU32,
}

impl Flat {
    /// An empty index.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when `dim` is 0 or above [`DIM_MAX`].
    pub fn new(dim: usize, metric: Metric, element: ElementType) -> Result<Flat> {
        if !(1..=DIM_MAX).contains(&dim) {
            return Err(Error::invalid(format!(
                "dimension is {dim}, but must be 1 to {DIM_MAX}"
            )));
        }
        Ok(Flat {
            dim,
            metric,
            element,
            kernels: Kernels::detect(),
            contents: RwLock::default(),
        })
    }

    /// Adds a point, searchable on return; false when it is here already.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when dimension or element type differ from the index's,
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when there is no memory.
    pub fn insert(&self, point: PointId, vector: VectorRef<'_>) -> Result<bool> {
        self.check_dim(vector.dim())?;
        if vector.element() != self.element {
            let (given, own) = (vector.element(), self.element);
            return Err(Error::invalid(format!(
                "a vector of {given} for an index of {own}"
            )));
        }
        let mut contents = self.contents.write();
        if contents.places.contains_key(&point) {
            return Ok(false);
        }
        let chunk = match contents
            .chunks
            .last()
            .filter(|chunk| chunk.nodes.bound() < CHUNK_VECTORS)
        {
            Some(chunk) => chunk.clone(),
            None => {
                let chunk = Arc::new(self.new_chunk());
                contents.chunks.push(chunk.clone());
                chunk
            }
        };
        let slot = chunk.add(point, bytes_of(&vector))?;
        contents.places.insert(point, (chunk, slot));
        Ok(true)
    }

    /// Forgets a point; false when it is not here.
    pub fn remove(&self, point: PointId) -> bool {
        let mut contents = self.contents.write();
        let Some((chunk, slot)) = contents.places.remove(&point) else {
            return false;
        };
        if let Some(node) = chunk.nodes.read().node(slot) {
            node.kill();
        }
        let live = chunk.live.fetch_sub(1, Relaxed) - 1;
        if live == 0 {
            contents.chunks.retain(|other| !Arc::ptr_eq(other, &chunk));
        } else if live * 2 < chunk.nodes.bound() && chunk.nodes.bound() >= CHUNK_VECTORS / 2 {
            self.shrink(&mut contents, &chunk);
        }
        true
    }

    /// Puts a chunk without dead vectors in the place of one with many. Searches see one of the two, never both.
    fn shrink(&self, contents: &mut Contents, sparse: &Arc<Chunk>) {
        let dense = Arc::new(self.new_chunk());
        let reader = sparse.nodes.read();
        let nodes = (0..sparse.nodes.bound()).filter_map(|slot| reader.node(slot));
        let mut places = Vec::new();
        for node in nodes.filter(|node| node.state() == State::LIVE) {
            let point = PointId(node.id());
            match dense.add(point, node.codes()) {
                Ok(slot) => places.push((point, (dense.clone(), slot))),
                Err(_) => return, // no memory: the sparse chunk stays, which is only larger than it need be
            }
        }
        contents.places.extend(places);
        for chunk in contents
            .chunks
            .iter_mut()
            .filter(|chunk| Arc::ptr_eq(chunk, sparse))
        {
            *chunk = dense.clone();
        }
    }

    /// The nearest points, nearest first; fewer than `k` when no more are here and `allowed`.
    ///
    /// `query`: `dim` floats, not normalized. Exact, but for the rounding of sums of floats. `allowed` is asked only
    /// about points that are near enough, and must not change this index.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the dimension differs.
    pub fn search(
        &self,
        query: &[f32],
        k: usize,
        allowed: impl Fn(PointId) -> bool,
    ) -> Result<Vec<Candidate>> {
        self.check_dim(query.len())?;
        let chunks = self.contents.read().chunks.clone();
        let query = Query::new(self.kernels, self.metric, query);
        let mut nearest = BinaryHeap::new();
        for chunk in chunks.iter().filter(|_| k > 0) {
            self.scan(chunk, &query, k, &allowed, &mut nearest);
        }
        Ok(nearest.into_sorted_vec())
    }

    /// Adds what a chunk has to the `k` nearest so far.
    fn scan(
        &self,
        chunk: &Chunk,
        query: &Query<'_>,
        k: usize,
        allowed: &impl Fn(PointId) -> bool,
        nearest: &mut BinaryHeap<Candidate>,
    ) {
        let reader = chunk.nodes.read();
        let nodes = (0..chunk.nodes.bound()).filter_map(|slot| reader.node(slot));
        for node in nodes.filter(|node| node.state() == State::LIVE) {
            let Some(vector) = self.vector(&node) else {
                continue;
            };
            let candidate = Candidate {
                point: PointId(node.id()),
                distance: query.distance(vector),
            };
            let is_near =
                nearest.len() < k || nearest.peek().is_some_and(|farthest| candidate < *farthest);
            if is_near && allowed(candidate.point) {
                if nearest.len() == k {
                    nearest.pop();
                }
                nearest.push(candidate);
            }
        }
    }

    /// Calls `read` with the vector of a point, if it is here.
    pub fn get<R>(&self, point: PointId, read: impl FnOnce(VectorRef<'_>) -> R) -> Option<R> {
        let (chunk, slot) = self.contents.read().places.get(&point).cloned()?;
        let reader = chunk.nodes.read();
        let node = reader.node(slot)?;
        Some(read(self.vector(&node)?))
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

    /// Components of each vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Bytes that vectors and ids take.
    pub fn memory_bytes(&self) -> usize {
        let contents = self.contents.read();
        let chunks: usize = contents
            .chunks
            .iter()
            .map(|chunk| chunk.nodes.memory_bytes())
            .sum();
        chunks + contents.places.capacity() * size_of::<(PointId, (Arc<Chunk>, u32))>()
    }

    /// All points, in no order.
    pub fn points(&self) -> Vec<PointId> {
        self.contents.read().places.keys().copied().collect()
    }

    fn new_chunk(&self) -> Chunk {
        let layout = NodeLayout {
            links: 0,
            codes: self.dim * self.element.bytes(),
            fine: 0,
        };
        Chunk {
            nodes: Nodes::new(layout),
            live: AtomicU32::new(0),
        }
    }

    /// The vector of a node. Records start on multiples of 8, so components are aligned.
    fn vector<'a>(&self, node: &Node<'a>) -> Option<VectorRef<'a>> {
        let bytes = node.codes();
        Some(match self.element {
            ElementType::F32 => VectorRef::F32(bytemuck::try_cast_slice(bytes).ok()?),
            ElementType::F16 => VectorRef::F16(bytemuck::try_cast_slice::<u8, f16>(bytes).ok()?),
            ElementType::U8 => VectorRef::U8(bytes),
        })
    }

    fn check_dim(&self, dim: usize) -> Result<()> {
        if dim != self.dim {
            let own = self.dim;
            return Err(Error::invalid(format!(
                "a vector of {dim} components for an index of {own}"
            )));
        }
        Ok(())
    }
}

impl Chunk {
    fn add(&self, point: PointId, bytes: &[u8]) -> Result<u32> {
        let mut claim = self.nodes.claim()?;
        claim.codes_mut().0.copy_from_slice(bytes);
        self.live.fetch_add(1, Relaxed);
        Ok(claim.publish(point.0, Constants::default(), NO_SLOT))
    }
}

fn bytes_of<'a>(vector: &VectorRef<'a>) -> &'a [u8] {
    match *vector {
        VectorRef::F32(vector) => bytemuck::cast_slice(vector),
        VectorRef::F16(vector) => bytemuck::cast_slice(vector),
        VectorRef::U8(vector) => vector,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point_of(flat: &Flat, query: f32) -> Vec<u64> {
        flat.search(&[query], 3, |_| true)
            .unwrap()
            .iter()
            .map(|found| found.point.0)
            .collect()
    }

    #[test]
    #[cfg_attr(miri, ignore = "slow")]
    fn finds_the_nearest_while_points_come_and_go() {
        let flat = Flat::new(1, Metric::L2Squared, ElementType::F32).unwrap();
        for i in 0..5000_u64 {
            assert!(
                flat.insert(PointId(i), VectorRef::F32(&[i as f32]))
                    .unwrap()
            );
        }
        assert!(!flat.insert(PointId(7), VectorRef::F32(&[0.0])).unwrap());
        assert_eq!(point_of(&flat, 2500.2), [2500, 2501, 2499]);
        for i in (0..5000).filter(|i| i % 3 != 0) {
            assert!(flat.remove(PointId(i)) && !flat.remove(PointId(i)));
        }
        assert_eq!(point_of(&flat, 2500.2), [2499, 2502, 2496]);
        assert_eq!(flat.len(), 1667);
        assert_eq!(
            flat.get(PointId(4998), |vector| vector == VectorRef::F32(&[4998.0])),
            Some(true)
        );
        assert_eq!(flat.get(PointId(4999), |_| ()), None);
        let full = flat.memory_bytes();
        for i in (0..4990).step_by(3) {
            assert!(flat.remove(PointId(i)));
        }
        assert_eq!(point_of(&flat, 0.0), [4992, 4995, 4998]);
        assert!(flat.memory_bytes() < full);
        let even = flat.search(&[0.0], 10, |point| point.0 % 2 == 0).unwrap();
        assert_eq!(
            even.iter().map(|found| found.point.0).collect::<Vec<_>>(),
            [4992, 4998]
        );
    }

    #[test]
    fn refuses_what_does_not_fit() {
        assert!(Flat::new(0, Metric::Cosine, ElementType::F32).is_err());
        let flat = Flat::new(2, Metric::Cosine, ElementType::F16).unwrap();
        assert!(
            flat.insert(PointId(1), VectorRef::F32(&[1.0, 2.0]))
                .is_err()
        );
        assert!(
            flat.insert(PointId(1), VectorRef::F16(&[f16::ONE]))
                .is_err()
        );
        assert!(flat.search(&[1.0], 1, |_| true).is_err());
        assert!(flat.search(&[1.0, 1.0], 0, |_| true).unwrap().is_empty());
        assert!(flat.is_empty());
    }
}
