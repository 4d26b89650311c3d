//! Whole collections, out and in.

use crate::common::{Running, answer};
use serde_json::json;

#[tokio::test]
async fn what_is_exported_can_be_imported() {
    let server = Running::start().await;
    server.notes().await;
    let exported = server
        .http
        .get(server.url("/v1/collections/notes/export"))
        .send()
        .await
        .unwrap();
    assert_eq!(exported.headers()["content-type"], "application/x-ndjson");
    let lines = exported.text().await.unwrap();
    assert_eq!(lines.lines().count(), 5);
    let import = server
        .http
        .post(server.url("/v1/collections/copy/import"))
        .body(lines);
    assert_eq!(
        answer(import).await,
        (200, json!({"inserted": 4, "replaced": 0}))
    );
    let original = server.post("/v1/collections/notes/scroll", json!({})).await;
    assert_eq!(
        server.post("/v1/collections/copy/scroll", json!({})).await,
        original
    );
    server.stop().await;
}

#[tokio::test]
async fn a_stream_that_goes_wrong_says_where() {
    let server = Running::start().await;
    let import = |body| {
        answer(
            server
                .http
                .post(server.url("/v1/collections/copy/import"))
                .body(body),
        )
    };
    let (status, body) = import("{\"id\": 1}\n").await;
    let message = body["error"]["message"].as_str().unwrap();
    assert!(
        status == 400 && message.starts_with("line 1"),
        "{status} {message}"
    );
    assert_eq!(import("").await.0, 400);
    assert_eq!(server.get("/v1/collections/copy/export").await.0, 404);
    server.stop().await;
}
