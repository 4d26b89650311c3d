//! A server in a folder of its own.

use aethervec_server::{Addresses, Config, Server};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A server that runs until it is stopped.
pub(crate) struct Running {
    pub(crate) addresses: Addresses,
    pub(crate) http: reqwest::Client,
    stop: CancellationToken,
    served: JoinHandle<()>,
    folder: TempDir,
}

/// The configuration of tests: any free ports, in `folder`.
pub(crate) fn config(folder: &TempDir) -> Config {
    Config {
        data_dir: folder.path().to_owned(),
        http_port: Some(0),
        grpc_port: Some(0),
        qdrant_http_port: Some(0),
        qdrant_grpc_port: Some(0),
        metrics_port: Some(0),
        ..Config::default()
    }
}

impl Running {
    /// One with an empty folder.
    pub(crate) async fn start() -> Running {
        Running::start_with(|config| config).await
    }

    /// One with an empty folder, configured by `change`.
    pub(crate) async fn start_with(change: impl FnOnce(Config) -> Config) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let config = change(config(&folder));
        Running::start_in(folder, config).await
    }

    /// One in `folder`.
    pub(crate) async fn start_in(folder: TempDir, config: Config) -> Running {
        let server = Server::bind(config).await.unwrap();
        let addresses = server.addresses();
        let stop = CancellationToken::new();
        let served = tokio::spawn(server.serve(stop.clone()));
        Running {
            addresses,
            http: reqwest::Client::new(),
            stop,
            served,
            folder,
        }
    }

    /// Tells it to stop.
    pub(crate) fn tell_to_stop(&self) {
        self.stop.cancel();
    }

    /// Stops it, and waits until everything is closed.
    pub(crate) async fn stop(self) -> TempDir {
        self.stop.cancel();
        self.served.await.unwrap();
        self.folder
    }

    /// Where its databases are.
    pub(crate) fn folder(&self) -> &TempDir {
        &self.folder
    }

    /// The address of a path of the native REST API.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addresses.http.unwrap())
    }

    /// GETs a path of the native REST API: status and body.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.http.get(self.url(path))).await
    }
}

impl Running {
    /// POSTs JSON to a path: status and body.
    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.http.post(self.url(path)).json(&body)).await
    }

    /// PUTs JSON to a path: status and body.
    pub(crate) async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.http.put(self.url(path)).json(&body)).await
    }

    /// PATCHes a path with JSON: status and body.
    pub(crate) async fn patch(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.http.patch(self.url(path)).json(&body)).await
    }

    /// DELETEs a path: status and body.
    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        answer(self.http.delete(self.url(path))).await
    }

    /// A collection `notes` of two dimensions with the documents 1 to 4.
    pub(crate) async fn notes(&self) {
        let (status, body) = self
            .put("/v1/collections/notes", json!({"dim": 2, "metric": "l2"}))
            .await;
        assert_eq!(status, 201, "{body}");
        let documents = json!([
            {"id": 1, "vector": [1.0, 0.0], "payload": {"lang": "en", "year": 2020}},
            {"id": 2, "vector": [2.0, 0.0], "payload": {"lang": "de", "year": 2021}},
            {"id": 3, "vector": [3.0, 0.0], "payload": {"lang": "en", "year": 2022}},
            {"id": "four", "vector": [4.0, 0.0]},
        ]);
        let (status, body) = self
            .post(
                "/v1/collections/notes/documents",
                json!({"documents": documents}),
            )
            .await;
        assert_eq!(
            (status, &body),
            (200, &json!({"inserted": 4, "replaced": 0}))
        );
    }
}

/// The ids of the hits of an answer.
pub(crate) fn ids(found: &Value) -> Vec<Value> {
    let hits = found["hits"]
        .as_array()
        .unwrap_or_else(|| panic!("no hits: {found}"));
    hits.iter().map(|hit| hit["id"].clone()).collect()
}

/// An answer without the name of its request, which no two answers share.
pub(crate) fn unnamed((status, mut body): (u16, Value)) -> (u16, Value) {
    if let Some(error) = body.get_mut("error").and_then(Value::as_object_mut) {
        assert!(error.remove("request_id").is_some(), "{error:?}");
    }
    (status, body)
}

/// Sends `request`: status and body.
pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

/// Seeds for tests with chance in them, printed as they come: `AETHER_SEED`, or as many as `AETHER_ROUNDS` says, or one.
pub(crate) fn seeds() -> impl Iterator<Item = u64> {
    const FIRST: u64 = 20_261_121;
    let number = |variable| {
        std::env::var(variable)
            .ok()
            .map(|text| text.parse().unwrap())
    };
    let (seed, rounds): (Option<u64>, Option<u64>) =
        (number("AETHER_SEED"), number("AETHER_ROUNDS"));
    let first = seed.unwrap_or(FIRST);
    let count = if seed.is_some() {
        1
    } else {
        rounds.unwrap_or(1)
    };
    (first..first + count).inspect(|seed| eprintln!("AETHER_SEED={seed}"))
}
