//! How a call is made: what it carries, how long it may take, when it is made again.

use crate::error::{Error, Result};
use crate::options::{TENANT, tenant_value};
use crate::pool::{Lease, Pool};
use crate::retry::{Pauses, Repeat, Retry};
use aethervec_proto::v1::administration_client::AdministrationClient;
use aethervec_proto::v1::vector_database_client::VectorDatabaseClient;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

/// The generated client, over one connection.
pub(crate) type Rpc = VectorDatabaseClient<Channel>;

/// The generated client of what there is besides documents.
pub(crate) type AdministrationRpc = AdministrationClient<Channel>;

/// A generated client.
pub(crate) trait Service {
    /// It, over one connection. What is too large, the server knows.
    fn over(channel: Channel) -> Self;
}

impl Service for Rpc {
    fn over(channel: Channel) -> Rpc {
        VectorDatabaseClient::new(channel).max_decoding_message_size(usize::MAX)
    }
}

impl Service for AdministrationRpc {
    fn over(channel: Channel) -> AdministrationRpc {
        AdministrationClient::new(channel).max_decoding_message_size(usize::MAX)
    }
}

/// Makes calls. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pool: Arc<Pool>,
    metadata: Arc<MetadataMap>,
    timeout: Duration,
    retry: Retry,
}

impl Caller {
    pub(crate) fn new(
        pool: Arc<Pool>,
        metadata: MetadataMap,
        timeout: Duration,
        retry: Retry,
    ) -> Caller {
        Caller {
            pool,
            metadata: Arc::new(metadata),
            timeout,
            retry,
        }
    }

    /// The same, for another tenant.
    pub(crate) fn for_tenant(&self, name: &str) -> Result<Caller> {
        let mut metadata = MetadataMap::clone(&self.metadata);
        metadata.insert(TENANT, tenant_value(name)?);
        Ok(Caller {
            metadata: Arc::new(metadata),
            ..self.clone()
        })
    }

    /// The same, with calls that may take so long.
    pub(crate) fn with_timeout(&self, timeout: Duration) -> Caller {
        Caller {
            timeout,
            ..self.clone()
        }
    }

    /// How calls are repeated.
    pub(crate) fn retry(&self) -> Retry {
        self.retry
    }

    /// Makes a call that changes nothing.
    pub(crate) async fn read<S: Service, M: Clone, R, F>(
        &self,
        message: M,
        send: impl Fn(S, Request<M>) -> F,
    ) -> Result<R>
    where
        F: Future<Output = std::result::Result<Response<R>, Status>>,
    {
        self.call(Repeat::Read, message, send).await
    }

    /// Makes a call that may change something.
    pub(crate) async fn write<S: Service, M: Clone, R, F>(
        &self,
        message: M,
        send: impl Fn(S, Request<M>) -> F,
    ) -> Result<R>
    where
        F: Future<Output = std::result::Result<Response<R>, Status>>,
    {
        self.call(Repeat::Write, message, send).await
    }

    /// A connection for a stream, and the request that opens it. It takes as long as it does, and is not repeated.
    pub(crate) fn stream<M>(&self, message: M) -> (Rpc, Lease, Request<M>) {
        let lease = self.pool.lease();
        (Rpc::over(lease.channel()), lease, self.request(message))
    }

    async fn call<S: Service, M: Clone, R, F>(
        &self,
        repeat: Repeat,
        message: M,
        send: impl Fn(S, Request<M>) -> F,
    ) -> Result<R>
    where
        F: Future<Output = std::result::Result<Response<R>, Status>>,
    {
        let deadline = Instant::now() + self.timeout;
        let mut pauses = Pauses::new(self.retry);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut request = self.request(message.clone());
            request.set_timeout(left);
            let lease = self.pool.lease();
            let answer =
                tokio::time::timeout_at(deadline, send(S::over(lease.channel()), request)).await;
            drop(lease);
            let error = match answer {
                Ok(Ok(answer)) => return Ok(answer.into_inner()),
                Ok(Err(status)) => Error::from(status),
                Err(_) => return Err(Error::deadline()),
            };
            let pause = pauses.next().filter(|_| repeat.after(&error));
            // No sooner than the server asks for.
            let pause =
                pause.map(|pause| error.retry_after().map_or(pause, |wait| wait.max(pause)));
            match pause {
                Some(pause) if Instant::now() + pause < deadline => {
                    tokio::time::sleep(pause).await;
                }
                _ => return Err(error),
            }
        }
    }

    fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        *request.metadata_mut() = MetadataMap::clone(&self.metadata);
        request
    }
}
