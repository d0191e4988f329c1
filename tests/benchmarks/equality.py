"""Closed forms against a trace of the whole module: run `python -m tests.benchmarks.equality [NETWORK...]`.

Every shipped network in both modes and all runtimes, over types, layouts and optimisers; all integers of every
kernel, the sums, and the peak memory. tests/oracle/closedform/test_network.py does a few. Exit code 1 on a difference.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any

from oracle.calibration import kernel_class
from oracle.closedform import TemplateStore, network_form, shared_store
from oracle.config import list_networks, load_cfg
from oracle.counting.fusion import main_row
from oracle.counting.networks import NetCount, count_net
from oracle.families import to_spec
from oracle.spec import RUNTIMES, NetSpec, Workload


def workloads() -> Iterator[Workload]:
    """Inference and training in every runtime; the other keywords take turns, all of them within each."""
    turns = [
        ("float32", "nchw", "sgd", ""),
        ("float16", "nhwc", "adamw", ""),
        ("bfloat16", "nchw", "adamw", ""),
        ("float32", "nhwc", "sgd", ""),
        ("float16", "nchw", "sgd", "float16"),
        ("bfloat16", "nhwc", "adamw", "bfloat16"),
    ]
    for (mode, runtime), turn in product(product(("inference", "training"), RUNTIMES), turns):
        dtype, layout, optimizer, weights = turn
        yield Workload(2, dtype, mode, runtime, layout, optimizer, weights=weights)
    yield Workload(2, "int8", "inference", "engine")
    yield Workload(2, "float8", "inference", "engine", "nhwc")


def differences(net: NetSpec, workload: Workload) -> list[str]:
    """What the two ways of counting disagree on."""
    forms, whole = said_by_forms(net, workload), said_by_trace(net, workload)
    return [name for name in forms if forms[name] != whole[name]]


def said_by_forms(net: NetSpec, workload: Workload, store: TemplateStore | None = None) -> dict[str, Any]:
    """All that closed forms say of a network."""
    form = network_form(store or shared_store(), net, workload)
    kernels, numbers = form.described(), form.numbers.T.tolist()
    return {
        "kernels": Counter(
            (*kernels[at].meta._replace(module=module), cell, *numbers[at], kernels[at].macs, kernels[at].shape)
            for at, cell, module in form.launches()
        ),
        "params": form.sums["params"],
        "activations": form.sums["activations"],
        "unknown": form.unknown,
        "coverage": form.coverage,
        "memory": form.memory,
    }


def said_by_trace(net: NetSpec, workload: Workload) -> dict[str, Any]:
    """The same of a trace of the whole module."""
    return said_by_count(count_net(net, workload), workload)


def said_by_count(counted: NetCount, workload: Workload) -> dict[str, Any]:
    """The same of one that was counted already."""
    table = counted.table
    return {
        "kernels": Counter(
            (
                kernel.name,
                kernel.op_class,
                kernel_class(table, kernel.rows, workload.runner),
                kernel.module,
                kernel.phase,
                kernel.matrix_dtype,
                kernel.vector_dtype,
                kernel.cell,
                kernel.matrix_flops,
                kernel.vector_flops,
                kernel.read_bytes + kernel.write_bytes,
                kernel.weight_bytes,
                kernel.macs,
                table.rows[main_row(table, kernel.rows)].shapes,
            )
            for kernel in counted.kernels
        ),
        "params": counted.params,
        "activations": counted.activations,
        "unknown": counted.unknown,
        "coverage": counted.coverage,
        "memory": counted.memory,
    }


def sums_by_count(counted: NetCount) -> dict[str, int]:
    """A network's own integers, those of `Scores`, by a count of its trace."""
    return {
        "macs": sum(kernel.macs for kernel in counted.kernels),
        "flops": sum(kernel.matrix_flops + kernel.vector_flops for kernel in counted.kernels),
        "params": counted.params,
        "activations": counted.activations,
        "traffic_bytes": sum(kernel.read_bytes + kernel.write_bytes for kernel in counted.kernels),
        "peak_memory_bytes": counted.memory.peak_bytes,
    }


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
