"""The comparison `kv`: aidb against its peers, on the workloads of bench/kv."""
import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

from report import Figures, emit, machine_line, median, note, rounded

HERE = os.path.dirname(os.path.abspath(__file__))
BENCH = os.path.dirname(HERE)
MANIFEST = os.path.join(BENCH, "kv", "Cargo.toml")
OURS = "aidb"
# Compared with; the figures are about these.
RIVALS = ["rocksdb", "fjall"]
# Measured once beside them, where they lead.
BESIDE = ["leveldb", "lmdb", "redb"]
# Engines that are C++ libraries of the distribution: the package that has what a linker needs.
PACKAGES = {"rocksdb": "librocksdb-dev", "leveldb": "libleveldb-dev"}


@dataclass
class Part:
    """One workload of the Rust program: what it is for, and its options."""

    workload: str
    about: str
    full: dict
    quick: dict
    # On one CPU, background threads included.
    pinned: bool = True
    rivals: list = field(default_factory=lambda: RIVALS)
    beside: list = field(default_factory=list)
    # Rounds in which the rivals run; all when none.
    rival_rounds: int = None
    # A costly part runs at most this often.
    rounds_max: int = None


PARTS = {
    "fillseq": Part("fillseq", "single puts in key order", dict(keys=4_000_000), dict(keys=500_000)),
    "write": Part("write", "single puts of new keys in random order, then of keys that exist", dict(keys=4_000_000),
                  dict(keys=700_000), rounds_max=2),
    "read": Part("read", "a load in batches of 1,000, then reads from the cache", dict(keys=4_000_000, seconds=2),
                 dict(keys=700_000, seconds=1), beside=BESIDE, rounds_max=2),
    "cold": Part("cold", "64 keys at a time, nothing in any cache", dict(keys=2_000_000, seconds=2),
                 dict(keys=500_000, seconds=1)),
    "values": Part("values", "single puts of 4-KiB values, kept apart from their keys", {"keys": 200_000, "value-bytes": 4096},
                   {"keys": 50_000, "value-bytes": 4096}),
    "append": Part("append", "64 bytes appended to lists of up to 16 KB; then lists are read",
                   {"keys": 1_000_000, "value-bytes": 64, "seconds": 2}, {"keys": 250_000, "value-bytes": 64, "seconds": 1},
                   rivals=["rocksdb"]),
    "sync": Part("sync", "commits that survive a power cut, from 1 and from 16 threads", dict(keys=1_000_000, seconds=2),
                 dict(keys=100_000, seconds=1), pinned=False),
    "threads": Part("threads", "puts without a sync, from 1 and from 4 threads", dict(keys=1_000_000, seconds=5), dict(keys=100_000, seconds=2),
                    pinned=False),
    "crash": Part("crash", "opening after a crash with 64 MiB in the log", {}, {}, pinned=False),
    "pause": Part("pause", "the longest put in 20 s of new keys in random order", dict(keys=100_000_000, seconds=20),
                  dict(keys=100_000_000, seconds=5), pinned=False, rival_rounds=1),
    "space": Part("space", "bytes on disk ÷ bytes of live data", dict(keys=2_000_000), dict(keys=1_000_000), rival_rounds=1),
}

# part, phase, what is compared, {rival: (must, goal)}: times as fast. `cpu_us`: CPU time per operation of the whole process,
# until the engine had nothing left to do; `per_s`: wall time, where the disk or several threads decide.
SPEEDS = [
    ("fillseq", "fillseq", "cpu_us", {"rocksdb": (2, 4), "fjall": (1.5, 3)}),
    ("write", "fillrandom", "cpu_us", {"rocksdb": (2, 4), "fjall": (1.5, 3)}),
    ("write", "overwrite", "cpu_us", {"rocksdb": (2, 4), "fjall": (1.5, 3)}),
    ("read", "batch", "cpu_us", {"rocksdb": (2, 3.5), "fjall": (1.5, 3)}),
    ("read", "get", "cpu_us", {"rocksdb": (2.5, 5), "fjall": (2, 4)}),
    ("read", "missing", "cpu_us", {"rocksdb": (3, 8), "fjall": (2, 5)}),
    ("read", "seek", "cpu_us", {"rocksdb": (1.5, 3), "fjall": (2, 4)}),
    ("read", "scan", "cpu_us", {"rocksdb": (1.5, 3.5), "fjall": (2, 5)}),
    ("cold", "multi_get.cold", "per_s", {"rocksdb": (2, 3.5), "fjall": (2, 3.5)}),
    ("values", "fillrandom", "cpu_us", {"rocksdb": (2, 5), "fjall": (1.2, 2.5)}),
    ("append", "append", "cpu_us", {"rocksdb": (2, 4)}),
    ("append", "list", "cpu_us", {"rocksdb": (2, 4)}),
    ("sync", "sync16", "per_s", {"rocksdb": (2, 3.5), "fjall": (4, 9)}),
    ("sync", "sync1", "per_s", {"rocksdb": (1.2, 2), "fjall": (1.1, 1.6)}),
    ("crash", "open", "per_s", {"rocksdb": (5, 15), "fjall": (5, 15)}),
]
NAMES = {
    ("fillseq", "fillseq"): "fillseq",
    ("write", "fillrandom"): "fillrandom",
    ("write", "overwrite"): "overwrite",
    ("read", "batch"): "batches of 1,000",
    ("read", "get"): "get, hot, right after load",
    ("read", "missing"): "get of a missing key",
    ("read", "seek"): "seek + next 50",
    ("read", "scan"): "full scan",
    ("cold", "multi_get.cold"): "64 cold keys in one multi_get",
    ("values", "fillrandom"): "4-KiB random puts, separated values",
    ("append", "append"): "append 64 B to lists",
    ("append", "list"): "read lists of 16 KB",
    ("sync", "sync16"): "fsync commits, 16 threads",
    ("sync", "sync1"): "fsync commits, 1 thread",
    ("crash", "open"): "open after a crash, 64-MiB log",
}


def main(arguments):
    options = parse(arguments)
    if options.list:
        for name, part in PARTS.items():
            print(f"{name:8} {part.about}")
        return 0
    binary, built = given(options) if options.program else build(options.engines)
    os.makedirs(options.work, exist_ok=True)
    work = tempfile.mkdtemp(prefix="kv-", dir=options.work)
    emit(comparison="kv", **machine_line(), quick=options.quick, rounds=options.rounds, cpu=options.cpu, engines=built)
    results = {}
    try:
        # A copy: another build may replace the program in the middle of a run.
        program = shutil.copy(binary, os.path.join(work, "kvbench"))
        for turn in range(options.rounds):
            for name in options.only:
                take_turns(program, work, name, turn, built, options, results)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    figures = judge(options, results)
    table(figures)
    return figures.finish()


def parse(arguments):
    parser = argparse.ArgumentParser(prog="bench/run kv")
    parser.add_argument("--quick", action="store_true", help="fewer keys, one round: about five minutes, does it run, not how fast")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (3; 1 with --quick); costly parts run at most twice")
    parser.add_argument("--only", type=words(PARTS), default=list(PARTS), help="these parts, separated by commas (see --list)")
    everything = [OURS, *RIVALS, *BESIDE]
    parser.add_argument("--engines", type=words(everything), default=everything, help=f"these engines ({','.join(everything)})")
    parser.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)), help="the CPU to which single-threaded parts are pinned (the last)")
    parser.add_argument("--work", default=os.path.join(BENCH, "target", "work"), help="where databases are written: on the disk to be measured")
    parser.add_argument("--program", help="a kvbench that was built before, to compare commits with")
    parser.add_argument("--list", action="store_true", help="the parts")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def words(known):
    def split(text):
        chosen = text.split(",")
        unknown = [word for word in chosen if word not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: there are {', '.join(known)}")
        return chosen
    return split


def build(engines):
    """Builds the program with the engines that can be built here; its path and these engines."""
    features = []
    for engine, package in PACKAGES.items():
        if engine not in engines:
            continue
        if can_link(engine):
            features.append(engine)
        else:
            note(f"{engine} is left out: no lib{engine}.so to link to. Install it: apt install {package}")
    engines = [engine for engine in engines if engine not in PACKAGES or engine in features]
    note(f"building {', '.join(engines)}")
    command = ["cargo", "build", "--release", "--quiet", "--manifest-path", MANIFEST, "--features", ",".join(features)]
    subprocess.run(command, check=True)
    metadata = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version=1", "--manifest-path", MANIFEST],
        check=True, capture_output=True, text=True)
    return os.path.join(json.loads(metadata.stdout)["target_directory"], "release", "kvbench"), engines


def given(options):
    """The program that was asked for, and its engines."""
    built = subprocess.run([options.program, "engines"], check=True, capture_output=True, text=True).stdout.split()
    return options.program, [engine for engine in options.engines if engine in built]


def can_link(library):
    command = ["cc", "-x", "c", "-", "-o", os.devnull, f"-l{library}"]
    try:
        return subprocess.run(command, input="int main(void) { return 0; }", text=True, stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        sys.exit("no C compiler: install gcc or clang")


def take_turns(program, work, name, turn, built, options, results):
    """One round of one part: every engine once, another one first in each round."""
    part = PARTS[name]
    if turn >= (part.rounds_max or options.rounds):
        return
    engines = [engine for engine in built if takes_part(part, engine, turn)]
    start = turn % max(len(engines), 1)
    for engine in engines[start:] + engines[:start]:
        for line in run(program, work, name, part, engine, options):
            emit(part=name, round=turn + 1, engine=engine, **line)
            if "phase" in line:
                results.setdefault((name, line["phase"], engine), {})[turn] = line


def takes_part(part, engine, turn):
    if engine == OURS:
        return True
    if engine in part.rivals:
        return part.rival_rounds is None or turn < part.rival_rounds
    return engine in part.beside and turn == 0


def run(program, work, name, part, engine, options):
    """The lines of one process."""
    settings = dict(engine=engine, directory=work, **(part.quick if options.quick else part.full))
    command = [program, part.workload, *itertools.chain.from_iterable((f"--{key}", str(value)) for key, value in settings.items())]
    note(f"{name}: {engine}")
    pin = {options.cpu} if part.pinned else os.sched_getaffinity(0)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, pin))
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    shutil.rmtree(os.path.join(work, engine), ignore_errors=True)
    if done.returncode != 0:
        lines.append(dict(error=done.stderr.strip().splitlines()[:3], exit=done.returncode))
        note(f"{name}: {engine} failed: {done.stderr.strip()}")
    return lines


def table(figures):
    """The figures for people."""
    for line in figures.lines:
        spread = " ".join(map(str, line["rounds"]))
        note(f"{line['figure']:55} {line['value']!s:>8}  must {line['must']:7} goal {line['goal']:7} {'' if line['holds'] else 'SHORT':6} {spread}")


def judge(options, results):
    figures = Figures()
    for part, phase, by, rivals in SPEEDS:
        if part not in options.only:
            continue
        for rival, (must, goal) in rivals.items():
            if rival not in options.engines:
                continue
            ratios = {key: speed_ratios(results, part, phase, rival, key) for key in ("cpu_us", "per_s")}
            figures.at_least(f"{NAMES[part, phase]}: × {rival}", rounded(median(ratios[by]), 2), must, goal)
            figures.lines[-1].update(
                measured="CPU time" if by == "cpu_us" else "wall time",
                rounds=[rounded(ratio, 2) for ratio in ratios[by]],
                other=rounded(median(ratios["per_s" if by == "cpu_us" else "cpu_us"]), 2),
                ours=rounded(median(values(results, part, phase, OURS, by)), 3),
                theirs=rounded(median(values(results, part, phase, rival, by)), 3))
    if "write" in options.only and "rocksdb" in options.engines:
        ratios = ratios_of(results, "write", "overwrite", "rocksdb", "write_amplification")
        figures.at_most("write amplification of overwrite ÷ rocksdb's", rounded(median(ratios), 2), 1.0, 0.8)
        figures.lines[-1].update(rounds=[rounded(ratio, 2) for ratio in ratios])
    absolute(options, results, figures)
    return figures


def absolute(options, results, figures):
    """The figures that do not depend on anybody else; RocksDB's beside them."""
    wanted = [
        ("values", "fillrandom", "write_amplification", "write amplification of 4-KiB random puts", 1, 2.2, 1.1),
        ("pause", "pause", "max_us", "longest pause in 20 s of fillrandom, ms", 1000, 10, 10),
        ("space", "space", "compacted_ratio", "space after compaction ÷ live data", 1, 1.07, 1.07),
        ("space", "space", "peak_ratio", "space at any time ÷ live data", 1, 1.3, 1.3),
    ]
    for part, phase, key, figure, unit, must, goal in wanted:
        if part in options.only:
            of = lambda engine: [value / unit for value in values(results, part, phase, engine, key)]
            figures.at_most(figure, rounded(median(of(OURS)), 3), must, goal)
            figures.lines[-1].update(rounds=[rounded(value, 3) for value in of(OURS)], **{rival: rounded(median(of(rival)), 3) for rival in RIVALS if of(rival)})


def values(results, part, phase, engine, key):
    return [line[key] for line in results.get((part, phase, engine), {}).values()]


def ratios_of(results, part, phase, rival, key):
    """Ours ÷ theirs, round by round."""
    ours, theirs = (results.get((part, phase, engine), {}) for engine in (OURS, rival))
    return [ours[turn][key] / theirs[turn][key] for turn in sorted(ours.keys() & theirs.keys()) if theirs[turn][key]]


def speed_ratios(results, part, phase, rival, key):
    ratios = ratios_of(results, part, phase, rival, key)
    return [1 / ratio for ratio in ratios if ratio] if key == "cpu_us" else ratios
