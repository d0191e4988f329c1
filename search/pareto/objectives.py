"""Objectives in words: `min latency_ms@t4`, `max macs`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oracle.errors import ConfigError

LATENCY = "latency_ms"

WAYS = {"min": False, "minimise": False, "minimize": False, "max": True, "maximise": True, "maximize": True}
"""Word -> whether it maximises."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What to make small or large.

    Attributes:
        column: of a table of candidates; `latency_ms` stands for the latency on each device in turn.
        maximise: rather than minimise.
    """

    column: str
    maximise: bool = False

    def on(self, device: str) -> Objective:
        """The same for one device."""
        return Objective(f"{LATENCY}@{device}", self.maximise) if self.column == LATENCY else self

    def __str__(self) -> str:
        return f"{'max' if self.maximise else 'min'} {self.column}"


def objectives_of(texts: Sequence[str]) -> tuple[Objective, ...]:
    """Parse objectives such as `min latency_ms@t4` and `max macs`.

    Args:
        texts: one per objective.

    Raises:
        ConfigError: other words than min or max and a column, or a column twice.

    Examples:
        >>> from oracle.search import objectives_of
        >>> [(found.column, found.maximise) for found in objectives_of(["min latency_ms", "max macs"])]
        [('latency_ms', False), ('macs', True)]
    """
    found: dict[str, Objective] = {}
    for text in texts:
        way, _, column = text.strip().partition(" ")
        column = column.strip()
        if way not in WAYS or not column:
            raise ConfigError(f"objective={text!r}: expected `min COLUMN` or `max COLUMN`")
        if column in found:
            raise ConfigError(f"objective={text!r}: {column} is an objective already")
        found[column] = Objective(column, WAYS[way])
    return tuple(found.values())
