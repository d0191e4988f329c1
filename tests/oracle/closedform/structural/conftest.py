"""What the tests of structural cells share: architectures, and one cell asked in both ways."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from oracle.closedform.inputs import CellInputs, key_of, split_params
from oracle.closedform.template import Format, TemplateKey
from oracle.families.nasbench201 import CELL, OPERATIONS, STRING
from oracle.spec import Workload

WORKLOADS = [
    Workload(),
    Workload(runtime="compiled", dtype="float16", layout="nhwc"),
    Workload(runtime="engine", dtype="bfloat16"),
    Workload(runtime="engine", dtype="int8", layout="nhwc"),
    Workload(mode="training", dtype="bfloat16", layout="nhwc"),
    Workload(mode="training", runtime="compiled", optimizer="adamw"),
    Workload(runtime="engine", dtype="bfloat16", weights="bfloat16"),
    Workload(mode="training", dtype="float16", layout="nhwc", weights="float16"),
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "workload" in metafunc.fixturenames:
        names = [f"{w.mode}-{w.runtime}-{w.dtype}-{w.layout}-{w.weights}".rstrip("-") for w in WORKLOADS]
        metafunc.parametrize("workload", WORKLOADS, ids=names)


@pytest.fixture
def archs() -> Callable[..., list[str]]:
    """Some architectures: those of one operation, and as many others as asked for."""

    def some(count: int, seed: int = 0) -> list[str]:
        rng = random.Random(seed)
        alike = [STRING.format(*[operation] * 6) for operation in OPERATIONS]
        return alike + [STRING.format(*rng.choices(OPERATIONS, k=6)) for _ in range(count)]

    return some


class Asked:
    """One cell: its parameters, its inputs, and the key of its template."""

    def __init__(self, arch: str, dims: tuple[int, ...], workload: Workload) -> None:
        self.params: tuple[tuple[str, Any], ...] = (
            ("width", dims[1]), ("arch", arch), ("bn_eps", 1e-5), ("bn_momentum", 0.1),
        )  # fmt: skip
        self.dims = dims
        self.values = {"width": dims[1], **{f"d{axis}": size for axis, size in enumerate(dims)}}
        form = Format.image(workload.autocast_dtype or workload.module_dtype, 4, workload.layout)
        self.inputs = CellInputs(CELL, self.params, dims, form)
        self.workload = workload

    def key(self, pinned: dict[str, int]) -> TemplateKey:
        static, _ = split_params(CELL, self.params)
        return key_of(self.inputs, static, tuple(pinned.items()), self.workload)


@pytest.fixture
def asked() -> type[Asked]:
    """The class, for tests are no package."""
    return Asked
