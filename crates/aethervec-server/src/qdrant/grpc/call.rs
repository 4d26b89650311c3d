//! From a message to an operation and back.

use crate::app::App;
use crate::auth::{Action, Caller};
use crate::engine::Deadline;
use crate::error::ApiResult;
use crate::qdrant::VERSION;
use crate::qdrant::access::Access;
use crate::qdrant::error::{Failure, Kind, Result};
use crate::tenants::{Tenant, TenantName};
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
    pub(super) collection: Option<&'a str>,
    /// In seconds.
    pub(super) timeout: Option<u64>,
}

/// A request to do `action` to `collection`.
pub(super) fn about(action: Action, collection: &str) -> About<'_> {
    About {
        action,
        collection: Some(collection),
        timeout: None,
    }
}

impl About<'_> {
    pub(super) fn within(self, timeout: Option<u64>) -> Self {
        About { timeout, ..self }
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
        let Asked {
            tenant,
            deadline,
            action,
            work,
        } = self.asked(request, about, work, answer)?;
        let answered = match action {
            Action::Read => self.0.read_tenant(tenant, deadline, work).await,
            _ => self.0.with_tenant(tenant, deadline, work).await,
        };
        Ok(Response::new(answered.map_err(Failure::from)??))
    }

    /// As [`answer`](Service::answer), for what takes as long as a collection is large.
    pub(super) async fn answer_at_length<M, T, A>(
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
        let Asked {
            tenant,
            deadline,
            work,
            ..
        } = self.asked(request, about, work, answer)?;
        let answered = self.0.with_tenant_at_length(tenant, deadline, work);
        Ok(Response::new(answered.await.map_err(Failure::from)??))
    }

    /// Who asks, and what is to be done.
    #[expect(
        clippy::type_complexity,
        reason = "what is to be done has no name, and a box for each call is not worth one"
    )]
    fn asked<M, T, A>(
        &self,
        request: Request<M>,
        about: impl FnOnce(&M) -> About<'_>,
        work: impl FnOnce(&Access<'_>, M) -> Result<T> + Send + 'static,
        answer: impl FnOnce(T, f64) -> A + Send + 'static,
    ) -> Result<Asked<impl FnOnce(&Arc<Tenant>) -> ApiResult<Result<A>> + Send + 'static>>
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
            Ok(result.map(|it| answer(it, begin.elapsed().as_secs_f64())))
        };
        Ok(Asked {
            tenant,
            deadline,
            action,
            work,
        })
    }
}

/// What a request asks for.
struct Asked<W> {
    tenant: TenantName,
    deadline: Deadline,
    action: Action,
    work: W,
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
