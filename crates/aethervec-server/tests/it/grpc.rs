//! The native gRPC API, by the generated client.

use crate::common::Running;
use aethervec_server::proto::vector_database_client::VectorDatabaseClient;
use aethervec_server::proto::*;
use tonic::Code;
use tonic::transport::Channel;

type Client = VectorDatabaseClient<Channel>;

async fn client(server: &Running) -> Client {
    let address = server.addresses.grpc.unwrap();
    VectorDatabaseClient::connect(format!("http://{address}"))
        .await
        .unwrap()
}

fn number(number: u64) -> Id {
    Id {
        kind: Some(id::Kind::Number(number)),
    }
}

fn dense(components: &[f32]) -> Vector {
    let dense = DenseVector {
        components: components.to_vec(),
    };
    Vector {
        kind: Some(vector::Kind::Dense(dense)),
    }
}

fn document(id: u64, payload: &str) -> Document {
    Document {
        id: Some(number(id)),
        vectors: [(String::new(), dense(&[id as f32, 0.0]))].into(),
        payload: Some(payload.to_owned()),
        expires_at: None,
    }
}

/// A collection `notes` with the documents 1 to 3.
async fn notes(client: &mut Client) {
    let create = CreateCollectionRequest {
        collection: "notes".into(),
        schema: r#"{"dim": 2, "metric": "l2"}"#.into(),
    };
    client.create_collection(create).await.unwrap();
    let documents = [(1, "en"), (2, "de"), (3, "en")];
    let documents = documents.map(|(id, lang)| document(id, &format!(r#"{{"lang": "{lang}"}}"#)));
    let upsert = UpsertRequest {
        collection: "notes".into(),
        documents: documents.to_vec(),
        at: None,
    };
    assert_eq!(
        client.upsert(upsert).await.unwrap().into_inner().inserted,
        3
    );
}

fn search(vector: &[f32]) -> SearchRequest {
    SearchRequest {
        collection: "notes".into(),
        vector: Some(dense(vector)),
        ..SearchRequest::default()
    }
}

fn numbers(hits: &[Hit]) -> Vec<u64> {
    let number = |hit: &Hit| match hit.id.as_ref().unwrap().kind {
        Some(id::Kind::Number(number)) => number,
        _ => panic!("{hit:?}"),
    };
    hits.iter().map(number).collect()
}

#[tokio::test]
async fn documents_and_queries() {
    let server = Running::start().await;
    let mut client = client(&server).await;
    notes(&mut client).await;
    let request = SearchRequest {
        filter: Some("lang = \"en\"".into()),
        with_vectors: true,
        ..search(&[1.9, 0.0])
    };
    let found = client.search(request).await.unwrap().into_inner();
    assert_eq!(numbers(&found.hits), [1, 3]);
    assert_eq!(found.hits[0].vectors[""], dense(&[1.0, 0.0]));
    assert_eq!(found.hits[0].payload.as_deref(), Some(r#"{"lang":"en"}"#));

    let query = QueryRequest {
        collection: "notes".into(),
        query: r#"{"query": {"nearest": {"id": 2}}, "limit": 1, "with_payload": false}"#.into(),
        at: None,
    };
    let found = client.query(query).await.unwrap().into_inner();
    assert!(found.hits.len() == 1 && !found.next.is_empty(), "{found:?}");
    let facet = AskRequest {
        collection: "notes".into(),
        at: None,
        question: Some(ask_request::Question::Facet(
            r#"{"path": "lang", "limit": 1}"#.into(),
        )),
    };
    let answer = client.ask(facet).await.unwrap().into_inner().answer;
    assert_eq!(answer, r#"{"values":[{"value":"en","count":2}]}"#);

    let apply = ApplyRequest {
        collection: "notes".into(),
        writes: vec![r#"{"delete": 1}"#.into(), r#"{"delete": 9}"#.into()],
        at: None,
    };
    assert_eq!(
        client.apply(apply).await.unwrap().into_inner().outcomes,
        ["deleted", "not_found"]
    );
    let get = GetRequest {
        collection: "notes".into(),
        ids: vec![number(1), number(2)],
        at: None,
    };
    let found = client.get(get).await.unwrap().into_inner().found;
    assert_eq!(found[0].document, None);
    assert_eq!(found[1].document, Some(document(2, r#"{"lang":"de"}"#)));
    let count = CountRequest {
        collection: "notes".into(),
        ..CountRequest::default()
    };
    assert_eq!(client.count(count).await.unwrap().into_inner().count, 2);
    server.stop().await;
}

#[tokio::test]
async fn transactions_and_snapshots() {
    let server = Running::start().await;
    let mut client = client(&server).await;
    notes(&mut client).await;
    let held = client
        .snapshot(SnapshotRequest {})
        .await
        .unwrap()
        .into_inner();
    let begun = client
        .begin(BeginRequest::default())
        .await
        .unwrap()
        .into_inner();
    let within = At {
        moment: Some(at::Moment::Transaction(begun.id.clone())),
    };
    let upsert = UpsertRequest {
        collection: "notes".into(),
        documents: vec![document(9, "{}")],
        at: Some(within.clone()),
    };
    client.upsert(upsert).await.unwrap();
    let request = SearchRequest {
        at: Some(within),
        ..search(&[9.0, 0.0])
    };
    let found = client.search(request).await.unwrap().into_inner();
    assert_eq!(numbers(&found.hits)[0], 9);
    let transaction = TransactionRequest { id: begun.id };
    assert!(
        client
            .commit(transaction.clone())
            .await
            .unwrap()
            .into_inner()
            .seq
            > held.seq
    );
    let again = client.commit(transaction).await.unwrap_err();
    assert_eq!(again.code(), Code::NotFound);
    let past = SearchRequest {
        at: Some(At {
            moment: Some(at::Moment::Snapshot(held.id.clone())),
        }),
        ..search(&[9.0, 0.0])
    };
    let found = client.search(past).await.unwrap().into_inner();
    assert_eq!(numbers(&found.hits), [3, 2, 1]);
    client
        .release(ReleaseRequest { id: held.id })
        .await
        .unwrap();
    server.stop().await;
}

#[tokio::test]
async fn streams_go_both_ways() {
    let server = Running::start().await;
    let mut client = client(&server).await;
    notes(&mut client).await;
    let batches = (0..10).map(|batch| UpsertRequest {
        collection: "notes".into(),
        documents: (0..10)
            .map(|n| document(100 + 10 * batch + n, "{}"))
            .collect(),
        at: None,
    });
    let batches: Vec<_> = batches.collect();
    let upserted = client
        .upsert_stream(tokio_stream::iter(batches))
        .await
        .unwrap();
    assert_eq!(upserted.into_inner().inserted, 100);

    let export = ExportRequest {
        collection: "notes".into(),
        at: None,
    };
    let mut pieces = client.export(export).await.unwrap().into_inner();
    let mut lines = Vec::new();
    while let Some(piece) = pieces.message().await.unwrap() {
        lines.extend_from_slice(&piece.chunk);
    }
    let pieces = lines.chunks(97).map(|chunk| ImportRequest {
        collection: "copy".into(),
        chunk: chunk.to_vec().into(),
    });
    let pieces: Vec<_> = pieces.collect();
    let imported = client.import(tokio_stream::iter(pieces)).await.unwrap();
    assert_eq!(imported.into_inner().inserted, 103);
    server.stop().await;
}

#[tokio::test]
async fn the_short_forms_and_the_health() {
    let server = Running::start().await;
    let mut client = client(&server).await;
    assert_eq!(
        client
            .health(HealthRequest {})
            .await
            .unwrap()
            .into_inner()
            .status,
        "ok"
    );
    let put = PutRequest {
        id: Some(number(1)),
        vector: vec![1.0, 0.0],
        ..PutRequest::default()
    };
    assert_eq!(client.put(put).await.unwrap().into_inner().count, 1);
    let request = SearchRequest {
        collection: String::new(),
        ..search(&[1.0, 1.0])
    };
    let found = client.search(request).await.unwrap().into_inner();
    assert_eq!(numbers(&found.hits), [1]);
    let trained = client
        .train(TrainRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(trained.indexed + trained.scanned, 1);
    server.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let server = Running::start().await;
    let mut client = client(&server).await;
    notes(&mut client).await;
    let missing = client.search(SearchRequest::default()).await.unwrap_err();
    assert!(missing.code() == Code::InvalidArgument, "{missing:?}");
    let short = client.search(search(&[1.0])).await.unwrap_err();
    assert!(
        short.code() == Code::InvalidArgument && short.message().contains("dim"),
        "{short:?}"
    );
    let nowhere = SearchRequest {
        collection: "nowhere".into(),
        ..search(&[1.0])
    };
    assert_eq!(
        client.search(nowhere).await.unwrap_err().code(),
        Code::NotFound
    );
    let mut late = tonic::Request::new(search(&[1.0, 2.0]));
    late.metadata_mut()
        .insert("grpc-timeout", "0n".parse().unwrap());
    // Whoever notices first: the client calls the call off.
    let late = client.search(late).await.unwrap_err().code();
    assert!(
        matches!(late, Code::DeadlineExceeded | Code::Cancelled),
        "{late:?}"
    );
    let mut elsewhere = tonic::Request::new(search(&[1.0, 2.0]));
    elsewhere
        .metadata_mut()
        .insert("aethervec-tenant", "nobody".parse().unwrap());
    assert_eq!(
        client.search(elsewhere).await.unwrap_err().code(),
        Code::NotFound
    );
    server.stop().await;
}

#[tokio::test]
async fn the_health_service_is_there() {
    use tonic_health::pb::health_client::HealthClient;
    use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
    let server = Running::start().await;
    let address = server.addresses.grpc.unwrap();
    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    let mut client = HealthClient::new(channel.connect().await.unwrap());
    let health = client.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(health.into_inner().status(), ServingStatus::Serving);
    server.stop().await;
}
