//! What a tenant may use: requests a second and at once, documents, bytes.
//!
//! A tenant has the values of `QUOTAS_FILE` that are its own, and the server's defaults for the rest. Requests are counted by
//! [`Quotas::enter`], which every call of the engine passes; what is stored is compared by
//! [`Tenant::room_for`](crate::tenants::Tenant::room_for) before a write. Deletes are always possible.

mod bucket;
mod usage;

pub(crate) use usage::{Usage, over};

use crate::config::Config;
use crate::error::{ApiError, ApiErrorKind, ApiResult};
use crate::tenant_name::TenantName;
use arc_swap::ArcSwap;
use bucket::Bucket;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use utoipa::ToSchema;

/// The file with the quotas that tenants have of their own, in the folder of all tenants. No tenant can be called so.
const QUOTAS_FILE: &str = "quotas.json";

/// What a tenant may use. What is not said here is as the server's defaults say; these default to no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// Documents in all collections together.
    pub documents_max: Option<u64>,
    /// Bytes on disk.
    pub bytes_max: Option<u64>,
    /// Requests a second, on average; as many may come at once after a pause.
    pub requests_per_s: Option<u32>,
    /// Requests that work at the same time.
    pub requests_at_once_max: Option<u32>,
}

impl Quota {
    /// This one, and `defaults` for what it does not say.
    fn or(self, defaults: Quota) -> Quota {
        Quota {
            documents_max: self.documents_max.or(defaults.documents_max),
            bytes_max: self.bytes_max.or(defaults.bytes_max),
            requests_per_s: self.requests_per_s.or(defaults.requests_per_s),
            requests_at_once_max: self.requests_at_once_max.or(defaults.requests_at_once_max),
        }
    }

    fn check(self) -> ApiResult<()> {
        if self.requests_per_s == Some(0) || self.requests_at_once_max == Some(0) {
            return Err(ApiError::invalid(
                "requests_per_s, requests_at_once_max: with 0 nothing would ever be answered",
            ));
        }
        Ok(())
    }
}

type Own = BTreeMap<String, Quota>;

/// The quotas of all tenants.
#[derive(Debug)]
pub struct Quotas {
    defaults: Quota,
    file: PathBuf,
    own: ArcSwap<Own>,
    /// Held while the file is written.
    writing: Mutex<()>,
    meters: Mutex<HashMap<TenantName, Arc<Meter>>>,
}

/// What a tenant uses now.
#[derive(Debug)]
struct Meter {
    bucket: Mutex<Bucket>,
    at_once: AtomicUsize,
}

/// A request that is counted until this is dropped.
#[derive(Debug)]
pub struct Counted(Option<Arc<Meter>>);

impl Quotas {
    /// Those of the file, with the defaults of `config`.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`] when the file cannot be read.
    pub fn open(config: &Config) -> ApiResult<Quotas> {
        let file = config.data_dir.join(QUOTAS_FILE);
        let defaults = Quota {
            documents_max: config.quota_documents_max,
            bytes_max: config.quota_bytes_max.map(|size| size.0),
            requests_per_s: config.quota_requests_per_s,
            requests_at_once_max: config.quota_requests_at_once_max,
        };
        defaults.check()?;
        Ok(Quotas {
            defaults,
            own: ArcSwap::from_pointee(read(&file)?),
            file,
            writing: Mutex::default(),
            meters: Mutex::default(),
        })
    }

    /// What `tenant` may use.
    pub fn of(&self, tenant: &TenantName) -> Quota {
        self.own_of(tenant).or(self.defaults)
    }

    /// What is said of `tenant` itself.
    pub fn own_of(&self, tenant: &TenantName) -> Quota {
        let own = self.own.load();
        own.get(tenant.as_str()).copied().unwrap_or_default()
    }

    /// Says what `tenant` itself may use, in place of what was said before. It is on disk afterwards.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`] when it makes no sense, [`ApiErrorKind::Unavailable`] when it cannot be written: everything stays
    /// as it was then.
    pub fn set(&self, tenant: &TenantName, quota: Quota) -> ApiResult<()> {
        quota.check()?;
        let _writing = self.writing.lock();
        let mut own = Own::clone(&self.own.load());
        match quota == Quota::default() {
            true => own.remove(tenant.as_str()),
            false => own.insert(tenant.as_str().to_owned(), quota),
        };
        write(&self.file, &own).map_err(|error| {
            tracing::error!(%error, "{QUOTAS_FILE} could not be written");
            ApiError::new(
                ApiErrorKind::Unavailable,
                "the quotas could not be written: the log of the server says why",
            )
        })?;
        self.own.store(Arc::new(own));
        Ok(())
    }

    /// Counts a request of `tenant` that comes now.
    ///
    /// # Errors
    /// [`ApiErrorKind::Overloaded`] when there are too many, with the time to wait.
    pub fn enter(&self, tenant: &TenantName, now: Instant) -> ApiResult<Counted> {
        let quota = self.of(tenant);
        if quota.requests_per_s.is_none() && quota.requests_at_once_max.is_none() {
            return Ok(Counted(None));
        }
        let meter = self.meter(tenant, quota, now);
        let counted = Counted(Some(Arc::clone(&meter)));
        let others = meter.at_once.fetch_add(1, Ordering::Relaxed);
        if let Some(max) = quota.requests_at_once_max
            && others >= max as usize
        {
            return Err(too_many(
                format!(
                    "tenant {tenant}: {max} requests are under way, as many as may (requests_at_once_max)"
                ),
                Duration::from_secs(1),
            ));
        }
        if let Some(rate) = quota.requests_per_s {
            let taken = meter.bucket.lock().take(now, rate);
            taken.map_err(|wait| {
                too_many(
                    format!("tenant {tenant}: more than {rate} requests a second (requests_per_s)"),
                    wait,
                )
            })?;
        }
        Ok(counted)
    }

    /// Forgets tenants that do nothing.
    pub fn forget_idle(&self, now: Instant) {
        let mut meters = self.meters.lock();
        meters.retain(|_, meter| Arc::strong_count(meter) > 1 || !meter.bucket.lock().is_full(now));
    }

    fn meter(&self, tenant: &TenantName, quota: Quota, now: Instant) -> Arc<Meter> {
        let mut meters = self.meters.lock();
        let meter = meters.entry(tenant.clone()).or_insert_with(|| {
            let rate = quota.requests_per_s.unwrap_or(1);
            Arc::new(Meter {
                bucket: Mutex::new(Bucket::full(now, rate)),
                at_once: AtomicUsize::new(0),
            })
        });
        Arc::clone(meter)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(meter) = &self.0 {
            meter.at_once.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn too_many(message: String, wait: Duration) -> ApiError {
    ApiError {
        retry_after: Some(wait),
        ..ApiError::new(ApiErrorKind::Overloaded, message)
    }
}

fn read(file: &Path) -> ApiResult<Own> {
    let wrong =
        |why: &dyn std::fmt::Display| ApiError::invalid(format!("{}: {why}", file.display()));
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Own::new()),
        Err(error) => return Err(wrong(&error)),
    };
    serde_json::from_slice(&text).map_err(|error| wrong(&error))
}

/// The old file is there, or the new one; never a piece of one.
fn write(file: &Path, own: &Own) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(own)?;
    let fresh = file.with_extension("json.new");
    let mut options = OpenOptions::new();
    let mut draft = options
        .create(true)
        .truncate(true)
        .write(true)
        .open(&fresh)?;
    draft.write_all(&text)?;
    draft.sync_all()?;
    std::fs::rename(&fresh, file)?;
    let folder = file.parent().unwrap_or(Path::new("."));
    OpenOptions::new().read(true).open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotas(folder: &tempfile::TempDir, config: Config) -> Quotas {
        Quotas::open(&Config {
            data_dir: folder.path().to_owned(),
            ..config
        })
        .unwrap()
    }

    fn tenant(name: &str) -> TenantName {
        TenantName::parse(name).unwrap()
    }

    #[test]
    fn what_is_said_of_a_tenant_stays_and_wins_over_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            quota_documents_max: Some(10),
            quota_requests_per_s: Some(5),
            ..Config::default()
        };
        let own = Quota {
            documents_max: Some(100),
            ..Quota::default()
        };
        let (a, b) = (tenant("a"), tenant("b"));
        quotas(&folder, config.clone()).set(&a, own).unwrap();
        let again = quotas(&folder, config);
        assert_eq!(again.of(&a).documents_max, Some(100));
        assert_eq!(again.of(&a).requests_per_s, Some(5));
        assert_eq!(again.of(&b).documents_max, Some(10));
        again.set(&a, Quota::default()).unwrap();
        assert_eq!(again.of(&a).documents_max, Some(10));
        let none = Quota {
            requests_per_s: Some(0),
            ..Quota::default()
        };
        assert!(again.set(&a, none).is_err());
    }

    #[test]
    fn requests_are_counted_for_each_tenant() {
        let folder = tempfile::tempdir().unwrap();
        let quotas = quotas(
            &folder,
            Config {
                quota_requests_per_s: Some(2),
                quota_requests_at_once_max: Some(1),
                ..Config::default()
            },
        );
        let (a, b) = (tenant("a"), tenant("b"));
        let begin = Instant::now();
        let first = quotas.enter(&a, begin).unwrap();
        let refused = quotas.enter(&a, begin).unwrap_err();
        assert_eq!(refused.kind, ApiErrorKind::Overloaded);
        assert!(refused.message.contains("requests_at_once_max"));
        drop(first);
        drop(quotas.enter(&a, begin).unwrap());
        let refused = quotas.enter(&a, begin).unwrap_err();
        assert!(refused.message.contains("requests_per_s"), "{refused}");
        assert_eq!(refused.retry_after, Some(Duration::from_millis(500)));
        assert!(quotas.enter(&b, begin).is_ok());
        let later = begin + Duration::from_millis(500);
        assert!(quotas.enter(&a, later).is_ok());
        quotas.forget_idle(later);
        assert_eq!(quotas.meters.lock().len(), 1);
        quotas.forget_idle(later + Duration::from_secs(2));
        assert_eq!(quotas.meters.lock().len(), 0);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(QUOTAS_FILE), "{\"a\": ").unwrap();
        let config = Config {
            data_dir: folder.path().to_owned(),
            ..Config::default()
        };
        let error = Quotas::open(&config).unwrap_err();
        assert!(error.message.contains(QUOTAS_FILE), "{error}");
    }
}
