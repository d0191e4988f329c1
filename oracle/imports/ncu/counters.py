"""The counters of one launch by name, as numbers in SI units; missing ones stay missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from oracle.errors import OracleError
from oracle.imports.ncu.layouts import Launch
from oracle.imports.ncu.numbers import Cell, Marks, is_missing, unit_of


@dataclass(slots=True)
class Counters:
    """Looks counters up.

    Attributes:
        launch, marks, file: where from, and how numbers are written there.
        notes: what had to be guessed so far.
    """

    launch: Launch
    marks: Marks
    file: str
    notes: list[str] = field(default_factory=list)

    def has(self, name: str) -> bool:
        """Whether the counter was requested, available or not."""
        return name in self.launch.metrics

    def get(self, name: str, dimensions: Sequence[str], section: str = "") -> float | None:
        """A counter in SI units; None where it is not there or not available.

        Args:
            name: of the counter.
            dimensions: those that make sense for it; "" allows a bare number.
            section: only from this section of the details page.

        Raises:
            OracleError: no number, or a unit that makes no sense for it, with file and line.
        """
        for cell in self.launch.metrics.get(name, ()):
            if is_missing(cell.text) or (section and cell.section != section):
                continue
            return self._number(name, cell, dimensions)
        return None

    def _number(self, name: str, cell: Cell, dimensions: Sequence[str]) -> float | None:
        place = f"{self.file}:{cell.line}: {name}={cell.text!r}"
        try:
            value, note = self.marks.parse(cell)
            scale, dimension = unit_of(cell.unit)
        except ValueError as error:
            raise OracleError(f"{place}: {error}") from None
        if dimension not in dimensions:
            wanted = ", ".join(word or "a bare number" for word in dimensions)
            raise OracleError(f"{place} {cell.unit!r}: expected a unit of {wanted}")
        if value < 0:
            raise OracleError(f"{place}: expected a number of at least 0")
        if note and note not in self.notes:
            self.notes.append(note)
        return value * scale

    def text(self, name: str) -> str:
        """A metric that is a text, such as a device's name; "" if missing."""
        cells = self.launch.metrics.get(name, ())
        return "" if not cells or is_missing(cells[0].text) else cells[0].text

    def total(self, stem: str, dimensions: Sequence[str], time_s: float | None) -> float | None:
        """A sum over the launch: `.sum`, or a rate times what it is a rate of."""
        found = self.get(f"{stem}.sum", dimensions)
        if found is not None:
            return found
        rates = [f"{word}/second" if word else "1/second" for word in dimensions] + ["cycle/second"]
        rate = self.get(f"{stem}.sum.per_second", rates)
        if rate is not None and time_s is not None:
            self.notes.append(f"{stem}: rate times duration")
            return rate * time_s
        per_cycle = self.get(f"{stem}.sum.per_cycle_elapsed", ("", *[f"{word}/cycle" for word in dimensions]))
        unit = stem.partition("__")[0]
        clock = self.get(f"{unit}__cycles_elapsed.avg.per_second", ("cycle/second",))
        cycles = self.get(f"{unit}__cycles_elapsed.avg", ("cycle", ""))
        if cycles is None and clock is not None and time_s is not None:
            cycles = clock * time_s
        if per_cycle is not None and cycles is not None:
            self.notes.append(f"{stem}: per-cycle rate times cycles elapsed")
            return per_cycle * cycles
        return None

    def requested(self, stem: str) -> bool:
        """Whether a sum, or a rate that would give it, was requested."""
        return any(self.has(f"{stem}{tail}") for tail in (".sum", ".sum.per_second", ".sum.per_cycle_elapsed"))
