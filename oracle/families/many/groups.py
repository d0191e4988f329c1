"""Columns whose values a vectorised family cannot mix: candidates are grouped by them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Columns = Mapping[str, NDArray[Any]]


def groups(
    columns: Columns, size: int, keys: Collection[str]
) -> Iterator[tuple[Ints, dict[str, Any], dict[str, NDArray[Any]]]]:
    """The rows that agree in some columns, with what they agree on and their part of the other columns.

    Args:
        columns: dotted key -> (size,) values, or (size, length) lists.
        size: how many rows, one at least.
        keys: the columns to agree in.
    """
    rest = {key: column for key, column in columns.items() if key not in keys}
    if not keys:
        yield np.arange(size), {}, rest
        return
    code = np.zeros(size, dtype=np.int64)
    for key in keys:
        codes = _codes(columns[key])
        code = np.unique(code * (codes.max() + 1) + codes, return_inverse=True)[1]
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order])) + 1
    for rows in np.split(order, starts):
        values = {key: columns[key][rows[0]] for key in keys}
        yield rows, plain(values), {key: column[rows] for key, column in rest.items()}


def _codes(column: NDArray[Any]) -> Ints:
    """Equal numbers for equal entries."""
    if column.dtype == object:
        seen: dict[str, int] = {}
        return np.array([seen.setdefault(repr(value), len(seen)) for value in column], dtype=np.int64)
    inverse = np.unique(column, axis=0 if column.ndim > 1 else None, return_inverse=True)[1]
    return inverse.reshape(-1).astype(np.int64)


class _Node(dict[str, Any]):
    """A part of a config that can be read as one."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def overlaid(cfg: Any, values: Mapping[str, Any]) -> Any:
    """A view of a config with some dotted keys replaced; the config stays as it is."""
    view = _Node(cfg)
    for key, value in plain(values).items():
        section, name, *inner = key.split(".")
        own = {**view[section][name], inner[0]: value} if inner else value  # an entry of a mapping, or a value
        view[section] = _Node({**view[section], name: own})
    return view


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Numpy's scalars and arrays as Python's numbers and lists."""
    return {key: value.tolist() if hasattr(value, "tolist") else value for key, value in values.items()}
