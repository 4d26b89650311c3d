//! A server in a folder of its own.

use aethervec_client::VectorDatabaseClient;
use aethervec_server::{Config, Server};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A server that runs until it is stopped.
pub(crate) struct Running {
    port: u16,
    stop: CancellationToken,
    served: JoinHandle<()>,
    folder: TempDir,
}

impl Running {
    /// One with an empty folder, at any free port.
    pub(crate) async fn start() -> Running {
        Running::start_in(tempfile::tempdir().unwrap(), 0).await
    }

    /// One with the databases in `folder`, at this port.
    pub(crate) async fn start_in(folder: TempDir, port: u16) -> Running {
        Running::start_with(folder, port, |config| config).await
    }

    /// One with the databases in `folder`, at this port, configured by `change`.
    pub(crate) async fn start_with(
        folder: TempDir,
        port: u16,
        change: impl FnOnce(Config) -> Config,
    ) -> Running {
        let config = Config {
            data_dir: folder.path().to_owned(),
            http_port: None,
            grpc_port: Some(port),
            qdrant_http_port: None,
            qdrant_grpc_port: None,
            metrics_port: None,
            retention_s: 3_600,
            ..Config::default()
        };
        let server = Server::bind(change(config)).await.unwrap();
        let port = server.addresses().grpc.unwrap().port();
        let stop = CancellationToken::new();
        let served = tokio::spawn(server.serve(stop.clone()));
        Running {
            port,
            stop,
            served,
            folder,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) async fn client(&self) -> VectorDatabaseClient {
        VectorDatabaseClient::connect(self.url()).await.unwrap()
    }

    /// Stops it, and waits until everything is closed.
    pub(crate) async fn stop(self) -> TempDir {
        self.stop.cancel();
        self.served.await.unwrap();
        self.folder
    }
}
