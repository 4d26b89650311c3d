//! A tenant's database, as far as who calls may use it.

use crate::auth::{Action, Caller};
use crate::error::{ApiError, ApiErrorKind};
use crate::qdrant::error::{Failure, Result};
use crate::tenants::Tenant;
use aether_env::Storage;
use aethervec::{AetherDB, Collection, Write};
use parking_lot::MutexGuard;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// How long a request about a snapshot waits for another one.
const SNAPSHOT_TURN: Duration = Duration::from_secs(10);

/// The database of a request. Operations on the collection that the request names may use it as it is: that has been allowed.
/// What touches others asks first.
#[derive(Debug)]
pub(crate) struct Access<'a> {
    tenant: &'a Arc<Tenant>,
    caller: &'a Caller,
}

impl<'a> Access<'a> {
    /// That of `caller` to `tenant`, if it may do `action` to the collection: to all of the tenant when none is named, unless it
    /// is only read: lists show what the caller may see.
    pub(crate) fn new(
        tenant: &'a Arc<Tenant>,
        caller: &'a Caller,
        action: Action,
        collection: Option<&str>,
    ) -> Result<Access<'a>> {
        let access = Access { tenant, caller };
        match collection {
            Some(name) => access.allow(action, name)?,
            None if action == Action::Read => caller.allow_within(action, &tenant.name)?,
            None => access.allow_whole(action)?,
        }
        Ok(access)
    }

    /// Asks for the right to do `action` to the collection that `name` stands for.
    pub(crate) fn allow(&self, action: Action, name: &str) -> Result<()> {
        Ok(self.tenant.allow(self.caller, action, name)?)
    }

    /// Asks for the right to do `action` to all of the tenant.
    pub(crate) fn allow_whole(&self, action: Action) -> Result<()> {
        Ok(self.caller.allow(action, &self.tenant.name, None)?)
    }

    /// Asks for the right to read these collections.
    pub(crate) fn allow_reading<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Result<()> {
        let mut names = names.into_iter();
        names.try_for_each(|name| self.allow(Action::Read, name))
    }

    /// Asks for the room that `writes` take.
    pub(crate) fn room_for(&self, collection: &Collection, writes: &[Write]) -> Result<()> {
        Ok(self.tenant.room_for(collection, writes)?)
    }

    /// How many more documents there may be; `None` when it does not matter.
    pub(crate) fn room(&self) -> Result<Option<u64>> {
        Ok(self.tenant.room()?)
    }

    /// Why there is no room for what a snapshot has.
    pub(crate) fn no_room(&self) -> Failure {
        self.tenant.no_room().into()
    }

    /// Where the files of the database are.
    pub(crate) fn files(&self) -> &Arc<dyn Storage> {
        &self.tenant.files
    }

    /// One snapshot at a time is made, read back or removed: as long as this is held. Nobody waits long for that.
    pub(crate) fn snapshot_turn(&self) -> Result<MutexGuard<'_, ()>> {
        let turn = self.tenant.snapshot_turn.try_lock_for(SNAPSHOT_TURN);
        turn.ok_or_else(|| {
            Failure::from(ApiError::new(
                ApiErrorKind::Overloaded,
                "another snapshot is being made, read or removed: try again later",
            ))
        })
    }

    /// Whether a list may name this collection.
    pub(crate) fn sees(&self, name: &str) -> bool {
        self.caller.sees(name)
    }
}

impl Deref for Access<'_> {
    type Target = AetherDB;

    fn deref(&self) -> &AetherDB {
        &self.tenant.db
    }
}
