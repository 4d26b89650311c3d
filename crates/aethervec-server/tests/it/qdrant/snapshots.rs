//! Snapshots of collections: made, listed, fetched, removed, and read back.

use super::{cities, failure, result, send};
use crate::common::{Running, answer};
use qdrant_client::Qdrant;
use qdrant_client::qdrant::DeleteSnapshotRequestBuilder;
use serde_json::{Value, json};

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
    assert_eq!(
        result(send(&server, "GET", "/snapshots", Value::Null).await),
        json!([])
    );
    failure(501, send(&server, "POST", "/snapshots", Value::Null).await);
    server.stop().await;
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
    let listed = client.list_full_snapshots().await.unwrap();
    assert!(listed.snapshot_descriptions.is_empty());
    assert!(client.create_full_snapshot().await.is_err());
    server.stop().await;
}
