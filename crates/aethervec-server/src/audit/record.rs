//! What a request asked for, as the rights of its caller were asked.

use crate::action::Action;
use crate::tenant_name::TenantName;
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::BTreeSet;

/// Collections that a line names, at most: a query can look into many.
const COLLECTIONS_MAX: usize = 16;

/// What a request asked for.
#[derive(Debug, Default)]
pub struct Record(Mutex<Summary>);

/// The same, as a line has it.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Summary {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    actions: BTreeSet<Action>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    collections: BTreeSet<String>,
}

impl Record {
    /// Notes that the caller asked for the right to do this.
    pub(crate) fn note(
        &self,
        action: Action,
        tenant: Option<&TenantName>,
        collection: Option<&str>,
    ) {
        let mut summary = self.0.lock();
        summary.actions.insert(action);
        if let Some(tenant) = tenant {
            summary.tenant = Some(tenant.to_string());
        }
        if let Some(name) = collection
            && summary.collections.len() < COLLECTIONS_MAX
            && !summary.collections.contains(name)
        {
            summary.collections.insert(name.to_owned());
        }
    }

    /// Whether it asked for more than to read.
    pub(super) fn has_changed_something(&self) -> bool {
        let summary = self.0.lock();
        let mut actions = summary.actions.iter();
        actions.any(|action| !matches!(action, Action::Read | Action::Observe))
    }

    pub(super) fn summary(&self) -> Summary {
        self.0.lock().clone()
    }
}
