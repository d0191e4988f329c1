"""Nsight Compute CSV: every layout, unit, locale and missing counter that `ncu --csv` is known to print."""

from __future__ import annotations

from pathlib import Path

from oracle.imports.kernels import Imported
from oracle.imports.ncu.counters import Counters
from oracle.imports.ncu.device import device_of
from oracle.imports.ncu.layouts import Launch, read_listing
from oracle.imports.ncu.numbers import Marks, is_missing
from oracle.imports.ncu.quantities import kernel_of

__all__ = ["read_ncu"]


def read_ncu(path: str | Path, locale: str | None = None) -> Imported:
    """Kernels measured by Nsight Compute.

    Args:
        path: output of `ncu --csv`, in any of its layouts, with whatever was printed around it.
        locale: en, de, fr or ch: how numbers are written. Otherwise the file's own numbers decide; where they
            do not, counts such as "117.344" ns are taken to have thousands separators, and a note of the
            kernel says so.

    Raises:
        OracleError: a file that cannot be read; with file, line, value and what was expected.
    """
    listing = read_listing(path)
    cells = (
        cell
        for launch in listing.launches
        for cells in launch.metrics.values()
        for cell in cells
        if not is_missing(cell.text)
    )
    marks = Marks.of(cells, locale, listing.file)
    kernels = tuple(kernel_of(Counters(launch, marks, listing.file)) for launch in listing.launches)
    notes = [f"layout: {listing.layout}", *listing.messages]
    if marks.decimal == "," and not marks.told:
        notes.append("numbers with decimal commas found: read as in locale de")
    guessed = sum(any("separators" in note for note in kernel.notes) for kernel in kernels)
    if guessed:
        notes.append(f"thousands separators were inferred in {guessed} kernels; say --locale to be sure")
    empty = sum(not _available(launch) for launch in listing.launches)
    if empty:
        notes.append(f"{empty} kernels have no counter at all: wrong names, or no permission (ERR_NVGPUCTRPERM)")
    device = device_of(Counters(listing.launches[0], marks, listing.file))
    return Imported(kernels, (), device, tuple(notes))


def _available(launch: Launch) -> bool:
    return any(not is_missing(cell.text) for cells in launch.metrics.values() for cell in cells)
