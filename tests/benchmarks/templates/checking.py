"""What templates say of single cells, beside what fresh traces say; tests and `make_templates --check` compare them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

from oracle.cells.registry import own_arguments
from oracle.closedform.answers import answer
from oracle.closedform.inputs import workload_key
from oracle.closedform.library import library
from oracle.closedform.symbolic import concrete_template
from oracle.closedform.template import Template, TemplateKey
from oracle.counting.networks import tracing_part
from oracle.spec import LOSS, Workload

_BATCH = 2  # the smallest that is no constant to torch
_INERT = 0.1  # numbers that nothing counted depends on
_RELATED = (("w_in", "d1"), ("hidden_dim", "d2"), ("seq_len", "d1"), ("w_in", "w_out"), ("w_b", "groups"))
"""Integers that are often equal; d0, d1, ... are the input's dimensions."""
_MULTIPLES = (("experts", "shares"),)
"""Integers of which the first is a multiple of the second."""


def differences(kind: str, draw: random.Random, most: int | None = None) -> Iterator[str]:
    """What shipped templates and fresh traces of the same cells disagree on; or that too few of them were compared.

    Args:
        kind: of the cells.
        draw: of the keys, and of sizes that no template was made for.
        most: keys to look at; None for all.
    """
    seed, keys = draw.random(), sorted(library().keys(kind), key=lambda key: (repr(_traced_alike(key)), repr(key)))
    compared: list[bool] = []
    for key in keys if most is None else draw.sample(keys, min(len(keys), most)):
        for template in library().find(key):
            # Those that differ by runtime are drawn the same sizes, so that one trace (which is cached) serves all.
            values = sizes(template, random.Random(f"{seed} {_traced_alike(key)}"))
            compared.append(values is not None)
            if values is not None and answer(template, values) != traced(key, values):
                yield f"{key} at {values}"
    if 3 * sum(compared) <= len(compared):
        yield f"{kind}: sizes were found for {sum(compared)} of {len(compared)} templates"


def _traced_alike(key: TemplateKey) -> TemplateKey:
    """What keys have in common whose cells have the same trace."""
    part = tracing_part(_workload_of(key))
    return key._replace(workload=workload_key(part))


def _workload_of(key: TemplateKey) -> Workload:
    words: dict[str, Any] = dict(key.workload)
    return Workload(batch_size=_BATCH, **words)


def sizes(template: Template, draw: random.Random) -> dict[str, int] | None:
    """Integers that a template's guards allow, other than those of its making; None where luck finds none."""
    program, pinned = template.program, dict(template.key.pinned)
    holds = program.scalar(template.guards, ())
    for _ in range(4000):
        scale = draw.choice([1, 2, 8])
        values = {name: scale * draw.randrange(1 if scale > 1 else 2, 9) for name in program.symbols}
        for first, second in _RELATED:
            if first in values and second in values and draw.random() < (0.95 if second[0] == "d" else 0.4):
                values[second] = values[first]
        for first, second in _MULTIPLES:
            if first in values and second in values:
                values[first] *= values[second]
        if holds(*(values[name] for name in program.symbols)) is not None:
            return values | pinned
    return None


def traced(key: TemplateKey, values: Mapping[str, int]) -> tuple[Any, ...] | None:
    """All that a trace with plain integers says of one cell; `answer` says it of a template."""
    workload = _workload_of(key)
    dims = [values[f"d{axis}"] for axis in range(len(key.input.order))]
    params = [*key.static, *((name, value) for name, value in values.items() if not name[1:].isdigit())]
    names = () if key.kind == LOSS.kind else own_arguments(key.kind) or ()
    params += [(name, _INERT) for name in names if name not in dict(params)]
    found = key._replace(workload=workload_key(workload), static=())
    return answer(concrete_template(found, params, dims, workload), {})
