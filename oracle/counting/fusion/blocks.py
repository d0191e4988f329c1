"""Which operators want or keep channels in blocks: ONNX Runtime's NCHWc layout on processors.

As onnxruntime/core/optimizer/nchwc_transformer.cc has it: a convolution runs in blocks where its channels fill them
(of few input channels it reads the plain image), a grouped one where those of each group do, a depthwise one always.
Pools, activations, batch norms, and sums and concatenations of blocked images keep them blocked. All else needs the
plain image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oracle.counting.fusion.redundant import is_zero_product
from oracle.optable import Dim, Row, Shape, Use

__all__ = ["BLOCKED", "NATURAL", "Blocks", "Decide", "decided"]

NATURAL, BLOCKED = "natural", "blocked"
_ALIGNED = 4  # input channels of a convolution that reads blocks are a multiple of it
_IMAGE = 4  # dimensions
_POOLS = frozenset(
    {"aten.max_pool2d_with_indices", "aten.avg_pool2d", "aten.upsample_nearest2d", "aten.native_batch_norm"}
    | {"aten._native_batch_norm_legit_no_training"}
)

Decide = Callable[[str, Dim, Dim], bool]
"""Whether a size is a "multiple" of a number, or "below" it."""


def decided(relation: str, size: Dim, number: Dim) -> bool:
    """`Decide` of plain integers."""
    return bool(size % number == 0 if relation == "multiple" else size < number)


class Blocks:
    """Follows the layouts of images.

    Args:
        block: channels in a block; 0 where there are none.
        decide: answers questions about sizes.

    Attributes:
        formats: value -> its layout, of those that are known.
    """

    def __init__(self, block: int, decide: Decide) -> None:
        self.formats: dict[int, str] = {}
        self._block, self._decide = block, decide

    def between_cells(self, shape: Sequence[Dim]) -> str:
        """The layout in which an image passes from one cell to the next."""
        if not self._block or len(shape) != _IMAGE or not self._aligned(shape[1]):
            return NATURAL
        return BLOCKED

    def wanted(self, row: Row, form: Callable[[Use, int], str]) -> tuple[str, str]:
        """The layouts of what an operator reads, and of what it makes."""
        if not self._block or not row.writes or len(row.writes[0].shape) != _IMAGE:
            return NATURAL, NATURAL
        if row.name == "aten.convolution":
            return self._of_convolution(row)
        images = [use for use in row.reads if len(use.shape) == _IMAGE]
        if not images or any(form(use, row.cell) != BLOCKED for use in images) or not self._keeps(row, images):
            return NATURAL, NATURAL
        return BLOCKED, BLOCKED

    def _keeps(self, row: Row, images: Sequence[Use]) -> bool:
        if row.name in _POOLS or is_zero_product(row) or (row.op_class == "activation" and len(row.reads) == 1):
            return True
        if row.name in ("aten.add", "aten.add_"):
            shapes = [argument for argument in row.args[:2] if isinstance(argument, Shape)]
            return len(shapes) > 1 and shapes[0] == shapes[1]
        return row.name == "aten.cat" and all(self._decide("multiple", use.shape[1], self._block) for use in images)

    def _of_convolution(self, row: Row) -> tuple[str, str]:
        weight, groups = row.args[1], row.args[8]
        if row.args[6]:  # transposed
            return NATURAL, NATURAL
        if row.op_class == "depthwise":
            return BLOCKED, BLOCKED
        if row.op_class == "grouped":
            filled = self._decide("multiple", weight[1], self._block)
            filled = filled and self._decide("multiple", weight[0], self._block * groups)  # of a group's outputs
            return (BLOCKED, BLOCKED) if filled else (NATURAL, NATURAL)
        if self._decide("below", weight[1], self._block):
            return NATURAL, BLOCKED
        return (BLOCKED, BLOCKED) if self._decide("multiple", weight[1], _ALIGNED) else (NATURAL, NATURAL)

    def _aligned(self, channels: Dim) -> bool:
        return not self._decide("below", channels, self._block) and self._decide("multiple", channels, _ALIGNED)
