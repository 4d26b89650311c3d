//! What hits carry of their documents.

use crate::filter::{Path, Step};
use crate::vector::Vectors;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What hits carry of their payloads. In JSON: `true`, `false`, `{"include": ["a", "b.c"]}` or `{"exclude": ["b[].c"]}`.
///
/// ```
/// use aethervec::PayloadSelector;
///
/// let title: PayloadSelector = serde_json::from_str(r#"{"include": ["title"]}"#).unwrap();
/// assert_eq!(title, PayloadSelector::Include(vec!["title".into()]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "PayloadJson", into = "PayloadJson")]
pub enum PayloadSelector {
    /// Everything.
    #[default]
    All,
    /// Nothing.
    None,
    /// What these paths reach, in the objects and arrays that it is in.
    Include(Vec<Path>),
    /// Everything but what these paths reach.
    Exclude(Vec<Path>),
}

impl From<bool> for PayloadSelector {
    fn from(all: bool) -> PayloadSelector {
        if all {
            PayloadSelector::All
        } else {
            PayloadSelector::None
        }
    }
}

/// Which vectors hits carry. In JSON: `true`, `false` or a list of vector fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "VectorJson", into = "VectorJson")]
pub enum VectorSelector {
    /// All.
    All,
    /// None.
    #[default]
    None,
    /// Those in these fields.
    Fields(Vec<String>),
}

impl From<bool> for VectorSelector {
    fn from(all: bool) -> VectorSelector {
        if all {
            VectorSelector::All
        } else {
            VectorSelector::None
        }
    }
}

impl PayloadSelector {
    /// What this leaves of `payload`; `None` for nothing.
    pub fn select(&self, payload: Value) -> Option<Value> {
        match self {
            PayloadSelector::All => Some(payload),
            PayloadSelector::None => None,
            PayloadSelector::Include(paths) => {
                let paths: Vec<&[Step]> = paths.iter().map(Path::steps).collect();
                Some(include(payload, &paths).unwrap_or_else(|| Value::Object(Map::new())))
            }
            PayloadSelector::Exclude(paths) => {
                let mut payload = payload;
                for path in paths {
                    exclude(&mut payload, path.steps());
                }
                Some(payload)
            }
        }
    }

    /// The paths in it.
    pub(super) fn paths(&self) -> &[Path] {
        match self {
            PayloadSelector::Include(paths) | PayloadSelector::Exclude(paths) => paths,
            PayloadSelector::All | PayloadSelector::None => &[],
        }
    }
}

impl VectorSelector {
    /// What this leaves of `vectors`.
    pub(super) fn select(&self, vectors: Vectors) -> Vectors {
        match self {
            VectorSelector::All => vectors,
            VectorSelector::None => Vectors::new(),
            VectorSelector::Fields(names) => {
                let chosen = vectors.into_iter().filter(|(name, _)| names.contains(name));
                chosen.collect()
            }
        }
    }
}

/// What `paths` reach of `value`; `None` for nothing.
fn include(value: Value, paths: &[&[Step]]) -> Option<Value> {
    if paths.iter().any(|path| path.is_empty()) {
        return Some(value);
    }
    match value {
        Value::Object(fields) => {
            let keep = |(key, value): (String, Value)| {
                let inner = behind(
                    paths,
                    |step| matches!(step, Step::Key(name) if *name == key),
                );
                include(value, &inner).map(|value| (key, value))
            };
            let kept: Map<String, Value> = fields.into_iter().filter_map(keep).collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(elements) => {
            let inner = behind(paths, |step| *step == Step::Each);
            if inner.is_empty() {
                return None;
            }
            let kept = elements
                .into_iter()
                .filter_map(|value| include(value, &inner));
            Some(Value::Array(kept.collect()))
        }
        _ => None,
    }
}

/// What follows the first step in those of `paths` whose first step is wanted.
fn behind<'a>(paths: &[&'a [Step]], wanted: impl Fn(&Step) -> bool) -> Vec<&'a [Step]> {
    let rest = |path: &&'a [Step]| {
        let (first, rest) = path.split_first()?;
        wanted(first).then_some(rest)
    };
    paths.iter().filter_map(rest).collect()
}

/// Removes what `path` reaches from `value`.
fn exclude(value: &mut Value, path: &[Step]) {
    match (path, value) {
        ([Step::Key(key)], Value::Object(fields)) => {
            fields.remove(key);
        }
        ([Step::Each], Value::Array(elements)) => elements.clear(),
        ([Step::Key(key), rest @ ..], Value::Object(fields)) => {
            if let Some(value) = fields.get_mut(key) {
                exclude(value, rest);
            }
        }
        ([Step::Each, rest @ ..], Value::Array(elements)) => {
            elements.iter_mut().for_each(|value| exclude(value, rest));
        }
        _ => {}
    }
}

#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected true, false, {\"include\": [paths]} or {\"exclude\": [paths]}"
)]
enum PayloadJson {
    All(bool),
    Include(IncludeJson),
    Exclude(ExcludeJson),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IncludeJson {
    include: Vec<Path>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExcludeJson {
    exclude: Vec<Path>,
}

impl From<PayloadJson> for PayloadSelector {
    fn from(json: PayloadJson) -> PayloadSelector {
        match json {
            PayloadJson::All(all) => all.into(),
            PayloadJson::Include(IncludeJson { include }) => PayloadSelector::Include(include),
            PayloadJson::Exclude(ExcludeJson { exclude }) => PayloadSelector::Exclude(exclude),
        }
    }
}

impl From<PayloadSelector> for PayloadJson {
    fn from(selector: PayloadSelector) -> PayloadJson {
        match selector {
            PayloadSelector::All => PayloadJson::All(true),
            PayloadSelector::None => PayloadJson::All(false),
            PayloadSelector::Include(include) => PayloadJson::Include(IncludeJson { include }),
            PayloadSelector::Exclude(exclude) => PayloadJson::Exclude(ExcludeJson { exclude }),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected true, false or a list of vector fields"
)]
enum VectorJson {
    All(bool),
    Fields(Vec<String>),
}

impl From<VectorJson> for VectorSelector {
    fn from(json: VectorJson) -> VectorSelector {
        match json {
            VectorJson::All(all) => all.into(),
            VectorJson::Fields(fields) => VectorSelector::Fields(fields),
        }
    }
}

impl From<VectorSelector> for VectorJson {
    fn from(selector: VectorSelector) -> VectorJson {
        match selector {
            VectorSelector::All => VectorJson::All(true),
            VectorSelector::None => VectorJson::All(false),
            VectorSelector::Fields(fields) => VectorJson::Fields(fields),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_choose_parts_of_payloads() {
        let payload =
            json!({"a": 1, "b": {"c": 2, "d": [3]}, "e": [{"f": 4, "g": 5}, {"g": 6}, 7]});
        let paths = |paths: &[&str]| paths.iter().map(|&path| path.into()).collect::<Vec<Path>>();
        let included =
            |chosen: &[&str]| PayloadSelector::Include(paths(chosen)).select(payload.clone());
        let excluded =
            |chosen: &[&str]| PayloadSelector::Exclude(paths(chosen)).select(payload.clone());
        assert_eq!(
            included(&["a", "b.c"]),
            Some(json!({"a": 1, "b": {"c": 2}}))
        );
        assert_eq!(included(&["e[].f"]), Some(json!({"e": [{"f": 4}]})));
        assert_eq!(
            included(&["b", "b.c"]),
            Some(json!({"b": {"c": 2, "d": [3]}}))
        );
        assert_eq!(included(&["x"]), Some(json!({})));
        assert_eq!(
            excluded(&["a", "b.c", "e[].g"]),
            Some(json!({"b": {"d": [3]}, "e": [{"f": 4}, {}, 7]}))
        );
        assert_eq!(
            excluded(&["b.d[]", "e"]),
            Some(json!({"a": 1, "b": {"c": 2, "d": []}}))
        );
    }
}
