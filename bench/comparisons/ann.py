"""The bare HNSW index against hnswlib: same data, same parameters, one thread, taking turns."""
import gc
import os

import hnswlib
import numpy as np

from common import K, DataSet, Engine, Timer, qps_at
from report import emit, median, note, rounded

M, EF_CONSTRUCTION = 16, 200
EFS = [10, 12, 14, 17, 20, 24, 28, 34, 40, 48, 56, 68, 80, 96, 112, 136, 160, 200, 240, 300, 360, 450, 540]
LEVELS = [0.95, 0.99]


class Hnswlib:
    name = "hnswlib"

    def __init__(self, data):
        self.data = data

    def build(self):
        self.index = None
        gc.collect()
        with Timer() as took:
            index = hnswlib.Index(space="l2" if self.data.metric == "l2" else "ip", dim=self.data.dim)
            index.init_index(max_elements=self.data.rows, M=M, ef_construction=EF_CONSTRUCTION)
            index.set_num_threads(1)
            index.add_items(self.data.base, num_threads=1)
        self.index = index
        return dict(cpu_s=took.cpu_s, wall_s=took.wall_s)

    def search(self, ef):
        self.index.set_ef(ef)
        with Timer() as took:
            found, _ = self.index.knn_query(self.data.queries, k=K, num_threads=1)
        return dict(cpu_s=took.cpu_s, wall_s=took.wall_s), found


class AetherIndex:
    name = "aethervec"

    def __init__(self, data, engine, work):
        self.engine, self.file = engine, os.path.join(work, "found")
        self.loaded = engine("load", data.directory, data.name, data.rows, len(data.queries))

    def build(self):
        return self.engine("build")

    def search(self, ef):
        took = self.engine("search", ef, self.file)
        return took, np.fromfile(self.file, "<u4").reshape(-1, K)


def compare(binary, directory, work, name, options, figures):
    rows, queries = (10_000, 500) if options.quick else (None, 2_000)
    data = DataSet(directory, name, rows, queries)
    with Engine(binary, "ann") as engine:
        ours = AetherIndex(data, engine, work)
        both = [ours, Hnswlib(data)]
        builds = {library.name: [] for library in both}
        for turn in range(options.builds):
            for library in both if turn % 2 == 0 else reversed(both):
                note(f"{name}: {library.name} builds")
                built = library.build()
                builds[library.name].append(built)
                emit(comparison="ann", data=name, library=library.name, build=turn, rows=data.rows, dim=data.dim,
                     **{key: rounded(value) for key, value in built.items()})
        efs = {library.name: sweep(data, library) for library in both}
        curves = [{library.name: [] for library in both} for _ in range(options.rounds)]
        for turn, curve in enumerate(curves):
            note(f"{name}: round {turn + 1} of {options.rounds}")
            for i in range(max(map(len, efs.values()))):
                for library in both if (turn + i) % 2 == 0 else reversed(both):
                    if i < len(efs[library.name]):
                        ef, recall = efs[library.name][i]
                        took, _ = library.search(ef)
                        curve[library.name].append((recall, len(data.queries) / took["cpu_s"], took["cpu_s"] / took["wall_s"]))
        report(data, both, builds, efs, curves, ours, figures)


def sweep(data, library):
    """The settings worth timing, each with its recall: up to the first beyond the highest level."""
    settings = []
    for ef in EFS:
        _, found = library.search(ef)
        settings.append((ef, data.recall(found)))
        if settings[-1][1] >= LEVELS[-1]:
            break
    return settings


def report(data, both, builds, efs, curves, ours, figures):
    for library in both:
        for i, (ef, recall) in enumerate(efs[library.name]):
            points = [curve[library.name][i] for curve in curves]
            emit(comparison="ann", data=data.name, library=library.name, ef=ef, recall=round(recall, 5),
                 qps=rounded(median(qps for _, qps, _ in points), 1), cpu_share=rounded(median(share for *_, share in points), 3))
    for level in LEVELS:
        at = {library.name: [qps_at(level, [point[:2] for point in curve[library.name]]) for curve in curves] for library in both}
        ratios = [a / b for a, b in zip(at["aethervec"], at["hnswlib"]) if a and b]
        emit(comparison="ann", data=data.name, recall=level, **{f"{name}_qps": rounded(median(values), 1) for name, values in at.items()},
             ratios=[round(ratio, 3) for ratio in ratios])
        figures.at_least(f"hnsw qps at recall {level}, {data.name}, ratio to hnswlib", rounded(median(ratios), 3), 1.2, 3.0)
    build = {name: median(built["cpu_s"] for built in all_builds) for name, all_builds in builds.items()}
    figures.at_most(f"hnsw build CPU seconds, {data.name}, ratio to hnswlib", rounded(build["aethervec"] / build["hnswlib"], 3), 0.8, 0.4)
    built = builds["aethervec"][-1]
    emit(comparison="ann", data=data.name, library="aethervec", memory_bytes=built["memory_bytes"], raw_bytes=ours.loaded["raw_bytes"],
         raw_element=ours.loaded["element"], resident_growth_bytes=built["resident_bytes"])
    figures.at_most(f"index and vectors in memory, {data.name}, ratio to the raw {ours.loaded['element']} vectors",
                    rounded(built["memory_bytes"] / ours.loaded["raw_bytes"], 4), 1.35, 1.25)
