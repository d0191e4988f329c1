"""Random members of every family and of every shipped space: closed form, alone and among many = trace of the whole.

    python -m tests.benchmarks.members [--members 300] [--seed 0] [FAMILY ...] [space:NAME ...]

Members come in groups of three that share a random workload, because arrays answer for populations; every integer of
`Scores`, every number of every kernel, and the latency on one device to the last digit. Exit code 1 on a difference.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from oracle._resources import shipped
from oracle.closedform import TemplateStore, evaluate
from oracle.counting.networks import count_net
from oracle.families.population import Population
from oracle.query import score, score_many
from oracle.spec import NetSpec, Workload
from search.space import load_space
from tests.benchmarks.equality import said_by_count, said_by_forms, sums_by_count
from tests.oracle.closedform.members import FAMILIES, WORKLOADS, runs

FIELDS = ("macs", "flops", "params", "activations", "traffic_bytes", "peak_memory_bytes")
DEVICE = "rtx-4090"  # the fewest dtypes are missing there
GROUP = 3
STORE = TemplateStore.everything()
CROWD = 5_000  # networks of a space that are costed beside its members


class Members(NamedTuple):
    """Some networks, and the population that they are the members of at some rows, straight from a space."""

    nets: Sequence[NetSpec]
    population: Population | None = None
    rows: Sequence[int] = ()


def differences(members: Members, workload: Workload) -> Iterator[str]:
    """What the ways of counting disagree on."""
    words: dict[str, Any] = workload.to_dict()
    fast = {**words, "store": STORE}
    sound = [row for row, net in enumerate(members.nets) if runs(net, workload)]
    nets = [members.nets[row] for row in sound]
    many = [*nets] * 20
    answers: dict[str, tuple[Any, Sequence[int]]] = {
        "few": (score_many(nets, [DEVICE], **fast), range(len(nets))),  # plain ints in inference
        "many": (score_many(many, [DEVICE], **fast), range(len(nets))),
    }
    with mock.patch.object(evaluate, "_FEW", 0):
        answers["parts"] = score_many(many, [DEVICE], **fast), range(len(nets))
    if members.population is not None and len(nets) == len(members.nets):
        answers["columns"] = score_many(members.population, [DEVICE], **fast), members.rows
    for number, net in enumerate(nets):
        cells = score(net, [DEVICE], **words)
        expected = {name: getattr(cells, name) for name in FIELDS}
        for label, (found, rows) in answers.items():
            row = rows[number]
            got = {name: int(getattr(found, name)[row]) for name in FIELDS}
            if got != expected:
                yield f"{label} {_unequal(got, expected)} under {workload}: {net}"
            if found.latency_ms[DEVICE][row] != cells.latency_ms[DEVICE]:
                yield f"{label} latency {found.latency_ms[DEVICE][row]} {cells.latency_ms[DEVICE]}, {workload}: {net}"
        counted = count_net(net, workload)
        traced = sums_by_count(counted)
        if traced != expected:
            yield f"whole {_unequal(traced, expected)} under {workload}: {net}"
        forms, whole = said_by_forms(net, workload), said_by_count(counted, workload)
        for what in [what for what in forms if forms[what] != whole[what]]:
            yield f"{what} differ under {workload}: {net}"


def _unequal(found: dict[str, int], expected: dict[str, int]) -> dict[str, tuple[int, int]]:
    return {name: (found[name], expected[name]) for name in expected if found[name] != expected[name]}


def compare(name: str, members: int, start: int) -> int:
    """Compare the members of one family or space; returns how many differences there were."""
    failed = checked = 0
    begun = time.perf_counter()
    drawn = iter([] if name in FAMILIES else _of_space(name.removeprefix("space:"), members))
    networks = st.lists(FAMILIES[name], min_size=GROUP, max_size=GROUP) if name in FAMILIES else st.none()

    @seed(start)
    @settings(
        max_examples=-(-members // GROUP), phases=[Phase.generate], database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(networks, WORKLOADS)
    def check(nets: list[NetSpec] | None, workload: Workload) -> None:
        nonlocal failed, checked
        group = Members(nets) if nets else next(drawn, None)
        if group is None:
            return
        checked += len(group.nets)
        for line in differences(group, workload):
            failed += 1
            sys.stdout.write(f"{name}: {line}\n")

    check()
    sys.stdout.write(f"{name}: {checked} members, {failed} differences, {time.perf_counter() - begun:.0f} s\n")
    sys.stdout.flush()
    return failed


def _of_space(name: str, members: int) -> Iterator[Members]:
    """Groups of members of a space, in the midst of the others of their chunk."""
    space, found = load_space(name), 0
    for index in range(space.chunks):
        population = space.chunk(index).population
        rows = np.linspace(0, population.size - 1, min(members - found, population.size)).astype(np.int64)
        for first in range(0, len(rows), GROUP):
            chosen = np.unique(rows[first : first + GROUP])
            crowd = np.unique([*np.linspace(0, population.size - 1, CROWD).astype(np.int64), *chosen])
            found += len(chosen)
            nets = [population.spec(row) for row in chosen.tolist()]
            yield Members(nets, population.take(crowd), np.searchsorted(crowd, chosen).tolist())
        if found >= members:
            return


def main() -> int:
    """Compare, print a line per family and space, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="families and spaces; all if none")
    parser.add_argument("--members", type=int, default=300, help="of each (default 300)")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    names = asked.names or [*FAMILIES, *(f"space:{name}" for name in sorted(shipped("spaces")))]
    return 1 if sum([compare(name, asked.members, asked.seed) for name in names]) else 0


if __name__ == "__main__":
    sys.exit(main())
