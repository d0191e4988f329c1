"""Peak memory of a chain of cells from what each of them needs; `oracle.counting.memory` finds that out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from oracle.optable import ITEMSIZE, prod
from oracle.spec import Workload

Size = Any  # an int, or an array of them

PHASES = ("forward", "backward", "optimizer")


@dataclass(frozen=True, slots=True)
class CellMemory:
    """A cell's memory in bytes; the `_held` peaks are those with its input alive throughout the phase."""

    weights: Size
    states: Size
    gradients: Size
    forward: Size
    forward_held: Size
    backward: Size
    backward_held: Size
    optimizer: Size
    retained: Size
    input: Size
    output: Size
    output_retained: Any  # bools, or arrays of them
    input_retained: Any


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """Peak memory in bytes, of the whole call and of each phase.

    Attributes:
        weights_bytes: parameters and buffers, what autocast or an engine keeps in their place, and a decoder's caches
            of keys and values, which stay as well.
        states_bytes: the optimiser's state; 0 in inference, as are the next two.
        gradients_bytes: of all parameters.
        saved_bytes: what the forward pass made, or was given, and keeps for the backward pass.
        forward_bytes, backward_bytes, optimizer_bytes: peak of each phase. Weights and states are in all of them;
            so is whatever of saved tensors and gradients is alive at the peak. In inference the last two are no
            more than the weights.
        peak_bytes: the largest of the three.
    """

    weights_bytes: Size
    states_bytes: Size
    gradients_bytes: Size
    saved_bytes: Size
    forward_bytes: Size
    backward_bytes: Size
    optimizer_bytes: Size
    peak_bytes: Size


def held_input_bytes(input_shape: Sequence[Size], workload: Workload) -> Size:
    """Bytes of a network's input where the caller holds it until the network returns: in eager inference; else 0.

    Training keeps it for the backward pass of the first cell anyway.

    Args:
        input_shape: of one image; a dimension may be an array with an entry per network.
        workload: who runs it, in which batches and type.
    """
    if workload.runtime != "eager" or workload.training:
        return 0
    return ITEMSIZE[workload.input_dtype(len(input_shape) + 1)] * workload.batch_size * prod(input_shape)


def chain_peak(
    cells: Sequence[CellMemory], maximum: Callable[[Size, Size], Size] = max, held_bytes: Size = 0
) -> PeakMemory:
    """Peak memory of a chain of cells: what it would be, to the last byte, had the whole chain been traced.

    Each boundary tensor is the output of one cell and the input of the next; it is kept for the backward pass if
    either uses it there. The optimiser takes each of its steps on the tensors of all cells before the next one, so
    that what it makes on the way adds up.

    Args:
        cells: in the order of the forward pass.
        maximum: of two sizes.
        held_bytes: of the first cell's input, where it is held while the others run; see `held_input_bytes`.
    """
    weights = sum(cell.weights for cell in cells)
    states = sum(cell.states for cell in cells)
    all_gradients = sum(cell.gradients for cell in cells)
    forward: Size = 0
    backward: Size = 0
    optimizer: Size = 0
    before: Size = 0  # kept by earlier cells, without the boundary into this one
    for position, cell in enumerate(cells):
        held = position > 0 and cells[position - 1].output_retained
        given = held_bytes if position else 0  # the first cell counts it
        forward = maximum(forward, before + given + (cell.forward_held if held else cell.forward))
        later = sum(other.gradients for other in cells[position + 1 :])
        backward = maximum(backward, before + later + (cell.backward_held if held else cell.backward))
        # The boundary out of this cell is the next cell's own input: its curves count it.
        before = before + cell.retained + (cell.input if held or cell.input_retained else 0)
        optimizer = optimizer + cell.optimizer
    kept = before + (cells[-1].output if cells and cells[-1].output_retained else 0)
    resident = weights + states
    phases = resident + forward, resident + backward, resident + all_gradients + optimizer
    top = maximum(maximum(phases[0], phases[1]), phases[2])
    return PeakMemory(weights, states, all_gradients, kept, *phases, top)
