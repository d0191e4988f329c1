"""Workloads: what weights are stored in, and which equal workloads are one."""

from __future__ import annotations

import pytest

from oracle.errors import WorkloadError
from oracle.spec import Workload


@pytest.mark.parametrize(
    ("words", "weights", "stored", "cast"),
    [
        ({}, "float32", "float32", None),
        ({"dtype": "tf32"}, "float32", "float32", None),
        ({"dtype": "float16"}, "float32", "float32", "float16"),
        ({"dtype": "bfloat16", "mode": "training", "runtime": "compiled"}, "float32", "float32", "bfloat16"),
    ],
    ids=str,
)
def test_the_usual_weights_by_their_name_are_the_usual_ones(
    words: dict[str, str], weights: str, stored: str, cast: str | None
) -> None:
    workload = Workload(**words)
    assert Workload(**words, weights=weights) == workload == Workload(**words, weights=None)  # type: ignore[arg-type]
    assert (workload.weights, workload.weights_dtype, workload.autocast_dtype) == ("", stored, cast)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("runtime", ["eager", "compiled", "engine"])
def test_weights_in_half_precision_are_not_autocast(dtype: str, runtime: str) -> None:
    workload = Workload(dtype=dtype, weights=dtype, runtime=runtime)
    assert workload.autocast_dtype is None
    assert workload.module_dtype == workload.weights_dtype == workload.weights == dtype
    assert workload != workload.with_(weights="")
    assert Workload(**workload.to_dict()) == workload


def test_an_engine_keeps_weights_as_its_kernels_read_them() -> None:
    assert [
        Workload(dtype=dtype, runtime="engine").weights_dtype for dtype in ("float32", "tf32", "bfloat16", "int8")
    ] == ["float32", "float32", "bfloat16", "int8"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"weights": "float16"}, "weights='float16': with dtype='float32'"),
        ({"weights": "float16", "dtype": "bfloat16"}, "they are in float32; expected '', or 'bfloat16'"),
        (
            {"weights": "float32", "dtype": "float16", "runtime": "engine"},
            "they are in float16; expected '', or 'float16'",
        ),
        ({"weights": "float32", "dtype": "int8", "runtime": "engine"}, "they are in int8; expected ''"),
        ({"weights": "half"}, "weights='half': expected one of float32, float16, bfloat16"),
    ],
    ids=str,
)
def test_weights_of_no_runtime_are_an_error(words: dict[str, str], said: str) -> None:
    with pytest.raises(WorkloadError, match=said):
        Workload(**words)
