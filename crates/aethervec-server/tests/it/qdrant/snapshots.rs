//! Snapshots of collections: made, listed, fetched, removed, and read back.

use super::{cities, failure, result, send};
use crate::callers::Guarded;
use crate::common::{Running, answer};
use qdrant_client::Qdrant;
use qdrant_client::qdrant::DeleteSnapshotRequestBuilder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;

const SNAPSHOTS: &str = "/collections/cities/snapshots";

async fn made(server: &Running) -> Value {
    result(send(server, "POST", SNAPSHOTS, Value::Null).await)
}

async fn count(server: &Running, collection: &str) -> Value {
    let path = format!("/collections/{collection}/points/count");
    result(send(server, "POST", &path, json!({})).await)["count"].take()
}

fn url(server: &Running, path: &str) -> String {
    format!("http://{}{path}", server.addresses.qdrant_http.unwrap())
}

/// Sends a file in a form, as browsers and clients do.
async fn upload(server: &Running, collection: &str, query: &str, file: &[u8]) -> (u16, Value) {
    let path = format!("/collections/{collection}/snapshots/upload{query}");
    let mut body = b"--edge\r\ncontent-disposition: form-data; name=\"priority\"\r\n\r\nsnapshot\r\n\
        --edge\r\ncontent-disposition: form-data; name=\"snapshot\"; filename=\"a.snapshot\"\r\n\r\n"
        .to_vec();
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--edge--\r\n");
    let request = server.http.post(url(server, &path));
    let request = request.header("content-type", "multipart/form-data; boundary=edge");
    answer(request.body(body)).await
}

#[tokio::test]
async fn a_collection_becomes_again_what_it_was() {
    let server = cities().await;
    let alias = json!({"actions": [{"create_alias": {"collection_name": "cities", "alias_name": "towns"}}]});
    result(send(&server, "POST", "/collections/aliases", alias).await);
    let before = result(send(&server, "GET", "/collections/cities", Value::Null).await);
    let snapshot = made(&server).await;
    assert_eq!(snapshot["checksum"].as_str().unwrap().len(), 64);
    assert_eq!(snapshot["creation_time"].as_str().unwrap().len(), 19);
    let name = snapshot["name"].as_str().unwrap();
    let listed = result(send(&server, "GET", SNAPSHOTS, Value::Null).await);
    assert_eq!(listed, json!([snapshot]));
    let of_alias = send(&server, "GET", "/collections/towns/snapshots", Value::Null);
    assert_eq!(result(of_alias.await), json!([snapshot]));

    let gone = json!({"points": [1, 2, 3]});
    let deleted = send(
        &server,
        "POST",
        "/collections/cities/points/delete?wait=true",
        gone,
    );
    result(deleted.await);
    assert_eq!(count(&server, "cities").await, 8);
    let place = url(&server, &format!("{SNAPSHOTS}/{name}"));
    let recover = async |collection: &str, body: Value| {
        let path = format!("/collections/{collection}/snapshots/recover");
        send(&server, "PUT", &path, body).await
    };
    let wrong = json!({"location": place, "checksum": "00"});
    failure(400, recover("cities", wrong).await);
    let right =
        json!({"location": place, "checksum": snapshot["checksum"], "priority": "snapshot"});
    assert_eq!(result(recover("towns", right).await), true);
    assert_eq!(count(&server, "towns").await, 11);
    let after = result(send(&server, "GET", "/collections/cities", Value::Null).await);
    assert_eq!(after["config"], before["config"]);
    // Another collection, which is made by it.
    let local = json!({"location": format!("file:///qdrant/snapshots/cities/{name}")});
    assert_eq!(result(recover("villages", local).await), true);
    assert_eq!(count(&server, "villages").await, 11);
    for nowhere in [
        "http://127.0.0.1:1/a.snapshot",
        "file:///etc/passwd",
        "../LOCK",
        "",
    ] {
        let message = failure(404, recover("cities", json!({"location": nowhere})).await);
        assert!(message.contains("upload"), "{message}");
    }
    assert_eq!(count(&server, "cities").await, 11);

    let one = format!("{SNAPSHOTS}/{name}");
    let other = format!("/collections/villages/snapshots/{name}");
    failure(404, send(&server, "DELETE", &other, Value::Null).await);
    assert_eq!(
        result(send(&server, "DELETE", &one, Value::Null).await),
        true
    );
    failure(404, send(&server, "DELETE", &one, Value::Null).await);
    failure(404, send(&server, "GET", &one, Value::Null).await);
    let listed = result(send(&server, "GET", SNAPSHOTS, Value::Null).await);
    assert_eq!(listed, json!([]));
    server.stop().await;
}

#[tokio::test]
async fn a_snapshot_goes_out_and_in_as_a_file() {
    let server = cities().await;
    let snapshot = made(&server).await;
    let path = format!("{SNAPSHOTS}/{}", snapshot["name"].as_str().unwrap());
    let fetched = server.http.get(url(&server, &path)).send().await.unwrap();
    assert_eq!(
        fetched.headers()["content-type"],
        "application/octet-stream"
    );
    let file = fetched.bytes().await.unwrap();
    assert_eq!(snapshot["size"], file.len());
    let checksum = format!(
        "?priority=snapshot&checksum={}",
        snapshot["checksum"].as_str().unwrap()
    );
    assert_eq!(
        result(upload(&server, "copy", &checksum, &file).await),
        true
    );
    assert_eq!(count(&server, "copy").await, 11);

    failure(400, upload(&server, "copy", "?checksum=00", &file).await);
    // Cut off in a line, and between two.
    let line = file.iter().rposition(|byte| *byte == b'{').unwrap();
    for cut in [file.len() / 2, line, 0] {
        failure(400, upload(&server, "copy", "", &file[..cut]).await);
    }
    failure(
        400,
        upload(&server, "copy", "", b"\x00\xff no snapshot").await,
    );
    let form = server
        .http
        .post(url(&server, "/collections/copy/snapshots/upload"));
    let form = form.header("content-type", "multipart/form-data; boundary=edge");
    let (status, body) = answer(form.body("--edge--\r\n")).await;
    assert_eq!(status, 400, "{body}");
    assert_eq!(count(&server, "copy").await, 11);
    let names = result(send(&server, "GET", "/collections", Value::Null).await);
    assert_eq!(names["collections"].as_array().unwrap().len(), 2, "{names}");
    let listed = result(send(&server, "GET", "/collections/copy/snapshots", Value::Null).await);
    assert_eq!(listed, json!([]));
    server.stop().await;
}

/// Files of an archive by their names.
fn unpacked(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (name, bytes)
    });
    entries.collect()
}

#[tokio::test]
async fn a_snapshot_of_everything_is_an_archive_of_those_of_all_collections() {
    let server = cities().await;
    let alias = json!({"actions": [{"create_alias": {"collection_name": "cities", "alias_name": "towns"}}]});
    result(send(&server, "POST", "/collections/aliases", alias).await);
    let empty = json!({"vectors": {"size": 3, "distance": "Dot"}});
    result(send(&server, "PUT", "/collections/%C3%A9toiles%20-", empty).await);
    let snapshot = result(send(&server, "POST", "/snapshots", Value::Null).await);
    let name = snapshot["name"].as_str().unwrap();
    assert!(name.starts_with("full-snapshot-"), "{name}");
    let listed = result(send(&server, "GET", "/snapshots", Value::Null).await);
    assert_eq!(listed, json!([snapshot]));
    // It is no snapshot of a collection, and one of a collection is none of everything.
    assert_eq!(
        result(send(&server, "GET", SNAPSHOTS, Value::Null).await),
        json!([])
    );
    let of_cities = format!("{SNAPSHOTS}/{name}");
    failure(404, send(&server, "GET", &of_cities, Value::Null).await);
    let other = made(&server).await;
    let other = format!("/snapshots/{}", other["name"].as_str().unwrap());
    failure(404, send(&server, "DELETE", &other, Value::Null).await);
    let whole = json!({"location": url(&server, &format!("/snapshots/{name}"))});
    let recover = "/collections/cities/snapshots/recover";
    let message = failure(400, send(&server, "PUT", recover, whole).await);
    assert!(message.contains("unpack"), "{message}");

    let path = format!("/snapshots/{name}");
    let fetched = server.http.get(url(&server, &path)).send().await.unwrap();
    let archive = fetched.bytes().await.unwrap();
    assert_eq!(snapshot["size"], archive.len());
    let files = unpacked(&archive);
    let config: Value = serde_json::from_slice(&files["config.json"]).unwrap();
    assert_eq!(config["collections_aliases"], json!({"towns": "cities"}));
    let mapping = config["collections_mapping"].as_object().unwrap();
    assert_eq!((mapping.len(), files.len()), (2, 3), "{config}");
    // Each file of it can be uploaded.
    for (number, (collection, file)) in mapping.iter().enumerate() {
        let copy = format!("copy{number}");
        let file = &files[file.as_str().unwrap()];
        assert_eq!(result(upload(&server, &copy, "", file).await), true);
        let points = if collection == "cities" { 11 } else { 0 };
        assert_eq!(count(&server, &copy).await, points, "{collection}");
    }
    assert_eq!(
        result(send(&server, "DELETE", &path, Value::Null).await),
        true
    );
    failure(404, send(&server, "GET", &path, Value::Null).await);
    server.stop().await;
}

#[tokio::test]
async fn who_may_not_use_everything_makes_and_sees_no_snapshot_of_it() {
    let guarded = Guarded::start().await;
    let ask = async |caller: &str, method: &str, path: &str| {
        let request = guarded.request(method, &url(&guarded.server, path), Value::Null);
        let answer = request.header("api-key", guarded.key(caller)).send();
        answer.await.unwrap()
    };
    let made = ask("owner", "POST", "/snapshots").await;
    let made: Value = made.json().await.unwrap();
    let path = format!("/snapshots/{}", made["result"]["name"].as_str().unwrap());
    for (caller, method, path, status) in [
        ("reader", "POST", "/snapshots", 403),
        ("reader", "GET", "/snapshots", 200),
        ("reader", "GET", &path, 200),
        ("notes", "POST", "/snapshots", 403),
        ("notes", "GET", "/snapshots", 403),
        ("notes", "GET", &path, 403),
        ("notes", "DELETE", &path, 403),
        ("rival", "GET", &path, 404),
        ("rival", "DELETE", &path, 404),
        ("owner", "DELETE", &path, 200),
    ] {
        let answer = ask(caller, method, path).await;
        assert_eq!(answer.status(), status, "{caller} {method} {path}");
    }
    guarded.server.stop().await;
}

#[tokio::test]
async fn the_client_for_rust_makes_lists_and_removes_them() {
    let server = cities().await;
    let address = format!("http://{}", server.addresses.qdrant_grpc.unwrap());
    let client = Qdrant::from_url(&address).build().unwrap();
    let made = client.create_snapshot("cities").await.unwrap();
    let made = made.snapshot_description.unwrap();
    let listed = client.list_snapshots("cities").await.unwrap();
    assert_eq!(listed.snapshot_descriptions, std::slice::from_ref(&made));
    let delete = DeleteSnapshotRequestBuilder::new("cities", &made.name);
    client.delete_snapshot(delete.clone()).await.unwrap();
    assert!(client.delete_snapshot(delete).await.is_err());
    let made = client.create_full_snapshot().await.unwrap();
    let made = made.snapshot_description.unwrap();
    let listed = client.list_full_snapshots().await.unwrap();
    assert_eq!(listed.snapshot_descriptions, std::slice::from_ref(&made));
    client.delete_full_snapshot(&made.name).await.unwrap();
    let listed = client.list_full_snapshots().await.unwrap();
    assert!(listed.snapshot_descriptions.is_empty());
    server.stop().await;
}
