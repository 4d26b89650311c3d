"""Filters, and every way to ask for points."""

import math

import pytest
from conftest import CITIES, ODD, all_of, is_
from qdrant_client import models

EAST = [1.0, 0.0, 0.0, 0.0]


def ids(found):
    return [it.id for it in found.points]


def test_filters(notes):
    def count(*must, **clauses):
        return notes.count("notes", count_filter=models.Filter(must=list(must), **clauses)).count

    def field(key, **condition):
        return models.FieldCondition(key=key, **condition)

    here = models.GeoPoint(lat=52.5, lon=13.4)
    square = [models.GeoPoint(lat=lat, lon=lon) for lat, lon in ((52, 13), (55, 13), (55, 14), (52, 14), (52, 13))]
    inside = models.Filter(must=[is_("k", 3)])
    assert count(field("place", geo_radius=models.GeoRadius(center=here, radius=200_000))) == 2
    box = models.GeoBoundingBox(top_left=models.GeoPoint(lat=55, lon=13), bottom_right=models.GeoPoint(lat=52, lon=14))
    assert count(field("place", geo_bounding_box=box)) == 3
    assert count(field("place", geo_polygon=models.GeoPolygon(exterior=models.GeoLineString(points=square)))) == 3
    assert count(field("day", range=models.DatetimeRange(gte="2024-01-10T00:00:00Z"))) == 11
    assert count(field("n", range=models.Range(gte=5, lt=7.5))) == 3
    assert count(field("tags", values_count=models.ValuesCount(gte=2))) == 6
    assert count(field("city", match=models.MatchAny(any=["Berlin", "Rome"]))) == 7
    assert count(field("city", match=models.MatchExcept(**{"except": CITIES[:2]}))) == 6
    assert count(field("text", match=models.MatchText(text="house red"))) == 20
    assert count(field("text", match=models.MatchTextAny(text_any="blue house"))) == 20
    assert count(field("text", match=models.MatchPhrase(phrase="house red"))) == 0
    assert count(models.IsEmptyCondition(is_empty=models.PayloadField(key="tags"))) == 8
    assert count(models.IsNullCondition(is_null=models.PayloadField(key="tags"))) == 0
    assert count(models.NestedCondition(nested=models.Nested(key="nested", filter=inside))) == 2
    assert count(is_("nested[].k", 3)) == 2
    assert count(models.HasVectorCondition(has_vector="")) == 21
    assert count(models.HasIdCondition(has_id=[1, ODD, 99])) == 2
    assert count(must_not=[is_("city", "Paris")]) == 15
    assert count(should=[is_("n", 1), is_("n", 2)]) == 2
    some = models.MinShould(conditions=[is_("n", 2), is_("city", "Paris"), is_("city", "Rome")], min_count=2)
    assert count(min_should=some) == 1


def test_nearest(notes):
    best = notes.query_points("notes", query=[1.0, 1, 0, 0], limit=3, with_payload=True, with_vectors=True).points[0]
    assert (best.id, best.payload["n"], len(best.vector)) == (0, 0, 4)
    assert best.score == pytest.approx(1, abs=1e-5)
    assert 0 not in ids(notes.query_points("notes", query=0, limit=3))
    near = notes.query_points("notes", query=EAST, score_threshold=0.99, limit=100).points
    assert near and all(it.score >= 0.99 for it in near)
    ten = ids(notes.query_points("notes", query=EAST, limit=10))
    assert ids(notes.query_points("notes", query=EAST, limit=5, offset=5)) == ten[5:]
    choice = models.NearestQuery(nearest=EAST, mmr=models.Mmr(diversity=0.5, candidates_limit=10))
    assert len(notes.query_points("notes", query=choice, limit=3).points) == 3


def test_nearest_among_some(notes):
    wanted = models.Filter(
        must=[models.FieldCondition(key="n", range=models.Range(gte=5, lt=15))],
        must_not=[models.FieldCondition(key="city", match=models.MatchAny(any=["Berlin"]))],
        should=[is_("tags", "x"), models.HasIdCondition(has_id=[6, ODD])],
    )
    found = notes.query_points("notes", query=EAST, query_filter=wanted, limit=50)
    assert sorted(ids(found)) == [5, 7, 8, 10, 11, 13, 14]


def test_examples(notes):
    for strategy in (None, *models.RecommendStrategy):
        examples = models.RecommendInput(positive=[1, 2], negative=[ODD], strategy=strategy)
        assert len(notes.query_points("notes", query=models.RecommendQuery(recommend=examples), limit=3).points) == 3
    pair = [models.ContextPair(positive=2, negative=3)]
    discover = models.DiscoverQuery(discover=models.DiscoverInput(target=1, context=pair))
    assert notes.query_points("notes", query=discover, limit=3).points
    assert notes.query_points("notes", query=models.ContextQuery(context=pair), limit=3).points


def test_orders_and_samples(notes):
    order = models.OrderByQuery(order_by=models.OrderBy(key="day", direction="desc"))
    notes.create_payload_index("notes", "day", models.PayloadSchemaType.DATETIME, wait=True)
    first = notes.query_points("notes", query=order, limit=2).points[0]
    assert (first.id, first.score) == (19, 1.0)
    sample = models.SampleQuery(sample=models.Sample.RANDOM)
    assert len(notes.query_points("notes", query=sample, limit=4).points) == 4


def test_formulas(notes):
    has_place = models.Filter(must_not=[models.IsEmptyCondition(is_empty=models.PayloadField(key="place"))])
    here = models.GeoDistanceParams(origin=models.GeoPoint(lat=52.5, lon=13.4), to="place")
    near = models.DecayParamsExpression(x=models.GeoDistance(geo_distance=here), scale=100_000)
    formula = models.SumExpression(
        sum=[
            "$score",
            models.MultExpression(mult=[10.0, is_("city", "Paris")]),
            models.GaussDecayExpression(gauss_decay=near),
        ]
    )
    found = notes.query_points(
        "notes",
        prefetch=models.Prefetch(query=EAST, limit=20, filter=has_place),
        query=models.FormulaQuery(formula=formula, defaults={"n": 0.0}),
        limit=3,
    )
    assert found.points[0].score > 10 and found.points[0].id % 3 == 2


def test_batches_groups_and_facets(notes):
    both = notes.query_batch_points(
        "notes", [models.QueryRequest(query=EAST, limit=2), models.QueryRequest(query=3, limit=2, with_payload=True)]
    )
    assert [len(it.points) for it in both] == [2, 2]
    groups = notes.query_points_groups("notes", group_by="city", query=EAST, limit=2, group_size=2).groups
    assert [len(it.hits) for it in groups] == [2, 2]
    facets = notes.facet("notes", "city").hits
    assert [(it.value, it.count) for it in facets] == [("Berlin", 7), ("London", 7), ("Paris", 6)]
    assert notes.search_matrix_pairs("notes", sample=10, limit=3).pairs
    assert notes.search_matrix_offsets("notes", sample=10, limit=3).ids


def test_groups_carry_documents_of_another_collection(notes):
    notes.create_collection("books", vectors_config={})
    notes.upsert("books", [models.PointStruct(id=7, vector={}, payload={"name": "seven"})])
    notes.set_payload("notes", {"book": 7}, points=[3, 4])
    lookup = models.WithLookup(collection="books", with_payload=True)
    groups = notes.query_points_groups("notes", group_by="book", query=EAST, with_lookup=lookup).groups
    assert groups[0].lookup.payload == {"name": "seven"}


def prefetches(limit):
    word = models.SparseVector(indices=[5], values=[1.0])
    return [
        models.Prefetch(query=[0.0, 0], using="image", limit=limit),
        models.Prefetch(query=word, using="words", limit=limit),
    ]


def test_fusion(hybrid):
    def fuse(query):
        return hybrid.query_points("hybrid", prefetch=prefetches(5), query=query, limit=5).points

    assert fuse(models.FusionQuery(fusion=models.Fusion.RRF))[0].score == pytest.approx(1 / 2 + 1 / 6)
    assert fuse(models.RrfQuery(rrf=models.Rrf(k=60)))[0].score == pytest.approx(1 / 60 + 1 / 64)
    assert fuse(models.FusionQuery(fusion=models.Fusion.DBSF))
    best = hybrid.query_points("hybrid", query=[3.0, 0], using="image", limit=1).points[0]
    assert (best.id, best.score) == (3, 0)


def test_groups_of_fused_hits_are_filled(hybrid):
    groups = hybrid.query_points_groups(
        "hybrid",
        group_by="pair",
        prefetch=prefetches(3),
        query=models.FusionQuery(fusion=models.Fusion.RRF),
        limit=3,
        group_size=2,
    ).groups
    assert [len(it.hits) for it in groups] == [2, 2, 2]


def test_rare_words_count_more(empty):
    empty.create_collection(
        "idf",
        vectors_config={},
        sparse_vectors_config={"words": models.SparseVectorParams(modifier=models.Modifier.IDF)},
    )
    assert empty.get_collection("idf").config.params.sparse_vectors["words"].modifier == models.Modifier.IDF
    common = [models.PointStruct(id=i, vector={"words": models.SparseVector(indices=[1], values=[1.0])}) for i in range(9)]
    rare = models.PointStruct(id=9, vector={"words": models.SparseVector(indices=[1, 2], values=[1.0, 1.0])})
    empty.upsert("idf", [*common, rare], wait=True)

    def score():
        query = models.SparseVector(indices=[1, 2], values=[1.0, 1.0])
        return empty.query_points("idf", query=query, using="words", limit=1).points[0].score

    def weight(all_points, having):
        return math.log(1 + (all_points - having + 0.5) / (having + 0.5))

    assert score() == pytest.approx(weight(10, 10) + weight(10, 1), rel=1e-5)
    empty.delete("idf", [0, 1, 2], wait=True)
    assert score() == pytest.approx(weight(7, 7) + weight(7, 1), rel=1e-5)


def test_several_vectors_to_a_point(empty):
    config = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    params = models.VectorParams(size=2, distance=models.Distance.COSINE, multivector_config=config)
    empty.create_collection("multi", vectors_config=params)
    points = [models.PointStruct(id=1, vector=[[1, 0], [0, 1]]), models.PointStruct(id=2, vector=[[1, 0]])]
    empty.upsert("multi", points)
    best = empty.query_points("multi", query=[[0.0, 1.0], [1.0, 0.0]], limit=2, with_vectors=True).points[0]
    assert best.id == 1 and best.score == pytest.approx(2, abs=1e-5)
