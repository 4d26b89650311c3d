//! Parts of a set of points that lie near to each other: what buckets and bulk-built graphs begin with.

use aether_distance::VectorRef;

use crate::ivf::Space;
use crate::kmeans::Centroids;
use crate::memory::SLOTS_MAX;
use crate::work::Work;
use crate::{Error, PointId, Result};

/// Points that are placed at a time.
const BLOCK_POINTS: usize = 8_192;

/// The places of points, from 0 on.
pub(crate) fn numbers_of(points: &[PointId]) -> Result<Vec<u32>> {
    let count = u32::try_from(points.len()).ok();
    let count = count.filter(|&count| count <= SLOTS_MAX).ok_or_else(|| {
        let given = points.len();
        Error::unavailable(format!(
            "{given} points are too many: an index has at most {SLOTS_MAX} slots"
        ))
    })?;
    Ok((0..count).collect())
}

/// Centroids of a sample, [`Centroids::fit_steps`] of work.
pub(crate) fn train<'a>(
    space: &Space,
    sample: impl Iterator<Item = VectorRef<'a>>,
    parts: usize,
    seed: u64,
    work: &Work<'_>,
) -> Result<Centroids> {
    let (mut floats, mut rotated) = (Vec::new(), Vec::new());
    for vector in sample {
        space.place(vector, &mut floats, &mut rotated);
    }
    work.advance(0)?;
    Centroids::fit(&rotated, space.width(), parts, seed, work)
}

/// Which of the vectors of these numbers are nearest to each centroid, in their order. A step each.
pub(crate) fn assign<'a>(
    space: &Space,
    centroids: &Centroids,
    numbers: &[u32],
    vector: &(impl Fn(usize) -> VectorRef<'a> + Sync),
    work: &Work<'_>,
) -> Result<Vec<Vec<u32>>> {
    let nearest = work.map(
        numbers.chunks(BLOCK_POINTS),
        || (Vec::new(), Vec::new()),
        |(floats, rotated), numbers| {
            rotated.clear();
            for &number in numbers {
                space.place(vector(number as usize), floats, rotated);
            }
            work.advance(numbers.len())?;
            Ok(centroids.nearest(rotated))
        },
    )?;
    let mut parts = vec![Vec::new(); centroids.len()];
    for (&number, part) in numbers.iter().zip(nearest.into_iter().flatten()) {
        parts[part as usize].push(number);
    }
    Ok(parts)
}
