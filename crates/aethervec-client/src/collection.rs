//! A collection of a server: the present, a transaction, a snapshot or a moment of the past.

use crate::call::{Caller, Rpc};
use crate::description::Description;
use crate::error::{Error, Result, unreadable};
use crate::found::{Found, Group, GroupsJson, Hit};
use crate::short::Trained;
use crate::stream::{Export, Importer};
use aethervec::{
    DocId, Document, FacetCount, FacetRequest, Filter, GroupRequest, Matrix, MatrixRequest,
    Outcome, Patch, Path, PayloadIndexKind, QueryRequest, QueryVector, ScrollPage, ScrollRequest,
    SearchRequest, Upserted, VectorValue, Write,
};
use aethervec_proto::v1;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A collection of a server. Cheap to clone.
///
/// It is that of a moment: the newest when it comes from [`VectorDatabaseClient::collection`], else that of a
/// [`Transaction`](crate::Transaction), of a [`Snapshot`](crate::Snapshot), or of the past. The past can be read and not
/// written.
///
/// [`VectorDatabaseClient::collection`]: crate::VectorDatabaseClient::collection
#[derive(Clone, Debug)]
pub struct Collection {
    caller: Caller,
    name: String,
    at: Option<v1::At>,
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

/// Searches and queries.
impl Collection {
    /// The `k` documents nearest to `vector` in the default field, nearest first.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the vector is none of the field, or `k` is none that can be.
    pub async fn search<'a>(
        &self,
        vector: impl Into<QueryVector<'a>>,
        k: usize,
    ) -> Result<Vec<Hit>> {
        self.search_with(SearchRequest::new(vector, k)).await
    }

    /// What a search finds.
    ///
    /// ```no_run
    /// use aethervec_client::{Filter, SearchRequest, VectorDatabaseClient};
    ///
    /// # async fn example(client: VectorDatabaseClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let english = Filter::parse(r#"lang = "en" and year >= 2020"#)?;
    /// let request = SearchRequest {
    ///     filter: Some(&english),
    ///     recall: Some(0.98),
    ///     ..SearchRequest::new(&[0.1; 128], 10)
    /// };
    /// for hit in client.collection("notes").search_with(request).await? {
    ///     println!("{} {:.3}", hit.id, hit.score);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the request is not acceptable.
    pub async fn search_with(&self, request: SearchRequest<'_>) -> Result<Vec<Hit>> {
        let filter = request.filter.map(|filter| to_json("filter", filter));
        let search = v1::SearchRequest {
            collection: self.name.clone(),
            vector: Some(value(request.vector).into()),
            k: Some(number(request.k)),
            using: request.using.to_owned(),
            filter: filter.transpose()?,
            recall: request.recall,
            ef: request.ef.map(number),
            exact: request.exact,
            without_payload: !request.with_payload,
            with_vectors: request.with_vectors,
            at: self.at.clone(),
        };
        let send = |mut rpc: Rpc, request| async move { rpc.search(request).await };
        let found = self.caller.read(search, send).await?;
        found.hits.into_iter().map(Hit::try_from).collect()
    }

    /// What a query finds: several stages, fusion, formulas, pages.
    ///
    /// ```no_run
    /// use aethervec_client::{Prefetch, Query, QueryRequest, VectorDatabaseClient};
    ///
    /// # async fn example(client: VectorDatabaseClient) -> aethervec_client::Result<()> {
    /// let request = QueryRequest::new(Query::rrf())
    ///     .prefetch(Prefetch::new(Query::nearest([0.9, 0.1])).limit(50))
    ///     .prefetch(Prefetch::new(Query::text("body", "red house")).limit(50))
    ///     .limit(10);
    /// let found = client.collection("notes").query(&request).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the request is not acceptable.
    pub async fn query(&self, request: &QueryRequest) -> Result<Found> {
        let query = v1::QueryRequest {
            collection: self.name.clone(),
            query: to_json("query", request)?,
            at: self.at.clone(),
        };
        let send = |mut rpc: Rpc, request| async move { rpc.query(request).await };
        self.caller.read(query, send).await?.try_into()
    }

    /// What several queries find, all of one state, in their order.
    ///
    /// # Errors
    /// As [`query`](Collection::query).
    pub async fn query_batch(&self, requests: &[QueryRequest]) -> Result<Vec<Found>> {
        let queries = requests.iter().map(|request| to_json("query", request));
        let queries = v1::QueryBatchRequest {
            collection: self.name.clone(),
            queries: queries.collect::<Result<_>>()?,
            at: self.at.clone(),
        };
        let send = |mut rpc: Rpc, request| async move { rpc.query_batch(request).await };
        let results = self.caller.read(queries, send).await?.results.into_iter();
        results.map(Found::try_from).collect()
    }

    /// The hits of a query in groups by a value of their payload.
    ///
    /// # Errors
    /// As [`query`](Collection::query).
    pub async fn query_groups(&self, request: &GroupRequest) -> Result<Vec<Group>> {
        let question = v1::ask_request::Question::Groups(to_json("groups", request)?);
        let groups: GroupsJson = self.ask(question).await?;
        Ok(groups.into())
    }

    /// The most frequent values of a payload field, counted exactly.
    ///
    /// # Errors
    /// As [`query`](Collection::query).
    pub async fn facet(&self, request: &FacetRequest) -> Result<Vec<FacetCount>> {
        let facet = json!({
            "path": request.path.to_string(),
            "filter": request.filter,
            "limit": request.limit,
        });
        let question = v1::ask_request::Question::Facet(facet.to_string());
        let mut answer: Value = self.ask(question).await?;
        let values: Vec<Value> = from_value(answer["values"].take())?;
        let count = |mut counted: Value| {
            Ok(FacetCount {
                count: from_value(counted["count"].take())?,
                value: counted["value"].take(),
            })
        };
        values.into_iter().map(count).collect()
    }

    /// How near some documents are to each other.
    ///
    /// # Errors
    /// As [`query`](Collection::query).
    pub async fn matrix(&self, request: &MatrixRequest) -> Result<Matrix> {
        let question = v1::ask_request::Question::Matrix(to_json("matrix", request)?);
        self.ask(question).await
    }

    async fn ask<T: DeserializeOwned>(&self, question: v1::ask_request::Question) -> Result<T> {
        let ask = v1::AskRequest {
            collection: self.name.clone(),
            at: self.at.clone(),
            question: Some(question),
        };
        let send = |mut rpc: Rpc, request| async move { rpc.ask(request).await };
        from_json(&self.caller.read(ask, send).await?.answer)
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
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn value(vector: QueryVector<'_>) -> VectorValue {
    match vector {
        QueryVector::Dense(vector) => VectorValue::from(vector.to_vec()),
        QueryVector::Binary(vector) => VectorValue::Binary(vector.clone()),
        QueryVector::Sparse(vector) => VectorValue::Sparse(vector.clone()),
        QueryVector::Multi(vector) => VectorValue::Multi(vector.clone()),
    }
}

fn to_json(field: &str, value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::invalid(format!("{field}: {error}")))
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(unreadable)
}

fn from_value<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(unreadable)
}
