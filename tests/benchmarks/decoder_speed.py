"""How fast decoders are costed, on one core: python tests/benchmarks/decoder_speed.py [SPACE ...].

Times are of this process alone (thread time), the best of a few; a busy machine still slows its caches.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import oracle
from search.space import load_space

SPACES = ("decoder-3b", "llama-3.1-8b-pruned")
WORKLOAD: dict[str, Any] = {"batch_size": 16, "dtype": "bfloat16", "weights": "bfloat16", "runtime": "compiled"}


def best(work: Callable[[], object], repeat: int = 5) -> float:
    """Seconds of the fastest of some runs."""
    times = []
    for _ in range(repeat):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return min(times)


def main(names: list[str]) -> None:
    """Print candidates per second: drawn, and costed on no device, on one and on two."""
    print(f"{'per second':22s} {'drawn':>12s} {'counts':>12s} {'one device':>12s} {'two devices':>12s}")
    for name in names or SPACES:
        space = load_space(name)
        population = space.chunk(0).population
        drawn = best(partial(space.chunk, 0))
        times = [
            best(partial(oracle.score_many, population, devices, **WORKLOAD))
            for devices in ([], ["h100-sxm"], ["h100-sxm", "l40s"])
        ]
        print(f"{name:22s}", *(f"{population.size / seconds:12,.0f}" for seconds in (drawn, *times)))


if __name__ == "__main__":
    main(sys.argv[1:])
