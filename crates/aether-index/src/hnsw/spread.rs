//! How fast points get farther the more of them are taken, and how far around the nearest a search looks therefore.
//!
//! The number of points around one grows with the squared distance as a power of it, whose exponent is half the intrinsic
//! dimension of the data there (Amsaleg et al. 2015, doi 10.1145/2783258.2783405). A walk that keeps `ef` candidates ends at the `ef`th one, which
//! in the middle of all queries is `(ef / r) ^ (1 / exponent)` times as far as the `r`th. A walk that goes so far for *each* query finds more for the
//! same work: it takes more candidates where many points are about as near, and fewer where there are none (Al-Jazzazi et al. 2025, arXiv
//! 2505.15636).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use aether_distance::Metric;

use super::graph::Graph;
use super::scratch::{Reach, key_of};
use crate::memory::Node;
use crate::order::unorder;
use crate::points::mix;

/// The rank with whose distance others are compared: the distance of the nearest one says little.
const NEAR: usize = 10;

/// Neighbours of a node from which something is learned.
const FAR_MIN: usize = 2 * NEAR;

/// One node in so many is learned from.
const LEARNED_SHARE: u64 = 16;

/// Nodes before the first decision.
const LEARNED_MIN: u64 = 32;

/// Nodes after which what was learned from the first ones counts half.
const LEARNED_MAX: u64 = 1 << 16;

/// So many times `ef` candidates at most, and one in so many of them at least.
const WIDEST: usize = 4;
const NARROWEST: usize = 2;

/// One in the units in which exponents are added up.
const ONE: f32 = 4.0;

/// Of nodes whose neighbours are at hardly different distances.
const EXPONENT_MAX: f32 = 128.0;

/// Bits of the number of exponents, below their sum: enough for all nodes that there can be.
const COUNT_BITS: u32 = 28;

impl Graph {
    /// Learns from the neighbours of a node, nearest first, if it is one of those from which anything is learned. Not from inner
    /// products, which are no distances.
    pub(super) fn learn_spread(&self, node: &Node<'_>, neighbours: &[u64]) {
        if self.codec.metric != Metric::InnerProduct && mix(node.id()).is_multiple_of(LEARNED_SHARE)
        {
            self.spread.learn(neighbours);
        }
    }
}

/// The exponents of some nodes: their sum, in units that make it the same in any order, above how many they are.
#[derive(Debug, Default)]
pub(super) struct Spread(AtomicU64);

impl Spread {
    pub(super) fn from_bits(bits: u64) -> Spread {
        Spread(AtomicU64::new(bits))
    }

    pub(super) fn bits(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Learns from the neighbours of a node, nearest first.
    fn learn(&self, neighbours: &[u64]) {
        let [near, far] = [NEAR, neighbours.len()].map(|rank| {
            let entry = neighbours.get(rank.wrapping_sub(1)).copied();
            unorder(key_of(entry.unwrap_or_default()))
        });
        // Duplicates have no distance.
        if neighbours.len() < FAR_MIN || !(near > 0.0 && far.is_finite()) {
            return;
        }
        let exponent = (neighbours.len() as f32 / NEAR as f32).ln() / (far / near).ln();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive and small"
        )]
        let units = (exponent.min(EXPONENT_MAX) * ONE).round() as u64;
        self.0.fetch_add((units << COUNT_BITS) | 1, Relaxed);
    }

    /// Lets what is old count less, now and then.
    pub(super) fn age(&self) {
        let halved = |bits| {
            let (sum, count) = parts(bits);
            (count >= LEARNED_MAX).then_some(((sum / 2) << COUNT_BITS) | (count / 2))
        };
        let _ = self.0.fetch_update(Relaxed, Relaxed, halved);
    }

    /// How far a search for `k` points with effort `ef` looks.
    pub(super) fn reach(&self, k: usize, ef: usize) -> Reach {
        let (sum, count) = parts(self.bits());
        let rank = k.max(NEAR);
        if count < LEARNED_MIN || sum == 0 || ef <= rank {
            return Reach::fixed(ef);
        }
        let exponent = sum as f32 / (count as f32 * ONE);
        Reach {
            most: ef.saturating_mul(WIDEST),
            least: rank.max(ef / NARROWEST),
            rank,
            stretch: (ef as f32 / rank as f32).powf(exponent.recip()),
        }
    }
}

/// The sum, and how many were added up.
fn parts(bits: u64) -> (u64, u64) {
    (bits >> COUNT_BITS, bits & ((1 << COUNT_BITS) - 1))
}

#[cfg(test)]
mod tests {
    use super::super::scratch::pack;
    use super::*;
    use crate::order::order;

    /// So many neighbours of a point in data of some dimension.
    fn neighbours(count: u16, dimension: f32) -> Vec<u64> {
        let square = |rank: u16| f32::from(rank).powf(2.0 / dimension);
        let ranks = 1..=count;
        ranks
            .map(|rank| pack(order(square(rank)), u32::from(rank)))
            .collect()
    }

    #[test]
    fn a_search_looks_as_far_as_the_candidate_that_its_effort_names() {
        let spread = Spread::default();
        for count in (20..200).step_by(4) {
            spread.learn(&neighbours(count, 8.0));
        }
        let reach = spread.reach(10, 80);
        let expected = 8_f32.powf(0.25);
        assert!((reach.stretch / expected - 1.0).abs() < 0.001, "{reach:?}");
        assert_eq!((reach.least, reach.rank, reach.most), (40, 10, 320));
        assert_eq!(spread.reach(10, 10), Reach::fixed(10));
        assert_eq!(
            Spread::from_bits(spread.bits()).reach(1, 12),
            spread.reach(1, 12)
        );
    }

    #[test]
    fn what_says_nothing_is_not_learned() {
        let spread = Spread::default();
        let zeros = vec![pack(order(0.0), 1); 50];
        for _ in 0..100 {
            spread.learn(&neighbours(19, 8.0));
            spread.learn(&zeros);
            spread.learn(&[]);
        }
        assert_eq!(spread.reach(10, 80), Reach::fixed(80));
    }

    #[test]
    fn what_is_old_counts_less() {
        let spread = Spread::default();
        let all = |dimension| {
            for _ in 0..LEARNED_MAX {
                spread.learn(&neighbours(40, dimension));
                spread.age();
            }
            spread.reach(10, 20).stretch
        };
        let (before, after) = (all(4.0), all(40.0));
        assert!((before - 2_f32.sqrt()).abs() < 0.001, "{before}");
        assert!(after < 1.2, "{after}");
    }
}
