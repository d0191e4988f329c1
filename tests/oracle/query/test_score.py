"""What `score` answers: published counts, the workload it states, and errors for what it cannot answer."""

from __future__ import annotations

import copy
import json
import pickle
import resource
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.config import cfg_from_dict, load_cfg
from oracle.errors import DeviceError, OracleError, WorkloadError
from oracle.families import to_spec
from oracle.query import Cost, score
from oracle.spec import Workload
from tests.nightly import examples
from tests.programs import printed


def test_a_known_network() -> None:
    cost = score("ResNet-50", ["t4", "rtx-4090"])
    assert cost.name == "ResNet-50"
    assert cost.macs == 4_089_184_256  # pycls: 4,089,185,256 with the 1000 bias additions of the classifier
    assert cost.params == 25_557_032
    assert cost.unknown == ()
    assert list(cost.latency_ms) == ["t4", "rtx-4090"]
    assert cost.throughput_per_s["t4"] == pytest.approx(1e3 / cost.latency_ms["t4"])
    assert cost.intensity == pytest.approx(cost.executed_flops / cost.traffic_bytes)
    assert cost.times["t4"].model == "calibrated"
    assert cost.roofline_ms == score("ResNet-50", ["t4", "rtx-4090"], model="roofline").latency_ms
    assert all(cost.latency_ms[device] > bound > 0 for device, bound in cost.roofline_ms.items())
    assert cost.workload == Workload()


def test_costs_travel_between_processes() -> None:
    for cost in (score("R-56", ["t4"]), score("R-56", ["rtx-3090"], model="calibrated", dtype="float16")):
        device = next(iter(cost.times))
        for twin in (pickle.loads(pickle.dumps(cost)), copy.deepcopy(cost)):  # noqa: S301
            assert twin == cost
            assert twin.kernels(device) == cost.kernels(device)
            assert twin.to_dict() == cost.to_dict()
            with pytest.raises(DeviceError, match="was not scored"):
                twin.kernels("l4")


def test_times_are_made_when_asked_for_and_do_not_change() -> None:
    cost, again = score("R-56", ["t4", "p4"]), score("R-56", ["t4", "p4"])
    assert cost.latency_ms == {name: time.latency_ms for name, time in again.times.items()}
    assert cost.times == again.times == dict(again.times)
    assert cost.times["t4"] is cost.times["t4"]
    assert repr(cost.times) == repr(dict(again.times))
    assert "l4" not in cost.times
    with pytest.raises(KeyError):
        cost.times["l4"]
    with pytest.raises(TypeError):
        cost.times["t4"] = again.times["p4"]  # type: ignore[index]
    with pytest.raises(TypeError):
        cost.latency_ms["t4"] = 1.0  # type: ignore[index]


def test_keywords_replace_the_config() -> None:
    cfg = load_cfg("R-56", ["COST.BATCH_SIZE", 4, "COST.DEVICES", ["t4"], "COST.DTYPE", "float16"])
    assert score(cfg).workload == Workload(batch_size=4, dtype="float16")
    assert list(score(cfg).latency_ms) == ["t4"]
    assert score(cfg, [], batch_size=2, dtype="float32").workload == Workload(batch_size=2)
    assert score(to_spec(cfg), ["p4"]).workload.batch_size == 1


def test_counts_scale_with_the_batch_and_weights_do_not() -> None:
    one, many = score("RegNetX-200MF"), score("RegNetX-200MF", batch_size=16)
    assert one.macs is not None
    assert many.macs == 16 * one.macs
    assert many.params == one.params
    weights = sum(kernel.weight_bytes for kernel in score("RegNetX-200MF", ["t4"]).kernels("t4"))
    assert many.traffic_bytes - weights == 16 * (one.traffic_bytes - weights)


def test_a_result_is_plain_data() -> None:
    cost = score("R-56", ["t4"], batch_size=2)
    plain = json.loads(json.dumps(cost.to_dict(kernels=True)))
    assert plain["macs"] == cost.macs
    assert plain["workload"]["batch_size"] == 2
    assert plain["devices"]["t4"]["latency_ms"] == cost.latency_ms["t4"]
    assert len(plain["kernels"]["t4"]) == len(cost.kernels("t4"))
    assert sum(kernel["flops"] for kernel in plain["kernels"]["t4"]) == cost.executed_flops
    with pytest.raises(AttributeError):
        cost.macs = 1  # type: ignore[misc]


def test_int8_takes_one_byte_a_value_and_eight_a_channel() -> None:
    """The channels of R-56's 57 layers: onnxruntime's file of it has 851,504 weights, and 2,138 biases and scales."""
    int8, float32 = (score("R-56", dtype=d, runtime="engine") for d in ("int8", "float32"))
    assert int8.memory.weights_bytes == 851_504 + 2_138 * (4 + 4)
    assert float32.memory.weights_bytes == (851_504 + 2_138) * 4
    beside = 2_138 * (4 + 4)
    assert float32.traffic_bytes - 4 * 2_138 == 4 * (int8.traffic_bytes - beside)
    assert (int8.macs, int8.flops, int8.params) == (float32.macs, float32.flops, float32.params)


@pytest.mark.parametrize(
    ("network", "keywords", "error", "words"),
    [
        ("R-57", {}, OracleError, "R-56"),
        ("R-56", {"devices": ["t5"]}, DeviceError, "t4"),
        ("R-56", {"dtype": "float12"}, WorkloadError, "float16"),
        ("R-56", {"dtype": "int8"}, WorkloadError, "engine"),
        ("R-56", {"batch_size": 0}, WorkloadError, "at least 1"),
        ("R-56", {"batch_size": [1, 8]}, WorkloadError, r"\[1, 8\]: expected one; `oracle.batch_curve` takes several"),
        ("R-56", {"convention": "flopsy"}, WorkloadError, "fvcore"),
        ("R-56", {"devices": ["v100"], "dtype": "bfloat16"}, DeviceError, "bfloat16"),
        ("R-56", {"devices": ["eyeriss"]}, DeviceError, "calibrate"),
        (17, {}, OracleError, "profile"),
    ],
)
def test_what_cannot_be_answered_says_why(
    network: object, keywords: dict[str, object], error: type[OracleError], words: str
) -> None:
    devices = keywords.pop("devices", [])
    with pytest.raises(error, match=words):
        score(network, devices, **keywords)  # type: ignore[arg-type]


def test_a_kernel_table_of_a_device_that_was_not_asked_about() -> None:
    with pytest.raises(DeviceError, match="t4"):
        score("R-56", ["t4"]).kernels("p4")


def test_numbers_too_large_for_a_column_are_an_error() -> None:
    with pytest.raises(OracleError, match=r"exceed 6[24] bits"):
        score("R-56", ["t4"], batch_size=10**13)


_JUNK = st.one_of(
    st.integers(-3, 70), st.floats(allow_nan=True), st.text(max_size=4), st.lists(st.integers(-2, 40), max_size=4)
)


@examples(60)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "MODEL.TYPE",
                "ANYNET.DEPTHS",
                "ANYNET.WIDTHS",
                "REGNET.DEPTH",
                "REGNET.W0",
                "RESNET.WIDTH_PER_GROUP",
                "MODEL.DEPTH",
                "VIT.HIDDEN_DIM",
                "TRAIN.IM_SIZE",
                "COST.BATCH_SIZE",
                "COST.DTYPE",
                "MODEL.NUM_CLASSES",
            ]
        ),
        _JUNK,
        max_size=4,
    ),
    st.sampled_from(["anynet", "regnet", "resnet", "effnet", "vit"]),
)
def test_any_config_gives_a_result_or_an_oracle_error(values: dict[str, object], family: str) -> None:
    nested: dict[str, dict[str, object]] = {"MODEL": {"TYPE": family}}
    for key, value in values.items():
        section, name = key.split(".")
        nested.setdefault(section, {})[name] = value
    try:
        result = score(cfg_from_dict(nested), ["t4"])
    except OracleError:
        return
    assert isinstance(result, Cost)
    assert result.traffic_bytes > 0


_GIANT = """
import resource
from oracle.config import cfg_from_dict
from oracle.query import score
from tests.nightly import examples
score("R-56")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
vit = {"PATCH_SIZE": 16, "NUM_LAYERS": 126, "NUM_HEADS": 64, "HIDDEN_DIM": 8192, "MLP_DIM": 32768}
cost = score(cfg_from_dict({"MODEL": {"TYPE": "vit", "NUM_CLASSES": 1000}, "VIT": vit}), mode="training")
print(cost.params, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_hundred_billion_parameters_take_no_memory() -> None:
    params, extra = map(int, printed(_GIANT).split())
    kilobytes = extra if sys.platform != "darwin" else extra // 1024
    assert params > 100e9
    assert kilobytes < 1e6
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 0
