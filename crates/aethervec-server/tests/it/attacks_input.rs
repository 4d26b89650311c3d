//! Input that others were broken by: names that are paths, numbers without bounds, depth, what unpacks to too much.

use crate::common::{Running, answer};
use aethervec_server::Config;
use aethervec_server::proto::vector_database_client::VectorDatabaseClient;
use aethervec_server::proto::*;
use qdrant_client::qdrant;
use qdrant_client::qdrant::points_client::PointsClient;
use serde_json::json;
use tonic::Code;
use tonic::codec::CompressionEncoding;

/// Names that were paths, or something else than they looked like, somewhere.
const NAMES: [&str; 16] = [
    "..",
    ".",
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "%2fetc%2fpasswd",
    "..%5c..%5cwindows",
    "a%2fb",
    "a%00b",
    "%00",
    "%0d%0aset-cookie:x",
    "a%20b",
    "%e2%80%ae",
    "%c0%ae%c0%ae%c0%af",
    "%ff",
    "file:%2f%2f%2fetc%2fshadow",
    "~root",
];

#[tokio::test]
async fn names_never_become_paths() {
    let server = Running::start().await;
    let names = |server: &Running| {
        let all = std::fs::read_dir(server.folder().path()).unwrap();
        let mut names: Vec<_> = all.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    server.notes().await;
    let before = names(&server);
    let long = "x".repeat(10_000);
    let at = server.addresses.http.unwrap();
    for name in NAMES.into_iter().chain([long.as_str()]) {
        for path in [
            format!("/v1/tenants/{name}"),
            format!("/v1/tenants/{name}/collections/a"),
        ] {
            // As it stands: a client would take the dots away.
            let status = raw_put(at, &path).await;
            assert!((400..500).contains(&status), "{path}: {status}");
        }
        for path in [
            format!("/v1/collections/{name}"),
            format!("/v1/collections/{name}/documents"),
        ] {
            let status = raw_put(at, &path).await;
            assert!(status < 500, "{path}: {status}");
        }
        let status = raw_put(
            server.addresses.qdrant_http.unwrap(),
            &format!("/collections/{name}"),
        )
        .await;
        assert!(status < 500, "{name}: {status}");
    }
    for name in [
        "../../etc",
        "/etc/passwd",
        "a\0b",
        "",
        "..",
        "a/b",
        "\u{202e}a",
    ] {
        let dropped = server.post(
            "/v1/aliases",
            json!({"changes": [{"set": {"alias": name, "collection": "notes"}}]}),
        );
        assert!(dropped.await.0 < 500);
        let short = json!({"collection": name, "vectors": [{"id": "a", "dimensions": [1.0]}]});
        assert!(server.post("/vectors", short).await.0 < 500);
    }
    assert_eq!(names(&server), before);
    let (_, tenants) = server.get("/v1/tenants").await;
    assert_eq!(tenants, json!({"tenants": ["default"]}));
    server.stop().await;
}

/// PUTs a schema, to a path as it stands: the status.
async fn raw_put(address: std::net::SocketAddr, path: &str) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "PUT {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{{\"dim\":1}}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("{path}: {answer:?}"))
}

#[tokio::test]
async fn numbers_are_no_weapons() {
    let server = Running::start().await;
    server.notes().await;
    let at = "/v1/collections/notes";
    let huge = [
        json!(u64::MAX),
        json!(i64::MAX),
        json!(1_u64 << 63),
        json!(u32::MAX),
        json!(-1),
        json!(1e300),
        json!("1"),
        json!(null),
        json!([]),
    ];
    for number in &huge {
        for (path, body) in [
            ("/v1/collections/big".to_owned(), json!({"dim": number})),
            (
                format!("{at}/search"),
                json!({"vector": [1.0, 0.0], "k": number}),
            ),
            (
                format!("{at}/search"),
                json!({"vector": [1.0, 0.0], "ef": number}),
            ),
            (format!("{at}/query"), json!({"limit": number})),
            (format!("{at}/query"), json!({"limit": 1, "offset": number})),
            (
                format!("{at}/query"),
                json!({"prefetch": [{"limit": number}], "query": {"rrf": {}}}),
            ),
            (
                format!("{at}/query"),
                json!({"query": {"sample": {"seed": number}}}),
            ),
            (
                format!("{at}/query/groups"),
                json!({"query": {}, "group_by": "lang", "group_size": number}),
            ),
            (format!("{at}/scroll"), json!({"limit": number})),
            (
                format!("{at}/facet"),
                json!({"path": "lang", "limit": number}),
            ),
            (format!("{at}/matrix"), json!({"sample": number})),
            (format!("{at}/matrix"), json!({"limit": number})),
        ] {
            let method = if body.get("dim").is_some() {
                "PUT"
            } else {
                "POST"
            };
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let request = server.http.request(method, server.url(&path)).json(&body);
            let (status, answered) = answer(request).await;
            assert!(status < 500, "{path} {body}: {status} {answered}");
        }
        let address = server.addresses.qdrant_http.unwrap();
        for (path, body) in [
            (
                "points/query",
                json!({"query": [1.0, 0.0], "limit": number}),
            ),
            (
                "points/query",
                json!({"query": [1.0, 0.0], "offset": number}),
            ),
            (
                "points/search",
                json!({"vector": [1.0, 0.0], "limit": number, "offset": number}),
            ),
            (
                "points/query/groups",
                json!({"query": [1.0, 0.0], "group_by": "lang", "limit": number, "group_size": number}),
            ),
            ("points/scroll", json!({"limit": number})),
            ("facet", json!({"key": "lang", "limit": number})),
            (
                "points/search/matrix/pairs",
                json!({"sample": number, "limit": number}),
            ),
        ] {
            let url = format!("http://{address}/collections/notes/{path}");
            let (status, answered) = answer(server.http.post(url).json(&body)).await;
            assert!(status < 500, "{path} {body}: {status} {answered}");
        }
    }
    // Numbers that JSON cannot say, by gRPC.
    let address = format!("http://{}", server.addresses.grpc.unwrap());
    let mut grpc = VectorDatabaseClient::connect(address).await.unwrap();
    for component in [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MIN_POSITIVE / 2.0,
    ] {
        let put = PutRequest {
            collection: "notes".into(),
            id: Some(Id {
                kind: Some(id::Kind::Number(99)),
            }),
            vector: vec![component, 0.0],
            ..PutRequest::default()
        };
        if let Err(status) = grpc.put(put).await {
            assert_eq!(
                status.code(),
                Code::InvalidArgument,
                "{component}: {status}"
            );
        }
    }
    let address = format!("http://{}", server.addresses.qdrant_grpc.unwrap());
    let mut points = PointsClient::connect(address).await.unwrap();
    let query = qdrant::QueryPoints {
        collection_name: "notes".into(),
        limit: Some(u64::MAX),
        offset: Some(u64::MAX),
        ..qdrant::QueryPoints::default()
    };
    let status = points.query(query).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert_eq!(server.get("/health").await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn depth_is_no_weapon() {
    let server = Running::start().await;
    server.notes().await;
    let qdrant = server.addresses.qdrant_http.unwrap();
    for depth in [100, 1_000, 200_000] {
        let nest = |open: &str, close: &str| {
            format!("{}{}{}", open.repeat(depth), "1", close.repeat(depth))
        };
        let payload = nest("{\"a\":", "}");
        let filter = nest("{\"not\":", "}");
        let must = nest("{\"must\":[", "]}");
        for (url, body) in [
            (
                server.url("/v1/collections/notes/count"),
                format!("{{\"filter\": {filter}}}"),
            ),
            (
                server.url("/v1/collections/notes/documents"),
                format!(
                    "{{\"documents\": [{{\"id\": 7, \"vector\": [1, 2], \"payload\": {payload}}}]}}"
                ),
            ),
            (
                server.url("/v1/collections/notes/query"),
                nest("{\"prefetch\":[", "]}"),
            ),
            (
                format!("http://{qdrant}/collections/notes/points/count"),
                format!("{{\"filter\": {must}}}"),
            ),
        ] {
            let request = server
                .http
                .post(&url)
                .header("content-type", "application/json");
            let (status, answered) = answer(request.body(body)).await;
            assert!(status < 500, "{url} {depth}: {status} {answered}");
        }
        let address = format!("http://{}", server.addresses.grpc.unwrap());
        let mut grpc = VectorDatabaseClient::connect(address).await.unwrap();
        let count = CountRequest {
            collection: "notes".into(),
            filter: Some(filter),
            ..CountRequest::default()
        };
        let status = grpc.count(count).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{depth}: {status}");
    }
    assert_eq!(server.get("/health").await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn what_unpacks_to_too_much_is_refused() {
    let server = Running::start_with(|config| Config {
        body_bytes_max: 1 << 20,
        ..config
    })
    .await;
    let address = format!("http://{}", server.addresses.grpc.unwrap());
    let mut grpc = VectorDatabaseClient::connect(address)
        .await
        .unwrap()
        .send_compressed(CompressionEncoding::Gzip);
    // 64 MiB of zeros: some 64 KiB on their way.
    let put = PutRequest {
        vector: vec![0.0; 16 << 20],
        ..PutRequest::default()
    };
    let status = grpc.put(put).await.unwrap_err();
    assert_ne!(status.code(), Code::Internal, "{status}");
    // A body of REST is taken as it is: nothing is unpacked.
    let packed = server
        .http
        .post(server.url("/query"))
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body(vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    assert_eq!(answer(packed).await.0, 400);
    server.stop().await;
}
