//! Collections and documents over the native REST API.

use crate::common::{Running, answer};
use serde_json::json;

#[tokio::test]
async fn collections_are_made_described_changed_and_dropped() {
    let server = Running::start().await;
    let schema = json!({"fields": {
        "": {"kind": "dense", "dim": 3, "metric": "dot", "element": "f16", "index": {"kind": "flat"}},
        "words": {"kind": "sparse"},
        "bits": {"kind": "binary", "bits": 16},
        "tokens": {"kind": "multi", "dim": 2},
    }, "ttl_ms": 60_000});
    let (status, body) = server.put("/v1/collections/mixed", schema).await;
    assert_eq!((status, &body["documents"]), (201, &json!(0)));
    let described = server.get("/v1/collections/mixed").await;
    assert_eq!((described.0, &described.1), (200, &body));
    assert_eq!(
        body["schema"]["fields"][""]["index"],
        json!({"kind": "flat"})
    );
    assert_eq!(body["schema"]["fields"]["tokens"]["metric"], "cosine");

    let (status, body) = server
        .patch("/v1/collections/mixed", json!({"ttl_ms": null}))
        .await;
    assert_eq!((status, body["schema"].get("ttl_ms")), (200, None));
    let field = json!({"name": "more", "field": {"kind": "dense", "dim": 1}});
    let (status, body) = server.post("/v1/collections/mixed/fields", field).await;
    assert_eq!(
        (status, &body["schema"]["fields"]["more"]["index"]["kind"]),
        (201, &json!("auto"))
    );
    let (status, body) = server
        .delete("/v1/collections/mixed/fields?name=more")
        .await;
    assert_eq!((status, body["schema"]["fields"].get("more")), (200, None));

    let index = json!({"path": "lang", "kind": "keyword"});
    let (status, body) = server.post("/v1/collections/mixed/indexes", index).await;
    assert_eq!((status, &body[0]["kind"]), (201, &json!("keyword")));
    let gone = "/v1/collections/mixed/indexes?path=lang&kind=keyword";
    assert_eq!(server.delete(gone).await, (200, json!([])));
    assert_eq!(server.delete(gone).await.0, 404);

    assert_eq!(
        server.get("/v1/collections").await,
        (200, json!({"collections": ["mixed"]}))
    );
    assert_eq!(server.delete("/v1/collections/mixed").await.0, 200);
    assert_eq!(
        server.get("/v1/collections").await,
        (200, json!({"collections": []}))
    );
    server.stop().await;
}

#[tokio::test]
async fn documents_are_written_read_patched_and_deleted() {
    let server = Running::start().await;
    server.notes().await;
    let at = "/v1/collections/notes";
    let (status, document) = server.get(&format!("{at}/documents/1")).await;
    assert_eq!(status, 200);
    assert_eq!(
        document,
        json!({"id": 1, "vector": [1.0, 0.0], "payload": {"lang": "en", "year": 2020}})
    );
    let patch = json!({"payload": [{"set": {"path": "year", "value": 1999}}]});
    let (status, body) = server
        .patch(&format!("{at}/documents/1"), patch.clone())
        .await;
    assert_eq!((status, body), (200, json!({"outcomes": ["patched"]})));
    let (status, _) = server
        .patch(&format!("{at}/documents/9"), patch.clone())
        .await;
    assert_eq!(status, 404);

    let by = json!({"filter": {"field": "lang", "eq": "en"}, "patch": {"payload": [{"merge": {"seen": true}}]}});
    assert_eq!(
        server.post(&format!("{at}/patch"), by).await,
        (200, json!({"changed": 2}))
    );
    let seen = json!({"filter": {"field": "seen", "eq": true}});
    assert_eq!(
        server.post(&format!("{at}/count"), seen).await,
        (200, json!({"count": 2}))
    );
    let counted = answer(server.http.post(server.url(&format!("{at}/count")))).await;
    assert_eq!(counted, (200, json!({"count": 4})));

    let writes = json!({"writes": [
        {"upsert": {"id": 1, "vector": [0.0, 0.0]}, "if": "absent"},
        {"delete": 2, "if": {"matches": {"field": "lang", "eq": "de"}}},
        {"delete": 77},
    ]});
    let outcomes = json!({"outcomes": ["exists", "deleted", "not_found"]});
    assert_eq!(
        server.post(&format!("{at}/writes"), writes).await,
        (200, outcomes)
    );
    let (_, body) = server
        .post(&format!("{at}/get"), json!({"ids": ["four", 2]}))
        .await;
    assert_eq!(
        body,
        json!({"documents": [{"id": "four", "vector": [4.0, 0.0]}, null]})
    );

    let (_, page) = server
        .post(&format!("{at}/scroll"), json!({"limit": 2}))
        .await;
    assert_eq!(
        (page["documents"].as_array().unwrap().len(), &page["next"]),
        (2, &json!(3))
    );
    let (_, page) = server
        .post(&format!("{at}/scroll"), json!({"limit": 2, "after": 3}))
        .await;
    assert_eq!(
        (&page["documents"][0]["id"], page.get("next")),
        (&json!("four"), None)
    );

    let deleted = server
        .post(&format!("{at}/delete"), json!({"ids": [1, 1, 99]}))
        .await;
    assert_eq!(deleted, (200, json!({"changed": 1})));
    let filter = json!({"filter": {"field": "lang", "eq": "en"}});
    assert_eq!(
        server.post(&format!("{at}/delete"), filter).await,
        (200, json!({"changed": 1}))
    );
    assert_eq!(server.delete(&format!("{at}/documents/four")).await.0, 200);
    assert_eq!(server.delete(&format!("{at}/documents/four")).await.0, 404);
    server.stop().await;
}

#[tokio::test]
async fn aliases_stand_for_collections() {
    let server = Running::start().await;
    server.notes().await;
    let set = json!({"changes": [{"set": {"alias": "current", "collection": "notes"}}]});
    let aliases = json!({"aliases": {"current": "notes"}});
    assert_eq!(
        server.post("/v1/aliases", set).await,
        (200, aliases.clone())
    );
    assert_eq!(server.get("/v1/aliases").await, (200, aliases));
    assert_eq!(
        server.get("/v1/collections/current/documents/1").await.0,
        200
    );
    let (_, body) = server
        .patch("/v1/collections/notes", json!({"metadata": {"by": "me"}}))
        .await;
    assert_eq!(body["schema"]["metadata"], json!({"by": "me"}));
    let gone = json!({"changes": [{"remove": {"alias": "nobody"}}]});
    assert_eq!(server.post("/v1/aliases", gone).await.0, 404);
    server.stop().await;
}

#[tokio::test]
async fn the_short_forms_need_no_collection() {
    let server = Running::start().await;
    let nothing = server.post("/query", json!({"vector": [1.0, 0.0]})).await;
    assert_eq!(nothing, (200, json!({"vectors": []})));
    let vectors = json!({"vectors": [
        {"id": "a", "dimensions": [1.0, 0.0]},
        {"id": "b", "dimensions": [0.0, 1.0], "metadata": {"n": 1}},
    ]});
    assert_eq!(
        server.post("/vectors", vectors).await,
        (200, json!({"count": 2}))
    );
    let (status, body) = server
        .post("/query", json!({"vector": [0.0, 2.0], "k": 1}))
        .await;
    let hit = json!({"id": "b", "similarity": 1.0, "metadata": {"n": 1}});
    assert_eq!((status, body), (200, json!({"vectors": [hit]})));
    server.stop().await;
}

#[tokio::test]
async fn the_api_describes_itself_and_has_what_it_describes() {
    let server = Running::start().await;
    let (status, body) = server.get("/openapi.json").await;
    assert_eq!(status, 200);
    let paths = body["paths"].as_object().unwrap();
    assert!(
        paths.contains_key("/v1/collections/{collection}/query"),
        "{paths:?}"
    );
    for referred in references(&body) {
        let known = body.pointer(referred.trim_start_matches('#'));
        assert!(known.is_some(), "nothing is called {referred}");
    }
    for (path, operations) in paths {
        let methods = operations.as_object().unwrap().keys();
        for method in methods.filter(|method| *method != "parameters") {
            let path = path
                .replace("{collection}", "c")
                .replace("{id}", "i")
                .replace("{name}", "n");
            let method = method.to_ascii_uppercase().parse().unwrap();
            let (_, body) = answer(server.http.request(method, server.url(&path))).await;
            let message = body["error"]["message"].as_str().unwrap_or_default();
            assert!(!message.contains("/openapi.json"), "{message}");
        }
    }
    server.stop().await;
}

/// Everything that a description refers to.
fn references(value: &serde_json::Value) -> Vec<String> {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str);
            let deeper = fields.values().flat_map(references);
            own.map(str::to_owned).into_iter().chain(deeper).collect()
        }
        Value::Array(elements) => elements.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}
