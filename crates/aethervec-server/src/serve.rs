//! From ports to a clean end.
//!
//! 1. [`Server::bind`]: the configuration is checked and all ports are bound, or none;
//! 2. [`Server::serve`]: each port accepts connections and serves them with the routes of its protocol;
//! 3. told to stop: it is not ready any more, and serves on for [`Config::drain_delay_ms`]; then no new connections, requests under way have [`Config::shutdown_grace_ms`] to end, then all databases are
//!    closed. What was acknowledged is safe in any case: that is what their logs are for.

use crate::app::App;
use crate::auth::{self, Door, Openness};
use crate::config::Config;
use crate::error::{ApiError, ApiErrorKind, ApiResult};
use crate::net::{self, Net};
use crate::observe::metrics::Counted;
use crate::observe::operation::Protocol;
use crate::observe::watched;
use crate::{engine, grpc, log, notify, open_files, qdrant, reload, rest};
use axum::Router;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether tenants, transactions and snapshots are idle.
const IDLE_LOOK: Duration = Duration::from_secs(5);

/// A server whose ports are bound.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    net: Arc<Net>,
    addresses: Addresses,
    ports: Vec<Port>,
}

/// A port that is bound, and what it answers.
#[derive(Debug)]
struct Port {
    protocol: Protocol,
    listener: TcpListener,
    router: Router,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The native REST API.
    pub http: Option<SocketAddr>,
    /// The native gRPC API.
    pub grpc: Option<SocketAddr>,
    /// The Qdrant-compatible REST API.
    pub qdrant_http: Option<SocketAddr>,
    /// The Qdrant-compatible gRPC API.
    pub qdrant_grpc: Option<SocketAddr>,
    /// The metrics.
    pub metrics: Option<SocketAddr>,
    /// Whether connections are encrypted.
    pub encrypted: bool,
}

impl Addresses {
    /// For programs: `{"http": "127.0.0.1:8080", …}`.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "http": self.http,
            "grpc": self.grpc,
            "qdrant_http": self.qdrant_http,
            "qdrant_grpc": self.qdrant_grpc,
            "metrics": self.metrics,
            "encrypted": self.encrypted,
        })
    }
}

/// A line for each port.
impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = [
            ("rest", self.http),
            ("grpc", self.grpc),
            ("qdrant rest", self.qdrant_http),
            ("qdrant grpc", self.qdrant_grpc),
            ("metrics", self.metrics),
        ];
        let open = ports.iter().filter_map(|(name, at)| Some((name, (*at)?)));
        let scheme = if self.encrypted { "https" } else { "http" };
        for (number, (name, address)) in open.enumerate() {
            let between = if number == 0 { "" } else { "\n" };
            write!(f, "{between}{name:<12} {scheme}://{address}")?;
        }
        Ok(())
    }
}

impl Server {
    /// Binds all ports of `config`.
    ///
    /// # Errors
    /// [`ApiErrorKind::Invalid`] when settings are not acceptable, [`ApiErrorKind::Unavailable`] when a port is taken or the
    /// folder of the databases cannot be used.
    pub async fn bind(config: Config) -> ApiResult<Server> {
        let app = Arc::new(App::new(config)?);
        let config = &app.config;
        let mut server = Server {
            net: Arc::new(Net::new(config)?),
            app: Arc::clone(&app),
            addresses: Addresses::default(),
            ports: Vec::new(),
        };
        server.addresses = Addresses {
            http: server
                .port(
                    Protocol::Rest,
                    config.http_port,
                    rest::router(&app),
                    rest::DOOR,
                )
                .await?,
            grpc: server
                .port(
                    Protocol::Grpc,
                    config.grpc_port,
                    grpc::router(&app),
                    grpc::DOOR,
                )
                .await?,
            qdrant_http: server
                .port(
                    Protocol::QdrantRest,
                    config.qdrant_http_port,
                    qdrant::rest(&app),
                    qdrant::REST_DOOR,
                )
                .await?,
            qdrant_grpc: server
                .port(
                    Protocol::QdrantGrpc,
                    config.qdrant_grpc_port,
                    qdrant::grpc(&app),
                    qdrant::GRPC_DOOR,
                )
                .await?,
            metrics: server
                .port(
                    Protocol::Metrics,
                    config.metrics_port,
                    rest::metrics(&app),
                    rest::DOOR,
                )
                .await?,
            encrypted: server.net.is_encrypted(),
        };
        Ok(server)
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Serves until `stop` is cancelled and everything is closed.
    pub async fn serve(self, stop: CancellationToken) {
        let mut ports = JoinSet::new();
        let close = CancellationToken::new();
        for port in self.ports {
            let grace = Duration::from_millis(self.app.config.shutdown_grace_ms);
            let net = Arc::clone(&self.net);
            let counted = Counted {
                protocol: port.protocol,
                metrics: Arc::clone(&self.app.observer.metrics),
            };
            let Port {
                listener, router, ..
            } = port;
            ports.spawn(net::listen(
                listener,
                router,
                net,
                counted,
                close.clone(),
                grace,
            ));
        }
        let idle = tokio::spawn(close_idle(Arc::clone(&self.app)));
        let fresh = tokio::spawn(reload::keep_fresh(Arc::clone(&self.app), self.net));
        let health = tokio::spawn({
            let app = Arc::clone(&self.app);
            async move { app.health.follow().await }
        });
        stop.cancelled().await;
        health.abort();
        self.app.health.stop().await;
        tokio::time::sleep(Duration::from_millis(self.app.config.drain_delay_ms)).await;
        close.cancel();
        self.app.operations.cancel_all();
        while ports.join_next().await.is_some() {}
        idle.abort();
        fresh.abort();
        let app = self.app;
        let closed = tokio::task::spawn_blocking(move || app.close()).await;
        if closed.is_err() {
            tracing::error!(
                "the databases did not close: their logs are read again at the next start"
            );
        }
    }

    async fn port(
        &mut self,
        protocol: Protocol,
        port: Option<u16>,
        router: Router,
        door: Door,
    ) -> ApiResult<Option<SocketAddr>> {
        let Some(port) = port else { return Ok(None) };
        let address = SocketAddr::new(self.app.config.host, port);
        let unusable = |error: std::io::Error| {
            ApiError::new(
                ApiErrorKind::Unavailable,
                format!(
                    "{}: {address} cannot be listened on: {error}",
                    setting(protocol)
                ),
            )
        };
        let listener = TcpListener::bind(address).await.map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let openness = Openness {
            pages: self.app.config.pages_open,
            metrics: self.app.config.metrics_open,
        };
        let router = auth::protected(
            router,
            door,
            openness,
            &self.app.authenticator,
            &self.app.audit,
        );
        self.ports.push(Port {
            protocol,
            listener,
            router: watched(router, protocol, &self.app),
        });
        Ok(Some(address))
    }
}

/// The setting of its port.
fn setting(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Rest => "http_port",
        Protocol::Grpc => "grpc_port",
        Protocol::QdrantRest => "qdrant_http_port",
        Protocol::QdrantGrpc => "qdrant_grpc_port",
        Protocol::Metrics => "metrics_port",
    }
}

/// Runs a server until the process is told to stop (SIGTERM, SIGINT). `ready` is told where it listens.
///
/// # Errors
/// As [`Server::bind`].
pub fn run(config: Config, ready: impl FnOnce(Addresses)) -> ApiResult<()> {
    log::init(&config)?;
    open_files::raise(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(engine::runtime_threads())
        .enable_all()
        .build()
        .map_err(|error| {
            let text = format!("threads could not be started: {error}");
            ApiError::new(ApiErrorKind::Unavailable, text)
        })?;
    runtime.block_on(async {
        let server = Server::bind(config).await?;
        ready(server.addresses());
        notify::tell(notify::READY);
        let stop = CancellationToken::new();
        tokio::spawn({
            let stop = stop.clone();
            async move {
                told_to_stop().await;
                notify::tell(notify::STOPPING);
                stop.cancel();
            }
        });
        server.serve(stop).await;
        Ok(())
    })
}

async fn close_idle(app: Arc<App>) {
    let mut clock = tokio::time::interval(IDLE_LOOK);
    loop {
        clock.tick().await;
        let app = Arc::clone(&app);
        // A panic there is in the log; there is a next time.
        let _ = tokio::task::spawn_blocking(move || app.close_idle()).await;
    }
}

async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("signals cannot be handled: the server stops only when it is killed");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
