"""The sum over cells against a trace of the whole module: run `python tests/benchmarks/equality.py [NETWORK...]`.

Every shipped network in both modes and all runtimes, over types, layouts and optimisers; all integers of every
kernel, the sums, and the peak memory. tests/oracle/counting/test_chain.py does a few. Exit code 1 on a difference.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import product

from oracle.config import list_networks, load_cfg
from oracle.counting.chain import NetCount, count_net, count_table, trace_whole
from oracle.families import to_spec
from oracle.spec import RUNTIMES, NetSpec, Workload


def workloads() -> Iterator[Workload]:
    """Inference and training in every runtime; the other keywords take turns, all of them within each."""
    turns = [
        ("float32", "nchw", "sgd"),
        ("float16", "nhwc", "adamw"),
        ("bfloat16", "nchw", "adamw"),
        ("float32", "nhwc", "sgd"),
    ]
    for (mode, runtime), (dtype, layout, optimizer) in product(product(("inference", "training"), RUNTIMES), turns):
        yield Workload(2, dtype, mode, runtime, layout, optimizer)
    yield Workload(2, "int8", "inference", "engine")
    yield Workload(2, "float8", "inference", "engine", "nhwc")


def differences(net: NetSpec, workload: Workload) -> list[str]:
    """What the two ways of counting disagree on."""
    cells = count_net(net, workload)
    whole = count_table(trace_whole(net, workload), workload)
    return [
        name
        for name in ("kernels", "params", "activations", "unknown", "coverage", "memory")
        if _comparable(cells, name) != _comparable(whole, name)
    ]


def _comparable(count: NetCount, name: str) -> object:
    if name != "kernels":
        return getattr(count, name)
    # all but the number of the cell, and the rows, which a table of a cell counts from 0
    return Counter(kernel[:4] + kernel[5:-1] for kernel in count.kernels)


def main(names: list[str]) -> int:
    """Compare, print a line per network, and return the exit code."""
    failed = 0
    for name in names or list_networks():
        net, start, count = to_spec(load_cfg(name)), time.perf_counter(), 0
        for workload in workloads():
            count += 1
            for what in differences(net, workload):
                failed += 1
                print(f"{name}: {what} differ under {workload}")
        print(f"{name}: {count} workloads in {time.perf_counter() - start:.1f} s", flush=True)
    print("all equal" if not failed else f"{failed} differences")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
