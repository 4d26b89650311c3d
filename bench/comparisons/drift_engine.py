"""What buckets that maintain themselves do on their own: `aether-bench drift`, a process and a database for each part."""
import os
import shutil

from common import Engine, qps_at
from report import emit, rounded

# Small enough for a test of whether it runs, and what the figures are about.
SIZES = {
    "cached": {"rows": (5_000, 1_000_000), "queries": (100, 1_000)},
    "ingest": {"points": (20_000, 300_000)},
    "churn": {"points": (5_000, 50_000), "windows": (2, 10)},
    "large": {"points": (50_000, 10_000_000), "cache_mib": (16, 256)},
}
SETS = ["minilm", "fashion"]
LEVELS = [0.95, 0.99]
# What searches of `large` and `churn` ask for.
ASKED = 0.95
# Memory of the machine for which `large` is meant.
MEMORY_MB = 2 * 1_024**3 / 1e6


def play_parts(binary, directory, work, parts, quick, figures):
    for part in parts:
        size = {name: small if quick else whole for name, (small, whole) in SIZES[part].items()}
        PARTS[part](binary, directory, os.path.join(work, part), size, figures)


def answer(binary, path, command, *words):
    """What one command says of a database that is made for it."""
    try:
        with Engine([binary], "drift") as engine:
            return engine(command, *words)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def cached(binary, directory, path, size, figures):
    for name in SETS:
        words = [directory, name, path, size["rows"], size["queries"], "hnsw,ivf,drift"]
        indexes = answer(binary, path, "cached", *words)["indexes"]
        qps = {}
        for index, told in indexes.items():
            points = [(effort["recall"], effort["qps"]) for effort in told["efforts"]]
            qps[index] = [qps_at(level, points) for level in LEVELS]
            emit(comparison="drift", part="cached", data=name, index=index, memory_mb=rounded(told["memory_mb"], 1),
                 ingest_s=rounded(told["ingest"]["wall_s"], 2), qps={str(level): rounded(at, 0) for level, at in zip(LEVELS, qps[index])})
        for i, level in enumerate(LEVELS):
            best = max((qps[index][i] or 0 for index in ("hnsw", "ivf")), default=0)
            ratio = qps["drift"][i] / best if qps["drift"][i] and best else None
            figures.at_least(f"{name}: QPS at {level}, all cached ÷ best family in memory", rounded(ratio), 0.5, 0.8)


def ingest(binary, _, path, size, figures):
    told = answer(binary, path, "grow", path, size["points"], 128)
    kept = ("points", "into_delta_per_s", "indexed_per_s", "busy_indexed_per_s", "idle_p99_us", "busy_p99_us", "written_per_raw", "slowest_batch_ms")
    emit(comparison="drift", part="ingest", **{key: rounded(told[key], 1) for key in kept})
    figures.at_least("ingest: rows a second into the delta, durable by batches", rounded(told["into_delta_per_s"], 0), 100_000, 200_000)
    figures.at_least("ingest: rows a second until all are in the index", rounded(told["indexed_per_s"], 0), 30_000, 60_000)
    figures.at_most("ingest: p99 of searches meanwhile ÷ idle", rounded(told["busy_p99_us"] / told["idle_p99_us"]), 3, 2)


def churn(binary, _, path, size, figures):
    told = answer(binary, path, "window", path, size["points"], 128, size["windows"])
    slowest = 0
    for line in told["rounds"]:
        line.pop("stats")
        line.update(line.pop("times"))
        slowest = max(slowest, line["p99_us"] / line["fresh_p99_us"])
        emit(comparison="drift", part="churn", **{key: rounded(value) for key, value in line.items()})
    figures.at_least("churn: recall@10 in the worst window, 0.95 asked", rounded(min(line["recall"] for line in told["rounds"])), ASKED - 0.005, ASKED)
    figures.at_most("churn: p99 ÷ p99 of an index made of the same points then, slowest window", rounded(slowest), 1.5, 1.5)
    figures.at_most("churn: bytes written ÷ bytes of vectors", rounded(told["written_per_raw"]), 6, 4)
    figures.at_most("churn: space on disk at rest ÷ bytes of vectors", rounded(told["at_rest_per_raw"]), 1.5, 1.5)
    figures.at_most("churn: problems that `check` finds", told["problems"], 0, 0)


def large(binary, _, path, size, figures):
    told = answer(binary, path, "large", path, size["points"], 96, size["cache_mib"])
    peak_mb = max(told[phase]["resident_mb"] for phase in ("peak", "peak_with_truth"))
    peak_mb = max(peak_mb, told["built"]["peak"]["resident_mb"])
    emit(comparison="drift", part="large", points=size["points"], built_s=rounded(told["built"]["wall_s"], 0), peak_mb=peak_mb,
         opened_s=rounded(told["opened_s"], 3), on_disk_per_raw=rounded(told["on_disk_per_raw"]))
    for search in told["searches"]:
        emit(comparison="drift", part="large", **{key: rounded(value) for key, value in search.items() if value is not None})
    asked = next(search for search in told["searches"] if search["asked"])
    figures.at_least("large: recall@10, 0.95 asked", rounded(asked["recall"]), ASKED - 0.005, ASKED)
    figures.at_most("large: p50 of these searches in ms", rounded(asked["p50_us"] / 1e3), 5, 5)
    figures.at_most("large: most memory, resident, in MB", peak_mb, rounded(MEMORY_MB, 0), rounded(MEMORY_MB, 0))


PARTS = {"cached": cached, "ingest": ingest, "churn": churn, "large": large}
