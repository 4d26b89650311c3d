//! The console's files as browsers get them. What the page does is tested in a browser: tests/console.

use crate::common::Running;
use reqwest::StatusCode;
use reqwest::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};

#[tokio::test]
async fn the_page_is_served_under_a_strict_policy_and_kept_while_it_is_the_same() {
    let server = Running::start().await;
    let page = server
        .http
        .get(server.url("/console"))
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
    assert_eq!(page.headers()[CACHE_CONTROL], "no-cache");
    let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");

    let tag = page.headers()[ETAG].clone();
    let again = server.http.get(server.url("/console"));
    let again = again.header(IF_NONE_MATCH, &tag).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(again.headers()[ETAG], tag);
    let other = server.http.get(server.url("/console/app.js"));
    let other = other.header(IF_NONE_MATCH, &tag).send().await.unwrap();
    assert_eq!(other.status(), StatusCode::OK);
    assert_eq!(
        other.headers()[CONTENT_TYPE],
        "text/javascript; charset=utf-8"
    );
    server.stop().await;
}

#[tokio::test]
async fn everything_that_files_name_is_there_and_nothing_else() {
    let server = Running::start().await;
    let mut left = vec!["/console".to_owned()];
    let mut seen = left.clone();
    while let Some(path) = left.pop() {
        let answer = server.http.get(server.url(&path)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let base = answer.url().clone();
        let text = answer.text().await.unwrap();
        for named in text.split('"').filter(|part| {
            let is_file = [".js", ".css", ".svg"]
                .iter()
                .any(|end| part.ends_with(end));
            is_file && !part.contains(char::is_whitespace)
        }) {
            let path = base.join(named).unwrap().path().to_owned();
            if !seen.contains(&path) {
                seen.push(path.clone());
                left.push(path);
            }
        }
    }
    assert!(seen.len() > 30, "{seen:?}");
    for path in [
        "/console/nothing.js",
        "/console/%2e%2e/mod.rs",
        "/console/lib",
    ] {
        let answer = server.http.get(server.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn filters_in_json_may_be_text() {
    let server = Running::start().await;
    server.notes().await;
    let count = "/v1/collections/notes/count";
    let filter = serde_json::json!({"filter": "lang = \"en\" and year >= 2021"});
    assert_eq!(
        server.post(count, filter).await,
        (200, serde_json::json!({"count": 1}))
    );
    let wrong = serde_json::json!({"filter": {"not": "lang = and"}});
    let (status, body) = server.post(count, wrong).await;
    let message = body["error"]["message"].as_str().unwrap();
    assert_eq!(status, 400);
    assert!(
        message.contains("filter, line 1, column 8: expected a value"),
        "{message}"
    );
    server.stop().await;
}
