//! Points over HTTP.

use super::{UUID, cities, failure, ids, result, send};
use serde_json::{Value, json};

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
