"""How long whole processes take from start to end: run `python tests/benchmarks/startup_speed.py [TIMES]`.

The measure is `python -c "import numpy"`, run in turn with every command, so that what else the host does meets all
alike: medians of wall time, medians of what each run takes of the measure beside it, and the most memory. Bytecode is
kept, as of an installed package; templates that do not ship are made by the untimed first round.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

MEASURE = "import numpy"
COMMANDS = {
    MEASURE: ["-c", MEASURE],
    "oracle --version": ["-m", "oracle", "--version"],
    "oracle devices": ["-m", "oracle", "devices"],
    "oracle score RegNetX-400MF -d t4": ["-m", "oracle", "score", "RegNetX-400MF", "-d", "t4"],
    "oracle score ... --model calibrated": "-m oracle score RegNetX-400MF -d t4 --model calibrated".split(),
    "oracle rank regnetx -d t4 -d rtx-4090": "-m oracle rank regnetx -d t4 -d rtx-4090".split(),
    "oracle-search spaces": ["-m", "oracle.search.cli", "spaces"],
}


class Run(NamedTuple):
    """A process that has ended."""

    seconds: float
    peak_mb: float


def _run(arguments: list[str], environment: dict[str, str]) -> Run:
    began = time.perf_counter()
    done = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(done.pid, 0)
    seconds = time.perf_counter() - began
    done.returncode = status
    if status:
        raise SystemExit(f"{' '.join(arguments)} failed")
    return Run(seconds, usage.ru_maxrss / 1e3)


def main(times: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as bytecode:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        rounds = [{name: _run(words, environment) for name, words in COMMANDS.items()} for _ in range(times + 1)][1:]
    print(f"{'medians of ' + str(times):<40} {'ms':>6} {'of numpy':>9} {'peak MB':>8}")
    for name in COMMANDS:
        milliseconds = statistics.median(found[name].seconds for found in rounds) * 1e3
        ratio = statistics.median(found[name].seconds / found[MEASURE].seconds for found in rounds)
        print(f"{name:<40} {milliseconds:>6.0f} {ratio:>9.2f} {max(found[name].peak_mb for found in rounds):>8.0f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
