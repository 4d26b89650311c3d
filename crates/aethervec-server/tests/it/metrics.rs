//! What a server counts, and how it tells.

use crate::common::Running;
use crate::openmetrics::Scraped;
use serde_json::json;

impl Running {
    /// Its figures.
    pub(crate) async fn scrape(&self) -> Scraped {
        let url = format!("http://{}/metrics", self.addresses.metrics.unwrap());
        let response = self.http.get(url).send().await.unwrap();
        assert_eq!(
            response.headers()["content-type"],
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        );
        Scraped::parse(&response.text().await.unwrap())
    }
}

#[tokio::test]
async fn requests_are_counted_and_timed() {
    let server = Running::start().await;
    server.notes().await;
    for _ in 0..3 {
        let search = json!({"vector": [0.0, 0.0], "k": 2});
        let (status, _) = server.post("/v1/collections/notes/search", search).await;
        assert_eq!(status, 200);
    }
    let (status, _) = server
        .post("/v1/collections/none/search", json!({"vector": [0.0]}))
        .await;
    assert_eq!(status, 404);
    let qdrant = format!("http://{}", server.addresses.qdrant_http.unwrap());
    let body = json!({"query": [0.0, 0.0], "limit": 1});
    let query = server
        .http
        .post(format!("{qdrant}/collections/notes/points/query"));
    assert_eq!(query.json(&body).send().await.unwrap().status(), 200);

    let figures = server.scrape().await;
    let requests = |protocol, operation, outcome| {
        let labels = [
            ("protocol", protocol),
            ("operation", operation),
            ("outcome", outcome),
        ];
        figures.get("vector_db_requests_total", &labels)
    };
    assert_eq!(requests("rest", "search", "ok"), Some(3.0), "{figures:#?}");
    assert_eq!(requests("rest", "search", "not_found"), Some(1.0));
    assert_eq!(requests("rest", "upsert", "ok"), Some(1.0));
    assert_eq!(requests("qdrant_rest", "query", "ok"), Some(1.0));
    for (name, outcome, count) in [
        ("vector_db_query_duration_seconds_count", "ok", 3.0),
        ("vector_db_query_duration_seconds_count", "failed", 1.0),
        ("vector_db_request_duration_seconds_count", "ok", 3.0),
    ] {
        let labels = [
            ("protocol", "rest"),
            ("operation", "search"),
            ("outcome", outcome),
        ];
        assert_eq!(figures.get(name, &labels), Some(count), "{name} {outcome}");
    }
    assert_eq!(
        figures.get("vector_db_insert_total", &[("protocol", "rest")]),
        Some(4.0)
    );
    assert_eq!(
        figures.get(
            "vector_db_collection_documents",
            &[("tenant", "default"), ("collection", "notes")]
        ),
        Some(4.0)
    );
    assert_eq!(
        figures.get(
            "vector_db_shard_health",
            &[("tenant", "default"), ("shard", "0")]
        ),
        Some(1.0)
    );
    assert!(figures.sum("vector_db_storage_commits_total") > 0.0);
    assert!(figures.sum("process_resident_memory_bytes") > 1e6);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let age = now - figures.sum("process_start_time_seconds");
    assert!((-2.0..3_600.0).contains(&age), "{age}");
    server.stop().await;
}

#[tokio::test]
async fn transactions_are_timed_by_how_they_end() {
    let server = Running::start().await;
    server.notes().await;
    let begin = async || {
        let (_, body) = server.post("/v1/transactions", json!({})).await;
        body["id"].as_str().unwrap().to_owned()
    };
    let first = begin().await;
    let (status, _) = server
        .post(&format!("/v1/transactions/{first}/commit"), json!({}))
        .await;
    assert_eq!(status, 200);
    let second = begin().await;
    let (status, _) = server.delete(&format!("/v1/transactions/{second}")).await;
    assert!(status < 300);
    begin().await;
    let figures = server.scrape().await;
    let ended = |outcome| {
        let labels = [("outcome", outcome)];
        figures.get("vector_db_transaction_duration_seconds_count", &labels)
    };
    assert_eq!(ended("committed"), Some(1.0));
    assert_eq!(ended("rolled_back"), Some(1.0));
    assert_eq!(ended("abandoned"), None);
    let open = figures.get("vector_db_transactions_open", &[("tenant", "default")]);
    assert_eq!(open, Some(1.0));
    server.stop().await;
}

#[tokio::test]
async fn looking_opens_nothing() {
    let server = Running::start().await;
    server.notes().await;
    server.put("/v1/tenants/second", json!({})).await;
    let config = crate::common::config(server.folder());
    let server = Running::start_in(server.stop().await, config).await;
    let figures = server.scrape().await;
    assert_eq!(figures.get("vector_db_tenants_open", &[]), Some(0.0));
    server.get("/v1/collections").await;
    let figures = server.scrape().await;
    assert_eq!(figures.get("vector_db_tenants_open", &[]), Some(1.0));
    assert_eq!(
        figures.get("vector_db_collections", &[("tenant", "default")]),
        Some(1.0)
    );
    assert_eq!(
        figures.sum("vector_db_collection_documents"),
        0.0,
        "{figures:#?}"
    );
    server.stop().await;
}

#[tokio::test]
async fn series_are_bounded() {
    let server = Running::start_with(|mut config| {
        config.metrics_tenants_max = 2;
        config.metrics_collections_max = 3;
        config
    })
    .await;
    for tenant in 0..4 {
        server
            .put(&format!("/v1/tenants/t{tenant}"), json!({}))
            .await;
        for collection in 0..2 {
            let path = format!("/v1/tenants/t{tenant}/collections/c{collection}");
            let (status, body) = server.put(&path, json!({"dim": 2})).await;
            assert_eq!(status, 201, "{body}");
        }
    }
    let figures = server.scrape().await;
    let series = |name: &str| {
        let keys = figures.samples.keys();
        keys.filter(|key| key.starts_with(&format!("{name}{{")))
            .count()
    };
    assert_eq!(series("vector_db_storage_commits_total"), 3);
    assert_eq!(series("vector_db_collection_documents"), 4);
    let rest = figures.get("vector_db_collections", &[("tenant", "other")]);
    assert_eq!(rest, Some(4.0));
    server.stop().await;
}

#[tokio::test]
async fn the_same_figures_are_there_as_json() {
    let server = Running::start().await;
    server.notes().await;
    let (status, stats) = server.get("/v1/stats").await;
    assert_eq!(status, 200);
    let documents = &stats["vector_db_collection_documents"][0];
    assert_eq!(
        *documents,
        json!({"labels": {"tenant": "default", "collection": "notes"}, "value": 4})
    );
    let times = &stats["vector_db_request_duration_seconds"][0];
    assert_eq!(times["buckets"].as_array().unwrap().len(), 21);
    server.stop().await;
}
