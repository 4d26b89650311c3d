//! What others were broken by, tried on this server. One machine: attacks on clusters, on snapshots that are fetched, and on archives
//! find nothing here, for a server fetches and unpacks nothing.

use crate::callers::Guarded;
use crate::common::answer;
use prost::Message;
use prost_types::FileDescriptorSet;
use serde_json::{Value, json};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

/// What everybody may ask.
const OPEN: [&str; 3] = ["/health", "/livez", "/readyz"];

/// What a program may ask that watches the server.
const OBSERVED: [&str; 2] = ["/metrics", "/v1/stats"];

/// What is of no tenant: health and figures.
const OF_THE_SERVER: &str = "server";

/// All other routes of the native REST API, with names that exist: method and path.
async fn routes(guarded: &Guarded) -> Vec<(String, String)> {
    let (status, description) = guarded
        .call("admin", "GET", "/openapi.json", Value::Null)
        .await;
    assert_eq!(status, 200);
    let mut routes = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        let path = path
            .replace("{collection}", "notes")
            .replace("{id}", "1")
            .replace("{name}", "acme");
        for method in ["get", "put", "post", "patch", "delete"] {
            if item
                .get(method)
                .is_some_and(|route| route["tags"][0] != OF_THE_SERVER)
            {
                routes.push((method.to_uppercase(), path.clone()));
            }
        }
    }
    assert!(routes.len() > 40, "{routes:?}");
    routes
}

/// The same in the tenant `acme`.
fn of_acme(path: &str) -> String {
    match path.strip_prefix("/v1/") {
        // These are about the server as a whole.
        Some("tenants" | "health" | "stats" | "slow-queries") | None => path.to_owned(),
        Some(rest) if !rest.starts_with("tenants/") => format!("/v1/tenants/acme/{rest}"),
        _ => path.to_owned(),
    }
}

#[tokio::test]
async fn what_the_server_tells_of_itself_is_not_for_everybody() {
    let guarded = Guarded::start().await;
    for path in ["/v1/stats", "/v1/health", "/v1/slow-queries", "/metrics"] {
        let (status, body) = guarded.call_unknown("GET", path, json!({})).await;
        assert_eq!(status, 401, "{path}: {body}");
        let (status, body) = guarded.call("reader", "GET", path, json!({})).await;
        assert_eq!(status, 403, "{path}: {body}");
        let expected = if path == "/v1/stats" || path == "/metrics" {
            200
        } else {
            403
        };
        let (status, body) = guarded.call("monitor", "GET", path, json!({})).await;
        assert_eq!(status, expected, "{path}: {body}");
    }
    guarded.server.stop().await;
}

#[tokio::test]
async fn no_route_is_a_second_door() {
    let guarded = Guarded::start().await;
    for (method, path) in routes(&guarded).await {
        if OPEN.contains(&path.as_str()) {
            continue;
        }
        for path in [path.clone(), of_acme(&path)] {
            let (status, body) = guarded.call_unknown(&method, &path, json!({})).await;
            assert_eq!(status, 401, "{method} {path}: {body}");
            let (status, body) = guarded.call("former", &method, &path, json!({})).await;
            assert_eq!(status, 401, "{method} {path}: {body}");
            let (status, body) = guarded.call("monitor", &method, &path, json!({})).await;
            let may = OBSERVED.contains(&path.as_str());
            assert_eq!(status < 400, may, "{method} {path}: {body}");
        }
        // A foreign tenant is refused before anything else is looked at: the same whether it exists or not.
        let path = of_acme(&path);
        if path.starts_with("/v1/tenants/") {
            let (status, body) = guarded.call("rival", &method, &path, json!({})).await;
            assert_eq!(status, 403, "{method} {path}: {body}");
            let nowhere = path.replace("/acme", "/nowhere");
            let (status, _) = guarded.call("rival", &method, &nowhere, json!({})).await;
            assert_eq!(status, 403, "{method} {nowhere}");
        }
    }
    // Whatever a reader has tried, everything is as it was.
    for (method, path) in routes(&guarded).await {
        let (status, body) = guarded
            .call("reader", &method, &of_acme(&path), json!({}))
            .await;
        assert!(status < 500, "{method} {path}: {body}");
    }
    let at = "/v1/tenants/acme/collections";
    let (_, listed) = guarded.call("owner", "GET", at, Value::Null).await;
    assert_eq!(listed, json!({"collections": ["notes", "secret"]}));
    let count = format!("{at}/notes/count");
    let (_, counted) = guarded.call("owner", "POST", &count, json!({})).await;
    assert_eq!(counted, json!({"count": 1}));
    guarded.server.stop().await;
}

#[tokio::test]
async fn no_method_of_grpc_is_a_second_door() {
    let guarded = Guarded::start().await;
    let descriptors = FileDescriptorSet::decode(aethervec_proto::DESCRIPTORS).unwrap();
    let mut paths = vec![
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo".to_owned(),
        "/nothing.at.all/Method".to_owned(),
    ];
    for file in &descriptors.file {
        for service in &file.service {
            for method in &service.method {
                let package = file.package();
                paths.push(format!("/{package}.{}/{}", service.name(), method.name()));
            }
        }
    }
    assert!(paths.len() > 20, "{paths:?}");
    let qdrant = [
        "Collections/List",
        "Collections/Delete",
        "Points/Upsert",
        "Points/Query",
    ];
    let qdrant = qdrant.map(|method| format!("/qdrant.{method}"));
    let at = guarded.server.addresses;
    for (port, paths) in [(at.grpc, paths), (at.qdrant_grpc, qdrant.to_vec())] {
        let address = format!("http://{}", port.unwrap());
        let channel = Channel::from_shared(address)
            .unwrap()
            .connect()
            .await
            .unwrap();
        for path in paths.iter().filter(|path| !path.ends_with("/Health")) {
            let mut grpc = Grpc::new(channel.clone());
            grpc.ready().await.unwrap();
            let path = PathAndQuery::try_from(path.as_str()).unwrap();
            let codec: ProstCodec<(), ()> = ProstCodec::default();
            let answered = grpc.unary(Request::new(()), path.clone(), codec).await;
            assert_eq!(
                answered.unwrap_err().code(),
                Code::Unauthenticated,
                "{path}"
            );
        }
    }
    guarded.server.stop().await;
}

#[tokio::test]
async fn headers_do_not_make_anybody_somebody_else() {
    let guarded = Guarded::start().await;
    let url = guarded.server.url("/v1/tenants");
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1;proto=https"),
        ("x-original-url", "/health"),
        ("x-rewrite-url", "/health"),
        ("x-http-method-override", "GET"),
        ("x-user", "admin"),
        ("aethervec-caller", "admin"),
        ("authorization", "Bearer null"),
        ("authorization", "Bearer "),
        ("authorization", "Basic YWRtaW46YWRtaW4="),
        ("api-key", "admin"),
        ("cookie", "api-key=admin"),
        ("sourceid", "@@milvus-member@@"),
    ] {
        let request = guarded.server.http.get(&url).header(name, value);
        assert_eq!(answer(request).await.0, 401, "{name}: {value}");
    }
    // Other spellings of paths that are open.
    for path in [
        "//health",
        "/health/",
        "/%68ealth",
        "/HEALTH",
        "/health;/v1/tenants",
        "/v1/health",
    ] {
        let (status, body) = guarded.call_unknown("GET", path, Value::Null).await;
        assert_eq!(status, 401, "{path}: {body}");
    }
    let key = guarded.key("admin");
    let (status, _) = guarded
        .call_unknown("GET", &format!("/v1/tenants?api-key={key}"), Value::Null)
        .await;
    assert_eq!(status, 401);
    guarded.server.stop().await;
}

#[tokio::test]
async fn a_tenant_ends_at_its_border() {
    let guarded = Guarded::start().await;
    let begin = guarded
        .call("owner", "POST", "/v1/transactions", json!({}))
        .await;
    let transaction = begin.1["id"].as_str().unwrap().to_owned();
    let hold = guarded
        .call("owner", "POST", "/v1/snapshots", json!({}))
        .await;
    let snapshot = hold.1["id"].as_str().unwrap().to_owned();
    let operation = guarded
        .call("owner", "POST", "/v1/operations", json!({"check": {}}))
        .await;
    let operation = operation.1["id"].as_str().unwrap().to_owned();
    // Ids that somebody else has got hold of: another tenant's, and another caller's of the same tenant.
    let count = "/v1/collections/notes/count";
    for (caller, method, path, status) in [
        (
            "rival",
            "POST",
            format!("{count}?transaction={transaction}"),
            404,
        ),
        ("rival", "POST", format!("{count}?snapshot={snapshot}"), 404),
        (
            "rival",
            "POST",
            format!("/v1/transactions/{transaction}/commit"),
            404,
        ),
        (
            "rival",
            "DELETE",
            format!("/v1/transactions/{transaction}"),
            404,
        ),
        ("rival", "DELETE", format!("/v1/snapshots/{snapshot}"), 404),
        ("rival", "GET", format!("/v1/operations/{operation}"), 404),
        (
            "rival",
            "DELETE",
            format!("/v1/operations/{operation}"),
            404,
        ),
        (
            "reader",
            "POST",
            format!("{count}?transaction={transaction}"),
            404,
        ),
        (
            "reader",
            "POST",
            format!("/v1/transactions/{transaction}/commit"),
            404,
        ),
        ("reader", "DELETE", format!("/v1/snapshots/{snapshot}"), 404),
        ("notes", "GET", format!("/v1/operations/{operation}"), 403),
        (
            "owner",
            "POST",
            format!("{count}?transaction={transaction}"),
            200,
        ),
        ("owner", "POST", format!("{count}?snapshot={snapshot}"), 200),
    ] {
        let (found, body) = guarded.call(caller, method, &path, json!({})).await;
        assert_eq!(found, status, "{caller} {method} {path}: {body}");
    }
    let (_, listed) = guarded
        .call("rival", "GET", "/v1/operations", Value::Null)
        .await;
    assert_eq!(listed, json!({"operations": []}));
    // By a header, too.
    let url = guarded.server.url("/v1/collections");
    for (tenant, status) in [
        ("acme", 403),
        ("nowhere", 403),
        ("rival", 200),
        ("../acme", 400),
    ] {
        let request = guarded
            .server
            .http
            .get(&url)
            .header("api-key", guarded.key("rival"));
        let (found, body) = answer(request.header("aethervec-tenant", tenant)).await;
        assert_eq!(found, status, "{tenant}: {body}");
    }
    guarded.server.stop().await;
}

#[tokio::test]
async fn other_collections_are_not_read_through_ones_own() {
    let guarded = Guarded::start().await;
    let change = json!({"changes": [{"set": {"alias": "open", "collection": "secret"}}]});
    assert_eq!(
        guarded
            .call("owner", "POST", "/v1/aliases", change.clone())
            .await
            .0,
        200
    );
    // Who is bound to `notes` sees neither `secret` nor its alias, and cannot make one.
    assert_eq!(
        guarded.call("notes", "POST", "/v1/aliases", change).await.0,
        403
    );
    let (_, aliases) = guarded
        .call("notes", "GET", "/v1/aliases", Value::Null)
        .await;
    assert_eq!(aliases, json!({"aliases": {}}));
    let nearest = |collection: &str| json!({"nearest": {"id": 1, "collection": collection}});
    let at = "/v1/collections/notes";
    for name in ["secret", "open"] {
        let grouped = json!({
            "query": {}, "group_by": "of", "lookup": {"collection": name},
        });
        let mut prefetch = json!({"query": nearest(name), "limit": 1});
        for _ in 0..3 {
            prefetch = json!({"prefetch": [prefetch], "query": nearest("notes"), "limit": 1});
        }
        let examples = json!([{"id": 1, "collection": name}]);
        let pair = json!({"positive": {"id": 1, "collection": name}, "negative": [0.0, 1.0]});
        for (path, body) in [
            ("search", json!({"vector": [1.0, 0.0]})),
            ("query", json!({"query": nearest(name)})),
            (
                "query",
                json!({"prefetch": [prefetch.clone()], "query": nearest("notes")}),
            ),
            (
                "query",
                json!({"query": {"recommend": {"positive": examples}}}),
            ),
            ("query", json!({"query": {"context": [pair]}})),
            (
                "query",
                json!({"query": {"mmr": {"nearest": {"id": 1, "collection": name}}}}),
            ),
            (
                "query/batch",
                json!({"requests": [{"query": nearest(name)}]}),
            ),
            (
                "query/groups",
                json!({"query": {"query": nearest(name)}, "group_by": "of"}),
            ),
            ("query/groups", grouped.clone()),
        ] {
            let own = path != "search";
            let path = match own {
                true => format!("{at}/{path}"),
                false => format!("/v1/collections/{name}/{path}"),
            };
            let (status, answered) = guarded.call("notes", "POST", &path, body.clone()).await;
            assert_eq!(status, 403, "{path} {body}: {answered}");
            let (status, answered) = guarded.call("owner", "POST", &path, body.clone()).await;
            assert_eq!(status, 200, "{path} {body}: {answered}");
        }
    }
    // The same through the compatible API, in which ids of points are looked up elsewhere.
    let address = guarded.server.addresses.qdrant_http.unwrap();
    let url = |path: &str| format!("http://{address}/collections/{path}");
    for name in ["secret", "open"] {
        let from = json!({"collection": name});
        for (path, body) in [
            (format!("{name}/points/count"), json!({})),
            (
                "notes/points/query".to_owned(),
                json!({"query": 1, "lookup_from": from}),
            ),
            (
                "notes/points/query".to_owned(),
                json!({"prefetch": {"query": 1, "lookup_from": from}, "query": [1.0, 0.0]}),
            ),
            (
                "notes/points/recommend".to_owned(),
                json!({"positive": [1], "limit": 1, "lookup_from": from}),
            ),
            (
                "notes/points/query/groups".to_owned(),
                json!({"query": [1.0, 0.0], "group_by": "of", "with_lookup": name}),
            ),
        ] {
            for (caller, expected) in [("notes", 403), ("owner", 200)] {
                let request = guarded.request("POST", &url(&path), body.clone());
                let (status, answered) =
                    answer(request.header("api-key", guarded.key(caller))).await;
                assert_eq!(status, expected, "{caller} {path} {body}: {answered}");
            }
        }
    }
    guarded.server.stop().await;
}
