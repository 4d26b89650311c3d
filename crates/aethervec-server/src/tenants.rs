//! Tenants: a tenant is a database in a folder of its own, `DATA_DIR/NAME`.
//!
//! A database is opened by its first use and closed when nobody has used it for a while. While one is opened or closed, whoever
//! asks for it waits: two openings of one folder never meet.

use crate::auth::{Action, Caller};
use crate::config::{CipherName, Config};
use crate::error::{ApiError, ApiErrorKind, ApiResult};
use crate::pace::Pace;
use crate::quotas::{Quotas, Usage, over};
use crate::sessions::Sessions;
pub use crate::tenant_name::{DEFAULT_TENANT, TENANT_NAME_BYTES_MAX, TenantName};
use aether_crypt::{Cipher, EncryptedStorage, KeyId, StaticKeys};
use aether_env::{Env, Storage};
use aethervec::{AetherDB, Collection, DbOptions, Write};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// A database that is open. It stays open as long as somebody holds this.
#[derive(Debug)]
pub struct Tenant {
    /// What it is called.
    pub name: TenantName,
    /// Its database.
    pub db: AetherDB,
    /// What it keeps between requests.
    pub sessions: Sessions,
    /// Documents that a request may write, at most.
    pub batch_size: usize,
    /// Where its files are, in the clear.
    pub files: Arc<dyn Storage>,
    /// Held while a snapshot in a file is made, read back or removed.
    pub snapshot_turn: Mutex<()>,
    /// How long its reads take.
    pub pace: Arc<Pace>,
    quotas: Arc<Quotas>,
    usage: Usage,
    used: Mutex<Instant>,
}

impl Tenant {
    /// Asks whether `caller` may do this to the collection that `name` stands for.
    ///
    /// # Errors
    /// Those of [`Caller::allow`].
    pub fn allow(&self, caller: &Caller, action: Action, name: &str) -> ApiResult<()> {
        // An alias counts as what it stands for; who is bound to nothing need not know.
        let described = caller
            .is_bound_to_collections()
            .then(|| self.db.describe(name));
        let own = match &described {
            Some(Ok(info)) => &info.name,
            Some(Err(_)) | None => name,
        };
        caller.allow(action, &self.name, Some(own))
    }

    /// Whether the tenant may have what `writes` to `collection` add.
    ///
    /// # Errors
    /// [`ApiErrorKind::Quota`] when it may not.
    pub fn room_for(&self, collection: &Collection, writes: &[Write]) -> ApiResult<()> {
        let quota = self.quotas.of(&self.name);
        self.usage
            .check(&self.name, quota, &self.db, collection, writes)
    }

    /// How many more documents the tenant may have; `None` when it does not matter.
    ///
    /// # Errors
    /// [`ApiErrorKind::Quota`] when there is no room at all.
    pub fn room(&self) -> ApiResult<Option<u64>> {
        let quota = self.quotas.of(&self.name);
        self.usage.room(&self.name, quota, &self.db)
    }

    /// The error of an import that found less room than it took.
    pub(crate) fn no_room(&self) -> ApiError {
        let max = self.quotas.of(&self.name).documents_max;
        over(&self.name, "documents_max", max.unwrap_or_default())
    }
}

/// All tenants of a server. Its methods block: they are called within [`Gate::run`](crate::engine::Gate::run).
#[derive(Debug)]
pub struct Tenants {
    folder: PathBuf,
    options: DbOptions,
    encryption: Option<Encryption>,
    batch_size: usize,
    quotas: Arc<Quotas>,
    transaction_idle: Duration,
    snapshot_idle: Duration,
    slots: Mutex<BTreeMap<TenantName, Arc<Slot>>>,
    /// Why tenants could not be opened, until they can.
    failed: Mutex<BTreeMap<TenantName, ApiError>>,
    closed: AtomicBool,
}

/// How files are encrypted.
#[derive(Debug)]
struct Encryption {
    /// The folder with a key for each tenant.
    keys: PathBuf,
    cipher: Cipher,
}

impl Encryption {
    fn of(config: &Config) -> Option<Encryption> {
        let keys = config
            .encryption_keys
            .clone()
            .filter(|_| config.encryption_enabled)?;
        let cipher = match config.encryption_algorithm {
            CipherName::Aes256Gcm => Cipher::Aes256Gcm,
            CipherName::ChaCha20Poly1305 => Cipher::ChaCha20Poly1305,
        };
        Some(Encryption { keys, cipher })
    }
}

/// A place for a tenant. Its lock is held while the database is opened or closed.
type Slot = Mutex<Option<Arc<Tenant>>>;

impl Tenants {
    /// Those in the folder that `config` names, which is made if it is missing. Nothing is opened yet.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`] when settings ask for something that cannot be, [`ApiErrorKind::Unavailable`] when the folder
    /// cannot be made.
    pub fn open(config: &Config, quotas: &Arc<Quotas>) -> ApiResult<Tenants> {
        let options = config.db_options()?;
        let folder = config.data_dir.clone();
        std::fs::create_dir_all(&folder).map_err(|error| {
            ApiError::new(
                ApiErrorKind::Unavailable,
                format!("data_dir: {} cannot be made: {error}", folder.display()),
            )
        })?;
        Ok(Tenants {
            folder,
            options,
            encryption: Encryption::of(config),
            batch_size: config.batch_size,
            quotas: Arc::clone(quotas),
            transaction_idle: Duration::from_secs(config.transaction_idle_s),
            snapshot_idle: Duration::from_secs(config.snapshot_idle_s),
            slots: Mutex::new(BTreeMap::new()),
            failed: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    /// The tenant called `name`, opened if it is not. The default tenant is made by its first use.
    ///
    /// # Errors
    /// [`ApiErrorKind::NotFound`] when there is none; else those of [`AetherDB::open`].
    pub fn get(&self, name: &TenantName) -> ApiResult<Arc<Tenant>> {
        self.enter(name, name.as_str() == DEFAULT_TENANT)
    }

    /// The tenant called `name`, if it is open and nobody is about to close it. Never waits.
    pub fn get_open(&self, name: &TenantName) -> Option<Arc<Tenant>> {
        let slot = Arc::clone(self.slots.lock().get(name)?);
        let tenant = Arc::clone(slot.try_lock()?.as_ref()?);
        *tenant.used.lock() = Instant::now();
        Some(tenant)
    }

    /// Makes the tenant called `name`. False when it was there already.
    ///
    /// # Errors
    /// Those of [`AetherDB::open`].
    pub fn create(&self, name: &TenantName) -> ApiResult<bool> {
        let was_there = self.exists(name);
        self.enter(name, true)?;
        Ok(!was_there)
    }

    /// Closes the tenant called `name` and removes all its files.
    ///
    /// # Errors
    /// [`ApiErrorKind::NotFound`] when there is none, [`ApiErrorKind::Conflict`] while somebody uses it.
    pub fn remove(&self, name: &TenantName) -> ApiResult<()> {
        let slot = self.slot(name);
        let mut tenant = slot.lock();
        if !self.exists(name) {
            return Err(not_found(name));
        }
        if tenant
            .as_ref()
            .is_some_and(|tenant| Arc::strong_count(tenant) > 1)
        {
            return Err(ApiError::new(
                ApiErrorKind::Conflict,
                format!("tenant {name}: it is in use: try again when its requests are answered"),
            ));
        }
        if let Some(tenant) = tenant.take() {
            tenant.sessions.clear();
            tenant.db.close()?;
        }
        std::fs::remove_dir_all(self.folder.join(name.as_str())).map_err(|error| {
            ApiError::new(
                ApiErrorKind::Internal,
                format!("tenant {name}: its files cannot be removed: {error}"),
            )
        })
    }

    /// The names of all tenants, in order.
    ///
    /// # Errors
    /// [`ApiErrorKind::Internal`] when the folder cannot be read.
    pub fn names(&self) -> ApiResult<Vec<TenantName>> {
        let unreadable = |error: std::io::Error| {
            ApiError::new(
                ApiErrorKind::Internal,
                format!("the tenants cannot be listed: {error}"),
            )
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if let Some(name) = entry.file_name().to_str()
                && entry.file_type().map_err(unreadable)?.is_dir()
                && let Ok(name) = TenantName::parse(name)
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Those that are open now.
    pub fn opened(&self) -> Vec<Arc<Tenant>> {
        let slots: Vec<Arc<Slot>> = self.slots.lock().values().cloned().collect();
        // One that is being opened or closed is not open.
        let open = |slot: &Arc<Slot>| slot.try_lock().and_then(|tenant| tenant.clone());
        slots.iter().filter_map(open).collect()
    }

    /// Those that could not be opened when they were last asked for, and why.
    pub fn failed(&self) -> Vec<(TenantName, ApiError)> {
        let failed = self.failed.lock();
        let failed = failed.iter();
        failed
            .map(|(name, error)| (name.clone(), error.clone()))
            .collect()
    }

    /// Gives up transactions and snapshots that were not used for too long, and closes the tenants that nobody has used for
    /// `idle`. Returns how many were closed.
    pub fn close_idle(&self, idle: Duration) -> usize {
        let slots: Vec<Arc<Slot>> = self.slots.lock().values().cloned().collect();
        let mut closed = 0;
        for slot in slots {
            let mut tenant = slot.lock();
            let is_unused = |tenant: &Arc<Tenant>| {
                let without_sessions = tenant.sessions.give_up_idle();
                Arc::strong_count(tenant) == 1
                    && without_sessions
                    && tenant.used.lock().elapsed() >= idle
            };
            let unused = tenant.take_if(|tenant| is_unused(tenant));
            if let Some(unused) = unused {
                report(&unused.name, unused.db.close());
                drop(tenant);
                drop(slot);
                self.forget(&unused.name);
                closed += 1;
            }
        }
        closed
    }

    /// Closes all; none can be opened afterwards. What was acknowledged is safe whatever comes of it.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let slots = std::mem::take(&mut *self.slots.lock());
        for slot in slots.into_values() {
            if let Some(tenant) = slot.lock().take() {
                tenant.sessions.clear();
                report(&tenant.name, tenant.db.close());
            }
        }
    }

    fn enter(&self, name: &TenantName, create: bool) -> ApiResult<Arc<Tenant>> {
        let slot = self.slot(name);
        let mut place = slot.lock();
        if self.closed.load(Ordering::SeqCst) {
            return Err(ApiError::new(
                ApiErrorKind::Unavailable,
                "the server is shutting down",
            ));
        }
        if let Some(tenant) = &*place {
            *tenant.used.lock() = Instant::now();
            return Ok(Arc::clone(tenant));
        }
        if !create && !self.exists(name) {
            drop(place);
            self.forget(name);
            return Err(not_found(name));
        }
        let opened = self.open_database(name);
        match &opened {
            Ok(_) => drop(self.failed.lock().remove(name)),
            Err(error) => drop(self.failed.lock().insert(name.clone(), error.clone())),
        }
        let (db, files) = opened?;
        let tenant = Arc::new(Tenant {
            name: name.clone(),
            db,
            files,
            snapshot_turn: Mutex::default(),
            sessions: Sessions::new(self.transaction_idle, self.snapshot_idle),
            batch_size: self.batch_size,
            pace: Arc::default(),
            quotas: Arc::clone(&self.quotas),
            usage: Usage::default(),
            used: Mutex::new(Instant::now()),
        });
        *place = Some(Arc::clone(&tenant));
        Ok(tenant)
    }

    fn open_database(&self, name: &TenantName) -> ApiResult<(AetherDB, Arc<dyn Storage>)> {
        let env = self.env(name)?;
        let files = Arc::clone(&env.storage);
        Ok((AetherDB::open_with(env, self.options.clone())?, files))
    }

    /// The tenant's files: decrypted, if they are encrypted.
    fn env(&self, name: &TenantName) -> ApiResult<Env> {
        let unusable = |what: &str, error: std::io::Error| {
            tracing::error!(tenant = %name, %error, "its {what} cannot be used");
            ApiError::new(
                ApiErrorKind::Internal,
                format!("tenant {name}: its {what} cannot be used: the log of the server says why"),
            )
        };
        let keys = self.encryption.as_ref().map(|encryption| {
            let file = encryption.keys.join(format!("{name}.key"));
            let keys = StaticKeys::from_file(KeyId(1), file);
            Ok((
                keys.map_err(|error| unusable("key", error))?,
                encryption.cipher,
            )) as ApiResult<_>
        });
        // Without a key, not even a folder is made.
        let keys = keys.transpose()?;
        let folder = self.folder.join(name.as_str());
        let env = Env::local(folder).map_err(|error| unusable("folder", error))?;
        Ok(match keys {
            None => env,
            Some((keys, cipher)) => {
                let storage = EncryptedStorage::new(env.storage, Arc::new(keys), cipher);
                Env {
                    storage: Arc::new(storage),
                    ..env
                }
            }
        })
    }

    fn slot(&self, name: &TenantName) -> Arc<Slot> {
        Arc::clone(self.slots.lock().entry(name.clone()).or_default())
    }

    /// A tenant that is closed, or does not exist, takes no memory.
    fn forget(&self, name: &TenantName) {
        let mut slots = self.slots.lock();
        let unused = |slot: &Arc<Slot>| {
            Arc::strong_count(slot) == 1 && slot.try_lock().is_some_and(|place| place.is_none())
        };
        if slots.get(name).is_some_and(unused) {
            slots.remove(name);
        }
    }

    fn exists(&self, name: &TenantName) -> bool {
        self.folder.join(name.as_str()).is_dir()
    }
}

fn not_found(name: &TenantName) -> ApiError {
    ApiError::not_found(format!("tenant {name} does not exist"))
}

fn report(name: &TenantName, closed: aethervec::Result<()>) {
    if let Err(error) = closed {
        tracing::error!(tenant = %name, %error, "the database did not close well");
    }
}
