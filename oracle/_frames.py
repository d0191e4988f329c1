"""Columns as data frames of pandas and polars, where they are installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from oracle.errors import MissingDependencyError


def pandas_frame(columns: Mapping[str, Sequence[Any]]) -> Any:
    """A `pandas.DataFrame`.

    Raises:
        MissingDependencyError: pandas is not installed.
    """
    return _library("pandas").DataFrame(dict(columns))


def polars_frame(columns: Mapping[str, Sequence[Any]]) -> Any:
    """A `polars.DataFrame`.

    Raises:
        MissingDependencyError: polars is not installed.
    """
    return _library("polars").DataFrame(dict(columns))


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise MissingDependencyError(f"a data frame of {name} needs {name}: pip install {name}") from None
