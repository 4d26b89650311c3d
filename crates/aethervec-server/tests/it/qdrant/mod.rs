//! The Qdrant-compatible API, as its clients use it: over HTTP, with the messages of gRPC, and with the client for Rust.

mod client;
mod collections;
mod grpc;
mod points;
mod queries;
mod random;
mod snapshots;

use crate::common::{Running, answer};
use serde_json::{Value, json};

/// Sends JSON to a path of the dialect: status and body.
async fn send(server: &Running, method: &str, path: &str, body: Value) -> (u16, Value) {
    let address = server.addresses.qdrant_http.unwrap();
    let method = method.parse().unwrap();
    let request = server
        .http
        .request(method, format!("http://{address}{path}"));
    let request = match body {
        Value::Null => request,
        body => request
            .header("content-type", "application/json")
            .body(body.to_string()),
    };
    answer(request).await
}

/// The result of a request that must succeed.
#[track_caller]
fn result((status, mut body): (u16, Value)) -> Value {
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["status"], "ok");
    assert!(body["time"].is_number());
    body["result"].take()
}

/// The message of a request that must fail so.
#[track_caller]
fn failure(expected: u16, (status, body): (u16, Value)) -> String {
    assert_eq!(status, expected, "{body}");
    body["status"]["error"].as_str().unwrap().to_owned()
}

/// The ids of points.
fn ids(points: &Value) -> Vec<Value> {
    let points = points.as_array().unwrap().iter();
    points.map(|point| point["id"].clone()).collect()
}

const UUID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

/// A collection of cities, ten with numbers and one with a UUID.
async fn cities() -> Running {
    let server = Running::start().await;
    let config = json!({
        "vectors": {"size": 2, "distance": "Cosine", "on_disk": true},
        "hnsw_config": {"m": 16, "ef_construct": 100},
        "metadata": {"owner": "me"},
    });
    assert_eq!(
        result(send(&server, "PUT", "/collections/cities", config).await),
        json!(true)
    );
    let mut points: Vec<Value> = (0..10)
        .map(|i| {
            let tags = &["a", "b"][..i % 3];
            json!({"id": i, "vector": [i, 1], "payload": {
                "city": if i % 2 == 0 { "Berlin" } else { "London" },
                "n": i,
                "tags": tags,
                "at": format!("2024-01-{:02}T00:00:00Z", i + 1),
            }})
        })
        .collect();
    points.push(json!({"id": UUID, "vector": [3.0, -4.0]}));
    let upserted = send(
        &server,
        "PUT",
        "/collections/cities/points?wait=true",
        json!({"points": points}),
    );
    assert_eq!(result(upserted.await)["status"], "completed");
    server
}
