"""NAS-Bench-201's networks as columns: the twin of `oracle.families.nasbench201`, its checks in the same order."""

from __future__ import annotations

from typing import Any

import numpy as np

from oracle.errors import ConfigError
from oracle.families._cells import IMAGE_CHANNELS
from oracle.families._checks import MAX_IMAGE, choice, require
from oracle.families.many.chain import ChainBuilder
from oracle.families.many.rows import Rows
from oracle.families.nasbench201 import EDGES, IMAGE_STEP, OPERATIONS, STRING, architecture, chain
from oracle.families.population import Population

COLUMNS = frozenset({"NB201.ARCH", "NB201.OPS"})


def population(rows: Rows) -> Population:
    """The networks of the NB201 section; a row that `rows.reason` rejects holds none.

    Raises:
        ConfigError: a value that all rows share and with which there is no network.
    """
    choice("MODEL.ACTIVATION_FUN", rows.cfg.MODEL.ACTIVATION_FUN.lower(), ("relu",))
    archs = _of_operations(rows) if len(rows.entries("NB201.OPS")) else _of_strings(rows)
    image = rows.integer("TRAIN.IM_SIZE", high=MAX_IMAGE)
    image = rows.sound("TRAIN.IM_SIZE", image, image % IMAGE_STEP == 0, IMAGE_STEP)
    classes = rows.integer("MODEL.NUM_CLASSES")
    builder = ChainBuilder(rows.size)
    for cell, count in chain(rows.cfg, "", 1):
        own: dict[str, Any] = {"arch": archs, "num_classes": classes}
        params = {name: own.get(name, value) for name, value in cell.params}
        builder.add(cell.kind, rows.everyone, count, **params)
    return builder.population((IMAGE_CHANNELS, image, image))


def _of_operations(rows: Rows) -> Any:
    """The architectures of NB201.OPS: one for all rows, or an array of strings, each string being one object."""
    key, columns = "NB201.OPS", rows.entries("NB201.OPS")
    arch = rows["NB201.ARCH"]
    rows.sound(key, arch, np.equal(arch, ""), "")
    require(len(columns) == EDGES, key, columns[:40], f"{EDGES} operations, one per edge, found {len(columns)}")
    if not any(isinstance(column, np.ndarray) for column in columns):
        return architecture("", [str(operation) for operation in columns])
    code = np.zeros(rows.size, dtype=np.int64)
    for column in columns:
        code = code * len(OPERATIONS) + _numbers(rows, column)
    distinct, inverse = np.unique(code, return_inverse=True)
    names = np.empty(len(distinct), dtype=object)
    for place, number in enumerate(distinct.tolist()):
        digits = (number // len(OPERATIONS) ** edge % len(OPERATIONS) for edge in reversed(range(EDGES)))
        names[place] = STRING.format(*(OPERATIONS[digit] for digit in digits))
    return names[inverse.reshape(-1)]


def _numbers(rows: Rows, column: Any) -> Any:
    """Which of `OPERATIONS` each row has on an edge; those that have none of them are rejected."""
    found = np.full(rows.size, -1)
    for number, operation in enumerate(OPERATIONS):
        found[np.equal(column, operation) & np.full(rows.size, fill_value=True)] = number
    return rows.sound("NB201.OPS", found, found >= 0, 0)


def _of_strings(rows: Rows) -> Any:
    """The architectures of NB201.ARCH."""
    column = rows["NB201.ARCH"]
    if not isinstance(column, np.ndarray):
        return architecture(column, [])
    texts = column.tolist()
    sound = {text: _sound(text) for text in set(texts)}
    safe = STRING.format(*[OPERATIONS[0]] * EDGES)
    found = np.array([sound[text] or safe for text in texts], dtype=object)
    rows.sound("NB201.ARCH", found, np.array([sound[text] is not None for text in texts]), safe)
    return found


def _sound(text: str) -> str | None:
    """An architecture that is written as it should be, None for any other."""
    try:
        return architecture(text, [])
    except ConfigError:
        return None
