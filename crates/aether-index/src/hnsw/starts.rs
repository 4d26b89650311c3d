//! Where searches begin: sketches of some thousand nodes, side by side in memory.
//!
//! A descent through the upper layers waits for memory at each of its ten hops or so, which took a fifth of a search at low
//! effort. Instead the [sketch](aether_distance::SketchBlock) of the query is compared with all those here, a few cycles each;
//! the best of each column are compared by their codes, and from the nearest the descent goes on, if there are layers below with more nodes. No answer depends on
//! which node that is, only how long the walk takes; so what is kept of a node may be rough, and is never repaired.
//!
//! Which nodes: those whose random number, the one that [levels](super::Hnsw::level_for) come from, is small: one in `m` as long as these are
//! fewer than [`STARTS_MAX`], then one in twice as many whenever they are not.

use aether_distance::{Kernels, Metric, SKETCH_COLUMNS, SKETCH_DIMS, SketchBlock};
use parking_lot::RwLock;

use super::HnswParams;
use super::code::{Key, Probe};
use super::graph::{Graph, LEVEL_MAX};
use crate::memory::{Node, Reader};
use crate::points::mix;

/// Nodes of which sketches are kept: they fit the second cache, and are compared in less than a microsecond.
pub(super) const STARTS_MAX: usize = 4096;

/// Fewer are found faster by a descent.
const STARTS_MIN: usize = 4 * SKETCH_COLUMNS;

/// One in so many of the nodes that should be here may suffice: those of older checkpoints are not.
const SHARE_MIN: u64 = 4;

/// Bytes of one in a checkpoint.
pub(super) const START_BYTES: usize = 8 + SKETCH_DIMS;

/// The byte that stands for 0, and the greatest one.
const ZERO: u8 = 64;
const CODE_MAX: u8 = 127;

/// What a difference of 1 between bytes is worth, in means of components without their signs: bytes reach 4.4 of them, 3.5 standard
/// deviations if components are normally distributed.
const STEP_MEANS: f32 = 4.4 / (CODE_MAX - ZERO) as f32;

/// What a vector is projected to.
type Sketch = [f32; SKETCH_DIMS];

/// Nodes near one of which a search may begin.
#[derive(Debug)]
pub(super) struct Starts {
    projection: Projection,
    table: RwLock<Table>,
}

/// Sums of components with signs: component `i` goes into sum `i % 16`.
#[derive(Debug)]
struct Projection {
    signs: Vec<i8>,
    /// The projection of a vector of ones.
    ones: Sketch,
}

/// Start `i` is in column `i % 16` of block `i / 16`.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    /// Ranks up to this one are here.
    pub(super) limit: u32,
    /// What a difference of 1 between bytes is worth; 0 as long as all sketches are 0.
    pub(super) step: f32,
    slots: Vec<u32>,
    ranks: Vec<u32>,
    blocks: Vec<SketchBlock>,
    seen: Sizes,
}

/// How large the components of some sketches are, without their signs.
#[derive(Debug, Clone, Copy, Default)]
struct Sizes {
    sum: f64,
    count: u32,
}

impl Starts {
    pub(super) fn new(dim: usize, params: HnswParams, table: Option<Table>) -> Starts {
        Starts {
            projection: Projection::new(dim),
            table: RwLock::new(
                table.unwrap_or_else(|| Table::new(u32::MAX / u32::from(params.m), 0.0)),
            ),
        }
    }

    /// For a checkpoint.
    pub(super) fn table(&self) -> Table {
        self.table.read().clone()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.table.read().blocks.len() * size_of::<SketchBlock>()
    }

    /// Forgets a node whose slot is freed.
    pub(super) fn remove(&self, slot: u32) {
        self.table.write().remove(slot);
    }
}

impl Graph {
    /// Makes a node that is linked one of those where searches begin, if its rank is low. Not for inner products, which sketches say
    /// little about.
    pub(super) fn add_start(&self, node: &Node<'_>, rank: u32, probe: &Probe) {
        let Starts { projection, table } = &self.starts;
        if self.codec.metric != Metric::InnerProduct && rank <= table.read().limit {
            let sketch = projection.of(self.codec.kernels, probe);
            table.write().add(node.slot(), rank, &sketch);
        }
    }

    /// A node that is near the probe, and the highest layer where there may be nearer ones; none if too few nodes are known, or none of
    /// those found is there any more.
    pub(super) fn start<'r>(
        &self,
        reader: &'r Reader<'_>,
        probe: &Probe,
        batch: &mut Vec<u32>,
    ) -> Option<((Key, Node<'r>), u32)> {
        let Starts { projection, table } = &self.starts;
        let top = {
            let table = table.read();
            if !table.is_useful(self.nodes.bound()) {
                return None;
            }
            let sketch = projection.of(self.codec.kernels, probe);
            table.find(self.codec.kernels, &sketch, batch);
            table.top(self.params)
        };
        for &slot in batch.iter() {
            reader.prefetch_codes(slot);
        }
        let mut best: Option<(Key, Node<'r>)> = None;
        self.score(reader, probe, batch, |key, node| {
            if best.is_none_or(|(least, _)| key < least) {
                best = Some((key, node));
            }
        });
        best.map(|best| (best, top))
    }
}

impl Projection {
    fn new(dim: usize) -> Projection {
        let sign = |i| if mix(i) & 1 == 0 { 1 } else { -1 };
        let signs: Vec<i8> = (0..dim as u64).map(sign).collect();
        let ones = Kernels::scalar().signed_sums(&vec![1; dim], &signs);
        Projection {
            signs,
            ones: ones.map(|sum| sum as f32),
        }
    }

    fn of(&self, kernels: Kernels, probe: &Probe) -> Sketch {
        let (steps, offset, step) = probe.components(self.signs.len());
        let sums = kernels.signed_sums(steps, &self.signs);
        std::array::from_fn(|i| offset * self.ones[i] + step * sums[i] as f32)
    }
}

impl Table {
    /// A table up to this rank, for [`read`](Table::read).
    pub(super) fn new(limit: u32, step: f32) -> Table {
        Table {
            limit,
            step,
            ..Table::default()
        }
    }

    fn len(&self) -> usize {
        self.slots.len()
    }

    /// One more of a checkpoint, from its bytes there.
    pub(super) fn read(&mut self, bytes: &[u8; START_BYTES]) {
        let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let code = std::array::from_fn(|i| bytes[8 + i]);
        self.put(number(0), number(4), code);
    }

    /// For a checkpoint, with other numbers for the slots; those without one are left out.
    pub(super) fn write(&self, number: impl Fn(u32) -> Option<u32>) -> Vec<[u8; START_BYTES]> {
        let starts = (0..self.len()).filter_map(|i| {
            let mut bytes = [0; START_BYTES];
            bytes[..4].copy_from_slice(&number(self.slots[i])?.to_le_bytes());
            bytes[4..8].copy_from_slice(&self.ranks[i].to_le_bytes());
            bytes[8..].copy_from_slice(&self.code(i));
            Some(bytes)
        });
        starts.collect()
    }

    fn put(&mut self, slot: u32, rank: u32, code: [u8; SKETCH_DIMS]) {
        self.slots.push(slot);
        self.ranks.push(rank);
        self.blocks
            .resize_with(self.len().div_ceil(SKETCH_COLUMNS), SketchBlock::default);
        self.set_code(self.len() - 1, code);
    }

    fn is_useful(&self, bound: u32) -> bool {
        let expected = (u64::from(bound) * u64::from(self.limit)) >> 32;
        self.len() >= STARTS_MIN && self.len() as u64 * SHARE_MIN >= expected
    }

    /// The highest layer with more nodes than are here, which all are in it.
    fn top(&self, params: HnswParams) -> u32 {
        let one_in = u32::MAX / self.limit.max(1);
        let m = u32::from(params.m);
        (1..=LEVEL_MAX)
            .take_while(|&layer| m.checked_pow(layer).is_some_and(|nodes| nodes < one_in))
            .last()
            .unwrap_or(0)
    }

    /// The slots of the nearest of each column.
    fn find(&self, kernels: Kernels, sketch: &Sketch, slots: &mut Vec<u32>) {
        let per_unit = self.per_unit();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a cast of floats saturates"
        )]
        let query = sketch.map(|x| (x * per_unit).round() as i8);
        let blocks = kernels.best_sketches(&self.blocks, &query);
        let best = (0..).zip(blocks);
        let best = best.map(|(column, block)| block as usize * SKETCH_COLUMNS + column);
        slots.clear();
        slots.extend(best.filter_map(|i| self.slots.get(i)));
    }

    fn add(&mut self, slot: u32, rank: u32, sketch: &Sketch) {
        if rank > self.limit {
            return;
        }
        self.seen.add(sketch);
        if self.step == 0.0 || (self.len() + 1).is_power_of_two() {
            self.measure();
        }
        self.put(slot, rank, encode(sketch, self.per_unit()));
        while self.len() >= STARTS_MAX && self.limit > 0 {
            self.limit /= 2;
            self.rebuild(self.step);
        }
    }

    fn remove(&mut self, slot: u32) {
        let Some(at) = self.slots.iter().position(|&other| other == slot) else {
            return;
        };
        let last = self.len() - 1;
        self.set_code(at, self.code(last));
        self.slots.swap_remove(at);
        self.ranks.swap_remove(at);
        self.blocks[last / SKETCH_COLUMNS].clear(last % SKETCH_COLUMNS);
        self.blocks.truncate(self.len().div_ceil(SKETCH_COLUMNS));
    }

    /// Lets bytes reach as far as the sketches did that came since the last time.
    fn measure(&mut self) {
        let step = STEP_MEANS * self.seen.mean();
        if step > 0.0 {
            self.rebuild(step);
        }
    }

    /// The same with another step, and without those of too high a rank.
    fn rebuild(&mut self, step: f32) {
        let mut new = Table::new(self.limit, step);
        for i in (0..self.len()).filter(|&i| self.ranks[i] <= self.limit) {
            let code = encode(&self.decode(i), new.per_unit());
            new.put(self.slots[i], self.ranks[i], code);
        }
        *self = new;
    }

    /// Sketches become bytes by multiplying with this.
    fn per_unit(&self) -> f32 {
        if self.step > 0.0 {
            self.step.recip()
        } else {
            0.0
        }
    }

    fn decode(&self, i: usize) -> Sketch {
        self.code(i)
            .map(|code| (f32::from(code) - f32::from(ZERO)) * self.step)
    }

    fn code(&self, i: usize) -> [u8; SKETCH_DIMS] {
        self.blocks[i / SKETCH_COLUMNS].get(i % SKETCH_COLUMNS)
    }

    /// The score is greatest for the nearest: `<q, x> - |x|² / 2`, but for what depends on the query only.
    fn set_code(&mut self, i: usize, code: [u8; SKETCH_DIMS]) {
        let square = code.map(|code| (i32::from(code) - i32::from(ZERO)).pow(2));
        let bias = -square.iter().sum::<i32>() / 2;
        self.blocks[i / SKETCH_COLUMNS].put(i % SKETCH_COLUMNS, code, bias);
    }
}

impl Sizes {
    fn add(&mut self, sketch: &Sketch) {
        let size: f32 = sketch.iter().map(|x| x.abs()).sum();
        if size.is_finite() {
            self.sum += f64::from(size);
            self.count += 1;
        }
    }

    /// 0 for none. Few that are much longer than all others hardly change it.
    #[expect(clippy::cast_possible_truncation, reason = "a mean of such numbers")]
    fn mean(&self) -> f32 {
        (self.sum / f64::from(self.count.max(1)) / SKETCH_DIMS as f64) as f32
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between the least and the greatest code, or NaN, which becomes 0"
)]
fn encode(sketch: &Sketch, per_unit: f32) -> [u8; SKETCH_DIMS] {
    sketch.map(|x| {
        (x * per_unit + f32::from(ZERO))
            .round()
            .clamp(0.0, f32::from(CODE_MAX)) as u8
    })
}

#[cfg(test)]
mod tests {
    use aether_distance::{ElementType, VectorRef};

    use super::*;
    use crate::hnsw::Hnsw;
    use crate::hnsw::code::Query;
    use crate::memory::NO_SLOT;
    use crate::{Image, PointId};

    fn sketch(random: &mut fastrand::Rng, scale: f32) -> Sketch {
        std::array::from_fn(|_| scale * (random.f32() - 0.5))
    }

    /// So many starts of random ranks, numbered from 0, and their sketches.
    fn table(count: u32, random: &mut fastrand::Rng) -> (Table, Vec<Sketch>) {
        let mut table = Table::new(u32::MAX / 2, 0.0);
        let sketches = (0..count).map(|slot| {
            let sketch = sketch(random, 8.0);
            table.add(slot, random.u32(..) / 2, &sketch);
            sketch
        });
        let sketches = sketches.collect();
        (table, sketches)
    }

    fn square(a: &Sketch, b: &Sketch) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
    }

    #[test]
    fn the_nearest_sketch_is_among_those_found() {
        let mut random = fastrand::Rng::with_seed(1);
        for count in [64, 100, 3000, 20_000] {
            let (mut table, sketches) = table(count, &mut random);
            assert!(table.len() < STARTS_MAX && table.ranks.iter().all(|&r| r <= table.limit));
            let mut found = Vec::new();
            for _ in 0..50 {
                let query = sketch(&mut random, 8.0);
                let distance = |slot: u32| square(&query, &sketches[slot as usize]);
                let nearest = table.slots.iter().copied().map(distance).reduce(f32::min);
                table.find(Kernels::detect(), &query, &mut found);
                let best = found.iter().copied().map(distance).reduce(f32::min);
                // Bytes round.
                assert!(best.unwrap().sqrt() < nearest.unwrap().sqrt() + 0.2);
                assert_eq!(found.len(), SKETCH_COLUMNS);
            }
            // What is removed is not found, down to the last one.
            for slot in 0..count {
                let query = sketches[slot as usize];
                table.remove(slot);
                table.find(Kernels::detect(), &query, &mut found);
                assert!(!found.contains(&slot));
            }
            assert!(table.len() == 0 && table.blocks.is_empty());
        }
    }

    #[test]
    fn bytes_follow_the_size_of_vectors() {
        let mut random = fastrand::Rng::with_seed(2);
        let mut table = Table::new(u32::MAX, 0.0);
        table.add(0, 0, &[0.0; SKETCH_DIMS]);
        assert_eq!(table.step, 0.0);
        for (slot, scale) in [(1, 1e-3), (2, 10.0)]
            .into_iter()
            .chain((3..600).map(|slot| (slot, 10.0)))
        {
            table.add(slot, 0, &sketch(&mut random, scale));
        }
        let expected = 2.5 * STEP_MEANS;
        assert!(
            (table.step / expected - 1.0).abs() < 0.05,
            "{} {expected}",
            table.step
        );
        table.add(600, 0, &[f32::INFINITY; SKETCH_DIMS]);
        table.add(601, 0, &[f32::NAN; SKETCH_DIMS]);
        table.find(Kernels::detect(), &[f32::NAN; SKETCH_DIMS], &mut Vec::new());
    }

    #[test]
    fn a_checkpoint_has_them_all() {
        let (table, _) = table(1000, &mut fastrand::Rng::with_seed(3));
        let mut read = Table::new(table.limit, table.step);
        for bytes in table.write(|slot| (slot != 7).then_some(slot + 1)) {
            read.read(&bytes);
        }
        assert_eq!(read.len(), table.len() - 1);
        let old = (0..table.len()).filter(|&i| table.slots[i] != 7);
        for (i, old) in old.enumerate() {
            assert_eq!(
                (read.slots[i], read.ranks[i]),
                (table.slots[old] + 1, table.ranks[old])
            );
            assert_eq!(read.code(i), table.code(old));
        }
    }

    #[test]
    fn a_descent_goes_on_in_layers_with_more_nodes() {
        let params = HnswParams {
            m: 24,
            ef_construction: 100,
        };
        let top = |one_in: u32| Table::new(u32::MAX / one_in, 1.0).top(params);
        assert_eq!(
            [24, 48, 575, 576, 1152, 20_000].map(top),
            [0, 1, 1, 1, 2, 3]
        );
        assert_eq!(Table::new(0, 1.0).top(params), 6);
    }

    /// A graph of random points in so many dimensions, one after the other.
    fn graph(points: u64, dim: usize, metric: Metric, random: &mut fastrand::Rng) -> Hnsw {
        let params = HnswParams {
            m: 8,
            ef_construction: 40,
        };
        let graph = Hnsw::new(dim, metric, ElementType::F32, params, 5).unwrap();
        for point in 0..points {
            let vector: Vec<f32> = (0..dim).map(|_| random.f32() - 0.5).collect();
            graph
                .insert(PointId(point), VectorRef::F32(&vector))
                .unwrap();
        }
        graph
    }

    #[test]
    fn searches_begin_near() {
        let mut random = fastrand::Rng::with_seed(4);
        for (metric, dim) in [(Metric::L2Squared, 24), (Metric::Cosine, 31)] {
            let hnsw = graph(4000, dim, metric, &mut random);
            let graph = &hnsw.graph;
            let reader = graph.nodes.read();
            let upper = (0..graph.nodes.bound()).filter_map(|slot| reader.node(slot));
            let upper: Vec<_> = upper.filter(|node| node.upper() != NO_SLOT).collect();
            assert!(upper.len().abs_diff(graph.starts.table().len()) < 3);
            let (mut query, mut batch) = (Query::default(), Vec::new());
            let mut ranks = 0;
            for _ in 0..100 {
                let vector: Vec<f32> = (0..dim).map(|_| random.f32() - 0.5).collect();
                graph.codec.query(&vector, &mut query);
                let ((key, _), top) = graph.start(&reader, &query.probe, &mut batch).unwrap();
                let keys = upper.iter().map(|node| graph.codec.key(&query.probe, node));
                ranks += keys.filter(|&other| other < key).count();
                assert_eq!(top, 0);
            }
            // Of some 500, by 16 of 24 dimensions or 31.
            assert!(ranks < 100 * 4, "{metric} {ranks}");
        }
    }

    #[test]
    fn they_come_and_go_with_the_points() {
        let mut random = fastrand::Rng::with_seed(6);
        let hnsw = graph(3000, 8, Metric::L2Squared, &mut random);
        let mut bytes = Vec::new();
        hnsw.write_checkpoint(&mut bytes).unwrap();
        let opened = Hnsw::open(Image::from(bytes)).unwrap();
        for hnsw in [&hnsw, &opened] {
            let before = hnsw.graph.starts.table();
            assert!(before.is_useful(hnsw.graph.nodes.bound()));
            for point in 0..2500 {
                hnsw.remove(PointId(point));
            }
            while !hnsw.consolidate(1000).unwrap().done {}
            let (table, reader) = (hnsw.graph.starts.table(), hnsw.graph.nodes.read());
            assert!((30..100).contains(&table.len()), "{}", table.len());
            assert!(table.slots.iter().all(|&slot| reader.node(slot).is_some()));
            assert!(!table.is_useful(hnsw.graph.nodes.bound()));
        }
        assert_eq!(
            hnsw.graph.starts.table().ranks.len(),
            opened.graph.starts.table().ranks.len()
        );
        let products = graph(2000, 8, Metric::InnerProduct, &mut random);
        assert_eq!(products.graph.starts.table().len(), 0);
    }
}
