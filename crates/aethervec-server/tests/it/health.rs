//! Whether a server is there and can serve, and that it ends when it is told to.

use crate::common::{Running, answer, config};
use serde_json::json;
use std::time::Duration;
use tonic::transport::Channel;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

#[tokio::test]
async fn a_server_answers_and_ends() {
    let server = Running::start().await;
    for path in ["/health", "/livez", "/readyz"] {
        let (status, body) = server.get(path).await;
        assert_eq!((status, &body["status"]), (200, &"ok".into()), "{path}");
    }
    server.stop().await;
}

/// Who balances loads has to see that it ends before it does.
#[tokio::test]
async fn a_server_that_is_told_to_stop_is_not_ready_first() {
    let server = Running::start_with(|mut config| {
        config.drain_delay_ms = 60_000;
        config
    })
    .await;
    server.notes().await;
    let grpc = format!("http://{}", server.addresses.grpc.unwrap());
    let channel = Channel::from_shared(grpc).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel);
    let watched = health.watch(HealthCheckRequest::default()).await.unwrap();
    let mut watched = watched.into_inner();
    let next = async |watched: &mut tonic::Streaming<HealthCheckResponse>| {
        let answer = watched.message().await.unwrap().unwrap();
        answer.status()
    };
    assert_eq!(next(&mut watched).await, ServingStatus::Serving);

    server.tell_to_stop();
    assert_eq!(next(&mut watched).await, ServingStatus::NotServing);
    let (status, body) = server.get("/readyz").await;
    assert_eq!((status, &body["status"]), (503, &"stopping".into()));
    assert_eq!(server.get("/livez").await.0, 200);
    let qdrant = server.addresses.qdrant_http.unwrap();
    let ready = server.http.get(format!("http://{qdrant}/readyz"));
    assert_eq!(answer(ready).await.0, 503);
    // It still serves.
    let (status, _) = server.get("/v1/collections/notes").await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_server_that_cannot_write_is_not_ready_until_it_can() {
    let server = Running::start().await;
    let folder = server.folder().path().to_owned();
    let away = folder.with_extension("away");
    std::fs::rename(&folder, &away).unwrap();
    let state = async || server.get("/readyz").await;
    let until = async |wanted: &str| {
        loop {
            let (_, body) = state().await;
            if body["status"] == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    until("read_only").await;
    assert_eq!(state().await.0, 503);
    let (_, report) = server.get("/v1/health").await;
    assert!(
        report["problem"]
            .as_str()
            .unwrap()
            .starts_with("data_dir: ")
    );
    std::fs::rename(&away, &folder).unwrap();
    until("ok").await;
    server.stop().await;
}

#[tokio::test]
async fn databases_that_cannot_be_opened_are_named_and_the_others_are_served() {
    let server = Running::start().await;
    server.notes().await;
    let (status, _) = server.put("/v1/tenants/broken", json!({})).await;
    assert_eq!(status, 201);
    let folder = server.stop().await;
    for entry in std::fs::read_dir(folder.path().join("broken")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::write(path, b"this is no database").unwrap();
        }
    }
    let config = config(&folder);
    let server = Running::start_in(folder, config).await;
    let (status, _) = server.get("/v1/tenants/broken/collections").await;
    assert!(status >= 500, "{status}");
    assert_eq!(server.get("/readyz").await.0, 200);
    assert_eq!(server.get("/v1/collections/notes").await.0, 200);
    let (status, report) = server.get("/v1/health").await;
    assert_eq!(status, 200);
    assert_eq!(report["failed"][0]["tenant"], "broken", "{report}");
    let figures = server.scrape().await;
    let health = |tenant| {
        let labels = [("tenant", tenant), ("shard", "0")];
        figures.get("vector_db_shard_health", &labels)
    };
    assert_eq!(
        (health("broken"), health("default")),
        (Some(0.0), Some(1.0))
    );
    server.stop().await;
}
