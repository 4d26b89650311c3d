//! The Qdrant-compatible API over HTTP, as its clients use it.

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

#[tokio::test]
async fn collections_are_made_described_and_dropped() {
    let server = cities().await;
    let info = result(send(&server, "GET", "/collections/cities", Value::Null).await);
    assert_eq!(info["points_count"], 11);
    assert_eq!(info["status"], "green");
    assert_eq!(
        info["config"]["params"]["vectors"],
        json!({"size": 2, "distance": "Cosine", "on_disk": true})
    );
    let hnsw = &info["config"]["hnsw_config"];
    assert_eq!(
        (&hnsw["m"], &hnsw["ef_construct"]),
        (&json!(16), &json!(100))
    );
    assert_eq!(info["config"]["metadata"], json!({"owner": "me"}));

    let again = json!({"vectors": {"size": 2, "distance": "Cosine"}});
    let error = failure(
        409,
        send(&server, "PUT", "/collections/cities", again).await,
    );
    assert_eq!(error, "Wrong input: Collection `cities` already exists!");
    let error = failure(
        404,
        send(&server, "GET", "/collections/none", Value::Null).await,
    );
    assert_eq!(error, "Not found: Collection `none` doesn't exist!");

    let change = json!({"optimizers_config": {"indexing_threshold": 0}, "metadata": {"since": 1}});
    result(send(&server, "PATCH", "/collections/cities", change).await);
    let info = result(send(&server, "GET", "/collections/cities", Value::Null).await);
    assert_eq!(info["config"]["optimizer_config"]["indexing_threshold"], 0);
    assert_eq!(
        info["config"]["metadata"],
        json!({"owner": "me", "since": 1})
    );

    for expected in [true, false] {
        let exists = send(&server, "GET", "/collections/cities/exists", Value::Null);
        assert_eq!(result(exists.await), json!({"exists": expected}));
        let dropped = send(&server, "DELETE", "/collections/cities", Value::Null);
        assert_eq!(result(dropped.await), json!(expected));
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_done_is_refused() {
    let server = Running::start().await;
    for config in [
        json!({"vectors": {"size": 2, "distance": "Manhattan"}}),
        json!({"vectors": {"size": 2, "distance": "Dot", "datatype": "turbo4"}}),
        json!({"sparse_vectors": {"words": {"modifier": "idf"}}}),
        json!({"vectors": {"size": 2, "distance": "Dot"}, "sharding_method": "custom"}),
        json!({"vectors": {"size": 2, "distance": "Dot"}, "strict_mode_config": {"enabled": true}}),
    ] {
        let error = failure(501, send(&server, "PUT", "/collections/x", config).await);
        assert!(
            error.ends_with("is not supported by this server"),
            "{error}"
        );
    }
    let none = json!({"vectors": {"size": 0, "distance": "Dot"}});
    failure(422, send(&server, "PUT", "/collections/x", none).await);
    let typo = json!({"vectors": {"size": "two", "distance": "Dot"}});
    let error = failure(400, send(&server, "PUT", "/collections/x", typo).await);
    assert!(error.starts_with("Format error in JSON body"), "{error}");
    server.stop().await;
}

#[tokio::test]
async fn points_are_read_as_they_were_written() {
    let server = cities().await;
    let request = json!({"ids": [UUID, 3, 999], "with_vector": true});
    let found = result(send(&server, "POST", "/collections/cities/points", request).await);
    assert_eq!(ids(&found), [json!(UUID), json!(3)]);
    // Under cosine vectors have length 1.
    let vector: Vec<f64> = serde_json::from_value(found[0]["vector"].clone()).unwrap();
    assert!((vector[0] - 0.6).abs() < 1e-6 && (vector[1] + 0.8).abs() < 1e-6);
    assert_eq!(found[0]["payload"], json!({}));

    let point = send(&server, "GET", "/collections/cities/points/3", Value::Null);
    assert_eq!(result(point.await)["payload"]["n"], 3);
    let missing = send(&server, "GET", "/collections/cities/points/77", Value::Null);
    failure(404, missing.await);
    let wrong = json!({"points": [{"id": "text", "vector": [1, 2]}]});
    let error = failure(
        400,
        send(&server, "PUT", "/collections/cities/points", wrong).await,
    );
    assert!(error.contains("not a valid point ID"), "{error}");
    let wrong = json!({"points": [{"id": 1, "vector": [1, 2, 3]}]});
    let error = failure(
        400,
        send(&server, "PUT", "/collections/cities/points", wrong).await,
    );
    assert_eq!(
        error,
        "Wrong input: Vector dimension error: expected dim: 2, got 3"
    );
    server.stop().await;
}

#[tokio::test]
async fn filters_count() {
    let server = cities().await;
    for (filter, expected) in [
        (
            json!({"must": [{"key": "city", "match": {"value": "Berlin"}}]}),
            5,
        ),
        (
            json!({"must": {"key": "n", "range": {"gt": 2, "lte": 5}}}),
            3,
        ),
        (
            json!({"must": [{"key": "at", "range": {"gte": "2024-01-08T00:00:00Z"}}]}),
            3,
        ),
        (
            json!({"must": [{"key": "n", "match": {"any": [1, 2, 77]}}]}),
            2,
        ),
        (
            json!({"must": [{"key": "n", "match": {"except": [1, 2]}}]}),
            8,
        ),
        (json!({"must_not": [{"key": "n", "range": {"lt": 9}}]}), 2),
        (json!({"must": [{"is_empty": {"key": "tags"}}]}), 5),
        (
            json!({"must": [{"key": "tags", "values_count": {"gte": 2}}]}),
            3,
        ),
        (json!({"must": [{"has_id": [1, UUID]}]}), 2),
        (json!({"must": [{"has_vector": ""}]}), 11),
        (
            json!({"should": [{"key": "n", "match": {"value": 1}}, {"has_id": [2]}]}),
            2,
        ),
        (
            json!({"min_should": {"min_count": 2, "conditions": [
                {"key": "n", "range": {"lt": 5}},
                {"key": "city", "match": {"value": "Berlin"}},
                {"key": "tags", "match": {"value": "b"}},
            ]}}),
            4,
        ),
        (
            json!({"must": [{"must_not": [{"key": "city", "match": {"value": "London"}}]}]}),
            6,
        ),
    ] {
        let request = json!({"filter": filter, "exact": true});
        let counted = send(&server, "POST", "/collections/cities/points/count", request);
        assert_eq!(
            result(counted.await),
            json!({"count": expected}),
            "{filter}"
        );
    }
    let wrong = json!({"filter": {"must": [{"key": "n", "wings": 2}]}});
    failure(
        400,
        send(&server, "POST", "/collections/cities/points/count", wrong).await,
    );
    server.stop().await;
}

#[tokio::test]
async fn a_scroll_goes_through_all_points() {
    let server = cities().await;
    let mut seen = Vec::new();
    let mut offset = Value::Null;
    loop {
        let request = json!({"limit": 4, "offset": offset, "with_payload": ["n"]});
        let page = send(
            &server,
            "POST",
            "/collections/cities/points/scroll",
            request,
        );
        let page = result(page.await);
        seen.extend(ids(&page["points"]));
        offset = page["next_page_offset"].clone();
        if offset.is_null() {
            break;
        }
    }
    let mut all: Vec<Value> = (0..10).map(Value::from).collect();
    all.push(json!(UUID));
    assert_eq!(seen, all);

    let request =
        json!({"limit": 2, "order_by": {"key": "n", "direction": "desc", "start_from": 7}});
    let page = send(
        &server,
        "POST",
        "/collections/cities/points/scroll",
        request,
    );
    let page = result(page.await);
    assert_eq!(ids(&page["points"]), [json!(7), json!(6)]);
    assert_eq!(page["points"][0]["order_value"], 7);
    let none = json!({"limit": 0});
    failure(
        422,
        send(&server, "POST", "/collections/cities/points/scroll", none).await,
    );
    server.stop().await;
}

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
async fn a_batch_of_changes_is_made_or_not() {
    let server = cities().await;
    let operations = json!({"operations": [
        {"upsert": {"points": [{"id": 50, "vector": [1, 1], "payload": {"a": 1, "b": {"c": 2}}}]}},
        {"set_payload": {"payload": {"d": 3}, "key": "b", "points": [50]}},
        {"delete_payload": {"keys": ["a"], "points": [50]}},
        {"update_vectors": {"points": [{"id": 50, "vector": [0, 2]}]}},
        {"delete": {"filter": {"must": [{"key": "n", "range": {"lt": 5}}]}}},
    ]});
    let path = "/collections/cities/points/batch?wait=true";
    let results = result(send(&server, "POST", path, operations).await);
    assert_eq!(results.as_array().unwrap().len(), 5);
    let point = send(&server, "GET", "/collections/cities/points/50", Value::Null);
    let point = result(point.await);
    assert_eq!(point["payload"], json!({"b": {"c": 2, "d": 3}}));
    assert_eq!(point["vector"], json!([0.0, 1.0]));

    let operations = json!({"operations": [
        {"delete": {"points": [50]}},
        {"overwrite_payload": {"payload": {}, "points": [12345]}},
    ]});
    let error = failure(404, send(&server, "POST", path, operations).await);
    assert_eq!(error, "Not found: No point with id 12345 found");
    let counted = send(
        &server,
        "POST",
        "/collections/cities/points/count",
        json!({}),
    );
    assert_eq!(result(counted.await), json!({"count": 7}));

    let path = "/collections/cities/points?wait=true";
    let insert = json!({"points": [{"id": 50, "vector": [1, 0]}], "update_mode": "insert_only"});
    result(send(&server, "PUT", path, insert).await);
    let filtered = json!({
        "points": [{"id": 50, "vector": [1, 0]}, {"id": 51, "vector": [1, 0]}],
        "update_filter": {"must": [{"key": "none", "match": {"value": 1}}]},
    });
    result(send(&server, "PUT", path, filtered).await);
    let request = json!({"ids": [50, 51], "with_vector": true});
    let found = result(send(&server, "POST", "/collections/cities/points", request).await);
    assert_eq!(found[0]["vector"], json!([0.0, 1.0]));
    assert_eq!(found[1]["vector"], json!([1.0, 0.0]));
    server.stop().await;
}

#[tokio::test]
async fn indexes_facets_and_aliases_are_there() {
    let server = cities().await;
    let path = "/collections/cities/index?wait=true";
    for schema in [
        json!("keyword"),
        json!({"type": "keyword", "is_tenant": true}),
    ] {
        let index = json!({"field_name": "city", "field_schema": schema});
        result(send(&server, "PUT", path, index).await);
    }
    let text = json!({"field_name": "city", "field_schema": {"type": "text", "stemmer": {"type": "snowball"}}});
    failure(501, send(&server, "PUT", path, text).await);
    let info = result(send(&server, "GET", "/collections/cities", Value::Null).await);
    assert_eq!(
        info["payload_schema"]["city"],
        json!({"data_type": "keyword", "params": {"type": "keyword", "is_tenant": true}, "points": 10})
    );
    let facet = send(
        &server,
        "POST",
        "/collections/cities/facet",
        json!({"key": "tags"}),
    );
    assert_eq!(
        result(facet.await),
        json!({"hits": [{"value": "a", "count": 6}, {"value": "b", "count": 3}]})
    );
    result(
        send(
            &server,
            "DELETE",
            "/collections/cities/index/city",
            Value::Null,
        )
        .await,
    );

    let actions = json!({"actions": [
        {"create_alias": {"collection_name": "cities", "alias_name": "a"}},
        {"rename_alias": {"old_alias_name": "a", "new_alias_name": "towns"}},
    ]});
    result(send(&server, "POST", "/collections/aliases", actions).await);
    let expected = json!({"aliases": [{"alias_name": "towns", "collection_name": "cities"}]});
    for path in ["/aliases", "/collections/cities/aliases"] {
        assert_eq!(
            result(send(&server, "GET", path, Value::Null).await),
            expected
        );
    }
    let counted = send(
        &server,
        "POST",
        "/collections/towns/points/count",
        json!({}),
    );
    assert_eq!(result(counted.await), json!({"count": 11}));
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
