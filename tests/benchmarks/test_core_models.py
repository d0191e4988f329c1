"""The table of cores against LLVM's scheduling models (tests/benchmarks/core_models.py)."""

from __future__ import annotations

import pytest

from oracle.devices.cores import CORES
from tests.benchmarks.core_models import DIFFERS, MODELS, OLDEST, mca_found, modelled

MCA = mca_found()
RATES = ("fp32", "fp16", "int8")


@pytest.mark.skipif(MCA is None, reason=f"llvm-mca {OLDEST} or newer is not installed: apt-get install llvm-{OLDEST}")
@pytest.mark.parametrize("name", sorted(set(MODELS) - set(DIFFERS)))
def test_a_core_does_what_its_own_model_says(name: str) -> None:
    assert MCA is not None
    found = modelled(MCA, MODELS[name])
    if found is None:
        pytest.skip(f"{MCA} has no model of {name}")
    assert {rate: getattr(CORES[name], rate) for rate in RATES} == {rate: getattr(found, rate) for rate in RATES}


def test_cores_that_cite_a_model_are_compared_with_it() -> None:
    cited = {name for name, core in CORES.items() if core.source.startswith("LLVM")}
    assert cited <= set(MODELS) - set(DIFFERS)
