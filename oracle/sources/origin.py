"""What was run, for people and files: where a network came from, on which inputs, by which versions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from oracle._versions import version_of


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a network came from.

    Attributes:
        reference: as it was given.
        inputs: each as text, such as `1x3x224x224:float32`.
        built_on: `meta`; or `cpu`, where its constructor refuses meta and had to make its weights to be built at all;
            `found` for one that existed already; `file` for one that was read.
        versions: packages that made it, with their versions.
    """

    reference: str
    inputs: tuple[str, ...]
    built_on: str
    versions: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "reference": self.reference,
            "inputs": list(self.inputs),
            "built_on": self.built_on,
            "versions": dict(self.versions),
        }


def versions_of(packages: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The versions of packages, of those that are installed as such."""
    found = [(package, version_of(package)) for package in dict.fromkeys(packages)]
    return tuple((package, number) for package, number in found if number)
