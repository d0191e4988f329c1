"""Formulas of the gated delta rule, of indexers and of what they choose, against torch's counter and by hand."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from oracle.cells.functions import delta_rule
from oracle.counting.flops.mixers import (
    _causal_conv,
    _causal_conv_backward,
    _delta_rule,
    _delta_rule_backward,
    _index_scores,
    _sparse_attention,
)
from oracle.optable import Shape

_SHAPES = [Shape(shape) for shape in ((2, 12, 3, 6), (2, 12, 3, 6), (2, 12, 9, 5), (2, 12, 2, 9), (9,), (9,))]


@pytest.mark.parametrize("chunk", [4, 6])
def test_chunks_are_the_products_that_torch_counts_and_a_triangular_system(chunk: int) -> None:
    with FlopCounterMode(display=False) as counter:
        delta_rule(*(torch.randn(shape) for shape in _SHAPES), None, chunk)
    unseen = 2 * 9 * 12 // chunk * (chunk * (chunk - 1) // 2) * (6 + 5)
    found = _delta_rule(*_SHAPES, None, chunk, out=None)
    assert found.macs == counter.get_total_flops() // 2 + unseen


def test_a_step_is_three_passes_over_a_state() -> None:
    """Of 24 tokens and 9 heads a state of 6 x 5, which decays, too; 11 for gates, 2 x 5 for what is corrected."""
    macs, flops = _delta_rule(*_SHAPES, None, 0, out=None)
    assert macs == 24 * 9 * 3 * 30
    assert flops == 2 * macs + 24 * 9 * (30 + 10 + 11) + 7 * 24 * 3 * 6


def test_backward_by_hand() -> None:
    """Chunks of 8 tokens, two of 12: ten products of pairs over keys, five over values, eight with a state, two more."""
    inverse = Shape((2, 12, 9, 8))
    macs, flops = _delta_rule_backward(_SHAPES[2], *_SHAPES, inverse, 8, [True] * 6, out=None)
    assert macs == 2 * 9 * 2 * (10 * 64 * 6 + 5 * 64 * 5 + 8 * 8 * 30 + 2 * 512)
    forward = _delta_rule(*_SHAPES, None, 8, out=None)
    assert flops - 2 * macs == 2 * (forward.flops - 2 * forward.macs)


def test_a_convolution_and_its_gradients() -> None:
    """Four tokens of each of 20 channels; SiLU is five operations, its derivative nine."""
    x, weight = Shape((2, 7, 20)), Shape((20, 4))
    assert _causal_conv(x, weight, None, out=x) == (280 * 4, 280 * (8 + 5))
    assert _causal_conv_backward(x, x, weight, [True, True], out=None) == (3 * 280 * 4, 280 * (24 + 9))


def test_half_of_a_mask_is_what_each_query_can_choose_from() -> None:
    """Five queries after six keys choose nine each: the first has seven to choose from, the last eleven."""
    latent, ids, q, turned = (Shape(shape) for shape in ((2, 11, 20), (2, 5, 9), (2, 4, 5, 16), (2, 4, 5, 4)))
    seen = sum(min(6 + at, 9) for at in range(1, 6))
    for half, scores in ((False, 5 * 9), (True, seen)):
        found = _sparse_attention(latent, ids, q, turned, 12, out=None, causal_half=half)
        assert found.macs == 2 * 4 * scores * (16 + 16 + 4)
    late = Shape((2, 30, 20))  # whose first query has more keys before it than it may choose
    found = _sparse_attention(late, ids, q, turned, 12, out=None, causal_half=True)
    assert found.macs == 2 * 4 * 5 * 9 * (16 + 16 + 4)
    queries, keys, weights = (Shape(shape) for shape in ((2, 5, 3, 10), (2, 11, 10), (2, 5, 3)))
    for half, scores in ((False, 55), (True, sum(6 + at for at in range(1, 6)))):
        found = _index_scores(queries, keys, weights, out=Shape((2, 5, 11)), causal_half=half)
        assert (found.macs, found.flops) == (2 * 3 * scores * 11, 2 * 3 * scores * 23)
