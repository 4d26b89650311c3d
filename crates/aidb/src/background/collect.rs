//! Finds attachment files that nobody can reach any more.
//!
//! A file is reachable while some reader, or the database after a power cut, could see a version of a key that refers
//! to it: a version is needed if it is the newest, if a snapshot stands between it and the next newer one, or if that
//! newer one is not durable yet.

use std::collections::BTreeMap;

use crate::attachment::AttachmentRecord;
use crate::compaction::Retention;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::iter::InternalIterator;
use crate::key::{self, SeqNo, ValueKind};
use crate::keyspace::KeyspaceId;

/// Discards what is unreachable, if there is a reason to look; false when there was none.
pub(crate) fn collect_attachments(engine: &Engine) -> Result<bool> {
    // One at a time: the one that began earlier must not have the last word on when to look again.
    let _turn = engine.attachments.collecting();
    if !engine.attachments.take_suspicion() {
        return Ok(false);
    }
    // Before the moments: a file that is registered later is not looked at, and one that is in this list has its
    // commit within them.
    let registered = engine.attachments.registered();
    if registered.is_empty() {
        return Ok(false);
    }
    let mut retention = engine.snapshots.retention();
    // Any moment from the last durable write on may be what a power cut leaves.
    retention.visible = retention.visible.min(engine.group.durable());
    let reach = match reach(engine, &retention) {
        Ok(reach) => reach,
        Err(error) => {
            engine.attachments.suspect();
            return Err(error);
        }
    };
    let unreachable: Vec<u64> = registered
        .into_iter()
        .filter(|number| !reach.files.contains_key(number))
        .collect();
    engine.attachments.discard(&unreachable);
    engine.attachments.set_wake_at(reach.until);
    engine.look_again();
    engine.delete_garbage();
    Ok(!unreachable.is_empty())
}

/// Takes over the files that can be reached in a database that was just opened.
pub(crate) fn adopt_attachments(engine: &Engine) -> Result<()> {
    let reach = reach(engine, &engine.snapshots.retention())?;
    // One that is missing or cut short is an error for whoever opens it: the rest stays readable.
    for record in reach.files.values() {
        engine.attachments.recover(record);
    }
    engine.attachments.set_wake_at(reach.until);
    Ok(())
}

/// What can be reached.
struct Reach {
    files: BTreeMap<u64, AttachmentRecord>,
    /// Once nobody can go back before this, less can be reached.
    until: SeqNo,
}

/// The files that needed versions refer to.
fn reach(engine: &Engine, retention: &Retention) -> Result<Reach> {
    let state = engine.state.load_full();
    let mut cursor = state.versions(KeyspaceId::ATTACHMENTS)?;
    let mut reach = Reach {
        files: BTreeMap::new(),
        until: SeqNo::MAX,
    };
    let mut last: Option<(Vec<u8>, SeqNo)> = None;
    cursor.seek_to_first();
    while cursor.valid() {
        let (user_key, trailer) = key::split(cursor.key());
        let seq = key::trailer_seq(trailer);
        let newer = last
            .as_ref()
            .filter(|(key, _)| key == user_key)
            .map(|(_, seq)| *seq);
        let is_put = key::trailer_kind(trailer) == Some(ValueKind::Put);
        if is_put && retention.is_seen(seq, newer) {
            let record =
                AttachmentRecord::decode(&cursor.value()).ok_or_else(|| unreadable(user_key))?;
            reach.files.insert(record.number, record);
            reach.until = reach.until.min(newer.unwrap_or(SeqNo::MAX));
        }
        last = Some((user_key.to_vec(), seq));
        cursor.next();
    }
    cursor.status()?;
    Ok(reach)
}

fn unreadable(user_key: &[u8]) -> Error {
    let key = user_key.escape_ascii();
    Error::new(
        ErrorKind::Corruption,
        format!("the registered attachment of key {key} does not read back"),
    )
}
