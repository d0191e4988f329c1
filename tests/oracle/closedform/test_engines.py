"""Closed forms of networks under each engine: what a trace of the whole module says, to the last integer."""

from __future__ import annotations

from typing import Any

import pytest

import oracle
from oracle.closedform.library import library
from oracle.closedform.network import network_form
from oracle.closedform.store import TemplateStore
from oracle.counting.fusion.engines import RULES
from oracle.counting.networks import count_table, trace_whole
from oracle.spec import NetSpec, Workload

NETWORKS: dict[str, dict[str, Any]] = {
    # widths that fill blocks of 16 channels, that do not, and gates of few channels
    "anynet": {
        "MODEL": {"TYPE": "anynet"},
        "ANYNET": {
            "STEM_TYPE": "simple_stem_in", "STEM_W": 32, "BLOCK_TYPE": "res_bottleneck_block", "DEPTHS": [2, 1, 1],
            "WIDTHS": [32, 72, 96], "STRIDES": [2, 2, 1], "BOT_MULS": [1.0, 1.0, 1.0], "GROUP_WS": [16, 8, 48],
            "SE_ON": True,
        },
        "TRAIN": {"IM_SIZE": 32},
    },
    "effnet": {
        "MODEL": {"TYPE": "effnet", "ACTIVATION_FUN": "silu"},
        "EN": {
            "STEM_W": 16, "DEPTHS": [1, 2], "WIDTHS": [24, 40], "EXP_RATIOS": [1, 4], "STRIDES": [1, 2],
            "KERNELS": [3, 5], "HEAD_W": 64,
        },
        "TRAIN": {"IM_SIZE": 32},
    },
    "vit": {
        "MODEL": {"TYPE": "vit"},
        "VIT": {"NUM_LAYERS": 2, "HIDDEN_DIM": 64, "MLP_DIM": 96, "PATCH_SIZE": 8, "NUM_HEADS": 4},
        "TRAIN": {"IM_SIZE": 32},
    },
    "nasbench201": {
        "MODEL": {"TYPE": "nasbench201"},
        "NB201": {"OPS": ["nor_conv_3x3", "none", "skip_connect", "avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3"]},
        "TRAIN": {"IM_SIZE": 32},
    },
}  # fmt: skip


def _sums(net: NetSpec, workload: Workload) -> tuple[dict[str, int], int, int]:
    found = count_table(trace_whole(net, workload), workload)
    kernels = found.kernels
    sums = {
        "macs": sum(kernel.macs for kernel in kernels),
        "flops": sum(kernel.matrix_flops + kernel.vector_flops for kernel in kernels),
        "traffic_bytes": sum(kernel.read_bytes + kernel.write_bytes for kernel in kernels),
        "params": found.params,
        "activations": found.activations,
    }
    return sums, len(kernels), found.memory.peak_bytes


@pytest.mark.parametrize(
    ("engine", "dtype"), [*((engine, "float32") for engine in RULES), ("onnxruntime", "float16"), ("openvino", "int8")]
)
@pytest.mark.parametrize("name", NETWORKS)
def test_closed_forms_are_equal_to_traces(name: str, engine: str, dtype: str) -> None:
    net = oracle.to_spec(oracle.cfg_from_dict(NETWORKS[name]))
    workload = Workload(runtime="engine", engine=engine, dtype=dtype, batch_size=2)
    form = network_form(TemplateStore(library()), net, workload)
    sums, kernels, peak = _sums(net, workload)
    assert {key: form.sums[key] for key in sums} == sums
    assert (form.kernel_count, form.peak_memory_bytes) == (kernels, peak)


@pytest.mark.parametrize("engine", ["generic", "openvino"])
@pytest.mark.parametrize("patches", [1, 4])
def test_a_vision_transformer_of_one_patch_is_equal_to_its_trace(patches: int, engine: str) -> None:
    """Where sizes are 1, symbols hide what is equal: the template does not hold there, and is not taken."""
    cfg = {"MODEL": {"TYPE": "vit"}, "VIT": {**NETWORKS["vit"]["VIT"], "CLASSIFIER_TYPE": "pooled"}}
    cfg["TRAIN"] = {"IM_SIZE": 8 * int(patches**0.5)}
    net = oracle.to_spec(oracle.cfg_from_dict(cfg))
    workload = Workload(runtime="engine", engine=engine, batch_size=2)
    form = network_form(TemplateStore.everything(), net, workload)
    sums, kernels, peak = _sums(net, workload)
    assert {key: form.sums[key] for key in sums} == sums
    assert (form.kernel_count, form.peak_memory_bytes) == (kernels, peak)


def test_one_template_does_not_stand_for_other_layouts() -> None:
    """Whether channels fill blocks is asked of each cell."""
    store, workload = TemplateStore(), Workload(runtime="engine", engine="onnxruntime", batch_size=2)
    found = []
    for group in (16, 8, 16):
        plain = NETWORKS["anynet"]
        sections = {
            **plain,
            "ANYNET": {**plain["ANYNET"], "WIDTHS": [32, 64, 96], "GROUP_WS": [group] * 3, "SE_ON": False},
        }
        net = oracle.to_spec(oracle.cfg_from_dict(sections))
        found.append(network_form(store, net, workload).kernel_count)
        assert found[-1] == _sums(net, workload)[1]
    assert found[0] == found[2] < found[1]
