//! Hits by a value of their payload: the best few of each group.

use super::answer::Moment;
use super::at::{At, Locate};
use super::documents::Read;
use super::key::Key;
use super::kinds::Query;
use super::ranking::Scored;
use super::request::{Prefetch, QueryHit, QueryRequest};
use super::select::{PayloadSelector, VectorSelector};
use super::stage::{Evaluation, NoOthers, Others, Stage};
use super::validate;
use crate::collection::Collection;
use crate::document::Document;
use crate::error::Result;
use crate::filter::Path;
use crate::id::DocId;
use crate::limits;
use crate::view::CollectionView;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A query whose hits come in groups.
///
/// ```
/// use aethervec::{AetherDB, Document, GroupRequest, IndexConfig, Query, QueryRequest};
/// use serde_json::json;
///
/// # let dir = tempfile::tempdir().unwrap();
/// let db = AetherDB::open(dir.path())?;
/// let chunks = db.create_collection("chunks", 1, "l2", IndexConfig::default())?;
/// for (id, book) in [(1, "a"), (2, "a"), (3, "a"), (4, "b")] {
///     chunks.upsert(Document::new(vec![id as f32], id).with_payload(json!({"book": book})))?;
/// }
/// let request = GroupRequest::new(QueryRequest::new(Query::nearest([0.0])), "book").group_size(2);
/// let groups = chunks.query_groups(&request)?;
/// assert_eq!(groups.len(), 2);
/// assert_eq!((groups[0].value.as_str(), groups[0].hits.len()), (Some("a"), 2));
/// # Ok::<(), aethervec::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GroupRequest {
    /// What is asked. Its limit is how many groups there are at most; it can have no offset and no cursor. Its prefetches look
    /// at more documents than they say, as many as it takes to fill the groups.
    pub query: QueryRequest,
    /// Where the values are that make a group: booleans, numbers and strings. A document with several belongs to several
    /// groups, one with none to no group.
    pub group_by: Path,
    /// How many hits each group has at most.
    #[serde(default = "group_size")]
    pub group_size: usize,
    /// What each group carries from another collection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup: Option<Lookup>,
}

/// A collection whose documents are called what groups are made by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// The collection.
    pub collection: String,
    /// What is taken of its documents' payloads.
    #[serde(default)]
    pub with_payload: PayloadSelector,
    /// Which of their vectors are taken.
    #[serde(default)]
    pub with_vectors: VectorSelector,
}

/// Hits with the same value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct QueryGroup {
    /// The value.
    pub value: Value,
    /// The best documents that have it, best first.
    pub hits: Vec<QueryHit>,
    /// The document that is called so in the collection that was asked for.
    pub lookup: Option<Document>,
}

fn group_size() -> usize {
    3
}

impl GroupRequest {
    /// The hits of `query`, a few for each value at `group_by`.
    pub fn new(query: QueryRequest, group_by: impl Into<Path>) -> GroupRequest {
        GroupRequest {
            query,
            group_by: group_by.into(),
            group_size: group_size(),
            lookup: None,
        }
    }

    /// The same with so many hits in each group.
    #[must_use]
    pub fn group_size(self, group_size: usize) -> GroupRequest {
        GroupRequest { group_size, ..self }
    }

    /// The same with documents of another collection.
    #[must_use]
    pub fn lookup(self, collection: impl Into<String>) -> GroupRequest {
        GroupRequest {
            lookup: Some(Lookup {
                collection: collection.into(),
                with_payload: PayloadSelector::All,
                with_vectors: VectorSelector::None,
            }),
            ..self
        }
    }
}

impl CollectionView {
    /// Answers a grouped query, without lookup.
    ///
    /// # Errors
    /// As [`Collection::query`].
    pub fn query_groups(&self, request: &GroupRequest) -> Result<Vec<QueryGroup>> {
        query_groups(self, &NoOthers, request)
    }
}

impl Collection {
    /// Answers a grouped query: groups in the order of their best hits.
    ///
    /// # Errors
    /// As [`query`](Collection::query).
    pub fn query_groups(&self, request: &GroupRequest) -> Result<Vec<QueryGroup>> {
        let moment: Moment = self.moment();
        query_groups(&self.view_at(&moment)?, &moment, request)
    }
}

fn query_groups(
    view: &CollectionView,
    others: &dyn Others,
    request: &GroupRequest,
) -> Result<Vec<QueryGroup>> {
    let at = At::REQUEST;
    validate::request(&request.query).at(&at.field("query"))?;
    request.group_by.validate().at(&at.field("group_by"))?;
    crate::validate::range("group_size", request.group_size, 1..=limits::GROUPS_MAX)?;
    crate::validate::range("query.limit", request.query.limit, 1..=limits::GROUPS_MAX)?;
    if request.query.offset > 0 || request.query.cursor.is_some() {
        return Err(at
            .field("query")
            .invalid("groups have no pages: leave offset and cursor away"));
    }
    let evaluation = Evaluation::new(view, others);
    let groups = find(&evaluation, request)?;
    let looked_up = match &request.lookup {
        None => BTreeMap::new(),
        Some(lookup) => look_up(lookup, others, &groups, &at.field("lookup"))?,
    };
    let QueryRequest {
        with_payload,
        with_vectors,
        ..
    } = &request.query;
    let finish = |group: Group| {
        Ok(QueryGroup {
            value: group.key.to_json(),
            hits: evaluation.hits(group.hits, with_payload, with_vectors)?,
            lookup: looked_up.get(&group.key).cloned(),
        })
    };
    groups.into_iter().map(finish).collect()
}

/// A group, while hits are handed out.
struct Group {
    key: Key,
    hits: Vec<Scored>,
}

/// The groups of the best hits, looking at four times as many of them until all groups are full.
fn find(evaluation: &Evaluation<'_>, request: &GroupRequest) -> Result<Vec<Group>> {
    let at = At::REQUEST;
    let at = at.field("query");
    let wanted = request.query.limit;
    let mut query = request.query.clone();
    let mut k = (wanted * request.group_size * 2).min(limits::K_MAX);
    // What is chosen among a fixed number of candidates depends on how many are wanted.
    let is_choice = matches!(request.query.query, Some(Query::Mmr(_)));
    loop {
        deepen(&mut query.prefetch, k);
        let ranking = evaluation.stage(&Stage::of(&query, k), &at)?;
        let all = ranking.hits.len() < k || k == limits::K_MAX || is_choice;
        let groups = hand_out(evaluation, request, ranking.hits)?;
        let full = groups.len() == wanted
            && groups
                .iter()
                .all(|group| group.hits.len() == request.group_size);
        if full || all {
            return Ok(groups);
        }
        k = (4 * k).min(limits::K_MAX);
    }
}

/// Has all stages look at as many documents as are wanted.
fn deepen(stages: &mut [Prefetch], k: usize) {
    for stage in stages {
        stage.limit = stage.limit.max(k);
        deepen(&mut stage.prefetch, k);
    }
}

/// The groups of `hits`, which are ordered.
fn hand_out(
    evaluation: &Evaluation<'_>,
    request: &GroupRequest,
    hits: Vec<Scored>,
) -> Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    let mut positions: BTreeMap<Key, usize> = BTreeMap::new();
    let ids = hits.iter().map(|hit| &hit.id);
    let mut scores = hits.iter();
    evaluation.documents.read(ids, None, Read::Payload, |doc| {
        let Some(hit) = scores.find(|hit| hit.id == doc.id) else {
            return Ok(());
        };
        for key in keys(&request.group_by, &doc.payload()?) {
            let position = match positions.get(&key) {
                Some(position) => *position,
                None if groups.len() == request.query.limit => continue,
                None => {
                    positions.insert(key.clone(), groups.len());
                    groups.push(Group {
                        key,
                        hits: Vec::new(),
                    });
                    groups.len() - 1
                }
            };
            let group = &mut groups[position];
            if group.hits.len() < request.group_size {
                group.hits.push(hit.clone());
            }
        }
        Ok(())
    })?;
    Ok(groups)
}

/// The different values that `path` reaches, in their order.
pub(super) fn keys(path: &Path, payload: &Value) -> Vec<Key> {
    let mut keys = Vec::new();
    path.any_leaf(payload, |value| {
        keys.extend(Key::of(value));
        false
    });
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn look_up(
    lookup: &Lookup,
    others: &dyn Others,
    groups: &[Group],
    at: &At<'_>,
) -> Result<BTreeMap<Key, Document>> {
    let view = others.collection(&lookup.collection).at(at)?;
    let mut found = BTreeMap::new();
    for group in groups {
        let Some(id) = id_of(&group.key) else {
            continue;
        };
        if let Some(document) = view.get(id)? {
            let payload = document.payload;
            found.insert(
                group.key.clone(),
                Document {
                    payload: payload.and_then(|payload| lookup.with_payload.select(payload)),
                    vectors: lookup.with_vectors.select(document.vectors),
                    ..document
                },
            );
        }
    }
    Ok(found)
}

/// The document that is called like a value: a number, or a string, which may spell a UUID.
fn id_of(key: &Key) -> Option<DocId> {
    match key {
        Key::Number(number) => number.as_u64().map(DocId::U64),
        Key::Str(text) if text.is_empty() || text.len() > limits::ID_BYTES_MAX => None,
        Key::Str(text) => serde_json::from_value(Value::from(text.as_str())).ok(),
        Key::Bool(_) | Key::Datetime(_) => None,
    }
}
