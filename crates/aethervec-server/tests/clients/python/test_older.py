"""The eight requests that older clients make, which this client has no methods for any more."""

import json
import os
import urllib.request

EAST = [1.0, 0.0, 0.0, 0.0]


def ask(route, body):
    """The ids of what is found, by whatever it is grouped."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{os.environ['REST_PORT']}/collections/notes/points/{route}",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        result = json.load(answer)["result"]
    if route.endswith("/groups"):
        return [[it["id"] for it in group["hits"]] for group in result["groups"]]
    if route.endswith("/batch"):
        return [[it["id"] for it in found] for found in result]
    return [it["id"] for it in result]


def test_search(notes):
    wanted = {"vector": EAST, "limit": 2, "with_payload": True, "params": {"hnsw_ef": 64}}
    assert ask("search", wanted) == [19, 18]
    assert ask("search/batch", {"searches": [wanted, wanted]}) == [[19, 18], [19, 18]]
    assert ask("search/groups", {**wanted, "group_by": "city", "group_size": 1}) == [[19], [18]]


def test_recommend(notes):
    wanted = {"positive": [18], "negative": [], "limit": 2}
    assert ask("recommend", wanted) == [19, 17]
    assert ask("recommend/batch", {"searches": [wanted]}) == [[19, 17]]
    assert ask("recommend/groups", {**wanted, "group_by": "city", "group_size": 1}) == [[19], [17]]


def test_discover(notes):
    wanted = {"target": 18, "context": [{"positive": 17, "negative": 0}], "limit": 1}
    assert ask("discover", wanted) == [19]
    assert ask("discover/batch", {"searches": [wanted]}) == [[19]]
