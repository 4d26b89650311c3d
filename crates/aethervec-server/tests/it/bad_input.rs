//! Requests that are wrong get an answer that says what is wrong.

use crate::common::{Running, answer};
use aethervec_server::Config;
use serde_json::json;

#[tokio::test]
async fn each_error_has_its_status_and_names_its_field() {
    let server = Running::start().await;
    server.notes().await;
    let at = "/v1/collections/notes";
    for (path, body, status, expected) in [
        ("search", json!({"vector": [1.0]}), 400, "dim"),
        ("search", json!({"vector": [1.0, 2.0], "k": 0}), 400, "k: 0"),
        (
            "search",
            json!({"vector": [1.0, 2.0], "kk": 1}),
            400,
            "unknown field `kk`",
        ),
        ("search", json!({"vector": "a"}), 400, "vector"),
        (
            "search",
            json!({"vector": [1.0, 2.0], "using": "no"}),
            404,
            "no",
        ),
        ("query", json!({"limitt": 1}), 400, "unknown field `limitt`"),
        (
            "documents",
            json!({"documents": [{"id": 1, "vector": [1.0]}]}),
            400,
            "components",
        ),
        ("documents", json!({"documents": [{"id": -1}]}), 400, "id"),
        (
            "indexes",
            json!({"path": "a", "kind": "btree"}),
            400,
            "btree",
        ),
        ("delete", json!({}), 400, "ids, filter"),
        (
            "count?snapshot=x",
            json!({}),
            400,
            "snapshot: \"x\" is no id",
        ),
        ("count?snapshots=x", json!({}), 400, "snapshots"),
        ("nothing", json!({}), 404, "/openapi.json"),
    ] {
        let (found, answer) = server.post(&format!("{at}/{path}"), body.clone()).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(
            found == status && message.contains(expected),
            "{path} {body}: {found} {answer}"
        );
    }
    assert_eq!(
        server.put(at, json!({"dim": 2})).await.1["error"]["kind"],
        "exists"
    );
    assert_eq!(
        server.put("/v1/collections/a", json!({"dim": 0})).await.0,
        400
    );
    assert_eq!(
        server
            .put("/v1/collections/..%2F", json!({"dim": 1}))
            .await
            .0,
        400
    );
    assert_eq!(server.get(&format!("{at}/search")).await.0, 404);
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_is_no_json_or_too_long_is_refused() {
    let server = Running::start_with(|config| Config {
        body_bytes_max: 1_000,
        ..config
    })
    .await;
    server.notes().await;
    let url = server.url("/v1/collections/notes/search");
    let text = server
        .http
        .post(&url)
        .header("content-type", "text/plain")
        .body("{}");
    assert_eq!(answer(text).await.0, 400);
    let long = json!({"vector": vec![0.0; 1_000]});
    let (status, body) = server.post("/v1/collections/notes/search", long).await;
    assert_eq!((status, &body["error"]["kind"]), (413, &json!("too_large")));
    let deep = format!("{}1{}", "[".repeat(400), "]".repeat(400));
    let deep = server
        .http
        .post(&url)
        .header("content-type", "application/json")
        .body(deep);
    assert_eq!(answer(deep).await.0, 400);
    server.stop().await;
}

#[tokio::test]
async fn a_request_whose_deadline_has_passed_is_not_begun() {
    let server = Running::start().await;
    server.notes().await;
    let late = server
        .http
        .get(server.url("/v1/collections/notes"))
        .header("aethervec-timeout-ms", "0");
    let (status, body) = answer(late).await;
    assert_eq!((status, &body["error"]["kind"]), (504, &json!("deadline")));
    server.stop().await;
}
