//! What every call begins with: who calls, for which tenant, until when.

use crate::app::App;
use crate::auth::Caller;
use crate::call::{At, Call};
use crate::engine::Deadline;
use crate::error::{ApiError, ApiErrorKind, ApiResult};
use crate::proto;
use crate::tenants::{Tenant, TenantName};
use std::sync::Arc;
use std::time::Duration;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Response, Status};

/// The native services, of one kind: each call begins with its [`Scope`].
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) app: Arc<App>,
}

/// What a call answers.
pub(super) type Answer<T> = Result<Response<T>, Status>;

impl Service {
    pub(super) fn new(app: &Arc<App>) -> Service {
        Service {
            app: Arc::clone(app),
        }
    }

    /// Who calls, for which tenant and until when; and the message.
    pub(super) fn scope<M>(&self, request: Request<M>) -> ApiResult<(Scope, M)> {
        let (metadata, extensions, message) = request.into_parts();
        Ok((Scope::new(&self.app, &metadata, &extensions)?, message))
    }
}

/// A call without its message.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) app: Arc<App>,
    pub(super) caller: Caller,
    pub(super) tenant: TenantName,
    pub(super) deadline: Deadline,
}

impl Scope {
    fn new(app: &Arc<App>, metadata: &MetadataMap, extensions: &Extensions) -> ApiResult<Scope> {
        let caller = extensions.get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| {
            ApiError::new(ApiErrorKind::Unauthenticated, "nobody knows who calls")
        })?;
        let tenant = match text(metadata, crate::rest::TENANT_HEADER)? {
            Some(name) => TenantName::parse(name)?,
            None => caller.tenant.clone().unwrap_or_default(),
        };
        caller.enter(&tenant)?;
        Ok(Scope {
            deadline: deadline(app, metadata)?,
            app: Arc::clone(app),
            caller,
            tenant,
        })
    }

    /// For the next batch of a stream: each has the time of a request.
    pub(super) fn renewed(self) -> Scope {
        Scope {
            deadline: self.app.deadline(),
            ..self
        }
    }

    /// Answers with what `work` makes of the state that is meant.
    pub(super) async fn answer<T: Send + 'static>(
        self,
        at: Option<proto::At>,
        work: impl FnOnce(&Call) -> ApiResult<T> + Send + 'static,
    ) -> Answer<T> {
        let at = moment(at)?;
        let answer = self.run(at, work).await?;
        Ok(Response::new(answer))
    }

    /// Answers with what `work` reads of the state that is meant.
    pub(super) async fn read<T: Send + 'static>(
        self,
        at: Option<proto::At>,
        work: impl FnOnce(&Call) -> ApiResult<T> + Send + 'static,
    ) -> Result<Response<T>, Status> {
        // A transaction may be at work for another request.
        if at.is_some() {
            return self.answer(at, work).await;
        }
        let app = Arc::clone(&self.app);
        let work = of_call(self.caller, At::Now, work);
        let answer = app.read_tenant(self.tenant, self.deadline, work).await?;
        Ok(Response::new(answer))
    }

    /// What `work` makes of the state that is meant.
    pub(super) async fn run<T: Send + 'static>(
        self,
        at: At,
        work: impl FnOnce(&Call) -> ApiResult<T> + Send + 'static,
    ) -> ApiResult<T> {
        let work = of_call(self.caller, at, work);
        self.app.with_tenant(self.tenant, self.deadline, work).await
    }
}

/// `work` on the call of `caller` at a state.
fn of_call<T>(
    caller: Caller,
    at: At,
    work: impl FnOnce(&Call) -> ApiResult<T>,
) -> impl FnOnce(&Arc<Tenant>) -> ApiResult<T> {
    move |tenant| {
        work(&Call {
            tenant: Arc::clone(tenant),
            caller,
            at,
        })
    }
}

/// The state that a message means.
pub(super) fn moment(at: Option<proto::At>) -> ApiResult<At> {
    use proto::at::Moment;
    match at.and_then(|at| at.moment) {
        None => Ok(At::Now),
        Some(Moment::Transaction(id)) => At::parse(Some(&id), None, None),
        Some(Moment::Snapshot(id)) => At::parse(None, Some(&id), None),
        Some(Moment::AsOf(moment)) => At::parse(None, None, Some(&moment)),
    }
}

/// When nobody waits any more: as the client says, and no later than the configuration says.
fn deadline(app: &App, metadata: &MetadataMap) -> ApiResult<Deadline> {
    let Some(text) = text(metadata, "grpc-timeout")? else {
        return Ok(app.deadline());
    };
    let asked = timeout(text).ok_or_else(|| {
        ApiError::invalid("grpc-timeout: it must be a number of up to eight digits and a unit")
    })?;
    let longest = Duration::from_millis(app.config.request_timeout_ms);
    Ok(Deadline::after(asked.min(longest)))
}

/// The time that `grpc-timeout` spells: digits, then H, M, S, m, u or n.
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3_600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

fn text<'m>(metadata: &'m MetadataMap, name: &str) -> ApiResult<Option<&'m str>> {
    let value = metadata.get(name).map(|value| value.to_str()).transpose();
    value.map_err(|_| ApiError::invalid(format!("{name}: it must be ASCII")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read() {
        assert_eq!(timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout("1H"), Some(Duration::from_secs(3_600)));
        for wrong in ["", "m", "1", "1x", "-1m", "123456789m", "1é"] {
            assert_eq!(timeout(wrong), None, "{wrong}");
        }
    }
}
