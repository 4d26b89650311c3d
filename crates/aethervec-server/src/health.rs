//! Whether the server lives, and whether it can serve: one state for all protocols.
//!
//! It is *live* as long as it answers. It is *ready* while files can be written in `data_dir` and it was not told to stop: told to
//! stop, it is not ready first, still serves for `drain_delay_ms`, so that who balances loads can go elsewhere, and ends then. A
//! database that cannot be opened makes nobody else wait: it is named, and the server is ready.

use crate::config::Config;
use crate::error::{ApiError, ApiErrorKind, ApiResult};
use crate::tenants::Tenants;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use utoipa::ToSchema;

/// How long it is believed that files can be written: probes may come as often as they like.
const BELIEVED: Duration = Duration::from_secs(1);

/// How often the health services of gRPC are told.
const TOLD: Duration = Duration::from_secs(1);

/// A file that is written to see whether files can be: no tenant is called so.
const TRIAL: &str = ".ready";

/// The health of a server.
#[derive(Debug)]
pub(crate) struct Health {
    data_dir: PathBuf,
    stopping: AtomicBool,
    /// Why files cannot be written, and when that was seen.
    trial: tokio::sync::Mutex<Option<(Instant, Option<String>)>>,
    /// Those of the gRPC services, with the names that they have for all of them.
    reporters: Mutex<Vec<HealthReporter>>,
}

/// How the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ServerState)]
pub(crate) enum State {
    /// It can serve.
    Ok,
    /// It was told to stop.
    Stopping,
    /// Files cannot be written in `data_dir`.
    ReadOnly,
}

/// What everybody may know of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Report {
    pub(crate) status: State,
    pub(crate) version: &'static str,
}

/// What administrators may know.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FullReport {
    status: State,
    version: &'static str,
    /// Why files cannot be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// Databases that are open.
    open: usize,
    /// Databases that could not be opened when they were last asked for.
    failed: Vec<FailedDatabase>,
}

/// A database that could not be opened.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailedDatabase {
    tenant: String,
    message: String,
}

impl Health {
    pub(crate) fn new(config: &Config) -> Health {
        Health {
            data_dir: config.data_dir.clone(),
            stopping: AtomicBool::new(false),
            trial: tokio::sync::Mutex::default(),
            reporters: Mutex::default(),
        }
    }

    /// Keeps a gRPC health service up to date.
    pub(crate) fn tell(&self, reporter: HealthReporter) {
        self.reporters.lock().push(reporter);
    }

    /// The server was told to stop.
    pub(crate) async fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.report_to_all(State::Stopping).await;
    }

    /// How it is now.
    pub(crate) async fn state(&self) -> State {
        if self.stopping.load(Ordering::SeqCst) {
            return State::Stopping;
        }
        match self.problem().await {
            Some(_) => State::ReadOnly,
            None => State::Ok,
        }
    }

    /// The same for administrators.
    pub(crate) async fn full_report(&self, tenants: &Tenants) -> FullReport {
        let failed = tenants.failed().into_iter();
        FullReport {
            status: self.state().await,
            version: env!("CARGO_PKG_VERSION"),
            problem: self.problem().await,
            open: tenants.opened().len(),
            failed: failed
                .map(|(name, error)| FailedDatabase {
                    tenant: name.to_string(),
                    message: error.message,
                })
                .collect(),
        }
    }

    /// Tells the gRPC health services how it is, for ever.
    pub(crate) async fn follow(&self) {
        let mut told = State::Ok;
        loop {
            tokio::time::sleep(TOLD).await;
            let state = self.state().await;
            if state != told {
                self.report_to_all(state).await;
                told = state;
            }
        }
    }

    async fn report_to_all(&self, state: State) {
        let status = match state {
            State::Ok => ServingStatus::Serving,
            State::Stopping | State::ReadOnly => ServingStatus::NotServing,
        };
        let reporters = self.reporters.lock().clone();
        for reporter in reporters {
            // The whole server is called so.
            reporter.set_service_status("", status).await;
        }
    }

    /// Why files cannot be written, if so.
    async fn problem(&self) -> Option<String> {
        let mut trial = self.trial.lock().await;
        if let Some((seen, problem)) = &*trial
            && seen.elapsed() < BELIEVED
        {
            return problem.clone();
        }
        let data_dir = self.data_dir.clone();
        let tried = tokio::task::spawn_blocking(move || try_to_write(&data_dir)).await;
        let problem = match tried {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("data_dir: {error}")),
            Err(_) => Some("data_dir: nobody could try".to_owned()),
        };
        if let Some(problem) = &problem {
            tracing::error!(problem, "files cannot be written: the server is not ready");
        }
        *trial = Some((Instant::now(), problem.clone()));
        problem
    }
}

fn try_to_write(data_dir: &Path) -> std::io::Result<()> {
    let file = data_dir.join(TRIAL);
    std::fs::write(&file, b"ready\n")?;
    std::fs::remove_file(file)
}

impl State {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Stopping => "stopping",
            State::ReadOnly => "read_only",
        }
    }

    /// The answer to who asks for no more than that.
    pub(crate) fn check(self) -> ApiResult<()> {
        match self {
            State::Ok => Ok(()),
            State::Stopping | State::ReadOnly => Err(ApiError::new(
                ApiErrorKind::Unavailable,
                format!("the server is not ready: {}", self.name()),
            )),
        }
    }
}

impl IntoResponse for Report {
    fn into_response(self) -> Response {
        let status = match self.status {
            State::Ok => StatusCode::OK,
            State::Stopping | State::ReadOnly => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, axum::Json(self)).into_response()
    }
}
