"""Half templates from those in float32: bytes, types, exceptions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.closedform.answers import answer
from oracle.closedform.halving import Exceptions, half_key, halved
from oracle.closedform.program import Program
from oracle.closedform.symbolic import make_template
from oracle.closedform.template import MEMORY_SIZES, SUMS, Format, Template, TemplateKey
from oracle.spec import Workload
from tests.benchmarks.templates.checking import traced
from tests.benchmarks.templates.halves import exceptions_of

PARAMS = (("w_in", 6), ("w_out", 10), ("kernel", 3), ("stride", 2), ("activation", "relu"), ("inplace", True))
DIMS = (2, 6, 8, 12)


def template_of(mode: str, dtype: str = "float32", weights: str = "") -> Template:
    workload = Workload(batch_size=2, mode=mode, dtype=dtype, weights=weights)
    words = {"dtype": dtype, "mode": mode, "runtime": "eager", "layout": "nchw"}
    words |= ({"optimizer": "sgd"} if mode == "training" else {}) | ({"weights": weights} if weights else {})
    key = TemplateKey(
        "conv_bn_act", PARAMS[2:], (), Format(workload.module_dtype, (0, 1, 2, 3)), None, False,
        tuple(sorted(words.items())),
    )  # fmt: skip
    return make_template(key, (*PARAMS, ("bn_eps", 1e-5), ("bn_momentum", 0.1)), DIMS, workload)


def nothing(template: Template) -> Exceptions:
    return Exceptions({}, {}, Program(template.program.symbols, ()))


def values(template: Template) -> dict[str, int]:
    known = dict(PARAMS) | {f"d{axis}": size for axis, size in enumerate(DIMS)}
    return {name: 2 * known[name] for name in template.program.symbols}  # type: ignore[operator]


def test_bytes_of_an_inference_are_half_but_for_what_is_counted_in_integers() -> None:
    whole = template_of("inference")
    half = halved(whole, nothing(whole))
    numbers, other = answer(whole, values(whole)), answer(half, values(whole))
    assert numbers is not None
    assert other == traced(half_key(whole.key), values(whole))
    of, at = [step.program.values(list(values(whole).values())) for step in (whole, half)]
    for name in ("read_bytes", "write_bytes", "weight_bytes"):
        assert [of[step] for step in getattr(whole.numbers, name)] == [
            2 * at[step] for step in getattr(half.numbers, name)
        ]
    assert at[half.memory.weights] == (of[whole.memory.weights] + 8) // 2  # num_batches_tracked is of 8 bytes
    for name in ("macs", "flops", "params", "activations"):
        place = SUMS.index(name)
        assert of[whole.sums[place]] == at[half.sums[place]]
    assert {kernel.matrix_dtype for kernel in half.kernels} == {"float16"}


def test_what_keeps_its_size_in_training_is_an_exception() -> None:
    whole, half = template_of("training"), template_of("training", "float16", "float16")
    found = exceptions_of(whole, half)
    assert found is not None
    names = [kernel.name for kernel in whole.kernels]
    count = len(names)
    sizes = [f"read {name}" for name in names] + [f"write {name}" for name in names] + [""] * count + [*MEMORY_SIZES]
    kept = {sizes[place] for place in found.steps}
    # the statistics of the norm are in float32, whatever it normalises
    assert {"write aten.native_batch_norm", "read aten.native_batch_norm_backward", "retained"} <= kept
    assert not kept & {"read aten.convolution", "write aten.convolution", "weights", "gradients", "input", "output"}
    assert {names[place] for place in found.dtypes} == {"aten.add_"}  # of the count of batches
    assert answer(halved(whole, found), values(whole)) == answer(half, values(half)) == traced(half.key, values(half))


def test_other_kernels_are_no_half() -> None:
    whole, half = template_of("inference"), template_of("inference", "float16", "float16")
    assert exceptions_of(whole, half) is not None
    assert exceptions_of(whole, template_of("inference", "float16")) is None  # autocast
    renamed = (half.kernels[0]._replace(name="another"), *half.kernels[1:])
    assert exceptions_of(whole, replace(half, kernels=renamed)) is None
    assert exceptions_of(whole, replace(half, guards=(*half.guards, ("lt", 0, 1)))) is None


def test_bytes_of_single_bytes_are_refused() -> None:
    whole = template_of("inference")
    program = whole.program
    odd = replace(whole, numbers=whole.numbers._replace(read_bytes=(0,) * len(whole.kernels)))
    assert program.steps[0][0] == "symbol"
    with pytest.raises(ValueError, match="expected bytes"):
        halved(odd, nothing(odd))
