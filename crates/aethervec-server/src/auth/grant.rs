//! What somebody may do, and where.

use crate::action::Action;
use crate::error::{ApiError, ApiErrorKind, ApiResult};
use crate::tenant_name::TenantName;
use std::collections::BTreeSet;

/// What somebody may do, and where. Nothing follows from anything else: who may write may not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What they may do.
    pub actions: BTreeSet<Action>,
    /// The one tenant that they may do it to; `None`: all.
    pub tenant: Option<TenantName>,
    /// The collections that they may do it to; `None`: all. An alias counts as what it stands for.
    pub collections: Option<BTreeSet<String>>,
}

impl Grant {
    /// Everything, everywhere.
    pub fn everything() -> Grant {
        Grant {
            actions: Action::ALL.into(),
            tenant: None,
            collections: None,
        }
    }

    /// Nothing at all.
    pub fn nothing() -> Grant {
        Grant {
            actions: BTreeSet::new(),
            ..Grant::everything()
        }
    }

    /// Refuses what contradicts itself: one tenant, and the right to make others.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`], with what has to be left out.
    pub fn check(&self) -> ApiResult<()> {
        let server_wide = |action: &&Action| !Action::OF_A_TENANT.contains(action);
        let restricted = self.tenant.is_some() || self.collections.is_some();
        match self.actions.iter().find(server_wide) {
            Some(action) if restricted => Err(ApiError::invalid(format!(
                "actions: {action} is for the whole server: it cannot be given with a tenant or collections"
            ))),
            _ if self.actions.is_empty() => Err(ApiError::invalid(
                "actions: there is none: what may they do?",
            )),
            _ => Ok(()),
        }
    }

    /// Whether something in this tenant may be done at all.
    ///
    /// # Errors
    /// [`ApiErrorKind::Forbidden`] when it may not.
    pub fn enter(&self, tenant: &TenantName) -> ApiResult<()> {
        match &self.tenant {
            Some(own) if own != tenant => Err(forbidden(format!(
                "this caller may not use the tenant {tenant}"
            ))),
            _ => Ok(()),
        }
    }

    /// Whether this may be done to a tenant as a whole, or to one of its collections.
    ///
    /// # Errors
    /// [`ApiErrorKind::Forbidden`] when it may not.
    pub fn allow(
        &self,
        action: Action,
        tenant: &TenantName,
        collection: Option<&str>,
    ) -> ApiResult<()> {
        self.may(action)?;
        self.enter(tenant)?;
        match (&self.collections, collection) {
            (Some(own), Some(name)) if !own.contains(name) => Err(forbidden(format!(
                "this caller may not {action} the collection {name:?}"
            ))),
            (Some(_), None) => Err(forbidden(format!(
                "this caller may not {action} all collections of the tenant {tenant}"
            ))),
            _ => Ok(()),
        }
    }

    /// Whether this may be done somewhere.
    ///
    /// # Errors
    /// [`ApiErrorKind::Forbidden`] when it may not.
    pub fn may(&self, action: Action) -> ApiResult<()> {
        match self.actions.contains(&action) {
            true => Ok(()),
            false => Err(forbidden(format!("this caller may not {action}"))),
        }
    }

    /// Whether a list may name the collection called `name`.
    pub fn sees(&self, name: &str) -> bool {
        self.collections
            .as_ref()
            .is_none_or(|own| own.contains(name))
    }
}

fn forbidden(message: String) -> ApiError {
    ApiError::new(ApiErrorKind::Forbidden, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantName {
        TenantName::parse(name).unwrap()
    }

    #[test]
    fn a_grant_ends_at_its_tenant_its_collections_and_its_actions() {
        let grant = Grant {
            actions: [Action::Read].into(),
            tenant: Some(tenant("a")),
            collections: Some(["notes".to_owned()].into()),
        };
        let (a, b) = (tenant("a"), tenant("b"));
        assert!(grant.allow(Action::Read, &a, Some("notes")).is_ok());
        for (action, tenant, collection) in [
            (Action::Write, &a, Some("notes")),
            (Action::Read, &b, Some("notes")),
            (Action::Read, &a, Some("others")),
            (Action::Read, &a, Some("Notes")),
            (Action::Read, &a, None),
        ] {
            let refused = grant.allow(action, tenant, collection).unwrap_err();
            assert_eq!(refused.kind, ApiErrorKind::Forbidden);
        }
        assert!(grant.enter(&a).is_ok() && grant.enter(&b).is_err());
        assert!(grant.sees("notes") && !grant.sees("others"));
    }

    #[test]
    fn rights_of_the_server_are_not_given_with_a_tenant() {
        let grant = |actions: &[Action], name: Option<&str>| Grant {
            actions: actions.iter().copied().collect(),
            tenant: name.map(tenant),
            collections: None,
        };
        assert!(grant(&Action::ALL, None).check().is_ok());
        assert!(grant(&Action::OF_A_TENANT, Some("a")).check().is_ok());
        assert!(grant(&[Action::Administer], Some("a")).check().is_err());
        assert!(grant(&[Action::Observe], Some("a")).check().is_err());
        assert!(grant(&[], None).check().is_err());
    }
}
