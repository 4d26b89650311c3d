//! Which buckets a query should look into first.
//!
//! Of each bucket is known where its centroid is and how far its points spread around it. The points of a bucket lie along the
//! direction of a query as a normal distribution does, whose spread is the *alignment* of the data: then the nearest point that
//! can be hoped for is some deviations nearer than the mean, the more of them, the more points there are. Buckets are looked into in the order
//! of that hope, until it is farther away than what was found already.

use aether_distance::{BLOCK_CODES, Metric};

use super::bucket::Block;
use super::space::{Query, Space};
use crate::order::{order, unorder};

/// By how many standard deviations a bucket's points differ from its mean towards a query, at most, as far as a search that
/// looks for the nearest of them is concerned. More: searches look into more buckets for the same `ef`.
const HOPE: f32 = 3.0;

/// Points of a bucket for which [`HOPE`] was chosen.
pub(crate) const BUCKET_USUAL: u32 = 128;

/// Pairs of points by which the alignment of buckets is measured at a time.
const PAIRS: usize = 256;

/// What a new measurement of it weighs, against all those before.
const NEWS: f32 = 1.0 / 16.0;

/// Buckets that are sorted at first, and then twice as many each time.
const SORTED: usize = 48;

/// A bucket that a search may look into: what can be hoped of it, and its number. The most promising one is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ranked(u64);

impl Ranked {
    #[inline]
    fn new(hope: f32, bucket: u32) -> Ranked {
        Ranked(u64::from(order(hope)) << 32 | u64::from(bucket))
    }

    /// The distance of the nearest point that can be hoped for.
    #[inline]
    pub(crate) fn hope(self) -> f32 {
        unorder((self.0 >> 32) as u32)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "takes the lower half")]
    pub(crate) fn bucket(self) -> u32 {
        self.0 as u32
    }
}

/// How far the nearest of so many points reaches beyond their mean, against that of [`BUCKET_USUAL`]: the extreme of as many
/// samples of a normal distribution grows with the root of the logarithm of their number.
fn luck(points: u32) -> f32 {
    if points == BUCKET_USUAL {
        return 1.0;
    }
    let of = |points: u32| (1.0 + points as f32).ln();
    (of(points) / of(BUCKET_USUAL)).sqrt()
}

/// How a query ranks buckets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ranking {
    /// Under the inner product the squared length of the query, which is the reach of every bucket.
    reach_squared: Option<f32>,
    own: f32,
    factor: f32,
}

impl Ranking {
    /// Prepares `query` for codes of centroids, too: those around the origin.
    pub(crate) fn new(space: &Space, query: &mut Query, alignment: f32) -> Ranking {
        let hope = HOPE * alignment.sqrt();
        let (reach_squared, own, factor) = match space.metric {
            Metric::InnerProduct => (Some(query.table.norm().powi(2)), 0.0, hope),
            Metric::L2Squared | Metric::Cosine => (None, 1.0, 2.0 * hope),
        };
        query.table.set_base(space.base_of_origin(query));
        Ranking {
            reach_squared,
            own,
            factor,
        }
    }

    /// The distances of the query to the centroids of a block, or what is like them, by estimates.
    #[inline]
    pub(crate) fn bases(query: &Query, block: &Block<'_>) -> [f32; BLOCK_CODES] {
        let mut bases = [0.0; BLOCK_CODES];
        query
            .table
            .estimate32(block.codes, block.factors, f32::INFINITY, &mut bases);
        bases
    }

    /// The place of a bucket: its centroid's `base`, the mean squared distance of its points from that, and how many they are.
    #[inline]
    pub(crate) fn rank(self, bucket: u32, base: f32, spread: f32, points: u32) -> Ranked {
        let reach_squared = self.reach_squared.unwrap_or(base.max(0.0));
        let along = (reach_squared * spread).sqrt();
        let hope = base + self.own * spread - self.factor * luck(points) * along;
        Ranked::new(hope, bucket)
    }
}

/// The share of the squared distance of points from their centroid that lies in the direction of a query, after points `own` of a bucket
/// and the `others` of one beside it were looked at (rotated rows, all of them); `known` is what it was before, 0 at first.
pub(crate) fn alignment(known: f32, centroid: &[f32], own: &[f32], others: &[f32]) -> f32 {
    let width = centroid.len();
    let (points, queries) = (own.len() / width, others.len() / width);
    if points == 0 || queries == 0 {
        return known;
    }
    let (mut along, mut square) = (0.0, 0.0);
    for pair in 0..PAIRS {
        let point = &own[pair % points * width..][..width];
        let query = &others[(pair + pair / points) % queries * width..][..width];
        let (mut product, mut reach) = (0.0, 0.0);
        for ((x, q), c) in point.iter().zip(query).zip(centroid) {
            product += (x - c) * (q - c);
            reach += (q - c) * (q - c);
            square += (x - c) * (x - c);
        }
        along += if reach > 0.0 {
            product * product / reach
        } else {
            0.0
        };
    }
    if square <= 0.0 {
        return known;
    }
    // Points on a line lie in that direction altogether, but for the rounding of sums.
    let measured = (along / square).min(1.0);
    if known > 0.0 {
        known + (measured - known) * NEWS
    } else {
        measured
    }
}

/// Buckets in order, sorted a few at a time: a search rarely looks into all of them.
pub(crate) struct Promising<'a> {
    /// How many are sorted next.
    count: usize,
    sorted: std::slice::Iter<'a, Ranked>,
    rest: &'a mut [Ranked],
}

impl<'a> Promising<'a> {
    pub(crate) fn new(ranked: &'a mut [Ranked]) -> Promising<'a> {
        Promising {
            count: SORTED,
            sorted: [].iter(),
            rest: ranked,
        }
    }

    /// The one that comes so many after the next one, if it is sorted already.
    #[inline]
    pub(crate) fn peek(&self, after: usize) -> Option<Ranked> {
        self.sorted.as_slice().get(after).copied()
    }

    #[cold]
    fn sort(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        let count = self.count.min(rest.len());
        self.count *= 2;
        if count < rest.len() {
            rest.select_nth_unstable(count);
        }
        let (first, rest) = rest.split_at_mut(count);
        first.sort_unstable();
        (self.sorted, self.rest) = (first.iter(), rest);
    }
}

impl Iterator for Promising<'_> {
    type Item = Ranked;

    #[inline]
    fn next(&mut self) -> Option<Ranked> {
        if self.sorted.len() == 0 && !self.rest.is_empty() {
            self.sort();
        }
        self.sorted.next().copied()
    }
}
