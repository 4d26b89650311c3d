"""The comparison `drift`: indexes of ours and of others live through the scenarios of `aethervec drift-sim`.

The command plays ours and draws everything; hnswlib (with deletes) and faiss (IVF) play the same files here (drift_peers.py). What is compared is how
recall, latency and the bytes written change from the first window to the last. What the index does by itself comes behind that (drift_engine.py).
"""
import argparse
import json
import os
import shutil
import subprocess
import tempfile

import drift_engine
from common import BENCH, REPOSITORY, data_dir, engine_binary
from drift_peers import PEERS, play
from report import Figures, emit, machine_line, note, rounded

SCENARIOS = [
    "steady", "sliding-window", "gradual-shift", "sudden-shift", "random-deletion", "cluster-death-and-birth", "hot-spots", "by-source", "paper",
]
# What the Drift paper reports of its four settings, after the shift and the deletions.
PAPER_RECALLS = [0.998, 0.966, 0.892, 0.808]
ASKED = 0.95
PARTS = ["lives", *drift_engine.PARTS]


def main(arguments):
    options = parse(arguments)
    os.makedirs(options.work, exist_ok=True)
    work = tempfile.mkdtemp(prefix="drift-", dir=options.work)
    emit(comparison="drift", **machine_line(), points=options.points, windows=options.windows, seed=options.seed)
    figures = Figures()
    try:
        if "lives" in options.only:
            live(options, work, figures)
        if parts := [part for part in options.only if part != "lives"]:
            drift_engine.play_parts(engine_binary(), data_dir(options.data), work, parts, options.quick, figures)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return figures.finish()


def live(options, work, figures):
    program = build(work)
    command = [program, "drift-sim", "--json", "--points", str(options.points), "--windows", str(options.windows), "--seed", str(options.seed)]
    lives = all_lives(command, options, work)
    for record in (record for life in lives.values() for record in (life[0], life[-1])):
        emit(comparison="drift", **{key: rounded(value) for key, value in record.items() if value is not None})
    judge(lives, options.index, figures)
    if "paper" in options.scenarios:
        paper(command, options, work, lives, figures)
    note(f"drawn: {os.path.join(options.out, 'drift-sim.html')}")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="bench/run drift")
    parser.add_argument("--quick", action="store_true", help="2,000 points, four windows: does it run, not how well")
    parser.add_argument("--only", type=names(PARTS), default=PARTS, help="parts, by commas: " + ", ".join(PARTS))
    parser.add_argument("--data", help="directory of the data sets (AETHERVEC_DATA, or ../shared/data beside the repository)")
    parser.add_argument("--points", type=int, help="points at the beginning (50,000)")
    parser.add_argument("--windows", type=int, help="windows behind the first one (10)")
    parser.add_argument("--seed", type=int, default=1, help="all that is random follows from it (1)")
    parser.add_argument("--scenarios", type=names(SCENARIOS), default=SCENARIOS, help="by commas: " + ", ".join(SCENARIOS))
    parser.add_argument("--index", default="drift", help="the index that the figures are about (drift)")
    parser.add_argument("--beside", default="ivf,hnsw,fixed", help="other indexes of ours, by commas (ivf,hnsw,fixed)")
    parser.add_argument("--peers", type=names(PEERS), default=list(PEERS), help="by commas: " + ", ".join(PEERS))
    parser.add_argument("--out", default=os.path.join(BENCH, "target", "drift"), help="where pictures go")
    parser.add_argument("--work", default=os.path.join(BENCH, "target", "work"), help="where scenarios are passed on")
    options = parser.parse_args(arguments)
    options.points = options.points or (2_000 if options.quick else 50_000)
    options.windows = options.windows or (4 if options.quick else 10)
    return options


def names(known):
    def parse_names(text):
        chosen = text.split(",")
        if unknown := set(chosen) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(known)}")
        return chosen

    return parse_names


def build(work):
    """The command, copied: another build may replace it in the middle of a run."""
    manifest = os.path.join(REPOSITORY, "Cargo.toml")
    subprocess.run(["cargo", "build", "--release", "--quiet", "--manifest-path", manifest, "-p", "aethervec-cli"], check=True)
    told = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version=1", "--manifest-path", manifest], check=True, capture_output=True, text=True)
    target = json.loads(told.stdout)["target_directory"]
    return shutil.copy(os.path.join(target, "release", "aethervec"), os.path.join(work, "aethervec"))


def all_lives(command, options, work):
    """Records by scenario and index."""
    peers = os.path.join(work, "peers.jsonl")
    with open(peers, "w") as file:
        for scenario in options.scenarios:
            files = os.path.join(work, "scenarios")
            run([*command, "--scenario", scenario, "--export", files])
            for peer in options.peers:
                note(f"{scenario}: {peer}")
                for record in play(peer, os.path.join(files, scenario), ASKED):
                    file.write(json.dumps(record) + "\n")
            shutil.rmtree(files)
    note("ours")
    indexes = ",".join([options.index, *(name for name in options.beside.split(",") if name and name != options.index)])
    run([*command, "--scenario", ",".join(options.scenarios), "--index", indexes, "--recall", str(ASKED), "--with", peers, "--out", options.out])
    with open(os.path.join(options.out, "records.jsonl")) as file:
        return by_life(json.loads(line) for line in file)


def by_life(records):
    lives = {}
    for record in records:
        lives.setdefault((record["scenario"], record["index"]), []).append(record)
    return lives


def run(command):
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def judge(lives, index, figures):
    """The figures that one run of each scenario shows."""
    for (scenario, name), life in lives.items():
        if name == index and scenario != "paper":
            worst = min(record["recall"] for record in life)
            figures.at_least(f"{scenario}: recall@10 in the worst window, {ASKED} asked", rounded(worst), ASKED - 0.005, ASKED)
    if life := lives.get(("sliding-window", index)):
        fresh = life[0]["p99_us"]
        figures.at_most("sliding window: p99 of the slowest window ÷ fresh index", rounded(max(r["p99_us"] for r in life) / fresh), 1.5, 1.5)
    if life := lives.get(("steady", index)):
        figures.at_most("steady: bytes written ÷ bytes of vectors added", rounded(life[-1]["write_amplification"]), 6, 4)


def paper(command, options, work, lives, figures):
    """The paper's four settings: the recall that is left at the end, and what it costs."""
    for asked in PAPER_RECALLS:
        out = os.path.join(work, "paper")
        run([*command, "--scenario", "paper", "--index", options.index, "--recall", str(asked), "--out", out])
        with open(os.path.join(out, "records.jsonl")) as file:
            last = [json.loads(line) for line in file][-1]
        emit(comparison="drift", part="paper", asked=asked, recall=rounded(last["recall"]), buckets_scanned=last["buckets_scanned"])
        figures.at_least(f"paper: recall@10 at the end, {asked} asked", rounded(last["recall"]), asked, asked)
    if life := lives.get(("paper", "fixed")):
        figures.at_most("paper: recall@10 at the end of fixed centroids (what is to be seen)", rounded(life[-1]["recall"]), 0.8, 0.6)
