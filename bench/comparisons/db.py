"""The whole database: durable import, opening after a clean close and after kill -9, search through a collection."""
import os
import shutil

import numpy as np

from common import K, DataSet, Engine
from report import emit, median, note, rounded

BATCH = 1_000
PENDING = 50_000
SET = "minilm"


def measure(binary, directory, work, options, figures):
    data = DataSet(directory, SET, None, 1_000)
    pending = 5_000 if options.quick else PENDING
    rows = 10_000 if options.quick else data.rows
    path = os.path.join(work, "db")
    probe(binary, work, data, rows)
    imported(binary, data, work, path, rows, options, figures)
    opened_after_close(binary, data, path, rows, options, figures)
    opened_after_kill(binary, data, work, rows, pending, options, figures)


def fresh(path):
    shutil.rmtree(path, ignore_errors=True)
    return path


def started(binary, data, queries=1):
    engine = Engine(binary, "db")
    engine("load", data.directory, data.name, queries)
    return engine


def probe(binary, work, data, rows):
    batch_bytes = BATCH * data.raw_bytes // data.rows
    with Engine(binary, "db") as engine:
        emit(comparison="db", step="disk", **engine("probe", work, batch_bytes, 30),
             note="writing and syncing one batch of raw vectors, without any engine")


def imported(binary, data, work, path, rows, options, figures):
    rates = []
    for turn in range(options.rounds):
        note(f"{SET}: import {turn + 1} of {options.rounds}")
        with started(binary, data, 1_000) as engine:
            engine("open", fresh(path), "default")
            took = engine("import", 0, rows, BATCH)
            rates.append(took["rows_per_s"])
            emit(comparison="db", step="import", rows=rows, batch=BATCH, **{key: rounded(value, 3) for key, value in took.items()})
            if turn + 1 == options.rounds:
                note(f"{SET}: the graph takes over")
                status = engine("index")
                emit(comparison="db", step="index", **{key: rounded(value, 3) for key, value in status.items()},
                     ratio_to_raw=rounded(status["memory_bytes"] / (rows * data.raw_bytes / data.rows)))
                if rows == data.rows:
                    searched(engine, data, work)
                emit(comparison="db", step="close", **engine("close"))
    figures.at_least(f"durable import of {SET}, fsync per batch of {BATCH}, vectors/s", rounded(median(rates), 0), 50_000, 100_000)


def searched(engine, data, work):
    """Queries per second through the collection: visibility, exact distances and documents included."""
    file = os.path.join(work, "found")
    for ef in (40, 80, 160):
        cpu_s = median(engine("search", ef, file)["cpu_s"] for _ in range(3))
        found = np.fromfile(file, "<u4").reshape(-1, K)
        emit(comparison="db", step="search", ef=ef, recall=round(data.recall(found), 4), qps=rounded(len(found) / cpu_s, 1))


def opened_after_close(binary, data, path, rows, options, figures):
    totals = [opened(binary, data, path, rows, "after close") for _ in range(options.rounds)]
    figures.at_most("open and first search after a clean close, s", rounded(median(totals)), 0.1, 0.05)


def opened_after_kill(binary, data, work, rows, pending, options, figures):
    killed, copy = os.path.join(work, "killed"), os.path.join(work, "copy")
    note(f"{SET}: kill -9 with {pending} points in pending")
    with started(binary, data) as engine:
        engine("open", fresh(killed), "default")
        if rows > pending:
            engine("import", 0, rows - pending, BATCH)
            engine("index")
            engine("checkpoint")
        engine("close")
    engine = started(binary, data)
    engine("open", killed, 0)
    engine("import", rows - pending, rows, BATCH)
    engine.kill()
    totals = []
    for _ in range(options.rounds):
        shutil.copytree(killed, fresh(copy))
        totals.append(opened(binary, data, copy, rows, "after kill -9"))
    shutil.rmtree(copy)
    figures.at_most(f"open and first search after kill -9 with {pending} points in pending, s", rounded(median(totals)), 1.0, 0.5)


def opened(binary, data, path, rows, when):
    """Opens in a new process; the seconds until the first answer."""
    with started(binary, data) as engine:
        took = engine("open", path, "default")
        emit(comparison="db", step="open", when=when, **{key: rounded(value) for key, value in took.items()})
        if took["documents"] != rows or took["hits"] != K:
            raise RuntimeError(f"{when}: {took['documents']} documents of {rows}, {took['hits']} hits of {K}")
        engine("close")
    return took["open_s"] + took["first_search_s"]
