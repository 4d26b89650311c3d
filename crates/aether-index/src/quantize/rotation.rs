//! A random rotation in O(d log d): random signs and fast Hadamard transforms, in rounds.
//!
//! ```text
//! round   1  each component times a random sign
//!         2  Hadamard transform of a window: the largest power of two that fits, at the start in even rounds, at the end in odd ones
//!         3  if the window is not everything: component i and component i + half become their sum and difference
//! ```
//! Each step is orthogonal, so lengths and dot products stay. Four rounds spread any vector over all components, as a dense random
//! matrix does: after it each component is nearly normally distributed, which is what codes of few bits need.

use aether_distance::Kernels;

/// Rounds of signs and transforms.
const ROUNDS: usize = 4;

/// Rotated vectors are multiples of this long.
const PADDING: usize = 64;

/// A rotation of vectors of `dim` components, padded with zeros to [`padded_dim`](Rotation::padded_dim). The same on every
/// machine for the same seed.
#[derive(Debug, Clone)]
pub struct Rotation {
    dim: usize,
    window: usize,
    /// Round by round, a factor per component: its random sign, and what keeps the round orthogonal.
    factors: Vec<f32>,
    kernels: Kernels,
}

impl Rotation {
    /// A rotation drawn by `seed`, which it depends on only. 16 bytes per component.
    ///
    /// # Panics
    /// If `dim` is 0.
    pub fn new(dim: usize, seed: u64) -> Rotation {
        assert!(dim > 0, "a rotation of no components");
        let padded = dim.next_multiple_of(PADDING);
        let window = 1 << padded.ilog2();
        let half = if window < padded { 0.5_f32.sqrt() } else { 1.0 };
        let mut state = seed;
        let mut factors = Vec::with_capacity(ROUNDS * padded);
        for round in 0..ROUNDS {
            let start = if round.is_multiple_of(2) {
                0
            } else {
                padded - window
            };
            for word in 0..padded / 64 {
                let bits = split_mix(&mut state);
                factors.extend((0..64).map(|i| {
                    let inside = (start..start + window).contains(&(64 * word + i));
                    let size = if inside {
                        half * (window as f32).sqrt().recip()
                    } else {
                        half
                    };
                    if bits >> i & 1 == 1 { size } else { -size }
                }));
            }
        }
        Rotation {
            dim,
            window,
            factors,
            kernels: Kernels::detect(),
        }
    }

    /// Components of the vectors as given.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Components of rotated vectors: `dim`, rounded up to a multiple of 64.
    pub fn padded_dim(&self) -> usize {
        self.factors.len() / ROUNDS
    }

    /// Rotates `vector` in place: its [`dim`](Rotation::dim) components, then zeros up to [`padded_dim`](Rotation::padded_dim).
    ///
    /// About `4 * padded_dim * log2(padded_dim)` additions.
    ///
    /// # Panics
    /// If `vector` has not `padded_dim` components.
    pub fn apply(&self, vector: &mut [f32]) {
        let padded = self.padded_dim();
        assert!(
            vector.len() == padded,
            "a vector of {} components for a rotation of {padded}",
            vector.len()
        );
        self.kernels.rotate(vector, &self.factors, self.window);
    }
}

/// The next of a row of well mixed numbers (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators").
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter()
            .zip(b)
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum()
    }

    fn random(dim: usize, rotation: &Rotation, random: &mut fastrand::Rng) -> Vec<f32> {
        let mut vector: Vec<f32> = (0..dim).map(|_| random.f32() - 0.5).collect();
        vector.resize(rotation.padded_dim(), 0.0);
        vector
    }

    #[test]
    fn keeps_lengths_and_dot_products() {
        let mut rng = fastrand::Rng::with_seed(1);
        for dim in [
            1, 2, 63, 64, 65, 100, 128, 384, 784, 1000, 1536, 1984, 65_535,
        ] {
            let rotation = Rotation::new(dim, 3);
            let (mut a, mut b) = (
                random(dim, &rotation, &mut rng),
                random(dim, &rotation, &mut rng),
            );
            let before = [dot(&a, &a), dot(&b, &b), dot(&a, &b)];
            rotation.apply(&mut a);
            rotation.apply(&mut b);
            for (before, after) in before
                .into_iter()
                .zip([dot(&a, &a), dot(&b, &b), dot(&a, &b)])
            {
                assert!(
                    (before - after).abs() < 1e-4 * dim as f64,
                    "{dim}: {before} {after}"
                );
            }
        }
    }

    /// The worst case is a vector of a single component, which a dense random rotation spreads over all.
    #[test]
    fn spreads_every_single_component() {
        for dim in [64, 100, 384, 784, 1984] {
            let rotation = Rotation::new(dim, 5);
            let padded = rotation.padded_dim();
            for i in 0..dim {
                let mut vector = vec![0.0; padded];
                vector[i] = 1.0;
                rotation.apply(&mut vector);
                let sum: f32 = vector.iter().map(|x| x.abs()).sum();
                // For normally distributed components: sqrt(2 / pi) = 0.798; for one component alone: 1 / sqrt(dim).
                let cosine_with_signs = sum / (padded as f32).sqrt();
                assert!(
                    (0.65..0.95).contains(&cosine_with_signs),
                    "{dim}, {i}: {cosine_with_signs}"
                );
            }
        }
    }

    #[test]
    fn depends_on_the_seed_only() {
        let rotated = |seed| {
            let mut vector = [1.0; 64];
            Rotation::new(64, seed).apply(&mut vector);
            vector
        };
        assert_eq!(rotated(9), rotated(9));
        assert_ne!(rotated(9), rotated(10));
        let mut state = 0;
        assert_eq!(split_mix(&mut state), 0xe220_a839_7b1d_cdaf);
    }
}
