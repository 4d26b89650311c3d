//! The Qdrant-compatible API over gRPC, with the messages of its own client.

use crate::common::Running;
use qdrant_client::qdrant as proto;
use qdrant_client::qdrant::collections_client::CollectionsClient;
use qdrant_client::qdrant::points_client::PointsClient;
use qdrant_client::qdrant::qdrant_client::QdrantClient;
use std::collections::HashMap;
use tonic::Code;
use tonic::transport::Channel;

struct Clients {
    server: Running,
    collections: CollectionsClient<Channel>,
    points: PointsClient<Channel>,
}

fn id(number: u64) -> proto::PointId {
    number.into()
}

/// A collection of cities, each with a dense and a sparse vector.
async fn cities() -> Clients {
    let server = Running::start().await;
    let address = format!("http://{}", server.addresses.qdrant_grpc.unwrap());
    let mut clients = Clients {
        collections: CollectionsClient::connect(address.clone()).await.unwrap(),
        points: PointsClient::connect(address).await.unwrap(),
        server,
    };
    let dense = proto::VectorParams {
        size: 2,
        distance: proto::Distance::Dot.into(),
        ..proto::VectorParams::default()
    };
    let config = proto::vectors_config::Config::ParamsMap(proto::VectorParamsMap {
        map: HashMap::from([("image".to_owned(), dense)]),
    });
    let created = clients.collections.create(proto::CreateCollection {
        collection_name: "cities".to_owned(),
        vectors_config: Some(proto::VectorsConfig {
            config: Some(config),
        }),
        sparse_vectors_config: Some(proto::SparseVectorConfig {
            map: HashMap::from([("words".to_owned(), proto::SparseVectorParams::default())]),
        }),
        hnsw_config: Some(proto::HnswConfigDiff {
            m: Some(12),
            ..proto::HnswConfigDiff::default()
        }),
        ..proto::CreateCollection::default()
    });
    assert!(created.await.unwrap().into_inner().result);
    let upserted = clients.points.upsert(proto::UpsertPoints {
        collection_name: "cities".to_owned(),
        wait: Some(true),
        points: (0..10).map(city).collect(),
        ..proto::UpsertPoints::default()
    });
    let result = upserted.await.unwrap().into_inner().result.unwrap();
    assert_eq!(result.status(), proto::UpdateStatus::Completed);
    clients
}

fn city(number: u16) -> proto::PointStruct {
    use proto::vector::Vector::{Dense, Sparse};
    let vector = |vector| proto::Vector {
        vector: Some(vector),
        ..proto::Vector::default()
    };
    let vectors = HashMap::from([
        (
            "image".to_owned(),
            vector(Dense(proto::DenseVector {
                data: vec![f32::from(number), 1.0],
            })),
        ),
        (
            "words".to_owned(),
            vector(Sparse(proto::SparseVector {
                values: vec![1.0, 0.5],
                indices: vec![u32::from(number), 99],
            })),
        ),
    ]);
    let options = proto::vectors::VectorsOptions::Vectors(proto::NamedVectors { vectors });
    proto::PointStruct {
        id: Some(id(number.into())),
        payload: HashMap::from([
            ("n".to_owned(), i64::from(number).into()),
            (
                "city".to_owned(),
                ["Berlin", "London"][usize::from(number % 2)].into(),
            ),
        ]),
        vectors: Some(proto::Vectors {
            vectors_options: Some(options),
        }),
    }
}

fn nearest(variant: proto::vector_input::Variant) -> Option<proto::Query> {
    let input = proto::VectorInput {
        variant: Some(variant),
    };
    Some(proto::Query {
        variant: Some(proto::query::Variant::Nearest(input)),
    })
}

fn in_city(name: &str) -> Option<proto::Filter> {
    Some(proto::Filter::must([proto::Condition::matches(
        "city",
        name.to_owned(),
    )]))
}

fn ids(points: &[proto::ScoredPoint]) -> Vec<proto::PointId> {
    points.iter().filter_map(|point| point.id.clone()).collect()
}

#[tokio::test]
async fn queries_over_grpc() {
    let mut clients = cities().await;
    let dense = proto::DenseVector {
        data: vec![1.0, 0.0],
    };
    let request = proto::QueryPoints {
        collection_name: "cities".to_owned(),
        query: nearest(proto::vector_input::Variant::Dense(dense)),
        using: Some("image".to_owned()),
        filter: in_city("Berlin"),
        limit: Some(2),
        with_payload: Some(true.into()),
        with_vectors: Some(true.into()),
        ..proto::QueryPoints::default()
    };
    let found = clients.points.query(request.clone()).await.unwrap();
    let found = found.into_inner().result;
    assert_eq!(ids(&found), [id(8), id(6)]);
    assert!((found[0].score - 8.0).abs() < 1e-6);
    assert_eq!(found[0].payload["city"], "Berlin".into());
    let vectors = found[0].vectors.as_ref().unwrap();
    assert!(vectors.get_vector_by_name("words").is_some());

    let sparse = proto::SparseVector {
        values: vec![1.0],
        indices: vec![3],
    };
    let prefetch = |query, using: &str| proto::PrefetchQuery {
        query,
        using: Some(using.to_owned()),
        limit: Some(3),
        ..proto::PrefetchQuery::default()
    };
    let fused = proto::QueryPoints {
        prefetch: vec![
            prefetch(request.query, "image"),
            prefetch(
                nearest(proto::vector_input::Variant::Sparse(sparse)),
                "words",
            ),
        ],
        query: Some(proto::Query {
            variant: Some(proto::query::Variant::Fusion(proto::Fusion::Rrf.into())),
        }),
        collection_name: "cities".to_owned(),
        ..proto::QueryPoints::default()
    };
    let found = clients.points.query(fused).await.unwrap().into_inner();
    assert_eq!(ids(&found.result)[..2], [id(3), id(9)]);
    clients.server.stop().await;
}

#[tokio::test]
async fn changes_and_pages_over_grpc() {
    use proto::points_update_operation::{DeletePoints, Operation, SetPayload};
    let mut clients = cities().await;
    let chosen = |ids: &[u64]| proto::PointsSelector {
        points_selector_one_of: Some(proto::points_selector::PointsSelectorOneOf::Points(
            proto::PointsIdsList {
                ids: ids.iter().map(|number| id(*number)).collect(),
            },
        )),
    };
    let operation = |operation| proto::PointsUpdateOperation {
        operation: Some(operation),
    };
    let batch = clients.points.update_batch(proto::UpdateBatchPoints {
        collection_name: "cities".to_owned(),
        operations: vec![
            operation(Operation::SetPayload(SetPayload {
                payload: HashMap::from([("seen".to_owned(), true.into())]),
                points_selector: Some(chosen(&[1, 2])),
                ..SetPayload::default()
            })),
            operation(Operation::DeletePoints(DeletePoints {
                points: Some(chosen(&[2, 3])),
                ..DeletePoints::default()
            })),
        ],
        ..proto::UpdateBatchPoints::default()
    });
    let results = batch.await.unwrap().into_inner().result;
    assert_eq!(results[1].status(), proto::UpdateStatus::Acknowledged);
    let scroll = |offset| proto::ScrollPoints {
        collection_name: "cities".to_owned(),
        offset,
        limit: Some(2),
        ..proto::ScrollPoints::default()
    };
    let page = clients.points.scroll(scroll(None)).await.unwrap();
    let page = page.into_inner();
    assert_eq!(page.next_page_offset, Some(id(4)));
    assert_eq!(page.result[1].payload["seen"], true.into());
    let page = clients.points.scroll(scroll(page.next_page_offset)).await;
    assert_eq!(page.unwrap().into_inner().result[0].id, Some(id(4)));
    let count = clients.points.count(proto::CountPoints {
        collection_name: "cities".to_owned(),
        filter: in_city("London"),
        ..proto::CountPoints::default()
    });
    let counted = count.await.unwrap().into_inner().result.unwrap();
    assert_eq!(counted.count, 4);
    clients.server.stop().await;
}

#[tokio::test]
async fn collections_and_failures_over_grpc() {
    let mut clients = cities().await;
    let address = format!("http://{}", clients.server.addresses.qdrant_grpc.unwrap());
    let mut health = QdrantClient::connect(address).await.unwrap();
    let reply = health.health_check(proto::HealthCheckRequest {}).await;
    assert_eq!(reply.unwrap().into_inner().version, "1.19.0");

    let index = clients
        .points
        .create_field_index(proto::CreateFieldIndexCollection {
            collection_name: "cities".to_owned(),
            field_name: "city".to_owned(),
            field_type: Some(proto::FieldType::Keyword.into()),
            wait: Some(true),
            ..proto::CreateFieldIndexCollection::default()
        });
    index.await.unwrap();
    let named = |name: &str| proto::GetCollectionInfoRequest {
        collection_name: name.to_owned(),
    };
    let info = clients.collections.get(named("cities")).await.unwrap();
    let info = info.into_inner().result.unwrap();
    assert_eq!(info.points_count, Some(10));
    assert_eq!(info.payload_schema["city"].points, Some(10));
    let config = info.config.unwrap();
    assert_eq!(config.hnsw_config.unwrap().m, Some(12));
    let params = config.params.unwrap();
    assert!(
        params
            .sparse_vectors_config
            .unwrap()
            .map
            .contains_key("words")
    );

    let missing = clients.collections.get(named("none")).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    assert_eq!(
        missing.message(),
        "Not found: Collection `none` doesn't exist!"
    );
    let again = clients.collections.create(proto::CreateCollection {
        collection_name: "cities".to_owned(),
        ..proto::CreateCollection::default()
    });
    assert_eq!(again.await.unwrap_err().code(), Code::AlreadyExists);
    clients.server.stop().await;
}
