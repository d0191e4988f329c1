"""Seconds that matrix products need at the compute roof of a processor, whose vectors hold several output channels.

Libraries for processors compute a block of output channels at once, one per lane of a vector register: convolutions in
the layouts nChw8c and nChw16c of oneDNN and ONNX Runtime, and the columns of a product's register tile. A last block
that is not full takes as long as one that is, so that the 24 channels of a group cost as much as 32.

Of thirty networks measured on a Zen 4 in ONNX Runtime and OpenVINO, those of families that no fit had seen come out
2 to 5 points better with whole blocks, and with rows ONNX Runtime's in int8 from 27 to 9 % and OpenVINO's from 8 to 5
and from 20 to 10 % (`python -m tests.benchmarks.engine_accuracy`). How much a row costs was chosen by the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Blocking:
    """How a library cuts matrix products for processors.

    Attributes:
        lanes: output channels, or columns, in a block.
        row_steps: what each row of each product costs besides, in inner steps of a block: laying the window's pixels
            out in a row (im2col), and rounding sums to integers.
        overlap: as in `oracle.tiling.Tiling`: all memory traffic hides behind computing, or the other way round.
    """

    lanes: int
    row_steps: float = 0.0
    overlap: float = 0.0

    def compute_s(self, dims: Any, peak_flops: Any, *_: Any) -> NDArray[Any]:
        """Seconds of products at the compute roof.

        Args:
            dims: (4, ...): batch (groups), m, n, k of each product (batch, m, k) x (batch, k, n); positive.
            peak_flops: FLOP/s that the device reaches in products.

        Example:
            >>> float(ONNXRUNTIME.compute_s((2, 49, 24, 216), 1e9))  # as long as 32 columns: 2 x 2 x 49 x 216 x 32
            0.001354752
        """
        batch, m, n, k = np.asarray(dims, dtype=np.float64)
        return np.asarray(2.0 * self.lanes * batch * m * (np.ceil(n / self.lanes) * k + self.row_steps) / peak_flops)


ONNXRUNTIME = Blocking(16)
"""In float32 with AVX-512: the layout NCHWc."""

ONNXRUNTIME_INT8 = Blocking(16, 150.0)
"""Its integer convolutions lay every window out first, group by group."""

ONEDNN = Blocking(16, 20.0)
"""What OpenVINO runs, in float32 and in int8."""
