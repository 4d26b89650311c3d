//! All points in buckets: parted by k-means, and coded.

use aether_distance::VectorRef;

use super::Bulk;
use crate::ivf::{Bucket, Code};
use crate::kmeans::Centroids;
use crate::{PointId, Result, partition};

/// Points of a part, about.
const PART_POINTS: usize = 128;

/// Points per part that its centroid is trained on.
const SAMPLE_PER_PART: usize = 16;

/// Points that each point is compared with by codes, about.
const COMPARED: usize = 8_192;

/// Which points lie near to each other.
pub(super) struct Parts {
    pub(super) centroids: Centroids,
    /// The numbers of the points that are nearest to each centroid.
    pub(super) members: Vec<Vec<u32>>,
}

/// All points, as candidates for the links of layer 0.
pub(super) struct Layer {
    pub(super) parts: Parts,
    /// The codes of each part.
    pub(super) buckets: Vec<Bucket>,
    /// For each part those around it.
    around: Vec<u32>,
    /// Buckets whose points a point is compared with; about twice as many are around its part.
    pub(super) compared: usize,
}

/// A part, and the numbers of those around it.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) members: &'a [u32],
    pub(super) around: &'a [u32],
}

/// How many parts so many points make, and on how many of them these are trained.
fn parts_of(points: usize) -> (usize, usize) {
    let parts = (points / PART_POINTS).max(1);
    (parts, (parts * SAMPLE_PER_PART).min(points))
}

/// Steps of work that parting so many points takes.
pub(super) fn part_steps(points: usize) -> usize {
    let (parts, sample) = parts_of(points);
    points + Centroids::fit_steps(sample, parts)
}

impl<'v, V: Fn(usize) -> VectorRef<'v> + Sync> Bulk<'_, V> {
    /// Parts the points of these numbers.
    pub(super) fn part(&self, members: &[u32]) -> Result<Parts> {
        let (parts, sample) = parts_of(members.len());
        let sample = (0..sample).map(|i| members[i * members.len() / sample]);
        let sample = sample.map(|number| (self.vector)(number as usize));
        let seed = self.hnsw.seed;
        let centroids = partition::train(&self.space, sample, parts, seed, self.work)?;
        let members = partition::assign(&self.space, &centroids, members, self.vector, self.work)?;
        Ok(Parts { centroids, members })
    }

    /// Codes the members of all parts, which are stored already.
    pub(super) fn code(&self, parts: Parts) -> Result<Layer> {
        let numbered = (0..).zip(&parts.members);
        let buckets = self
            .work
            .map(numbered, Default::default, |draft, (i, members)| {
                self.work.advance(0)?;
                let (floats, rotated, code): &mut (Vec<f32>, Vec<f32>, Code) = draft;
                let mut bucket = Bucket::new(self.space.code_bytes());
                bucket.reserve(members.len())?;
                for &number in members {
                    rotated.clear();
                    let vector = (self.vector)(number as usize);
                    self.space.place(vector, floats, rotated);
                    self.space.encode(rotated, parts.centroids.row(i), code);
                    bucket.push(code, self.slots[number as usize], PointId(0))?;
                }
                Ok(bucket)
            })?;
        let count = parts.members.len();
        let compared = (COMPARED / PART_POINTS).min(count);
        let around = parts
            .centroids
            .around((2 * compared).min(count), self.work)?;
        Ok(Layer {
            parts,
            buckets,
            around,
            compared,
        })
    }
}

impl Layer {
    pub(super) fn parts(&self) -> impl Iterator<Item = Part<'_>> + Send {
        let around = self.around.len() / self.buckets.len();
        let parts = self.parts.members.iter().zip(self.around.chunks(around));
        parts.map(|(members, around)| Part { members, around })
    }
}
