"""Vectors like real ones in what makes a search hard: clusters of very different sizes, each near a subspace of few dimensions.

Cluster centres come in groups; how many points a cluster has follows Zipf's law; one point in fifty is an outlier. Queries are drawn as the
points are. The exact neighbours are computed here, in blocks.
"""
import json
import os

import numpy as np

from common import K

CLUSTERS, GROUPS, INTRINSIC = 2_000, 50, 20
BLOCK = 65_536


def write_synthetic(directory, name, rows, dim, queries, seed=1):
    """Writes `NAME_base`, `NAME_query`, `NAME_gt` and `NAME.json`, as the data sets have them."""
    random = np.random.default_rng(seed)
    groups = random.standard_normal((GROUPS, dim), dtype=np.float32)
    centres = groups[random.integers(GROUPS, size=CLUSTERS)] + 0.55 * random.standard_normal((CLUSTERS, dim), dtype=np.float32)
    bases = [np.linalg.qr(random.standard_normal((dim, INTRINSIC)))[0].T.astype(np.float32) for _ in range(64)]
    bases = [basis * (1.6 * np.arange(1, INTRINSIC + 1)[:, None] ** -0.5).astype(np.float32) for basis in bases]
    sizes = np.arange(1, CLUSTERS + 1) ** -0.8
    sizes = random.permutation(sizes / sizes.sum())
    scales = (0.5 + random.gamma(2, 0.35, CLUSTERS)).astype(np.float32)

    def draw(count):
        cluster = random.choice(CLUSTERS, count, p=sizes)
        points = centres[cluster] + 0.06 * random.standard_normal((count, dim), dtype=np.float32)
        inner = random.standard_normal((count, INTRINSIC), dtype=np.float32) * scales[cluster, None]
        for i, basis in enumerate(bases):
            members = np.flatnonzero(cluster % len(bases) == i)
            points[members] += inner[members] @ basis
        outliers = np.flatnonzero(random.random(count) < 0.02)
        points[outliers] += 0.35 * random.standard_t(4, (len(outliers), dim)).astype(np.float32)
        return points

    base = np.concatenate([draw(min(BLOCK, rows - start)) for start in range(0, rows, BLOCK)])
    query = draw(queries)
    for what, vectors in (("base", base), ("query", query), ("gt", nearest(base, query))):
        np.save(os.path.join(directory, f"{name}_{what}.npy"), vectors)
    with open(os.path.join(directory, name + ".json"), "w") as file:
        json.dump({"metric": "l2"}, file)


def nearest(base, query):
    """The K nearest rows of each query."""
    best, rows = np.full((len(query), K), np.inf, np.float32), np.zeros((len(query), K), np.int32)
    for start in range(0, len(base), BLOCK):
        block = base[start:start + BLOCK]
        distances = np.concatenate([best, (block**2).sum(1) - 2 * (query @ block.T)], axis=1)
        numbers = np.concatenate([rows, np.broadcast_to(np.arange(start, start + len(block), dtype=np.int32), (len(query), len(block)))], axis=1)
        kept = np.argpartition(distances, K, axis=1)[:, :K]
        best, rows = np.take_along_axis(distances, kept, 1), np.take_along_axis(numbers, kept, 1)
    return np.take_along_axis(rows, np.argsort(best, axis=1), 1)
