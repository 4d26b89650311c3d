//! What an index does to itself: long buckets are split, dead points taken out, short buckets given up.

use super::bucket::Bucket;
use super::{Draft, Ivf};
use crate::hnsw::Consolidation;
use crate::kmeans::Centroids;
use crate::memory::Reader;
use crate::work::Work;
use crate::{PointId, Result};

/// Where the present pass through all buckets is, and what it has found.
#[derive(Debug, Default)]
pub(super) struct Pass {
    next: u32,
    /// Slots of dead points that are in no bucket any more.
    pub(super) taken: Vec<u32>,
}

impl Ivf {
    /// Makes two buckets of one that is too long: around two centroids of its points. Who calls holds `writer`.
    pub(super) fn split(&self, bucket: u32, reader: &Reader<'_>) -> Result<()> {
        let slots: Vec<u32> = {
            let directory = self.directory.read();
            let bucket = directory.bucket(bucket).read();
            bucket.slots().collect()
        };
        let mut draft = Draft::default();
        let mut rows = Vec::new();
        let placed: Vec<u32> = slots
            .into_iter()
            .filter(|&slot| self.place(slot, reader, &mut draft.floats, &mut rows))
            .collect();
        let width = self.space.width();
        let centroids = Centroids::fit(&rows, width, 2, self.seed, &Work::alone())?;
        let nearest = centroids.nearest(&rows);
        let mut halves = [Vec::new(), Vec::new()];
        for (&slot, &of) in placed.iter().zip(&nearest) {
            halves[of as usize & 1].push(slot);
        }
        let [mut first, mut second] = halves;
        // Points that are all alike cannot be told apart: any two halves are as good as others.
        if first.len().min(second.len()) < self.params.bucket_points_min().max(1) {
            first.append(&mut second);
            second = first.split_off(first.len() / 2);
        }
        let (old, old_spread) = self.bucket_of(centroids.row(0), &first, reader, &mut draft)?;
        let (new, new_spread) = self.bucket_of(centroids.row(1), &second, reader, &mut draft)?;
        let rows_of = |half: u32| -> Vec<f32> {
            let rows = rows.chunks_exact(width).zip(&nearest);
            rows.filter(|&(_, &of)| of == half)
                .flat_map(|(row, _)| row)
                .copied()
                .collect()
        };
        let mut directory = self.directory.write();
        directory.align(centroids.row(0), &rows_of(0), &rows_of(1));
        directory.push(&self.space, centroids.row(1), new_spread, new)?;
        directory.replace(&self.space, bucket, centroids.row(0), old_spread, old);
        self.version.change();
        Ok(())
    }

    /// One step of maintenance: takes the dead points out of buckets with about `budget` points in all, gives up buckets
    /// that are too short, and frees the slots of the dead, for later inserts, once it has been through all buckets.
    /// Searches and inserts go on meanwhile. Call until [`Consolidation::done`].
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when there is no memory.
    pub fn consolidate(&self, budget: usize) -> Result<Consolidation> {
        let mut pass = self.writer.lock();
        let mut looked_at = 0;
        while looked_at < budget {
            let length = {
                let directory = self.directory.read();
                if pass.next as usize >= directory.len() {
                    return Ok(self.free(&mut pass));
                }
                let mut bucket = directory.bucket(pass.next).write();
                looked_at += bucket.len().max(1);
                self.clean(&mut bucket, &mut pass.taken);
                bucket.len()
            };
            let several = self.buckets() > 1;
            if several && length < self.params.bucket_points_min() {
                self.give_up(pass.next)?;
            } else {
                pass.next += 1;
            }
        }
        Ok(Consolidation {
            freed: 0,
            done: false,
        })
    }

    fn clean(&self, bucket: &mut Bucket, taken: &mut Vec<u32>) {
        if bucket.slots().any(|slot| self.dead.contains(slot)) {
            bucket.remove(|slot| {
                let dead = self.dead.contains(slot);
                taken.extend(dead.then_some(slot));
                dead
            });
        }
    }

    /// Moves the points of a bucket into others, and the last bucket into its place.
    fn give_up(&self, bucket: u32) -> Result<()> {
        let reader = self.nodes.read();
        let mut draft = Draft::default();
        let mut directory = self.directory.write();
        let slots: Vec<u32> = directory.bucket(bucket).read().slots().collect();
        for slot in slots {
            draft.rotated.clear();
            let Some(node) = reader.node(slot) else {
                continue;
            };
            self.place(slot, &reader, &mut draft.floats, &mut draft.rotated);
            let Some(other) = directory.nearest(&self.space, &draft.rotated, Some(bucket)) else {
                continue;
            };
            // Should that be too long now, the next point that comes to it splits it.
            self.add(&directory, other, slot, PointId(node.id()), &mut draft)?;
        }
        directory.swap_remove(&self.space, bucket);
        self.version.change();
        Ok(())
    }

    /// Frees what a whole pass has taken out of the buckets.
    fn free(&self, pass: &mut Pass) -> Consolidation {
        let freed = pass.taken.len();
        if freed > 0 {
            let mut exclusive = self.nodes.exclusive();
            self.version.change();
            for slot in pass.taken.drain(..) {
                if let Some(node) = exclusive.node(slot) {
                    self.points.forget(PointId(node.id()), slot);
                }
                if let Some(nibbles) = &self.nibbles {
                    nibbles.forget(slot);
                }
                exclusive.free(slot);
                self.dead.remove(slot);
            }
        }
        pass.next = 0;
        Consolidation { freed, done: true }
    }
}
