//! What is known of a request: its name, whether it was slow, its trace.

use crate::common::Running;
use aethervec_server::proto::vector_database_client::VectorDatabaseClient;
use aethervec_server::proto::{CollectionRequest, HealthRequest};
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
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

/// A collector: its address, and the spans that it is sent.
async fn collector() -> (String, mpsc::UnboundedReceiver<Span>) {
    let (sender, spans) = mpsc::unbounded_channel();
    let take = async move |body: Bytes| {
        let batch = ExportTraceServiceRequest::decode(body).unwrap();
        let scopes = batch
            .resource_spans
            .into_iter()
            .flat_map(|resource| resource.scope_spans);
        for span in scopes.flat_map(|scope| scope.spans) {
            sender.send(span).unwrap();
        }
    };
    let router = Router::new().route("/v1/traces", post(take));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, spans)
}

#[tokio::test]
async fn sampled_requests_are_traced_down_to_the_steps_of_queries() {
    let (address, mut sent) = collector().await;
    let server = Running::start_with(|mut config| {
        config.otlp_endpoint = Some(address);
        config.trace_ratio = 0.0;
        config
    })
    .await;
    // None of these says that it is to be sampled.
    server.notes().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = "b7ad6b7169203331";
    let search = server.http.post(server.url("/v1/collections/notes/search"));
    let search = search
        .header("traceparent", format!("00-{trace}-{parent}-01"))
        .json(&json!({"vector": [0.0, 0.0], "k": 2}));
    assert_eq!(search.send().await.unwrap().status(), 200);
    // What is still to be sent is sent in the end.
    server.stop().await;

    let mut spans = Vec::new();
    while let Ok(span) = sent.try_recv() {
        spans.push(span);
    }
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let named = |name: &str| {
        let mut found = spans.iter().filter(|span| span.name == name);
        let span = found
            .next()
            .unwrap_or_else(|| panic!("{name} in {spans:#?}"));
        assert!(found.next().is_none(), "{name} twice");
        span
    };
    assert!(spans.iter().all(|span| hex(&span.trace_id) == trace));
    let root = named("rest search");
    assert_eq!(hex(&root.parent_span_id), parent);
    for (child, of) in [
        ("queue", "rest search"),
        ("engine", "rest search"),
        ("query", "engine"),
        ("rows", "query"),
    ] {
        assert_eq!(named(child).parent_span_id, named(of).span_id, "{child}");
        let (child, of) = (named(child), named(of));
        assert!(of.start_time_unix_nano <= child.start_time_unix_nano + 1_000_000);
    }
    let attribute = |span: &Span, name: &str| {
        let found = span
            .attributes
            .iter()
            .find(|attribute| attribute.key == name);
        match found.and_then(|attribute| attribute.value.clone()?.value) {
            Some(AnyValue::StringValue(text)) => text,
            other => panic!("{name}: {other:?}"),
        }
    };
    assert_eq!(attribute(root, "outcome"), "ok");
    assert_eq!(attribute(root, "tenant"), "default");
    assert_eq!(attribute(named("query"), "collection"), "notes");
}

#[tokio::test]
async fn a_collector_that_is_away_holds_nobody_up() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let server = Running::start_with(|mut config| {
        config.otlp_endpoint = Some(format!("http://{address}"));
        config.trace_ratio = 1.0;
        config
    })
    .await;
    server.notes().await;
    server.stop().await;
}
