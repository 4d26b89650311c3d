"""What the comparisons of vectors share: data sets, recall, curves, and the Rust process."""
import gzip
import json
import math
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BENCH = os.path.dirname(HERE)
REPOSITORY = os.path.dirname(BENCH)

# One thread each: a BLAS that takes the other cores would measure the machine, not the library.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402

K = 10


def data_dir(option):
    """Where the data sets are: the option, the environment, or `shared/data` beside the repository."""
    path = option or os.environ.get("AETHERVEC_DATA") or os.path.join(REPOSITORY, "..", "shared", "data")
    if not os.path.isdir(path):
        sys.exit(f"no data sets in {path}: give --data DIR or set AETHERVEC_DATA")
    return os.path.abspath(path)


def load_npy(directory, stem):
    path = os.path.join(directory, stem + ".npy")
    if os.path.exists(path):
        return np.load(path)
    with gzip.open(path + ".gz", "rb") as file:
        return np.lib.format.read_array(file)


class DataSet:
    """A data set as floats, with the exact nearest neighbours of its queries."""

    def __init__(self, directory, name, rows=None, queries=None, with_truth=True):
        self.directory, self.name = directory, name
        with open(os.path.join(directory, name + ".json")) as file:
            self.metric = json.load(file)["metric"]
        base, query = load_npy(directory, name + "_base"), load_npy(directory, name + "_query")
        whole = rows is None or rows >= len(base)
        base, query = base[:rows], query[:queries]
        self.raw_bytes = base.nbytes
        self.base = np.ascontiguousarray(base, np.float32)
        self.queries = np.ascontiguousarray(query, np.float32)
        if self.metric == "cos":
            self.base /= np.linalg.norm(self.base, axis=1, keepdims=True)
            self.queries /= np.linalg.norm(self.queries, axis=1, keepdims=True)
        self.rows, self.dim = self.base.shape
        if with_truth:
            self.truth = load_npy(directory, name + "_gt")[:queries, :K] if whole else self.nearest()

    def nearest(self):
        products = self.queries @ self.base.T
        distances = (self.base**2).sum(1) - 2 * products if self.metric == "l2" else -products
        return np.argsort(distances, axis=1, kind="stable")[:, :K]

    def recall(self, found):
        hits = sum(len(np.intersect1d(f, t)) for f, t in zip(found, self.truth))
        return hits / (K * len(self.truth))


def qps_at(level, points):
    """Queries per second at a recall: log-linear between the neighbours on the Pareto front of (recall, qps) points."""
    front = []
    for recall, qps in sorted(points, reverse=True):
        if not front or qps > front[-1][1]:
            front.append((recall, qps))
    front.reverse()
    above = next((i for i, (recall, _) in enumerate(front) if recall >= level), None)
    if above is None:
        return None
    if above == 0:
        return front[0][1]
    (r0, q0), (r1, q1) = front[above - 1], front[above]
    share = (level - r0) / (r1 - r0)
    return math.exp(math.log(q0) * (1 - share) + math.log(q1) * share)


class Timer:
    """CPU and wall seconds of a block."""

    def __enter__(self):
        self.wall_s, self.cpu_s = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_):
        self.wall_s, self.cpu_s = time.perf_counter() - self.wall_s, time.process_time() - self.cpu_s


def engine_binary():
    """Builds the Rust side and says where it is."""
    command = ["cargo", "build", "--release", "--quiet", "--manifest-path", os.path.join(BENCH, "Cargo.toml")]
    subprocess.run(command, check=True)
    metadata = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version=1", "--manifest-path", os.path.join(BENCH, "Cargo.toml")],
        check=True, capture_output=True, text=True)
    return os.path.join(json.loads(metadata.stdout)["target_directory"], "release", "aether-bench")


class Engine:
    """A process: one command, one answer. Inherits the CPU that this process is pinned to."""

    def __init__(self, program, mode):
        program = [program] if isinstance(program, str) else program
        self.process = subprocess.Popen([*program, mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def __call__(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"error": "the process ended"}')
        if "error" in answer:
            raise RuntimeError(f"{words[0]}: {answer['error']}")
        return answer

    def kill(self):
        """As `kill -9` does."""
        self.process.kill()
        self.process.wait()
