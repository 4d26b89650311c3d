//! What there is besides documents, by the client.

use crate::server::Running;
use aethervec_client::*;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn collections_change() {
    let server = Running::start().await;
    let client = server.client().await;
    let schema = CollectionSchema::new(2, Metric::L2Squared, IndexConfig::default());
    let notes = client.create_collection("notes", &schema).await.unwrap();
    let words = VectorField::Sparse(SparseField { idf: true });
    notes.add_vector_field("words", &words).await.unwrap();
    let again = notes.add_vector_field("words", &words).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Exists, "{again}");
    notes.set_ttl(Some(Duration::from_secs(60))).await.unwrap();
    let metadata = json!({"owner": "me"}).as_object().unwrap().clone();
    notes.set_metadata(metadata).await.unwrap();
    let schema = notes.describe().await.unwrap().schema;
    assert_eq!(schema["fields"]["words"]["idf"], true);
    assert_eq!(
        (&schema["ttl_ms"], &schema["metadata"]["owner"]),
        (&json!(60_000), &json!("me"))
    );
    notes.set_ttl(None).await.unwrap();
    notes.drop_vector_field("words").await.unwrap();
    let schema = notes.describe().await.unwrap().schema;
    assert!(schema["ttl_ms"].is_null() && schema["fields"]["words"].is_null());

    let set = |alias: &str| AliasChange::Set {
        alias: alias.to_owned(),
        collection: "notes".to_owned(),
    };
    let changes = [
        set("a"),
        set("b"),
        AliasChange::Remove {
            alias: "a".to_owned(),
        },
    ];
    let changed = client.change_aliases(&changes).await.unwrap();
    assert_eq!(changed, client.aliases().await.unwrap());
    assert_eq!(changed["b"], "notes");
    assert_eq!(client.collection("b").count().await.unwrap(), 0);
    let missing = AliasChange::Remove {
        alias: "a".to_owned(),
    };
    assert!(client.change_aliases(&[missing]).await.is_err());
    server.stop().await;
}

#[tokio::test]
async fn tenants_have_quotas_and_what_they_refuse_is_not_repeated() {
    let server = Running::start().await;
    let client = server.client().await;
    assert!(client.create_tenant("acme").await.unwrap());
    assert!(!client.create_tenant("acme").await.unwrap());
    assert!(client.tenants().await.unwrap().contains(&"acme".to_owned()));
    let quota = Quota {
        documents_max: Some(1),
        ..Quota::default()
    };
    let quotas = client.set_quota("acme", quota).await.unwrap();
    assert_eq!((quotas.own, quotas.holds.documents_max), (quota, Some(1)));
    assert_eq!(client.quotas("acme").await.unwrap(), quotas);
    let acme = client.tenant("acme").unwrap();
    acme.insert_vectors([("a", [1.0, 0.0])]).await.unwrap();
    // Repeated, it would wait for hours.
    let options = VectorDatabaseClient::options(server.url())
        .tenant("acme")
        .retry(Retry {
            attempts_max: 2,
            pause_min: Duration::from_secs(36_000),
            pause_max: Duration::from_secs(36_000),
        });
    let patient = options
        .timeout(Duration::from_secs(360_000))
        .connect()
        .await
        .unwrap();
    let refused = patient
        .insert_vectors([("b", [0.0, 1.0])])
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Quota, "{refused}");
    drop(patient);
    client.drop_tenant("acme").await.unwrap();
    let missing = client.drop_tenant("acme").await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing}");
    server.stop().await;
}

#[tokio::test]
async fn who_is_too_fast_waits_as_long_as_the_server_says() {
    let server = Running::start().await;
    let client = server.client().await;
    client.insert_vectors([("a", [1.0, 0.0])]).await.unwrap();
    let quota = Quota {
        requests_per_s: Some(1),
        ..Quota::default()
    };
    client.set_quota("default", quota).await.unwrap();
    for number in 0..3_u8 {
        let vector = (number.to_string(), [1.0, 0.0]);
        assert_eq!(client.insert_vectors([vector]).await.unwrap().count, 1);
    }
    server.stop().await;
}

#[tokio::test]
async fn long_operations_are_watched_and_called_off() {
    let server = Running::start().await;
    let client = server.client().await;
    client.insert_vectors([("a", [1.0, 0.0])]).await.unwrap();
    for operation in [
        LongOperation::Check,
        LongOperation::Reclaim,
        LongOperation::Index("vectors".to_owned()),
    ] {
        let mut begun = client.begin_operation(operation).await.unwrap();
        while begun.state == OperationState::Running {
            begun = client.operation(&begun.id).await.unwrap();
        }
        assert_eq!(begun.state, OperationState::Done, "{begun:?}");
        // It is past that.
        let cancelled = client.cancel_operation(&begun.id).await.unwrap();
        assert_eq!(cancelled.state, OperationState::Done);
    }
    assert_eq!(client.operations().await.unwrap().len(), 3);
    let unknown = client
        .operation("00000000-0000-0000-0000-000000000000")
        .await;
    assert_eq!(unknown.unwrap_err().kind(), ErrorKind::NotFound);
    server.stop().await;
}
