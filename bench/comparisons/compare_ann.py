"""The comparison `ann`: our families of indexes against the best libraries, on the picture of recall and queries per second.

Each library is a process that answers the same commands (ann_peers.py; ours is `aether-bench ann`), pinned to one CPU, with one thread. First
every setting runs once; those on the Pareto front are timed in interleaved rounds, by the CPU time of the process.
"""
import argparse
import os
import shutil
import sys
import tempfile

import numpy as np

from common import BENCH, HERE, K, DataSet, Engine, data_dir, engine_binary, qps_at
from report import Figures, emit, machine_line, median, note, rounded
from synthetic import write_synthetic

LEVELS = [0.90, 0.95, 0.99, 0.999]
PARTS = ["curves", "collection", "filters", "disk", "million"]
# Measured beside hnswlib with M = 24 on one machine; in no package registry: their QPS is hnswlib's in this run times these, at LEVELS[1:].
STAND_INS = {"SymphonyQG": {"minilm": [4.6, 5.1, 4.9], "fashion": [4.9, 5.4, 9.1]}}
# glass: build seconds over those of hnswlib with M = 24, in the same measurement.
GLASS_BUILD = {"minilm": 23 / 55, "fashion": 24 / 40}
FAMILIES = ["buckets", "graph"]
# Their names as indexes of a collection.
INDEXES = {"buckets": "ivf", "graph": "hnsw"}
EFS = [10, 12, 14, 17, 20, 24, 28, 34, 40, 48, 56, 68, 80, 96, 112, 136, 160, 200, 240, 300, 360, 450, 540, 700, 1000, 1500, 2200]
SHARES = [0.0001, 0.001, 0.01, 0.1, 0.3, 0.5]
# The shares from which on a search has to be faster than the scan.
SEARCHED_FROM = {"buckets": 0.1, "graph": SHARES[0]}


class Library:
    """A process that builds and searches."""

    def __init__(self, name, command, mode, build, work):
        self.name, self.build_command, self.is_ours = name, build, name in FAMILIES
        self.engine = Engine(command, mode)
        self.file = os.path.join(work, f"found-{name}")

    def load(self, directory, data):
        self.engine("load", directory, data.name, data.rows, len(data.queries))

    def build(self):
        return self.engine(*self.build_command)

    def settings(self):
        return self.engine("settings")["settings"]

    def search(self, setting, k=K):
        took = self.engine("search", setting, self.file, k)
        return took, np.fromfile(self.file, "<u4").reshape(-1, k)

    def close(self):
        self.engine.__exit__()


class InCollection:
    """A family as the index of a collection: a process that has a database."""

    is_ours = True

    def __init__(self, binary, family, work):
        self.name, self.index = f"{family} in a collection", INDEXES[family]
        self.engine = Engine([binary], "db")
        self.file, self.path = os.path.join(work, f"found-in-{family}"), os.path.join(work, f"database-{family}")
        shutil.rmtree(self.path, ignore_errors=True)

    def load(self, directory, data):
        self.rows = data.rows
        self.engine("load", directory, data.name, len(data.queries))

    def build(self):
        self.engine("open", self.path, "default", self.index)
        self.engine("import", 0, self.rows, 1_000)
        return self.engine("index")

    def search(self, setting):
        took = self.engine("search", setting, self.file)
        return took, np.fromfile(self.file, "<u4").reshape(-1, K)

    def close(self):
        self.engine.__exit__()


def main(arguments):
    options = parse(arguments)
    directory = data_dir(options.data)
    os.makedirs(options.work, exist_ok=True)
    work = tempfile.mkdtemp(prefix="ann-", dir=options.work)
    binary, figures = engine_binary(), Figures()
    emit(comparison="ann", **machine_line(), quick=options.quick, rounds=options.rounds, cpu=options.cpu)
    os.sched_setaffinity(0, {options.cpu})
    try:
        for name in options.sets:
            if "curves" in options.only:
                data = DataSet(directory, name, *((10_000, 300) if options.quick else (None, 1_000)))
                table = curves(binary, directory, work, data, options)
                judge(name, table, figures)
        if "collection" in options.only:
            for name in options.sets:
                collection(binary, directory, work, name, options, figures)
        if "filters" in options.only:
            filters(binary, directory, work, options, figures)
        if "disk" in options.only:
            disk(binary, directory, work, options, figures)
        if "million" in options.only:
            million(binary, work, options, figures)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return figures.finish()


def parse(arguments):
    parser = argparse.ArgumentParser(prog="bench/run ann")
    parser.add_argument("--quick", action="store_true", help="10,000 vectors of each set, one round: does it run, not how fast")
    parser.add_argument("--rounds", type=int, help="interleaved rounds of searches (3)")
    parser.add_argument("--cpu", type=int, default=0, help="the CPU to which all libraries are pinned (0)")
    parser.add_argument("--data", help="directory of the data sets (AETHERVEC_DATA, or ../shared/data beside the repository)")
    parser.add_argument("--work", default=os.path.join(BENCH, "target", "work"), help="where results are passed on")
    parser.add_argument("--only", type=names(PARTS), default=PARTS, help="parts, by commas: " + ", ".join(PARTS))
    parser.add_argument("--sets", type=names(["minilm", "fashion"]), default=["minilm", "fashion"], help="data sets of the curves and the collections")
    parser.add_argument("--peers", type=names(PEERS), default=PEERS, help="peers of the curves: " + ", ".join(PEERS))
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


PEERS = ["hnswlib-M24", "faiss-ivfpq", "usearch-f16", "scann"]


def names(known):
    def parse_names(text):
        chosen = text.split(",")
        if unknown := set(chosen) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(known)}")
        return chosen

    return parse_names


def ours(binary, family, work):
    return Library(family, [binary], "ann", ("build", family), work)


def peer(name, work):
    return Library(name, [sys.executable, os.path.join(HERE, "ann_peers.py")], name, ("build",), work)


def curves(binary, directory, work, data, options):
    """Builds and sweeps all libraries; by library its build, and its QPS at each level."""
    libraries = [ours(binary, family, work) for family in FAMILIES] + [peer(name, work) for name in options.peers]
    table, settings = {}, {}
    for library in libraries:
        note(f"{data.name}: {library.name} builds")
        library.load(directory, data)
        table[library.name] = {"build": library.build()}
        settings[library.name] = front(data, library, EFS if library.is_ours else library.settings())
        emit(comparison="ann", data=data.name, library=library.name, rows=data.rows, dim=data.dim,
             **{key: rounded(value) for key, value in table[library.name]["build"].items()})
    rounds = race(data, libraries, settings, options)
    for library in libraries:
        library.close()
        for i, (setting, recall) in enumerate(settings[library.name]):
            at = [points[library.name][i] for points in rounds]
            emit(comparison="ann", data=data.name, library=library.name, setting=setting, recall=round(recall, 5),
                 qps=rounded(median(qps for _, qps, _ in at), 1), cpu_share=rounded(median(share for *_, share in at), 3))
        by_round = [[qps_at(level, [point[:2] for point in points[library.name]]) for level in LEVELS] for points in rounds]
        table[library.name]["qps"] = [rounded(median(values), 1) for values in zip(*by_round)]
    stand_ins(data.name, table)
    for name, row in table.items():
        emit(comparison="ann", data=data.name, library=name, qps=dict(zip(map(str, LEVELS), row["qps"])))
    show(data.name, table)
    return table


def race(data, libraries, settings, options):
    """Of each round, by library: recall, QPS and the share of a CPU at each of its settings."""
    rounds = [{library.name: [] for library in libraries} for _ in range(options.rounds)]
    for turn, points in enumerate(rounds):
        note(f"{data.name}: round {turn + 1} of {options.rounds}")
        order = libraries if turn % 2 == 0 else libraries[::-1]
        for i in range(max(map(len, settings.values()))):
            for library in order:
                if i < len(settings[library.name]):
                    setting, recall = settings[library.name][i]
                    took, _ = library.search(setting)
                    points[library.name].append((recall, len(data.queries) / took["cpu_s"], took["cpu_s"] / took["wall_s"]))
    return rounds


def front(data, library, settings):
    """The settings on the Pareto front, each with its recall: up to the first beyond the highest level."""
    points = []
    for setting in settings:
        took, found = library.search(setting)
        points.append((took["cpu_s"], data.recall(found), setting))
        if library.is_ours and points[-1][1] >= LEVELS[-1]:
            break
    best, kept = 0.0, []
    for _, recall, setting in sorted(points):
        if recall > best and best < LEVELS[-1]:
            best = recall
            kept.append((setting, recall))
    return kept


def stand_ins(name, table):
    if "hnswlib-M24" not in table:
        return
    of = table["hnswlib-M24"]
    for stand_in, ratios in STAND_INS.items():
        qps = [None] + [q and rounded(q * ratio, 1) for q, ratio in zip(of["qps"][1:], ratios[name])]
        table[f"({stand_in})"] = {"qps": qps}
    table["(glass)"] = {"qps": [None] * len(LEVELS), "build": {"cpu_s": of["build"]["cpu_s"] * GLASS_BUILD[name]}}


def show(name, table):
    note(f"\n{name:14}" + "".join(f"{level:>10}" for level in LEVELS) + "   build s       MB")
    for library, row in sorted(table.items(), key=lambda item: -(item[1]["qps"][1] or 0)):
        build = row.get("build", {})
        memory = build.get("memory_bytes", build.get("resident_bytes"))
        cells = "".join(f"{qps:>10,.0f}" if qps else f"{'-':>10}" for qps in row["qps"])
        note(f"{library:14}{cells}{build.get('cpu_s', float('nan')):>10.1f}" + (f"{memory / 1e6:>9.0f}" if memory else f"{'-':>9}"))


def judge(name, table, figures):
    must, goal = {"minilm": (1.3, 2.0), "fashion": (1.1, 1.6)}[name]
    real = [row for library, row in table.items() if library not in FAMILIES and not library.startswith("(")]
    for i, level in enumerate(LEVELS):
        best = max((table[family]["qps"][i] or 0 for family in FAMILIES), default=0)
        for what, rows in (("the best library of this run", real), ("SymphonyQG's stand-in", [table.get("(SymphonyQG)", {"qps": [None] * 4})])):
            peers = [row["qps"][i] for row in rows if row["qps"][i]]
            if peers:
                figures.at_least(f"qps at recall {level}, {name}, ratio to {what}", rounded(best / max(peers), 3), must, goal)
    build = {library: row["build"]["cpu_s"] for library, row in table.items() if "build" in row}
    if "faiss-ivfpq" in build:
        figures.at_most(f"build CPU seconds, {name}, buckets, ratio to faiss IVF-PQ", rounded(build["buckets"] / build["faiss-ivfpq"], 3), 0.5, 0.4)
    if "(glass)" in build:
        figures.at_most(f"build CPU seconds, {name}, graph, ratio to glass's stand-in", rounded(build["graph"] / build["(glass)"], 3), 0.5, 0.2)
    if name == "minilm":
        figures.at_most("memory MB, minilm, buckets", rounded(table["buckets"]["build"]["memory_bytes"] / 1e6, 1), 90, 57)
        figures.at_most("memory MB, minilm, graph", rounded(table["graph"]["build"]["memory_bytes"] / 1e6, 1), 200, 150)


def collection(binary, directory, work, name, options, figures):
    """What a search takes more through a collection: snapshot, visibility, ids, exact distances."""
    data = DataSet(directory, name, *((10_000, 300) if options.quick else (None, 1_000)))
    bare = [ours(binary, family, work) for family in FAMILIES]
    inside = [InCollection(binary, family, work) for family in FAMILIES]
    settings = {}
    for library in bare + inside:
        note(f"{name}: {library.name} builds")
        library.load(directory, data)
        library.build()
        settings[library.name] = front(data, library, EFS)
    rounds = race(data, bare + inside, settings, options)
    for library in bare + inside:
        library.close()

    def best(libraries, level, points):
        return max(qps_at(level, [point[:2] for point in points[library.name]]) or 0 for library in libraries)

    for library in bare + inside:
        qps = {str(level): rounded(median(best([library], level, points) for points in rounds), 1) for level in LEVELS}
        emit(comparison="ann", part="collection", data=name, library=library.name, qps=qps)
    for level in LEVELS[1:3]:
        ratio = median(best(inside, level, points) / best(bare, level, points) for points in rounds)
        figures.at_least(f"qps at recall {level}, {name}, through a collection, ratio to the bare index", rounded(ratio, 3), 0.8, 0.9)


def filters(binary, directory, work, options, figures):
    """Filters of six shares, which have (the source of a text, its document; what is near a point, or far from it) or have hardly to do with the vectors (chance;
    the length of a text); queries unlike the vectors; other k."""
    data = DataSet(directory, "minilm", *((10_000, 200) if options.quick else (None, 500)))
    random = np.random.default_rng(1)
    labels = {label: np.load(os.path.join(directory, f"minilm_{label}.npy"))[:data.rows].astype(np.int64) for label in ("source", "doc", "tokens")}
    scores = {
        "random": random.random(data.rows),
        "length": labels["tokens"] + random.random(data.rows),
        "source and document": labels["source"] * 65_536 + labels["doc"],
        "near one point": -(data.base @ data.base[random.integers(data.rows)]),
    }
    scores["far from it"] = -scores["near one point"]
    for family in FAMILIES:
        library = ours(binary, family, work)
        library.load(directory, data)
        library.build()
        ratios = []
        for kind, score in scores.items():
            order = np.argsort(score, kind="stable")
            for share in SHARES:
                allowed = order[:max(1, round(share * data.rows))]
                ratio = filtered(library, data, work, family, kind, share, np.sort(allowed))
                if share >= SEARCHED_FROM[family]:
                    ratios.append(ratio)
        figures.at_least(f"qps at recall 0.95 with filters of {SEARCHED_FROM[family]:.2%} and more, {family}, ratio to the scan of what they allow",
                         rounded(min(ratios), 3), 1.0, 3.0)
        library.engine("filter", "none")
        others(library, data, directory, family)
        library.close()


def filtered(library, data, work, family, kind, share, allowed):
    """How many times faster the search is than the scan, at recall 0.95; 0 if it does not get there in 20 times its time."""
    mask = np.zeros(data.rows, np.uint8)
    mask[allowed] = 1
    file = os.path.join(work, "mask")
    mask.tofile(file)
    library.engine("filter", file)
    k = min(K, len(allowed))
    truth = allowed[np.argsort(-(data.queries @ data.base[allowed].T), axis=1, kind="stable")[:, :k]]
    scan = library.engine("scan", library.file, K)["cpu_s"]
    walk = None
    for ef in EFS:
        took, found = library.search(ef)
        recall = np.mean([len(np.intersect1d(f, t)) / k for f, t in zip(found, truth)])
        if recall >= 0.95 or took["cpu_s"] > 20 * scan:
            walk = (ef, recall, took["cpu_s"])
            break
    emit(comparison="ann", part="filters", library=family, filter=kind, share=share, allowed=len(allowed), scan_qps=rounded(len(data.queries) / scan, 1),
         search_qps=rounded(len(data.queries) / walk[2], 1) if walk else None, ef=walk and walk[0], recall=walk and round(float(walk[1]), 4))
    return scan / walk[2] if walk and walk[1] >= 0.95 else 0.0


def others(library, data, directory, family):
    """Recall at each k, of queries like the vectors and unlike them: the least effort that reaches 0.95."""
    rows = np.load(os.path.join(directory, "minilm_query_headings.npy"))[:len(data.queries)].astype(np.float32)
    headings = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for what, queries, stem in (("query", data.queries, "minilm_query"), ("query_headings", headings, "minilm_query_headings")):
        library.engine("queries", directory, stem, len(queries))
        order = np.argsort(-(queries @ data.base.T), axis=1, kind="stable")[:, :100]
        for k in (1, 10, 100):
            for ef in (ef for ef in EFS if ef >= k):
                took, found = library.search(ef, k)
                recall = np.mean([len(np.intersect1d(f, t)) / k for f, t in zip(found, order[:, :k])])
                if recall >= 0.95:
                    break
            emit(comparison="ann", part="filters", library=family, queries=what, k=k, ef=ef, recall=round(float(recall), 4),
                 qps=rounded(len(queries) / took["cpu_s"], 1))


def disk(binary, directory, work, options, figures):
    """Pages that a search reads from a checkpoint of which only what all searches need is in memory: every query in one newly opened."""
    queries = 50 if options.quick else 200
    data = DataSet(directory, "minilm", 10_000 if options.quick else None, queries)
    for family in FAMILIES:
        library = ours(binary, family, work)
        library.load(directory, data)
        library.build()
        saved = library.engine("save", os.path.join(options.work, "checkpoint"))
        for ef in EFS:
            took = library.engine("cold", ef, library.file, queries, K)
            recall = data.recall(np.fromfile(library.file, "<u4").reshape(-1, K))
            emit(comparison="ann", part="disk", library=family, ef=ef, recall=round(recall, 4), **{key: rounded(value) for key, value in took.items()})
            if recall >= 0.95:
                break
        emit(comparison="ann", part="disk", library=family, **saved)
        figures.at_most(f"reads of 4 KiB of a cold search at recall 0.95, minilm, {family}", rounded(took["reads"], 1), 12, 12)
        library.close()


def million(binary, work, options, figures):
    """A million vectors of 128 components, drawn here: our families against hnswlib."""
    rows = 50_000 if options.quick else 1_000_000
    note(f"drawing {rows} vectors")
    write_synthetic(work, "synthetic", rows, 128, 1_000)
    data = DataSet(work, "synthetic")
    libraries = [ours(binary, family, work) for family in FAMILIES] + [peer("hnswlib-M16", work)]
    points = {}
    for library in libraries:
        note(f"synthetic: {library.name} builds")
        library.load(work, data)
        built = library.build()
        emit(comparison="ann", data="synthetic", library=library.name, rows=data.rows, dim=data.dim, **{key: rounded(value) for key, value in built.items()})
        points[library.name] = []
        for setting in EFS if library.name in FAMILIES else library.settings():
            took, found = library.search(setting)
            recall = data.recall(found)
            points[library.name].append((recall, len(data.queries) / took["cpu_s"]))
            emit(comparison="ann", data="synthetic", library=library.name, setting=setting, recall=round(recall, 5), qps=rounded(points[library.name][-1][1], 1))
            if recall >= 0.99:
                break
        library.close()
    at = {name: qps_at(0.95, curve) for name, curve in points.items()}
    best = max(at[family] or 0 for family in FAMILIES)
    figures.at_least("qps at recall 0.95, a million of 128, ratio to hnswlib", rounded(best / at["hnswlib-M16"], 3), 1.5, 3.0)
    figures.at_most("mean latency at recall 0.95, a million of 128, ms", rounded(1_000 / best if best else None, 4), 0.2, 0.2)
