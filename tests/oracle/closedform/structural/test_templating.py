from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oracle.closedform.structural import structural_template
from oracle.closedform.symbolic import concrete_template
from oracle.closedform.template import MEMORY_SIZES, Template
from oracle.spec import Workload


def said(template: Template, values: dict[str, int]) -> dict[str, Any]:
    """All that a template says of a cell."""
    program = template.program
    steps = program.function(range(len(program.steps)))(*(values[name] for name in program.symbols))
    memory = template.memory
    return {
        "holds": bool(program.predicate(template.guards)(*(values[name] for name in program.symbols))),
        "kernels": template.kernels,
        "numbers": [[steps[step] for step in column] for column in template.numbers],
        "shapes": [[[[steps[s] for s in shape] for shape in end] for end in ends] for ends in template.shapes],
        "traffic": [steps[step] for step in template.traffic],
        "sums": [steps[step] for step in template.sums],
        "memory": {name: steps[getattr(memory, name)] for name in MEMORY_SIZES},
        "flags": (memory.output_retained, memory.input_retained),
        "output": [steps[step] for step in template.output],
        "ends": (template.output_format, template.input_gradient),
        "rest": (template.unknown, template.coverage),
    }


def test_a_composed_template_says_what_the_trace_says(
    workload: Workload, archs: Callable[..., list[str]], asked: Any
) -> None:
    for arch, dims in zip(archs(4, seed=2), [(1, 16, 8, 8), (4, 8, 12, 6)] * 5, strict=False):
        one = asked(arch, dims, workload)
        ours = structural_template(one.key({name: size for name, size in one.values.items() if size < 2}), workload)
        theirs = concrete_template(one.key(one.values), one.params, dims, workload)
        assert ours is not None
        assert said(ours, one.values) == said(theirs, one.values)


def test_a_width_that_is_not_the_inputs_is_not_covered(asked: Any) -> None:
    one = asked("|nor_conv_3x3~0|", (2, 8, 4, 4), Workload())
    template = structural_template(one.key({}), Workload())
    assert template is not None
    assert said(template, one.values)["holds"]
    assert not said(template, {**one.values, "width": 9})["holds"]


def test_other_cells_have_no_composed_template(asked: Any) -> None:
    one = asked("|nor_conv_3x3~0|", (2, 8, 4, 4), Workload())
    assert structural_template(one.key({})._replace(kind="nasbench201_stem"), Workload()) is None
    first = one.key({})._replace(first=True)
    assert structural_template(first, Workload(mode="training")) is None
    assert structural_template(one.key({"d3": 1}), Workload()) is None
