//! Reading all buckets to see that they are sound.

use std::collections::HashSet;

use super::Ivf;
use crate::hnsw::CheckSummary;
use crate::{Error, PointId, Result};

pub(super) fn check(ivf: &Ivf) -> Result<CheckSummary> {
    let pass = ivf.writer.lock();
    let reader = ivf.nodes.read();
    let directory = ivf.directory.read();
    let taken: HashSet<u32> = pass.taken.iter().copied().collect();
    let mut seen = vec![false; ivf.nodes.bound() as usize];
    for (number, bucket) in directory.buckets().iter().enumerate() {
        for (slot, point) in bucket.read().points() {
            let wrong = |what: &str| {
                let text = format!("bucket {number}: point {point} in slot {slot}, {what}");
                Err(Error::corruption(text))
            };
            match (reader.node(slot), seen.get_mut(slot as usize)) {
                (Some(node), _) if node.id() != point.0 => return wrong("where another point is"),
                (Some(_), Some(true)) => return wrong("which comes twice"),
                (Some(_), Some(seen)) => *seen = true,
                _ => return wrong("where no point is"),
            }
        }
    }
    let mut summary = CheckSummary {
        live: 0,
        dead: 0,
        unreachable: 0,
    };
    for slot in 0..ivf.nodes.bound() {
        let Some(node) = reader.node(slot) else {
            continue;
        };
        let (point, is_dead) = (PointId(node.id()), ivf.dead.contains(slot));
        if !(seen[slot as usize] || is_dead && taken.contains(&slot)) {
            return Err(Error::corruption(format!(
                "point {point} in slot {slot} is in no bucket"
            )));
        }
        let found = ivf.points.find(point, &reader);
        if found != Some(slot) {
            return Err(Error::corruption(format!(
                "point {point} is in slot {slot}, but is looked for in {found:?}"
            )));
        }
        summary.live += usize::from(!is_dead);
        summary.dead += usize::from(is_dead);
    }
    let counted = (ivf.len(), ivf.dead());
    if counted != (summary.live, summary.dead) {
        let CheckSummary { live, dead, .. } = summary;
        return Err(Error::corruption(format!(
            "the buckets hold {live} live and {dead} dead points, but count {} and {}",
            counted.0, counted.1
        )));
    }
    Ok(summary)
}
