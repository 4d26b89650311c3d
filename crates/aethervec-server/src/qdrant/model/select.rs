//! What results carry.

use serde::Deserialize;

/// What results carry of their payloads: everything or nothing, these keys, or all but those.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum WithPayload {
    Enable(bool),
    Keys(Vec<String>),
    Selector(KeySelector),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeySelector {
    Include(Vec<String>),
    Exclude(Vec<String>),
}

impl WithPayload {
    pub(crate) fn include(keys: Vec<String>) -> WithPayload {
        WithPayload::Keys(keys)
    }

    pub(crate) fn exclude(keys: Vec<String>) -> WithPayload {
        WithPayload::Selector(KeySelector::Exclude(keys))
    }
}

/// Which vectors results carry: all or none, or those of these names.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum WithVector {
    Enable(bool),
    Names(Vec<String>),
}
