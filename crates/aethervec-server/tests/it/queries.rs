//! Everything that can be asked, over the native REST API.

use crate::common::{Running, ids};
use serde_json::json;

#[tokio::test]
async fn searches_are_answered() {
    let server = Running::start().await;
    server.notes().await;
    let at = "/v1/collections/notes";
    let (status, found) = server
        .post(
            &format!("{at}/search"),
            json!({"vector": [2.9, 0.0], "k": 2}),
        )
        .await;
    assert_eq!((status, ids(&found)), (200, vec![json!(3), json!(2)]));
    assert_eq!(found["hits"][0]["payload"]["year"], 2022);
    let search = json!({
        "vector": [2.9, 0.0], "k": 1, "filter": {"field": "lang", "eq": "de"},
        "exact": true, "with_payload": false, "with_vectors": true,
    });
    let (_, found) = server.post(&format!("{at}/search"), search.clone()).await;
    assert_eq!(ids(&found), [json!(2)]);
    assert_eq!(
        (
            found["hits"][0].get("payload"),
            &found["hits"][0]["vectors"][""]
        ),
        (None, &json!([2.0, 0.0]))
    );
    let (_, explained) = server.post(&format!("{at}/explain"), search.clone()).await;
    assert_eq!(
        (&explained["hits"], &explained["steps"][0]["name"]),
        (&json!(1), &json!("filter"))
    );
    let batch = json!({"requests": [search, {"vector": [0.0, 0.0], "k": 1}]});
    let (_, found) = server.post(&format!("{at}/search/batch"), batch).await;
    assert_eq!(ids(&found["results"][0]), [json!(2)]);
    assert_eq!(ids(&found["results"][1]), [json!(1)]);
    server.stop().await;
}

#[tokio::test]
async fn queries_groups_facets_and_matrices_are_answered() {
    let server = Running::start().await;
    server.notes().await;
    let at = "/v1/collections/notes";
    let query = json!({
        "prefetch": [{"query": {"nearest": [0.0, 0.0]}, "limit": 3}, {"query": {"nearest": {"id": 3}}, "limit": 3}],
        "query": {"rrf": {}}, "limit": 2, "with_payload": false,
    });
    let (status, found) = server.post(&format!("{at}/query"), query.clone()).await;
    assert_eq!(
        (status, found["hits"].as_array().unwrap().len()),
        (200, 2),
        "{found}"
    );
    let (_, batch) = server
        .post(&format!("{at}/query/batch"), json!({"requests": [query]}))
        .await;
    assert_eq!(batch["results"][0]["hits"], found["hits"]);

    let (_, page) = server
        .post(&format!("{at}/query"), json!({"limit": 3}))
        .await;
    assert_eq!(ids(&page), [json!(1), json!(2), json!(3)]);
    let (_, page) = server
        .post(
            &format!("{at}/query"),
            json!({"limit": 3, "cursor": page["next"]}),
        )
        .await;
    assert_eq!((ids(&page), page.get("next")), (vec![json!("four")], None));

    let groups =
        json!({"query": {"query": {"nearest": [0.0, 0.0]}}, "group_by": "lang", "group_size": 1});
    let (_, groups) = server.post(&format!("{at}/query/groups"), groups).await;
    assert_eq!(
        (&groups["groups"][0]["value"], &groups["groups"][1]["value"]),
        (&json!("en"), &json!("de"))
    );
    let (_, facets) = server
        .post(&format!("{at}/facet"), json!({"path": "lang"}))
        .await;
    assert_eq!(
        facets,
        json!({"values": [{"value": "en", "count": 2}, {"value": "de", "count": 1}]})
    );
    let (_, matrix) = server
        .post(&format!("{at}/matrix"), json!({"limit": 1}))
        .await;
    assert_eq!(matrix["ids"], json!([1, 2, 3, "four"]));
    server.stop().await;
}
