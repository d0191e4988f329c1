"""The measured NAS spaces: one answer from closed forms and a trace of the whole network."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from oracle.config import cfg_from_dict
from oracle.families import to_spec
from oracle.query import score, score_many
from oracle.spec import NetSpec, Workload
from tests.benchmarks.equality import said_by_forms, said_by_trace
from tests.nightly import unless

# Runs of equal cells, dead branches, outputs of zeros or of the input itself; groups with a shuffle, skips of
# both kinds; choices of every kernel, expansion and depth.
NASBENCH = (
    "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|",
    "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
    "|nor_conv_1x1~0|+|skip_connect~0|none~1|+|none~0|none~1|none~2|",
)
FBNET = ([0, 1, 8, 2, 3, 8, 4, 5, 6, 7, 8, 1, 1, 8, 8, 5, 3, 1, 8, 2, 8, 5], [8] * 22)
OFA = (
    {"KERNELS": [3, 5, 7, 3] * 5, "EXPANSIONS": [6, 4, 3, 6] * 5, "DEPTHS": [2, 3, 4, 2, 3]},
    {"KERNELS": [7], "EXPANSIONS": [3], "DEPTHS": [2], "RESOLUTION": 144},
)


def _net(family: str, section: str, keys: dict[str, Any]) -> NetSpec:
    return to_spec(cfg_from_dict({"MODEL": {"TYPE": family}, section: keys}))


NETS: dict[str, list[NetSpec]] = {
    "nasbench201": [_net("nasbench201", "NB201", {"ARCH": arch}) for arch in NASBENCH],
    "fbnet": [_net("fbnet", "FBNET", {"OPS": ops}) for ops in FBNET],
    "ofa_mobilenetv3": [_net("ofa_mobilenetv3", "OFA", keys) for keys in OFA],
}
FORMS = {
    "nasbench201": NETS["nasbench201"][:2],
    "fbnet": NETS["fbnet"][:1],
    "ofa_mobilenetv3": NETS["ofa_mobilenetv3"][1:],
}
LAYOUTS = (("float32", "nchw"), ("float16", "nhwc"))
WORKLOADS: list[dict[str, Any]] = [
    {"mode": mode, "runtime": runtime, "dtype": dtype, "layout": layout, "batch_size": 3}
    for mode in ("inference", "training")
    for runtime, (dtype, layout) in product(("eager", "compiled", "engine"), LAYOUTS)
]


@pytest.mark.parametrize("family", NETS)
@pytest.mark.parametrize(
    "workload", unless(WORKLOADS[::3].__contains__, WORKLOADS), ids=lambda w: "-".join(map(str, w.values()))
)
def test_closed_forms_equal_the_whole_network(family: str, workload: dict[str, Any]) -> None:
    asked = Workload(**workload)
    for net in NETS[family]:
        assert said_by_forms(net, asked) == said_by_trace(net, asked)


@pytest.mark.parametrize("family", NETS)
@pytest.mark.parametrize(
    "workload", [WORKLOADS[0], WORKLOADS[5], WORKLOADS[6]], ids=("inference", "engine", "training")
)
def test_a_population_equals_its_members(family: str, workload: dict[str, Any]) -> None:
    nets = [*FORMS[family]] * 20  # arrays answer for so many
    found = score_many(nets, ["t4"], **workload)
    for row, net in enumerate(nets[: len(FORMS[family])]):
        one = score(net, ["t4"], **workload)
        for name in ("macs", "flops", "params", "activations", "traffic_bytes", "peak_memory_bytes"):
            assert getattr(found, name)[row] == getattr(one, name)
        assert found.latency_ms["t4"][row] == one.latency_ms["t4"]


@pytest.mark.parametrize("family", NETS)
@pytest.mark.parametrize(
    "workload", unless(WORKLOADS[::3].__contains__, WORKLOADS), ids=lambda w: "-".join(map(str, w.values()))
)
def test_nothing_is_unknown(family: str, workload: dict[str, Any]) -> None:
    for net in NETS[family]:
        assert score(net, [], strict=True, **workload).unknown == ()
