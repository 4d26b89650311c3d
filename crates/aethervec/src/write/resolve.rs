//! What writes come to, on the documents as a reader sees them.

use crate::error::Result;
use crate::filter::Filter;
use crate::id::DocId;
use crate::keyspace::{self, DocRow, FieldNumber};
use crate::timestamp::Timestamp;
use crate::validate;
use crate::vector::VectorValue;
use crate::version::{Change, Old, Version, has_ended};
use crate::view::CollectionView;
use crate::write::operation::{Condition, Outcome};
use crate::write::patch::{self, Expiry};
use crate::write::prepare::{Prepared, PreparedChange, PreparedPatch, PreparedWrite};
use bytes::Bytes;
use std::collections::HashMap;
use std::time::Duration;

/// What writes come to.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// Each document once.
    pub(crate) changes: Vec<Change>,
    /// How many of these documents were there before.
    pub(crate) were_there: usize,
    /// What became of each write.
    pub(crate) outcomes: Vec<Outcome>,
}

/// Takes the writes one after the other: each sees what those before it have made of its document.
pub(crate) fn resolve(view: &CollectionView, prepared: Prepared) -> Result<Resolved> {
    let (mut slots, places) = slots(view, &prepared.writes)?;
    let mut outcomes = Vec::with_capacity(places.len());
    for (position, (write, place)) in prepared.writes.into_iter().zip(&places).enumerate() {
        let slot = &mut slots[*place];
        let outcome = slot.make(view, write).map_err(|error| match places.len() {
            1 => error,
            _ => validate::in_document(error, position, &slot.id),
        })?;
        outcomes.push(outcome);
    }
    let mut resolved = Resolved {
        outcomes,
        ..Resolved::default()
    };
    for change in slots
        .into_iter()
        .filter_map(|slot| slot.into_change().transpose())
    {
        let change = change?;
        let ends = |old: Old| !has_ended(old.expires, view.now);
        resolved.were_there += usize::from(change.old.is_some_and(ends));
        resolved.changes.push(change);
    }
    Ok(resolved)
}

/// A slot for each document, and for each write the place of its document's.
fn slots(view: &CollectionView, writes: &[PreparedWrite]) -> Result<(Vec<Slot>, Vec<usize>)> {
    if let [write] = writes {
        let row = view.stored_doc_row(&write.key)?;
        return Ok((vec![Slot::new(write, row)], vec![0]));
    }
    let mut seen: HashMap<&[u8], usize> = HashMap::with_capacity(writes.len());
    let mut firsts: Vec<&PreparedWrite> = Vec::with_capacity(writes.len());
    let mut places = Vec::with_capacity(writes.len());
    for write in writes {
        let place = *seen.entry(&write.key).or_insert(firsts.len());
        if place == firsts.len() {
            firsts.push(write);
        }
        places.push(place);
    }
    let keys: Vec<&[u8]> = firsts.iter().map(|write| &write.key[..]).collect();
    let rows = view.stored_doc_rows(&keys)?;
    let slots = firsts.into_iter().zip(rows);
    let slots = slots.map(|(write, row)| Slot::new(write, row)).collect();
    Ok((slots, places))
}

/// A document, while writes are applied to it.
struct Slot {
    id: DocId,
    key: Vec<u8>,
    /// Its row in `docs`, also when it has ended.
    row: Option<Bytes>,
    now: State,
}

enum State {
    AsStored,
    Changed(Option<Version>),
}

impl Slot {
    fn new(write: &PreparedWrite, row: Option<Bytes>) -> Slot {
        Slot {
            id: write.id.clone(),
            key: write.key.clone(),
            row,
            now: State::AsStored,
        }
    }

    fn make(&mut self, view: &CollectionView, write: PreparedWrite) -> Result<Outcome> {
        let exists = self.exists(view)?;
        if let Some(refusal) = self.refusal(view, exists, write.condition.as_ref())? {
            return Ok(refusal);
        }
        match write.change {
            PreparedChange::Put(mut version, expiry) => {
                let expiry = expiry.or_else(|| view.core.fields.load().schema.ttl.map(Expiry::In));
                version.expires = expiry.map_or(0, |expiry| ends_at(expiry, view.now));
                self.now = State::Changed(Some(version));
                Ok(match exists {
                    true => Outcome::Replaced,
                    false => Outcome::Inserted,
                })
            }
            _ if !exists => Ok(Outcome::NotFound),
            PreparedChange::Delete => {
                self.now = State::Changed(None);
                Ok(Outcome::Deleted)
            }
            PreparedChange::Patch(patch) => {
                let version = patched(self.take_version(view)?, &patch, view.now)?;
                self.now = State::Changed(Some(version));
                Ok(Outcome::Patched)
            }
        }
    }

    fn exists(&self, view: &CollectionView) -> Result<bool> {
        match (&self.now, &self.row) {
            (State::Changed(version), _) => Ok(version.is_some()),
            (State::AsStored, None) => Ok(false),
            (State::AsStored, Some(row)) => {
                Ok(!has_ended(DocRow::parse(&self.key, row)?.expires, view.now))
            }
        }
    }

    /// Why the write is not made, if it is not.
    fn refusal(
        &self,
        view: &CollectionView,
        exists: bool,
        condition: Option<&Condition>,
    ) -> Result<Option<Outcome>> {
        Ok(match condition {
            Some(Condition::Absent) if exists => Some(Outcome::Exists),
            Some(Condition::Present | Condition::Matches(_)) if !exists => Some(Outcome::NotFound),
            Some(Condition::Matches(filter)) if !self.satisfies(view, filter)? => {
                Some(Outcome::NotMatched)
            }
            _ => None,
        })
    }

    fn satisfies(&self, view: &CollectionView, filter: &Filter) -> Result<bool> {
        match (&self.now, &self.row) {
            (State::AsStored, Some(row)) => {
                view.satisfies(filter, &self.id, &self.key, &DocRow::parse(&self.key, row)?)
            }
            (State::Changed(Some(version)), _) => {
                let fields = view.core.fields.load();
                let has_vector = |name: &str| {
                    let field = fields.get(name);
                    field.is_ok_and(|field| version.has_vector(field.number))
                };
                Ok(filter.matches(&self.id, version.payload.as_ref(), has_vector))
            }
            _ => Ok(false),
        }
    }

    /// The document as it is, which is there.
    fn take_version(&mut self, view: &CollectionView) -> Result<Version> {
        let stored = match (&mut self.now, &self.row) {
            (State::Changed(version), _) => version.take(),
            (State::AsStored, Some(row)) => Some(self.stored_version(view, row)?),
            (State::AsStored, None) => None,
        };
        Ok(stored.expect("only documents that are there are patched"))
    }

    fn stored_version(&self, view: &CollectionView, row: &Bytes) -> Result<Version> {
        let (point_key, point_row) = self.point_row(view, row)?;
        let vectors = view
            .core
            .fields
            .load()
            .read_stored(&point_key, &point_row)?;
        let row = DocRow::parse(&self.key, row)?;
        Ok(Version {
            vectors,
            payload: row.payload(&self.key)?,
            json: row.payload.to_vec(),
            expires: row.expires,
        })
    }

    fn point_row(&self, view: &CollectionView, row: &[u8]) -> Result<([u8; 12], Bytes)> {
        let point = DocRow::parse(&self.key, row)?.point;
        let key = keyspace::point_key(view.core.id, point);
        match view.point_row(point)? {
            Some(row) => Ok((key, row)),
            None => Err(keyspace::missing_point(&self.key, point)),
        }
    }

    fn into_change(self) -> Result<Option<Change>> {
        let State::Changed(new) = self.now else {
            return Ok(None);
        };
        let old = match &self.row {
            Some(row) => {
                let row = DocRow::parse(&self.key, row)?;
                Some(Old {
                    point: row.point,
                    expires: row.expires,
                })
            }
            None if new.is_none() => return Ok(None),
            None => None,
        };
        Ok(Some(Change {
            id: self.id,
            key: self.key,
            old,
            new,
        }))
    }
}

/// The version that `patch` makes of another one.
fn patched(mut version: Version, patch: &PreparedPatch, now: u64) -> Result<Version> {
    if !patch.payload.is_empty() {
        patch::apply(&patch.payload, &mut version.payload);
        version.json.clear();
        if let Some(payload) = &version.payload {
            validate::payload(payload, &mut version.json)?;
        }
    }
    for (field, vector) in &patch.vectors {
        replace_vector(&mut version.vectors, *field, vector.clone());
    }
    if let Some(expiry) = patch.expiry {
        version.expires = ends_at(expiry, now);
    }
    Ok(version)
}

fn replace_vector(
    vectors: &mut Vec<(FieldNumber, VectorValue)>,
    field: FieldNumber,
    vector: Option<VectorValue>,
) {
    match (
        vectors.binary_search_by_key(&field, |(field, _)| *field),
        vector,
    ) {
        (Ok(place), Some(vector)) => vectors[place].1 = vector,
        (Ok(place), None) => drop(vectors.remove(place)),
        (Err(place), Some(vector)) => vectors.insert(place, (field, vector)),
        (Err(_), None) => {}
    }
}

/// In milliseconds since 1970, 0 for never; `now` too.
fn ends_at(expiry: Expiry, now: u64) -> u64 {
    match expiry {
        Expiry::Never => 0,
        Expiry::At(moment) => ends_at_moment(moment),
        Expiry::In(time) => now.saturating_add(millis(time)).max(1),
    }
}

fn ends_at_moment(moment: Timestamp) -> u64 {
    // What ended before 1970 has ended all the same.
    let micros = u64::try_from(moment.as_micros()).unwrap_or(0);
    micros.div_ceil(1_000).max(1)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX)
}
