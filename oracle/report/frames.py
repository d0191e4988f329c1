"""Results as data frames: one row per device, kernel, phase, batch or candidate, the columns those of the CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from oracle._frames import pandas_frame, polars_frame
from oracle.errors import OracleError
from oracle.report.rows import comparison_rows, cost_rows, curve_rows, fit_rows, kernel_rows, knob_rows, ranking_rows

_ROWS: dict[str, Callable[[Any], list[dict[str, Any]]]] = {
    "BatchCurve": curve_rows,
    "Comparison": comparison_rows,
    "Cost": cost_rows,
    "Fit": lambda found: fit_rows([found]),
    "KernelCost": lambda found: [_deviceless(row) for row in kernel_rows([found], None)],
    "Ranking": ranking_rows,
    "Sensitivity": lambda found: knob_rows(found, "device"),
}


def to_pandas(results: Any) -> Any:
    """Make a `pandas.DataFrame` of a result, or of several of a kind.

    Args:
        results: a `Cost` (one row per device), costs, `cost.kernels("t4")`, `cost.phases("t4")`, a `Ranking`, `Scores`,
            fits, a `Sensitivity` or a `Comparison`.

    Raises:
        MissingDependencyError: pandas is not installed.
        OracleError: not a result of the oracle.

    Examples:
        >>> import oracle
        >>> frame = oracle.to_pandas(oracle.score("R-56", ["t4", "rtx-4090"]))
        >>> frame.device.tolist()
        ['t4', 'rtx-4090']
    """
    return pandas_frame(_columns(results))


def to_polars(results: Any) -> Any:
    """Make a `polars.DataFrame` of a result, or of several of a kind.

    Args:
        results: as in `oracle.to_pandas`.

    Raises:
        MissingDependencyError: polars is not installed.
        OracleError: not a result of the oracle.

    Examples:
        >>> import oracle
        >>> oracle.to_polars(oracle.score("R-56", ["t4", "rtx-4090"]))["device"].to_list()
        ['t4', 'rtx-4090']
    """
    return polars_frame(_columns(results))


def _columns(results: Any) -> Mapping[str, Sequence[Any]]:
    if hasattr(results, "frame_columns"):
        columns: Mapping[str, Sequence[Any]] = results.frame_columns()
        return columns
    rows = [row for result in _several(results) for row in _rows(result)]
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


def _several(results: Any) -> Iterable[Any]:
    several = isinstance(results, (list, tuple)) and not hasattr(results, "_fields")  # a named tuple is one result
    return results if several else [results]


def _rows(result: Any) -> list[dict[str, Any]]:
    """The rows of one result; another frozen value of ours is one row of its own fields."""
    found = _ROWS.get(type(result).__name__)
    if found is not None:
        return found(result)
    if is_dataclass(result) and not isinstance(result, type):
        return [asdict(result)]
    raise OracleError(f"results of type {type(result).__name__}: expected a result of the oracle, or several of a kind")


def _deviceless(row: dict[str, Any]) -> dict[str, Any]:
    """Kernels do not say on which device they are."""
    return {name: value for name, value in row.items() if name != "device"}
