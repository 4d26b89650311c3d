"""A client of each protocol, and collections to try it on. A warning of the client is an error: it means that something is odd."""

import os
import warnings

import pytest
from qdrant_client import QdrantClient, models

warnings.simplefilter("error")

# A point whose id is no number.
ODD = "67e55044-10b1-426f-9247-bb680e5fe0c8"

CITIES = ["Berlin", "London", "Paris"]


@pytest.fixture(scope="session", params=["rest", "grpc"])
def client(request):
    client = QdrantClient(
        host="127.0.0.1",
        port=int(os.environ["REST_PORT"]),
        grpc_port=int(os.environ["GRPC_PORT"]),
        prefer_grpc=request.param == "grpc",
        timeout=30,
    )
    yield client
    client.close()


@pytest.fixture
def empty(client):
    """A client of a server without collections."""
    for collection in client.get_collections().collections:
        client.delete_collection(collection.name)
    return client


@pytest.fixture
def notes(empty):
    """A client of a server with the collection `notes`: 20 points with payloads, and ODD without one."""
    empty.create_collection(
        "notes",
        vectors_config=models.VectorParams(size=4, distance=models.Distance.COSINE),
        metadata={"kept": 1},
    )
    points = [
        models.PointStruct(
            id=i,
            vector=[i + 1, 1, 0, 0],
            payload={
                "city": CITIES[i % 3],
                "n": i,
                "tags": ["x", "y"][: i % 3],
                "place": {"lat": 52.5 + i, "lon": 13.4},
                "day": f"2024-01-{i + 1:02d}T00:00:00Z",
                "nested": [{"k": i}, {"k": i + 1}],
                "text": "the red house",
            },
        )
        for i in range(20)
    ]
    points.append(models.PointStruct(id=ODD, vector=[0, 0, 1, 0]))
    done = empty.upsert("notes", points, wait=True)
    assert done.status == models.UpdateStatus.COMPLETED
    return empty


@pytest.fixture
def hybrid(empty):
    """A client of a server with the collection `hybrid`: ten points with two dense vectors and a sparse one."""
    empty.create_collection(
        "hybrid",
        vectors_config={
            "image": models.VectorParams(size=2, distance=models.Distance.EUCLID),
            "text": models.VectorParams(size=3, distance=models.Distance.DOT, datatype=models.Datatype.FLOAT16),
        },
        sparse_vectors_config={"words": models.SparseVectorParams()},
    )
    empty.upsert(
        "hybrid",
        [
            models.PointStruct(
                id=i,
                vector={
                    "image": [i, 0.0],
                    "text": [1.0, i, 0],
                    "words": models.SparseVector(indices=[i, i + 1], values=[1.0, 2.0]),
                },
                payload={"pair": i // 2},
            )
            for i in range(10)
        ],
    )
    return empty


def is_(key, value):
    """The condition that a field is a value."""
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def all_of(*conditions):
    """The filter for points that satisfy all conditions."""
    return models.Filter(must=list(conditions))
