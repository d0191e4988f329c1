"""Once-for-all's subnets as columns: the twin of `oracle.families.ofa_mobilenetv3`, its checks in the same order."""

from __future__ import annotations

from typing import Any

import numpy as np

from oracle.families._cells import IMAGE_CHANNELS, tail
from oracle.families._checks import choice, require
from oracle.families.many.chain import ChainBuilder
from oracle.families.many.rows import Rows
from oracle.families.ofa_mobilenetv3 import (
    DEPTHS,
    EXPANSIONS,
    KERNELS,
    LAYERS,
    RESOLUTIONS,
    STAGES,
    STRIDES,
    ends,
    layer,
    squeeze,
)
from oracle.families.population import Population, taken

COLUMNS = frozenset(f"OFA.{name}" for name in ("KERNELS", "EXPANSIONS", "DEPTHS", "RESOLUTION"))


def population(rows: Rows) -> Population:
    """The subnets of the OFA section; a row that `rows.reason` rejects holds none.

    Raises:
        ConfigError: a value that all rows share and with which there is no network.
    """
    choice("MODEL.ACTIVATION_FUN", rows.cfg.MODEL.ACTIVATION_FUN.lower(), ("relu",))
    kernels = _choices(rows, "OFA.KERNELS", KERNELS, STAGES * LAYERS)
    expansions = _choices(rows, "OFA.EXPANSIONS", EXPANSIONS, STAGES * LAYERS)
    depths = _choices(rows, "OFA.DEPTHS", DEPTHS, STAGES)
    image = _image(rows)
    first, last = ends(rows.cfg, rows.integer("MODEL.NUM_CLASSES"))
    chain = ChainBuilder(rows.size)
    for cell in first:
        chain.add(cell.kind, rows.everyone, **cell.kwargs)
    for stage, depth in enumerate(depths):
        for place in range(LAYERS):
            at = np.flatnonzero(np.broadcast_to(depth, rows.size) > place)
            number = LAYERS * stage + place
            kernel, expansion = (taken(value[number], at, rows.size) for value in (kernels, expansions))
            w_in, w_out, stride, squeezes, activation = layer(stage, place)
            end = tail(rows.cfg, "relu") | {"activation": activation}
            w_se = _squeezed(w_in, expansion) if squeezes else 0
            inner = {"w_exp": w_in * expansion, "kernel": kernel, "stride": stride, "w_se": w_se}
            chain.add("ofa_block", at, w_in=w_in, **inner, w_out=w_out, **end)
    chain.add(last.kind, rows.everyone, **last.kwargs)
    return chain.population((IMAGE_CHANNELS, image, image))


def _choices(rows: Rows, key: str, options: tuple[int, ...], count: int) -> list[Any]:
    """One choice per place, checked."""
    entries = rows.entries(key)
    require(len(entries) in (1, count), key, len(entries), f"{count} entries, or one for all")
    checked = [rows.sound(key, value, np.isin(value, options), options[0]) for value in entries]
    return [value if isinstance(value, np.ndarray) else int(value) for value in checked] * (count // len(entries))


def _image(rows: Rows) -> Any:
    """OFA.RESOLUTION, or TRAIN.IM_SIZE where that is 0."""
    own = rows.integer("OFA.RESOLUTION", low=0)
    given = np.broadcast_to(own, rows.size) > 0
    low, high = RESOLUTIONS
    rows.sound("OFA.RESOLUTION", own, ~given | ((own >= low) & (own <= high)), low)
    if given.all():
        return own
    others = np.flatnonzero(~given)
    image = rows.image((others, stride) for stride in STRIDES)
    return np.where(given, own, image)


def _squeezed(w_in: int, expansion: Any) -> Any:
    """The width of each squeeze."""
    widths = [squeeze(w_in * option) for option in EXPANSIONS]
    return (
        np.array(widths)[np.searchsorted(EXPANSIONS, expansion)]
        if np.ndim(expansion)
        else (widths[EXPANSIONS.index(expansion)])
    )
