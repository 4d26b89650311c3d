//! What the dialect talks about, spelled as its JSON is: the one form that both of its protocols are brought into.
//!
//! These types read and write JSON by serde; `grpc` fills them from messages. Nothing here knows the engine except for values
//! that are the same in both (ids, expressions). Unknown fields are tolerated where the dialect tolerates them.

mod cluster;
mod collection;
mod filter;
mod formula;
mod id;
mod legacy;
mod point;
mod query;
mod select;
mod snapshot;
mod strict;
mod update;
mod vectors;

pub(crate) use cluster::*;
pub(crate) use collection::*;
pub(crate) use filter::*;
pub(crate) use formula::*;
pub(crate) use id::PointId;
pub(crate) use legacy::*;
pub(crate) use point::*;
pub(crate) use query::*;
pub(crate) use select::{KeySelector, WithPayload, WithVector};
pub(crate) use snapshot::{RecoverSnapshot, SnapshotDescription};
pub(crate) use strict::StrictMode;
pub(crate) use update::*;
pub(crate) use vectors::{BatchVectors, NO_INFERENCE, PointVectors, Vector};

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error};
use serde_json::Value;

/// A list, or a single thing that stands for a list of it; nothing stands for an empty one.
pub(crate) fn one_or_many<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let parse = |value| serde_json::from_value(value).map_err(D::Error::custom);
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(Vec::new()),
        Value::Array(values) => values.into_iter().map(parse).collect(),
        value => Ok(vec![parse(value)?]),
    }
}
