//! Whether the indexes hold exactly what the keyspaces say.

use super::{OnDisk, ProblemKind, Problems};
use crate::error::{Error, Result};
use crate::index::core::Core;
use crate::index::dense::DenseIndex;
use crate::index::field::{Field, FieldIndex};
use crate::index::open;
use crate::keyspace;
use aether_index::PointId;
use std::collections::HashSet;

/// Compares the index of each field with the points that have a vector there. Counts points that a graph leads to nowhere.
pub(super) fn check(core: &Core, disk: &OnDisk, next: u64, problems: &mut Problems) -> Result<u64> {
    let mut unreachable = 0;
    for (field, alive) in disk.fields.iter().zip(&disk.with_vector) {
        let FieldIndex::Dense(index) = &field.index;
        unreachable += check_dense(index, alive, disk, next, &mut |kind, message| {
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

/// Everything alive is in the delta or in the graph, and these have nothing else.
fn check_dense(
    index: &DenseIndex,
    alive: &HashSet<PointId>,
    disk: &OnDisk,
    next: u64,
    add: &mut impl FnMut(ProblemKind, String),
) -> u64 {
    let graph = index.graph.load_full();
    let mut unreachable = 0;
    let mut in_graph = HashSet::new();
    if let Some(graph) = &graph {
        match graph.check() {
            Ok(summary) => unreachable = summary.unreachable as u64,
            Err(error) => add(ProblemKind::Graph, error.to_string()),
        }
        in_graph.extend(graph.points());
    }
    for &point in alive {
        let found = if graph.is_some() && point.0 < index.applied() {
            in_graph.contains(&point)
        } else {
            index.delta.contains(point)
        };
        if !found {
            add(
                ProblemKind::NotIndexed,
                format!("point {point} is in no index"),
            );
        }
    }
    let exists = |point: &PointId| alive.contains(point) || disk.died.contains(point);
    for point in in_graph.iter().filter(|point| !exists(point)) {
        add(
            ProblemKind::IndexedWithoutPoint,
            format!("point {point} of the graph does not exist"),
        );
    }
    for point in index.delta.points() {
        // Points from `next` on were written meanwhile.
        if point.0 < next && !exists(&point) {
            add(
                ProblemKind::IndexedWithoutPoint,
                format!("point {point} of the delta does not exist"),
            );
        }
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
