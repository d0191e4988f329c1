"""Which stage of a network a module belongs to, for figures with one bar per stage."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_BLOCK = re.compile(r"^(s\d+)_b\d+$")  # as `oracle.build.cell_names` names blocks
_DOMINANT = 0.6  # a part that holds more than this share of the kernels tells nothing
_DEEPEST = 4


def stages_of(modules: Iterable[str]) -> dict[str, str]:
    """Module path -> its stage.

    Of our own networks the stage is in the name of the block (`s2_b3.f.a` is in `s2`). Of others it is the first
    part of the path that tells the bulk of the modules apart: `layer1`, `features.4`, `encoder.layers.encoder_layer_3`.
    """
    paths = list(modules)
    found = {path: _first(path) for path in paths}
    for depth in range(2, _DEEPEST + 1):
        name, count = Counter(found[path] for path in paths).most_common(1)[0] if paths else ("", 0)
        deeper = {path: ".".join(path.split(".")[:depth]) for path in found if found[path] == name}
        if count <= _DOMINANT * len(paths) or name == "(network)":
            break
        found |= deeper
    return found


def _first(path: str) -> str:
    part = path.split(".", maxsplit=1)[0]
    block = _BLOCK.match(part)
    return block.group(1) if block else part or "(network)"
