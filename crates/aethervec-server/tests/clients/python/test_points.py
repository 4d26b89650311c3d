"""Points: written, read, changed, counted, removed."""

import numpy
import pytest
from conftest import ODD, all_of, is_
from qdrant_client import models


def payload(client, point):
    return client.retrieve("notes", [point])[0].payload


def test_points_are_read_as_they_were_written(notes):
    found = notes.retrieve("notes", [1, ODD, 999], with_vectors=True)
    assert [it.id for it in found] == [1, ODD]
    # Under this metric vectors are kept with the length 1.
    assert found[0].vector == pytest.approx([2 / 5**0.5, 1 / 5**0.5, 0, 0])
    assert found[1].payload == {}
    only = notes.retrieve("notes", [5], with_payload=["city", "nested[].k"])[0]
    assert set(only.payload) == {"city", "nested"}
    without = notes.retrieve("notes", [5], with_payload=models.PayloadSelectorExclude(exclude=["city"]))[0]
    assert "city" not in without.payload and "n" in without.payload


def test_columns_are_points(notes):
    columns = models.Batch(ids=[100, 101], vectors=[[0, 0, 0, 1], [0, 0, 1, 1]], payloads=[{"b": 1}, {}])
    notes.upsert("notes", columns)
    assert notes.count("notes").count == 23


def test_scrolling_reads_all_once(notes):
    read, offset = [], None
    while True:
        page, offset = notes.scroll("notes", limit=7, offset=offset)
        read += [it.id for it in page]
        if offset is None:
            break
    assert read == [*range(20), ODD]


def test_scrolling_in_the_order_of_a_field(notes):
    notes.create_payload_index("notes", "n", models.PayloadSchemaType.INTEGER, wait=True)
    order = models.OrderBy(key="n", direction=models.Direction.DESC, start_from=10)
    page, _ = notes.scroll("notes", limit=3, order_by=order, with_payload=False)
    assert [(it.id, it.order_value) for it in page] == [(10, 10), (9, 9), (8, 8)]


def test_payloads_change(notes):
    notes.set_payload("notes", {"new": {"z": 1}, "n": 100}, points=[0])
    notes.set_payload("notes", {"w": 2}, points=[0], key="new")
    changed = payload(notes, 0)
    assert (changed["new"], changed["n"], changed["city"]) == ({"z": 1, "w": 2}, 100, "Berlin")
    notes.delete_payload("notes", ["new.z", "tags"], points=[0])
    assert payload(notes, 0)["new"] == {"w": 2} and "tags" not in payload(notes, 0)
    notes.overwrite_payload("notes", {"only": 1}, points=[0])
    assert payload(notes, 0) == {"only": 1}
    notes.set_payload("notes", {"q": 1}, points=all_of(is_("city", "Paris")))
    assert notes.count("notes", count_filter=all_of(is_("q", 1))).count == 6
    notes.clear_payload("notes", points_selector=[0])
    assert payload(notes, 0) == {}
    with pytest.raises(Exception, match="No point with id 4444 found"):
        notes.set_payload("notes", {"q": 1}, points=[4444])


def test_vectors_change(hybrid):
    def vectors():
        return hybrid.retrieve("hybrid", [1], with_vectors=True)[0].vector

    hybrid.delete_vectors("hybrid", ["image"], points=[1])
    assert "image" not in vectors() and "text" in vectors()
    hybrid.update_vectors("hybrid", [models.PointVectors(id=1, vector={"image": [9.0, 9.0]})])
    assert hybrid.retrieve("hybrid", [1], with_vectors=["image"])[0].vector == {"image": [9.0, 9.0]}


def test_several_changes_are_made_in_order(notes):
    point = models.PointStruct(id=500, vector=[1, 2, 3, 4], payload={"a": 1})
    done = notes.batch_update_points(
        "notes",
        [
            models.UpsertOperation(upsert=models.PointsList(points=[point])),
            models.SetPayloadOperation(set_payload=models.SetPayload(payload={"b": 2}, points=[500])),
            models.UpdateVectorsOperation(
                update_vectors=models.UpdateVectors(points=[models.PointVectors(id=500, vector=[4, 3, 2, 1])])
            ),
            models.DeletePayloadOperation(delete_payload=models.DeletePayload(keys=["a"], points=[500])),
        ],
        wait=True,
    )
    assert len(done) == 4
    changed = notes.retrieve("notes", [500], with_vectors=True)[0]
    assert changed.payload == {"b": 2} and changed.vector[0] > changed.vector[3]
    notes.delete("notes", [500])
    notes.delete("notes", all_of(models.HasIdCondition(has_id=[1, ODD])))
    assert notes.count("notes").count == 19


def test_upserts_depend_on_what_is_there(notes):
    def upsert(**how):
        points = [models.PointStruct(id=i, vector=[1, 0, 0, 0], payload={"v": 2}) for i in (1, 777)]
        notes.upsert("notes", points, **how)

    upsert(update_mode=models.UpdateMode.INSERT_ONLY)
    assert payload(notes, 1)["n"] == 1 and payload(notes, 777) == {"v": 2}
    upsert(update_filter=all_of(is_("n", 55)))
    assert payload(notes, 1)["n"] == 1
    upsert(update_mode=models.UpdateMode.UPDATE_ONLY)
    assert payload(notes, 1) == {"v": 2}


def test_many_points(empty):
    vectors = numpy.random.default_rng(1).random((3000, 16), dtype=numpy.float32)
    empty.create_collection("many", vectors_config=models.VectorParams(size=16, distance=models.Distance.DOT))
    payloads = [{"i": i} for i in range(3000)]
    empty.upload_collection("many", vectors=vectors, payload=payloads, ids=list(range(3000)), batch_size=256, wait=True)
    assert empty.count("many").count == 3000

    def nearest(**params):
        found = empty.query_points("many", query=vectors[7], limit=10, search_params=models.SearchParams(**params))
        return [it.id for it in found.points]

    assert nearest(exact=True)[0] == int(numpy.argmax(vectors @ vectors[7]))
    assert nearest(exact=True) == nearest(hnsw_ef=128)
    assert len(empty.scroll("many", limit=2500)[0]) == 2500


def test_errors_say_what_is_wrong(notes):
    for ask in (
        lambda: notes.count("nope"),
        lambda: notes.get_collection("nope"),
        lambda: notes.query_points("nope", query=[1.0]),
        lambda: notes.upsert("nope", [models.PointStruct(id=1, vector=[1.0])]),
    ):
        with pytest.raises(Exception, match="`nope` doesn.+exist"):
            ask()
    with pytest.raises(Exception, match="expected dim: 4, got 1"):
        notes.upsert("notes", [models.PointStruct(id=1, vector=[1.0])])
