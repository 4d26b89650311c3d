//! What all protocols share.

use crate::audit::Audit;
use crate::auth::{Action, Authenticator};
use crate::config::Config;
use crate::engine::{Deadline, Gate};
use crate::error::{ApiError, ApiErrorKind, ApiResult};
use crate::health::Health;
use crate::observe::{Observer, request};
use crate::operations::Operations;
use crate::quotas::Quotas;
use crate::tenants::{Tenant, TenantName, Tenants};
use aether_env::{Clock, SystemClock};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// For nothing, if it can be: a read of the present.
    Read,
    /// For a turn among all requests.
    Short,
    /// For one among those that take as long as a collection is large.
    Long,
}

impl Turn {
    /// That of a request to the present which does not depend on how large a collection is.
    pub(crate) fn of(action: Action) -> Turn {
        match action {
            Action::Read => Turn::Read,
            _ => Turn::Short,
        }
    }
}

/// A server without its ports: configuration, databases, and the way to them.
#[derive(Debug)]
pub struct App {
    /// As it was started.
    pub config: Config,
    /// Who may call.
    pub authenticator: Arc<Authenticator>,
    /// Who did what.
    pub audit: Arc<Audit>,
    /// What tenants may use.
    pub quotas: Arc<Quotas>,
    /// The databases.
    pub tenants: Arc<Tenants>,
    /// The way to them, for requests.
    pub gate: Gate,
    /// The way to them for imports and exports, which take as long as their clients.
    pub streams: Gate,
    /// Long operations.
    pub operations: Operations,
    /// Whether it can serve.
    pub(crate) health: Health,
    /// What is told of all this.
    pub observer: Arc<Observer>,
}

impl App {
    /// Everything that `config` says, with nothing opened yet. Called within a runtime.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`] when the configuration asks for something that cannot be.
    pub fn new(config: Config) -> ApiResult<App> {
        config.check_exposure()?;
        let clock = Arc::new(SystemClock::new());
        let authenticator = Authenticator::new(&config, Arc::clone(&clock) as Arc<dyn Clock>)?;
        let audit = Audit::open(&config, clock)?;
        let quotas = Arc::new(Quotas::open(&config)?);
        let tenants = Arc::new(Tenants::open(&config, &quotas)?);
        Ok(App {
            gate: Gate::new(config.worker_threads(), config.queue_max),
            streams: Gate::new(config.streams_max, config.streams_max),
            authenticator: Arc::new(authenticator),
            audit: Arc::new(audit),
            quotas,
            tenants,
            operations: Operations::default(),
            health: Health::new(&config),
            observer: Arc::new(Observer::new(&config)?),
            config,
        })
    }

    /// The deadline of a request that says none.
    pub fn deadline(&self) -> Deadline {
        Deadline::after(Duration::from_millis(self.config.request_timeout_ms))
    }

    /// Runs `call` with the tenant called `name`, when its turn has come.
    ///
    /// # Errors
    /// Those of [`Quotas::enter`], of [`Gate::run`], of [`Tenants::get`] and of `call`.
    pub async fn with_tenant<T, E>(
        &self,
        name: TenantName,
        deadline: Deadline,
        call: impl FnOnce(&Arc<Tenant>) -> Result<T, E> + Send + 'static,
    ) -> ApiResult<T>
    where
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
    {
        self.through(&self.gate, name, deadline, call).await
    }

    /// As [`with_tenant`](App::with_tenant), in a turn of this kind.
    ///
    /// # Errors
    /// As [`with_tenant`](App::with_tenant).
    pub(crate) async fn in_turn<T, E>(
        &self,
        turn: Turn,
        name: TenantName,
        deadline: Deadline,
        call: impl FnOnce(&Arc<Tenant>) -> Result<T, E> + Send + 'static,
    ) -> ApiResult<T>
    where
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
    {
        match turn {
            Turn::Read => self.read_tenant(name, deadline, call).await,
            Turn::Short => self.through(&self.gate, name, deadline, call).await,
            Turn::Long => self.through(&self.streams, name, deadline, call).await,
        }
    }

    async fn through<T, E>(
        &self,
        gate: &Gate,
        name: TenantName,
        deadline: Deadline,
        call: impl FnOnce(&Arc<Tenant>) -> Result<T, E> + Send + 'static,
    ) -> ApiResult<T>
    where
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
    {
        let tenants = Arc::clone(&self.tenants);
        let counted = self.quotas.enter(&name, Instant::now())?;
        gate.run(deadline, move || {
            let _counted = counted;
            request::of_tenant(&name);
            let tenant = tenants.get(&name)?;
            call(&tenant).map_err(Into::into)
        })
        .await
    }

    /// As [`with_tenant`](App::with_tenant), for a read of the present, which waits for nobody.
    ///
    /// # Errors
    /// As [`with_tenant`](App::with_tenant).
    pub async fn read_tenant<T, E>(
        &self,
        name: TenantName,
        deadline: Deadline,
        read: impl FnOnce(&Arc<Tenant>) -> Result<T, E> + Send + 'static,
    ) -> ApiResult<T>
    where
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
    {
        let Some(tenant) = self.tenants.get_open(&name) else {
            return self.with_tenant(name, deadline, read).await;
        };
        let counted = self.quotas.enter(&name, Instant::now())?;
        let pace = Arc::clone(&tenant.pace);
        let read = move || {
            let _counted = counted;
            request::of_tenant(&name);
            read(&tenant)
        };
        self.gate.run_read(deadline, &pace, read).await
    }

    /// Closes what nobody has used for a while. Blocks.
    pub fn close_idle(&self) {
        let idle = Duration::from_secs(self.config.tenant_idle_s);
        self.tenants.close_idle(idle);
        self.quotas.forget_idle(Instant::now());
    }

    /// Closes everything. Blocks.
    pub fn close(&self) {
        self.tenants.close();
        self.audit.close();
        self.observer.close();
    }

    /// The error of a feature that a request asks for and this server does not have.
    pub fn unsupported(what: &str) -> ApiError {
        ApiError::new(
            ApiErrorKind::Unsupported,
            format!("{what} is not supported"),
        )
    }
}
