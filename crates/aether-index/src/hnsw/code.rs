//! How vectors are stored in a graph, and how near two of them are.
//!
//! A vector of floats `x` (of unit length under cosine; minus the graph's centre under L2) becomes 16 bits per
//! component over its own range: `x[i] ≈ low + step * u16[i]`. The upper byte of each (`hi`) steers the search, the
//! lower byte (`lo`) sharpens the final distances. With the middle of each hi interval as its value,
//!
//! ```text
//! x[i] ≈ offset + scale * hi[i]                            scale = 256 step, offset = low + 127.5 step
//! q[i] ≈ alpha + beta * t[i]                               t: one i8 per component
//! <q,x> ≈ alpha * sum + beta * (offset * Σt + scale * Σ t·hi)
//! |q - x|² ≈ |q|² + square - 2 <q,x>
//! ```
//!
//! so a distance is one integer dot product and four multiply-adds with the constants of `x`: `offset`, `scale`,
//! `sum` = Σ of the approximated components, `square` = |approximation|² - |error|² (which makes the estimate of
//! |q - x|² unbiased). `exact` is Σ hi, for when `x` itself is the query. That is LVQ (Aguerrebere et al. 2023, arXiv 2304.04759) with two levels.
//!
//! Vectors of bytes are kept as they are. Under L2 and dot their distances are exact integers when the query is
//! one of bytes too: `t = q - 128`, and `exact` = Σ x(x - 256) or -128 Σx corrects for the shift; every such
//! distance fits in 32 bits up to 65,535 components.
//!
//! Distances while searching are [`Key`]s: unsigned integers in the order of the distances.

use aether_distance::{Distance, ElementType, Kernels, Metric, VectorRef};

use crate::memory::{Constants, Node};

/// A distance as an unsigned integer: smaller is nearer. Keys of one graph compare with each other.
pub(super) type Key = u32;

/// Levels of 16-bit codes, minus one.
const STEPS: f32 = 65_535.0;

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
    codes: Vec<i8>,
    formula: Formula,
}

/// How a dot product of codes becomes a key.
#[derive(Debug, Clone, Copy)]
enum Formula {
    /// `base + square * q + sum * s + offset * o + scale * (dot * d)`.
    Float {
        base: f32,
        square: f32,
        sum: f32,
        offset: f32,
        dot: f32,
    },
    /// `base + exact - times * dot`, modulo 2³²: the true value fits.
    Exact { base: u32, times: u32 },
}

impl Default for Formula {
    fn default() -> Formula {
        Formula::Exact { base: 0, times: 0 }
    }
}

/// A query as given, prepared for estimates and for final distances.
#[derive(Debug, Default)]
pub(super) struct Query {
    vector: Vec<f32>,
    /// The same as bytes, if it is one of bytes.
    bytes: Vec<u8>,
    sum: f32,
    square: f32,
    /// The step of the query's own codes.
    beta: f32,
    pub(super) probe: Probe,
}

impl Codec {
    /// True when stored vectors are the bytes that were given.
    pub(super) fn keeps_bytes(&self) -> bool {
        self.element == ElementType::U8
    }

    fn is_exact(&self) -> bool {
        self.keeps_bytes() && self.metric != Metric::Cosine
    }

    /// Writes the codes of `vector`; `floats` is working memory.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast of floats saturates"
    )]
    pub(super) fn encode(
        &self,
        vector: VectorRef<'_>,
        hi: &mut [u8],
        lo: &mut [u8],
        floats: &mut Vec<f32>,
    ) -> Constants {
        if let VectorRef::U8(bytes) = vector {
            hi.copy_from_slice(bytes);
            return self.constants_of_bytes(bytes);
        }
        vector.to_f32(floats);
        self.prepare(floats);
        let (low, high) = range(floats);
        let step = (high - low) / STEPS;
        let steps_per_unit = if step > 0.0 { step.recip() } else { 0.0 };
        for ((&x, hi), lo) in floats.iter().zip(hi.iter_mut()).zip(lo.iter_mut()) {
            // A cast saturates: what rounding or NaN makes of a component is still a code.
            let code = ((x - low) * steps_per_unit + 0.5) as u16;
            [*lo, *hi] = code.to_le_bytes();
        }
        let (offset, scale) = (low + 127.5 * step, 256.0 * step);
        let (mut sum, mut square) = (0.0, 0.0);
        for (&x, &hi) in floats.iter().zip(hi.iter()) {
            let near = offset + scale * f32::from(hi);
            sum += near;
            square += near * near - (x - near) * (x - near);
        }
        let exact = hi.iter().map(|&hi| i32::from(hi)).sum();
        Constants {
            offset,
            scale,
            square,
            sum,
            exact,
        }
    }

    fn constants_of_bytes(&self, bytes: &[u8]) -> Constants {
        let sum: u32 = bytes.iter().map(|&byte| u32::from(byte)).sum();
        let square = self.kernels.dot_u8(bytes, bytes);
        let mut constants = Constants {
            offset: 0.0,
            scale: 1.0,
            square: square as f32,
            sum: sum as f32,
            exact: sum as i32,
        };
        match self.metric {
            // Between -2³⁰ and 0 for 65,535 components.
            Metric::L2Squared => {
                constants.exact = square.wrapping_sub(sum.wrapping_mul(256)) as i32
            }
            Metric::InnerProduct => constants.exact = sum.wrapping_mul(128).wrapping_neg() as i32,
            Metric::Cosine if square > 0 => {
                constants.scale = (square as f32).sqrt().recip();
                constants.square = 1.0;
                constants.sum *= constants.scale;
            }
            Metric::Cosine => constants.scale = 0.0,
        }
        constants
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
        query.sum = query.vector.iter().sum();
        query.bytes.clear();
        if self.is_exact() {
            query.bytes.extend(vector.iter().map_while(|&x| byte(x)));
            if query.bytes.len() == vector.len() {
                shift(&query.bytes, &mut query.probe.codes);
                query.probe.formula =
                    self.formula_of_bytes(self.kernels.dot_u8(&query.bytes, &query.bytes));
                return;
            }
            query.bytes.clear();
        }
        self.probe_floats(query);
    }

    /// The stored node as one side of distances.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "sums of bytes are whole numbers that fit"
    )]
    pub(super) fn probe_node(&self, node: &Node<'_>, probe: &mut Probe) {
        let constants = node.constants();
        shift(node.codes(), &mut probe.codes);
        probe.formula = if self.is_exact() {
            // The sum is a whole number below 2²⁴, so its float is exact.
            let square = (constants.exact as u32).wrapping_add(256 * constants.sum as u32);
            self.formula_of_bytes(square)
        } else {
            let alpha = constants.offset + 128.0 * constants.scale;
            self.formula(
                constants.square,
                alpha,
                constants.scale,
                constants.exact - 128 * node.codes().len() as i32,
            )
        };
    }

    fn formula_of_bytes(&self, square: u32) -> Formula {
        match self.metric {
            Metric::InnerProduct => Formula::Exact {
                base: u32::MAX,
                times: 1,
            },
            _ => Formula::Exact {
                base: square,
                times: 2,
            },
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast of floats saturates"
    )]
    fn probe_floats(&self, query: &mut Query) {
        let Query { vector, probe, .. } = query;
        let (low, high) = range(vector);
        let beta = (high - low) / 255.0;
        let codes_per_unit = if beta > 0.0 { beta.recip() } else { 0.0 };
        probe.codes.clear();
        probe.codes.extend(
            vector
                .iter()
                .map(|&x| (((x - low) * codes_per_unit + 0.5) as u8 ^ 0x80) as i8),
        );
        let sum: i32 = probe.codes.iter().map(|&t| i32::from(t)).sum();
        query.beta = beta;
        query.square = self.kernels.dot_f32(vector, vector);
        probe.formula = self.formula(query.square, low + 128.0 * beta, beta, sum);
    }

    fn formula(&self, square: f32, alpha: f32, beta: f32, codes_sum: i32) -> Formula {
        let (has_squares, factor) = match self.metric {
            Metric::InnerProduct => (0.0, -1.0),
            Metric::L2Squared | Metric::Cosine => (1.0, -2.0),
        };
        Formula::Float {
            base: has_squares * square,
            square: has_squares,
            sum: factor * alpha,
            offset: factor * beta * codes_sum as f32,
            dot: factor * beta,
        }
    }

    /// The key of one node.
    #[inline]
    pub(super) fn key(&self, probe: &Probe, node: &Node<'_>) -> Key {
        probe.key(node, self.kernels.dot_u8_i8(node.codes(), &probe.codes))
    }

    /// The keys of four nodes: faster than four times one.
    #[inline]
    pub(super) fn keys(&self, probe: &Probe, nodes: &[Node<'_>; 4]) -> [Key; 4] {
        let dots = self
            .kernels
            .dot_u8_i8_x4(nodes.each_ref().map(Node::codes), &probe.codes);
        std::array::from_fn(|i| probe.key(&nodes[i], dots[i]))
    }

    /// The distance that searches return, from all that is stored of the node.
    pub(super) fn distance(&self, query: &Query, node: &Node<'_>) -> Distance {
        let constants = node.constants();
        let distance = if self.keeps_bytes() {
            self.distance_of_bytes(query, node.codes(), constants)
        } else {
            let step = constants.scale / 256.0;
            let low = constants.offset - 127.5 * step;
            match self.metric {
                Metric::InnerProduct => {
                    let dot = self
                        .kernels
                        .dot_f32_hilo(&query.vector, node.codes(), node.fine());
                    -(low * query.sum + step * dot)
                }
                // Differences first: with |q|² + |x|² - 2<q,x> near vectors would cancel out.
                Metric::L2Squared => {
                    self.kernels
                        .l2_f32_hilo(&query.vector, node.codes(), node.fine(), low, step)
                }
                Metric::Cosine => {
                    0.5 * self.kernels.l2_f32_hilo(
                        &query.vector,
                        node.codes(),
                        node.fine(),
                        low,
                        step,
                    )
                }
            }
        };
        if distance.is_nan() {
            Distance::INFINITE
        } else {
            Distance(distance)
        }
    }

    /// The least distance that a node of this key may have, but for one in ten thousand.
    ///
    /// Rounding moves each component of `x` by `scale / √12` and of `q` by `beta / √12` (standard deviations).
    pub(super) fn at_least(&self, query: &Query, key: Key, node: &Node<'_>) -> Distance {
        const DEVIATIONS: f32 = 4.0;
        if let Formula::Exact { .. } = query.probe.formula {
            return Distance(match self.metric {
                Metric::InnerProduct => -((u32::MAX - key) as f32),
                _ => key as f32,
            });
        }
        let constants = node.constants();
        let scale = if self.keeps_bytes() {
            0.0
        } else {
            constants.scale
        };
        let error =
            (query.square * scale * scale + constants.square * query.beta * query.beta) / 12.0;
        let (factor, half) = match self.metric {
            Metric::L2Squared => (2.0, 1.0),
            Metric::InnerProduct => (1.0, 1.0),
            Metric::Cosine => (2.0, 0.5),
        };
        Distance(half * (unorder(key) - DEVIATIONS * factor * error.max(0.0).sqrt()))
    }

    fn distance_of_bytes(&self, query: &Query, bytes: &[u8], constants: Constants) -> f32 {
        let whole = !query.bytes.is_empty();
        match self.metric {
            Metric::L2Squared if whole => self.kernels.l2_u8(&query.bytes, bytes) as f32,
            Metric::L2Squared => self.kernels.l2_f32_u8(&query.vector, bytes),
            Metric::InnerProduct if whole => -(self.kernels.dot_u8(&query.bytes, bytes) as f32),
            Metric::InnerProduct => -self.kernels.dot_f32_u8(&query.vector, bytes),
            Metric::Cosine => 1.0 - self.kernels.dot_f32_u8(&query.vector, bytes) * constants.scale,
        }
    }
}

impl Probe {
    #[inline]
    fn key(&self, node: &Node<'_>, dot: i32) -> Key {
        let constants = node.constants();
        match self.formula {
            Formula::Float {
                base,
                square,
                sum,
                offset,
                dot: times,
            } => order(
                base + square * constants.square
                    + sum * constants.sum
                    + offset * constants.offset
                    + constants.scale * (times * dot as f32),
            ),
            Formula::Exact { base, times } => base
                .wrapping_add(constants.exact as u32)
                .wrapping_sub(times.wrapping_mul(dot as u32)),
        }
    }
}

/// A float as an unsigned integer of the same order; NaN comes last.
#[inline]
fn order(distance: f32) -> Key {
    let bits = distance.to_bits();
    if distance.is_nan() {
        return Key::MAX;
    }
    if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    }
}

/// The inverse of `order`.
fn unorder(key: Key) -> f32 {
    f32::from_bits(if key >> 31 == 1 {
        key & !(1 << 31)
    } else {
        !key
    })
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

fn range(vector: &[f32]) -> (f32, f32) {
    let first = vector.first().copied().unwrap_or(0.0);
    vector
        .iter()
        .fold((first, first), |(low, high), &x| (low.min(x), high.max(x)))
}

/// `byte - 128` of each.
fn shift(bytes: &[u8], shifted: &mut Vec<i8>) {
    shifted.clear();
    shifted.extend(bytes.iter().map(|&byte| (byte ^ 0x80) as i8));
}

/// The byte that `x` is.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast of floats saturates"
)]
fn byte(x: f32) -> Option<u8> {
    let byte = x as u8;
    (f32::from(byte) == x).then_some(byte)
}
