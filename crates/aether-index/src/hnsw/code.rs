//! How vectors are stored in a graph, and how near two of them are.
//!
//! A vector `x` (of unit length under cosine; minus the graph's centre under L2) is kept twice. The *coarse* codes, 4 bits
//! per component over the range of that vector's components, steer searches: they are what a search reads of every node
//! that it meets. The *fine* ones, 16 bits per component over the same range (bytes: the vector itself), give the
//! final distances, and those of a node from which others are looked at. With `t`, one i8 per component, for a query `q`,
//!
//! ```text
//! x[i] ≈ offset + scale * coarse[i]
//! q[i] ≈ alpha + beta * t[i]
//! <q,x> ≈ alpha * sum + beta * (offset * Σt + scale * Σ t·coarse)
//! |q - x|² ≈ |q|² + square - 2 <q,x>
//! ```
//!
//! so a distance is one integer dot product and four multiply-adds with the constants of `x`: `offset`, `scale`,
//! `sum` = Σ of the approximated components, `square` = |x|². The approximation is stretched so that its product with
//! `x` is |x|²: then what rounding does to `<q,x>` depends only on the part of `q` that is not along `x`, and is 0 on
//! average (as in RaBitQ; Gao and Long 2024, arXiv 2405.12497). Codes over each vector's own range, in two levels, are LVQ's
//! (Aguerrebere et al. 2023, arXiv 2304.04759).
//!
//! Distances while searching are [`Key`]s: unsigned integers in the order of the distances.

use aether_distance::{Distance, ElementType, Kernels, Metric, VectorRef};

use crate::memory::{Constants, Node};
use crate::order::{order, unorder};

/// A distance as an unsigned integer: smaller is nearer. Keys of one graph compare with each other.
pub(super) type Key = u32;

/// Levels of fine codes, minus one.
const FINE_STEPS: f32 = 65_535.0;

/// Levels of coarse codes, minus one.
const COARSE_STEPS: f32 = 15.0;

/// No rounding makes a vector that much shorter, but for damaged and infinite ones.
const STRETCH_MAX: f32 = 16.0;

/// Rows of codes whose keys are computed at once.
pub(super) const ROWS: usize = 32;

/// The constants of so many rows that keys need, one field after the other.
#[derive(Debug, Default)]
pub(super) struct Factors {
    offset: [f32; ROWS],
    scale: [f32; ROWS],
    square: [f32; ROWS],
    sum: [f32; ROWS],
}

impl Factors {
    pub(super) fn put(&mut self, lane: usize, constants: Constants) {
        self.offset[lane] = constants.offset;
        self.scale[lane] = constants.scale;
        self.square[lane] = constants.square;
        self.sum[lane] = constants.sum;
    }
}

/// What turns vectors into codes and codes into distances.
#[derive(Debug)]
pub(super) struct Codec {
    pub(super) dim: usize,
    pub(super) metric: Metric,
    pub(super) element: ElementType,
    pub(super) kernels: Kernels,
    /// Subtracted from each vector under L2; empty for the origin.
    pub(super) centre: Vec<f32>,
}

/// One side of a distance, prepared for many others.
#[derive(Debug, Default)]
pub(super) struct Probe {
    /// As many as coarse codes: one more than components where these are odd.
    codes: Vec<i8>,
    /// Component `i` is `alpha + beta * codes[i]`.
    alpha: f32,
    beta: f32,
    formula: Formula,
}

/// How a dot product of codes becomes a distance:
/// `base + square * q + sum * s + offset * o + scale * (dot * d)`, with the constants of the other side.
#[derive(Debug, Clone, Copy, Default)]
struct Formula {
    base: f32,
    square: f32,
    sum: f32,
    offset: f32,
    dot: f32,
}

/// A query as given, prepared for estimates and for final distances.
#[derive(Debug, Default)]
pub(super) struct Query {
    vector: Vec<f32>,
    /// The same as bytes, if it is one of bytes.
    bytes: Vec<u8>,
    /// Sum and squared length, under the inner product.
    sum: f32,
    square: f32,
    /// The step of the query's own codes.
    beta: f32,
    pub(super) probe: Probe,
}

impl Codec {
    /// True when the fine codes are the bytes that were given.
    pub(super) fn keeps_bytes(&self) -> bool {
        self.element == ElementType::U8
    }

    /// Bytes of the coarse codes of a vector: byte `i` has component `i`, and above it component `coarse_bytes + i`.
    pub(super) fn coarse_bytes(&self) -> usize {
        self.dim.div_ceil(2)
    }

    /// Bytes of the fine codes of a vector: the upper bytes of all components, then the lower ones.
    pub(super) fn fine_bytes(&self) -> usize {
        if self.keeps_bytes() {
            self.dim
        } else {
            2 * self.dim
        }
    }

    /// Writes the codes of `vector`; leaves in `floats` what they stand for.
    pub(super) fn encode(
        &self,
        vector: VectorRef<'_>,
        coarse: &mut [u8],
        fine: &mut [u8],
        floats: &mut Vec<f32>,
    ) -> Constants {
        vector.to_f32(floats);
        self.prepare(floats);
        let range = self.kernels.range(floats);
        let constants = self.encode_coarse(floats, range, coarse);
        let (low, step) = match vector {
            VectorRef::U8(bytes) => {
                fine.copy_from_slice(bytes);
                let squares = self.kernels.dot_u8(bytes, bytes);
                (0.0, self.length_of_byte(squares))
            }
            _ => encode_fine(floats, range, fine),
        };
        Constants {
            low,
            step,
            ..constants
        }
    }

    /// What a difference of 1 of a vector of bytes is worth.
    fn length_of_byte(&self, squares: u32) -> f32 {
        match self.metric {
            Metric::Cosine if squares > 0 => (squares as f32).sqrt().recip(),
            Metric::Cosine => 0.0,
            Metric::L2Squared | Metric::InnerProduct => 1.0,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast of floats saturates"
    )]
    fn encode_coarse(&self, x: &[f32], (low, high): (f32, f32), coarse: &mut [u8]) -> Constants {
        let step = (high - low) / COARSE_STEPS;
        let steps_per_unit = if step > 0.0 { step.recip() } else { 0.0 };
        let (lower, upper) = x.split_at(coarse.len());
        // A cast saturates: what rounding or NaN makes of a component is still a code.
        let code = |x: f32| ((x - low) * steps_per_unit + 0.5).min(COARSE_STEPS) as u8;
        for (byte, &x) in coarse.iter_mut().zip(lower) {
            *byte = code(x);
        }
        for (byte, &x) in coarse.iter_mut().zip(upper) {
            *byte |= code(x) << 4;
        }
        let codes = coarse.iter().map(|byte| byte & 15);
        let codes = codes.chain(coarse.iter().map(|byte| byte >> 4));
        let (mut sum, mut along) = (0.0, 0.0);
        for (&x, code) in x.iter().zip(codes) {
            let near = low + step * f32::from(code);
            sum += near;
            along += near * x;
        }
        let square = self.kernels.dot_f32(x, x);
        let stretch = square / along;
        let stretch = if stretch > 0.0 && stretch < STRETCH_MAX {
            stretch
        } else {
            1.0
        };
        Constants {
            offset: stretch * low,
            scale: stretch * step,
            square,
            sum: stretch * sum,
            ..Constants::default()
        }
    }

    /// Unit length under cosine, minus the centre under L2.
    fn prepare(&self, vector: &mut [f32]) {
        match self.metric {
            Metric::Cosine => normalize(self.kernels, vector),
            Metric::L2Squared => {
                for (x, centre) in vector.iter_mut().zip(&self.centre) {
                    *x -= centre;
                }
            }
            Metric::InnerProduct => {}
        }
    }

    /// Makes `query` out of `vector`.
    pub(super) fn query(&self, vector: &[f32], query: &mut Query) {
        query.vector.clear();
        query.vector.extend_from_slice(vector);
        self.prepare(&mut query.vector);
        if self.metric == Metric::InnerProduct {
            query.sum = query.vector.iter().sum();
            query.square = self.kernels.dot_f32(&query.vector, &query.vector);
        }
        query.bytes.clear();
        if self.keeps_bytes() && self.metric != Metric::Cosine {
            query.bytes.resize(vector.len(), 0);
            if !self.kernels.whole_bytes(vector, &mut query.bytes) {
                query.bytes.clear();
            }
        }
        query.beta = self.probe(&query.vector, &mut query.probe);
    }

    /// Makes `probe` out of a vector as [`encode`](Codec::encode) leaves it; returns the step of its codes.
    pub(super) fn probe(&self, vector: &[f32], probe: &mut Probe) -> f32 {
        let (low, high) = self.kernels.range(vector);
        let beta = (high - low) / 255.0;
        let codes_per_unit = if beta > 0.0 { beta.recip() } else { 0.0 };
        probe.codes.clear();
        probe.codes.resize(vector.len(), 0);
        self.kernels
            .centred_steps(vector, low, codes_per_unit, &mut probe.codes);
        let square = self.kernels.dot_f32(vector, vector);
        self.finish(probe, square, low + 128.0 * beta, beta);
        beta
    }

    /// The stored node as one side of distances.
    pub(super) fn probe_node(&self, node: &Node<'_>, probe: &mut Probe) {
        let Constants {
            square, low, step, ..
        } = node.constants();
        let upper = node.fine().iter().take(self.dim);
        probe.codes.clear();
        probe.codes.extend(upper.map(|&byte| (byte ^ 0x80) as i8));
        let (alpha, beta) = if self.keeps_bytes() {
            (128.0 * step, step)
        } else {
            (low + 127.5 * step + 128.0 * 256.0 * step, 256.0 * step)
        };
        self.finish(probe, square, alpha, beta);
    }

    fn finish(&self, probe: &mut Probe, square: f32, alpha: f32, beta: f32) {
        (probe.alpha, probe.beta) = (alpha, beta);
        let sum: i32 = probe.codes.iter().map(|&t| i32::from(t)).sum();
        probe.codes.resize(2 * self.coarse_bytes(), 0);
        let (squares, factor) = match self.metric {
            Metric::InnerProduct => (0.0, -1.0),
            Metric::L2Squared | Metric::Cosine => (1.0, -2.0),
        };
        probe.formula = Formula {
            base: squares * square,
            square: squares,
            sum: factor * alpha,
            offset: factor * beta * sum as f32,
            dot: factor * beta,
        };
    }

    /// The key of one node.
    #[inline]
    pub(super) fn key(&self, probe: &Probe, node: &Node<'_>) -> Key {
        probe.key(node, self.kernels.dot_u4_i8(node.codes(), &probe.codes))
    }

    /// The keys of four nodes: faster than four times one.
    #[inline]
    pub(super) fn keys(&self, probe: &Probe, nodes: &[Node<'_>; 4]) -> [Key; 4] {
        let dots = self
            .kernels
            .dot_u4_i8_x4(nodes.each_ref().map(Node::codes), &probe.codes);
        std::array::from_fn(|i| probe.key(&nodes[i], dots[i]))
    }

    /// The keys of rows of coarse codes, which are so many bytes apart.
    pub(super) fn keys_of_rows(
        &self,
        probe: &Probe,
        (rows, row_bytes): (&[u8], usize),
        factors: &Factors,
    ) -> [Key; ROWS] {
        let codes = self.coarse_bytes();
        let mut dots = [0; ROWS];
        let fours = dots.as_chunks_mut::<4>().0;
        for (dots, rows) in fours.iter_mut().zip(rows.chunks_exact(4 * row_bytes)) {
            let rows = std::array::from_fn(|i| &rows[i * row_bytes..][..codes]);
            *dots = self.kernels.dot_u4_i8_x4(rows, &probe.codes);
        }
        let Factors {
            offset,
            scale,
            square,
            sum,
        } = factors;
        std::array::from_fn(|i| {
            let distance = probe
                .formula
                .distance(square[i], sum[i], offset[i], scale[i], dots[i]);
            order(distance)
        })
    }

    /// The distance that searches return, from the fine codes of the node.
    pub(super) fn distance(&self, query: &Query, node: &Node<'_>) -> Distance {
        let Constants { low, step, .. } = node.constants();
        let distance = if self.keeps_bytes() {
            self.distance_of_bytes(query, node.fine(), step)
        } else {
            let (vector, kernels) = (&query.vector, self.kernels);
            let (hi, lo) = node.fine().split_at(self.dim);
            // Differences first: with |q|² + |x|² - 2<q,x> near vectors would cancel out.
            match self.metric {
                Metric::InnerProduct => {
                    -(low * query.sum + step * kernels.dot_f32_hilo(vector, hi, lo))
                }
                Metric::L2Squared => kernels.l2_f32_hilo(vector, hi, lo, low, step),
                Metric::Cosine => 0.5 * kernels.l2_f32_hilo(vector, hi, lo, low, step),
            }
        };
        if distance.is_nan() {
            Distance::INFINITE
        } else {
            Distance(distance)
        }
    }

    /// The least distance that a node of this key may have, if its key is off by no more than so many standard deviations.
    ///
    /// Rounding moves each component of `x` by `scale / √12` and of `q` by `beta / √12` (standard deviations); of the former
    /// only the part of `q` that is not along `x` matters, which is not longer than `q - x`.
    pub(super) fn at_least(
        &self,
        query: &Query,
        key: Key,
        node: &Node<'_>,
        deviations: f32,
    ) -> Distance {
        let Constants { scale, square, .. } = node.constants();
        let distance = unorder(key);
        let rounding = scale * scale / 12.0;
        let (across, factor, half) = match self.metric {
            Metric::InnerProduct => (query.square, 1.0, 1.0),
            Metric::L2Squared => (distance, 2.0, 1.0),
            Metric::Cosine => (distance, 2.0, 0.5),
        };
        let across = across.max(0.0) + self.dim as f32 * rounding;
        let variance = across * rounding + square * query.beta * query.beta / 12.0;
        Distance(half * (distance - deviations * factor * variance.sqrt()))
    }

    fn distance_of_bytes(&self, query: &Query, bytes: &[u8], step: f32) -> f32 {
        let whole = !query.bytes.is_empty();
        match self.metric {
            Metric::L2Squared if whole => self.kernels.l2_u8(&query.bytes, bytes) as f32,
            Metric::L2Squared => self.kernels.l2_f32_u8(&query.vector, bytes),
            Metric::InnerProduct if whole => -(self.kernels.dot_u8(&query.bytes, bytes) as f32),
            Metric::InnerProduct => -self.kernels.dot_f32_u8(&query.vector, bytes),
            Metric::Cosine => 1.0 - self.kernels.dot_f32_u8(&query.vector, bytes) * step,
        }
    }
}

impl Probe {
    /// Its `dim` components: codes, what a code of 0 stands for, and what a difference of 1 does.
    pub(super) fn components(&self, dim: usize) -> (&[i8], f32, f32) {
        (&self.codes[..dim], self.alpha, self.beta)
    }

    #[inline]
    fn key(&self, node: &Node<'_>, dot: i32) -> Key {
        let Constants {
            offset,
            scale,
            square,
            sum,
            ..
        } = node.constants();
        order(self.formula.distance(square, sum, offset, scale, dot))
    }
}

impl Formula {
    #[inline]
    fn distance(self, square: f32, sum: f32, offset: f32, scale: f32, dot: i32) -> f32 {
        self.base
            + self.square * square
            + self.sum * sum
            + self.offset * offset
            + scale * (self.dot * dot as f32)
    }
}

fn normalize(kernels: Kernels, vector: &mut [f32]) {
    let norm = kernels.dot_f32(vector, vector).sqrt();
    if norm > 0.0 && norm.is_finite() {
        let scale = norm.recip();
        for x in vector {
            *x *= scale;
        }
    }
}

/// Writes 16 bits per component: all upper bytes, then all lower ones. Returns what they stand for: `low + step * u16`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast of floats saturates"
)]
fn encode_fine(x: &[f32], (low, high): (f32, f32), fine: &mut [u8]) -> (f32, f32) {
    let step = (high - low) / FINE_STEPS;
    let steps_per_unit = if step > 0.0 { step.recip() } else { 0.0 };
    let (upper, lower) = fine.split_at_mut(x.len());
    for ((&x, upper), lower) in x.iter().zip(upper).zip(lower) {
        let code = ((x - low) * steps_per_unit + 0.5) as u16;
        [*lower, *upper] = code.to_le_bytes();
    }
    (low, step)
}
