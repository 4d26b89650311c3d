//! Candidates for links: the points of the buckets around, first by codes of one bit, then by coarse codes.

use aether_distance::{BLOCK_CODES, VectorRef, dot_products};

use super::layer::{Layer, Part};
use crate::hnsw::code::Probe;
use crate::hnsw::graph::Graph;
use crate::hnsw::scratch::pack;
use crate::ivf::{Bucket, Near, Pool, Space};
use crate::memory::{Node, Reader};
use crate::quantize::QueryTable;

/// Buckets that are looked into first, nearest ones: what they hold keeps most of the others' points out of the pool.
const FIRST: usize = 8;

/// Of the points that are nearest by codes of one bit, the share that is nearest by coarse codes: as good candidates as all
/// of them, at half the time of selecting.
const KEPT: (usize, usize) = (3, 5);

/// Working memory of a thread that looks for candidates.
#[derive(Default)]
pub(super) struct Finder {
    floats: Vec<f32>,
    /// The members of a part, rotated.
    rows: Vec<f32>,
    /// Row by row, the centroids of the parts around.
    centroids: Vec<f32>,
    /// Of each row with each of these.
    products: Vec<f32>,
    /// Buckets to look into: the squared distance of the centroid, and which.
    buckets: Vec<(f32, u32)>,
    table: QueryTable,
    pool: Pool,
    slots: Vec<u32>,
    probe: Probe,
    candidates: Vec<u64>,
}

impl Finder {
    /// Gets ready for the members of a part, whose vectors these are.
    pub(super) fn begin<'v>(
        &mut self,
        space: &Space,
        layer: &Layer,
        part: Part<'_>,
        vectors: impl Iterator<Item = VectorRef<'v>>,
    ) {
        self.rows.clear();
        for vector in vectors {
            space.place(vector, &mut self.floats, &mut self.rows);
        }
        self.centroids.clear();
        for &around in part.around {
            let centroid = layer.parts.centroids.row(around as usize);
            self.centroids.extend_from_slice(centroid);
        }
        let pairs = part.members.len() * part.around.len();
        self.products.resize(pairs, 0.0);
        dot_products(
            &self.rows,
            &self.centroids,
            space.width(),
            &mut self.products,
        );
    }

    /// Compares member `member` of the part, stored in `slot`, with the points of the buckets nearest to it, and keeps the
    /// `count` nearest by estimates.
    pub(super) fn estimate(
        &mut self,
        space: &Space,
        layer: &Layer,
        part: Part<'_>,
        (member, slot): (usize, u32),
        count: usize,
    ) {
        let row = &self.rows[member * space.width()..][..space.width()];
        let square = space.kernels.dot_f32(row, row);
        let products = &self.products[member * part.around.len()..];
        self.buckets.clear();
        let around = part.around.iter().zip(products);
        self.buckets.extend(around.map(|(&bucket, product)| {
            let half = layer.parts.centroids.half_square(bucket as usize);
            (square + 2.0 * (half - product), bucket)
        }));
        move_nearest(&mut self.buckets, layer.compared);
        self.buckets.truncate(layer.compared);
        move_nearest(&mut self.buckets, FIRST);
        self.table.prepare(space.kernels, row);
        self.pool.reset(count);
        for &(base, bucket) in &self.buckets {
            self.table.set_base(base);
            scan(
                &layer.buckets[bucket as usize],
                slot,
                &self.table,
                &mut self.pool,
            );
        }
        self.pool.tighten();
        let nearest = self.pool.split(self.pool.len()).0;
        self.slots.clear();
        self.slots.extend(nearest.iter().map(|near| near.slot()));
    }

    /// The best of what was kept, sorted by their distance from `node`.
    pub(super) fn candidates(
        &mut self,
        graph: &Graph,
        reader: &Reader<'_>,
        node: &Node<'_>,
    ) -> &[u64] {
        for &slot in &self.slots {
            reader.prefetch_codes(slot);
        }
        graph.codec.probe_node(node, &mut self.probe);
        self.candidates.clear();
        graph.score(reader, &self.probe, &self.slots, |key, near| {
            self.candidates.push(pack(key, near.slot()));
        });
        let kept = (self.candidates.len() * KEPT.0).div_ceil(KEPT.1);
        if kept < self.candidates.len() {
            self.candidates.select_nth_unstable(kept);
            self.candidates.truncate(kept);
        }
        self.candidates.sort_unstable();
        &self.candidates
    }
}

/// Adds the points of a bucket to the pool, but for the one in slot `except`.
#[inline]
fn scan(bucket: &Bucket, except: u32, table: &QueryTable, pool: &mut Pool) {
    let mut estimates = [0.0; BLOCK_CODES];
    for block in bucket.blocks() {
        let bound = pool.bound();
        let mut near = table.estimate32(block.codes, block.factors, bound, &mut estimates);
        while near != 0 {
            let lane = near.trailing_zeros() as usize;
            near &= near - 1;
            if block.slots[lane] != except {
                pool.push(Near::new(estimates[lane], 0.0, block.slots[lane]));
            }
        }
    }
    pool.tighten_once();
}

/// Moves the `count` nearest to the front.
fn move_nearest(buckets: &mut [(f32, u32)], count: usize) {
    if (1..buckets.len()).contains(&count) {
        buckets.select_nth_unstable_by(count - 1, |a, b| a.0.total_cmp(&b.0));
    }
}
