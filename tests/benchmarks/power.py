"""What a watt computes: products measured on single GPUs, by how many operations they take.

    python -m tests.benchmarks.power DATA

The longer a kernel runs, the more a board with little power slows down. Boards of one generation then reach the same
operations per joule, whatever their sheets say: from such a row follow SUSTAINED_MATRIX and SUSTAINED_VECTOR of a
device file.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np

from tests.benchmarks._kernel_rows import Rows, gpu_rows, matrix_rows

SIZES = (1e9, 5e9, 2e10, 1e11, 1e12, np.inf)
_FEWEST = 10


def main() -> None:
    """Both dtypes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    asked = parser.parse_args()
    joules("float32, linear layers", matrix_rows(asked.data, "linear"))
    joules("bfloat16, products", gpu_rows(asked.data, "gemm"))


def joules(title: str, rows: Rows) -> None:
    """A line for each GPU and size: the share of the peak, and 1e9 operations per joule at the power of the sheet."""
    print(f"\n== {title}: median (90th percentile)")
    operations = 2.0 * rows.columns.get("batch", 1.0) * rows["m"] * rows["n"] * rows["k"]
    rate = operations / rows.seconds
    for name in np.unique(rows.device):
        for least, most in pairwise(SIZES):
            here = (rows.device == name) & (least <= operations) & (operations < most)
            if here.sum() < _FEWEST:
                continue
            share, per_joule = rate[here] / rows.peak[here], rate[here] / rows.watts[here] / 1e9
            print(
                f"{name:16s} {least / 1e9:6g} to {most / 1e9:6g} GFLOP  {here.sum():5d} rows   "
                f"share {np.median(share):.2f} ({np.quantile(share, 0.9):.2f})   "
                f"GFLOP/J {np.median(per_joule):5.0f} ({np.quantile(per_joule, 0.9):5.0f})"
            )


if __name__ == "__main__":
    main()
