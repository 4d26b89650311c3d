"""hnswlib and faiss live through a scenario that `aethervec drift-sim --export` has written.

Both are tuned behind the first window, by queries of their own, as the fixed buckets of drift-sim are: the least effort that reaches the recall
asked for. Records are those of drift-sim (docs/drift-sim.md). Queries come one at a time, on one thread; memory only, so nothing is written.
"""
import json
import os
import time

import numpy as np

# Points for each list of faiss.
LIST_POINTS = 64
# How often a query is timed; the middle one counts.
ROUNDS = 3
EFS = [10, 14, 20, 28, 40, 56, 80, 112, 160, 240, 360, 540, 800]


class Scenario:
    """The files of a scenario (crates/aethervec-cli/src/drift/export.rs says what they hold)."""

    def __init__(self, directory):
        with open(os.path.join(directory, "scenario.json")) as file:
            told = json.load(file)
        self.name, self.dimension, self.k = told["name"], told["dimension"], told["k"]
        names = ("vectors", "deleted", "queries", "truth", "unmeasured", "tuning_queries", "tuning_truth")
        arrays = [np.load(os.path.join(directory, name + ".npy")) for name in names]
        self.vectors, deleted, queries, truth, unmeasured, tuning_queries, tuning_truth = arrays
        self.windows, added, gone, asked, before = [], 0, 0, 0, 0
        for window in told["windows"]:
            batches = []
            for more, fewer in window["batches"]:
                batches.append((np.arange(added, added + more), deleted[gone:gone + fewer].astype(np.int64)))
                added, gone = added + more, gone + fewer
            part = slice(asked, asked + window["queries"])
            asked = part.stop
            warm = slice(before, before + (window["queries"] if self.windows else 0))
            before = warm.stop
            self.windows.append(dict(
                points=window["points"], batches=batches, unmeasured=unmeasured[warm], queries=queries[part], truth=truth[part]))
        self.tuning = dict(points=self.windows[0]["points"], queries=tuning_queries, truth=tuning_truth)

    def found(self, query, ids, farthest, alive):
        """How many of `ids` are among the nearest; rounding differs from one program to the next."""
        ids = np.array([i for i in ids if i >= 0 and alive[i]], np.int64)
        distances = ((self.vectors[ids] - query) ** 2).sum(1)
        return int((distances <= farthest * (1 + 1e-4)).sum())


class Hnswlib:
    name = "hnswlib"

    def __init__(self, scenario):
        import hnswlib

        self.index = hnswlib.Index(space="l2", dim=scenario.dimension)
        most = max(window["points"] for window in scenario.windows)
        # A batch is added before the one that it replaces is deleted.
        room = max(len(added) for window in scenario.windows for added, _ in window["batches"])
        self.index.init_index(max_elements=most + room, M=16, ef_construction=200, allow_replace_deleted=True)
        self.index.set_num_threads(1)
        self.settings = EFS

    def apply(self, scenario, added, deleted):
        if len(added):
            self.index.add_items(scenario.vectors[added], added, num_threads=1, replace_deleted=True)
        for point in deleted:
            self.index.mark_deleted(point)

    def set(self, effort):
        self.index.set_ef(effort)

    def search(self, query, k):
        return self.index.knn_query(query[None], k=k, num_threads=1)[0][0]

    def scanned(self):
        return None


class FaissIvf:
    name = "faiss-ivf"

    def __init__(self, scenario):
        import faiss

        self.faiss = faiss
        faiss.omp_set_num_threads(1)
        first = scenario.windows[0]["points"]
        lists = max(1, first // LIST_POINTS)
        self.quantizer = faiss.IndexFlatL2(scenario.dimension)
        self.index = faiss.IndexIVFFlat(self.quantizer, scenario.dimension, lists)
        self.index.cp.min_points_per_centroid = 1
        self.index.train(scenario.vectors[:first])
        self.index.set_direct_map_type(faiss.DirectMap.Hashtable)
        self.settings = range(1, lists + 1)

    def apply(self, scenario, added, deleted):
        if len(added):
            self.index.add_with_ids(scenario.vectors[added], added.astype(np.int64))
        if len(deleted):
            self.index.remove_ids(self.faiss.IDSelectorArray(deleted))

    def set(self, probes):
        self.index.nprobe = probes

    def search(self, query, k):
        return self.index.search(query[None], k)[1][0]

    def scanned(self):
        return float(self.index.nprobe)


PEERS = {peer.name: peer for peer in (Hnswlib, FaissIvf)}


def play(name, directory, asked):
    """The records of a peer."""
    scenario = Scenario(directory)
    peer = PEERS[name](scenario)
    alive = np.zeros(len(scenario.vectors), bool)
    for number, window in enumerate(scenario.windows):
        start = time.perf_counter()
        for added, deleted in window["batches"]:
            peer.apply(scenario, added, deleted)
        write_s = time.perf_counter() - start
        for added, deleted in window["batches"]:
            alive[added], alive[deleted] = True, False
        if number == 0:
            for effort in peer.settings:
                peer.set(effort)
                if measure(peer, scenario, scenario.tuning, alive)[0] >= asked:
                    break
        for query in window["unmeasured"]:
            peer.search(query, scenario.k)
        recall, times = measure(peer, scenario, window, alive)
        yield dict(
            scenario=scenario.name, index=peer.name, window=number, points=window["points"],
            added=sum(len(added) for added, _ in window["batches"]), deleted=sum(len(deleted) for _, deleted in window["batches"]),
            recall=recall, p50_us=percentile(times, 0.5), p99_us=percentile(times, 0.99), buckets_scanned=peer.scanned(),
            moves=None, splits=None, merges=None, write_amplification=None, write_s=write_s, settle_s=0.0)


def measure(peer, scenario, window, alive):
    """Recall, and microseconds of each query, as drift-sim measures them."""
    found, times = 0, np.empty((ROUNDS, len(window["queries"])))
    for round in range(ROUNDS):
        for i, (query, farthest) in enumerate(zip(window["queries"], window["truth"])):
            start = time.perf_counter()
            ids = peer.search(query, scenario.k)
            times[round, i] = 1e6 * (time.perf_counter() - start)
            if round == 0:
                found += scenario.found(query, ids, farthest, alive)
    times = sorted(np.median(times, axis=0).tolist())
    return found / (len(times) * min(scenario.k, window["points"])), times


def percentile(times, share):
    return times[min(int(share * len(times)), len(times) - 1)]
