//! Reading all buckets to see that they are sound.

use std::collections::HashSet;

use super::format::bad;
use super::record::{self, Image};
use super::{Drift, Store};
use crate::PointId;

/// What a check has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DriftSummary {
    /// All points that are alive, in no order.
    pub alive: Vec<PointId>,
    /// Records of points that are dead.
    pub dead: usize,
}

impl Drift {
    /// Reads all buckets: has each as many records as are counted, and is every point in one of them only? Changes wait; searches do
    /// not. O(points) memory.
    ///
    /// # Errors
    /// [`ErrorKind::Corruption`](crate::ErrorKind::Corruption), naming the first thing that is wrong; those of the store.
    pub fn check<S: Store>(&self, store: &S) -> Result<DriftSummary, S::Error> {
        let maintainer = self.maintainer.lock();
        let view = self.view();
        let mut summary = DriftSummary::default();
        let mut seen = HashSet::new();
        let mut records = 0;
        for (place, bucket) in view.buckets().enumerate() {
            let number = bucket.entry().number;
            if maintainer.places.get(&number) != Some(&place) {
                return Err(bad(&format!("bucket {number} is not where it is looked for")).into());
            }
            let body = self.body(number, store)?;
            let is_dead = |point| store.is_dead(point);
            let image = Image::decode(&self.space, number, body.as_ref(), is_dead)?;
            if image.records != bucket.points() {
                let (found, counted) = (image.records, bucket.points());
                let what =
                    format!("bucket {number} has {found} records, but {counted} are counted");
                return Err(bad(&what).into());
            }
            records += u64::from(image.records);
            for point in record::points(&self.space, body.as_ref()) {
                if is_dead(point) {
                    summary.dead += 1;
                } else if !seen.insert(point) {
                    return Err(bad(&format!(
                        "point {point} comes twice, lastly in bucket {number}"
                    ))
                    .into());
                }
            }
        }
        if records != self.records() {
            let counted = self.records();
            let what = format!("all buckets have {records} records, but {counted} are counted");
            return Err(bad(&what).into());
        }
        summary.alive = seen.into_iter().collect();
        Ok(summary)
    }

    /// All points that are alive, in no order. Reads all buckets.
    ///
    /// # Errors
    /// Those of the store.
    pub fn points<S: Store>(&self, store: &S) -> Result<Vec<PointId>, S::Error> {
        let mut points = Vec::new();
        for bucket in self.view().buckets() {
            let image = self.image(bucket, store)?;
            points.extend(image.points().filter(|&point| !store.is_dead(point)));
        }
        points.sort_unstable();
        points.dedup();
        Ok(points)
    }
}
