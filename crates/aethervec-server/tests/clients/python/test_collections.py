"""Collections, aliases, payload indexes, and what is said of the server."""

import os
import urllib.request

import pytest
from conftest import all_of, is_
from qdrant_client import models


def test_a_collection_begins_changes_and_ends(empty):
    params = models.VectorParams(size=4, distance=models.Distance.COSINE)
    assert empty.create_collection("a", vectors_config=params, hnsw_config=models.HnswConfigDiff(m=24, ef_construct=100))
    assert empty.collection_exists("a") and not empty.collection_exists("b")
    assert [it.name for it in empty.get_collections().collections] == ["a"]
    with pytest.raises(Exception, match="already exists!"):
        empty.create_collection("a", vectors_config=params)
    assert empty.update_collection("a", optimizers_config=models.OptimizersConfigDiff(indexing_threshold=0))
    assert empty.update_collection("a", metadata={"more": 2})
    info = empty.get_collection("a")
    assert info.status == models.CollectionStatus.GREEN
    assert (info.config.params.vectors.size, info.config.hnsw_config.m, info.points_count) == (4, 24, 0)
    assert info.config.optimizer_config.indexing_threshold == 0
    assert info.config.metadata == {"more": 2}
    assert empty.delete_collection("a") and not empty.collection_exists("a")


def test_metadata_and_vectors_are_shown_as_they_were_declared(notes, hybrid):
    params = hybrid.get_collection("hybrid").config.params
    assert params.vectors["image"].distance == models.Distance.EUCLID
    assert params.vectors["text"].datatype == models.Datatype.FLOAT16
    assert list(params.sparse_vectors) == ["words"]


def test_vectors_are_added_and_removed(hybrid):
    hybrid.create_vector_name("hybrid", "more", models.DenseVectorNameConfig(dense=models.DenseVectorConfig(size=2, distance=models.Distance.DOT)))
    hybrid.create_vector_name("hybrid", "rare", models.SparseVectorNameConfig(sparse=models.SparseVectorConfig(modifier=models.Modifier.IDF)))
    params = hybrid.get_collection("hybrid").config.params
    assert params.vectors["more"].size == 2
    assert params.sparse_vectors["rare"].modifier == models.Modifier.IDF
    hybrid.delete_vector_name("hybrid", "more")
    assert "more" not in hybrid.get_collection("hybrid").config.params.vectors


def test_aliases(notes):
    def change(operation):
        assert notes.update_collection_aliases([operation])

    change(models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name="notes", alias_name="now")))
    assert notes.count("now").count == 21
    assert notes.get_collection_aliases("notes").aliases[0].alias_name == "now"
    change(models.RenameAliasOperation(rename_alias=models.RenameAlias(old_alias_name="now", new_alias_name="then")))
    assert notes.get_aliases().aliases[0].alias_name == "then"
    change(models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name="then")))
    assert not notes.get_aliases().aliases


def test_payload_indexes(notes):
    def index(field, schema):
        notes.create_payload_index("notes", field, schema, wait=True)

    index("city", models.KeywordIndexParams(type="keyword", is_tenant=False))
    index("n", models.PayloadSchemaType.INTEGER)
    index("day", models.PayloadSchemaType.DATETIME)
    index("place", models.PayloadSchemaType.GEO)
    index("text", models.TextIndexParams(type="text", tokenizer=models.TokenizerType.WORD, lowercase=True))
    schema = notes.get_collection("notes").payload_schema
    assert {key: it.data_type.value for key, it in schema.items()} == {
        "city": "keyword",
        "n": "integer",
        "day": "datetime",
        "place": "geo",
        "text": "text",
    }
    assert schema["city"].points == 20
    assert notes.count("notes", count_filter=all_of(is_("city", "Paris"))).count == 6
    notes.delete_payload_index("notes", "city")
    assert "city" not in notes.get_collection("notes").payload_schema


def test_a_cluster_of_one(notes):
    shards = notes.http.distributed_api.collection_cluster_info("notes").result
    assert (shards.shard_count, shards.local_shards[0].points_count, shards.remote_shards) == (1, 21, [])
    assert notes.http.distributed_api.cluster_status().result.status == "disabled"
    assert notes.http.service_api.telemetry().result.collections.number_of_collections == 1
    assert notes.http.beta_api.get_issues() is not None
    assert notes.http.collections_api.get_optimizations("notes").result.running == []
    with pytest.raises(Exception, match="not supported"):
        notes.create_shard_key("notes", "a")


def test_who_answers(client):
    assert client.info().version.startswith("1.19.")
    for path in ("healthz", "livez", "readyz"):
        with urllib.request.urlopen(f"http://127.0.0.1:{os.environ['REST_PORT']}/{path}") as answer:
            assert answer.status == 200
