"""The comparison `main`: every figure of the whole path, from vectors in a file to answers after a restart."""
import argparse
import os
import shutil
import tempfile

import ann
import db
from common import BENCH, data_dir, engine_binary
from report import Figures, emit, machine_line


def main(arguments):
    options = parse(arguments)
    directory = data_dir(options.data)
    os.makedirs(options.work, exist_ok=True)
    work = tempfile.mkdtemp(prefix="main-", dir=options.work)
    binary = engine_binary()
    figures = Figures()
    try:
        emit(comparison="main", **machine_line(), quick=options.quick, rounds=options.rounds, builds=options.builds, cpu=options.cpu)
        everywhere = os.sched_getaffinity(0)
        if options.only != "db":
            # The engine's process inherits this.
            os.sched_setaffinity(0, {options.cpu})
            for name in ("minilm", "fashion"):
                ann.compare(binary, directory, work, name, options, figures)
            os.sched_setaffinity(0, everywhere)
        if options.only != "ann":
            db.measure(binary, directory, work, options, figures)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return figures.finish()


def parse(arguments):
    parser = argparse.ArgumentParser(prog="bench/run main")
    parser.add_argument("--quick", action="store_true", help="10,000 vectors of each set, one round: does it run, not how fast")
    parser.add_argument("--rounds", type=int, help="interleaved rounds of searches, imports and openings (5)")
    parser.add_argument("--builds", type=int, default=1, help="interleaved index builds (1)")
    parser.add_argument("--cpu", type=int, default=0, help="the CPU to which both libraries are pinned (0)")
    parser.add_argument("--data", help="directory of the data sets (AETHERVEC_DATA, or ../shared/data beside the repository)")
    parser.add_argument("--work", default=os.path.join(BENCH, "target", "work"), help="where databases are written: on the disk to be measured")
    parser.add_argument("--only", choices=["ann", "db"], help="only this half")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (1 if options.quick else 5)
    return options
