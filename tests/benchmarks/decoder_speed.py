"""How fast decoders are costed, on one core: python -m tests.benchmarks.decoder_speed [SPACE ...].

Times are of this process alone (thread time), the best of a few; a busy machine still slows its caches.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import oracle
from search.space import load_space
from tests.benchmarks._timing import best

SPACES = ("decoder-3b", "llama-3.1-8b-pruned")
WORKLOAD: dict[str, Any] = {"batch_size": 16, "dtype": "bfloat16", "weights": "bfloat16", "runtime": "compiled"}


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
