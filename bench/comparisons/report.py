"""What every comparison prints, and how: JSON lines, and the figures that decide."""
import json
import os
import platform
import statistics
import sys


def emit(**line):
    print(json.dumps(line), flush=True)


def note(text):
    print(text, file=sys.stderr, flush=True)


class Figures:
    """The figures that decide, printed at the very end."""

    def __init__(self):
        self.lines = []

    def at_least(self, figure, value, must, goal):
        self.lines.append(dict(figure=figure, value=value, must=f">= {must}", goal=f">= {goal}", holds=value is not None and value >= must))

    def at_most(self, figure, value, must, goal):
        self.lines.append(dict(figure=figure, value=value, must=f"<= {must}", goal=f"<= {goal}", holds=value is not None and value <= must))

    def finish(self):
        """Prints all; the exit code."""
        for line in self.lines:
            emit(**line)
        return 0 if all(line["holds"] for line in self.lines) else 1


def machine_line():
    """What a figure depends on before anything is compared."""
    model = platform.processor()
    try:
        with open("/proc/cpuinfo") as file:
            model = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return dict(machine=model, cpus=os.cpu_count(), load=[round(load, 2) for load in os.getloadavg()])


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def rounded(value, digits=4):
    return round(value, digits) if isinstance(value, float) else value
