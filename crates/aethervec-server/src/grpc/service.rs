//! The calls, each: take the message apart, ask the engine, put the answer together.

use super::convert;
use super::documents::{answer, described, insert_short, or_default, upsert};
use super::scope::{Answer, Service};
use super::streaming::{self, Exported};
use crate::auth::Action;
use crate::call::{At, Call, session_id};
use crate::error::{ApiError, ApiResult};
use crate::proto::vector_database_server::VectorDatabase;
use crate::proto::*;
use crate::wire::schema::Schema;
use aethervec::{CollectionSchema, Isolation, Path, Write};
use tonic::{Request, Response, Streaming};

#[tonic::async_trait]
impl VectorDatabase for Service {
    async fn put(&self, request: Request<PutRequest>) -> Answer<InsertResponse> {
        let (scope, message) = self.scope(request)?;
        let vector = InsertVector {
            id: message.id,
            dimensions: message.vector,
            metadata: message.metadata,
        };
        let insert = InsertRequest {
            collection: message.collection,
            vectors: vec![vector],
        };
        scope
            .answer(None, move |call| insert_short(call, insert))
            .await
    }

    async fn insert(&self, request: Request<InsertRequest>) -> Answer<InsertResponse> {
        let (scope, message) = self.scope(request)?;
        scope
            .answer(None, move |call| insert_short(call, message))
            .await
    }

    async fn insert_batch(
        &self,
        request: Request<Streaming<InsertRequest>>,
    ) -> Answer<InsertResponse> {
        let (scope, messages) = self.scope(request)?;
        streaming::insert_batch(scope, messages).await
    }

    async fn train(&self, request: Request<TrainRequest>) -> Answer<TrainResponse> {
        let (scope, message) = self.scope(request)?;
        let name = or_default(message.collection);
        // It takes as long as the index does: on a turn of the long kind.
        let streams = scope.app.streams.clone();
        let deadline = scope.deadline;
        let find = move |call: &Call| Ok((call.collection(Action::Write, &name)?, call.clone()));
        let (collection, call) = scope.run(At::Now, find).await?;
        let wait = move || {
            let status = collection.wait_indexed(|_| {});
            drop(call);
            status
        };
        let status = streams.run(deadline, wait).await?;
        Ok(Response::new(TrainResponse {
            indexed: status.indexed,
            scanned: status.scanned,
        }))
    }

    async fn search(&self, request: Request<SearchRequest>) -> Answer<SearchResponse> {
        let (scope, mut message) = self.scope(request)?;
        let name = or_default(std::mem::take(&mut message.collection));
        scope
            .read(message.at.take(), move |call| {
                let search = convert::Search::new(message)?;
                convert::to_hits(call.search(&name, search.request())?)
            })
            .await
    }

    async fn snapshot(&self, request: Request<SnapshotRequest>) -> Answer<SnapshotResponse> {
        let (scope, SnapshotRequest {}) = self.scope(request)?;
        scope
            .answer(None, |call| {
                let (id, seq) = call.hold()?;
                Ok(SnapshotResponse {
                    id: id.to_string(),
                    seq: seq.0,
                })
            })
            .await
    }

    async fn health(&self, _: Request<HealthRequest>) -> Answer<HealthResponse> {
        let state = self.app.health.state().await;
        state.check()?;
        Ok(Response::new(HealthResponse {
            status: state.name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }))
    }

    async fn list_collections(
        &self,
        request: Request<ListCollectionsRequest>,
    ) -> Answer<ListCollectionsResponse> {
        let (scope, ListCollectionsRequest {}) = self.scope(request)?;
        scope
            .answer(None, |call| {
                Ok(ListCollectionsResponse {
                    collections: call.collections()?,
                })
            })
            .await
    }

    async fn create_collection(
        &self,
        request: Request<CreateCollectionRequest>,
    ) -> Answer<CollectionResponse> {
        let (scope, message) = self.scope(request)?;
        scope
            .answer(None, move |call| {
                let name = &message.collection;
                call.caller
                    .allow(Action::Manage, &call.tenant.name, Some(name))?;
                let schema: Schema = convert::json("schema", &message.schema)?;
                let schema = CollectionSchema::try_from(schema)?;
                described(&call.tenant.db.create_collection_with(name, schema)?)
            })
            .await
    }

    async fn describe_collection(
        &self,
        request: Request<CollectionRequest>,
    ) -> Answer<CollectionResponse> {
        let (scope, message) = self.scope(request)?;
        scope
            .answer(None, move |call| {
                described(&call.collection(Action::Read, &message.collection)?)
            })
            .await
    }

    async fn drop_collection(
        &self,
        request: Request<CollectionRequest>,
    ) -> Answer<DropCollectionResponse> {
        let (scope, message) = self.scope(request)?;
        scope
            .answer(None, move |call| {
                let name = &message.collection;
                call.caller
                    .allow(Action::Manage, &call.tenant.name, Some(name))?;
                call.tenant.db.drop_collection(name)?;
                Ok(DropCollectionResponse {})
            })
            .await
    }

    async fn create_payload_index(
        &self,
        request: Request<PayloadIndexRequest>,
    ) -> Answer<CollectionResponse> {
        let (scope, message) = self.scope(request)?;
        scope
            .answer(None, move |call| {
                let collection = call.collection(Action::Manage, &message.collection)?;
                let path = Path::parse(&message.path)?;
                collection.create_payload_index(path, message.kind.parse()?)?;
                described(&collection)
            })
            .await
    }

    async fn drop_payload_index(
        &self,
        request: Request<PayloadIndexRequest>,
    ) -> Answer<CollectionResponse> {
        let (scope, message) = self.scope(request)?;
        scope
            .answer(None, move |call| {
                let collection = call.collection(Action::Manage, &message.collection)?;
                let path = Path::parse(&message.path)?;
                if !collection.drop_payload_index(path, message.kind.parse()?)? {
                    let PayloadIndexRequest { path, kind, .. } = message;
                    return Err(ApiError::not_found(format!(
                        "there is no {kind} index on {path:?}"
                    )));
                }
                described(&collection)
            })
            .await
    }

    async fn upsert(&self, request: Request<UpsertRequest>) -> Answer<UpsertResponse> {
        let (scope, mut message) = self.scope(request)?;
        scope
            .answer(message.at.take(), move |call| upsert(call, message))
            .await
    }

    async fn upsert_stream(
        &self,
        request: Request<Streaming<UpsertRequest>>,
    ) -> Answer<UpsertResponse> {
        let (scope, messages) = self.scope(request)?;
        streaming::upsert_stream(scope, messages).await
    }

    async fn apply(&self, request: Request<ApplyRequest>) -> Answer<ApplyResponse> {
        let (scope, mut message) = self.scope(request)?;
        scope
            .answer(message.at.take(), move |call| {
                let writes = message.writes.iter();
                let writes = writes.map(|text| Ok(Write::from_json(text)?));
                let writes = writes.collect::<ApiResult<Vec<Write>>>()?;
                let outcomes = call.apply(&message.collection, writes)?;
                Ok(ApplyResponse {
                    outcomes: outcomes
                        .iter()
                        .map(|outcome| outcome.name().to_owned())
                        .collect(),
                })
            })
            .await
    }

    async fn patch_by(&self, request: Request<PatchByRequest>) -> Answer<ChangedResponse> {
        let (scope, mut message) = self.scope(request)?;
        scope
            .answer(message.at.take(), move |call| {
                let filter = convert::filter(&message.filter)?;
                let patch = aethervec::Patch::from_json(&message.patch)?;
                let again = patch.clone();
                let changed = call.write(
                    &message.collection,
                    |collection| collection.patch_by(&filter, patch),
                    |transaction, collection| transaction.patch_by(collection, &filter, again),
                )?;
                Ok(ChangedResponse { changed })
            })
            .await
    }

    async fn delete(&self, request: Request<DeleteRequest>) -> Answer<ChangedResponse> {
        let (scope, mut message) = self.scope(request)?;
        scope
            .answer(message.at.take(), move |call| {
                let changed = match message.filter {
                    Some(text) if message.ids.is_empty() => {
                        let filter = convert::filter(&text)?;
                        call.write(
                            &message.collection,
                            |collection| collection.delete_by(&filter),
                            |transaction, collection| transaction.delete_by(collection, &filter),
                        )?
                    }
                    Some(_) => return Err(ApiError::invalid("ids, filter: give one of them")),
                    None => {
                        let ids = message.ids.into_iter();
                        let writes = ids.map(|id| Ok(Write::delete(convert::id(Some(id))?)));
                        let writes = writes.collect::<ApiResult<Vec<Write>>>()?;
                        let outcomes = call.apply(&message.collection, writes)?.into_iter();
                        outcomes.filter(|outcome| outcome.is_applied()).count() as u64
                    }
                };
                Ok(ChangedResponse { changed })
            })
            .await
    }

    async fn get(&self, request: Request<GetRequest>) -> Answer<GetResponse> {
        let (scope, mut message) = self.scope(request)?;
        scope
            .read(message.at.take(), move |call| {
                let ids = message.ids.into_iter().map(|id| convert::id(Some(id)));
                let ids = ids.collect::<ApiResult<Vec<_>>>()?;
                let documents = call.get_batch(&message.collection, &ids)?;
                let found = documents.into_iter().map(|document| Found {
                    document: document.map(Document::from),
                });
                Ok(GetResponse {
                    found: found.collect(),
                })
            })
            .await
    }

    async fn scroll(&self, request: Request<ScrollRequest>) -> Answer<ScrollResponse> {
        let (scope, mut message) = self.scope(request)?;
        scope
            .read(message.at.take(), move |call| {
                let after = message.after.map(|id| convert::id(Some(id))).transpose()?;
                let limit = message.limit.map_or(100, |limit| limit as usize);
                let request = aethervec::ScrollRequest { after, limit };
                let page = call.scroll(&message.collection, &request)?;
                let documents = page.documents.into_iter().map(Document::from);
                Ok(ScrollResponse {
                    documents: documents.collect(),
                    next: page.next.map(Id::from),
                })
            })
            .await
    }

    async fn count(&self, request: Request<CountRequest>) -> Answer<CountResponse> {
        let (scope, mut message) = self.scope(request)?;
        scope
            .read(message.at.take(), move |call| {
                let filter = message.filter.as_deref().map(convert::filter);
                let filter = filter.transpose()?;
                Ok(CountResponse {
                    count: call.count(&message.collection, filter.as_ref())?,
                })
            })
            .await
    }

    async fn query(&self, request: Request<QueryRequest>) -> Answer<SearchResponse> {
        let (scope, mut message) = self.scope(request)?;
        scope
            .read(message.at.take(), move |call| {
                let request = aethervec::QueryRequest::from_json(&message.query)?;
                convert::to_found(call.query(&message.collection, &request)?)
            })
            .await
    }

    async fn query_batch(&self, request: Request<QueryBatchRequest>) -> Answer<QueryBatchResponse> {
        let (scope, mut message) = self.scope(request)?;
        scope
            .read(message.at.take(), move |call| {
                let requests = message.queries.iter();
                let requests = requests.map(|text| Ok(aethervec::QueryRequest::from_json(text)?));
                let requests = requests.collect::<ApiResult<Vec<_>>>()?;
                let responses = call.query_batch(&message.collection, &requests)?;
                let results = responses.into_iter().map(convert::to_found);
                Ok(QueryBatchResponse {
                    results: results.collect::<ApiResult<_>>()?,
                })
            })
            .await
    }

    async fn ask(&self, request: Request<AskRequest>) -> Answer<AskResponse> {
        let (scope, mut message) = self.scope(request)?;
        scope
            .read(message.at.take(), move |call| {
                let answer = answer(call, &message.collection, message.question)?;
                Ok(AskResponse { answer })
            })
            .await
    }

    async fn begin(&self, request: Request<BeginRequest>) -> Answer<BeginResponse> {
        let (scope, BeginRequest { serializable }) = self.scope(request)?;
        let isolation = match serializable {
            true => Isolation::Serializable,
            false => Isolation::Snapshot,
        };
        scope
            .answer(None, move |call| {
                let (id, seq) = call.begin(isolation)?;
                Ok(BeginResponse {
                    id: id.to_string(),
                    seq: seq.0,
                })
            })
            .await
    }

    async fn commit(&self, request: Request<TransactionRequest>) -> Answer<CommitResponse> {
        let (scope, message) = self.scope(request)?;
        let id = session_id("transaction", &message.id)?;
        scope
            .answer(None, move |call| {
                let seq = call.commit(id)?;
                Ok(CommitResponse { seq: seq.0 })
            })
            .await
    }

    async fn rollback(&self, request: Request<TransactionRequest>) -> Answer<RollbackResponse> {
        let (scope, message) = self.scope(request)?;
        let id = session_id("transaction", &message.id)?;
        scope
            .answer(None, move |call| {
                call.roll_back(id)?;
                Ok(RollbackResponse {})
            })
            .await
    }

    async fn release(&self, request: Request<ReleaseRequest>) -> Answer<ReleaseResponse> {
        let (scope, message) = self.scope(request)?;
        let id = session_id("snapshot", &message.id)?;
        scope
            .answer(None, move |call| {
                call.release(id)?;
                Ok(ReleaseResponse {})
            })
            .await
    }

    async fn import(&self, request: Request<Streaming<ImportRequest>>) -> Answer<UpsertResponse> {
        let (scope, messages) = self.scope(request)?;
        streaming::import(scope, messages).await
    }

    type ExportStream = Exported;

    async fn export(&self, request: Request<ExportRequest>) -> Answer<Self::ExportStream> {
        let (scope, message) = self.scope(request)?;
        streaming::export(scope, message).await
    }
}
