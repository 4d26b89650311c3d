//! Changes to points. Each request is one commit, also a batch of several operations: all of it is there, or nothing.

use super::{collection, permit};
use crate::observe::request;
use crate::qdrant::access::Access;
use crate::qdrant::convert::{self, Change};
use crate::qdrant::error::{Failure, Result};
use crate::qdrant::model::{UpdateBatch, UpdateOperation, UpdateResult, UpdateStatus};
use aethervec::{AetherDB, Collection, Outcome, Transaction, Write};

/// Whether the client waits for the change to be applied. It is in either case before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Yes,
    No,
}

impl From<bool> for Wait {
    fn from(wait: bool) -> Wait {
        if wait { Wait::Yes } else { Wait::No }
    }
}

/// The answer to a change that is made: its number is a moment in the order of all writes at which it is visible.
pub(crate) fn done(db: &AetherDB, wait: Wait) -> UpdateResult {
    UpdateResult {
        operation_id: db.snapshot().seq().0,
        status: match wait {
            Wait::Yes => UpdateStatus::Completed,
            Wait::No => UpdateStatus::Acknowledged,
        },
    }
}

/// Makes one change.
pub(crate) fn update(
    db: &Access<'_>,
    name: &str,
    operation: UpdateOperation,
    wait: Wait,
) -> Result<UpdateResult> {
    let collection = collection(db, name)?;
    permit(&collection, |strict| strict.change(&operation))?;
    let change = convert::change(&collection.schema(), operation)?;
    room_for(db, &collection, &change)?;
    match change {
        Change::Write(writes) => request::applied(&collection.apply_batch(writes)?),
        Change::PatchBy(filter, patch) => drop(collection.patch_by(&filter, patch)?),
        Change::DeleteBy(filter) => drop(collection.delete_by(&filter)?),
        change @ Change::WriteAll(_) => together(db, &collection, &[change])?,
    }
    Ok(done(db, wait))
}

/// Makes several changes, one after the other, in one commit.
pub(crate) fn batch(
    db: &Access<'_>,
    name: &str,
    batch: UpdateBatch,
    wait: Wait,
) -> Result<Vec<UpdateResult>> {
    let collection = collection(db, name)?;
    permit(&collection, |strict| {
        let mut operations = batch.operations.iter();
        operations.try_for_each(|operation| strict.change(operation))
    })?;
    let schema = collection.schema();
    let count = batch.operations.len();
    let changes = batch.operations.into_iter();
    let changes: Result<Vec<Change>> = changes
        .map(|operation| convert::change(&schema, operation))
        .collect();
    let changes = changes?;
    for change in &changes {
        room_for(db, &collection, change)?;
    }
    together(db, &collection, &changes)?;
    Ok(vec![done(db, wait); count])
}

fn room_for(db: &Access<'_>, collection: &Collection, change: &Change) -> Result<()> {
    match change {
        Change::Write(writes) | Change::WriteAll(writes) => db.room_for(collection, writes),
        Change::PatchBy(..) | Change::DeleteBy(_) => Ok(()),
    }
}

/// Makes all changes or none: a document that must be there and is not takes everything back.
fn together(db: &AetherDB, collection: &Collection, changes: &[Change]) -> Result<()> {
    db.transact(|transaction| {
        let start = transaction.savepoint();
        for change in changes {
            if let Some(missing) = make(transaction, collection, change)? {
                transaction.rollback_to(&start);
                return Ok(Err(missing));
            }
        }
        Ok(Ok(()))
    })?
}

/// Makes a change; the failure is about a document that is not there.
fn make(
    transaction: &mut Transaction,
    collection: &Collection,
    change: &Change,
) -> aethervec::Result<Option<Failure>> {
    match change {
        Change::Write(writes) => {
            request::applied(&transaction.apply_batch(collection, writes.clone())?);
        }
        Change::WriteAll(writes) => {
            let outcomes = transaction.apply_batch(collection, writes.clone())?;
            request::applied(&outcomes);
            let mut made = writes.iter().zip(outcomes);
            let missing = made.find(|(_, outcome)| *outcome == Outcome::NotFound);
            return Ok(missing.map(|(write, _)| no_point(write)));
        }
        Change::PatchBy(filter, patch) => {
            transaction.patch_by(collection, filter, patch.clone())?;
        }
        Change::DeleteBy(filter) => {
            transaction.delete_by(collection, filter)?;
        }
    }
    Ok(None)
}

fn no_point(write: &Write) -> Failure {
    Failure::not_found(format!("No point with id {} found", write.id()))
}
