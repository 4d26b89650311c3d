"""The comparison `server`: the server under load, against the embedded database and against what must hold."""
import argparse
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from report import Figures, emit, machine_line, note

HERE = os.path.dirname(os.path.abspath(__file__))
BENCH = os.path.dirname(HERE)
REPOSITORY = os.path.dirname(BENCH)
MANIFEST = os.path.join(BENCH, "server", "Cargo.toml")

# part: what it is for, and the options of its runs, in full and quick.
PARTS = {
    "latency": ("one connection, gRPC and REST, beside the embedded call", [dict(set="minilm", seconds=5)], [dict(set="minilm", seconds=2)]),
    "throughput": (
        "16 connections on the cores that the server has, beside the embedded database",
        [dict(set="minilm", seconds=10), dict(set="fashion", seconds=10)],
        [dict(set="minilm", seconds=3), dict(set="fashion", seconds=3)],
    ),
    "floor": ("16 connections to a server that does not search", [dict(seconds=10)], [dict(seconds=3)]),
    "soak": ("1,000 connections for ten minutes", [dict(connections=1000, seconds=600)], [dict(connections=1000, seconds=20)]),
    "import": ("a durable stream of vectors", [dict(set="minilm")] * 3, [dict(set="minilm")]),
    "crash": ("kill -9 under load", [dict(set="minilm", seconds=5)] * 3, [dict(set="minilm", seconds=2)]),
    "tenants": ("2,000 tenants with three documents each", [dict(count=2000)], [dict(count=200)]),
}


def main(arguments):
    options = parse(arguments)
    program = build()
    os.makedirs(options.work, exist_ok=True)
    work = tempfile.mkdtemp(prefix="server-", dir=options.work)
    emit(comparison="server", **machine_line(), quick=options.quick)
    lines = []
    try:
        # A copy: another build may replace the program in the middle of a run.
        program = shutil.copy(program, os.path.join(work, "serverbench"))
        for part in options.only:
            about, full, quick = PARTS[part]
            note(f"{part}: {about}")
            for settings in quick if options.quick else full:
                if part == "soak" and options.minutes is not None:
                    settings = dict(settings, seconds=round(60 * options.minutes))
                lines += run(program, part, settings, options.data, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return figures(lines).finish()


def run(program, part, settings, data, work):
    # Data sets stay from one part to the next, what a part writes does not.
    for folder in ("import", "crash", "tenants"):
        shutil.rmtree(os.path.join(work, folder), ignore_errors=True)
    command = [program, part, "--data", data, "--work", work]
    for name, value in settings.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, preexec_fn=end_with_parent)
    if done.returncode != 0:
        sys.exit(f"{part} failed")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    for line in lines:
        emit(**line)
    return lines


def end_with_parent():
    """Has the program killed when this process ends, however that comes about; the program does the same for its server."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def figures(lines):
    figures = Figures()
    for line in lines:
        part = line["part"]
        if part == "latency" and line["way"] == "grpc":
            figures.at_most("search over gRPC, p50 beyond the embedded call, us", line["more_p50_us"], 120, 60)
        elif part == "latency" and line["way"] == "rest":
            figures.at_most("search over REST, p50 beyond the embedded call, us", line["more_p50_us"], 200, 120)
        elif part == "throughput" and line["set"] == "minilm":
            figures.at_least("16 connections, minilm: share of the embedded QPS", line["share"], 0.6, 0.8)
        elif part == "throughput":
            figures.at_least(f"16 connections, {line['set']}: QPS", line["grpc_qps"], 10_000, 20_000)
        elif part == "soak":
            figures.at_most(f"{line['connections']} connections, {line['seconds']} s: errors", line["errors"], 0, 0)
            figures.at_most("the same: p99, ms", line["p99_ms"], 50, 10)
            figures.at_most("the same: growth of the memory from the second to the third third", line["resident_growth"], 0.05, 0.01)
        elif part == "import":
            figures.at_least("durable import by a gRPC stream, vectors/s", line["grpc_per_s"], 50_000, 80_000)
        elif part == "crash":
            figures.at_most("kill -9 under load: acknowledged documents missing", line["missing"], 0, 0)
            figures.at_most("kill -9 under load: seconds until the first search is answered", line["ready_s"], 2, 0.5)
        elif part == "tenants":
            figures.at_most("an idle tenant, bytes", line["idle_bytes"], 100_000, 50_000)
            figures.at_most("an idle tenant that was just made, bytes", line["made_idle_bytes"], 100_000, 50_000)
            figures.at_most("the first request of a tenant, p99, ms", line["open_p99_ms"], 20, 5)
    return figures


def build():
    note("building bench/server")
    subprocess.run(["cargo", "build", "--release", "--quiet", "--manifest-path", MANIFEST], check=True)
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(BENCH, "server", "target"))
    return os.path.join(target, "release", "serverbench")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="bench/run server", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few minutes: does it run, not how fast")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(PARTS), metavar="A,B", help=", ".join(PARTS))
    parser.add_argument("--minutes", type=float, help="how long the soak takes (default: 10)")
    parser.add_argument("--data", default=os.environ.get("AETHERVEC_DATA", os.path.join(REPOSITORY, "..", "shared", "data")))
    parser.add_argument("--work", default=os.path.join(BENCH, "target", "work"), help="where databases are written: the disk to be measured")
    options = parser.parse_args(arguments)
    unknown = [part for part in options.only if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]}: {', '.join(PARTS)}")
    if not os.path.isdir(options.data):
        parser.error(f"no data sets in {options.data}: give --data DIR or set AETHERVEC_DATA")
    return options
