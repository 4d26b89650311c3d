"""For suites that ask the client for a database in memory: they get the server at QDRANT_URL, without collections in each test."""

import os

import pytest
import qdrant_client

URL = os.environ["QDRANT_URL"]


def redirect(client: type) -> None:
    connect = client.__init__

    def redirected(self, location=None, **options):
        if location == ":memory:":
            location = URL
            for option in ("url", "host", "port", "grpc_port", "https", "path", "prefer_grpc"):
                options.pop(option, None)
        connect(self, location, **options)

    client.__init__ = redirected


redirect(qdrant_client.QdrantClient)
redirect(qdrant_client.AsyncQdrantClient)


@pytest.fixture(autouse=True)
def no_collections():
    client = qdrant_client.QdrantClient(url=URL)
    for collection in client.get_collections().collections:
        client.delete_collection(collection.name)
    yield
