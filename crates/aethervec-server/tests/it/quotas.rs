//! What a tenant may use, in all protocols.

use crate::callers::Guarded;
use crate::common::{Running, answer};
use aethervec_server::Config;
use aethervec_server::proto::vector_database_client::VectorDatabaseClient;
use aethervec_server::proto::*;
use qdrant_client::qdrant;
use qdrant_client::qdrant::points_client::PointsClient;
use serde_json::{Value, json};
use tonic::Code;

fn documents(ids: std::ops::Range<u64>) -> Value {
    let documents = ids.map(|id| json!({"id": id, "vector": [id, 0.0]}));
    json!({"documents": documents.collect::<Vec<_>>()})
}

fn lines(ids: std::ops::Range<u64>) -> String {
    ids.map(|id| json!({"id": id, "vector": [id, 0.0]}).to_string() + "\n")
        .collect()
}

#[tokio::test]
async fn documents_end_at_the_quota_and_come_back_when_some_are_deleted() {
    let server = Running::start_with(|config| Config {
        quota_documents_max: Some(6),
        ..config
    })
    .await;
    server.notes().await;
    let at = "/v1/collections/notes";
    let write = |ids| server.post("/v1/collections/notes/documents", documents(ids));
    let refused = |answered: (u16, Value)| {
        assert_eq!(
            (answered.0, &answered.1["error"]["kind"]),
            (403, &json!("quota"))
        );
        let message = answered.1["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("documents_max is 6"), "{message}");
    };
    assert_eq!(write(10..12).await.0, 200);
    refused(write(12..13).await);
    // What is there already takes no room.
    assert_eq!(write(10..12).await.0, 200);
    refused(write(11..13).await);
    refused(
        server
            .post(
                "/vectors",
                json!({"collection": "notes", "vectors": [{"id": "x", "dimensions": [1.0, 2.0]}]}),
            )
            .await,
    );
    let exported = server.http.get(server.url(&format!("{at}/export")));
    let header = exported.send().await.unwrap().text().await.unwrap();
    let header = header.lines().next().unwrap().to_owned();
    let import = server.http.post(server.url(&format!("{at}/import")));
    refused(answer(import.body(format!("{header}\n{}", lines(20..30)))).await);

    let address = format!("http://{}", server.addresses.grpc.unwrap());
    let mut grpc = VectorDatabaseClient::connect(address).await.unwrap();
    let put = PutRequest {
        collection: "notes".into(),
        id: Some(Id {
            kind: Some(id::Kind::Number(99)),
        }),
        vector: vec![1.0, 2.0],
        ..PutRequest::default()
    };
    let status = grpc.put(put).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    assert!(status.metadata().get("retry-after").is_none());

    let address = server.addresses.qdrant_http.unwrap();
    let url = format!("http://{address}/collections/notes/points");
    let points = json!({"points": [{"id": 99, "vector": [1.0, 2.0]}]});
    let (status, body) = answer(server.http.put(&url).json(&points)).await;
    assert_eq!(status, 403, "{body}");
    let address = format!("http://{}", server.addresses.qdrant_grpc.unwrap());
    let mut points = PointsClient::connect(address).await.unwrap();
    let point = qdrant::PointStruct::new(99, vec![1.0, 2.0], qdrant_client::Payload::new());
    let upsert = qdrant::UpsertPointsBuilder::new("notes", vec![point]).build();
    let status = points.upsert(upsert).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");

    let deleted = server
        .post(&format!("{at}/delete"), json!({"ids": [10, 11]}))
        .await;
    assert_eq!(deleted.0, 200);
    assert_eq!(write(12..14).await.0, 200);
    let (_, counted) = server.post(&format!("{at}/count"), json!({})).await;
    assert_eq!(counted, json!({"count": 6}));
    server.stop().await;
}

#[tokio::test]
async fn a_rate_holds_in_all_protocols_and_says_when_to_come_back() {
    let server = Running::start_with(|config| Config {
        quota_requests_per_s: Some(1),
        ..config
    })
    .await;
    let until_refused = async |path: &str, port: std::net::SocketAddr| loop {
        let response = server.http.get(format!("http://{port}{path}")).send();
        let response = response.await.unwrap();
        if response.status().as_u16() == 429 {
            let wait = response.headers()["retry-after"].to_str().unwrap();
            break assert_eq!(wait, "1");
        }
        assert_eq!(response.status().as_u16(), 200);
    };
    until_refused("/v1/collections", server.addresses.http.unwrap()).await;
    until_refused("/collections", server.addresses.qdrant_http.unwrap()).await;
    let address = format!("http://{}", server.addresses.grpc.unwrap());
    let mut grpc = VectorDatabaseClient::connect(address).await.unwrap();
    let refused = loop {
        if let Err(status) = grpc.list_collections(ListCollectionsRequest {}).await {
            break status;
        }
    };
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.metadata().get("retry-after").unwrap(), "1");
    let address = format!("http://{}", server.addresses.qdrant_grpc.unwrap());
    let mut points = PointsClient::connect(address).await.unwrap();
    let refused = loop {
        match points.count(qdrant::CountPoints::default()).await {
            Err(status) if status.code() == Code::ResourceExhausted => break status,
            _ => {}
        }
    };
    assert_eq!(refused.metadata().get("retry-after").unwrap(), "1");
    server.stop().await;
}

#[tokio::test]
async fn administrators_set_quotas_and_they_stay() {
    let guarded = Guarded::start().await;
    let path = "/v1/tenants/acme/quotas";
    let quota = json!({"documents_max": 3});
    for (caller, status) in [("owner", 403), ("rival", 403), ("admin", 200)] {
        let set = guarded.call(caller, "PUT", path, quota.clone()).await;
        assert_eq!(set.0, status, "{caller}: {}", set.1);
    }
    assert_eq!(guarded.call("rival", "GET", path, Value::Null).await.0, 403);
    let (_, shown) = guarded
        .call("owner", "GET", "/v1/quotas", Value::Null)
        .await;
    assert_eq!(shown["holds"]["documents_max"], 3);
    let at = "/v1/collections/notes/documents";
    assert_eq!(
        guarded.call("owner", "POST", at, documents(5..7)).await.0,
        403
    );
    // The other tenant has no quota.
    assert_eq!(
        guarded.call("rival", "POST", at, documents(5..7)).await.0,
        200
    );
    let wrong = json!({"requests_per_s": 0});
    assert_eq!(guarded.call("admin", "PUT", path, wrong).await.0, 400);
    let kept = guarded.server.folder().path().join("quotas.json");
    assert!(std::fs::read_to_string(kept).unwrap().contains("acme"));
    guarded.server.stop().await;
}
