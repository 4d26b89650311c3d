//! Whether the indexes hold exactly what the keyspaces say.

use super::{OnDisk, ProblemKind, Problems};
use crate::error::{Error, Result};
use crate::index::core::Core;
use crate::index::field::{Field, FieldIndex};
use crate::index::open;
use crate::keyspace;
use aether_index::PointId;
use std::collections::HashSet;

/// Compares the index of each field with the points that have a vector there. Counts points that a graph leads to nowhere.
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

/// No saved graphs but those of fields that exist, or that were dropped a moment ago.
fn check_left_over(core: &Core, disk: &OnDisk, problems: &mut Problems) -> Result<()> {
    let left_over = core.left_over.lock().clone();
    for number in open::read_saved(core.id, &core.keyspaces, &disk.snapshot)? {
        if disk.fields.by_number(number).is_none() && !left_over.contains(&number) {
            problems.add(
                ProblemKind::LeftOver,
                format!(
                    "there is a saved graph of field number {}, which does not exist",
                    number.0
                ),
            );
        }
    }
    Ok(())
}

/// Everything alive is in the graph or among what is searched exactly, and these have nothing else.
fn check_field(
    index: &FieldIndex,
    alive: &HashSet<PointId>,
    disk: &OnDisk,
    next: u64,
    add: &mut impl FnMut(ProblemKind, String),
) -> u64 {
    let (mut unreachable, mut graph_end) = (0, 0);
    let mut in_graph = HashSet::new();
    if let FieldIndex::Dense(index) = index
        && let Some(graph) = index.graph.load_full()
    {
        match graph.check() {
            Ok(summary) => unreachable = summary.unreachable as u64,
            Err(error) => add(ProblemKind::Graph, error.to_string()),
        }
        in_graph.extend(graph.points());
        graph_end = index.applied();
    }
    let scanned: HashSet<PointId> = index.scanned_points().into_iter().collect();
    for point in alive {
        let home = if point.0 < graph_end {
            &in_graph
        } else {
            &scanned
        };
        if !home.contains(point) {
            let message = format!("point {point} is in no index");
            add(ProblemKind::NotIndexed, message);
        }
    }
    let exists = |point: &PointId| alive.contains(point) || disk.died.contains(point);
    for point in in_graph.iter().filter(|point| !exists(point)) {
        let message = format!("point {point} of the graph does not exist");
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

/// The saved graph is there, whole, and not from the future.
fn check_saved(
    core: &Core,
    field: &Field,
    disk: &OnDisk,
    next: u64,
    add: &mut impl FnMut(ProblemKind, String),
) -> Result<()> {
    let record = open::read_graph(core.id, field.number, &core.keyspaces, &disk.snapshot)?;
    if let Some(record) = record
        && record.applied > next
    {
        let message = format!(
            "the saved graph holds all points below {}, and the next number is {next}",
            record.applied
        );
        add(ProblemKind::Counter, message);
    }
    let key = keyspace::graph_key(core.id, field.number);
    match disk.snapshot.attachment(&core.keyspaces.index, key)? {
        Some(file) => {
            let verified = file
                .verify()
                .map_err(Error::from)
                .and_then(|()| Ok(aether_index::verify_checkpoint(&file.map()?)?));
            if let Err(error) = verified {
                add(ProblemKind::File, format!("{}: {error}", file.file_name()));
            }
        }
        None if record.is_some() => add(
            ProblemKind::File,
            "its record names a saved graph, and there is none".to_owned(),
        ),
        None => {}
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
