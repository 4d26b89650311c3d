//! Bodies that nobody thought of, for each route and call of the dialect: right ones, with changes at random. Whatever comes, the
//! answer is never that the server failed.

use super::cities;
use crate::common::{Running, answer, seeds};
use crate::random_messages::Raw;
use bytes::Bytes;
use fastrand::Rng;
use prost::Message;
use qdrant_client::qdrant;
use serde_json::{Map, Value, json};
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Request};

/// Requests with each seed.
const REQUESTS: u64 = 800;

/// Requests that are right: method, path, body.
fn right() -> Vec<(&'static str, &'static str, Value)> {
    let filter = json!({"must": [
        {"key": "city", "match": {"value": "Berlin"}}, {"key": "n", "range": {"gte": 1, "lt": 8.5}},
        {"key": "at", "range": {"gt": "2024-01-02T00:00:00Z"}}, {"has_id": [1, 2]}, {"is_empty": {"key": "tags"}},
        {"nested": {"key": "a", "filter": {"must_not": [{"key": "b", "match": {"any": [1, "x"]}}]}}},
        {"key": "tags", "values_count": {"gte": 1}}, {"key": "place", "geo_radius": {"center": {"lat": 1.0, "lon": 2.0}, "radius": 5.0}},
    ], "min_should": {"conditions": [{"key": "city", "match": {"text": "red house"}}], "min_count": 1}});
    let prefetch = json!([{"query": [1.0, 2.0], "limit": 5, "prefetch": {"query": 3}}, {"query": {"order_by": "n"}}]);
    let query = json!({"prefetch": prefetch, "query": {"fusion": "rrf"}, "filter": filter, "limit": 3, "offset": 1,
        "with_payload": {"include": ["city"]}, "with_vector": true, "score_threshold": 0.1, "params": {"hnsw_ef": 10, "exact": false}});
    let formula = json!({"prefetch": {"query": [1.0, 0.0]}, "query": {"formula": {"sum": ["$score", {"mult": [0.5, {"key": "city",
        "match": {"value": "Berlin"}}]}, {"div": {"left": "n", "right": 2.0}}]}, "defaults": {"n": 1}}});
    let recommend = json!({"query": {"recommend": {"positive": [1, [1.0, 2.0]], "negative": [2], "strategy": "best_score"}}});
    let discover = json!({"query": {"discover": {"target": [1.0, 0.0], "context": [{"positive": 1, "negative": 2}]}}});
    let points = json!([{"id": 1, "vector": [1.0, 2.0], "payload": {"city": "x"}}, {"id": 77, "vector": {"": [3.0, 4.0]}}]);
    let some = json!({"points": [1, 3], "filter": null});
    let set =
        json!({"payload": {"city": "Rome", "a": [{"b": 1}]}, "filter": filter, "key": "a[0].b"});
    vec![
        (
            "PUT",
            "",
            json!({"vectors": {"": {"size": 2, "distance": "Dot", "datatype": "float16"}}, "sparse_vectors":
            {"words": {"modifier": "idf"}}, "hnsw_config": {"m": 8}, "quantization_config": {"scalar": {"type": "int8"}},
            "strict_mode_config": {"enabled": true, "max_query_limit": 10}}),
        ),
        (
            "PATCH",
            "",
            json!({"optimizers_config": {"indexing_threshold": 0}, "metadata": {"a": 1}, "strict_mode_config": {"enabled": false}}),
        ),
        (
            "PUT",
            "/index",
            json!({"field_name": "city", "field_schema": {"type": "text", "tokenizer": "word", "min_token_len": 2}}),
        ),
        ("DELETE", "/index/city", Value::Null),
        (
            "PUT",
            "/vectors/image",
            json!({"dense": {"size": 3, "distance": "Cosine"}}),
        ),
        ("DELETE", "/vectors/image", Value::Null),
        (
            "PUT",
            "/points?wait=true",
            json!({"points": points, "update_mode": "upsert", "update_filter": filter}),
        ),
        (
            "PUT",
            "/points",
            json!({"batch": {"ids": [5, 6], "vectors": [[1, 2], [3, 4]], "payloads": [{"a": 1}, null]}}),
        ),
        (
            "POST",
            "/points",
            json!({"ids": [1, "67e55044-10b1-426f-9247-bb680e5fe0c8"], "with_vector": ["a"]}),
        ),
        (
            "POST",
            "/points/scroll",
            json!({"filter": filter, "limit": 3, "offset": 2, "order_by": {"key": "n", "direction": "desc", "start_from": 3}}),
        ),
        (
            "POST",
            "/points/count",
            json!({"filter": filter, "exact": true}),
        ),
        (
            "POST",
            "/facet",
            json!({"key": "city", "limit": 3, "filter": filter}),
        ),
        ("POST", "/points/delete", some.clone()),
        ("POST", "/points/payload", set.clone()),
        ("PUT", "/points/payload", set),
        (
            "POST",
            "/points/payload/delete",
            json!({"keys": ["a", "tags[]"], "points": [1]}),
        ),
        ("POST", "/points/payload/clear", some.clone()),
        (
            "PUT",
            "/points/vectors",
            json!({"points": [{"id": 1, "vector": [2.0, 3.0]}]}),
        ),
        (
            "POST",
            "/points/vectors/delete",
            json!({"points": [2], "vector": [""]}),
        ),
        (
            "POST",
            "/points/batch",
            json!({"operations": [{"upsert": {"points": points}}, {"delete": some}, {"set_payload": {"payload": {"x": 1}, "points": [4]}}]}),
        ),
        ("POST", "/points/query", query.clone()),
        ("POST", "/points/query", formula),
        ("POST", "/points/query", recommend),
        ("POST", "/points/query", discover),
        (
            "POST",
            "/points/query",
            json!({"query": {"nearest": [1.0, 2.0], "mmr": {"diversity": 0.5, "candidates_limit": 10}}}),
        ),
        (
            "POST",
            "/points/query",
            json!({"query": {"sample": "random"}, "limit": 2}),
        ),
        ("POST", "/points/query/batch", json!({"searches": [query]})),
        (
            "POST",
            "/points/query/groups",
            json!({"query": [1.0, 2.0], "group_by": "city", "group_size": 2, "limit": 2, "with_lookup": {"collection": "cities"}}),
        ),
        (
            "POST",
            "/points/search/matrix/pairs",
            json!({"sample": 5, "limit": 2, "filter": filter}),
        ),
        (
            "POST",
            "/points/search/matrix/offsets",
            json!({"sample": 5, "limit": 2}),
        ),
        (
            "POST",
            "/points/search",
            json!({"vector": [1.0, 2.0], "limit": 3, "filter": filter, "offset": 1}),
        ),
        (
            "POST",
            "/points/search/batch",
            json!({"searches": [{"vector": {"name": "", "vector": [1.0, 2.0]}, "limit": 3}]}),
        ),
        (
            "POST",
            "/points/search/groups",
            json!({"vector": [1.0, 2.0], "group_by": "city", "group_size": 2, "limit": 3}),
        ),
        (
            "POST",
            "/points/recommend",
            json!({"positive": [1], "negative": [2], "limit": 3, "lookup_from": {"collection": "cities"}}),
        ),
        (
            "POST",
            "/points/discover",
            json!({"target": 1, "context": [{"positive": 2, "negative": 3}], "limit": 3}),
        ),
        ("POST", "/snapshots", Value::Null),
        (
            "PUT",
            "/snapshots/recover",
            json!({"location": "file:///a.snapshot", "priority": "snapshot", "checksum": "00"}),
        ),
        ("POST", "/snapshots/upload", json!({"no": "form"})),
        ("GET", "/snapshots", Value::Null),
        ("GET", "/points/1", Value::Null),
        ("GET", "/cluster", Value::Null),
        (
            "POST",
            "/../aliases",
            json!({"actions": [{"create_alias": {"collection_name": "cities", "alias_name": "a"}}, {"delete_alias": {"alias_name": "a"}}]}),
        ),
    ]
}

/// Values that mean something, somewhere, or nothing anywhere.
fn anything(rng: &mut Rng) -> Value {
    match rng.u8(..14) {
        0 => Value::Null,
        1 => json!(rng.bool()),
        2 => json!(u64::MAX),
        3 => json!(i64::MIN),
        4 => json!(1e308),
        5 => json!(-0.5),
        6 => json!(rng.i32(-2..5)),
        7 => json!(""),
        8 => json!("city"),
        9 => json!("a[].b[0]"),
        10 => json!("\u{0}é\u{10ffff}"),
        11 => json!([[1.0, 2.0], [3.0]]),
        12 => json!({"indices": [1, 1], "values": [1.0]}),
        _ => json!({}),
    }
}

/// All places within `value`, as paths from its root.
fn places(value: &Value, path: &str, into: &mut Vec<String>) {
    into.push(path.to_owned());
    match value {
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                places(item, &format!("{path}/{at}"), into);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                places(field, &format!("{path}/{name}"), into);
            }
        }
        _ => {}
    }
}

/// Changes `value` in one place.
fn change(value: &mut Value, rng: &mut Rng) {
    let mut all = Vec::new();
    places(value, "", &mut all);
    let copied = value.pointer(&all[rng.usize(..all.len())]).cloned();
    let Some(place) = value.pointer_mut(&all[rng.usize(..all.len())]) else {
        return; // a name with a slash
    };
    match (place, rng.u8(..5)) {
        (Value::Array(items), 0) => items.push(copied.unwrap_or_default()),
        (Value::Array(items), 1) => items.truncate(rng.usize(..=items.len())),
        (Value::Object(fields), 0) => {
            fields.insert("city".to_owned(), copied.unwrap_or_default());
        }
        (Value::Object(fields), 1) => {
            let kept = |_: &String, _: &mut Value| rng.u8(..3) != 0;
            Map::retain(fields, kept);
        }
        (place, 2) => *place = copied.unwrap_or_default(),
        (place, 3) => *place = json!([place.take()]),
        (place, _) => *place = anything(rng),
    }
}

#[tokio::test]
async fn whatever_comes_over_rest_is_answered() {
    let right = right();
    for seed in seeds() {
        let mut rng = Rng::with_seed(seed);
        let server = cities().await;
        let address = server.addresses.qdrant_http.unwrap();
        for number in 0..REQUESTS {
            let (method, path, mut body) = right[rng.usize(..right.len())].clone();
            for _ in 0..rng.usize(..4) {
                change(&mut body, &mut rng);
            }
            let collection =
                ["cities", "cities", "cities", "other", "%00", "%2e%2e"][rng.usize(..6)];
            let mut bytes = serde_json::to_vec(&body).unwrap();
            if rng.u8(..10) == 0 {
                let place = rng.usize(..bytes.len());
                bytes[place] = rng.u8(..);
            }
            let url = format!("http://{address}/collections/{collection}{path}");
            let request = server.http.request(method.parse().unwrap(), url);
            let request = request.header("content-type", "application/json");
            let (status, answered) = answer(request.body(bytes.clone())).await;
            assert!(
                status < 500 || status == 501,
                "seed {seed}, request {number}: {method} {path}: {status} {answered}\n{}",
                String::from_utf8_lossy(&bytes)
            );
        }
        server.stop().await;
    }
}

/// Messages that are right: the call, and its bytes.
fn messages() -> Vec<(&'static str, Vec<u8>)> {
    use qdrant::{Condition, Filter, Query};
    let filter = || {
        let mut filter = Filter::must([
            Condition::matches("city", "Berlin".to_owned()),
            Condition::has_id([1, 2]),
        ]);
        filter.should = vec![
            Condition::is_empty("tags"),
            Condition::range(
                "n",
                qdrant::Range {
                    gte: Some(1.0),
                    ..Default::default()
                },
            ),
        ];
        filter
    };
    let point = qdrant::PointStruct::new(1, vec![1.0, 2.0], [("city", "x".into())]);
    let query = qdrant::QueryPointsBuilder::new("cities")
        .query(Query::new_nearest(vec![1.0, 2.0]))
        .add_prefetch(qdrant::PrefetchQueryBuilder::default().query(Query::new_nearest(3_u64)))
        .filter(filter())
        .with_payload(true)
        .limit(3)
        .build();
    let fused = qdrant::QueryPointsBuilder::new("cities")
        .query(Query::new_fusion(qdrant::Fusion::Rrf))
        .add_prefetch(
            qdrant::PrefetchQueryBuilder::default().query(Query::new_nearest(vec![1.0, 2.0])),
        )
        .build();
    let batch = qdrant::QueryBatchPointsBuilder::new("cities", vec![query.clone()]).build();
    let groups = qdrant::QueryPointGroupsBuilder::new("cities", "city")
        .query(Query::new_nearest(vec![1.0, 2.0]))
        .build();
    let create = qdrant::CreateCollectionBuilder::new("other")
        .vectors_config(qdrant::VectorParamsBuilder::new(
            2,
            qdrant::Distance::Cosine,
        ))
        .build();
    vec![
        (
            "Points/Upsert",
            qdrant::UpsertPointsBuilder::new("cities", vec![point])
                .build()
                .encode_to_vec(),
        ),
        ("Points/Query", query.encode_to_vec()),
        ("Points/Query", fused.encode_to_vec()),
        ("Points/QueryBatch", batch.encode_to_vec()),
        ("Points/QueryGroups", groups.encode_to_vec()),
        (
            "Points/Search",
            qdrant::SearchPointsBuilder::new("cities", vec![1.0, 2.0], 3)
                .filter(filter())
                .build()
                .encode_to_vec(),
        ),
        (
            "Points/Scroll",
            qdrant::ScrollPointsBuilder::new("cities")
                .filter(filter())
                .build()
                .encode_to_vec(),
        ),
        (
            "Points/Count",
            qdrant::CountPointsBuilder::new("cities")
                .filter(filter())
                .build()
                .encode_to_vec(),
        ),
        (
            "Points/Facet",
            qdrant::FacetCountsBuilder::new("cities", "city")
                .build()
                .encode_to_vec(),
        ),
        (
            "Points/Delete",
            qdrant::DeletePointsBuilder::new("cities")
                .points(filter())
                .build()
                .encode_to_vec(),
        ),
        (
            "Points/CreateFieldIndex",
            qdrant::CreateFieldIndexCollectionBuilder::new(
                "cities",
                "city",
                qdrant::FieldType::Keyword,
            )
            .build()
            .encode_to_vec(),
        ),
        ("Collections/Create", create.encode_to_vec()),
        (
            "Snapshots/Create",
            qdrant::CreateSnapshotRequest {
                collection_name: "cities".to_owned(),
            }
            .encode_to_vec(),
        ),
        (
            "Snapshots/List",
            qdrant::ListSnapshotsRequest {
                collection_name: "cities".to_owned(),
            }
            .encode_to_vec(),
        ),
        (
            "Snapshots/Delete",
            qdrant::DeleteSnapshotRequest {
                collection_name: "cities".to_owned(),
                snapshot_name: "a.snapshot".to_owned(),
            }
            .encode_to_vec(),
        ),
    ]
}

/// Sends `bytes` to `call`; fails when the server did.
async fn send(client: &mut Grpc<Channel>, call: &str, bytes: Vec<u8>, which: &str) {
    client.ready().await.unwrap();
    let path = format!("/qdrant.{call}").parse().unwrap();
    let request = Request::new(Bytes::from(bytes.clone()));
    let Err(status) = client.unary(request, path, Raw).await else {
        return;
    };
    // The library says so itself of what is no message.
    let no_message = status
        .message()
        .contains("failed to decode Protobuf message");
    let failed = matches!(
        status.code(),
        Code::Internal | Code::Unknown | Code::DataLoss
    );
    assert!(
        no_message || !failed,
        "{which}, {call}: {status:?}\n{bytes:?}"
    );
}

#[tokio::test]
async fn whatever_comes_over_grpc_is_answered() {
    let messages = messages();
    for seed in seeds() {
        let mut rng = Rng::with_seed(seed);
        let server: Running = cities().await;
        let address = format!("http://{}", server.addresses.qdrant_grpc.unwrap());
        let channel = Channel::from_shared(address)
            .unwrap()
            .connect()
            .await
            .unwrap();
        let mut client = Grpc::new(channel);
        for number in 0..REQUESTS {
            let (call, mut bytes) = messages[rng.usize(..messages.len())].clone();
            for _ in 0..rng.usize(..4) {
                let place = rng.usize(..bytes.len());
                match rng.u8(..3) {
                    0 => bytes[place] = rng.u8(..),
                    1 => bytes[place] ^= 1 << rng.u8(..8),
                    _ => bytes.truncate(place.max(1)),
                }
            }
            send(
                &mut client,
                call,
                bytes,
                &format!("seed {seed}, message {number}"),
            )
            .await;
        }
        server.stop().await;
    }
}
