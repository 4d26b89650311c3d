//! What a tenant stores, compared with what it may.

use super::Quota;
use crate::error::{ApiError, ApiErrorKind, ApiResult};
use crate::tenant_name::TenantName;
use aethervec::{AetherDB, Collection, Write};
use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// How long a look at a database holds. What is written in between is added to it.
const LOOK_HOLDS: Duration = Duration::from_secs(1);

/// What a tenant stores, as it was seen last.
#[derive(Debug, Default)]
pub(crate) struct Usage(Mutex<Option<Seen>>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Instant,
    documents: u64,
    bytes: u64,
}

impl Usage {
    /// Whether `writes` to `collection` may be made. Documents that are there already take no room; of writes at the same time
    /// each may find the same room, so that a tenant may end slightly above its quota.
    ///
    /// # Errors
    /// [`ApiErrorKind::Quota`] when there is no room for them.
    pub(crate) fn check(
        &self,
        name: &TenantName,
        quota: Quota,
        db: &AetherDB,
        collection: &Collection,
        writes: &[Write],
    ) -> ApiResult<()> {
        if quota.documents_max.is_none() && quota.bytes_max.is_none() {
            return Ok(());
        }
        let upserts = writes.iter().filter(|write| write.is_upsert());
        let ids: Vec<_> = upserts.map(|write| write.id().clone()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let mut new = ids.len() as u64;
        let mut seen = self.seen(db, LOOK_HOLDS)?;
        if let Some(max) = quota.bytes_max
            && seen.bytes >= max
        {
            return Err(over(name, "bytes_max", max));
        }
        if let Some(max) = quota.documents_max
            && seen.documents + new > max
        {
            seen = self.seen(db, Duration::ZERO)?;
            let found = collection.get_batch(&ids)?;
            new = found.iter().filter(|found| found.is_none()).count() as u64;
            if seen.documents + new > max && new > 0 {
                return Err(over(name, "documents_max", max));
            }
        }
        if let Some(seen) = &mut *self.0.lock() {
            seen.documents += new;
        }
        Ok(())
    }

    /// How many more documents there may be; `None` when it does not matter.
    ///
    /// # Errors
    /// [`ApiErrorKind::Quota`] when there is no room at all.
    pub(crate) fn room(
        &self,
        name: &TenantName,
        quota: Quota,
        db: &AetherDB,
    ) -> ApiResult<Option<u64>> {
        if quota.documents_max.is_none() && quota.bytes_max.is_none() {
            return Ok(None);
        }
        let seen = self.seen(db, Duration::ZERO)?;
        if let Some(max) = quota.bytes_max
            && seen.bytes >= max
        {
            return Err(over(name, "bytes_max", max));
        }
        let max = quota.documents_max;
        Ok(max.map(|max| max.saturating_sub(seen.documents)))
    }

    /// What is stored, seen no longer than `holds` ago.
    fn seen(&self, db: &AetherDB, holds: Duration) -> ApiResult<Seen> {
        let mut latest = self.0.lock();
        if let Some(seen) = *latest
            && seen.at.elapsed() < holds
        {
            return Ok(seen);
        }
        let mut documents = 0;
        for info in db.collections() {
            // One that was dropped in the meantime has none.
            if let Ok(collection) = db.collection(&info.name) {
                documents += collection.count()?;
            }
        }
        let stats = db.stats().storage;
        let seen = Seen {
            at: Instant::now(),
            documents,
            bytes: stats.wal_bytes
                + stats.table_bytes
                + stats.value_file_bytes
                + stats.attachment_bytes,
        };
        *latest = Some(seen);
        Ok(seen)
    }
}

/// The error of a tenant that has as much as it may.
pub(crate) fn over(name: &TenantName, field: &str, max: u64) -> ApiError {
    ApiError::new(
        ApiErrorKind::Quota,
        format!(
            "tenant {name}: it has as much as it may: {field} is {max}; delete something, or ask for more"
        ),
    )
}
