//! Who calls, as handlers see them.

use super::grant::Grant;
use crate::action::Action;
use crate::audit::Record;
use crate::error::ApiResult;
use crate::tenant_name::TenantName;
use std::sync::{Arc, LazyLock};

/// Who calls. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller {
    /// What it is called in logs, and whose transactions and snapshots are its own.
    pub name: Arc<str>,
    /// The tenant of its grant; requests that name none are for this one.
    pub tenant: Option<TenantName>,
    grant: Arc<Grant>,
    /// What it asks for, if that is written down.
    record: Option<Arc<Record>>,
}

impl Caller {
    /// The one called `name`, who may do this.
    pub fn new(name: impl Into<Arc<str>>, grant: impl Into<Arc<Grant>>) -> Caller {
        let grant = grant.into();
        Caller {
            name: name.into(),
            tenant: grant.tenant.clone(),
            grant,
            record: None,
        }
    }

    /// The same, and what it asks for is noted.
    #[must_use]
    pub(crate) fn recorded(self, record: Arc<Record>) -> Caller {
        Caller {
            record: Some(record),
            ..self
        }
    }

    fn note(&self, action: Action, tenant: Option<&TenantName>, collection: Option<&str>) {
        if let Some(record) = &self.record {
            record.note(action, tenant, collection);
        }
    }

    /// Everybody, on a server without authentication.
    pub fn anonymous() -> Caller {
        static ANONYMOUS: LazyLock<Caller> =
            LazyLock::new(|| Caller::new("anonymous", Grant::everything()));
        ANONYMOUS.clone()
    }

    /// Somebody who has not said who they are, and may do nothing.
    pub fn nobody() -> Caller {
        static NOBODY: LazyLock<Caller> = LazyLock::new(|| Caller::new("nobody", Grant::nothing()));
        NOBODY.clone()
    }

    /// Whether it may do this to a tenant as a whole, or to one of its collections.
    ///
    /// # Errors
    /// [`Forbidden`](crate::ApiErrorKind::Forbidden) when it may not.
    pub fn allow(
        &self,
        action: Action,
        tenant: &TenantName,
        collection: Option<&str>,
    ) -> ApiResult<()> {
        self.note(action, Some(tenant), collection);
        self.grant.allow(action, tenant, collection)
    }

    /// Whether it may do this in a tenant, to those of its collections that it may touch.
    ///
    /// # Errors
    /// [`Forbidden`](crate::ApiErrorKind::Forbidden) when it may not.
    pub fn allow_within(&self, action: Action, tenant: &TenantName) -> ApiResult<()> {
        self.note(action, Some(tenant), None);
        self.grant.may(action)?;
        self.grant.enter(tenant)
    }

    /// Whether it may use this tenant at all. Asked before the tenant is looked for, so that nobody learns which others there are.
    ///
    /// # Errors
    /// [`Forbidden`](crate::ApiErrorKind::Forbidden) when it may not.
    pub fn enter(&self, tenant: &TenantName) -> ApiResult<()> {
        self.grant.enter(tenant)
    }

    /// Whether it may read what the server counts.
    ///
    /// # Errors
    /// [`Forbidden`](crate::ApiErrorKind::Forbidden) when it may not.
    pub fn observe(&self) -> ApiResult<()> {
        self.note(Action::Observe, None, None);
        self.grant.may(Action::Observe)
    }

    /// Whether a list may name the collection called `name` to it.
    pub fn sees(&self, name: &str) -> bool {
        self.grant.sees(name)
    }

    /// Whether it is bound to some collections.
    pub fn is_bound_to_collections(&self) -> bool {
        self.grant.collections.is_some()
    }
}
