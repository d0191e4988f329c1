"""Networks that are no configs: of torchvision and timm, from a user's own code, from a .pt2 or .onnx file.

A *reference* is text that names one: `torchvision:resnet50`, `timm:convnext_tiny`, `package.module:callable(args)`,
or the path of a file. `open_source` turns it into a module on the meta device and the shapes of its inputs, without
weights or downloads. User code is imported here and nowhere else. This package stands between `trace`, whose twins on
meta it makes, and `counting`: it knows how to get a network, and nothing of what one costs.
"""

from __future__ import annotations

from collections.abc import Iterable

from oracle.sources.inputs import InputSpec, parse_input
from oracle.sources.origin import Origin
from oracle.sources.references import is_reference
from oracle.sources.source import Source, open_source

__all__ = ["InputSpec", "Origin", "Source", "inputs_of", "is_reference", "open_source", "parse_input"]


def inputs_of(texts: Iterable[str]) -> tuple[InputSpec, ...]:
    """Inputs as people write them, in order; see `parse_input`."""
    return tuple(parse_input(text) for text in ([texts] if isinstance(texts, str) else texts))
