//! Queries over HTTP.

use super::{cities, failure, ids, result, send};
use crate::common::Running;
use serde_json::json;

#[tokio::test]
async fn queries_of_all_kinds_are_answered() {
    let server = cities().await;
    let path = "/collections/cities/points/query";
    let near = json!({"query": [9, 1], "limit": 2, "with_payload": true, "filter": {
        "must": [{"key": "city", "match": {"value": "Berlin"}}]
    }});
    let found = result(send(&server, "POST", path, near).await);
    assert_eq!(ids(&found["points"]), [json!(8), json!(6)]);
    assert_eq!(found["points"][0]["payload"]["city"], "Berlin");
    for (query, first) in [
        (json!(9), json!(8)),
        (json!({"nearest": [0, 1]}), json!(0)),
        (
            json!({"nearest": [0, 1], "mmr": {"diversity": 0.1}}),
            json!(0),
        ),
        (
            json!({"recommend": {"positive": [9], "negative": [[0, 1]]}}),
            json!(8),
        ),
        (
            json!({"recommend": {"positive": [9], "strategy": "best_score"}}),
            json!(8),
        ),
        (
            json!({"discover": {"target": 9, "context": [{"positive": 8, "negative": 0}]}}),
            json!(7),
        ),
        (
            json!({"order_by": {"key": "at", "direction": "desc"}}),
            json!(9),
        ),
    ] {
        let found = result(send(&server, "POST", path, json!({"query": query})).await);
        assert_eq!(found["points"][0]["id"], first, "{query}: {found}");
    }
    let sample = json!({"query": {"sample": "random"}, "limit": 3});
    let found = result(send(&server, "POST", path, sample).await);
    assert_eq!(found["points"].as_array().unwrap().len(), 3);
    let boosted = json!({
        "prefetch": {"query": [9, 1], "limit": 10, "filter": {"must": [{"key": "n", "range": {"gte": 0}}]}},
        "query": {"formula": {"sum": ["$score", {"mult": [10, {"key": "n", "match": {"value": 1}}]}]}},
        "limit": 1,
    });
    let found = result(send(&server, "POST", path, boosted).await);
    assert_eq!(ids(&found["points"]), [json!(1)]);
    let request = json!({"searches": [{"query": [0, 1], "limit": 1}, {"limit": 1}]});
    let batch = send(
        &server,
        "POST",
        "/collections/cities/points/query/batch",
        request,
    );
    let batch = result(batch.await);
    assert_eq!(
        (
            &batch[0]["points"][0]["id"],
            &batch[1]["points"][0]["score"]
        ),
        (&json!(0), &json!(1.0))
    );
    let request = json!({"query": [9, 1], "group_by": "city", "group_size": 2, "limit": 5});
    let groups = send(
        &server,
        "POST",
        "/collections/cities/points/query/groups",
        request,
    );
    let groups = result(groups.await);
    assert_eq!(groups["groups"][0]["id"], "London");
    assert_eq!(ids(&groups["groups"][1]["hits"]), [json!(8), json!(6)]);
    let unknown = json!({"query": {"text": "a", "model": "b"}});
    let error = failure(400, send(&server, "POST", path, unknown).await);
    assert!(error.contains("not inferred"), "{error}");
    server.stop().await;
}

#[tokio::test]
async fn dense_and_sparse_results_are_fused() {
    let server = Running::start().await;
    let config = json!({
        "vectors": {"image": {"size": 2, "distance": "Euclid"}},
        "sparse_vectors": {"words": {}},
    });
    result(send(&server, "PUT", "/collections/hybrid", config).await);
    let batch = json!({"batch": {
        "ids": [1, 2, 3],
        "vectors": {
            "image": [[0, 0], [1, 0], [2, 0]],
            "words": [
                {"indices": [1], "values": [1.0]},
                {"indices": [7], "values": [2.0]},
                {"indices": [7, 8], "values": [1.0, 1.0]},
            ],
        },
        "payloads": [{"a": 1}, null, {}],
    }});
    result(send(&server, "PUT", "/collections/hybrid/points", batch).await);
    let request = json!({
        "prefetch": [
            {"query": [0, 0], "using": "image"},
            {"query": {"indices": [7], "values": [1.0]}, "using": "words"},
        ],
        "query": {"fusion": "rrf"},
        "with_vector": ["words"],
    });
    let path = "/collections/hybrid/points/query";
    let found = result(send(&server, "POST", path, request).await);
    // Second of both and first of one: 1/3 + 1/2; then 1/2, and 1/4 + 1/3.
    assert_eq!(ids(&found["points"]), [json!(2), json!(3), json!(1)]);
    let score = found["points"][0]["score"].as_f64().unwrap();
    assert!((score - 5.0 / 6.0).abs() < 1e-6, "{score}");
    assert_eq!(
        found["points"][0]["vector"],
        json!({"words": {"indices": [7], "values": [2.0]}})
    );
    let missing = json!({"query": [0, 0]});
    let error = failure(400, send(&server, "POST", path, missing).await);
    assert!(error.contains("requires specified vector name"), "{error}");
    server.stop().await;
}

#[tokio::test]
async fn the_older_requests_are_answered() {
    let server = cities().await;
    let at = |kind: &str| format!("/collections/cities/points/{kind}");
    let search = json!({"vector": [9, 1], "limit": 1, "with_payload": ["n"]});
    let found = result(send(&server, "POST", &at("search"), search.clone()).await);
    assert_eq!(
        (ids(&found), &found[0]["payload"]),
        (vec![json!(9)], &json!({"n": 9}))
    );
    let several = json!({"searches": [search.clone(), search]});
    let found = result(send(&server, "POST", &at("search/batch"), several).await);
    assert_eq!(ids(&found[1]), [json!(9)]);
    let recommend = json!({"positive": [9], "limit": 1});
    let found = result(send(&server, "POST", &at("recommend"), recommend).await);
    assert_eq!(ids(&found), [json!(8)]);
    let discover = json!({"target": 9, "context": [{"positive": 8, "negative": 0}], "limit": 1});
    let found = result(send(&server, "POST", &at("discover"), discover).await);
    assert_eq!(ids(&found), [json!(7)]);
    let groups = json!({"vector": [9, 1], "group_by": "city", "group_size": 1, "limit": 1});
    let found = result(send(&server, "POST", &at("search/groups"), groups).await);
    assert_eq!(found["groups"][0]["id"], "London");
    server.stop().await;
}
