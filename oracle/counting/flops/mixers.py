"""What decoders have in the place of plain attention: the gated delta rule, and keys that an indexer chooses."""

from __future__ import annotations

from typing import Any

from oracle.counting.flops.contractions import _visible
from oracle.counting.flops.registry import Dim, Work, register_flops
from oracle.optable import Shape, pieces, prod

_GATES = 11
"""Of a token and head: an addition, softplus, a product and an exponential; a sigmoid; a cumulative sum."""


@register_flops("oracle.causal_conv", op_class="elementwise")
def _causal_conv(x: Shape, weight: Shape, state: Shape | None, out: Shape) -> Work:
    macs = prod(out) * weight[1]
    return Work(macs, 2 * macs + 5 * prod(out))  # and SiLU


@register_flops("oracle.causal_conv_backward", op_class="elementwise")
def _causal_conv_backward(grad: Shape, x: Shape, weight: Shape, wanted: Any, out: Any) -> Work:
    # As causal_conv1d's: the convolution anew, the derivative of SiLU, and a convolution for each gradient.
    macs = (1 + int(wanted[0]) + int(wanted[1])) * prod(grad) * weight[1]
    return Work(macs, 2 * macs + 9 * prod(grad))


@register_flops("oracle.delta_rule")
def _delta_rule(
    q: Shape, k: Shape, v: Shape, ba: Shape, rate: Shape, shift: Shape, state: Shape | None, chunk: int, out: Any,
    causal_half: bool = False,
) -> Work:  # fmt: skip
    """Of a head with keys of D elements and values of E.

    Token by token (arXiv 2412.06464, equation 10): what the key reads, what is learned, what the query reads, D E
    multiply-adds each; D E products for what is forgotten, 2 E for the correction.

    In chunks of C (arXiv 2406.06484, section 3.2; `torch_chunk_gated_delta_rule` of transformers): products of keys
    with keys and queries with keys, 2 C C D; substitution in the triangular system they make, C (C - 1) / 2 for each of
    its D + E right-hand sides; what the state gives to the correction and to the result, and what it learns, 3 C D E;
    the result of the chunk's own values, C C E. Beside, decays of all pairs and of what goes in and out.

    Chunks compute all of their pairs, whatever is asked of causal attention. Keys and queries are of length 1 and of
    length 1 / sqrt(D): 3 and 4 per element, of each group of heads.
    """
    keys, values = k[-1], v[-1]
    lengths = 7 * prod(k)
    if not chunk:
        tokens = prod(v[:-1])
        macs = 3 * tokens * keys * values
        return Work(macs, 2 * macs + tokens * (keys * values + 2 * values + _GATES) + lengths)
    chunks = v[0] * v[2] * pieces(v[1], chunk)  # the last is computed as a whole one, as kernels do
    pairs, states = chunk * chunk * (2 * keys + values), 3 * chunk * keys * values
    macs = chunks * (pairs + chunk * (chunk - 1) // 2 * (keys + values) + states)
    vector = chunk * (4 * chunk + 4 * keys + 3 * values + _GATES) + 2 * keys * values
    return Work(macs, 2 * macs + chunks * vector + lengths)


@register_flops("oracle.delta_rule_backward")
def _delta_rule_backward(
    grad: Shape, q: Shape, k: Shape, v: Shape, ba: Shape, rate: Shape, shift: Shape, inverse: Shape, chunk: int,
    wanted: Any, out: Any, causal_half: bool = False,
) -> Work:  # fmt: skip
    # The products of flash-linear-attention's chunk_gated_delta_rule_bwd, per chunk of C: 10 C C D, 5 C C E and 8 C D E
    # (corrected keys and values and all states anew, gradients of values, states, queries, keys and corrections), and
    # 2 C C C for the gradient of an inverse. Beside, twice what the forward pass takes.
    chunks, keys, values = v[0] * v[2] * pieces(v[1], chunk), k[-1], v[-1]
    macs = chunks * chunk * (10 * chunk * keys + 5 * chunk * values + 8 * keys * values + 2 * chunk * chunk)
    forward = _delta_rule(q, k, v, ba, rate, shift, None, chunk, out)
    return Work(macs, 2 * macs + 2 * (forward.flops - 2 * forward.macs))


@register_flops("oracle.index_scores")
def _index_scores(q: Shape, k: Shape, weights: Shape, out: Shape, causal_half: bool = False) -> Work:
    # Per head and score a product over the width, its positive part, and a multiply-add over heads.
    scores = q[0] * q[2] * (_visible(q[1], k[1], 0) if causal_half else q[1] * k[1])
    macs = scores * (q[-1] + 1)
    return Work(macs, 2 * macs + scores)


@register_flops("oracle.index_choice", op_class="reduction")
def _index_choice(scores: Shape, chosen: Dim, out: Shape) -> Work:
    return Work(0, prod(scores))


@register_flops("oracle.sparse_attention")
def _sparse_attention(
    latent: Shape, ids: Shape, q: Shape, turned: Shape, width: Dim, out: Any, causal_half: bool = False
) -> Work:
    # As `_latent_attention`, each query over what it chose; of a prompt the first have fewer keys to choose from.
    length, chosen = ids[1:]
    scores = prod(q[:-2]) * (_visible(length, latent[1], chosen) if causal_half else length * chosen)
    macs = scores * (2 * q[-1] + turned[-1])
    return Work(macs, 2 * macs + scores * 6)
