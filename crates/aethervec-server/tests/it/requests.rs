//! What is known of a request: its name, and whether it was slow.

use crate::common::Running;
use aethervec_server::proto::vector_database_client::VectorDatabaseClient;
use aethervec_server::proto::{CollectionRequest, GetRequest, HealthRequest, ScrollRequest};
use serde_json::json;
use tonic::Request;

const NAME: &str = "x-request-id";

#[tokio::test]
async fn requests_have_the_names_that_their_clients_give() {
    let server = Running::start().await;
    let ask = async |name: &str| {
        let request = server.http.get(server.url("/v1/collections/none"));
        let response = request.header(NAME, name).send().await.unwrap();
        let told = response.headers()[NAME].to_str().unwrap().to_owned();
        let body: serde_json::Value = response.json().await.unwrap();
        assert_eq!(body["error"]["request_id"], told);
        told
    };
    assert_eq!(ask("order-17/retry:2").await, "order-17/retry:2");
    let longest = "x".repeat(128);
    assert_eq!(ask(&longest).await, longest);
    let mut made = Vec::new();
    for unacceptable in ["", "two words", "a\"b", &"x".repeat(129)] {
        made.push(ask(unacceptable).await);
    }
    made.dedup();
    assert_eq!(made.len(), 4, "each is a new one: {made:?}");
    assert!(made.iter().all(|name| name.len() == 32));
    server.stop().await;
}

#[tokio::test]
async fn names_are_in_the_metadata_of_answers_and_errors() {
    let server = Running::start().await;
    let grpc = format!("http://{}", server.addresses.grpc.unwrap());
    let mut client = VectorDatabaseClient::connect(grpc).await.unwrap();
    let mut request = Request::new(HealthRequest {});
    request.metadata_mut().insert(NAME, "mine".parse().unwrap());
    let answer = client.health(request).await.unwrap();
    assert_eq!(answer.metadata().get(NAME).unwrap(), "mine");
    let mut request = Request::new(CollectionRequest {
        collection: "none".to_owned(),
    });
    request
        .metadata_mut()
        .insert(NAME, "other".parse().unwrap());
    let error = client.describe_collection(request).await.unwrap_err();
    assert_eq!(error.metadata().get(NAME).unwrap(), "other");
    server.stop().await;
}

#[tokio::test]
async fn slow_queries_are_kept_with_their_plan_and_without_what_they_say() {
    let server = Running::start_with(|mut config| {
        config.slow_query_ms = Some(0);
        config
    })
    .await;
    server.notes().await;
    let search =
        json!({"vector": [0.125, 0.25], "k": 2, "filter": {"field": "lang", "eq": "secret"}});
    let request = server.http.post(server.url("/v1/collections/notes/search"));
    let request = request.header(NAME, "slow-1").json(&search);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let (status, _) = server
        .post(
            "/v1/collections/notes/query",
            json!({
                "prefetch": [{"query": {"nearest": [0.0, 0.0]}, "limit": 3}],
                "query": {"rrf": {}}
            }),
        )
        .await;
    assert_eq!(status, 200);

    let (status, list) = server.get("/v1/slow-queries").await;
    assert_eq!((status, &list["slow_query_ms"]), (200, &json!(0)));
    let [query, search] = &list["queries"].as_array().unwrap()[..] else {
        panic!("two queries, the newest first: {list}");
    };
    assert_eq!(search["request_id"], "slow-1");
    for (field, value) in [
        ("tenant", "default"),
        ("collection", "notes"),
        ("protocol", "rest"),
        ("operation", "search"),
    ] {
        assert_eq!(search[field], value, "{search}");
    }
    assert_eq!(search["shape"]["vector"], json!({"dense": 2}));
    assert_eq!(search["shape"]["filter"]["field"], "lang");
    let text = list.to_string();
    assert!(
        !text.contains("secret") && !text.contains("0.125"),
        "{text}"
    );
    let names = |query: &serde_json::Value| {
        let steps = query["steps"].as_array().unwrap().clone();
        let names = steps
            .into_iter()
            .map(|step| step["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<String>>()
    };
    assert_eq!(names(search)[0], "filter");
    assert_eq!(names(query).last().unwrap(), "stage", "{query}");

    let figures = server.scrape().await;
    assert_eq!(figures.sum("vector_db_slow_queries_total"), 2.0);
    server.stop().await;
}

#[tokio::test]
async fn slow_reads_of_documents_are_kept_in_all_protocols() {
    let server = Running::start_with(|mut config| {
        config.slow_query_ms = Some(0);
        config
    })
    .await;
    server.notes().await;
    server.get("/v1/collections/notes/documents/1").await;
    let ids = json!({"ids": [1, "secret", 2]});
    server.post("/v1/collections/notes/get", ids).await;
    let page = json!({"after": "secret", "limit": 7});
    server.post("/v1/collections/notes/scroll", page).await;
    let grpc = format!("http://{}", server.addresses.grpc.unwrap());
    let mut client = VectorDatabaseClient::connect(grpc).await.unwrap();
    let collection = || "notes".to_owned();
    let get = GetRequest {
        collection: collection(),
        ..GetRequest::default()
    };
    client.get(get).await.unwrap();
    let scroll = ScrollRequest {
        collection: collection(),
        ..ScrollRequest::default()
    };
    client.scroll(scroll).await.unwrap();
    let qdrant = format!(
        "http://{}/collections/notes",
        server.addresses.qdrant_http.unwrap()
    );
    for (path, body) in [
        ("points", json!({"ids": [1, 2]})),
        ("points/scroll", json!({"limit": 2})),
        (
            "points/scroll",
            json!({"limit": 2, "filter": {"must": [{"key": "lang", "match": {"value": "secret"}}]}}),
        ),
    ] {
        let request = server.http.post(format!("{qdrant}/{path}")).json(&body);
        assert_eq!(request.send().await.unwrap().status(), 200, "{path}");
    }

    let (_, list) = server.get("/v1/slow-queries").await;
    let mut kept = list["queries"].as_array().unwrap().clone();
    kept.reverse();
    let told = kept.iter().map(|query| {
        assert_ne!(query["steps"], json!([]), "{query}");
        assert_eq!(query["collection"], "notes");
        json!([query["protocol"], query["operation"], query["shape"]])
    });
    assert_eq!(
        told.collect::<Vec<_>>()[..6],
        [
            json!(["rest", "get", {"ids": "[1]"}]),
            json!(["rest", "get", {"ids": "[3]"}]),
            json!(["rest", "scroll", {"after": "?", "limit": 7}]),
            json!(["grpc", "get", {"ids": "[0]"}]),
            json!(["grpc", "scroll", {"after": null, "limit": 100}]),
            json!(["qdrant_rest", "get", {"ids": "[2]"}]),
        ]
    );
    for page in &kept[6..] {
        assert_eq!(page["operation"], "scroll", "{page}");
        assert_eq!(page["shape"]["limit"], 2, "{page}");
    }
    assert_eq!(kept.len(), 8);
    assert!(!list.to_string().contains("secret"), "{list}");
    server.stop().await;
}

#[tokio::test]
async fn fast_queries_are_not_kept() {
    let server = Running::start_with(|mut config| {
        config.slow_query_ms = None;
        config
    })
    .await;
    server.notes().await;
    server
        .post(
            "/v1/collections/notes/search",
            json!({"vector": [0.0, 0.0]}),
        )
        .await;
    let (_, list) = server.get("/v1/slow-queries").await;
    assert_eq!(list, json!({"slow_query_ms": null, "queries": []}));
    server.stop().await;
}
