//! Short codes for vectors, and what a query makes of them: estimates of distances from a few bits per component.
//!
//! The family that the indexes share is [`RaBitQ`]: one centre and one random [`Rotation`] for all vectors, hence one
//! [`QueryTable`] per query that serves every code, whichever bucket or node it lies in. The first bit of each component (its
//! sign) is scanned 32 codes at once; up to seven more stand behind it for whoever wants a sharper estimate of a single code.
//!
//! # Blocks, for scanning
//! ```text
//! signs    padded_dim / 8 bytes         bit i % 8 of byte i / 8: is component i of the rotated vector >= 0?
//! block    32 * padded_dim / 8 bytes    the signs of 32 codes: for each 4 components 16 bytes, byte l holding those
//!                                       of code l in its low and those of code 16 + l in its high nibble
//! factors  3 floats per code            estimate = base + add + scale * <query, signs>, give or take error * |query|
//! ```
//! `padded_dim` is the dimension rounded up to a multiple of 64. A code is [`pack`]ed into any lane of a block and
//! [`unpack`]ed from it without touching its neighbours; what lies in lanes that are not used is estimated, too, and
//! ignored by the caller (a factor `add` of infinity keeps it out of everything).
//!
//! # Other codes
//! [`ScalarQuantizer`]: 8 or 4 bits per component in equal steps, when an integer dot product per vector is what one can afford.
//! [`ProductQuantizer`]: 4 bits per several components, in the same blocks, when memory counts most. Both are trained on a sample.
//!
//! # Directions
//! Estimates are distances of the metric as `aether_distance` has them: smaller is nearer. They compare with exact distances.
//!
//! ```
//! use aether_distance::{Metric, ScanFactors, VectorRef};
//! use aether_index::quantize::{Code, QueryTable, RaBitQ, pack};
//!
//! // Once per index: a centre ([`mean`] of the vectors, or zeros), the bits per component, a seed.
//! let quantizer = RaBitQ::new(Metric::L2Squared, 1, vec![0.0; 100], 42)?;
//!
//! // Once per vector: its code, packed into a lane of a block, and its factors.
//! let mut code = Code::default();
//! let mut block = vec![0; quantizer.block_bytes()];
//! let (mut add, mut scale) = ([f32::INFINITY; 32], [0.0; 32]);
//! for lane in 0..2 {
//!     quantizer.encode(VectorRef::F32(&[lane as f32; 100]), &mut code);
//!     pack(&mut block, lane, code.signs());
//!     (add[lane], scale[lane]) = (code.factors().add, code.factors().scale);
//! }
//!
//! // Once per query, without allocation from the second on: the table. Then blocks, 32 codes at once.
//! let mut table = QueryTable::default();
//! quantizer.prepare(&[1.0; 100], &mut table);
//! let mut estimates = [0.0; 32];
//! let factors = ScanFactors { add: &add, scale: &scale };
//! let below = table.estimate32(&block, factors, 50.0, &mut estimates);
//! assert_eq!(below, 0b10); // of the two codes, the second is nearer than 50
//! # Ok::<(), aether_index::Error>(())
//! ```

mod block;
mod centred;
mod product;
mod rabitq;
mod rotation;
mod scalar;
mod table;

use aether_distance::{DIM_MAX, VectorRef};

use crate::{Error, Result};

pub use block::{pack, unpack};
pub use centred::{Factors, mean};
pub use product::{ProductQuantizer, ProductTable};
pub use rabitq::{BITS_MAX, Code, RaBitQ};
pub use rotation::Rotation;
pub use scalar::{ScalarBits, ScalarQuantizer, ScalarTable};
pub use table::QueryTable;

fn check_dim(dim: usize) -> Result<()> {
    if !(1..=DIM_MAX).contains(&dim) {
        return Err(Error::invalid(format!(
            "dimension is {dim}, but must be 1 to {DIM_MAX}"
        )));
    }
    Ok(())
}

/// Whether a quantizer of `dim` components can be trained on `sample`.
fn check_sample(dim: usize, sample: &[VectorRef<'_>]) -> Result<()> {
    if sample.is_empty() {
        return Err(Error::invalid(
            "a quantizer needs a sample to be trained on, but it is empty",
        ));
    }
    for vector in sample {
        if vector.dim() != dim {
            let given = vector.dim();
            return Err(Error::invalid(format!(
                "a vector of {given} components in a sample of vectors of {dim}"
            )));
        }
        if !vector.is_finite() {
            return Err(Error::invalid("a component of a sample is not finite"));
        }
    }
    Ok(())
}
