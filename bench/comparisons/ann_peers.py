"""One library as a process that answers commands, one line of JSON each: ann_peers.py LIBRARY.

The commands are those of `aether-bench ann`: `load DIR NAME ROWS QUERIES`, `build`, `settings`, `search SETTING FILE K`. Vectors are normalized
before they are given to a library when the metric is cosine, and all libraries get floats. One thread each.
"""
import json
import math
import sys

import numpy as np

from common import K, DataSet, Timer

EFS = [10, 14, 20, 28, 40, 56, 80, 112, 160, 240, 360, 540, 800, 1200, 2000]
PROBES = [2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128]


class Hnswlib:
    settings = EFS

    def __init__(self, m):
        self.m = m

    def build(self, data):
        import hnswlib

        self.index = hnswlib.Index(space="l2" if data.metric == "l2" else "ip", dim=data.dim)
        self.index.init_index(max_elements=data.rows, M=self.m, ef_construction=200)
        self.index.set_num_threads(1)
        self.index.add_items(data.base, num_threads=1)

    def search(self, setting, queries, k):
        self.index.set_ef(max(int(setting), k))
        return self.index.knn_query(queries, k=k, num_threads=1)[0]


class FaissIvfPq:
    """Lists of 4-bit product codes, scanned by shuffles, and exact distances of `factor * k` of them."""

    settings = [f"{probes}/{factor}" for probes in PROBES for factor in (4, 10, 25)]

    def build(self, data):
        import faiss

        faiss.omp_set_num_threads(1)
        metric = faiss.METRIC_L2 if data.metric == "l2" else faiss.METRIC_INNER_PRODUCT
        self.index = faiss.index_factory(data.dim, f"IVF256,PQ{data.dim // 2}x4fs,RFlat", metric)
        self.index.train(data.base)
        self.index.add(data.base)
        self.lists = faiss.downcast_index(self.index.base_index)

    def search(self, setting, queries, k):
        self.lists.nprobe, self.index.k_factor = map(int, setting.split("/"))
        return [self.index.search(query[None], k)[1][0] for query in queries]


class Usearch:
    settings = EFS

    def build(self, data):
        from usearch.index import Index

        metric = "l2sq" if data.metric == "l2" else "cos"
        self.index = Index(ndim=data.dim, metric=metric, dtype="f16", connectivity=16, expansion_add=200)
        self.index.add(np.arange(data.rows), data.base, threads=1)

    def search(self, setting, queries, k):
        self.index.expansion_search = int(setting)
        return self.index.search(queries, k, threads=1).keys


class Scann:
    """A tree of lists, 4-bit codes, exact distances of the best; for dot products with boundary vectors in a second list (SOAR)."""

    settings = [f"{leaves}/{reorder}" for leaves in (2, 4, 6, 9, 13, 20, 30, 45, 70, 110) for reorder in (30, 80, 200)]

    def build(self, data):
        import scann

        is_l2 = data.metric == "l2"
        builder = scann.scann_ops_pybind.builder(data.base, K, "squared_l2" if is_l2 else "dot_product").set_n_training_threads(1)
        soar, anisotropic = ({}, {}) if is_l2 else ({"soar_lambda": 1.5}, {"anisotropic_quantization_threshold": 0.2})
        builder = builder.tree(num_leaves=int(math.sqrt(data.rows)), num_leaves_to_search=10, training_sample_size=data.rows, **soar)
        self.index = builder.score_ah(2, **anisotropic).reorder(100).build()

    def search(self, setting, queries, k):
        leaves, reorder = map(int, setting.split("/"))
        search = self.index.search
        return [search(query, leaves_to_search=leaves, pre_reorder_num_neighbors=reorder)[0][:k] for query in queries]


LIBRARIES = {
    "hnswlib-M16": lambda: Hnswlib(16),
    "hnswlib-M24": lambda: Hnswlib(24),
    "faiss-ivfpq": FaissIvfPq,
    "usearch-f16": Usearch,
    "scann": Scann,
}


class Commands:
    def __init__(self, library):
        self.library = library

    def load(self, directory, name, rows, queries):
        self.data = DataSet(directory, name, int(rows), int(queries), with_truth=False)
        return dict(rows=self.data.rows, dim=self.data.dim)

    def build(self):
        before = resident_bytes()
        with Timer() as took:
            self.library.build(self.data)
        return dict(cpu_s=took.cpu_s, wall_s=took.wall_s, resident_bytes=resident_bytes() - before)

    def settings(self):
        return dict(settings=self.library.settings)

    def search(self, setting, file, k):
        with Timer() as took:
            found = self.library.search(setting, self.data.queries, int(k))
        rows = np.full((len(self.data.queries), int(k)), 0xFFFF_FFFF, "<u4")
        for row, nearest in zip(rows, found):
            row[:len(nearest)] = nearest
        rows.tofile(file)
        return dict(cpu_s=took.cpu_s, wall_s=took.wall_s)


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def main(name):
    commands = Commands(LIBRARIES[name]())
    # What a library prints is not an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        command, *arguments = line.split()
        try:
            answer = getattr(commands, command)(*arguments)
        except Exception as error:  # The driver says which command failed, and ends.
            answer = dict(error=f"{type(error).__name__}: {error}")
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
