"""The comparison `db`: filters, transactions, facets, hybrid queries and many collections; and what other embedded vector databases do."""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile

from common import BENCH, Engine, data_dir, engine_binary
from report import Figures, emit, machine_line, note, rounded

PARTS = ("filtered", "peers", "transactions", "facets", "hybrid", "empty")
# As wheels; one that cannot be had is left out, and said so.
PEERS = {"qdrant_edge": ["qdrant-edge-py"], "lancedb": ["lancedb", "pyarrow"], "chromadb": ["chromadb"], "sqlite_vec": ["sqlite-vec", "apsw"]}


def main(arguments):
    options = parse(arguments)
    directory = data_dir(options.data)
    os.makedirs(options.work, exist_ok=True)
    work = tempfile.mkdtemp(prefix="db-", dir=options.work)
    binary = engine_binary()
    figures = Figures()
    try:
        emit(comparison="db", **machine_line(), quick=options.quick, parts=options.only)
        for part in options.only:
            note(part)
            globals()[part](binary, directory, os.path.join(work, part), options, figures)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return figures.finish()


def parse(arguments):
    parser = argparse.ArgumentParser(prog="bench/run db")
    parser.add_argument("--quick", action="store_true", help="10,000 vectors, 100,000 documents, 1,000 collections: does it run, not how fast")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(PARTS), help="some of " + ",".join(PARTS))
    parser.add_argument("--data", help="directory of the data sets (AETHERVEC_DATA, or ../shared/data beside the repository)")
    parser.add_argument("--work", default=os.path.join(BENCH, "target", "work"), help="where databases are written")
    parser.add_argument("--peers", type=lambda text: text.split(","), default=list(PEERS), help="some of " + ",".join(PEERS))
    options = parser.parse_args(arguments)
    for part in options.only:
        if part not in PARTS:
            parser.error(f"--only: {part!r} is none of {', '.join(PARTS)}")
    return options


def asked(binary, *words):
    with Engine(binary, "features") as engine:
        return engine(*words)


def filtered(binary, directory, work, options, figures):
    for name in ("fashion", "minilm"):
        rows = 10_000 if options.quick else 1_000_000
        found = asked(binary, "filtered", directory, name, f"{work}-{name}", rows, 500)
        cases, asked_for = found.pop("filters"), found.pop("asked")
        emit(comparison="db", part="filtered", data=name, **{key: rounded(value) for key, value in found.items()})
        worst_recall, worst_ratio = found["recall"], 0
        for case in cases:
            bound = min(3 * found["p99_us"], 1.2 * case["exact_p99_us"])
            case["ratio"] = case["p99_us"] / bound
            emit(comparison="db", part="filtered", data=name, **{key: rounded(value) for key, value in case.items()})
            worst_recall, worst_ratio = min(worst_recall, case["recall"]), max(worst_ratio, case["ratio"])
        for line in asked_for:
            emit(comparison="db", part="filtered", data=name, **{key: rounded(value) if isinstance(value, float) else value for key, value in line.items()})
        worst = min(line["recall"] - line["asked"] for line in asked_for)
        figures.at_least(f"{name}: least recall of all filters, 0.95 asked for", rounded(worst_recall), 0.94, 0.95)
        figures.at_least(f"{name}: least of recall - recall asked for, all kinds of queries", rounded(worst), -0.01, 0)
        figures.at_most(f"{name}: p99 under a filter ÷ the lesser of 3 × unfiltered and 1.2 × exact", rounded(worst_ratio, 3), 1, 1)


def peers(binary, directory, work, options, figures):
    rows = 10_000 if options.quick else 30_000
    ours = asked(binary, "peer", directory, "minilm", f"{work}-ours", rows, 500)
    emit(comparison="db", part="peers", db="aethervec", **{key: rounded(value) for key, value in ours.items()},
         durable="fsync per batch of 1,000, searchable at once")
    best = {}
    for peer in options.peers:
        if not installed(PEERS[peer]):
            emit(comparison="db", part="peers", db=peer, error="could not be installed")
            continue
        command = [sys.executable, os.path.join(BENCH, "comparisons", "peers.py"), peer, directory, f"{work}-{peer}", str(rows)]
        answer = subprocess.run(command, capture_output=True, text=True)
        if answer.returncode:
            emit(comparison="db", part="peers", db=peer, error=answer.stderr.strip().splitlines()[-1:])
            continue
        for line in answer.stdout.splitlines():
            key, value = line.split(" ", 1)
            if key == "line":
                print(value, flush=True)
            else:
                best[key] = max(best.get(key, 0), float(value))
    figures.at_least("unfiltered queries/s at recall 0.95 ÷ the best of the others", ratio(ours["qps"], best.get("qps")), 3, 3)
    figures.at_least("queries/s under a filter of a tenth ÷ the best of the others", ratio(ours["filtered_qps"], best.get("filtered_qps")), 3, 3)
    figures.at_least("durable ingest, rows searchable ÷ the best of the others", ratio(ours["ingest_rows_per_s"], best.get("ingest")), 2, 2)


def ratio(ours, theirs):
    return rounded(ours / theirs, 2) if theirs else None


def installed(packages):
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    return subprocess.run(command, capture_output=True).returncode == 0


def transactions(binary, _directory, work, _options, figures):
    os.makedirs(work)
    took = asked(binary, "transactions", work)
    emit(comparison="db", part="transactions", **{key: rounded(value, 1) for key, value in took.items()})
    figures.at_most("a transaction of 10 upserts in 3 collections ÷ one synced write of the engine",
                    rounded(took["transaction_p50_us"] / took["commit_p50_us"], 2), 1.3, 1.3)
    figures.at_least("16 threads ÷ one thread", rounded(took["sixteen_threads_per_s"] / took["one_thread_per_s"], 2), 8, 8)


def facets(binary, _directory, work, options, figures):
    took = asked(binary, "facets", work, 100_000 if options.quick else 1_000_000)
    emit(comparison="db", part="facets", **{key: rounded(value, 3) for key, value in took.items()})
    figures.at_most(f"a facet over {took['documents']} documents, ms", rounded(took["facet_ms"], 3), 5, 5)
    figures.at_most(f"a count over {took['documents']} documents, ms", rounded(took["count_ms"], 3), 5, 5)


def hybrid(binary, directory, work, _options, figures):
    took = asked(binary, "hybrid", directory, work)
    emit(comparison="db", part="hybrid", **{key: rounded(value, 3) for key, value in took.items()})
    figures.at_most("hybrid query (vector, words, filter), ms", rounded(took["p50_ms"], 3), 2, 2)


def empty(binary, _directory, work, options, figures):
    took = asked(binary, "empty", work, 1_000 if options.quick else 10_000)
    emit(comparison="db", part="empty", **{key: rounded(value, 3) for key, value in took.items()})
    figures.at_most("an empty collection, bytes of memory", rounded(took["memory_bytes"], 0), 50_000, 50_000)
    figures.at_most("an empty collection, bytes on disk", rounded(took["disk_bytes"], 0), 50_000, 50_000)
    figures.at_most(f"opening a database with {took['collections']} collections, s", rounded(took["open_s"], 3), 1, 1)
