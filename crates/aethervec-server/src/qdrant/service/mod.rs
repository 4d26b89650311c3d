//! What the dialect can do, each operation once: on a database, synchronously, in the form of `model`.

pub(crate) mod cluster;
pub(crate) mod collections;
pub(crate) mod points;
pub(crate) mod queries;
pub(crate) mod snapshots;
mod strict;
pub(crate) mod telemetry;
pub(crate) mod updates;

use crate::qdrant::error::{Failure, Result};
use aethervec::{AetherDB, Collection, ErrorKind};
use strict::Strict;

/// Fails when the strict mode of `collection`, if it has one, does not pass `check`.
fn permit(collection: &Collection, check: impl FnOnce(&Strict) -> Result<()>) -> Result<()> {
    Strict::of(collection)?.as_ref().map_or(Ok(()), check)
}

/// The collection called `name`, or that has it as an alias.
pub(crate) fn collection(db: &AetherDB, name: &str) -> Result<Collection> {
    db.collection(name).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::no_collection(name),
        _ => error.into(),
    })
}
