//! The shape of an index of buckets.

use crate::{Error, Result};

/// The shape of an index of buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IvfParams {
    /// Points of a bucket, about: it is split when it has twice as many. Fewer: searches look at fewer points for the
    /// same recall, but compare with more centroids.
    pub bucket_points: u16,
}

impl IvfParams {
    /// What suits most data of up to some hundred thousand points.
    pub const DEFAULT: IvfParams = IvfParams { bucket_points: 128 };

    /// The least `bucket_points`: a block of codes.
    pub const BUCKET_POINTS_MIN: u16 = 32;

    /// The most `bucket_points`.
    pub const BUCKET_POINTS_MAX: u16 = 8_192;

    pub(crate) fn validate(self) -> Result<IvfParams> {
        let (min, max) = (IvfParams::BUCKET_POINTS_MIN, IvfParams::BUCKET_POINTS_MAX);
        if !(min..=max).contains(&self.bucket_points) {
            return Err(Error::invalid(format!(
                "bucket_points is {}, but must be {min} to {max}",
                self.bucket_points
            )));
        }
        Ok(self)
    }

    /// A bucket with more points is split.
    pub(crate) fn bucket_points_max(self) -> usize {
        2 * usize::from(self.bucket_points)
    }

    /// A bucket with fewer points is given up.
    pub(crate) fn bucket_points_min(self) -> usize {
        usize::from(self.bucket_points) / 8
    }
}
