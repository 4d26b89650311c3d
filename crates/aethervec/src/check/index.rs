//! Whether the indexes hold exactly what the keyspaces say.

use super::{OnDisk, ProblemKind, Problems};
use crate::ann::{Ann, Family};
use crate::error::{Error, Result};
use crate::index::core::Core;
use crate::index::field::{Field, FieldIndex};
use crate::index::open;
use crate::keyspace;
use aether_index::PointId;
use std::collections::HashSet;

/// Compares the index of each field with the points that have a vector there. Counts points that no way through a graph leads to.
pub(super) fn check(core: &Core, disk: &OnDisk, next: u64, problems: &mut Problems) -> Result<u64> {
    let mut unreachable = 0;
    for (field, alive) in disk.fields.iter().zip(&disk.with_vector) {
        unreachable += check_field(&field.index, alive, disk, next, &mut |kind, message| {
            problems.add(kind, in_field(field, message));
        });
        check_saved(core, field, disk, next, &mut |kind, message| {
            problems.add(kind, in_field(field, message));
        })?;
    }
    check_left_over(core, disk, problems)?;
    Ok(unreachable)
}

/// No saved indexes but those of fields that exist, or that were dropped a moment ago.
fn check_left_over(core: &Core, disk: &OnDisk, problems: &mut Problems) -> Result<()> {
    let left_over = core.left_over.lock().clone();
    for number in open::read_saved(core.id, &core.keyspaces, &disk.snapshot)? {
        if disk.fields.by_number(number).is_none() && !left_over.contains(&number) {
            problems.add(
                ProblemKind::LeftOver,
                format!(
                    "there is a saved index of field number {}, which does not exist",
                    number.0
                ),
            );
        }
    }
    Ok(())
}

/// Everything alive is in the approximate index or among what is searched exactly, and these have nothing else.
fn check_field(
    index: &FieldIndex,
    alive: &HashSet<PointId>,
    disk: &OnDisk,
    next: u64,
    add: &mut impl FnMut(ProblemKind, String),
) -> u64 {
    let (mut unreachable, mut ann_end) = (0, 0);
    let mut in_ann = HashSet::new();
    if let FieldIndex::Dense(index) = index
        && let Some(ann) = index.ann.load_full()
    {
        match ann.check() {
            Ok(summary) => unreachable = summary.unreachable as u64,
            Err(error) => add(ProblemKind::Index, error.to_string()),
        }
        match ann.points() {
            Ok(points) => in_ann.extend(points),
            Err(error) => add(ProblemKind::Index, error.to_string()),
        }
        ann_end = index.applied();
    }
    let scanned: HashSet<PointId> = index.scanned_points().into_iter().collect();
    for point in alive {
        let home = if point.0 < ann_end { &in_ann } else { &scanned };
        if !home.contains(point) {
            let message = format!("point {point} is in no index");
            add(ProblemKind::NotIndexed, message);
        }
    }
    let exists = |point: &PointId| alive.contains(point) || disk.died.contains(point);
    for point in in_ann.iter().filter(|point| !exists(point)) {
        let message = format!("point {point} of the index does not exist");
        add(ProblemKind::IndexedWithoutPoint, message);
    }
    // Points from `next` on were written meanwhile.
    let older = scanned.iter().filter(|point| point.0 < next);
    for point in older.filter(|point| !exists(point)) {
        let message = format!("point {point} of the delta does not exist");
        add(ProblemKind::IndexedWithoutPoint, message);
    }
    unreachable
}

/// The saved index is there, whole, and not from the future.
fn check_saved(
    core: &Core,
    field: &Field,
    disk: &OnDisk,
    next: u64,
    add: &mut impl FnMut(ProblemKind, String),
) -> Result<()> {
    let record = open::read_ann(core.id, field.number, &core.keyspaces, &disk.snapshot)?;
    if let Some(record) = record
        && record.applied > next
    {
        let message = format!(
            "the saved index holds all points below {}, and the next number is {next}",
            record.applied
        );
        add(ProblemKind::Counter, message);
    }
    let key = keyspace::ann_key(core.id, field.number);
    let file = disk.snapshot.attachment(&core.keyspaces.index, key)?;
    match (record, file) {
        // It is in rows, which the check of the index itself reads.
        (Some(record), None) if record.family == Family::Drift => {}
        (Some(record), Some(file)) => {
            let verified = file
                .verify()
                .map_err(Error::from)
                .and_then(|()| Ok(Ann::verify(record.family, &file.map()?)?));
            if let Err(error) = verified {
                add(ProblemKind::File, format!("{}: {error}", file.file_name()));
            }
        }
        (Some(_), None) => add(
            ProblemKind::File,
            "its record names a saved index, and there is none".to_owned(),
        ),
        (None, Some(file)) => add(
            ProblemKind::LeftOver,
            format!("{}: no record names this saved index", file.file_name()),
        ),
        (None, None) => {}
    }
    Ok(())
}

fn in_field(field: &Field, message: String) -> String {
    if field.name.is_empty() {
        message
    } else {
        format!("field {:?}: {message}", field.name)
    }
}
