"""FBNets as columns: the twin of `oracle.families.fbnet`, its checks in the same order."""

from __future__ import annotations

import numpy as np

from oracle.families._cells import IMAGE_CHANNELS
from oracle.families._checks import choice, require
from oracle.families.fbnet import LAYERS, OPERATIONS, cell_of, ends, strides
from oracle.families.many.chain import ChainBuilder
from oracle.families.many.rows import Rows
from oracle.families.population import Population

COLUMNS = frozenset({"FBNET.OPS"})


def population(rows: Rows) -> Population:
    """The networks of FBNET.OPS; a row that `rows.reason` rejects holds none.

    Raises:
        ConfigError: a value that all rows share and with which there is no network.
    """
    choice("MODEL.ACTIVATION_FUN", rows.cfg.MODEL.ACTIVATION_FUN.lower(), ("relu",))
    key, skip = "FBNET.OPS", len(OPERATIONS) - 1
    ops = rows.entries(key)
    require(len(ops) == LAYERS, key, len(ops), f"{LAYERS} numbers, one per layer")
    ops = [rows.sound(key, op, (op >= 0) & (op <= skip), skip) for op in ops]
    image = rows.image((rows.everyone, stride) for stride in strides(rows.cfg))
    stem, last = ends(rows.cfg, rows.integer("MODEL.NUM_CLASSES"))
    chain = ChainBuilder(rows.size)
    chain.add(stem.kind, rows.everyone, **stem.kwargs)
    for layer, column in enumerate(ops):
        chosen = np.broadcast_to(column, rows.size)
        for op in range(len(OPERATIONS)):
            cell = cell_of(rows.cfg, layer, op)
            if cell is not None:
                chain.add(cell.kind, np.flatnonzero(chosen == op), **cell.kwargs)
    chain.add(last.kind, rows.everyone, **last.kwargs)
    return chain.population((IMAGE_CHANNELS, image, image))
