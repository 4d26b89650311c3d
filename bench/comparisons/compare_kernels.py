"""The comparison `kernels`: nanoseconds per call of the distance kernels, vectors in the L2 cache."""
import os
import subprocess

from common import engine_binary


def main(_arguments):
    binary = engine_binary()
    os.sched_setaffinity(0, {0})
    return subprocess.run([binary, "kernels"]).returncode
