"""Products of templates against their multiply-adds, and times by tiles that are the same on every road."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

import oracle
from oracle.calibration import Calibration
from oracle.closedform.library import library
from oracle.closedform.products import products_in
from oracle.closedform.program import Program
from oracle.counting.networks import count_net
from oracle.devices import load_device
from oracle.optable import MATRIX_CLASSES
from oracle.products import PLAIN
from oracle.query.models import latency_models
from oracle.query.traced import score_count
from oracle.roofline import Efficiency
from oracle.spec import NetSpec
from oracle.tiling import AttentionTiling, Tiling

TILING = Tiling(((128, 128), (64, 64), (64, 16)), 8.0, 64.0, 16, 64.0, 1e-7, 1e-6, 64.0, 0.2)
ATTENTION = AttentionTiling(64, 64, 16, 5e-12, 4.0, 1.6e-6, 1e-6, 0.3)
BACKWARD = {"aten.convolution_backward", "oracle.attention_backward"}
GROUPED = {
    "oracle.experts",
    "oracle.experts_backward",  # products of as many rows as tokens chose each expert, which no shape states
    "oracle.delta_rule",
    "oracle.delta_rule_backward",  # several products of each chunk
}
NAMES = ("RegNetX-400MF", "EfficientNet-B0", "ViT-S-16", "NB201-ResNet")
_EVERY = 97  # of the keys that ship, of which there are thousands


@pytest.mark.parametrize("kind", library().kinds())
def test_every_product_of_a_shipped_template_is_its_multiply_adds(kind: str) -> None:
    for key in library().keys(kind)[::_EVERY]:
        for template in library().find(key):
            found = products_in(template)
            assert found.program.steps[: len(template.program.steps)] == template.program.steps
            on_matrix_units = [
                number
                for number, kernel in enumerate(template.kernels)
                if kernel.op_class in MATRIX_CLASSES and kernel.name.partition(" ")[0] not in (*BACKWARD, *GROUPED)
            ]
            assert [*found.kernels] == on_matrix_units
            for size in (64, 128):  # as widths, groups and pixels alike, so that groups divide widths
                values = found.program.values([size] * len(template.program.symbols))
                for number, product, own in zip(found.kernels, found.kinds, found.dims, strict=True):
                    batch, m, n, k, _ = (values[step] for step in own)
                    macs = values[template.numbers.macs[number]]
                    assert batch * m * n * k * (1 if product == PLAIN else 2) == macs, (key, template.kernels[number])


def test_a_template_without_products_has_none() -> None:
    key = library().keys("cross_entropy")[0]
    (template,) = library().find(key)[:1]
    found = products_in(template)
    assert (found.kernels, found.dims) == ((), ())
    assert isinstance(found.program, Program)


def fitted(device: str, words: dict[str, Any], tiling: Tiling | None) -> Calibration:
    efficiency = Efficiency({"conv": 0.5}, {"conv": 0.75}, 2e-6, tiling=tiling, attention_tiling=tiling and ATTENTION)
    mode, runtime = words.get("mode", "inference"), words.get("runtime", "eager")
    return Calibration(device, runtime, mode, words.get("dtype", "float32"), "nchw", efficiency)


@pytest.fixture(scope="module")
def nets() -> list[NetSpec]:
    return [oracle.to_spec(oracle.load_cfg(name)) for name in NAMES]


@pytest.mark.parametrize(
    "words",
    [
        {"dtype": "float16", "batch_size": 3},
        {"runtime": "compiled", "dtype": "tf32"},
        {"runtime": "engine"},
        {"mode": "training", "dtype": "bfloat16"},
    ],
    ids=str,
)
def test_the_same_seconds_on_every_road(nets: list[NetSpec], words: dict[str, Any]) -> None:
    devices = ["a100-sxm-40gb", "rtx-4090", "h100-sxm"]
    own = [fitted(name, words, None if name == "rtx-4090" else TILING) for name in devices]
    plain = [fitted(name, words, None) for name in devices]
    asked: dict[str, Any] = {**words, "model": "calibrated"}
    few = oracle.score_many(nets, devices, calibrations=own, **asked)
    many = oracle.score_many(nets * 5, devices, calibrations=own, **asked)
    for index, net in enumerate(nets):
        cost = oracle.score(net, devices, calibrations=own, **asked)
        without = oracle.score(net, devices, calibrations=plain, **asked)
        models = latency_models([load_device(name) for name in devices], cost.workload, "calibrated", own)
        traced = score_count(count_net(net, cost.workload), net.name, cost.workload, models)
        for name, latency_ms in cost.latency_ms.items():
            assert few.latency_ms[name][index] == many.latency_ms[name][index + len(nets)] == latency_ms
            assert latency_ms >= without.latency_ms[name]
            assert (latency_ms == without.latency_ms[name]) == (name == "rtx-4090")
            alone = oracle.score(net, [name], calibrations=[item for item in own if item.device == name], **asked)
            assert alone.latency_ms[name] == latency_ms
            assert times_of(traced, name) == times_of(cost, name)


def times_of(cost: oracle.Cost, device: str) -> list[float]:
    return sorted(kernel.time_ms for kernel in cost.kernels(device))


def test_a_module_takes_what_its_config_takes(nets: list[NetSpec]) -> None:
    own = [fitted("t4", {}, TILING)]
    for net in nets:
        cost = oracle.score(net, ["t4"], model="calibrated", calibrations=own)
        image = torch.empty(1, *net.input_shape, device="meta")
        found = oracle.profile(oracle.build(net), image, devices=["t4"], model="calibrated", calibrations=own)
        assert times_of(found, "t4") == times_of(cost, "t4")
        assert found.latency_ms == cost.latency_ms


def test_a_device_that_states_no_units_has_no_tiles(nets: list[NetSpec]) -> None:
    words = {"dtype": "float16"}
    place = replace(load_device("a100-sxm-40gb"), compute_units=None)
    latencies = [
        oracle.score(net, [place], model="calibrated", calibrations=[fitted(place.name, words, tiling)], **words)
        for net in nets
        for tiling in (TILING, None)
    ]
    for cut, plain in zip(latencies[::2], latencies[1::2], strict=True):
        assert cut.latency_ms == plain.latency_ms


def decoder(width: int, **cost: Any) -> NetSpec:
    words = {"LAYERS": 2, "WIDTH": width, "HEADS": 8, "KV_HEADS": 2, "FF": 2 * width, "VOCAB": 1024}
    return oracle.to_spec(oracle.cfg_from_dict({"MODEL": {"TYPE": "decoder"}, "DECODER": words, "COST": cost}))


@pytest.mark.parametrize("cost", [{"PHASE": "prefill", "PROMPT": 256, "PAST": 64}, {"PHASE": "decode", "PAST": 2047}])
def test_decoders_in_and_beyond_the_last_level_cache_take_the_same_on_every_road(cost: dict[str, Any]) -> None:
    nets = [decoder(width, **cost) for width in (512, 1024, 4096)]  # of which the L40S's cache holds two
    devices, words = ["l40s", "h100-sxm", "l4"], {"dtype": "bfloat16", "weights": "bfloat16", "batch_size": 4}
    many = oracle.score_many(nets * 5, devices, **words)
    for index, net in enumerate(nets):
        cost_alone = oracle.score(net, devices, **words)
        models = latency_models([load_device(name) for name in devices], cost_alone.workload, "best")
        traced = score_count(count_net(net, cost_alone.workload), net.name, cost_alone.workload, models)
        for name, latency_ms in cost_alone.latency_ms.items():
            assert many.latency_ms[name][index] == many.latency_ms[name][index + len(nets)] == latency_ms
            assert times_of(traced, name) == times_of(cost_alone, name)


def test_products_come_from_the_cache_only_if_it_holds_all_weights() -> None:
    words: dict[str, Any] = {"dtype": "bfloat16", "weights": "bfloat16"}
    small, large = (oracle.score(decoder(width, PHASE="decode"), ["l40s"], **words) for width in (1024, 4096))
    memory = load_device("l40s").peak_bandwidth()
    fastest = [
        max(kernel.achieved_bytes_per_s for kernel in cost.kernels("l40s") if kernel.op_class == "linear")
        for cost in (small, large)
    ]
    assert fastest[1] < memory
    assert fastest[0] > memory
