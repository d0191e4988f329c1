"""What opening a reference finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oracle.sources.inputs import InputSpec

if TYPE_CHECKING:
    from torch import nn


class Opened(NamedTuple):
    """A network, and what is known of its inputs.

    Attributes:
        module: on meta where that was possible.
        inputs: those it is run on where the caller says none; empty where nobody knows.
        built_on: see `Origin`.
        packages: whose versions matter.
        symbolic: per input, the positions of dimensions that may differ from those in `inputs`; None where all may.
    """

    module: nn.Module
    inputs: tuple[InputSpec, ...]
    built_on: str
    packages: tuple[str, ...]
    symbolic: tuple[frozenset[int], ...] | None = None
