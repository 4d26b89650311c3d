//! What a server can do, by the client.

use crate::server::Running;
use aethervec_client::*;
use futures_util::StreamExt;
use serde_json::json;

/// A collection `notes` with the documents 1 to 3, in `en`, `de` and `en`.
async fn notes(client: &VectorDatabaseClient) -> Collection {
    let schema = CollectionSchema::new(2, Metric::L2Squared, IndexConfig::default());
    let notes = client.create_collection("notes", &schema).await.unwrap();
    let written = notes.upsert_batch([(1, "en"), (2, "de"), (3, "en")].map(|(id, lang)| {
        Document::new([id as f32, 0.0], id as u64)
            .with_payload(json!({"lang": lang, "body": format!("note {id}")}))
    }));
    assert_eq!(written.await.unwrap().inserted, 3);
    notes
}

fn ids(hits: &[Hit]) -> Vec<String> {
    hits.iter().map(|hit| hit.id.to_string()).collect()
}

#[tokio::test]
async fn documents_are_written_and_read() {
    let server = Running::start().await;
    let client = server.client().await;
    assert_eq!(client.health().await.unwrap().status, "ok");
    let notes = notes(&client).await;
    assert_eq!(client.collections().await.unwrap(), ["notes"]);

    assert!(
        notes
            .patch(1, Patch::new().set("lang", "fr"))
            .await
            .unwrap()
    );
    assert!(
        !notes
            .patch(9, Patch::new().set("lang", "fr"))
            .await
            .unwrap()
    );
    let first = notes.get(1).await.unwrap().unwrap();
    assert_eq!(first.payload.unwrap()["lang"], "fr");
    let both = notes.get_batch([9, 2]).await.unwrap();
    assert!(both[0].is_none() && both[1].is_some());

    let english = Filter::eq("lang", "en");
    assert_eq!(notes.count().await.unwrap(), 3);
    assert_eq!(notes.count_matching(&english).await.unwrap(), 1);
    let patch = Patch::new().set("seen", true);
    assert_eq!(notes.patch_by(&english, &patch).await.unwrap(), 1);
    let page = ScrollRequest {
        after: None,
        limit: 2,
    };
    let page = notes.scroll(page).await.unwrap();
    assert_eq!((page.documents.len(), page.next), (2, Some(DocId::U64(2))));

    assert!(notes.delete(1).await.unwrap());
    assert_eq!(notes.delete_batch([1, 2]).await.unwrap(), 1);
    assert_eq!(notes.delete_by(&english).await.unwrap(), 1);
    let write = Write::delete(1).if_present();
    assert_eq!(notes.apply([write]).await.unwrap(), [Outcome::NotFound]);
    client.drop_collection("notes").await.unwrap();
    let error = notes.count().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    server.stop().await;
}

#[tokio::test]
async fn searches_and_queries_find() {
    let server = Running::start().await;
    let client = server.client().await;
    let notes = notes(&client).await;
    notes
        .create_payload_index("lang", PayloadIndexKind::Keyword)
        .await
        .unwrap();
    let found = notes.search(&[2.9, 0.0], 2).await.unwrap();
    assert_eq!(ids(&found), ["3", "2"]);
    let english = Filter::eq("lang", "en");
    let request = SearchRequest {
        filter: Some(&english),
        with_vectors: true,
        ..SearchRequest::new(&[0.0, 0.0], 10)
    };
    let found = notes.search_with(request).await.unwrap();
    assert_eq!(ids(&found), ["1", "3"]);
    assert_eq!(found[0].vectors.get(""), Some(&vec![1.0_f32, 0.0].into()));
    assert_eq!(found[0].distance, Some(1.0));

    let request = QueryRequest::new(Query::nearest([3.0, 0.0])).limit(2);
    let first = notes.query(&request).await.unwrap();
    assert_eq!(ids(&first.hits), ["3", "2"]);
    let mut next = request.clone();
    next.cursor = first.next;
    let both = notes.query_batch(&[request.clone(), next]).await.unwrap();
    assert_eq!(ids(&both[1].hits), ["1"]);
    assert!(both[1].next.is_none());

    let by_language = GroupRequest::new(request, "lang");
    let groups = notes.query_groups(&by_language).await.unwrap();
    assert_eq!(groups[0].value, "en");
    assert_eq!(ids(&groups[0].hits), ["3", "1"]);
    let facet = FacetRequest {
        limit: 1,
        ..FacetRequest::new("lang")
    };
    let counts = notes.facet(&facet).await.unwrap();
    assert_eq!(counts[0].value, "en");
    assert_eq!(counts[0].count, 2);
    let matrix = notes.matrix(&MatrixRequest::default()).await.unwrap();
    assert_eq!(matrix.ids.len(), 3);

    let described = notes.describe().await.unwrap();
    assert_eq!(
        (described.documents, described.payload_indexes.len()),
        (3, 1)
    );
    assert_eq!(described.schema["fields"][""]["dim"], 2);
    server.stop().await;
}

#[tokio::test]
async fn a_transaction_is_run_again_after_a_conflict() {
    let server = Running::start().await;
    let client = server.client().await;
    let notes = notes(&client).await;
    let mut runs = 0;
    let seen = client.transact(|txn| {
        runs += 1;
        let (first, notes) = (runs == 1, notes.clone());
        async move {
            let within = txn.collection("notes");
            within.patch(1, Patch::new().set("seen", 1)).await?;
            if first {
                // Somebody else is faster.
                notes.patch(1, Patch::new().set("seen", 7)).await?;
            }
            within.get(1).await
        }
    });
    let seen = seen.await.unwrap().unwrap();
    assert_eq!(seen.payload.unwrap()["seen"], 1);
    assert_eq!(runs, 2);

    let begun = client.begin_with(Isolation::Serializable).await.unwrap();
    begun.collection("notes").delete(1).await.unwrap();
    assert_eq!(begun.collection("notes").count().await.unwrap(), 2);
    begun.clone().roll_back().await.unwrap();
    assert_eq!(notes.count().await.unwrap(), 3);
    let ended = begun.commit().await.unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::NotFound, "{ended}");
    server.stop().await;
}

#[tokio::test]
async fn a_snapshot_stays_as_it_is() {
    let server = Running::start().await;
    let client = server.client().await;
    let notes = notes(&client).await;
    let before = client.snapshot().await.unwrap();
    notes.delete(1).await.unwrap();
    assert_eq!(before.collection("notes").count().await.unwrap(), 3);
    assert_eq!(notes.count().await.unwrap(), 2);
    let past = client.collection_as_of("notes", before.seq());
    assert_eq!(past.count().await.unwrap(), 3);
    let refused = past.delete(2).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
    before.release().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn collections_stream_in_and_out() {
    let server = Running::start().await;
    let client = server.client().await;
    let notes = notes(&client).await;
    let mut import = notes.importer();
    for id in 0..2_500_u64 {
        let document = Document::new([id as f32, 1.0], id);
        import.send(document).await.unwrap();
    }
    let written = import.finish().await.unwrap();
    assert_eq!((written.inserted, written.replaced), (2_497, 3));

    let export = notes.export_lines().await.unwrap();
    let pieces = export.map(|piece| piece.unwrap());
    let copied = client.import_lines("copy", pieces).await.unwrap();
    assert_eq!(copied.inserted, 2_500);
    let copy = client.collection("copy");
    assert_eq!(copy.get(7).await.unwrap(), notes.get(7).await.unwrap());

    let mut import = client.importer("nowhere");
    let sent = import.send(Document::new([1.0], 1)).await;
    let error = match sent {
        Ok(()) => import.finish().await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    server.stop().await;
}
