"""Open a reference: a module, its inputs, and where both came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.errors import OracleError, WorkloadError
from oracle.sources.inputs import InputSpec, batch_of, with_batch
from oracle.sources.opened import Opened
from oracle.sources.origin import Origin, versions_of
from oracle.sources.references import Reference, parse_reference

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A network that is no config, ready to be traced.

    Attributes:
        reference: as it was given.
        inputs: shapes and types, positional ones first.
        module: the network; its tensors are on meta where that was possible.
        selected: rows that each selection by values keeps; None where nobody stated it.
    """

    reference: str
    inputs: tuple[InputSpec, ...]
    module: nn.Module = field(repr=False)
    _opened: Opened = field(repr=False)
    selected: int | None = None

    @property
    def name(self) -> str:
        """For tables: the reference, a file by its name alone."""
        parsed = parse_reference(self.reference)
        return parsed.text if parsed.module else Path(parsed.name).name

    @property
    def batch_size(self) -> int:
        """The first dimension of the first input that has one."""
        return batch_of(self.inputs)

    @property
    def fixed_batch(self) -> int | None:
        """The batch size that a file fixes; None where it may be any."""
        free = self._opened.symbolic
        return None if free is None or all(0 in dims for dims in free) else self.batch_size

    @property
    def args(self) -> tuple[Any, ...]:
        """New tensors on meta for the positional inputs."""
        return tuple(item.empty() for item in self.inputs if not item.name)

    @property
    def kwargs(self) -> dict[str, Any]:
        """New tensors on meta for the inputs passed by name."""
        return {item.name: item.empty() for item in self.inputs if item.name}

    @property
    def origin(self) -> Origin:
        """What was run, for reports."""
        versions = versions_of(("torch", *self._opened.packages))
        return Origin(self.reference, tuple(map(str, self.inputs)), self._opened.built_on, versions)

    def with_batch(self, batch_size: int | None) -> Source:
        """The same network on inputs of another batch size.

        Raises:
            WorkloadError: the inputs do not agree on where the batch is, or the file fixes it.
        """
        return replace(self, inputs=_checked(with_batch(self.inputs, batch_size), self._opened, self.reference))

    def selecting(self, selected: int | None) -> Source:
        """The same network with a stated number of rows that each selection by values keeps; None changes nothing."""
        return self if selected is None else replace(self, selected=selected)


def open_source(reference: str | Path, inputs: Sequence[InputSpec] = (), batch_size: int | None = None) -> Source:
    """Open a reference; see `oracle.sources`.

    Args:
        reference: what `is_reference` accepts.
        inputs: what to run it on; the network's own default if empty.
        batch_size: replaces the first dimension of every input.

    Raises:
        OracleError: nothing there, code that fails, no default input, or an ambiguous batch.
    """
    parsed = parse_reference(reference)
    opened = _opener(parsed.kind)(parsed)
    if not inputs and not opened.inputs:
        raise OracleError(
            f"network={parsed.text!r}: the shapes of its inputs are not known; say them with "
            "--input 1x3x224x224[:DTYPE], once per input (in Python, inputs=['1x3x224x224'])"
        )
    chosen = tuple(sorted(inputs or opened.inputs, key=lambda item: bool(item.name)))
    chosen = with_batch(chosen, batch_size)
    return Source(parsed.text, _checked(chosen, opened, parsed.text), opened.module, opened)


def _opener(kind: str) -> Callable[[Reference], Opened]:
    if kind in ("torchvision", "timm"):
        from oracle.sources.zoos import open_timm, open_torchvision

        return open_timm if kind == "timm" else open_torchvision
    if kind == "pt2":
        from oracle.sources.exported import open_exported

        return open_exported
    if kind == "onnx":
        from oracle.sources.onnx import open_onnx

        return open_onnx
    from oracle.sources.code import open_code

    return open_code


def _checked(inputs: tuple[InputSpec, ...], opened: Opened, reference: str) -> tuple[InputSpec, ...]:
    """The inputs, in so far as a file that fixes shapes has them so."""
    if opened.symbolic is None:
        return inputs
    if len(inputs) != len(opened.inputs):
        shown = ", ".join(map(str, opened.inputs))
        raise WorkloadError(f"network={reference!r}: expected {len(opened.inputs)} inputs ({shown}), got {len(inputs)}")
    for given, own, free in zip(inputs, opened.inputs, opened.symbolic, strict=True):
        same = len(given.shape) == len(own.shape) and given.dtype == own.dtype
        if not same or any(
            a != b for i, (a, b) in enumerate(zip(given.shape, own.shape, strict=True)) if i not in free
        ):
            raise WorkloadError(
                f"network={reference!r}: was exported for input {own}, got {given}; export it with dynamic shapes"
                + (f" (free dimensions: {', '.join(map(str, sorted(free)))})" if free else "")
            )
    return inputs
