//! A server, as a program sees it.

use crate::call::{Caller, Rpc};
use crate::collection::Collection;
use crate::error::{Error, ErrorKind, Result};
use crate::options::ConnectOptions;
use crate::retry::Pauses;
use crate::schema;
use crate::session::{Snapshot, Transaction};
use crate::short::{Inserted, Similar, Trained, Vector};
use crate::stream::{self, Importer};
use aethervec::{AsOf, CollectionSchema, Isolation, SeqNo, Timestamp, Upserted};
use aethervec_proto::v1;
use bytes::Bytes;
use futures_util::Stream;
use std::time::Duration;

/// A connection to a server, or rather several. Cheap to clone; all clones share them.
///
/// Calls that only read are repeated when the server cannot be reached or is overloaded; calls that write only when it is sure
/// that nothing was written. See [`Retry`](crate::Retry).
#[derive(Clone, Debug)]
pub struct VectorDatabaseClient {
    pub(crate) caller: Caller,
}

/// Whether a server is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// "ok".
    pub status: String,
    /// The server's version.
    pub version: String,
}

impl VectorDatabaseClient {
    pub(crate) fn over(caller: Caller) -> VectorDatabaseClient {
        VectorDatabaseClient { caller }
    }

    /// Connects to the server at `url`, such as `http://localhost:9090`.
    ///
    /// # Errors
    /// As [`ConnectOptions::connect`].
    pub async fn connect(url: impl Into<String>) -> Result<VectorDatabaseClient> {
        VectorDatabaseClient::options(url).connect().await
    }

    /// For more than a URL: keys, certificates, tenants, timeouts.
    pub fn options(url: impl Into<String>) -> ConnectOptions {
        ConnectOptions::new(url)
    }

    /// The same connections, for another tenant.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when no tenant can be called so.
    pub fn tenant(&self, name: &str) -> Result<VectorDatabaseClient> {
        Ok(VectorDatabaseClient::over(self.caller.for_tenant(name)?))
    }

    /// The same connections, with calls that may take so long.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> VectorDatabaseClient {
        VectorDatabaseClient::over(self.caller.with_timeout(timeout))
    }

    /// Whether the server is there.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when it is not.
    pub async fn health(&self) -> Result<Health> {
        let health = v1::HealthRequest {};
        let send = |mut rpc: Rpc, request| async move { rpc.health(request).await };
        let v1::HealthResponse { status, version } = self.caller.read(health, send).await?;
        Ok(Health { status, version })
    }
}

/// The short forms: vectors in one collection, called `vectors`, which is made by the first one and compares by the cosine.
impl VectorDatabaseClient {
    /// Writes vectors, all or none. When it returns they are durable, and can be found. One with a known id takes the place of
    /// that vector.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when one has other dimensions than the first ever, or components that are no numbers.
    pub async fn insert_vectors(
        &self,
        vectors: impl IntoIterator<Item = impl Into<Vector>>,
    ) -> Result<Inserted> {
        let vectors = vectors.into_iter().map(|vector| vector.into().into());
        let insert = v1::InsertRequest {
            collection: String::new(),
            vectors: vectors.collect(),
        };
        let send = |mut rpc: Rpc, request| async move { rpc.insert(request).await };
        let v1::InsertResponse { count } = self.caller.write(insert, send).await?;
        Ok(Inserted { count })
    }

    /// The `k` vectors that are most similar to `query`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the query has other dimensions than the vectors, or `k` is none that can be.
    pub async fn query_similar(&self, query: impl Into<Vec<f32>>, k: usize) -> Result<Similar> {
        let query = query.into();
        let hits = self.short().search(&query, k).await;
        match hits {
            Ok(hits) => Ok(Similar::from(hits)),
            // Nobody has written to it yet.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Similar::default()),
            Err(error) => Err(error),
        }
    }

    /// Waits until everything written so far is in the index. There is no need to: what is not there yet is found all the same.
    ///
    /// # Errors
    /// [`ErrorKind::Deadline`] when it takes longer than a call may:
    /// [`with_timeout`](VectorDatabaseClient::with_timeout) allows more.
    pub async fn train(&self) -> Result<Trained> {
        self.short().train().await
    }

    fn short(&self) -> Collection {
        self.collection("vectors")
    }
}

/// Collections.
impl VectorDatabaseClient {
    /// The names of all collections.
    ///
    /// # Errors
    /// As every call.
    pub async fn collections(&self) -> Result<Vec<String>> {
        let list = v1::ListCollectionsRequest {};
        let send = |mut rpc: Rpc, request| async move { rpc.list_collections(request).await };
        Ok(self.caller.read(list, send).await?.collections)
    }

    /// Makes a collection.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when there is one of this name, [`ErrorKind::Invalid`] when name or schema are not acceptable.
    pub async fn create_collection(
        &self,
        name: &str,
        schema: &CollectionSchema,
    ) -> Result<Collection> {
        let create = v1::CreateCollectionRequest {
            collection: name.to_owned(),
            schema: schema::to_json(schema)?.to_string(),
        };
        let send = |mut rpc: Rpc, request| async move { rpc.create_collection(request).await };
        self.caller.write(create, send).await?;
        Ok(self.collection(name))
    }

    /// The collection called `name`. Nobody is asked whether there is one.
    pub fn collection(&self, name: &str) -> Collection {
        Collection::new(self.caller.clone(), name, None)
    }

    /// Removes a collection with everything in it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none of this name.
    pub async fn drop_collection(&self, name: &str) -> Result<()> {
        let drop = v1::CollectionRequest {
            collection: name.to_owned(),
        };
        let send = |mut rpc: Rpc, request| async move { rpc.drop_collection(request).await };
        self.caller.write(drop, send).await?;
        Ok(())
    }

    /// Makes the collection called `name` out of what [`Collection::export_lines`] has given, and waits until it is durable.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when there is one of this name, [`ErrorKind::Invalid`] when the lines are none of a collection.
    pub async fn import_lines(
        &self,
        name: &str,
        lines: impl Stream<Item = Bytes> + Send + 'static,
    ) -> Result<Upserted> {
        stream::import_lines(&self.caller, name.to_owned(), lines).await
    }

    /// A stream of documents into the collection called `name`.
    pub fn importer(&self, name: &str) -> Importer {
        Importer::new(&self.caller, name.to_owned())
    }
}

/// Transactions, snapshots and the past.
impl VectorDatabaseClient {
    /// Begins a transaction of snapshot isolation.
    ///
    /// # Errors
    /// As every call.
    pub async fn begin(&self) -> Result<Transaction> {
        self.begin_with(Isolation::Snapshot).await
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// As every call.
    pub async fn begin_with(&self, isolation: Isolation) -> Result<Transaction> {
        let begin = v1::BeginRequest {
            serializable: isolation == Isolation::Serializable,
        };
        let send = |mut rpc: Rpc, request| async move { rpc.begin(request).await };
        // One that was begun in vain is given up by the server.
        let v1::BeginResponse { id, seq } = self.caller.read(begin, send).await?;
        Ok(Transaction::new(self.caller.clone(), id, SeqNo(seq)))
    }

    /// Runs `work` in a transaction of snapshot isolation and commits it: see
    /// [`transact_with`](VectorDatabaseClient::transact_with).
    ///
    /// ```no_run
    /// use aethervec_client::{Patch, VectorDatabaseClient};
    ///
    /// # async fn example(client: VectorDatabaseClient) -> aethervec_client::Result<()> {
    /// let seen = client
    ///     .transact(|txn| async move {
    ///         let notes = txn.collection("notes");
    ///         let note = notes.get("a").await?.and_then(|note| note.payload);
    ///         let seen = note.and_then(|note| note["seen"].as_u64()).unwrap_or(0) + 1;
    ///         notes.patch("a", Patch::new().set("seen", seen)).await?;
    ///         Ok(seen)
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`transact_with`](VectorDatabaseClient::transact_with).
    pub async fn transact<T, F>(&self, work: impl FnMut(Transaction) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        self.transact_with(Isolation::Snapshot, work).await
    }

    /// Runs `work` in a transaction and commits it. After a conflict it is run again, from the beginning and on the then
    /// present, after a [pause](crate::Retry): `work` may be called many times, and what it does besides must not mind.
    ///
    /// # Errors
    /// What `work` returns, which rolls back. [`ErrorKind::Conflict`] after the last attempt. [`ErrorKind::Unavailable`] and
    /// [`ErrorKind::Deadline`] of the commit: it may have been made, or not, and is not repeated.
    pub async fn transact_with<T, F>(
        &self,
        isolation: Isolation,
        mut work: impl FnMut(Transaction) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut pauses = Pauses::new(self.caller.retry());
        loop {
            let transaction = self.begin_with(isolation).await?;
            let done = match work(transaction.clone()).await {
                Ok(result) => transaction.commit().await.map(|_| result),
                Err(error) => {
                    // If that fails, the server gives it up by itself.
                    let _ = transaction.roll_back().await;
                    Err(error)
                }
            };
            let conflict = |error: &Error| error.kind() == ErrorKind::Conflict;
            match (done, pauses.next()) {
                (Err(error), Some(pause)) if conflict(&error) => tokio::time::sleep(pause).await,
                (done, _) => return done,
            }
        }
    }

    /// Holds the present state, to be read until it is [released](Snapshot::release) or unused for too long.
    ///
    /// # Errors
    /// As every call.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let hold = v1::SnapshotRequest {};
        let send = |mut rpc: Rpc, request| async move { rpc.snapshot(request).await };
        // One that was taken in vain is given up by the server.
        let v1::SnapshotResponse { id, seq } = self.caller.read(hold, send).await?;
        Ok(Snapshot::new(self.caller.clone(), id, SeqNo(seq)))
    }

    /// The collection called `name` at a moment of the past, as far as the server keeps it.
    pub fn collection_as_of(&self, name: &str, moment: impl Into<AsOf>) -> Collection {
        let moment = match moment.into() {
            AsOf::Seq(seq) => seq.0.to_string(),
            AsOf::Time(time) => {
                let micros = i64::try_from(time.0).unwrap_or(i64::MAX);
                Timestamp::from_micros(micros).to_string()
            }
        };
        let at = v1::at::Moment::AsOf(moment);
        Collection::new(self.caller.clone(), name, Some(at))
    }
}
