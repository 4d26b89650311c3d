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
