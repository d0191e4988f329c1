"""Decoders as columns: the twin of `oracle.families.decoder`, its checks in the same order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.families._checks import MAX_BLOCKS, MAX_WIDTH
from oracle.families.decoder import MAX_EXPERTS, MAX_VOCAB, Layer, Sizes, Words, call_of, windows_of
from oracle.families.many.chain import ChainBuilder
from oracle.families.many.rows import Rows
from oracle.families.mixers import mixers_of
from oracle.families.population import Population, taken
from oracle.families.sharding import Parallel, cuts_heads
from oracle.spec import CellSpec

Ints = NDArray[np.int64]
_Layers = tuple[Ints, Any, Layer]
"""Rows with a layer, how often each repeats it, and the layer."""

_SIZES = (
    "VOCAB LAYERS WIDTH HEADS KV_HEADS HEAD_DIM FF Q_RANK NOPE_DIM ROPE_DIM V_DIM EXPERTS EXPERTS_PER_TOKEN EXPERT_FF"
    " SHARED_FF DENSE_LAYERS LINEAR_HEADS LINEAR_KEY_HEADS LINEAR_KEY_DIM LINEAR_VALUE_DIM INDEX_HEADS INDEX_DIM"
)
_LISTS = ("LAYER_HEADS", "LAYER_KV_HEADS", "LAYER_FF")
COLUMNS = frozenset(f"DECODER.{name}" for name in (*_SIZES.split(), *_LISTS))


def population(rows: Rows) -> Population:
    """The decoders of the DECODER section; a row that `rows.reason` rejects holds none.

    Raises:
        ConfigError: a value that all rows share and with which there is no network.
    """
    call = call_of(rows.cfg)
    width = rows.integer("DECODER.WIDTH")
    vocab = rows.integer("DECODER.VOCAB", high=MAX_VOCAB)
    words = Words.of(rows.cfg, call)
    sizes = _sizes(rows, width, words.shared)
    ends = words.first(width, vocab), words.head(width, vocab)
    one, *others = (_part(rows, words, sizes, ends, layers) for layers in _layers(rows, sizes, words.shared))
    return replace(one, others=tuple(others))


def _part(
    rows: Rows, words: Words, sizes: Sizes, ends: tuple[list[CellSpec], CellSpec], layers: list[_Layers]
) -> Population:
    """Some layers between both ends of the network."""
    chain = ChainBuilder(rows.size)
    first, last = ends
    for cell in first:
        chain.add(cell.kind, rows.everyone, **cell.kwargs)
    for at, counts, layer in layers:
        own = Sizes(*(taken(getattr(sizes, name), at, rows.size) for name in Sizes.__dataclass_fields__))
        for part, chosen in _alike(layer, len(at)):
            inside = Sizes(*(taken(getattr(own, name), part, len(at)) for name in Sizes.__dataclass_fields__))
            _add(chain, words.layer(chosen, inside), at[part], taken(counts, part, len(at)))
    chain.add(last.kind, rows.everyone, **last.kwargs)
    return chain.population((words.call.tokens,))


def _add(chain: ChainBuilder, cells: list[CellSpec], at: Ints, counts: Any) -> None:
    """A layer as often as some rows repeat it; one of two cells layer by layer, for they take turns."""
    if len(cells) == 1:
        chain.add(cells[0].kind, at, counts, **cells[0].kwargs)
        return
    many = np.broadcast_to(counts, len(at))
    for number in range(int(many.max()) if cells else 0):
        here = np.flatnonzero(many > number)
        for cell in cells:
            chain.add(cell.kind, at[here], **{name: taken(value, here, len(at)) for name, value in cell.params})


def _alike(layer: Layer, count: int) -> list[tuple[Ints, Layer]]:
    """Rows whose layer has the same halves, with their part of its columns."""
    everyone = np.arange(count)
    heads, ff = (np.broadcast_to(value, count) > 0 for value in (layer.heads, layer.ff))
    found = []
    for attends in (True, False):
        for transforms in (True, False):
            rows = np.flatnonzero((heads == attends) & (ff == transforms))
            if not len(rows) or not (attends or transforms):
                continue
            own = {name: taken(getattr(layer, name), rows, count) for name in ("heads", "kv_heads", "ff")}
            own |= {} if attends else {"heads": 0, "kv_heads": 0}
            own |= {} if transforms else {"ff": 0}
            found.append(
                (rows if len(rows) < count else everyone, replace(layer, **own, mixed=layer.mixed and transforms))
            )
    return found


def _sizes(rows: Rows, width: Any, shared: Parallel) -> Sizes:
    heads = rows.integer("DECODER.HEADS")
    kv_heads = _or(rows.integer("DECODER.KV_HEADS", low=0), heads)
    given = rows.integer("DECODER.HEAD_DIM", low=0)
    latent = bool(rows.cfg["DECODER"]["KV_RANK"])
    q_rank = rows.integer("DECODER.Q_RANK", low=0)
    nope_dim, rope_dim, v_dim = (
        rows.integer(f"DECODER.{name}", low=int(latent)) for name in ("NOPE_DIM", "ROPE_DIM", "V_DIM")
    )
    index = _index(rows)
    if rows.cfg["DECODER"]["INDEX_TOPK"]:
        rope_dim = rows.sound("DECODER.ROPE_DIM", rope_dim, rope_dim <= index[1], 1)
    if latent:
        given = nope_dim + rope_dim
    heads = rows.sound("DECODER.HEADS", heads, (given > 0) | (width % heads == 0), 1)
    head_dim = _or(given, width // heads)
    ff = rows.integer("DECODER.FF")
    experts = rows.integer("DECODER.EXPERTS", low=0, high=MAX_EXPERTS)
    chosen = rows.integer("DECODER.EXPERTS_PER_TOKEN")
    chosen = rows.sound("DECODER.EXPERTS_PER_TOKEN", chosen, (experts == 0) | (chosen <= experts), 1)
    groups = rows.cfg["DECODER"]["EXPERT_GROUPS"]
    experts = rows.sound("DECODER.EXPERT_GROUPS", experts, experts % groups == 0, 0)
    experts = rows.sound("COST.PARALLEL.EP", experts, experts % shared.ep == 0, 0)
    expert_ff = _or(rows.integer("DECODER.EXPERT_FF", low=0), ff)
    shared_ff = rows.integer("DECODER.SHARED_FF", low=0)
    section = rows.cfg["DECODER"]
    if section["SHARED_GATE"]:
        rows.sound("DECODER.SHARED_GATE", True, (shared_ff > 0) | (experts == 0), True)
    if not section["GATED"] or section["PARALLEL"]:
        experts = rows.sound("DECODER.EXPERTS", experts, experts == 0, 0)
    latents = q_rank, nope_dim, rope_dim, v_dim
    others = *_linear(rows, shared), *index
    return Sizes(width, heads, kv_heads, head_dim, ff, *latents, experts, chosen, expert_ff, shared_ff, *others)


def _linear(rows: Rows, shared: Parallel) -> tuple[Any, Any, Any, Any]:
    """`oracle.families.mixers.linear_sizes` of columns."""
    if not any(mixers_of(rows.cfg["DECODER"])):
        return 0, 0, 0, 0
    names = ("HEADS", "KEY_HEADS", "KEY_DIM", "VALUE_DIM")
    heads, groups, keys, values = (rows.integer(f"DECODER.LINEAR_{name}") for name in names)
    wide = _plain(heads * np.maximum(keys, values) <= MAX_WIDTH)
    heads = rows.sound("DECODER.LINEAR_HEADS", heads, wide, 1)
    groups = rows.sound("DECODER.LINEAR_KEY_HEADS", groups, _plain(heads % groups == 0), 1)
    cut = _plain(cuts_heads(heads, groups, shared))
    heads, groups = (rows.sound("COST.PARALLEL.TP", value, cut, shared.tp) for value in (heads, groups))
    return heads, groups, keys, values


def _index(rows: Rows) -> tuple[Any, Any]:
    """`oracle.families.mixers.index_sizes` of columns."""
    if not rows.cfg["DECODER"]["INDEX_TOPK"]:
        return 0, 0
    heads, width = (rows.integer(f"DECODER.INDEX_{name}") for name in ("HEADS", "DIM"))
    return rows.sound("DECODER.INDEX_HEADS", heads, _plain(heads * width <= MAX_WIDTH), 1), width


def _or(value: Any, other: Any) -> Any:
    """A size, or another where it is 0."""
    if isinstance(value, np.ndarray):
        return np.where(value > 0, value, other)
    return value or other


def _layers(rows: Rows, sizes: Sizes, shared: Parallel) -> list[list[_Layers]]:
    """The layers of each part of a pipeline, from the first to the last; of parts that are all alike only the last."""
    count = rows.integer("DECODER.LAYERS", high=MAX_BLOCKS)
    count = rows.sound("COST.PARALLEL.PP", count, _plain(np.asarray(count) >= shared.pp), shared.pp)
    dense = rows.integer("DECODER.DENSE_LAYERS", low=0, high=MAX_BLOCKS)
    if shared.ep > 1:
        mixes = (np.asarray(sizes.experts) > 0) & (np.asarray(dense) < count)
        count = rows.sound("COST.PARALLEL.EP", count, _plain(mixes), count)
    windows, mixers = windows_of(rows.cfg["DECODER"]), mixers_of(rows.cfg["DECODER"])
    own = {name: _list(rows, name, count) for name in _LISTS}
    if all(values is None for values in own.values()) and len(set(windows)) == len(set(mixers)) == 1:
        usual = Layer(sizes.heads, sizes.kv_heads, sizes.ff, windows[0], False, mixers[0])
        layer = _checked(rows, sizes, usual, rows.everyone, shared)
        alike = not (np.any(sizes.experts) and np.any(dense))
        return [_runs(rows, sizes, count, dense, span, layer) for span in _spans(count, shared)[: 1 if alike else None]]
    spans = _spans(count, shared)
    found: list[list[_Layers]] = [[] for _ in spans]
    for at in range(int(np.max(count))):
        here = np.flatnonzero(np.broadcast_to(count, rows.size) > at)
        heads, kv_heads, ff = [
            taken(usual if column is None else column[at], here, rows.size)
            for usual, column in zip((sizes.heads, sizes.kv_heads, sizes.ff), own.values(), strict=True)
        ]
        own_layer = Layer(heads, kv_heads, ff, windows[at % len(windows)], False, mixers[at % len(mixers)])
        layer = _checked(rows, sizes, own_layer, here, shared)
        mixed = np.broadcast_to((np.asarray(sizes.experts) > 0) & (at >= np.asarray(dense)), rows.size)[here]
        for layers, (start, stop) in zip(found, spans, strict=True):
            within = np.broadcast_to((np.asarray(start) <= at) & (at < np.asarray(stop)), rows.size)[here]
            for part, mixes in ((np.flatnonzero(mixed & within), True), (np.flatnonzero(~mixed & within), False)):
                if len(part):
                    names = ("heads", "kv_heads", "ff")
                    inside = {name: taken(getattr(layer, name), part, len(here)) for name in names}
                    layers.append((here[part], 1, replace(layer, **inside, mixed=mixes)))
    return found


def _spans(count: Any, shared: Parallel) -> list[tuple[Any, Any]]:
    """`oracle.families.sharding.parts_of` of columns: the first layer of each part, and the one after its last."""
    found, stop = [], count
    for at in range(shared.pp):
        start = stop - count // shared.pp - (at < count % shared.pp)
        found.append((start, stop))
        stop = start
    return found


def _runs(rows: Rows, sizes: Sizes, count: Any, dense: Any, span: tuple[Any, Any], layer: Layer) -> list[_Layers]:
    """Layers that are all alike, but that the first may have no experts."""
    start, stop = span
    has = np.broadcast_to(sizes.experts, rows.size) > 0
    first = np.clip(np.where(has, np.minimum(dense, count), count), start, stop) - start
    rest = stop - start - first
    found: list[_Layers] = []
    for counts, mixed in ((first, False), (rest, True)):
        at = np.flatnonzero(counts > 0)
        if len(at):
            inside = {name: taken(getattr(layer, name), at, rows.size) for name in ("heads", "kv_heads", "ff")}
            found.append((at, counts[at], replace(layer, **inside, mixed=mixed)))
    return found


def _list(rows: Rows, name: str, count: Any) -> list[Any] | None:
    """A key's entries, a column each; None where there are none, and all layers have the same."""
    key = f"DECODER.{name}"
    entries = rows.entries(key)
    if not entries:
        return None
    rows.sound(key, count, np.equal(count, len(entries)), len(entries))
    entries += [entries[-1]] * (int(np.max(count)) - len(entries))
    return [rows.integer(key, value, low=0) for value in entries]


def _checked(rows: Rows, sizes: Sizes, layer: Layer, at: Ints, shared: Parallel) -> Layer:
    """A layer of some rows whose heads fit their groups."""
    section = rows.cfg["DECODER"]
    heads, groups = layer.heads, layer.kv_heads
    key = "DECODER.LAYER_KV_HEADS" if _is_given(rows, "DECODER.LAYER_KV_HEADS") else "DECODER.KV_HEADS"
    fits = (np.asarray(heads) == 0) | ((np.asarray(groups) > 0) & (heads % np.maximum(groups, 1) == 0))
    groups = rows.sound(key, groups, _plain(fits), 1, at)
    dims = taken(sizes.head_dim, at, rows.size)
    rows.sound("DECODER.HEAD_DIM", dims, _plain(np.asarray(heads) * dims <= MAX_WIDTH), 1, at)
    if shared.tp > 1:
        cut = _plain((np.asarray(heads) == 0) | cuts_heads(heads, heads if section["KV_RANK"] else groups, shared))
        heads, groups = (rows.sound("COST.PARALLEL.TP", value, cut, shared.tp, at) for value in (heads, groups))
    if section["PARALLEL"]:
        whole = (np.asarray(heads) > 0) & (np.asarray(layer.ff) > 0)
        rows.sound("DECODER.PARALLEL", True, _plain(whole), True, at)
    return replace(layer, heads=heads, kv_heads=groups)


def _plain(holds: Any) -> Any:
    """Whether a rule holds: one answer, or a column of them."""
    return bool(holds) if np.ndim(holds) == 0 else holds


def _is_given(rows: Rows, key: str) -> bool:
    return len(rows.entries(key)) > 0
