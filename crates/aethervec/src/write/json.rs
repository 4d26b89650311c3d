//! Writes and patches as JSON. What is not known is an error.
//!
//! ```text
//! WRITE   {"upsert": DOCUMENT} or {"patch": {"id": ID, …PATCH}} or {"delete": ID}, perhaps with "if": CONDITION
//! PATCH   "payload": [STEP, …], "vectors": {FIELD: VECTOR or null, …}, "expires": "never" or {"at": TIME} or {"in_ms": N}
//! STEP    {"merge": OBJECT} or {"set": {"path": PATH, "value": …}} or {"delete": PATH} or "clear"
//! IF      "absent" or "present" or {"matches": FILTER}
//! ```

use super::operation::{Change, Condition, Write};
use super::patch::{Expiry, Patch, PayloadStep};
use crate::document::Document;
use crate::error::Result;
use crate::filter::{Filter, Path};
use crate::id::DocId;
use crate::text::place;
use crate::timestamp::Timestamp;
use crate::vector::VectorValue;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

impl Write {
    /// The write that `json` spells.
    ///
    /// ```
    /// use aethervec::{Filter, Patch, Write};
    /// use serde_json::json;
    ///
    /// let write = Write::from_json(r#"{
    ///     "patch": {"id": "a", "payload": [{"merge": {"lang": "en"}}, {"set": {"path": "seen.times", "value": 1}}]},
    ///     "if": {"matches": {"field": "state", "eq": "draft"}}
    /// }"#)?;
    /// let patch = Patch::new().merge(json!({"lang": "en"})).set("seen.times", 1);
    /// assert_eq!(write, Write::patch("a", patch).if_matches(Filter::eq("state", "draft")));
    ///
    /// let error = Write::from_json(r#"{"delete": 7, "when": "present"}"#).unwrap_err();
    /// assert!(error.to_string().starts_with("write, line 1, column 15: unknown field `when`"));
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid); the message shows the place.
    pub fn from_json(json: &str) -> Result<Write> {
        serde_json::from_str(json).map_err(|error| place::json_error("write", json, &error))
    }
}

impl Patch {
    /// The patch that `json` spells.
    ///
    /// ```
    /// use aethervec::Patch;
    ///
    /// let patch = Patch::from_json(r#"{"payload": [{"delete": "title"}], "vectors": {"words": null}, "expires": "never"}"#)?;
    /// assert_eq!(patch, Patch::new().delete("title").without_vector("words").never_expiring());
    /// # Ok::<(), aethervec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid); the message shows the place.
    pub fn from_json(json: &str) -> Result<Patch> {
        serde_json::from_str(json).map_err(|error| place::json_error("patch", json, &error))
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WriteJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upsert: Option<Document>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    patch: Option<PatchJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delete: Option<DocId>,
    #[serde(default, rename = "if", skip_serializing_if = "Option::is_none")]
    condition: Option<ConditionJson>,
}

/// A patch; within a write it says of which document.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PatchJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<DocId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    payload: Vec<StepJson>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    vectors: BTreeMap<String, Option<VectorValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<ExpiryJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum StepJson {
    Merge(Value),
    Set { path: Path, value: Value },
    Delete(Path),
    Clear,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ExpiryJson {
    Never,
    At(Timestamp),
    InMs(u64),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ConditionJson {
    Absent,
    Present,
    Matches(Filter),
}

impl Serialize for Write {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = WriteJson {
            condition: self.condition.as_ref().map(|condition| match condition {
                Condition::Absent => ConditionJson::Absent,
                Condition::Present => ConditionJson::Present,
                Condition::Matches(filter) => ConditionJson::Matches(Filter::clone(filter)),
            }),
            ..WriteJson::default()
        };
        match &self.change {
            Change::Upsert(document) => json.upsert = Some(document.clone()),
            Change::Patch(id, patch) => {
                json.patch = Some(PatchJson {
                    id: Some(id.clone()),
                    ..PatchJson::from(patch)
                });
            }
            Change::Delete(id) => json.delete = Some(id.clone()),
        }
        json.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Write {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Write, D::Error> {
        let json = WriteJson::deserialize(deserializer)?;
        let change = match (json.upsert, json.patch, json.delete) {
            (Some(document), None, None) => Change::Upsert(document),
            (None, Some(mut patch), None) => {
                let id = patch.id.take();
                let id = id.ok_or_else(|| de::Error::missing_field("id"))?;
                Change::Patch(id, Patch::from(patch))
            }
            (None, None, Some(id)) => Change::Delete(id),
            _ => {
                return Err(de::Error::custom(
                    "a write is one of \"upsert\", \"patch\" and \"delete\", perhaps with \"if\"",
                ));
            }
        };
        let condition = json.condition.map(|condition| match condition {
            ConditionJson::Absent => Condition::Absent,
            ConditionJson::Present => Condition::Present,
            ConditionJson::Matches(filter) => Condition::Matches(Arc::new(filter)),
        });
        Ok(Write { change, condition })
    }
}

impl Serialize for Patch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PatchJson::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Patch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Patch, D::Error> {
        let json = PatchJson::deserialize(deserializer)?;
        if json.id.is_some() {
            return Err(de::Error::custom("a patch by itself has no \"id\""));
        }
        Ok(Patch::from(json))
    }
}

impl From<&Patch> for PatchJson {
    fn from(patch: &Patch) -> PatchJson {
        let step = |step: &PayloadStep| match step.clone() {
            PayloadStep::Merge(changes) => StepJson::Merge(changes),
            PayloadStep::Set(path, value) => StepJson::Set { path, value },
            PayloadStep::Delete(path) => StepJson::Delete(path),
            PayloadStep::Clear => StepJson::Clear,
        };
        PatchJson {
            id: None,
            payload: patch.payload.iter().map(step).collect(),
            vectors: patch.vectors.iter().cloned().collect(),
            expires: patch.expiry.map(|expiry| match expiry {
                Expiry::Never => ExpiryJson::Never,
                Expiry::At(moment) => ExpiryJson::At(moment),
                Expiry::In(time) => {
                    ExpiryJson::InMs(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
                }
            }),
        }
    }
}

impl From<PatchJson> for Patch {
    fn from(json: PatchJson) -> Patch {
        let step = |step| match step {
            StepJson::Merge(changes) => PayloadStep::Merge(changes),
            StepJson::Set { path, value } => PayloadStep::Set(path, value),
            StepJson::Delete(path) => PayloadStep::Delete(path),
            StepJson::Clear => PayloadStep::Clear,
        };
        Patch {
            payload: json.payload.into_iter().map(step).collect(),
            vectors: json.vectors.into_iter().collect(),
            expiry: json.expires.map(|expiry| match expiry {
                ExpiryJson::Never => Expiry::Never,
                ExpiryJson::At(moment) => Expiry::At(moment),
                ExpiryJson::InMs(ms) => Expiry::In(Duration::from_millis(ms)),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::{BinaryVector, MultiVector, SparseVector};
    use serde_json::json;

    #[test]
    fn every_write_survives_a_round_trip() {
        let document = Document::new([0.1, -2.5], "a")
            .with_vector("words", SparseVector::new([(3, 0.5)]))
            .with_vector("bits", BinaryVector::from_bytes([0xa0]))
            .with_vector("tokens", MultiVector::new([[1.0f32, 2.0]]).unwrap())
            .with_payload(json!({"n": 1.5, "tags": ["x"]}))
            .expiring_at(Timestamp::from_micros(1_000_000));
        let patch = Patch::new()
            .merge(json!({"a": null}))
            .set("b[].c", json!([1]))
            .delete("\"odd key\"")
            .clear()
            .with_vector("", [0.5])
            .without_vector("words");
        for write in [
            Write::upsert(document.clone()),
            Write::upsert(document).if_absent(),
            Write::upsert(Document::new(crate::Vectors::new(), 7)).if_present(),
            Write::patch(7, patch.clone().never_expiring()),
            Write::patch(7, patch.clone().expiring_in(Duration::from_secs(5))),
            Write::patch("7", patch.expiring_at(Timestamp::from_micros(-1))),
            Write::patch(7, Patch::new()),
            Write::delete(7).if_matches(Filter::eq("lang", "en")),
        ] {
            let json = serde_json::to_string(&write).unwrap();
            assert_eq!(Write::from_json(&json).unwrap(), write, "{json}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (json, expected) in [
            ("{}", "a write is one of"),
            (r#"{"delete": 7, "upsert": {"id": 7}}"#, "a write is one of"),
            (r#"{"if": "absent"}"#, "a write is one of"),
            (r#"{"delete": -7}"#, "invalid type"),
            (r#"{"delete": 7, "if": "maybe"}"#, "unknown variant `maybe`"),
            (
                r#"{"delete": 7, "if": {"matches": {"field": "a"}}}"#,
                "field",
            ),
            (
                r#"{"upsert": {"id": 7, "vektor": [1]}}"#,
                "unknown field `vektor`",
            ),
            (r#"{"upsert": {"vector": [1]}}"#, "missing field `id`"),
            (r#"{"patch": {"payload": []}}"#, "missing field `id`"),
            (
                r#"{"patch": {"id": 7, "merge": {}}}"#,
                "unknown field `merge`",
            ),
            (
                r#"{"patch": {"id": 7, "payload": [{"set": {"path": "a", "value": 1, "x": 0}}]}}"#,
                "unknown field `x`",
            ),
            (
                r#"{"patch": {"id": 7, "payload": [{"set": {"path": "a..b", "value": 1}}]}}"#,
                "path",
            ),
            (
                r#"{"patch": {"id": 7, "expires": {"in": 5}}}"#,
                "unknown variant `in`",
            ),
            (
                r#"{"patch": {"id": 7, "expires": {"at": "soon"}}}"#,
                "is not RFC 3339",
            ),
            (r#"{"delete": 7} x"#, "trailing characters"),
        ] {
            let error = Write::from_json(json).unwrap_err().to_string();
            assert!(error.starts_with("write, line 1, column"), "{error}");
            assert!(error.contains(expected), "{json}: {error}");
        }
        let error = Patch::from_json(r#"{"id": 7}"#).unwrap_err().to_string();
        assert!(error.contains("a patch by itself has no \"id\""), "{error}");
    }
}
