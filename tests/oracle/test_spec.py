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
        ({"weights": "float16", "dtype": "bfloat16"}, "weights are in float32; expected none, or 'bfloat16'"),
        (
            {"weights": "float32", "dtype": "float16", "runtime": "engine"},
            "weights are in float16; expected none, or 'float16'",
        ),
        ({"weights": "float32", "dtype": "int8", "runtime": "engine"}, "weights are in int8; expected none"),
        ({"weights": "half"}, "weights='half': expected one of float32, float16, bfloat16"),
    ],
    ids=str,
)
def test_weights_of_no_runtime_are_an_error(words: dict[str, str], said: str) -> None:
    with pytest.raises(WorkloadError, match=said):
        Workload(**words)


def test_an_engine_brings_its_runtime_along_and_other_runtimes_have_none() -> None:
    named = Workload().with_(engine="ncnn")
    assert (named.runtime, named.engine, named.runner) == ("engine", "ncnn", "ncnn")
    assert named.with_(dtype="int8").engine == "ncnn"
    assert named.with_(runtime="compiled") == Workload(runtime="compiled")
    assert named.with_(engine="generic") == Workload(runtime="engine")
    assert Workload(runtime="engine").runner == "engine"


def test_an_engine_under_another_runtime_is_refused() -> None:
    with pytest.raises(WorkloadError, match="engine='ncnn': expected runtime='engine', got runtime='compiled'"):
        Workload(runtime="compiled", engine="ncnn")
    with pytest.raises(WorkloadError, match="engine='tflite': expected one of generic, onnxruntime"):
        Workload(runtime="engine", engine="tflite")


@pytest.mark.parametrize("threads", [-1, 1.5, True, "2"])
def test_threads_are_whole(threads: object) -> None:
    with pytest.raises(WorkloadError, match=r"threads=.*: expected an integer of at least 0"):
        Workload(threads=threads)  # type: ignore[arg-type]


def test_quantised_weights_compute_in_another_type() -> None:
    workload = Workload(runtime="engine", dtype="float16", weights="int4")
    assert (workload.weights_dtype, workload.autocast_dtype, workload.module_dtype) == ("int4", "float16", "float16")
    assert not workload.is_quantised
    assert Workload(runtime="engine", dtype="int8", weights="int8").weights == ""
    for words in ({"runtime": "compiled"}, {"runtime": "eager"}):
        with pytest.raises(WorkloadError, match="weights='int8' needs runtime='engine' and mode='inference'"):
            Workload(weights="int8", **words)
    with pytest.raises(WorkloadError, match="weights='int4': with dtype='int8'"):
        Workload(runtime="engine", dtype="int8", weights="int4")
