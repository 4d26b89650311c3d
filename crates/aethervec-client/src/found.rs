//! What searches and queries find.

use crate::error::{Error, Result, unreadable};
use aethervec::{Cursor, DocId, Document, Vectors};
use aethervec_proto::v1;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A document that was found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Hit {
    /// Which document.
    pub id: DocId,
    /// How good it is, in the field's metric: see [`aethervec::Hit::score`] and [`aethervec::Query`].
    pub score: f64,
    /// How far its vector is from the one searched for: smaller is nearer in every metric. Of searches only.
    pub distance: Option<f32>,
    /// Its payload, if it has one and it was asked for.
    pub payload: Option<Value>,
    /// Its vectors, if they were asked for.
    pub vectors: Vectors,
}

/// What a query has found.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Found {
    /// The documents, best first.
    pub hits: Vec<Hit>,
    /// For the next page: goes into [`QueryRequest::cursor`](aethervec::QueryRequest::cursor). None: there is nothing more.
    pub next: Option<Cursor>,
}

/// Hits with the same value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Group {
    /// The value.
    pub value: Value,
    /// The best documents that have it, best first.
    pub hits: Vec<Hit>,
    /// The document that is called so in the collection that was asked for.
    pub lookup: Option<Document>,
}

impl TryFrom<v1::Hit> for Hit {
    type Error = Error;

    fn try_from(hit: v1::Hit) -> Result<Hit> {
        let payload = hit.payload.as_deref().map(serde_json::from_str);
        Ok(Hit {
            id: hit.id.unwrap_or_default().try_into()?,
            score: hit.score,
            distance: hit.distance,
            payload: payload.transpose().map_err(unreadable)?,
            vectors: v1::Vector::to_vectors(hit.vectors)?,
        })
    }
}

impl TryFrom<v1::SearchResponse> for Found {
    type Error = Error;

    fn try_from(response: v1::SearchResponse) -> Result<Found> {
        let hits = response.hits.into_iter().map(Hit::try_from);
        let next = match response.next.is_empty() {
            true => None,
            false => Some(response.next.parse().map_err(unreadable)?),
        };
        Ok(Found {
            hits: hits.collect::<Result<_>>()?,
            next,
        })
    }
}

/// Groups, as JSON has them.
#[derive(Deserialize)]
pub(crate) struct GroupsJson {
    groups: Vec<GroupJson>,
}

#[derive(Deserialize)]
struct GroupJson {
    value: Value,
    hits: Vec<HitJson>,
    lookup: Option<Document>,
}

#[derive(Deserialize)]
struct HitJson {
    id: DocId,
    score: f64,
    payload: Option<Value>,
    #[serde(default)]
    vectors: BTreeMap<String, aethervec::VectorValue>,
}

impl From<GroupsJson> for Vec<Group> {
    fn from(groups: GroupsJson) -> Vec<Group> {
        let groups = groups.groups.into_iter().map(|group| Group {
            value: group.value,
            hits: group.hits.into_iter().map(Hit::from).collect(),
            lookup: group.lookup,
        });
        groups.collect()
    }
}

impl From<HitJson> for Hit {
    fn from(hit: HitJson) -> Hit {
        Hit {
            id: hit.id,
            score: hit.score,
            distance: None,
            payload: hit.payload,
            vectors: hit.vectors.into_iter().collect(),
        }
    }
}
