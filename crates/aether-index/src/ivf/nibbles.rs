//! Codes of four bits per component of the points in a checkpoint: estimates so sharp that hardly more exact vectors are read
//! than are found.
//!
//! ```text
//! code   levels of width components, two to a byte · add f32 · scale f32
//! x'  ≈  step * (level - 7.5)      x': the vector in the space of the index, relative to its centre and rotated
//! ```
//! A search whose vectors are not in memory waits for the disk once for each page of them, but codes are small enough to stay
//! there. They are relative to the centre of the whole index: a point may change its bucket and keep its code. In memory
//! vectors are at hand, and these codes would take a quarter as much again: points that came after the checkpoint have none.
//!
//! As with signs the approximation is stretched so that its product with `x'` is `|x'|²`. Then its error in the direction of
//! `x'` is none, and what is left is `<q - x', rounding>`, of which every component is uniform over one step: the nearer a
//! point is, the sharper its estimate (RaBitQ: Gao et al. 2024, arXiv 2409.09913; one range for each vector as in LVQ:
//! Aguerrebere et al. 2023, arXiv 2304.04759).

use aether_distance::{Metric, prefetch};

use super::dead::DeadSet;
use super::pool::{Near, Pool};
use super::space::{Query, Space};
use crate::memory::Part;

/// The level of zero.
const MIDDLE: f32 = 7.5;

/// Bytes of `add` and `scale`.
const FACTOR_BYTES: usize = 8;

/// The standard deviation of rounding, in steps: that of a uniform distribution.
const ROUNDING: f32 = 0.288_675;

/// No rounding makes a vector that much shorter, but for damaged and infinite ones.
const STRETCH_MAX: f32 = 16.0;

/// Codes asked from memory ahead of their use.
const AHEAD: usize = 8;

/// The codes of a checkpoint's slots.
#[derive(Debug)]
pub(super) struct Nibbles {
    codes: Part,
    slots: u32,
    /// Slots that have another point than in the checkpoint.
    stale: DeadSet,
}

/// Bytes of the code of a vector of `width` rotated components.
pub(crate) fn code_bytes(width: usize) -> usize {
    width / 2 + FACTOR_BYTES
}

/// Writes the code of a rotated vector less its centroid; `code` has [`code_bytes`]. Without a centroid, of the vector itself.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast of floats saturates"
)]
pub(crate) fn encode(space: &Space, rotated: &[f32], centroid: Option<&[f32]>, code: &mut [u8]) {
    let (levels, factors) = code.split_at_mut(rotated.len() / 2);
    // Eight side by side, which the compiler vectorizes.
    let mut largest = [0.0_f32; 8];
    for x in rotated.as_chunks::<8>().0 {
        for i in 0..8 {
            largest[i] = largest[i].max(x[i].abs());
        }
    }
    let largest = largest.into_iter().fold(0.0, f32::max);
    let step = largest / MIDDLE;
    let per_unit = if step > 0.0 { step.recip() } else { 0.0 };
    let level = |x: f32| (x * per_unit + MIDDLE + 0.5).min(2.0 * MIDDLE) as u8;
    let (lower, upper) = rotated.split_at(levels.len());
    let mut along = [0.0; 8];
    let (lower, upper) = (lower.as_chunks::<8>().0, upper.as_chunks::<8>().0);
    let eights = levels.as_chunks_mut::<8>().0;
    for (levels, (low, high)) in eights.iter_mut().zip(lower.iter().zip(upper)) {
        for i in 0..8 {
            let (of_low, of_high) = (level(low[i]), level(high[i]));
            levels[i] = of_low | of_high << 4;
            along[i] +=
                low[i] * (f32::from(of_low) - MIDDLE) + high[i] * (f32::from(of_high) - MIDDLE);
        }
    }
    let along = along.iter().sum::<f32>();
    let square = space.kernels.dot_f32(rotated, rotated);
    let stretch = square / (step * along);
    let stretch = if stretch > 0.0 && stretch < STRETCH_MAX {
        stretch
    } else {
        1.0
    };
    let (add, scale) = match space.metric {
        Metric::InnerProduct => (0.0, -stretch * step),
        Metric::L2Squared | Metric::Cosine => {
            let scale = -2.0 * stretch * step;
            let of_centroid = centroid.map_or(0.0, |centroid| dot(centroid, levels));
            (square - scale * of_centroid, scale)
        }
    };
    let (add_bytes, scale_bytes) = factors.split_at_mut(size_of::<f32>());
    add_bytes.copy_from_slice(&add.to_le_bytes());
    scale_bytes.copy_from_slice(&scale.to_le_bytes());
}

/// The distance of a query to the vector of a code, and one standard deviation of the error. `base`: of the centroid, or
/// [`Space::base_of_origin`] without one. `None` when the code is too short.
#[inline]
pub(crate) fn estimate(space: &Space, query: &Query, base: f32, code: &[u8]) -> Option<(f32, f32)> {
    let (levels, factors) = code.split_last_chunk::<FACTOR_BYTES>()?;
    let [a, b, c, d, e, f, g, h] = *factors;
    let (add, scale) = (
        f32::from_le_bytes([a, b, c, d]),
        f32::from_le_bytes([e, f, g, h]),
    );
    let estimate = base + add + scale * query.table.dot_levels(levels, MIDDLE);
    let reach = match space.metric {
        Metric::InnerProduct => query.table.norm(),
        Metric::L2Squared | Metric::Cosine => estimate.max(0.0).sqrt(),
    };
    Some((estimate, ROUNDING * scale.abs() * reach))
}

/// The product of a vector with levels less the middle.
fn dot(vector: &[f32], levels: &[u8]) -> f32 {
    let (lower, upper) = vector.split_at(levels.len());
    let products = levels.iter().zip(lower.iter().zip(upper));
    let products = products.map(|(levels, (low, high))| {
        low * (f32::from(levels & 15) - MIDDLE) + high * (f32::from(levels >> 4) - MIDDLE)
    });
    products.sum()
}

impl Nibbles {
    /// Those of a checkpoint; `None` when `codes` does not hold as many.
    pub(super) fn over(codes: Part, slots: u32, width: usize) -> Option<Nibbles> {
        let bytes = (slots as usize).checked_mul(code_bytes(width))?;
        (bytes <= codes.as_bytes().len()).then_some(Nibbles {
            codes,
            slots,
            stale: DeadSet::new(),
        })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.codes.as_bytes().len()
    }

    /// A slot is about to get another point.
    pub(super) fn forget(&self, slot: u32) {
        if slot < self.slots {
            self.stale.insert(slot);
        }
    }

    /// Whether a slot has the point that it has in the checkpoint.
    #[inline]
    pub(super) fn holds(&self, slot: u32) -> bool {
        slot < self.slots && !(self.stale.len() > 0 && self.stale.contains(slot))
    }

    fn code(&self, slot: u32, width: usize) -> Option<&[u8]> {
        let start = slot as usize * code_bytes(width);
        self.codes
            .as_bytes()
            .get(start..start + code_bytes(width))
            .filter(|_| self.holds(slot))
    }

    /// Estimates the points of a pool anew.
    pub(super) fn sharpen(&self, space: &Space, query: &Query, pool: &mut Pool) {
        let (base, width) = (space.base_of_origin(query), space.width());
        let entries = pool.entries_mut();
        let ask = |near: &Near| {
            if let Some(code) = self.code(near.slot(), width) {
                prefetch(code);
            }
        };
        entries.iter().take(AHEAD).for_each(ask);
        for i in 0..entries.len() {
            if let Some(ahead) = entries.get(i + AHEAD) {
                ask(ahead);
            }
            let near = &mut entries[i];
            let code = self.code(near.slot(), width);
            if let Some((estimate, error)) =
                code.and_then(|code| self::estimate(space, query, base, code))
            {
                *near = Near::new(estimate, error, near.slot());
            }
        }
    }
}
