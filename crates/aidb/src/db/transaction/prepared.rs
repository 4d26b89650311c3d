//! Prepared transactions: a promise that survives restarts.
//!
//! ```text
//! key      2, name              in the system keyspace
//! value    length, writes (as in a batch), locks
//! locks    points: count, per keyspace: id, count, keys      ranges: count, per keyspace: id, count, ranges
//! range    two bounds           bound = 0 none · 1 included, key · 2 excluded, key
//! ```
//! Integers are varints, keys have a length in front.
//!
//! 1. [`Transaction::prepare`] looks for conflicts as a commit does, locks what the transaction depends on, and writes
//!    the promise: one put, durable on return.
//! 2. [`DB::commit_prepared`] writes the writes and removes the promise, [`DB::rollback_prepared`] only removes it: one
//!    batch each, durable on return. Before that batch a crash leaves the promise, after it none.
//! 3. An open locks again what the promises that it finds have locked.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::batch::WriteBatch;
use crate::conflicts::{Footprint, KeyRange};
use crate::db::admission::{Claim, Lock};
use crate::db::commit::Commit;
use crate::db::handle::DB;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::key::SeqNo;
use crate::keyspace::KeyspaceId;
use crate::varint;

use super::{Isolation, Transaction, add_touched};

/// The longest name of a prepared transaction, in bytes.
pub const PREPARED_NAME_BYTES_MAX: usize = 255;

/// The first byte of the keys.
const TAG: u8 = 2;

fn key_of(name: &[u8]) -> Vec<u8> {
    [&[TAG], name].concat()
}

impl Transaction {
    /// Makes the transaction a promise under `name`: it can be committed from now on whatever happens, also after a
    /// crash, until [`DB::commit_prepared`] or [`DB::rollback_prepared`] resolves it. Until then it is invisible, and
    /// whoever else writes what it writes (or what it read, when it is serializable) gets a conflict. For commits that
    /// span several databases.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] as [`Transaction::commit`]; [`ErrorKind::Invalid`] for a name that is empty, too long
    /// or taken.
    pub fn prepare(mut self, name: impl AsRef<[u8]>) -> Result<()> {
        let name = name.as_ref();
        if name.is_empty() || name.len() > PREPARED_NAME_BYTES_MAX {
            return Err(Error::invalid(format!(
                "the name of a prepared transaction has 1 to {PREPARED_NAME_BYTES_MAX} bytes; this one has {}",
                name.len()
            )));
        }
        let depends = self.depends();
        let mut locks = depends.clone();
        if self.isolation == Isolation::Serializable {
            add_touched(&mut locks, self.batch.payload());
        }
        let since = self.check(&depends)?;
        let engine = self.db.engine();
        let mut promise = WriteBatch::new();
        let value = encode(self.batch.payload(), &locks);
        promise.push_own(engine.id, &key_of(name), Some(&value));
        let claim = Claim {
            unchanged: Some((&depends, since)),
            lock: Some(Lock {
                name,
                locks: &locks,
                writes: self.batch.payload(),
            }),
            ..Claim::default()
        };
        let seq = engine.submit_as(promise, claim)?;
        Commit::new(self.db.clone(), seq).wait_durable()
    }
}

impl DB {
    /// The names of the prepared transactions that wait to be resolved, sorted.
    pub fn prepared(&self) -> Vec<Bytes> {
        self.engine().conflicts.prepared()
    }

    /// Commits a prepared transaction, durably. The result is the number of its last write; none when there is no
    /// prepared transaction of that name: it was resolved before, so that trying again is harmless.
    ///
    /// # Errors
    /// As [`DB::write`]; it stays prepared then, or trying again tells that it does not.
    pub fn commit_prepared(&self, name: impl AsRef<[u8]>) -> Result<Option<SeqNo>> {
        self.resolve_prepared(name.as_ref(), true)
    }

    /// Forgets a prepared transaction, durably. True when there was one of that name.
    ///
    /// # Errors
    /// As [`DB::commit_prepared`].
    pub fn rollback_prepared(&self, name: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.resolve_prepared(name.as_ref(), false)?.is_some())
    }

    fn resolve_prepared(&self, name: &[u8], commits: bool) -> Result<Option<SeqNo>> {
        let engine = self.engine();
        engine.check_open()?;
        let turn = engine.resolving.lock();
        let key = key_of(name);
        let Some(promise) = engine.get(KeyspaceId::SYSTEM, &key, None)? else {
            drop(turn);
            // Whoever resolved it may still be waiting for that to be durable.
            engine.group.wait(engine.snapshots.visible())?;
            return Ok(None);
        };
        let (writes, _) = decode(&promise).ok_or_else(|| damaged(name))?;
        let mut batch = if commits {
            WriteBatch::from_payload(engine.id, writes).ok_or_else(|| damaged(name))?
        } else {
            WriteBatch::new()
        };
        batch.push_own(engine.id, &key, None);
        let claim = Claim {
            own: Some(name),
            ..Claim::default()
        };
        let seq = engine.submit_as(batch, claim)?;
        engine.conflicts.unlock(name);
        drop(turn);
        Commit::new(self.clone(), seq).wait_durable()?;
        Ok(Some(seq))
    }
}

/// Locks what the prepared transactions of a database that was just opened have locked.
pub(in crate::db) fn adopt(engine: &Engine) -> Result<()> {
    let now = engine.snapshots.visible();
    let lower = Bound::Included(Bytes::from_static(&[TAG]));
    let upper = Bound::Excluded(Bytes::from_static(&[TAG + 1]));
    let (mut entries, _state) = engine.visible(KeyspaceId::SYSTEM, now, lower, upper)?;
    while let Some((key, value)) = entries.next()? {
        let name = key.slice(1..);
        let (_, locks) = decode(&value).ok_or_else(|| damaged(&name))?;
        engine.conflicts.lock(name, locks);
    }
    Ok(())
}

fn damaged(name: &[u8]) -> Error {
    let name = name.escape_ascii();
    Error::new(
        ErrorKind::Corruption,
        format!(
            "the prepared transaction {name} does not read back; restore the database from a backup"
        ),
    )
}

/// Reads any bytes as a promise, and asks its locks.
#[cfg(any(fuzzing, test))]
pub(crate) fn examine_promise(bytes: &[u8]) {
    if let Some((writes, locks)) = decode(bytes) {
        let _ = WriteBatch::from_payload(0, writes);
        locks.has_point(KeyspaceId(1), b"key");
        locks.meets(KeyspaceId(1), b"a", b"b");
    }
}

fn encode(writes: &[u8], locks: &Footprint) -> Vec<u8> {
    let mut out = Vec::with_capacity(writes.len() + 64);
    varint::put_bytes(&mut out, writes);
    varint::put(&mut out, locks.points.len() as u64);
    for (keyspace, keys) in &locks.points {
        varint::put(&mut out, keyspace.0.into());
        varint::put(&mut out, keys.len() as u64);
        keys.iter().for_each(|key| varint::put_bytes(&mut out, key));
    }
    varint::put(&mut out, locks.ranges.len() as u64);
    for (keyspace, ranges) in &locks.ranges {
        varint::put(&mut out, keyspace.0.into());
        varint::put(&mut out, ranges.len() as u64);
        for (lower, upper) in ranges {
            encode_bound(&mut out, lower);
            encode_bound(&mut out, upper);
        }
    }
    out
}

fn encode_bound(out: &mut Vec<u8>, bound: &Bound<Bytes>) {
    let (tag, key) = match bound {
        Bound::Unbounded => (0, None),
        Bound::Included(key) => (1, Some(key)),
        Bound::Excluded(key) => (2, Some(key)),
    };
    out.push(tag);
    if let Some(key) = key {
        varint::put_bytes(out, key);
    }
}

/// The writes, and the locks.
fn decode(promise: &[u8]) -> Option<(&[u8], Footprint)> {
    let mut rest = promise;
    let writes = varint::take_bytes(&mut rest)?;
    let take_key = |rest: &mut &[u8]| varint::take_bytes(rest).map(Bytes::copy_from_slice);
    let locks = Footprint {
        points: take_by_keyspace(&mut rest, take_key)?,
        ranges: take_by_keyspace(&mut rest, take_range)?,
    };
    rest.is_empty().then_some((writes, locks))
}

fn take_by_keyspace<T, C: FromIterator<T>>(
    rest: &mut &[u8],
    take: impl Fn(&mut &[u8]) -> Option<T>,
) -> Option<BTreeMap<KeyspaceId, C>> {
    (0..varint::take(rest)?)
        .map(|_| {
            let keyspace = KeyspaceId(u32::try_from(varint::take(rest)?).ok()?);
            let all: Option<C> = (0..varint::take(rest)?).map(|_| take(rest)).collect();
            Some((keyspace, all?))
        })
        .collect()
}

fn take_range(rest: &mut &[u8]) -> Option<KeyRange> {
    Some((take_bound(rest)?, take_bound(rest)?))
}

fn take_bound(rest: &mut &[u8]) -> Option<Bound<Bytes>> {
    let (&tag, after) = rest.split_first()?;
    *rest = after;
    match tag {
        0 => Some(Bound::Unbounded),
        1 => Some(Bound::Included(Bytes::copy_from_slice(varint::take_bytes(
            rest,
        )?))),
        2 => Some(Bound::Excluded(Bytes::copy_from_slice(varint::take_bytes(
            rest,
        )?))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Vec<u8>, Footprint) {
        let mut locks = Footprint::default();
        locks.add_point(KeyspaceId(1), Bytes::from_static(b"a"));
        locks.add_point(KeyspaceId(300), Bytes::from_static(b""));
        let range = (
            Bound::Included(Bytes::from_static(b"b")),
            Bound::Excluded(Bytes::from_static(b"c")),
        );
        locks.add_range(KeyspaceId(1), range);
        locks.add_range(KeyspaceId(2), (Bound::Unbounded, Bound::Unbounded));
        (b"some writes".to_vec(), locks)
    }

    #[test]
    fn a_promise_reads_back() {
        let (writes, locks) = sample();
        let encoded = encode(&writes, &locks);
        assert_eq!(decode(&encoded), Some((&writes[..], locks)));
    }

    #[test]
    fn no_damage_makes_it_panic() {
        let (writes, locks) = sample();
        let encoded = encode(&writes, &locks);
        for position in 0..encoded.len() {
            assert_eq!(decode(&encoded[..position]), None);
            for bit in 0..8 {
                let mut damaged = encoded.clone();
                damaged[position] ^= 1 << bit;
                let _ = decode(&damaged);
            }
        }
    }
}
