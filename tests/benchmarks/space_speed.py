"""How fast candidates come out of design spaces and fronts out of candidates, on one core.

    python -m tests.benchmarks.space_speed [SPACE ...]

Times are of this process alone (thread time), the best of a few; a busy machine still slows its caches.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from oracle._ranks import kendall_tau_b
from oracle._resources import shipped
from oracle.families.fingerprint import Seen, fingerprints
from oracle.families.many import population_of
from search.pareto import non_dominated
from search.space import load_space
from tests.benchmarks._timing import best

CHUNKS = 10
MILLION = 1_000_000


def space_rates(name: str) -> None:
    """Candidates per second: drawn as columns, kept as cells, and in all, up to networks never met before."""
    space = load_space(name)
    chunk, seen = space.chunk(0), Seen()
    drawn, kept = chunk.tally.drawn, chunk.population.size
    sampling = best(lambda: space.sample(0, drawn))
    building = best(lambda: population_of(space.base, chunk.columns, space.num_stages))
    printing = best(lambda: fingerprints(chunk.population))
    whole = []
    for index in range(min(CHUNKS, space.chunks)):
        start = time.thread_time()
        found = space.chunk(index)
        seen.add(found.prints)
        whole.append((time.thread_time() - start) / found.population.size)
    print(
        f"{name:14s} {kept / drawn:6.1%} {drawn / sampling:13,.0f} {kept / building:13,.0f} "
        f"{kept / printing:13,.0f} {1 / min(whole):13,.0f} {1e6 * min(whole):6.2f}"
    )


def front_times() -> None:
    """Seconds for a million candidates."""
    rng = np.random.default_rng(0)
    cube = rng.random((4, MILLION))
    sphere = -np.abs(rng.standard_normal((3, MILLION)))
    sphere /= np.linalg.norm(sphere, axis=0)
    print(f"\na million candidates{'':20s}front  seconds")
    for count in (2, 3, 4):
        front = int(non_dominated(list(cube[:count])).sum())
        seconds = best(lambda count=count: non_dominated(list(cube[:count])), 1)  # type: ignore[misc]
        print(f"{count} independent objectives {front:20,d} {seconds:8.2f}")
    print(f"3 objectives, all on the front {MILLION:14,d} {best(lambda: non_dominated(list(sphere)), 1):8.2f}")
    print(f"Kendall's tau-b {'':30s}{best(lambda: kendall_tau_b(cube[0], cube[0] + cube[1]), 1):8.2f}")


def main(names: list[str]) -> None:
    """Print both tables."""
    heads = ("drawn", "as cells", "fingerprints", "in all")
    print(f"{'per second':14s} {'kept':>6s}", *(f"{head:>13s}" for head in heads), "    us")
    for name in names or sorted(shipped("spaces")):
        space_rates(name)
    if not names:
        front_times()


if __name__ == "__main__":
    main(sys.argv[1:])
