"""Another type for a module's tensors: the structure stays, the original too."""

from __future__ import annotations

import torch
from torch import nn

from oracle.spec import Workload
from oracle.trace import trace_module
from oracle.trace.storing import converted, stored_dtype, stored_dtypes, stored_in


def tied() -> nn.Sequential:
    with torch.device("meta"):
        module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.BatchNorm1d(4))
    module[1].weight = module[0].weight
    return module


def test_types_by_elements() -> None:
    module = nn.Sequential(nn.Linear(4, 4).half(), nn.LayerNorm(4))
    assert stored_dtypes(module) == {"float16": 20, "float32": 8}
    assert stored_dtype(module) == "float16"
    assert stored_dtype(nn.ReLU()) == "float32"
    assert stored_dtypes([torch.empty(3), {"mask": torch.empty(2, dtype=torch.bool)}]) == {"float32": 3}
    assert stored_dtypes(nn.LazyLinear(3)) == {"float32": 0}


def test_floating_point_is_converted_and_counts_are_not() -> None:
    module = tied()
    stored_in(module, "bfloat16")
    wanted = tied().to(torch.bfloat16)
    for (name, own), (other, theirs) in zip(
        module.state_dict(keep_vars=True).items(), wanted.state_dict(keep_vars=True).items(), strict=True
    ):
        assert (name, own.dtype, own.shape, own.requires_grad) == (
            other,
            theirs.dtype,
            theirs.shape,
            theirs.requires_grad,
        )
    assert module[0].weight is module[1].weight
    assert module[2].num_batches_tracked.dtype is torch.int64


def test_what_is_of_the_type_stays_itself() -> None:
    module = tied()
    weight = module[0].weight
    stored_in(module, "float32")
    assert module[0].weight is weight


def test_inputs_keep_their_layout() -> None:
    image = torch.empty(2, 3, 4, 4, device="meta").contiguous(memory_format=torch.channels_last).requires_grad_()
    (found,), ids = converted([(image,), torch.empty(2, dtype=torch.int64, device="meta")], "float16")
    assert (found.dtype, found.stride(), found.requires_grad) == (torch.float16, image.stride(), True)
    assert ids.dtype is torch.int64


def test_a_converted_trace_is_that_of_a_converted_module() -> None:
    lstm, x = nn.LSTM(4, 5), torch.empty(3, 2, 4)
    workload = Workload(dtype="float16", weights="float16")
    asked = trace_module(lstm, (x,), {}, workload, dtype="float16")
    made = trace_module(nn.LSTM(4, 5).half(), (x.half(),), {}, workload)
    assert asked.rows == made.rows
    assert asked.storages == made.storages
    assert lstm.weight_ih_l0.dtype is torch.float32
