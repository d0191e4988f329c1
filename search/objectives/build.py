"""Modules for those who evaluate them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracle.spec import NetSpec

if TYPE_CHECKING:
    from oracle.build import Network


class Builder:
    """Makes a candidate's module.

    Attributes:
        spec: what it makes.
        seed: of the initial weights, the same for all candidates of a study.
    """

    def __init__(self, spec: NetSpec, seed: int = 0) -> None:
        self.spec = spec
        self.seed = seed

    def __call__(self, seed: int | None = None) -> Network:
        """The module on the CPU, freshly initialised; `seed` instead of the study's own."""
        from oracle.build import build, initialise

        return initialise(build(self.spec), seed=self.seed if seed is None else seed)

    def meta(self) -> Network:
        """The module on the meta device: shapes without memory."""
        from oracle.build import build

        return build(self.spec)
