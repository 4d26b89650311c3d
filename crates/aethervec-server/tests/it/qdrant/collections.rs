//! Collections, aliases and indexes over HTTP.

use super::{cities, failure, result, send};
use crate::common::Running;
use serde_json::{Value, json};

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
        json!({"vectors": {"size": 2, "distance": "Dot"}, "sharding_method": "custom"}),
        json!({"vectors": {"size": 2, "distance": "Dot"}, "strict_mode_config": {"read_rate_limit": 9}}),
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
async fn one_server_answers_for_a_cluster() {
    let server = cities().await;
    let get = |path: &'static str| send(&server, "GET", path, Value::Null);
    assert_eq!(result(get("/cluster").await), json!({"status": "disabled"}));
    assert_eq!(
        result(get("/collections/cities/cluster").await),
        json!({
            "peer_id": 0,
            "shard_count": 1,
            "local_shards": [{"shard_id": 0, "points_count": 11, "state": "Active"}],
            "remote_shards": [],
            "shard_transfers": [],
        })
    );
    assert_eq!(
        result(get("/collections/cities/shards").await),
        json!({"shard_keys": []})
    );
    assert_eq!(
        result(get("/telemetry").await)["collections"],
        json!({"number_of_collections": 1})
    );
    assert_eq!(
        result(get("/collections/cities/optimizations").await)["running"],
        json!([])
    );
    assert_eq!(result(get("/issues").await), json!({"issues": []}));
    failure(404, get("/collections/none/cluster").await);
    let key = json!({"shard_key": "a"});
    failure(
        501,
        send(&server, "PUT", "/collections/cities/shards", key).await,
    );
    server.stop().await;
}

#[tokio::test]
async fn strict_mode_keeps_requests_within_its_rules() {
    let server = cities().await;
    let rules = json!({"strict_mode_config": {
        "enabled": true,
        "max_query_limit": 5,
        "unindexed_filtering_retrieve": false,
        "unindexed_filtering_update": false,
        "search_max_hnsw_ef": 64,
        "search_allow_exact": false,
        "upsert_max_batchsize": 2,
        "search_max_batchsize": 1,
        "filter_max_conditions": 2,
        "condition_max_size": 2,
        "max_payload_index_count": 2,
        "max_points_count": 12,
    }});
    result(send(&server, "PATCH", "/collections/cities", rules).await);
    let post = |path: &str, body: Value| {
        let path = format!("/collections/cities/points/{path}");
        let server = &server;
        async move { send(server, "POST", &path, body).await }
    };
    let is = |key: &str, value: Value| json!({"key": key, "match": {"value": value}});
    let query = |more: Value| {
        let mut query = json!({"query": [1.0, 0.0], "limit": 3});
        let (Value::Object(query_object), Value::Object(more)) = (&mut query, more) else {
            panic!("objects are expected");
        };
        query_object.extend(more);
        query
    };
    for (more, error) in [
        (json!({"limit": 6}), "Limit exceeded 6 > 5 for \"limit\""),
        (json!({"params": {"exact": true}}), "Exact search disabled!"),
        (
            json!({"params": {"hnsw_ef": 65}}),
            "Limit exceeded 65 > 64 for \"hnsw_ef\"",
        ),
        (
            json!({"filter": {"must": [is("n", json!(1))]}}),
            "Index required but not found for \"n\"",
        ),
        (
            json!({"prefetch": {"query": [1.0, 0.0], "limit": 9}}),
            "Limit exceeded 9 > 5 for \"limit\"",
        ),
        (
            json!({"filter": {"must": {"has_id": [1, 2, 3]}}}),
            "Condition size limit reached (3 values)",
        ),
        (
            json!({"filter": {"should": [{"has_id": [1]}, {"has_id": [2]}, {"has_id": [3]}]}}),
            "Filter condition limit reached (3 conditions)",
        ),
    ] {
        let message = failure(400, post("query", query(more)).await);
        assert!(message.contains(error), "{message}");
    }
    let batch = json!({"searches": [query(json!({})), query(json!({}))]});
    failure(400, post("query/batch", batch).await);
    failure(400, post("scroll", json!({})).await);
    let all = json!({"filter": {"must": [is("city", json!("Berlin"))]}});
    failure(400, post("delete", all.clone()).await);
    failure(400, post("count", all.clone()).await);
    let point = |id: u64| json!({"id": id, "vector": [1.0, 0.0]});
    let points = json!({"points": [point(20), point(21), point(22)]});
    failure(
        400,
        send(&server, "PUT", "/collections/cities/points", points).await,
    );

    // What has an index may be asked for; there may be two of them.
    for (field, status) in [("city", 200), ("n", 200), ("at", 400)] {
        let index = json!({"field_name": field, "field_schema": "keyword"});
        let answer = send(&server, "PUT", "/collections/cities/index?wait=true", index).await;
        assert_eq!(answer.0, status, "{}", answer.1);
    }
    assert_eq!(result(post("count", all).await)["count"], 5);

    // A point more is allowed, and then none.
    for (id, status) in [(20, 200), (21, 400)] {
        let points = json!({"points": [point(id)]});
        let answer = send(&server, "PUT", "/collections/cities/points", points).await;
        assert_eq!(answer.0, status, "{}", answer.1);
    }
    let off = json!({"strict_mode_config": {"enabled": false}});
    result(send(&server, "PATCH", "/collections/cities", off).await);
    result(post("query", query(json!({"limit": 6}))).await);
    server.stop().await;
}
