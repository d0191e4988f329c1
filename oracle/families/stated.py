"""What a decoder's cells say of the call that they are of, for whoever shows numbers: phase, past, GPUs.

phase       decode where one token of each sequence follows others; a prompt of one token that does has its costs,
            but in attention over latents, whose cells know
past        tokens of each sequence before the call, as many as some layer sees: where all have windows, those of
            the widest
tp, pp, ep  GPUs that share layers, are in a row, share experts out (COST.PARALLEL)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.families.population import Population
from oracle.families.sharding import SHARD, shard_of
from oracle.spec import NetSpec, Workload


class Stated(NamedTuple):
    """What is stated of a call; of a network of images nothing.

    Attributes:
        phase: prefill, decode or training; "" for a network of images.
        past: tokens of each sequence before the call that some layer sees.
        tp, pp, ep: GPUs that share it, as COST.PARALLEL has them.
    """

    phase: str = ""
    past: int = 0
    tp: int = 1
    pp: int = 1
    ep: int = 1


NO_CALL = Stated()
"""Of a network of images."""


def stated(net: NetSpec, workload: Workload) -> Stated:
    """What the cells of a network state.

    Example:
        >>> from oracle import load_cfg, to_spec
        >>> net = to_spec(load_cfg("GPT-2", ["COST.PHASE", "decode", "COST.PAST", 100]))
        >>> stated(net, Workload())
        Stated(phase='decode', past=100, tp=1, pp=1, ep=1)
    """
    if len(net.input_shape) != 1:
        return NO_CALL
    words = [cell.kwargs for cell in net.cells]
    past = max((int(own["past"]) for own in words if "past" in own), default=0)
    expanded = any(not own.get("absorbed", True) for own in words)
    shared = shard_of(net.cells[:2])
    ways = (1, 1, 1) if shared is None else (shared.tp, shared.pp, shared.ep)
    return Stated(str(_phase(net.input_shape[0], past, expanded, workload)), past, *ways)


def stated_of_many(networks: Population | Iterable[NetSpec], workload: Workload) -> dict[str, NDArray[Any]]:
    """Tokens of a sequence in the call, and the same, a column each; nothing where all networks are of images."""
    if not isinstance(networks, Population):
        rows = [(net.input_shape[0] if len(net.input_shape) == 1 else 0, *stated(net, workload)) for net in networks]
        columns = zip(*rows, strict=True) if any(tokens for tokens, *_ in rows) else ()
        return {name: np.array(column) for name, column in zip(("tokens", *Stated._fields), columns, strict=False)}
    if len(networks.input_shape) != 1:
        return {}
    size = networks.size
    past, expanded = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.bool_)
    ways = {name: np.ones(size, dtype=np.int64) for name in ("tp", "pp", "ep")}
    for group in (group for place in networks.places for group in place):
        own: dict[str, Any] = dict(group.params)
        there = group.counts > 0
        past[group.rows] = np.maximum(past[group.rows], np.where(there, own.get("past", 0), 0))
        expanded[group.rows] |= there & np.logical_not(own.get("absorbed", True))
        if group.kind == SHARD:
            for name, column in ways.items():
                column[group.rows] = own[name]
    tokens = np.broadcast_to(np.asarray(networks.input_shape[0], dtype=np.int64), size)
    return {"tokens": tokens, "phase": _phase(tokens, past, expanded, workload), "past": past, **ways}


def _phase(tokens: Any, past: Any, expanded: Any, workload: Workload) -> Any:
    """The phase of one network, or of each of some."""
    if workload.training:
        return np.full(np.shape(tokens), "training")
    return np.where(np.equal(tokens, 1) & np.greater(past, 0) & np.logical_not(expanded), "decode", "prefill")
