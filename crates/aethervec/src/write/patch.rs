//! Changes to a part of a document: its payload, single vectors, its end.

use crate::error::Result;
use crate::filter::{Path, Step};
use crate::timestamp::Timestamp;
use crate::vector::VectorValue;
use serde_json::{Map, Value};
use std::time::Duration;

/// What changes in a document; everything else stays. Steps are taken in the order in which they were added.
///
/// ```
/// use aethervec::{AetherDB, Document, IndexConfig, Patch};
/// use serde_json::json;
/// # let dir = tempfile::tempdir().unwrap();
/// # let db = AetherDB::open(dir.path())?;
/// let notes = db.create_collection("notes", 2, "l2", IndexConfig::default())?;
/// notes.upsert(Document::new(vec![0.0, 1.0], "a").with_payload(json!({"title": "A", "seen": {"by": "me"}})))?;
///
/// let patch = Patch::new()
///     .merge(json!({"lang": "en"}))
///     .set("seen.times", json!(1))
///     .delete("title")
///     .with_vector("", vec![1.0, 1.0]);
/// assert!(notes.patch("a", patch)?);
/// let payload = notes.get("a")?.unwrap().payload;
/// assert_eq!(payload, Some(json!({"lang": "en", "seen": {"by": "me", "times": 1}})));
/// # Ok::<(), aethervec::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch {
    pub(super) payload: Vec<PayloadStep>,
    /// Field and new vector; none: it has none there. Of several for one field the last one counts.
    pub(super) vectors: Vec<(String, Option<VectorValue>)>,
    pub(super) expiry: Option<Expiry>,
}

/// A step of a change to a payload.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PayloadStep {
    Merge(Value),
    Set(Path, Value),
    Delete(Path),
    Clear,
}

/// When a document ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    Never,
    At(Timestamp),
    In(Duration),
}

impl Patch {
    /// Nothing changes.
    pub fn new() -> Patch {
        Patch::default()
    }

    /// `changes` is merged into the payload, as RFC 7396 has it: objects are merged key by key, a `null` deletes its key,
    /// anything else takes the place of what was there.
    #[must_use]
    pub fn merge(self, changes: Value) -> Patch {
        self.step(PayloadStep::Merge(changes))
    }

    /// The payload has `value` at `path`. Objects on the way are made, in place of other values too; `[]` means every element
    /// of an array that is there.
    #[must_use]
    pub fn set(self, path: impl Into<Path>, value: impl Into<Value>) -> Patch {
        self.step(PayloadStep::Set(path.into(), value.into()))
    }

    /// The payload has nothing at `path`.
    #[must_use]
    pub fn delete(self, path: impl Into<Path>) -> Patch {
        self.step(PayloadStep::Delete(path.into()))
    }

    /// There is no payload.
    #[must_use]
    pub fn clear(self) -> Patch {
        self.step(PayloadStep::Clear)
    }

    /// The vector in `field` is this one.
    #[must_use]
    pub fn with_vector(
        mut self,
        field: impl Into<String>,
        vector: impl Into<VectorValue>,
    ) -> Patch {
        self.vectors.push((field.into(), Some(vector.into())));
        self
    }

    /// There is no vector in `field`.
    #[must_use]
    pub fn without_vector(mut self, field: impl Into<String>) -> Patch {
        self.vectors.push((field.into(), None));
        self
    }

    /// The document ends at `moment`.
    #[must_use]
    pub fn expiring_at(self, moment: Timestamp) -> Patch {
        self.ending(Expiry::At(moment))
    }

    /// The document ends when so much time has passed after this change.
    #[must_use]
    pub fn expiring_in(self, time: Duration) -> Patch {
        self.ending(Expiry::In(time))
    }

    /// The document does not end by itself.
    #[must_use]
    pub fn never_expiring(self) -> Patch {
        self.ending(Expiry::Never)
    }

    fn step(mut self, step: PayloadStep) -> Patch {
        self.payload.push(step);
        self
    }

    fn ending(mut self, expiry: Expiry) -> Patch {
        self.expiry = Some(expiry);
        self
    }
}

/// Fails when a step names no path.
pub(super) fn validate(steps: &[PayloadStep]) -> Result<()> {
    steps.iter().try_for_each(|step| match step {
        PayloadStep::Set(path, _) | PayloadStep::Delete(path) => path.validate(),
        PayloadStep::Merge(_) | PayloadStep::Clear => Ok(()),
    })
}

/// Takes `steps` one after the other. What comes out may be no object, or too large.
pub(super) fn apply(steps: &[PayloadStep], payload: &mut Option<Value>) {
    for step in steps {
        match step {
            PayloadStep::Merge(changes) => {
                merge(payload.get_or_insert_with(empty), changes);
            }
            PayloadStep::Set(path, value) => {
                set(payload.get_or_insert_with(empty), path.steps(), value);
            }
            PayloadStep::Delete(path) => {
                if let Some(payload) = payload {
                    delete(payload, path.steps());
                }
            }
            PayloadStep::Clear => *payload = None,
        }
    }
}

fn empty() -> Value {
    Value::Object(Map::new())
}

/// `value` as an object: an empty one if it is none.
fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = empty();
    }
    value.as_object_mut().expect("it was just made one")
}

/// RFC 7396, section 2.
fn merge(target: &mut Value, changes: &Value) {
    let Value::Object(changes) = changes else {
        target.clone_from(changes);
        return;
    };
    let target = object(target);
    for (key, change) in changes {
        if change.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), change);
        }
    }
}

/// `target` has `value` where `steps` lead.
pub(crate) fn set(target: &mut Value, steps: &[Step], value: &Value) {
    match steps.split_first() {
        None => target.clone_from(value),
        Some((Step::Key(key), rest)) => {
            let entry = object(target).entry(key).or_insert(Value::Null);
            set(entry, rest, value);
        }
        Some((Step::Each, rest)) => {
            let elements = target.as_array_mut().into_iter().flatten();
            elements.for_each(|element| set(element, rest, value));
        }
    }
}

fn delete(target: &mut Value, steps: &[Step]) {
    match steps {
        [] => {}
        [Step::Key(key)] => {
            if let Some(object) = target.as_object_mut() {
                object.remove(key);
            }
        }
        [Step::Key(key), rest @ ..] => {
            if let Some(value) = target.get_mut(key) {
                delete(value, rest);
            }
        }
        [Step::Each] => {
            if let Some(elements) = target.as_array_mut() {
                elements.clear();
            }
        }
        [Step::Each, rest @ ..] => {
            let elements = target.as_array_mut().into_iter().flatten();
            elements.for_each(|element| delete(element, rest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(payload: Value, patch: Patch) -> Option<Value> {
        let mut payload = Some(payload).filter(|payload| !payload.is_null());
        apply(&patch.payload, &mut payload);
        payload
    }

    /// The examples of RFC 7396, appendix A, that leave an object.
    #[test]
    fn a_merge_is_that_of_the_rfc() {
        for (target, changes, merged) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (
                json!({"a": "b", "b": "c"}),
                json!({"a": null}),
                json!({"b": "c"}),
            ),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"a": [{"b": "c"}]}),
                json!({"a": [1]}),
                json!({"a": [1]}),
            ),
            (
                json!({"e": null}),
                json!({"a": 1}),
                json!({"e": null, "a": 1}),
            ),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ] {
            assert_eq!(
                patched(target.clone(), Patch::new().merge(changes.clone())),
                Some(merged),
                "{target} + {changes}"
            );
        }
    }

    #[test]
    fn values_are_set_and_deleted_where_the_path_leads() {
        let payload = json!({"a": {"b": 1}, "items": [{"n": 1}, {"n": 2}], "text": "x"});
        let after = |patch| patched(payload.clone(), patch).unwrap();
        assert_eq!(after(Patch::new().set("a.b", 2))["a"], json!({"b": 2}));
        assert_eq!(
            after(Patch::new().set("text.b", true))["text"],
            json!({"b": true})
        );
        assert_eq!(
            after(Patch::new().set("items[].m", 0))["items"],
            json!([{"n": 1, "m": 0}, {"n": 2, "m": 0}])
        );
        assert_eq!(
            after(Patch::new().delete("items[].n"))["items"],
            json!([{}, {}])
        );
        assert_eq!(after(Patch::new().delete("items[]"))["items"], json!([]));
        assert_eq!(after(Patch::new().delete("a.b"))["a"], json!({}));
        let untouched = Patch::new()
            .delete("a.b.c")
            .delete("none.x")
            .delete("text[].x")
            .set("a[].x", 1);
        assert_eq!(after(untouched), payload);
    }

    #[test]
    fn steps_come_one_after_the_other() {
        let patch = Patch::new().set("a", 1).clear().set("b.c", 2);
        assert_eq!(
            patched(json!({"x": 0}), patch),
            Some(json!({"b": {"c": 2}}))
        );
        assert_eq!(patched(json!({"x": 0}), Patch::new().clear()), None);
        assert_eq!(patched(Value::Null, Patch::new().delete("a")), None);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        assert!(validate(&Patch::new().set("a..b", 1).payload).is_err());
        assert!(validate(&Patch::new().delete("").payload).is_err());
        assert!(validate(&Patch::new().set("a.b", 1).clear().payload).is_ok());
    }
}
