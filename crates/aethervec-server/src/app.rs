//! What all protocols share.

use crate::config::Config;
use crate::engine::{Deadline, Gate};
use crate::error::{ApiError, ApiErrorKind, ApiResult};
use crate::metrics::Metrics;
use crate::operations::Operations;
use crate::tenants::{Tenant, TenantName, Tenants};
use std::sync::Arc;
use std::time::Duration;

/// A server without its ports: configuration, databases, and the way to them.
#[derive(Debug)]
pub struct App {
    /// As it was started.
    pub config: Config,
    /// The databases.
    pub tenants: Arc<Tenants>,
    /// The way to them, for requests.
    pub gate: Gate,
    /// The way to them for imports and exports, which take as long as their clients.
    pub streams: Gate,
    /// Long operations.
    pub operations: Operations,
    /// What is counted.
    pub metrics: Metrics,
}

impl App {
    /// Everything that `config` says, with nothing opened yet.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`] when the configuration asks for something that cannot be.
    pub fn new(config: Config) -> ApiResult<App> {
        let tenants = Arc::new(Tenants::open(&config)?);
        Ok(App {
            gate: Gate::new(config.worker_threads(), config.queue_max),
            streams: Gate::new(config.streams_max, config.streams_max),
            tenants,
            operations: Operations::default(),
            metrics: Metrics::default(),
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
    /// Those of [`Gate::run`], of [`Tenants::get`] and of `call`.
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
        let tenants = Arc::clone(&self.tenants);
        self.gate
            .run(deadline, move || {
                let tenant = tenants.get(&name)?;
                call(&tenant).map_err(Into::into)
            })
            .await
    }

    /// Closes what nobody has used for a while. Blocks.
    pub fn close_idle(&self) {
        let idle = Duration::from_secs(self.config.tenant_idle_s);
        self.tenants.close_idle(idle);
    }

    /// Closes everything. Blocks.
    pub fn close(&self) {
        self.tenants.close();
    }

    /// The error of a feature that a request asks for and this server does not have.
    pub fn unsupported(what: &str) -> ApiError {
        ApiError::new(
            ApiErrorKind::Unsupported,
            format!("{what} is not supported"),
        )
    }
}
