//! What there should be: a collection in memory, kept plainly.

use aethervec::{
    CollectionSchema, DocId, Document, Filter, Outcome, Patch, PayloadIndexKind, Timestamp,
    VectorValue, Write,
};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

pub(super) type Docs = BTreeMap<DocId, Document>;

/// A collection.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    pub(super) schema: CollectionSchema,
    pub(super) indexes: BTreeSet<(String, PayloadIndexKind)>,
    pub(super) docs: Docs,
}

/// A write, and what it says.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) id: DocId,
    pub(super) condition: Condition,
    pub(super) change: Change,
}

#[derive(Clone, Debug)]
pub(super) enum Condition {
    None,
    Absent,
    Present,
    Matches(Filter),
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    /// As it is stored, but for the end that the collection gives it.
    Put(Document),
    Patch(Vec<PatchStep>),
    Delete,
}

#[derive(Clone, Debug)]
pub(super) enum PatchStep {
    /// An object of values that are none; `null` deletes.
    Merge(Value),
    Set(&'static str, Value),
    /// In an object that is made if it is not there.
    SetWithin(&'static str, &'static str, Value),
    Delete(&'static str),
    Clear,
    Vector(String, Option<VectorValue>),
    End(Option<Timestamp>),
}

impl Operation {
    /// For the database.
    pub(super) fn write(&self) -> Write {
        let write = match &self.change {
            Change::Put(document) => Write::upsert(document.clone()),
            Change::Patch(steps) => Write::patch(self.id.clone(), patch(steps)),
            Change::Delete => Write::delete(self.id.clone()),
        };
        match &self.condition {
            Condition::None => write,
            Condition::Absent => write.if_absent(),
            Condition::Present => write.if_present(),
            Condition::Matches(filter) => write.if_matches(filter.clone()),
        }
    }
}

/// For the database.
pub(super) fn patch(steps: &[PatchStep]) -> Patch {
    steps
        .iter()
        .cloned()
        .fold(Patch::new(), |patch, step| match step {
            PatchStep::Merge(changes) => patch.merge(changes),
            PatchStep::Set(key, value) => patch.set(key, value),
            PatchStep::SetWithin(object, key, value) => {
                patch.set(format!("{object}.{key}").as_str(), value)
            }
            PatchStep::Delete(key) => patch.delete(key),
            PatchStep::Clear => patch.clear(),
            PatchStep::Vector(field, Some(vector)) => patch.with_vector(field, vector),
            PatchStep::Vector(field, None) => patch.without_vector(field),
            PatchStep::End(Some(moment)) => patch.expiring_at(moment),
            PatchStep::End(None) => patch.never_expiring(),
        })
}

impl State {
    /// Makes a write, and says what comes of it.
    pub(super) fn make(&mut self, operation: &Operation, now: Timestamp) -> Outcome {
        let id = &operation.id;
        let before = self.docs.get(id);
        match (&operation.condition, before) {
            (Condition::Absent, Some(_)) => return Outcome::Exists,
            (Condition::Present | Condition::Matches(_), None) => return Outcome::NotFound,
            (Condition::Matches(filter), Some(document)) if !satisfies(document, filter) => {
                return Outcome::NotMatched;
            }
            _ => {}
        }
        match (&operation.change, before) {
            (Change::Put(document), before) => {
                let outcome = [Outcome::Inserted, Outcome::Replaced][usize::from(before.is_some())];
                let mut document = document.clone();
                if document.expires_at.is_none() {
                    document.expires_at = self.schema.ttl.map(|ttl| {
                        Timestamp::from_micros(
                            now.as_micros() + i64::try_from(ttl.as_micros()).unwrap(),
                        )
                    });
                }
                self.docs.insert(id.clone(), document);
                outcome
            }
            (_, None) => Outcome::NotFound,
            (Change::Delete, Some(_)) => {
                self.docs.remove(id);
                Outcome::Deleted
            }
            (Change::Patch(steps), Some(_)) => {
                self.patch(id, steps);
                Outcome::Patched
            }
        }
    }

    pub(super) fn patch(&mut self, id: &DocId, steps: &[PatchStep]) {
        let document = self.docs.get_mut(id).unwrap();
        for step in steps {
            take(step, document);
        }
    }

    /// The documents that satisfy `filter`.
    pub(super) fn matching(&self, filter: &Filter) -> Vec<DocId> {
        let docs = self.docs.values();
        docs.filter(|document| satisfies(document, filter))
            .map(|document| document.id.clone())
            .collect()
    }

    /// Documents that have ended are gone.
    pub(super) fn end(&mut self, now: Timestamp) {
        self.docs
            .retain(|_, document| document.expires_at.is_none_or(|end| end > now));
    }
}

pub(super) fn satisfies(document: &Document, filter: &Filter) -> bool {
    let has_vector = |field: &str| document.vectors.get(field).is_some();
    filter.matches(&document.id, document.payload.as_ref(), has_vector)
}

fn take(step: &PatchStep, document: &mut Document) {
    let object = |document: &mut Document| -> Map<String, Value> {
        match document.payload.take() {
            Some(Value::Object(object)) => object,
            _ => Map::new(),
        }
    };
    match step {
        PatchStep::Clear => document.payload = None,
        PatchStep::Vector(field, Some(vector)) => {
            document.vectors.insert(field, vector.clone());
        }
        PatchStep::Vector(field, None) => {
            document.vectors.remove(field);
        }
        PatchStep::End(end) => document.expires_at = *end,
        PatchStep::Delete(_) if document.payload.is_none() => {}
        PatchStep::Delete(key) => {
            let mut payload = object(document);
            payload.remove(*key);
            document.payload = Some(Value::Object(payload));
        }
        PatchStep::Set(key, value) => {
            let mut payload = object(document);
            payload.insert((*key).to_owned(), value.clone());
            document.payload = Some(Value::Object(payload));
        }
        PatchStep::SetWithin(outer, key, value) => {
            let mut payload = object(document);
            let mut inner = match payload.remove(*outer) {
                Some(Value::Object(inner)) => inner,
                _ => Map::new(),
            };
            inner.insert((*key).to_owned(), value.clone());
            payload.insert((*outer).to_owned(), Value::Object(inner));
            document.payload = Some(Value::Object(payload));
        }
        PatchStep::Merge(changes) => {
            let mut payload = object(document);
            for (key, change) in changes.as_object().unwrap() {
                match change {
                    Value::Null => payload.remove(key),
                    change => payload.insert(key.clone(), change.clone()),
                };
            }
            document.payload = Some(Value::Object(payload));
        }
    }
}
