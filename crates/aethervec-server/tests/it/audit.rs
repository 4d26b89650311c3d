//! What is written about who did what.

use crate::callers::{Guarded, entry, of_tenant};
use crate::common::answer;
use aethervec_server::Config;
use aethervec_server::auth::Action;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The log.
const FILE: &str = "audit.jsonl";

async fn start(reads: bool) -> (Guarded, TempDir) {
    let entries = vec![
        entry("admin", &Action::ALL),
        of_tenant("default", entry("reader", &[Action::Read])),
    ];
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join(FILE);
    let change = move |config| Config {
        audit_log: Some(log),
        audit_reads: reads,
        ..config
    };
    (Guarded::start_with(entries, change).await, folder)
}

async fn play(guarded: Guarded) -> Vec<String> {
    let at = "/v1/collections/notes";
    let schema = json!({"dim": 2, "metric": "l2"});
    assert_eq!(guarded.call("admin", "PUT", at, schema).await.0, 201);
    let document = json!({"id": "a-secret-id", "vector": [1.0, 0.0], "payload": {"card": "4111"}});
    let documents = json!({"documents": [document]});
    let path = format!("{at}/documents");
    assert_eq!(
        guarded
            .call("admin", "POST", &path, documents.clone())
            .await
            .0,
        200
    );
    let read = format!("{path}/a-secret-id");
    assert_eq!(
        guarded.call("reader", "GET", &read, Value::Null).await.0,
        200
    );
    assert_eq!(
        guarded.call("reader", "DELETE", &read, Value::Null).await.0,
        403
    );
    assert_eq!(guarded.call_unknown("GET", &read, Value::Null).await.0, 401);
    let url = guarded.server.url(at);
    let lost = guarded
        .server
        .http
        .get(url)
        .header("api-key", "a-lost-secret");
    assert_eq!(answer(lost.header("x-request-id", "req-7")).await.0, 401);
    assert_eq!(
        guarded.call_unknown("GET", "/health", Value::Null).await.0,
        200
    );
    let keys: Vec<String> = guarded
        .keys
        .values()
        .map(|key| key.reveal().to_owned())
        .collect();
    guarded.server.stop().await;
    keys
}

fn lines(folder: &TempDir, keys: &[String]) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
    for secret in keys
        .iter()
        .map(String::as_str)
        .chain(["a-secret-id", "4111", "a-lost-secret"])
    {
        assert!(!text.contains(secret), "{text}");
    }
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn changes_and_refusals_are_written_down() {
    let (guarded, folder) = start(false).await;
    let keys = play(guarded).await;
    let lines = lines(&folder, &keys);
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            (text("caller"), text("route"), text("outcome"))
        })
        .collect();
    let collection = "/v1/collections/{collection}";
    let document = format!("{collection}/documents/{{id}}");
    let expected = [
        ("caller:admin", format!("PUT {collection}"), "ok"),
        ("caller:admin", format!("POST {collection}/documents"), "ok"),
        ("caller:reader", format!("DELETE {document}"), "denied"),
        ("nobody", format!("GET {document}"), "denied"),
        ("nobody", format!("GET {collection}"), "denied"),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(caller, route, outcome)| (caller.to_owned(), route, outcome.to_owned()))
        .collect();
    assert_eq!(told, expected);
    assert_eq!(lines[1]["actions"], json!(["write"]));
    assert_eq!(lines[1]["tenant"], "default");
    assert_eq!(lines[1]["collections"], json!(["notes"]));
    assert_eq!(lines[3]["reason"], "no credentials");
    assert_eq!(
        (&lines[4]["reason"], &lines[4]["id"]),
        (&json!("unknown key"), &json!("req-7"))
    );
    for line in &lines {
        assert!(
            line["from"].as_str().unwrap().starts_with("127.0.0.1:"),
            "{line}"
        );
        assert!(line["at"].as_str().unwrap().ends_with('Z'), "{line}");
    }
}

#[tokio::test]
async fn reads_are_written_down_if_that_is_wanted() {
    let (guarded, folder) = start(true).await;
    let keys = play(guarded).await;
    let lines = lines(&folder, &keys);
    let read = lines.iter().find(|line| line["actions"] == json!(["read"]));
    assert_eq!(read.unwrap()["caller"], "caller:reader");
    assert_eq!(lines.len(), 6);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn requests_wait_for_a_log_that_has_to_be_written() {
    let entries = vec![entry("admin", &Action::ALL)];
    let change = |config| Config {
        // A disk without room.
        audit_log: Some("/dev/full".into()),
        audit_required: true,
        ..config
    };
    let guarded = Guarded::start_with(entries, change).await;
    let schema = json!({"dim": 2});
    let made = async |name: &str| {
        let path = format!("/v1/collections/{name}");
        guarded.call("admin", "PUT", &path, schema.clone()).await
    };
    assert_eq!(made("first").await.0, 201);
    let mut number = 0;
    let refused = loop {
        number += 1;
        let (status, body) = made(&format!("more-{number}")).await;
        if status != 201 {
            break (status, body);
        }
    };
    assert_eq!(
        (refused.0, &refused.1["error"]["kind"]),
        (503, &json!("unavailable"))
    );
    // Whether the server is well can still be asked.
    assert_eq!(
        guarded.call_unknown("GET", "/health", Value::Null).await.0,
        200
    );
    guarded.server.stop().await;
}
