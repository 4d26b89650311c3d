//! The client for Rust, with everything that its documentation shows.

use crate::common::Running;
use qdrant_client::qdrant::points_update_operation::{DeletePoints, Operation, PointStructList};
use qdrant_client::qdrant::target_vector::Target;
use qdrant_client::qdrant::vector_example::Example;
use qdrant_client::qdrant::{
    ClearPayloadPointsBuilder, Condition, ContextExamplePair, ContextExamplePairBuilder,
    CountPointsBuilder, CreateAliasBuilder, CreateCollectionBuilder,
    CreateFieldIndexCollectionBuilder, CreateVectorNameRequestBuilder, DeleteAlias,
    DeleteFieldIndexCollectionBuilder, DeletePayloadPointsBuilder, DeletePointVectorsBuilder,
    DeletePointsBuilder, DeleteVectorNameRequestBuilder, DiscoverBatchPointsBuilder,
    DiscoverPointsBuilder, Distance, FacetCountsBuilder, FieldType, Filter, Fusion,
    GetPointsBuilder, Modifier, OptimizersConfigDiffBuilder, PointId, PointStruct, PointVectors,
    PointsIdsList, PointsUpdateOperation, PrefetchQueryBuilder, Query, QueryBatchPointsBuilder,
    QueryPointGroupsBuilder, QueryPointsBuilder, RecommendBatchPointsBuilder,
    RecommendInputBuilder, RecommendPointGroupsBuilder, RecommendPointsBuilder, RenameAliasBuilder,
    ScalarQuantizationBuilder, ScoredPoint, ScrollPointsBuilder, SearchBatchPointsBuilder,
    SearchMatrixPointsBuilder, SearchParamsBuilder, SearchPointGroupsBuilder, SearchPointsBuilder,
    SetPayloadPointsBuilder, SparseVectorCreationConfigBuilder, SparseVectorParamsBuilder,
    SparseVectorsConfigBuilder, UpdateBatchPointsBuilder, UpdateCollectionBuilder, UpdateMode,
    UpdatePointVectorsBuilder, UpsertPointsBuilder, Value, Vector, VectorExample,
    VectorParamsBuilder, VectorsConfigBuilder, VectorsSelector,
};
use qdrant_client::{Payload, Qdrant};
use std::collections::HashMap;

/// A server, and a client of it.
async fn connect() -> (Running, Qdrant) {
    let server = Running::start().await;
    let address = format!("http://{}", server.addresses.qdrant_grpc.unwrap());
    (server, Qdrant::from_url(&address).build().unwrap())
}

/// A collection `notes` of ten points in two vectors.
async fn notes() -> (Running, Qdrant) {
    let (server, client) = connect().await;
    let mut vectors = VectorsConfigBuilder::default();
    vectors.add_named_vector_params("dense", VectorParamsBuilder::new(2, Distance::Cosine));
    let mut sparse = SparseVectorsConfigBuilder::default();
    sparse.add_named_vector_params(
        "words",
        SparseVectorParamsBuilder::default().modifier(Modifier::Idf),
    );
    let collection = CreateCollectionBuilder::new("notes")
        .vectors_config(vectors)
        .sparse_vectors_config(sparse);
    assert!(client.create_collection(collection).await.unwrap().result);
    let points: Vec<PointStruct> = (0..10).map(note).collect();
    let upsert = UpsertPointsBuilder::new("notes", points).wait(true);
    client.upsert_points(upsert).await.unwrap();
    (server, client)
}

fn note(number: u16) -> PointStruct {
    let dense = Vector::new_dense(vec![f32::from(number), 1.0]);
    let words = [(u32::from(number % 2), 1.0), (7, 0.5)];
    let (indices, values): (Vec<u32>, Vec<f32>) = words.into_iter().unzip();
    let words = Vector::new_sparse(indices, values);
    let vectors = HashMap::from([("dense".to_owned(), dense), ("words".to_owned(), words)]);
    let payload = Payload::from(HashMap::from([
        ("n", Value::from(i64::from(number))),
        ("city", ["Berlin", "London"][usize::from(number % 2)].into()),
    ]));
    PointStruct::new(u64::from(number), vectors, payload)
}

fn london() -> Filter {
    Filter::must([Condition::matches("city", "London".to_owned())])
}

fn these(ids: &[u64]) -> PointsIdsList {
    PointsIdsList {
        ids: ids.iter().copied().map(PointId::from).collect(),
    }
}

fn ids(points: &[ScoredPoint]) -> Vec<PointId> {
    points.iter().filter_map(|point| point.id.clone()).collect()
}

fn numbers(ids: impl IntoIterator<Item = u64>) -> Vec<PointId> {
    ids.into_iter().map(PointId::from).collect()
}

#[tokio::test]
async fn the_first_steps() {
    let (server, client) = connect().await;
    assert!(
        client
            .health_check()
            .await
            .unwrap()
            .version
            .starts_with("1.19.")
    );
    assert!(
        client
            .list_collections()
            .await
            .unwrap()
            .collections
            .is_empty()
    );
    client.delete_collection("test").await.unwrap();
    let collection = CreateCollectionBuilder::new("test")
        .vectors_config(VectorParamsBuilder::new(10, Distance::Cosine))
        .quantization_config(ScalarQuantizationBuilder::default());
    client.create_collection(collection).await.unwrap();
    let info = client
        .collection_info("test")
        .await
        .unwrap()
        .result
        .unwrap();
    assert!(info.config.unwrap().quantization_config.is_some());
    let payload = Payload::from(HashMap::from([
        ("foo", Value::from("Bar")),
        ("bar", 12.into()),
    ]));
    let points = vec![PointStruct::new(0, vec![12.0; 10], payload)];
    client
        .upsert_points(UpsertPointsBuilder::new("test", points))
        .await
        .unwrap();
    let query = QueryPointsBuilder::new("test")
        .query(vec![11.0; 10])
        .limit(10)
        .filter(Filter::all([Condition::matches("bar", 12)]))
        .with_payload(true)
        .params(SearchParamsBuilder::default().exact(true));
    let found = client.query(query).await.unwrap().result;
    assert!((found[0].score - 1.0).abs() < 1e-6);
    assert_eq!(found[0].payload["foo"], "Bar".into());
    server.stop().await;
}

#[tokio::test]
async fn collections_aliases_and_indexes() {
    let (server, client) = notes().await;
    assert!(client.collection_exists("notes").await.unwrap());
    let optimizers = OptimizersConfigDiffBuilder::default().indexing_threshold(10_000);
    let update = UpdateCollectionBuilder::new("notes").optimizers_config(optimizers);
    assert!(client.update_collection(update).await.unwrap().result);
    let words = SparseVectorCreationConfigBuilder::new().modifier(Modifier::Idf);
    let vector = CreateVectorNameRequestBuilder::new("notes", "more", words).wait(true);
    client.create_vector_name(vector).await.unwrap();
    client
        .delete_vector_name(DeleteVectorNameRequestBuilder::new("notes", "more"))
        .await
        .unwrap();

    client
        .create_alias(CreateAliasBuilder::new("notes", "now"))
        .await
        .unwrap();
    client
        .rename_alias(RenameAliasBuilder::new("now", "then"))
        .await
        .unwrap();
    let aliases = client.list_collection_aliases("notes").await.unwrap();
    assert_eq!(
        aliases.aliases,
        client.list_aliases().await.unwrap().aliases
    );
    let alias_name = "then".to_owned();
    client
        .delete_alias(DeleteAlias { alias_name })
        .await
        .unwrap();

    let index = CreateFieldIndexCollectionBuilder::new("notes", "city", FieldType::Keyword);
    client.create_field_index(index.wait(true)).await.unwrap();
    let facet = FacetCountsBuilder::new("notes", "city").limit(10);
    let facets = client.facet(facet.filter(london())).await.unwrap().hits;
    assert_eq!((facets.len(), facets[0].count), (1, 5));
    client
        .delete_field_index(DeleteFieldIndexCollectionBuilder::new("notes", "city"))
        .await
        .unwrap();
    let shards = client.collection_cluster_info("notes").await.unwrap();
    assert_eq!((shards.shard_count, shards.local_shards.len()), (1, 1));
    server.stop().await;
}

#[tokio::test]
async fn points_change() {
    let (server, client) = notes().await;
    let color = || Payload::from(HashMap::from([("color", Value::from("red"))]));
    let chosen = || these(&[0, 3]);
    let set = SetPayloadPointsBuilder::new("notes", color()).points_selector(chosen());
    client.set_payload(set.wait(true)).await.unwrap();
    let overwrite = SetPayloadPointsBuilder::new("notes", color()).points_selector(these(&[4]));
    client
        .overwrite_payload(overwrite.wait(true))
        .await
        .unwrap();
    let delete = DeletePayloadPointsBuilder::new("notes", vec!["n".to_owned()]);
    client
        .delete_payload(delete.points_selector(chosen()).wait(true))
        .await
        .unwrap();
    let clear = ClearPayloadPointsBuilder::new("notes").points(these(&[3]));
    client.clear_payload(clear.wait(true)).await.unwrap();
    let get = GetPointsBuilder::new("notes", numbers([0, 3, 4])).with_payload(true);
    let found = client
        .get_points(get.with_vectors(true))
        .await
        .unwrap()
        .result;
    let keys = |position: usize| {
        let mut keys: Vec<&str> = found[position].payload.keys().map(String::as_str).collect();
        keys.sort_unstable();
        keys
    };
    assert_eq!(keys(0), ["city", "color"]);
    assert!(keys(1).is_empty());
    assert_eq!(keys(2), ["color"]);

    let vectors = HashMap::from([("dense".to_owned(), vec![0.0, 9.0])]);
    let moved = PointVectors {
        id: Some(0.into()),
        vectors: Some(vectors.into()),
    };
    let update = UpdatePointVectorsBuilder::new("notes", vec![moved]).wait(true);
    client.update_vectors(update).await.unwrap();
    let names = vec!["words".to_owned()];
    let delete = DeletePointVectorsBuilder::new("notes")
        .points_selector(these(&[0]))
        .vectors(VectorsSelector { names });
    client.delete_vectors(delete.wait(true)).await.unwrap();

    let operation = |operation| PointsUpdateOperation {
        operation: Some(operation),
    };
    let batch = vec![
        operation(Operation::Upsert(PointStructList {
            points: vec![note(20)],
            ..PointStructList::default()
        })),
        operation(Operation::DeletePoints(DeletePoints {
            points: Some(numbers([1]).into()),
            ..DeletePoints::default()
        })),
    ];
    let batch = UpdateBatchPointsBuilder::new("notes", batch).wait(true);
    assert_eq!(
        client
            .update_points_batch(batch)
            .await
            .unwrap()
            .result
            .len(),
        2
    );
    let insert = UpsertPointsBuilder::new("notes", vec![note(20), note(21)]).wait(true);
    client
        .upsert_points(insert.update_mode(UpdateMode::InsertOnly))
        .await
        .unwrap();
    let delete = DeletePointsBuilder::new("notes")
        .points(london())
        .wait(true);
    client.delete_points(delete).await.unwrap();
    let count = CountPointsBuilder::new("notes").exact(true);
    let counted = client.count(count).await.unwrap().result.unwrap();
    // Of twelve points, one was deleted by its id, and those in London: 5, 7, 9 and 21; 3 has no city any more.
    assert_eq!(counted.count, 7);
    server.stop().await;
}

#[tokio::test]
async fn queries_of_all_kinds() {
    let (server, client) = notes().await;
    let query = |query: Query| QueryPointsBuilder::new("notes").query(query).limit(3);
    let dense = || Query::from(vec![1.0, 0.0]);
    let near = query(dense()).using("dense").filter(london());
    let found = client.query(near.clone()).await.unwrap().result;
    assert_eq!(ids(&found), numbers([9, 7, 5]));
    let like = RecommendInputBuilder::default().add_positive(PointId::from(9));
    let like = query(Query::new_recommend(like)).using("dense");
    let found = client.query(like).await.unwrap().result;
    assert_eq!(ids(&found), numbers([8, 7, 6]));
    let prefetch = |using: &str, query: Query| {
        let prefetch = PrefetchQueryBuilder::default().query(query).limit(5u64);
        prefetch.using(using)
    };
    let hybrid = query(Query::new_fusion(Fusion::Rrf))
        .add_prefetch(prefetch("dense", dense()))
        .add_prefetch(prefetch("words", Query::from(vec![(1, 1.0)])));
    let found = client.query(hybrid.clone()).await.unwrap().result;
    assert_eq!(found[0].id, Some(9.into()));
    let batch = QueryBatchPointsBuilder::new("notes", vec![near.build(), hybrid.build()]);
    assert_eq!(client.query_batch(batch).await.unwrap().result.len(), 2);
    let groups = QueryPointGroupsBuilder::new("notes", "city")
        .query(dense())
        .using("dense")
        .limit(10u64)
        .group_size(2u64);
    let groups = client.query_groups(groups).await.unwrap().result.unwrap();
    assert_eq!(groups.groups.len(), 2);

    let scroll = ScrollPointsBuilder::new("notes").filter(london()).limit(2);
    let page = client.scroll(scroll).await.unwrap();
    assert_eq!(page.next_page_offset, Some(5.into()));
    let sample = || {
        let matrix = SearchMatrixPointsBuilder::new("notes").using("dense");
        matrix.sample(5).limit(2)
    };
    let pairs = client.search_matrix_pairs(sample()).await.unwrap();
    assert!(!pairs.result.unwrap().pairs.is_empty());
    let offsets = client.search_matrix_offsets(sample()).await.unwrap();
    assert_eq!(offsets.result.unwrap().ids.len(), 5);
    server.stop().await;
}

#[tokio::test]
async fn the_older_requests() {
    let (server, client) = notes().await;
    let search = SearchPointsBuilder::new("notes", vec![1.0, 0.0], 2).vector_name("dense");
    let found = client.search_points(search.clone()).await.unwrap().result;
    assert_eq!(ids(&found), numbers([9, 8]));
    let batch = SearchBatchPointsBuilder::new("notes", vec![search.build()]);
    let found = client.search_batch_points(batch).await.unwrap().result;
    assert_eq!(ids(&found[0].result), numbers([9, 8]));
    let groups = SearchPointGroupsBuilder::new("notes", vec![1.0, 0.0], 2, "city", 1);
    let groups = client
        .search_groups(groups.vector_name("dense"))
        .await
        .unwrap();
    assert_eq!(groups.result.unwrap().groups.len(), 2);

    let recommend = RecommendPointsBuilder::new("notes", 2)
        .add_positive(9)
        .add_negative(0)
        .using("dense");
    let found = client.recommend(recommend.clone()).await.unwrap().result;
    assert_eq!(found.len(), 2);
    let batch = RecommendBatchPointsBuilder::new("notes", vec![recommend.build()]);
    let batch = client.recommend_batch(batch).await.unwrap().result;
    assert_eq!(ids(&batch[0].result), ids(&found));
    let groups = RecommendPointGroupsBuilder::new("notes", "city", 1, 2).add_positive(9);
    let groups = client
        .recommend_groups(groups.using("dense"))
        .await
        .unwrap();
    assert_eq!(groups.result.unwrap().groups.len(), 2);

    let pair: ContextExamplePair = ContextExamplePairBuilder::default()
        .positive(Example::Id(8.into()))
        .negative(Example::Id(0.into()))
        .build();
    let target = Target::Single(VectorExample {
        example: Some(Example::Id(9.into())),
    });
    let discover = DiscoverPointsBuilder::new("notes", vec![pair], 2)
        .target(target)
        .using("dense");
    let found = client.discover(discover.clone()).await.unwrap().result;
    assert_eq!(found.len(), 2);
    let batch = DiscoverBatchPointsBuilder::new("notes", vec![discover.build()]);
    let batch = client.discover_batch(&batch.build()).await.unwrap().result;
    assert_eq!(ids(&batch[0].result), ids(&found));
    server.stop().await;
}
