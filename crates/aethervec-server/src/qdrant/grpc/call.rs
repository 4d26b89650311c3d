//! From a message to an operation and back.

use crate::app::{App, Turn};
use crate::auth::{Action, Caller};
use crate::engine::Deadline;
use crate::error::ApiError;
use crate::qdrant::VERSION;
use crate::qdrant::access::Access;
use crate::qdrant::error::{Failure, Kind, Result};
use crate::tenants::Tenant;
use qdrant_client::qdrant as proto;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Response, Status};

/// The answer to a message.
pub(super) type Answer<T> = Result<Response<T>, Status>;

/// What all services share.
#[derive(Clone, Debug)]
pub(super) struct Service(Arc<App>);

/// Where a request is to be answered, and until when.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    pub(super) action: Action,
    pub(super) turn: Turn,
    pub(super) collection: Option<&'a str>,
    /// In seconds.
    pub(super) timeout: Option<u64>,
}

/// A request to do `action` to `collection`.
pub(super) fn about(action: Action, collection: &str) -> About<'_> {
    About {
        collection: Some(collection),
        ..everywhere(action)
    }
}

/// A request to do `action` that is about no collection by name.
pub(super) fn everywhere(action: Action) -> About<'static> {
    About {
        action,
        turn: Turn::of(action),
        collection: None,
        timeout: None,
    }
}

impl About<'_> {
    pub(super) fn within(self, timeout: Option<u64>) -> Self {
        About { timeout, ..self }
    }

    /// It takes as long as the collection is large.
    pub(super) fn at_length(self) -> Self {
        About {
            turn: Turn::Long,
            ..self
        }
    }
}

impl Service {
    pub(super) fn new(app: Arc<App>) -> Service {
        Service(app)
    }

    /// Answers `request`: `work` is given its message, and its answer is handed to `answer` with the seconds that it took.
    pub(super) async fn answer<M, T, A>(
        &self,
        request: Request<M>,
        about: impl FnOnce(&M) -> About<'_>,
        work: impl FnOnce(&Access<'_>, M) -> Result<T> + Send + 'static,
        answer: impl FnOnce(T, f64) -> A + Send + 'static,
    ) -> Answer<A>
    where
        M: Send + 'static,
        A: Send + 'static,
    {
        let begin = Instant::now();
        let caller = request.extensions().get::<Caller>().cloned();
        let caller = caller.unwrap_or_else(Caller::nobody);
        let tenant = caller.tenant.clone().unwrap_or_default();
        let About {
            action,
            turn,
            collection,
            timeout,
        } = about(request.get_ref());
        caller
            .allow_within(action, &tenant)
            .map_err(Failure::from)?;
        let collection = collection.map(str::to_owned);
        let deadline = timeout.map_or_else(
            || self.0.deadline(),
            |seconds| Deadline::after(Duration::from_secs(seconds)),
        );
        let message = request.into_inner();
        let work = move |tenant: &Arc<Tenant>| {
            let access = Access::new(tenant, &caller, action, collection.as_deref());
            let result = access.and_then(|access| work(&access, message));
            Ok::<_, ApiError>(result.map(|it| answer(it, begin.elapsed().as_secs_f64())))
        };
        let answered = self.0.in_turn(turn, tenant, deadline, work).await;
        Ok(Response::new(answered.map_err(Failure::from)??))
    }
}

#[tonic::async_trait]
impl proto::qdrant_server::Qdrant for Service {
    async fn health_check(
        &self,
        _: Request<proto::HealthCheckRequest>,
    ) -> Answer<proto::HealthCheckReply> {
        Ok(Response::new(proto::HealthCheckReply {
            title: "AetherVec, Qdrant-compatible API".to_owned(),
            version: VERSION.to_owned(),
            commit: None,
        }))
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Status {
        let code = match failure.kind {
            Kind::BadRequest | Kind::Unprocessable | Kind::TooLarge => Code::InvalidArgument,
            Kind::Unauthenticated => Code::Unauthenticated,
            Kind::Forbidden => Code::PermissionDenied,
            Kind::Quota => Code::FailedPrecondition,
            Kind::NotFound => Code::NotFound,
            Kind::Exists => Code::AlreadyExists,
            Kind::Unsupported => Code::Unimplemented,
            Kind::Busy => Code::ResourceExhausted,
            Kind::Timeout => Code::DeadlineExceeded,
            Kind::Unavailable => Code::Unavailable,
            Kind::Internal => Code::Internal,
        };
        let mut status = Status::new(code, failure.message);
        if let Some(wait) = failure.retry_after {
            let wait = MetadataValue::from(crate::error::whole_seconds(wait));
            status.metadata_mut().insert("retry-after", wait);
        }
        status
    }
}
