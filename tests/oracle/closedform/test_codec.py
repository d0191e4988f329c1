"""Templates as plain data: what comes back is what went in, and nothing else comes back."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from oracle.closedform.answers import answer
from oracle.closedform.codec import Steps, StepTable, Words, key_from, key_to, pack, unpack
from oracle.closedform.program import Program
from oracle.closedform.template import Template
from oracle.errors import OracleError
from oracle.spec import Workload
from tests.oracle.closedform.test_template import _BLOCK, _WORKLOADS, integers, template_of

_DIMS = (4, 24, 15, 17)


def packed(workload: Workload) -> tuple[Template, list[Any], list[Any]]:
    """A template, and what of it went through JSON: what `unpack` takes."""
    template, words, steps = template_of(_BLOCK, _DIMS, workload), Words(), Steps()
    plain = pack(template, words, steps)
    ends = template.output_format, template.input_gradient
    through = json.loads(json.dumps([key_to(template.key), plain, ends, words.table, steps.plain()]))
    return template, through, through[4]


def read(plain: list[Any]) -> Template:
    key, content, ends, words, steps = plain
    return unpack(key_from(key), content, ends, words, StepTable(steps))


@pytest.mark.parametrize("workload", _WORKLOADS, ids=lambda w: f"{w.mode}-{w.runtime}-{w.dtype}")
def test_a_template_survives_json(workload: Workload) -> None:
    template, plain, _ = packed(workload)
    again = read(plain)
    for name in ("key", "kernels", "output_format", "input_gradient", "unknown", "coverage"):
        assert getattr(again, name) == getattr(template, name), name
    rng = random.Random(1)
    for _ in range(5):
        values = {name: rng.randrange(2, 200) for name in template.program.symbols}
        assert answer(again, values) == answer(template, values)
    assert answer(again, integers(_BLOCK, _DIMS)) == answer(template, integers(_BLOCK, _DIMS)) is not None


def test_templates_share_steps_however_their_products_are_written() -> None:
    """a * b * c is one step, whichever product came first."""
    steps, products = Steps(), set()
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        a, b, c = order
        made = [("symbol", 0, 0), ("symbol", 1, 0), ("symbol", 2, 0), ("mul", a, b), ("mul", 3, c)]
        products.add(steps.add(Program(("x", "y", "z"), tuple(made)))[-1])
    assert len(products) == 1


@pytest.mark.parametrize(
    ("part", "place", "value"),
    [
        (1, 1, [0, "__import__('os').abort()", 0]),  # a step that is code
        (1, 3, [[10**9] * 12] * 7),  # numbers of steps that there are not
        (1, 3, [[0]] * 7),  # too few for so many kernels
        (1, 5, [True] * 7),
        (1, 2, [0]),
        (1, 4, []),
        (4, 0, ["__import__('os').abort()"]),
        (4, 1, [10**6] * 10**4),  # steps that need later ones
        (4, 2, []),
        (4, 3, ["1; import os"] * 50),
    ],
)
def test_anything_else_is_refused(part: int, place: int, value: Any) -> None:
    _, plain, _ = packed(Workload())
    plain[part][place] = value
    with pytest.raises((TypeError, ValueError, IndexError, KeyError, OracleError)):
        read(plain)
