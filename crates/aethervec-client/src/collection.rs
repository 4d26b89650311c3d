//! A collection of a server: the present, a transaction, a snapshot or a moment of the past.

use crate::call::{Caller, Rpc};
use crate::description::Description;
use crate::error::{Error, Result, unreadable};
use crate::short::Trained;
use crate::stream::{Export, Importer};
use aethervec::{
    DocId, Document, Filter, Outcome, Patch, Path, PayloadIndexKind, ScrollPage, ScrollRequest,
    Upserted, Write,
};
use aethervec_proto::v1;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A collection of a server. Cheap to clone.
///
/// It is that of a moment: the newest when it comes from [`VectorDatabaseClient::collection`], else that of a
/// [`Transaction`](crate::Transaction), of a [`Snapshot`](crate::Snapshot), or of the past. The past can be read and not
/// written.
///
/// [`VectorDatabaseClient::collection`]: crate::VectorDatabaseClient::collection
#[derive(Clone, Debug)]
pub struct Collection {
    pub(crate) caller: Caller,
    pub(crate) name: String,
    pub(crate) at: Option<v1::At>,
}

impl Collection {
    pub(crate) fn new(caller: Caller, name: &str, moment: Option<v1::at::Moment>) -> Collection {
        Collection {
            caller,
            name: name.to_owned(),
            at: moment.map(|moment| v1::At {
                moment: Some(moment),
            }),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What it is made of.
impl Collection {
    /// Schema, number of documents, payload indexes and the state of the index: always the newest.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no such collection.
    pub async fn describe(&self) -> Result<Description> {
        let send = |mut rpc: Rpc, request| async move { rpc.describe_collection(request).await };
        let answer = self.caller.read(self.request(), send).await?;
        from_json(&answer.description)
    }

    /// Indexes what payloads have at `path`, so that filters on it are fast. What is there already is indexed in the background.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`](crate::ErrorKind::Exists) when there is such an index.
    pub async fn create_payload_index(
        &self,
        path: impl Into<Path>,
        kind: PayloadIndexKind,
    ) -> Result<()> {
        let index = self.payload_index(path.into(), kind);
        let send = |mut rpc: Rpc, request| async move { rpc.create_payload_index(request).await };
        self.caller.write(index, send).await?;
        Ok(())
    }

    /// Removes an index of payloads.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no such index.
    pub async fn drop_payload_index(
        &self,
        path: impl Into<Path>,
        kind: PayloadIndexKind,
    ) -> Result<()> {
        let index = self.payload_index(path.into(), kind);
        let send = |mut rpc: Rpc, request| async move { rpc.drop_payload_index(request).await };
        self.caller.write(index, send).await?;
        Ok(())
    }

    /// Waits until everything written so far is in the vector index. There is no need to.
    ///
    /// # Errors
    /// [`ErrorKind::Deadline`](crate::ErrorKind::Deadline) when it takes longer than a call may.
    pub async fn train(&self) -> Result<Trained> {
        let train = v1::TrainRequest {
            collection: self.name.clone(),
        };
        let send = |mut rpc: Rpc, request| async move { rpc.train(request).await };
        let v1::TrainResponse { indexed, scanned } = self.caller.read(train, send).await?;
        Ok(Trained { indexed, scanned })
    }

    fn request(&self) -> v1::CollectionRequest {
        v1::CollectionRequest {
            collection: self.name.clone(),
        }
    }

    fn payload_index(&self, path: Path, kind: PayloadIndexKind) -> v1::PayloadIndexRequest {
        v1::PayloadIndexRequest {
            collection: self.name.clone(),
            path: path.to_string(),
            kind: kind.name().to_owned(),
        }
    }
}

/// Writes. When a call returns, what it wrote is durable and can be found; within a transaction, when that has committed.
impl Collection {
    /// Writes a document, in place of the one with the same id.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the collection cannot hold it.
    pub async fn upsert(&self, document: Document) -> Result<Upserted> {
        self.upsert_batch([document]).await
    }

    /// Writes documents, all or none. For very many, see [`importer`](Collection::importer).
    ///
    /// # Errors
    /// As [`upsert`](Collection::upsert).
    pub async fn upsert_batch(
        &self,
        documents: impl IntoIterator<Item = Document>,
    ) -> Result<Upserted> {
        let upsert = v1::UpsertRequest {
            collection: self.name.clone(),
            documents: documents.into_iter().map(v1::Document::from).collect(),
            at: self.at.clone(),
        };
        let send = |mut rpc: Rpc, request| async move { rpc.upsert(request).await };
        Ok(upserted(&self.caller.write(upsert, send).await?))
    }

    /// Makes writes with their conditions, all or none: what came of each, in their order.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the collection cannot hold one of them.
    pub async fn apply(&self, writes: impl IntoIterator<Item = Write>) -> Result<Vec<Outcome>> {
        let writes = writes.into_iter().map(|write| to_json("write", &write));
        let apply = v1::ApplyRequest {
            collection: self.name.clone(),
            writes: writes.collect::<Result<_>>()?,
            at: self.at.clone(),
        };
        let send = |mut rpc: Rpc, request| async move { rpc.apply(request).await };
        let outcomes = self.caller.write(apply, send).await?.outcomes.into_iter();
        let outcomes = outcomes.map(|name| serde_json::from_value(Value::String(name)));
        outcomes
            .map(|outcome| outcome.map_err(unreadable))
            .collect()
    }

    /// Changes a document. False when there is none of this id.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when what comes of it is not acceptable.
    pub async fn patch(&self, id: impl Into<DocId>, patch: Patch) -> Result<bool> {
        let outcomes = self.apply([Write::patch(id, patch)]).await?;
        Ok(outcomes.iter().all(|outcome| outcome.is_applied()))
    }

    /// Changes all documents for which `filter` holds: how many.
    ///
    /// # Errors
    /// As [`patch`](Collection::patch).
    pub async fn patch_by(&self, filter: &Filter, patch: &Patch) -> Result<u64> {
        let patch = v1::PatchByRequest {
            collection: self.name.clone(),
            filter: to_json("filter", filter)?,
            patch: to_json("patch", patch)?,
            at: self.at.clone(),
        };
        let send = |mut rpc: Rpc, request| async move { rpc.patch_by(request).await };
        Ok(self.caller.write(patch, send).await?.changed)
    }

    /// Removes a document. False when there is none of this id.
    ///
    /// # Errors
    /// As every call.
    pub async fn delete(&self, id: impl Into<DocId>) -> Result<bool> {
        Ok(self.delete_batch([id]).await? > 0)
    }

    /// Removes documents by their ids: how many there were.
    ///
    /// # Errors
    /// As every call.
    pub async fn delete_batch(
        &self,
        ids: impl IntoIterator<Item = impl Into<DocId>>,
    ) -> Result<u64> {
        self.remove(proto_ids(ids), None).await
    }

    /// Removes all documents for which `filter` holds: how many.
    ///
    /// # Errors
    /// As every call.
    pub async fn delete_by(&self, filter: &Filter) -> Result<u64> {
        self.remove(Vec::new(), Some(to_json("filter", filter)?))
            .await
    }

    /// A stream of documents into this collection, for very many. Not within a transaction.
    pub fn importer(&self) -> Importer {
        Importer::new(&self.caller, self.name.clone())
    }

    async fn remove(&self, ids: Vec<v1::Id>, filter: Option<String>) -> Result<u64> {
        let delete = v1::DeleteRequest {
            collection: self.name.clone(),
            ids,
            filter,
            at: self.at.clone(),
        };
        let send = |mut rpc: Rpc, request| async move { rpc.delete(request).await };
        Ok(self.caller.write(delete, send).await?.changed)
    }
}

/// Reads.
impl Collection {
    /// The document of this id, if there is one.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no such collection.
    pub async fn get(&self, id: impl Into<DocId>) -> Result<Option<Document>> {
        Ok(self.get_batch([id]).await?.pop().flatten())
    }

    /// Documents in the order of their ids; `None` for those that are not there.
    ///
    /// # Errors
    /// As [`get`](Collection::get).
    pub async fn get_batch(
        &self,
        ids: impl IntoIterator<Item = impl Into<DocId>>,
    ) -> Result<Vec<Option<Document>>> {
        let get = v1::GetRequest {
            collection: self.name.clone(),
            ids: proto_ids(ids),
            at: self.at.clone(),
        };
        let send = |mut rpc: Rpc, request| async move { rpc.get(request).await };
        let found = self.caller.read(get, send).await?.found.into_iter();
        found
            .map(|found| Ok(found.document.map(Document::try_from).transpose()?))
            .collect()
    }

    /// A page of the documents, in the order of their ids.
    ///
    /// # Errors
    /// As [`get`](Collection::get).
    pub async fn scroll(&self, page: ScrollRequest) -> Result<ScrollPage> {
        let scroll = v1::ScrollRequest {
            collection: self.name.clone(),
            after: page.after.map(v1::Id::from),
            limit: Some(number(page.limit)),
            at: self.at.clone(),
        };
        let send = |mut rpc: Rpc, request| async move { rpc.scroll(request).await };
        let page = self.caller.read(scroll, send).await?;
        let documents = page.documents.into_iter();
        let documents = documents.map(|document| Ok(Document::try_from(document)?));
        Ok(ScrollPage {
            documents: documents.collect::<Result<_>>()?,
            next: page.next.map(DocId::try_from).transpose()?,
        })
    }

    /// How many documents there are.
    ///
    /// # Errors
    /// As [`get`](Collection::get).
    pub async fn count(&self) -> Result<u64> {
        self.counted(None).await
    }

    /// For how many documents `filter` holds, exactly.
    ///
    /// # Errors
    /// As [`get`](Collection::get).
    pub async fn count_matching(&self, filter: &Filter) -> Result<u64> {
        self.counted(Some(to_json("filter", filter)?)).await
    }

    /// The whole collection as JSON lines, for [`import_lines`](crate::VectorDatabaseClient::import_lines).
    ///
    /// # Errors
    /// As [`get`](Collection::get).
    pub async fn export_lines(&self) -> Result<Export> {
        Export::of(&self.caller, self.name.clone(), self.at.clone()).await
    }

    async fn counted(&self, filter: Option<String>) -> Result<u64> {
        let count = v1::CountRequest {
            collection: self.name.clone(),
            filter,
            at: self.at.clone(),
        };
        let send = |mut rpc: Rpc, request| async move { rpc.count(request).await };
        Ok(self.caller.read(count, send).await?.count)
    }
}

pub(crate) fn upserted(response: &v1::UpsertResponse) -> Upserted {
    let count = |count| usize::try_from(count).unwrap_or(usize::MAX);
    Upserted {
        inserted: count(response.inserted),
        replaced: count(response.replaced),
    }
}

fn proto_ids(ids: impl IntoIterator<Item = impl Into<DocId>>) -> Vec<v1::Id> {
    ids.into_iter().map(|id| id.into().into()).collect()
}

/// What is too large for the wire is too large for the server, which says so.
pub(crate) fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

pub(crate) fn to_json(field: &str, value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::invalid(format!("{field}: {error}")))
}

pub(crate) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(unreadable)
}

pub(crate) fn from_value<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(unreadable)
}
