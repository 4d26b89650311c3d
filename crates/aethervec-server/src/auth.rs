//! Who calls, and what they may do.
//!
//! A layer in front of every protocol finds out who calls, and puts a [`Caller`] into the extensions of the request; handlers
//! ask it before they touch anything.

use crate::app::App;
use crate::error::ApiResult;
use crate::tenants::TenantName;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use std::sync::Arc;

/// Who calls. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What it is called in logs.
    pub name: Arc<str>,
    /// The tenant of its token; requests that name none are for this one.
    pub tenant: Option<TenantName>,
}

/// What a request is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Read documents, or what a collection is made of.
    Read,
    /// Write documents.
    Write,
    /// Create, change or drop collections.
    Manage,
    /// Create, list or drop tenants.
    Administer,
}

impl Caller {
    /// Everybody, on a server without authentication.
    pub fn anonymous() -> Caller {
        Caller {
            name: "anonymous".into(),
            tenant: None,
        }
    }

    /// Whether it may do this to a tenant, or to one of its collections.
    ///
    /// # Errors
    /// [`Forbidden`](crate::ApiErrorKind::Forbidden) when it may not.
    pub fn allow(
        &self,
        _action: Action,
        _tenant: &TenantName,
        _collection: Option<&str>,
    ) -> ApiResult<()> {
        Ok(())
    }
}

/// The routes of a protocol, behind a layer that finds out who calls.
pub(crate) fn protected(router: Router, _app: &Arc<App>) -> Router {
    router.layer(middleware::from_fn(identify))
}

async fn identify(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Caller::anonymous());
    next.run(request).await
}
