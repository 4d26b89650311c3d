//! What a collection is, how it changes, and how it fares.

use super::language;
use super::schema::{Field, Schema};
use crate::error::ApiResult;
use aethervec::{
    AliasChange, Collection, DenseStatus, DriftStats, IndexStatus, PayloadIndexInfo,
    PayloadIndexState,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A vector field to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewField {
    /// Its name.
    pub(crate) name: String,
    /// What its vectors are.
    pub(crate) field: Field,
}

/// What can be changed of a collection.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Changes {
    /// Milliseconds that documents stay that do not say so themselves; null: for ever; not there: as before.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    pub(crate) ttl_ms: Option<Option<u64>>,
    /// What shall be kept with the collection, in place of what was kept before.
    #[schema(value_type = Option<language::Payload>)]
    pub(crate) metadata: Option<Map<String, Value>>,
}

/// The aliases of a database.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Aliases {
    /// Alias and collection.
    pub(crate) aliases: BTreeMap<String, String>,
}

/// Changes that are made together, one after the other.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AliasChanges {
    pub(crate) changes: Vec<AliasChangeSpelled>,
}

/// A change to the aliases.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum AliasChangeSpelled {
    /// The alias stands for the collection, whatever it stood for before.
    Set { alias: String, collection: String },
    /// What was called `from` is called `to`.
    Rename { from: String, to: String },
    /// The alias stands for nothing any more.
    Remove { alias: String },
}

/// A payload index.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PayloadIndex {
    /// Path of the payload field: `a.b`, `a[]` for the elements of an array.
    pub(crate) path: String,
    /// `keyword`, `integer`, `float`, `bool`, `datetime`, `uuid`, `geo`, `text` or `folded_text`.
    pub(crate) kind: String,
}

/// The names of collections.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Names {
    pub(crate) collections: Vec<String>,
}

/// A collection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Described {
    /// Its name.
    pub(crate) name: String,
    pub(crate) schema: Schema,
    /// How many documents it has.
    pub(crate) documents: u64,
    pub(crate) payload_indexes: Vec<DescribedIndex>,
    pub(crate) index: IndexState,
}

/// A payload index, and how far it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DescribedIndex {
    /// What it indexes.
    pub(crate) path: String,
    /// What it keeps.
    pub(crate) kind: &'static str,
    /// Whether filters use it.
    pub(crate) ready: bool,
    /// Points that are still to be looked at.
    pub(crate) left: u64,
}

/// Where the vector indexes stand.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IndexState {
    /// Points that wait to be moved into an index; they are found all the same.
    pub(crate) pending: u64,
    /// Seconds that the oldest of them has waited.
    pub(crate) staleness_s: f64,
    /// Points in an index, counted in each field.
    pub(crate) indexed: u64,
    /// Points that are searched exactly.
    pub(crate) scanned: u64,
    /// Points of deleted or replaced documents that are not purged yet.
    pub(crate) dead: u64,
    /// Whether work goes on in the background, or waits for a thread.
    pub(crate) busy: bool,
    /// Bytes of the indexes in memory.
    pub(crate) memory_bytes: u64,
    /// Why the last background step failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// Why a saved index cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) damage: Option<String>,
    /// How the vectors of each dense field are found.
    pub(crate) dense: BTreeMap<String, DenseState>,
}

/// How the vectors of a dense field are found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DenseState {
    /// `scan`, `graph`, `buckets` or `drift`.
    pub(crate) family: &'static str,
    /// What takes its place as soon as it is built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<&'static str>,
    /// Why it is this family, or the next one.
    pub(crate) why: String,
    /// What is kept of each vector in memory.
    pub(crate) codes: &'static str,
    /// How many candidates a search for ten holds that asks for no effort and no recall.
    pub(crate) effort: usize,
    /// The recall that searches get which ask for one; not there before enough of them have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recall: Option<Recall>,
    /// How its buckets are doing, if the family is `drift`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) drift: Option<DriftState>,
}

/// How buckets in the database are doing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DriftState {
    /// Buckets that there are.
    pub(crate) buckets: u64,
    /// Those of them of which memory has a copy.
    pub(crate) cached: u64,
    /// Records in them, those of dead points included.
    pub(crate) records: u64,
    /// Buckets by their records: up to an eighth of the usual number, a half, one, two, and more.
    pub(crate) sizes: [u64; 5],
    /// Buckets by how warm they are: without a copy in memory; with one that nothing has looked into since it was made, or since memory was
    /// last short; once or twice; more often.
    pub(crate) temperatures: [u64; 4],
    /// How urgent maintenance is: buckets that wait for it.
    pub(crate) due: u64,
    /// How far points are from the centroids of their buckets, ÷ how far they were when these were their means; squared distances. A bucket
    /// that reaches 1.3 is made anew.
    pub(crate) drift: f64,
    /// Buckets that were split since the index was made.
    pub(crate) splits: u64,
    /// Buckets that were given up.
    pub(crate) merges: u64,
    /// Points that moved to a nearer bucket.
    pub(crate) moves: u64,
    /// Records of dead points that were taken out.
    pub(crate) cleaned: u64,
    /// Bytes written since the opening.
    pub(crate) bytes_written: u64,
    /// Those of them that maintenance wrote: all but the records of points that were added.
    pub(crate) bytes_maintained: u64,
    /// Bytes of the vectors of points that were added since the opening.
    pub(crate) bytes_ingested: u64,
    /// Searches since the opening.
    pub(crate) searches: u64,
    /// Buckets that they have looked into.
    pub(crate) buckets_searched: u64,
    /// Buckets that were read from the storage engine for that.
    pub(crate) buckets_loaded: u64,
}

/// How well a recall that is asked for is kept.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Recall {
    /// What was asked for last.
    pub(crate) asked: f32,
    /// The mean share of the exact answers that such searches find.
    pub(crate) found: f32,
    /// Of how many queries, the latest ones that were answered both ways.
    pub(crate) queries: usize,
}

/// Tells null from not there.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Described {
    /// Everything about a collection. Blocks.
    pub(crate) fn of(collection: &Collection) -> ApiResult<Described> {
        Ok(Described {
            name: collection.name().to_owned(),
            schema: Schema::from(&*collection.schema()),
            documents: collection.count()?,
            payload_indexes: indexes(collection),
            index: IndexState::from(collection.index_status()),
        })
    }
}

/// The payload indexes of a collection.
pub(crate) fn indexes(collection: &Collection) -> Vec<DescribedIndex> {
    let indexes = collection.payload_indexes().into_iter();
    indexes.map(DescribedIndex::from).collect()
}

impl From<PayloadIndexInfo> for DescribedIndex {
    fn from(info: PayloadIndexInfo) -> DescribedIndex {
        let left = match info.state {
            PayloadIndexState::Building { left } => Some(left),
            PayloadIndexState::Ready => None,
        };
        DescribedIndex {
            path: info.path.to_string(),
            kind: info.kind.name(),
            ready: left.is_none(),
            left: left.unwrap_or(0),
        }
    }
}

impl From<IndexStatus> for IndexState {
    fn from(status: IndexStatus) -> IndexState {
        IndexState {
            pending: status.pending,
            staleness_s: status.staleness.as_secs_f64(),
            indexed: status.indexed,
            scanned: status.scanned,
            dead: status.dead,
            busy: status.busy,
            memory_bytes: status.memory_bytes,
            error: status.error,
            damage: status.damage,
            dense: status
                .dense
                .into_iter()
                .map(|(name, dense)| (name, DenseState::from(dense)))
                .collect(),
        }
    }
}

impl From<DenseStatus> for DenseState {
    fn from(status: DenseStatus) -> DenseState {
        DenseState {
            family: status.family,
            next: status.next,
            why: status.why,
            codes: status.codes,
            effort: status.effort,
            recall: status.recall.map(|recall| Recall {
                asked: recall.asked,
                found: recall.found,
                queries: recall.queries,
            }),
            drift: status.drift.map(DriftState::from),
        }
    }
}

impl From<DriftStats> for DriftState {
    fn from(stats: DriftStats) -> DriftState {
        DriftState {
            buckets: stats.buckets,
            cached: stats.cached,
            records: stats.records,
            sizes: stats.sizes,
            temperatures: stats.temperatures,
            due: stats.due,
            drift: stats.drift,
            splits: stats.splits,
            merges: stats.merges,
            moves: stats.moves,
            cleaned: stats.cleaned,
            bytes_written: stats.bytes_written,
            bytes_maintained: stats.bytes_maintained,
            bytes_ingested: stats.bytes_ingested,
            searches: stats.searches,
            buckets_searched: stats.buckets_searched,
            buckets_loaded: stats.buckets_loaded,
        }
    }
}

impl From<AliasChangeSpelled> for AliasChange {
    fn from(change: AliasChangeSpelled) -> AliasChange {
        match change {
            AliasChangeSpelled::Set { alias, collection } => AliasChange::Set { alias, collection },
            AliasChangeSpelled::Rename { from, to } => AliasChange::Rename { from, to },
            AliasChangeSpelled::Remove { alias } => AliasChange::Remove { alias },
        }
    }
}
