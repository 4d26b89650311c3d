//! The keyspace `filter` and what is in memory of it: both must say what the documents say.

use super::{OnDisk, ProblemKind, Problems};
use crate::error::{ErrorKind, Result};
use crate::index::core::Core;
use crate::payload;
use roaring::RoaringTreemap;

/// Exactly the points of documents are alive, and every payload index says of each what its document does.
pub(super) fn check(core: &Core, disk: &OnDisk, problems: &mut Problems) -> Result<()> {
    let alive: RoaringTreemap = disk.alive.iter().map(|point| point.0).collect();
    let mut stored = payload::all_points(core.id, &core.keyspaces, &disk.snapshot)?;
    for point in &disk.died {
        stored.remove(point.0);
    }
    compare(&stored, &alive, "the keyspace filter", problems);
    if let Some(visible) = core.visible_at(disk.snapshot.seq()) {
        compare(&visible, &alive, "the bitmap of living points", problems);
    }
    match payload::problems(core, &disk.snapshot, &alive) {
        Ok(found) => found
            .into_iter()
            .for_each(|message| problems.add(ProblemKind::PayloadIndex, message)),
        Err(error) if error.kind() == ErrorKind::Corruption => problems.add_error(&error),
        Err(error) => return Err(error),
    }
    Ok(())
}

fn compare(found: &RoaringTreemap, alive: &RoaringTreemap, place: &str, problems: &mut Problems) {
    for point in alive - found {
        problems.add(
            ProblemKind::NotIndexed,
            format!("point {point} is not in {place}"),
        );
    }
    for point in found - alive {
        problems.add(
            ProblemKind::IndexedWithoutPoint,
            format!("point {point} of {place} belongs to no document"),
        );
    }
}
