"""Facts of the run: what made the numbers, and how far to trust them."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass

from oracle._versions import version_of


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What made the numbers.

    Attributes:
        versions: package -> version.
        notes: sentences: workload, counting, model with its expected error, where networks came from.
        command: that makes the page again, "" if unknown.
    """

    versions: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    command: str = ""


def run_facts(notes: Sequence[str], command: str = "") -> RunFacts:
    """The facts of this process."""
    import oracle

    packages = [(name, version_of(name, "none")) for name in ("torch", "numpy")]
    versions = (("nas-cost-oracle", oracle.__version__), ("Python", platform.python_version()), *packages)
    lines = [line.strip() for note in notes for line in note.splitlines()]
    return RunFacts(versions, tuple(dict.fromkeys(filter(None, lines))), command)
