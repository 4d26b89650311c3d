//! Who may call, and what they may do, in all protocols.

use crate::callers::Guarded;
use crate::common::{Running, answer, config, unnamed};
use aethervec_server::proto::vector_database_client::VectorDatabaseClient;
use aethervec_server::proto::*;
use aethervec_server::{ApiErrorKind, Config, Server};
use qdrant_client::qdrant;
use qdrant_client::qdrant::points_client::PointsClient;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use tonic::{Code, Request};

#[tokio::test]
async fn who_is_not_known_gets_nothing_but_health() {
    let guarded = Guarded::start().await;
    let (status, body) = guarded.call_unknown("GET", "/health", Value::Null).await;
    assert_eq!(status, 200, "{body}");
    for path in ["/v1/collections", "/v1/tenants", "/metrics", "/nowhere"] {
        let (status, body) = guarded.call_unknown("GET", path, Value::Null).await;
        assert_eq!(
            (status, &body["error"]["kind"]),
            (401, &json!("unauthenticated")),
            "{path}"
        );
    }
    // What is wrong with a key is not told.
    let url = guarded.server.url("/v1/collections");
    let mut told = Vec::new();
    for key in ["", "x", "a.b.c", guarded.key("former"), &"x".repeat(10_000)] {
        let request = guarded.server.http.get(&url).header("api-key", key);
        told.push(unnamed(answer(request).await));
    }
    assert!(
        told.iter().all(|it| *it == told[0] && it.0 == 401),
        "{told:?}"
    );
    guarded.server.stop().await;
}

#[tokio::test]
async fn a_key_comes_in_either_header() {
    let guarded = Guarded::start().await;
    let url = guarded.server.url("/v1/collections");
    let get = || guarded.server.http.get(&url);
    let key = guarded.key("owner");
    assert_eq!(answer(get().header("api-key", key)).await.0, 200);
    assert_eq!(answer(get().bearer_auth(key)).await.0, 200);
    assert_eq!(
        answer(get().bearer_auth(key).header("api-key", key))
            .await
            .0,
        200
    );
    let other = guarded.key("reader");
    assert_eq!(
        answer(get().bearer_auth(key).header("api-key", other))
            .await
            .0,
        401
    );
    assert_eq!(answer(get().basic_auth("owner", Some(key))).await.0, 401);
    guarded.server.stop().await;
}

#[tokio::test]
async fn actions_tenants_and_collections_are_kept_apart() {
    let guarded = Guarded::start().await;
    let documents = json!({"documents": [{"id": 2, "vector": [2.0, 0.0]}]});
    let search = json!({"vector": [1.0, 0.0], "k": 1});
    for (caller, method, path, body, expected) in [
        ("reader", "POST", "collections/notes/search", &search, 200),
        (
            "reader",
            "POST",
            "collections/notes/documents",
            &documents,
            403,
        ),
        ("reader", "DELETE", "collections/notes", &Value::Null, 403),
        ("reader", "GET", "operations", &Value::Null, 200),
        (
            "writer",
            "POST",
            "collections/notes/documents",
            &documents,
            200,
        ),
        ("writer", "POST", "collections/notes/search", &search, 403),
        ("owner", "PUT", "collections/new", &json!({"dim": 2}), 201),
        (
            "notes",
            "POST",
            "collections/notes/documents",
            &documents,
            200,
        ),
        ("notes", "POST", "collections/secret/search", &search, 403),
        ("notes", "GET", "operations", &Value::Null, 403),
        ("rival", "POST", "collections/notes/search", &search, 403),
        ("monitor", "POST", "collections/notes/search", &search, 403),
        ("admin", "POST", "collections/notes/search", &search, 200),
    ] {
        let path = format!("/v1/tenants/acme/{path}");
        let (status, answered) = guarded.call(caller, method, &path, body.clone()).await;
        assert_eq!(status, expected, "{caller} {method} {path}: {answered}");
    }
    // Without a tenant in the path, the caller's own is meant.
    let (_, listed) = guarded
        .call("notes", "GET", "/v1/collections", Value::Null)
        .await;
    assert_eq!(listed, json!({"collections": ["notes"]}));
    for (caller, status) in [("owner", 403), ("monitor", 403), ("admin", 200)] {
        assert_eq!(
            guarded
                .call(caller, "GET", "/v1/tenants", Value::Null)
                .await
                .0,
            status
        );
    }
    for (caller, status) in [("owner", 403), ("monitor", 200), ("admin", 200)] {
        assert_eq!(
            guarded.call(caller, "GET", "/metrics", Value::Null).await.0,
            status
        );
    }
    guarded.server.stop().await;
}

#[tokio::test]
async fn grpc_asks_for_the_same() {
    let guarded = Guarded::start().await;
    let address = format!("http://{}", guarded.server.addresses.grpc.unwrap());
    let mut client = VectorDatabaseClient::connect(address).await.unwrap();
    assert!(client.health(HealthRequest {}).await.is_ok());
    let search = |key: Option<&str>| {
        let mut request = Request::new(SearchRequest {
            collection: "notes".into(),
            vector: Some(Vector {
                kind: Some(vector::Kind::Dense(DenseVector {
                    components: vec![1.0, 0.0],
                })),
            }),
            ..SearchRequest::default()
        });
        if let Some(key) = key {
            request
                .metadata_mut()
                .insert("api-key", key.parse().unwrap());
        }
        request
    };
    for (key, code) in [
        (None, Some(Code::Unauthenticated)),
        (Some("nonsense"), Some(Code::Unauthenticated)),
        (Some(guarded.key("writer")), Some(Code::PermissionDenied)),
        (Some(guarded.key("reader")), None),
    ] {
        let answered = client.search(search(key)).await;
        assert_eq!(answered.err().map(|status| status.code()), code);
    }
    // A tenant in the metadata does not help who may not use it.
    let mut foreign = search(Some(guarded.key("reader")));
    foreign
        .metadata_mut()
        .insert("aethervec-tenant", "rival".parse().unwrap());
    let refused = client.search(foreign).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    guarded.server.stop().await;
}

#[tokio::test]
async fn the_compatible_api_asks_for_the_same() {
    let guarded = Guarded::start().await;
    let rest = |path: &str| {
        let address = guarded.server.addresses.qdrant_http.unwrap();
        guarded.server.http.get(format!("http://{address}{path}"))
    };
    assert_eq!(answer(rest("/livez")).await.0, 200);
    let (status, body) = answer(rest("/collections")).await;
    assert_eq!(status, 401);
    assert!(body["status"]["error"].is_string(), "{body}");
    let get = |path: &str, caller: &str| rest(path).header("api-key", guarded.key(caller));
    let (_, listed) = answer(get("/collections", "notes")).await;
    assert_eq!(listed["result"]["collections"], json!([{"name": "notes"}]));
    assert_eq!(answer(get("/collections/notes", "notes")).await.0, 200);
    assert_eq!(answer(get("/collections/secret", "notes")).await.0, 403);

    let address = format!("http://{}", guarded.server.addresses.qdrant_grpc.unwrap());
    let mut points = PointsClient::connect(address).await.unwrap();
    let count = |key: Option<&str>| {
        let mut request = Request::new(qdrant::CountPoints {
            collection_name: "notes".into(),
            ..qdrant::CountPoints::default()
        });
        if let Some(key) = key {
            request
                .metadata_mut()
                .insert("api-key", key.parse().unwrap());
        }
        request
    };
    let refused = points.count(count(None)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let counted = points
        .count(count(Some(guarded.key("reader"))))
        .await
        .unwrap();
    assert_eq!(counted.into_inner().result.unwrap().count, 1);
    guarded.server.stop().await;
}

#[tokio::test]
async fn nobody_listens_to_everybody_by_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let everywhere = Config {
        host: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        ..config(&folder)
    };
    let refused = Server::bind(everywhere.clone()).await.unwrap_err();
    assert_eq!(refused.kind, ApiErrorKind::Invalid);
    assert!(
        refused.message.contains("allow_unauthenticated"),
        "{refused}"
    );
    let allowed = Config {
        allow_unauthenticated: true,
        ..everywhere
    };
    Running::start_in(folder, allowed).await.stop().await;
}
