//! Tenants, transactions over several requests, snapshots, the past, and the end.

use crate::common::{Running, answer, config, ids};
use aethervec_server::Config;
use serde_json::json;

#[tokio::test]
async fn a_transaction_lives_over_several_requests() {
    let server = Running::start().await;
    server.notes().await;
    let at = "/v1/collections/notes";
    let (status, begun) = server
        .post("/v1/transactions", json!({"isolation": "serializable"}))
        .await;
    let id = begun["id"].as_str().unwrap();
    assert_eq!(status, 201);
    let documents = json!({"documents": [{"id": 5, "vector": [5.0, 0.0]}]});
    let within = format!("transaction={id}");
    assert_eq!(
        server
            .post(&format!("{at}/documents?{within}"), documents)
            .await
            .0,
        200
    );
    assert_eq!(server.get(&format!("{at}/documents/5")).await.0, 404);
    assert_eq!(
        server.get(&format!("{at}/documents/5?{within}")).await.0,
        200
    );
    let search = json!({"vector": [5.0, 0.0], "k": 1});
    let (_, found) = server
        .post(&format!("{at}/search?{within}"), search.clone())
        .await;
    assert_eq!(ids(&found), [json!(5)]);

    let place = json!({"savepoint": "here"});
    assert_eq!(
        server
            .post(&format!("/v1/transactions/{id}/savepoints"), place.clone())
            .await
            .0,
        200
    );
    assert_eq!(
        server.delete(&format!("{at}/documents/1?{within}")).await.0,
        200
    );
    assert_eq!(
        server
            .post(&format!("/v1/transactions/{id}/rollback"), place)
            .await
            .0,
        200
    );
    let (_, counted) = server
        .post(&format!("{at}/count?{within}"), json!({}))
        .await;
    assert_eq!(counted, json!({"count": 5}));

    assert_eq!(
        server
            .post(&format!("/v1/transactions/{id}/commit"), json!({}))
            .await
            .0,
        200
    );
    assert_eq!(
        server
            .post(&format!("/v1/transactions/{id}/commit"), json!({}))
            .await
            .0,
        404
    );
    assert_eq!(server.get(&format!("{at}/documents/5")).await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn of_two_transactions_in_conflict_the_second_one_fails() {
    let server = Running::start().await;
    server.notes().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let (_, begun) = server.post("/v1/transactions", json!({})).await;
        let id = begun["id"].as_str().unwrap().to_owned();
        let gone = format!("/v1/collections/notes/documents/1?transaction={id}");
        assert_eq!(server.delete(&gone).await.0, 200);
        ids.push(id);
    }
    assert_eq!(
        server
            .delete(&format!("/v1/transactions/{}", ids[0]))
            .await
            .0,
        200
    );
    let (first, _) = server
        .post(&format!("/v1/transactions/{}/commit", ids[1]), json!({}))
        .await;
    let (second, body) = server
        .post(&format!("/v1/transactions/{}/commit", ids[2]), json!({}))
        .await;
    assert_eq!(
        (first, second, &body["error"]["kind"]),
        (200, 409, &json!("conflict"))
    );
    server.stop().await;
}

#[tokio::test]
async fn the_past_can_be_read_and_not_written() {
    let server = Running::start_with(|config| Config {
        retention_s: 3_600,
        ..config
    })
    .await;
    server.notes().await;
    let at = "/v1/collections/notes";
    let (_, held) = server.post("/v1/snapshots", json!({})).await;
    let (id, seq) = (held["id"].as_str().unwrap(), held["seq"].as_u64().unwrap());
    assert_eq!(server.delete(&format!("{at}/documents/1")).await.0, 200);
    for past in [format!("snapshot={id}"), format!("as_of={seq}")] {
        assert_eq!(server.get(&format!("{at}/documents/1?{past}")).await.0, 200);
        let (_, found) = server
            .post(
                &format!("{at}/search?{past}"),
                json!({"vector": [0.0, 0.0], "k": 1}),
            )
            .await;
        assert_eq!(ids(&found), [json!(1)]);
        let (status, body) = server
            .post(&format!("{at}/documents?{past}"), json!({"documents": []}))
            .await;
        assert_eq!((status, &body["error"]["kind"]), (400, &json!("invalid")));
    }
    assert_eq!(server.delete(&format!("/v1/snapshots/{id}")).await.0, 200);
    assert_eq!(
        server
            .get(&format!("{at}/documents/2?snapshot={id}"))
            .await
            .0,
        404
    );
    server.stop().await;
}

#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let server = Running::start().await;
    server.notes().await;
    assert_eq!(server.put("/v1/tenants/other", json!({})).await.0, 201);
    assert_eq!(server.put("/v1/tenants/other", json!({})).await.0, 200);
    assert_eq!(
        server.get("/v1/tenants").await,
        (200, json!({"tenants": ["default", "other"]}))
    );
    assert_eq!(
        server.get("/v1/tenants/other/collections").await,
        (200, json!({"collections": []}))
    );
    let request = server.http.get(server.url("/v1/collections"));
    let (_, body) = answer(request.header("aethervec-tenant", "other")).await;
    assert_eq!(body, json!({"collections": []}));
    assert_eq!(server.get("/v1/tenants/nobody/collections").await.0, 404);
    for path in [
        "/v1/tenants/..%2Fdefault/collections",
        "/v1/tenants/%00/collections",
    ] {
        assert_eq!(server.get(path).await.0, 400);
    }
    let created = server
        .put("/v1/tenants/other/collections/notes", json!({"dim": 1}))
        .await;
    assert_eq!(created.0, 201);
    assert_eq!(
        server.get("/v1/tenants/other/collections/notes").await.0,
        200
    );
    assert_eq!(server.delete("/v1/tenants/other").await.0, 200);
    assert_eq!(server.get("/v1/tenants/other/collections").await.0, 404);
    server.stop().await;
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let server = Running::start().await;
    server.notes().await;
    let (_, begun) = server.post("/v1/transactions", json!({})).await;
    let open = begun["id"].as_str().unwrap();
    let gone = format!("/v1/collections/notes/documents/1?transaction={open}");
    assert_eq!(server.delete(&gone).await.0, 200);
    let folder = server.stop().await;

    let config = config(&folder);
    let server = Running::start_in(folder, config).await;
    let (_, counted) = server.post("/v1/collections/notes/count", json!({})).await;
    assert_eq!(counted, json!({"count": 4}));
    server.stop().await;
}

#[tokio::test]
async fn tenants_that_nobody_uses_are_closed_and_opened_again() {
    let server = Running::start_with(|config| Config {
        tenant_idle_s: 0,
        ..config
    })
    .await;
    server.notes().await;
    let config = config(server.folder());
    // Only one process, and in it only one opening, can have a database: it is free once it is closed.
    let lock = config.data_dir.join("default");
    while aethervec::AetherDB::open(&lock).is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let mut counted = server.post("/v1/collections/notes/count", json!({})).await;
    while counted.0 == 503 {
        counted = server.post("/v1/collections/notes/count", json!({})).await;
    }
    assert_eq!(counted, (200, json!({"count": 4})));
    server.stop().await;
}

#[tokio::test]
async fn a_tenant_can_be_encrypted_with_a_key_of_its_own() {
    let keys = tempfile::tempdir().unwrap();
    std::fs::write(keys.path().join("default.key"), "ab".repeat(32)).unwrap();
    let folder = keys.path().to_owned();
    let server = Running::start_with(|config| Config {
        encryption_enabled: true,
        encryption_keys: Some(folder),
        ..config
    })
    .await;
    server.notes().await;
    let (status, body) = server.put("/v1/tenants/keyless", json!({})).await;
    assert_eq!((status, &body["error"]["kind"]), (500, &json!("internal")));
    assert_eq!(
        server.get("/v1/tenants").await.1,
        json!({"tenants": ["default"]})
    );
    let folder = server.stop().await;
    assert!(aethervec::AetherDB::open(folder.path().join("default")).is_err());
}

#[tokio::test]
async fn a_request_that_is_under_way_when_the_server_is_stopped_is_answered() {
    let server = Running::start().await;
    server.notes().await;
    let writers = (0..8u64).map(|writer| {
        let http = server.http.clone();
        let url = server.url("/v1/collections/notes/documents");
        tokio::spawn(async move {
            let mut acknowledged = 0;
            for id in 1_000 * (writer + 1).. {
                let body = json!({"documents": [{"id": id, "vector": [0.5, 0.5]}]});
                match http.post(&url).json(&body).send().await {
                    Ok(response) if response.status().is_success() => acknowledged += 1,
                    _ => break,
                }
            }
            acknowledged
        })
    });
    let writers: Vec<_> = writers.collect();
    loop {
        let (_, counted) = server.post("/v1/collections/notes/count", json!({})).await;
        if counted["count"].as_u64().unwrap() > 100 {
            break;
        }
    }
    let folder = server.stop().await;
    let mut acknowledged = 4;
    for writer in writers {
        acknowledged += writer.await.unwrap();
    }
    let config = config(&folder);
    let server = Running::start_in(folder, config).await;
    let (_, counted) = server.post("/v1/collections/notes/count", json!({})).await;
    let there = counted["count"].as_u64().unwrap();
    // A write whose answer was cut off may be there as well.
    assert!(
        (acknowledged..=acknowledged + 8).contains(&there),
        "{there} of {acknowledged}"
    );
    server.stop().await;
}

#[tokio::test]
async fn long_operations_are_begun_watched_and_called_off() {
    let server = Running::start().await;
    server.notes().await;
    for begin in [
        json!({"check": {}}),
        json!({"reclaim": {}}),
        json!({"index": {"collection": "notes"}}),
    ] {
        let (status, begun) = server.post("/v1/operations", begin.clone()).await;
        assert_eq!((status, &begun["operation"]), (202, &begin), "{begun}");
        let at = format!("/v1/operations/{}", begun["id"].as_str().unwrap());
        let mut operation = server.get(&at).await.1;
        while operation["state"] == "running" {
            operation = server.get(&at).await.1;
        }
        assert_eq!(operation["state"], "done", "{operation}");
        if begin.get("check").is_some() {
            assert_eq!(operation["result"]["problems"], json!([]));
        }
        // It is past that.
        let (status, cancelled) = server.delete(&at).await;
        assert_eq!((status, &cancelled["state"]), (202, &json!("done")));
    }
    let (_, listed) = server.get("/v1/operations").await;
    assert_eq!(listed["operations"].as_array().unwrap().len(), 3);
    let nothing = json!({"index": {"collection": "nothing"}});
    let (_, begun) = server.post("/v1/operations", nothing).await;
    let at = format!("/v1/operations/{}", begun["id"].as_str().unwrap());
    let mut operation = server.get(&at).await.1;
    while operation["state"] == "running" {
        operation = server.get(&at).await.1;
    }
    assert_eq!(
        (&operation["state"], &operation["result"]["kind"]),
        (&json!("failed"), &json!("not_found"))
    );
    assert_eq!(
        server.post("/v1/operations", json!({"dance": {}})).await.0,
        400
    );
    server.stop().await;
}
