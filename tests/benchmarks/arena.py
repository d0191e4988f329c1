"""The tensor arena of small networks against the one that TensorFlow Lite for Microcontrollers allocates.

    python -m tests.benchmarks.arena [--engine litert]

Each network is written as a quantised TFLite file and loaded by TFLM's recording interpreter, which prints the two ends
of its arena: the tensors, and the records that it keeps. Needs `pip install tflite-micro`; says so and ends where it is
missing.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

import oracle
from oracle.query.arenas import table_arena
from oracle.spec import ENGINES, Workload
from oracle.trace import trace_module
from tests.benchmarks._small_networks import NETWORKS
from tests.benchmarks._tflite import quantised

_ALLOCATES = """
import sys
from tflite_micro.python.tflite_micro import runtime
runtime.Interpreter.from_file(sys.argv[1], arena_size=64_000_000).print_allocations()
"""


def allocated(file: Path) -> tuple[int, int]:
    """Bytes of tensors, and of what TFLM keeps beside them."""
    found = subprocess.run([sys.executable, "-c", _ALLOCATES, str(file)], check=True, capture_output=True, text=True)
    head, tail = (re.search(rf"allocation {end} (\d+) bytes", found.stdout + found.stderr) for end in ("head", "tail"))
    assert head is not None
    assert tail is not None
    return int(head[1]), int(tail[1])


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line per network, and how many are right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="litert", choices=ENGINES)
    args = parser.parse_args(argv)
    if importlib.util.find_spec("tflite_micro") is None:
        print("skipped: tflite_micro is not installed; pip install tflite-micro")
        return 0
    workload = Workload(dtype="int8", runtime="engine", engine=args.engine)
    near = 0
    for name, (make, shape) in NETWORKS.items():
        image = torch.empty(shape, device="meta")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "network.tflite"
            file.write_bytes(quantised(make(), shape))
            head, tail = allocated(file)
        arena = table_arena(trace_module(make().eval(), (image,), {}, workload), workload)
        alive = oracle.profile(make(), image, dtype="int8", engine=args.engine).sram_bytes
        near += abs(arena / head - 1) <= 0.05
        print(
            f"{name:22} TFLM {head:9,} B (and {tail:7,} of records)   planner {arena:9,} {arena / head - 1:+7.1%}   "
            f"alive {alive:9,} {alive / head - 1:+7.1%}"
        )
    print(f"{near} of {len(NETWORKS)} within 5 %")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
