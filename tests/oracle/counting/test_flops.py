from __future__ import annotations

import itertools
from collections.abc import Callable
from math import prod
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import oracle
from oracle.counting.flops import POINTWISE_FLOPS, Work, register_flops, work_of
from oracle.errors import OracleError, UnknownOperatorError
from oracle.optable import Row
from oracle.spec import Workload
from oracle.trace import trace_module
from tests.modules import Call


def x(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def rows(module: nn.Module | Callable[..., Any], *inputs: Any, mode: str = "inference") -> tuple[Row, ...]:
    module = module if isinstance(module, nn.Module) else Call(module)
    return trace_module(module, inputs, {}, Workload(mode=mode)).rows


def work(module: nn.Module | Callable[..., Any], *inputs: Any, causal: str = "full") -> Work:
    """The sum over the rows of a forward pass, all of which must be known."""
    found = [work_of(row, causal) for row in rows(module, *inputs)]
    known = [one for one in found if one is not None]
    assert len(known) == len(found)
    return Work(sum(one.macs for one in known), sum(one.flops for one in known))


def backward(module: nn.Module, *inputs: Any) -> dict[str, Work]:
    """Work of the backward rows, summed by operator."""
    found: dict[str, Work] = {}
    for row in rows(module, *inputs, mode="training"):
        one = work_of(row)
        if row.phase == "backward" and one is not None:
            before = found.get(row.name, Work(0, 0))
            found[row.name] = Work(before.macs + one.macs, before.flops + one.flops)
    return found


# -- contractions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "shape", "macs", "extra"),
    [
        # K^2 * Cin * Cout * H * W, and one addition per output for the bias
        (nn.Conv2d(3, 8, 3, padding=1, bias=False), (2, 3, 16, 16), 2 * 9 * 3 * 8 * 256, 0),
        (nn.Conv2d(3, 8, 3, padding=1), (2, 3, 16, 16), 2 * 9 * 3 * 8 * 256, 2 * 8 * 256),
        (nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), (1, 3, 15, 15), 9 * 3 * 8 * 8 * 8, 0),
        (nn.Conv2d(3, 8, 3, dilation=2, bias=False), (1, 3, 16, 16), 9 * 3 * 8 * 12 * 12, 0),
        (nn.Conv2d(8, 16, 3, groups=4, padding=1, bias=False), (1, 8, 4, 4), 9 * 2 * 16 * 16, 0),
        (nn.Conv2d(8, 8, 3, groups=8, padding=1, bias=False), (1, 8, 4, 4), 9 * 8 * 16, 0),
        (nn.Conv2d(8, 16, (1, 3), padding=(0, 1), bias=False), (1, 8, 4, 4), 3 * 8 * 16 * 16, 0),
        (nn.Conv1d(4, 6, 5, bias=False), (2, 4, 10), 2 * 5 * 4 * 6 * 6, 0),
        (nn.Conv3d(2, 4, 3, bias=False), (1, 2, 5, 5, 5), 27 * 2 * 4 * 27, 0),
        (nn.Conv2d(3, 8, 3, bias=False), (3, 6, 6), 9 * 3 * 8 * 16, 0),
        # transposed: every input element meets one filter, whatever the stride
        (nn.ConvTranspose2d(8, 4, 2, stride=2, bias=False), (1, 8, 5, 5), 4 * 8 * 4 * 25, 0),
        (nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1), (1, 8, 5, 5), 16 * 8 * 4 * 25, 4 * 100),
        (nn.ConvTranspose2d(8, 8, 2, stride=2, groups=8, bias=False), (1, 8, 5, 5), 4 * 8 * 25, 0),
        (nn.ConvTranspose1d(4, 6, 3, groups=2, bias=False), (1, 4, 7), 3 * 4 * 3 * 7, 0),
        # linear: I * J per row
        (nn.Linear(10, 7), (4, 10), 4 * 70, 4 * 7),
        (nn.Linear(10, 7, bias=False), (2, 3, 10), 6 * 70, 0),
        (nn.Linear(10, 7), (10,), 70, 7),
    ],
    ids=str,
)
def test_layers_by_hand(module: nn.Module, shape: tuple[int, ...], macs: int, extra: int) -> None:
    assert work(module, x(*shape)) == Work(macs, 2 * macs + extra)


@pytest.mark.parametrize(
    ("function", "shapes", "macs", "extra"),
    [
        (torch.mm, [(3, 4), (4, 5)], 60, 0),
        (torch.bmm, [(2, 3, 4), (2, 4, 5)], 120, 0),
        (torch.matmul, [(2, 6, 3, 4), (2, 6, 4, 5)], 720, 0),
        (torch.matmul, [(2, 3, 4), (4, 5)], 120, 0),
        (torch.addmm, [(5,), (3, 4), (4, 5)], 60, 15),
        (torch.baddbmm, [(2, 3, 5), (2, 3, 4), (2, 4, 5)], 120, 30),
        (torch.addbmm, [(3, 5), (2, 3, 4), (2, 4, 5)], 120, 15),
        (torch.mv, [(3, 4), (4,)], 12, 0),
        (torch.addmv, [(3,), (3, 4), (4,)], 12, 3),
        (torch.dot, [(9,), (9,)], 9, 0),
        (lambda a, b: torch.einsum("bhid,bhjd->bhij", a, b), [(2, 3, 4, 5), (2, 3, 6, 5)], 720, 0),
        (lambda a, b: torch.tensordot(a, b, 2), [(2, 3, 4), (3, 4, 5)], 120, 0),
    ],
    ids=[
        "mm", "bmm", "matmul", "matmul of a matrix", "addmm", "baddbmm", "addbmm", "mv", "addmv", "dot",
        "einsum", "tensordot",
    ],
)  # fmt: skip
def test_products_by_hand(function: Any, shapes: list[tuple[int, ...]], macs: int, extra: int) -> None:
    found = work(function, *(x(*shape) for shape in shapes))
    assert found == Work(macs, 2 * macs + extra)


def test_bilinear_by_hand() -> None:
    # per sample and output 3 * 4 points with two products and a sum each, then the bias
    assert work(nn.Bilinear(3, 4, 5), x(2, 3), x(2, 4)) == Work(2 * 5 * 12, 3 * 2 * 5 * 12 + 2 * 5)


@pytest.mark.parametrize(
    ("shapes", "options", "scores", "widths"),
    [
        ([(2, 3, 5, 4)] * 3, {}, 2 * 3 * 5 * 5, 8),
        # cross attention, a wider value
        ([(1, 3, 5, 4), (1, 3, 7, 4), (1, 3, 7, 6)], {}, 3 * 5 * 7, 10),
        # grouped queries: 6 heads of queries on 2 of keys
        ([(1, 6, 5, 4), (1, 2, 5, 4), (1, 2, 5, 4)], {"enable_gqa": True}, 6 * 5 * 5, 8),
        # one query for a batch of keys
        ([(1, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 4)], {}, 2 * 3 * 5 * 7, 8),
        ([(1, 3, 5, 4)] * 3, {"is_causal": True}, 3 * 5 * 5, 8),
        ([(1, 3, 5, 4)] * 3, {"dropout_p": 0.5}, 3 * 5 * 5, 8),
    ],
    ids=["4-D", "cross", "grouped", "broadcast", "causal", "dropout"],
)
def test_attention_by_hand(shapes: Any, options: dict[str, Any], scores: int, widths: int) -> None:
    found = work(lambda *qkv: F.scaled_dot_product_attention(*qkv, **options), *(x(*shape) for shape in shapes))
    # per score a product over the width of the query and one over the value's; scale and softmax are 6 more
    assert found == Work(scores * widths, scores * (2 * widths + 6))


@pytest.mark.parametrize("lead", [(), (3,), (2, 2, 3)], ids=["2-D", "3-D", "5-D"])
def test_attention_of_other_ranks_by_hand(lead: tuple[int, ...]) -> None:
    # no fused kernel takes them: query and key are scaled, not their product; softmax is 5 per score
    q, scores = x(*lead, 5, 4), prod(lead) * 5 * 5
    found = work(F.scaled_dot_product_attention, q, q, q)
    assert found == Work(scores * 8, scores * (2 * 8 + 5) + 2 * prod(lead) * 5 * 4)


def test_a_mask_is_added_to_the_scores() -> None:
    q = x(2, 3, 5, 4)
    bare = work(F.scaled_dot_product_attention, q, q, q)
    for mask in (x(5, 5), x(2, 1, 5, 5), x(5, 5, dtype=torch.bool)):
        assert work(F.scaled_dot_product_attention, q, q, q, mask) == Work(bare.macs, bare.flops + 2 * 3 * 5 * 5)


@pytest.mark.parametrize(
    ("length", "context", "scores"),
    [(5, 5, 15), (1, 1, 1), (3, 5, 6), (5, 3, 6 + 2 * 3)],  # below the diagonal that starts at the top left
)
def test_half_a_causal_attention(length: int, context: int, scores: int) -> None:
    def attend(q: Any, k: Any) -> Any:
        return F.scaled_dot_product_attention(q, k, k, is_causal=True)

    expected = torch.ones(length, context, dtype=torch.bool).tril().sum().item()
    q, k = x(1, 2, length, 4), x(1, 2, context, 4)
    assert scores == expected
    assert work(attend, q, k, causal="half").macs == 2 * scores * 8
    assert work(attend, q, k, causal="full").macs == 2 * length * context * 8
    assert (
        work(lambda q, k: F.scaled_dot_product_attention(q, k, k), q, k, causal="half").macs == 2 * length * context * 8
    )


def test_attention_that_cannot_be_is_an_error() -> None:
    for bad in (x(1, 3, 7, 5), x(1, 2, 7, 4)):
        with pytest.raises(OracleError, match="forward failed"):
            work(F.scaled_dot_product_attention, x(1, 3, 5, 4), bad, bad)


def test_backward_of_attention_by_hand() -> None:
    # FlashAttention's: five products of L * S * E, one of them the scores once more
    class SelfAttention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, q: Any) -> Any:
            q = q * self.scale
            return F.scaled_dot_product_attention(q, q, q)

    found = backward(SelfAttention(), x(2, 3, 5, 4))["oracle.attention_backward"]
    assert found == Work(5 * 2 * 3 * 25 * 4, 2 * 5 * 2 * 3 * 25 * 4 + 6 * 2 * 3 * 25 + 2 * 2 * 3 * 5 * 4)


def test_backward_of_a_convolution_by_hand() -> None:
    macs = 2 * 9 * 3 * 8 * 256
    first = nn.Conv2d(3, 8, 3, padding=1)
    # the image wants no gradient: only the weight's products, and the bias summed over all outputs
    assert backward(first, x(2, 3, 16, 16)) == {"aten.convolution_backward": Work(macs, 2 * macs + 2 * 8 * 256)}
    both = backward(nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), first), x(2, 3, 16, 16))
    small = 2 * 3 * 3 * 256
    total = 2 * macs + small
    assert both["aten.convolution_backward"] == Work(total, 2 * total + 2 * 8 * 256)


@pytest.mark.parametrize("causal", [False, True])
def test_a_fused_attention_called_by_its_own_name(causal: bool) -> None:
    q = x(1, 2, 8, 4)
    operators = torch.ops.aten
    for attend in (
        lambda: operators._scaled_dot_product_flash_attention(q, q, q, 0.0, causal),
        lambda: operators._scaled_dot_product_efficient_attention(q, q, q, None, False, 0.0, causal),
        lambda: operators._scaled_dot_product_cudnn_attention(q, q, q, None, False, 0.0, causal),
    ):
        assert work(lambda _, attend=attend: attend()[0], q, causal="half").macs == 2 * (36 if causal else 64) * 8


# -- everything else -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "shape", "per_element"),
    [
        (nn.BatchNorm2d(4), (2, 4, 3, 3), 2),  # in evaluation one scale and one shift
        (nn.LayerNorm(6), (2, 4, 6), 7),
        (nn.LayerNorm(6, elementwise_affine=False), (2, 4, 6), 5),
        (nn.GroupNorm(2, 4), (2, 4, 3, 3), 7),
        (nn.InstanceNorm2d(4), (2, 4, 3, 3), 5),
        (nn.RMSNorm(6), (2, 4, 6), 4),
        (nn.Softmax(-1), (3, 5), 5),
        (nn.LogSoftmax(-1), (3, 5), 5),
        (nn.ReLU(), (3, 5), 1),
        (nn.ReLU(inplace=True), (3, 5), 1),
        (nn.ReLU6(), (3, 5), 2),
        (nn.LeakyReLU(), (3, 5), 2),
        (nn.PReLU(), (3, 5), 2),
        (nn.ELU(), (3, 5), 4),
        (nn.Sigmoid(), (3, 5), 4),
        (nn.Tanh(), (3, 5), 6),
        (nn.SiLU(), (3, 5), 5),
        (nn.GELU(), (3, 5), 5),
        (nn.Softplus(), (3, 5), 3),
        (nn.Mish(), (3, 5), 10),
        (nn.Hardsigmoid(), (3, 5), 4),
        (nn.Hardswish(), (3, 5), 5),
        (nn.GLU(), (3, 10), 5 / 2),
        (nn.Identity(), (3, 5), 0),
        (nn.Flatten(), (3, 5, 2), 0),
        (nn.Dropout(), (3, 5), 0),
        (nn.PixelShuffle(2), (1, 4, 3, 3), 0),
        (nn.ZeroPad2d(1), (1, 4, 3, 3), 0),
        (nn.Upsample(scale_factor=2), (1, 4, 3, 3), 0),
        (nn.AdaptiveAvgPool2d(1), (2, 4, 6, 6), 1),
        (nn.AdaptiveAvgPool2d(2), (2, 4, 6, 6), 1),
        (nn.AdaptiveMaxPool2d(2), (2, 4, 6, 6), 1),
        (nn.MaxPool2d(2), (1, 4, 6, 6), 1),
        (nn.MaxPool2d(3, 2, 1), (1, 4, 6, 6), 9 / 4),
        (nn.AvgPool2d(2), (1, 4, 6, 6), 1),
        (nn.AvgPool2d(3, 1, 1), (1, 4, 6, 6), 9),
        (nn.MaxPool1d(2), (1, 4, 6), 1),
        (nn.AvgPool3d(2), (1, 4, 6, 6, 6), 1),
        (nn.Upsample(scale_factor=2, mode="bilinear"), (1, 4, 3, 3), 4 * 7),
        (nn.Upsample(scale_factor=2, mode="bicubic"), (1, 4, 3, 3), 4 * 31),
        (nn.Upsample(scale_factor=2, mode="trilinear"), (1, 4, 3, 3, 3), 8 * 15),
        (nn.utils.parametrizations.weight_norm(nn.Linear(5, 5, bias=False)), (1, 5), 2 * 5 + 3 * 5),
    ],
    ids=str,
)
def test_modules_by_hand(module: nn.Module, shape: tuple[int, ...], per_element: float) -> None:
    elements = torch.Size(shape).numel()
    found = work(module, x(*shape))
    assert found.flops == per_element * elements
    assert found.macs == (25 if "Linear" in str(module) else 0)


@pytest.mark.parametrize(
    ("function", "flops"),
    [
        (lambda a: a + 1, 12),
        (lambda a: a * a - a / 2, 36),
        (lambda a: a + a[:, :1], 12),
        (lambda a: 1 - a, 12),
        (lambda a: 2.0**a, 12),
        (lambda a: 2.0 ** a.sum(), 13),
        (lambda a: a.sqrt().exp(), 24),
        (lambda a: a.clamp(0, 1), 24),
        (lambda a: a.clamp(min=0), 12),
        (lambda a: a.isnan(), 12),
        (lambda a: F.gelu(a, approximate="tanh"), 12 * 13),
        (F.celu, 12 * 5),
        (lambda a: torch.lerp(a, a + 1, 0.5), 12 + 3 * 12),
        (lambda a: torch.addcmul(a, a, a), 36),
        (lambda a: torch.where(a > 0, a, -a), 12 + 0 + 12),
        (lambda a: a.masked_fill(a > 0, 0), 12),
        (lambda a: a.add_(1).mul_(2), 24),
        (lambda a: torch.maximum(a, a + 1), 24),
        (lambda a: a.sum(), 12),
        (lambda a: a.mean(0), 12),
        (lambda a: a.max(), 12),
        (lambda a: a.max(dim=1).values, 12),
        (lambda a: a.argmax(), 12),
        (lambda a: a.var(), 48),
        (lambda a: a.norm(), 24),
        (lambda a: a.logsumexp(1), 48),
        (lambda a: a.cumsum(0), 12),
        (lambda a: a.t().contiguous().view(-1), 0),
        (lambda a: torch.cat([a, a]), 0),
        (lambda a: a.to(torch.float16), 0),
        (lambda a: torch.stack(a.unbind(0)), 0),
        (lambda a: a.view(2, 6).expand(3, 2, 6), 0),
        (lambda a: a.new_zeros(7).fill_(1), 0),
        (lambda a: torch.mm(a, a.t(), out=a.new_empty(3, 3)), 72),
        (lambda a: torch._foreach_add([a, a[0]], 1.0)[0], 16),
        (lambda a: F.mse_loss(a, a), 36),
    ],
    ids=itertools.count(),  # the text of a lambda is its address, which differs between the workers of xdist
)
def test_functions_by_hand(function: Callable[..., Any], flops: int) -> None:
    assert work(function, x(3, 4)).flops == flops


def test_a_lookup_computes_nothing_and_its_gradient_is_summed() -> None:
    tokens = x(2, 7, dtype=torch.int64)
    assert work(nn.Embedding(100, 16), tokens) == Work(0, 0)
    assert backward(nn.Embedding(100, 16), tokens)["aten.embedding_dense_backward"] == Work(0, 2 * 7 * 16)


def test_dropout_in_training_counts_its_product() -> None:
    net = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Dropout(0.5))
    forward = [work_of(row) for row in rows(net, x(3, 4), mode="training") if row.name == "aten.native_dropout"]
    assert forward == [Work(0, 2 * 12)]
    assert backward(net, x(3, 4))["aten.native_dropout_backward"] == Work(0, 2 * 12)


@pytest.mark.parametrize(
    ("module", "shape", "operator", "flops"),
    [
        (nn.BatchNorm2d(4), (2, 4, 3, 3), "native_batch_norm", 7 * 72),
        (nn.LayerNorm(6), (2, 4, 6), "native_layer_norm", 7 * 48),
        (nn.GroupNorm(2, 4), (2, 4, 3, 3), "native_group_norm", 7 * 72),
    ],
    ids=str,
)
def test_norms_in_training_by_hand(module: nn.Module, shape: tuple[int, ...], operator: str, flops: int) -> None:
    (forward,) = (row for row in rows(module, x(*shape), mode="training") if row.name == f"aten.{operator}")
    assert work_of(forward) == Work(0, flops)
    # xhat, its two sums, and the input's gradient; layer and group norm weigh the gradient first
    per_element = 9 if operator == "native_batch_norm" else 12
    assert backward(module, x(*shape))[f"aten.{operator}_backward"].flops == per_element * torch.Size(shape).numel()


def test_sigmoid_like_activations_cost_more_than_relu() -> None:
    cheap = POINTWISE_FLOPS["relu"]
    assert all(POINTWISE_FLOPS[name] > cheap for name in ("sigmoid", "tanh", "silu", "gelu", "hardswish", "mish"))


def test_recurrent_layers_by_hand() -> None:
    # per step and direction: (input + hidden) * 4 gates * hidden
    lstm = work(nn.LSTM(6, 5, num_layers=2, bidirectional=True), x(7, 3, 6))
    assert lstm.macs == 7 * 3 * 2 * 4 * 5 * ((6 + 5) + (10 + 5))
    gru = work(nn.GRU(6, 5, bias=False), x(7, 3, 6))
    assert gru.macs == 7 * 3 * 3 * 5 * (6 + 5)
    assert work(nn.LSTM(6, 5), x(14, 3, 6)).macs == 2 * work(nn.LSTM(6, 5), x(7, 3, 6)).macs


def test_multi_head_attention_does_not_depend_on_the_number_of_heads() -> None:
    def macs(heads: int) -> int:
        attention = nn.MultiheadAttention(8, heads, batch_first=True)
        return int(work(lambda q: attention(q, q, q, need_weights=False)[0], x(2, 5, 8)).macs)

    assert macs(1) == macs(4) == 2 * (4 * 5 * 8 * 8 + 2 * 5 * 5 * 8)


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_a_transformer_encoder_by_hand(mode: str) -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 3)
    found = [work_of(row) for row in rows(encoder, x(2, 5, 8), mode=mode) if row.phase == "forward"]
    macs = sum(one.macs for one in found if one is not None)
    assert macs == 3 * 2 * (4 * 5 * 8 * 8 + 2 * 5 * 5 * 8 + 2 * 5 * 8 * 16)


@pytest.mark.parametrize("out", [(3, 2), (7, 5), (6, 6), (14, 14), (1, 1), (7, 1)])
def test_windows_of_an_adaptive_pool_overlap(out: tuple[int, int]) -> None:
    def window(size: int, count: int) -> int:
        return sum(-(-(i + 1) * size // count) - i * size // count for i in range(count))

    expected = 2 * 8 * window(7, out[0]) * window(5, out[1])
    assert work(nn.AdaptiveMaxPool2d(out), x(2, 8, 7, 5)).flops == expected
    if out != (1, 1):  # then it is a mean
        assert work(nn.AdaptiveAvgPool2d(out), x(2, 8, 7, 5)).flops == expected
        assert work(nn.AdaptiveAvgPool2d(out), x(8, 7, 5)).flops == expected / 2
        found = backward(nn.Sequential(nn.Conv2d(8, 8, 1), nn.AdaptiveAvgPool2d(out)), x(2, 8, 7, 5))
        assert found["aten._adaptive_avg_pool2d_backward"].flops == expected


def test_a_loss_picks_one_class_of_each_pixel() -> None:
    class Loss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 5, 1)

        def forward(self, image: Any, target: Any) -> Any:
            return F.cross_entropy(self.conv(image), target)

    image, target = x(2, 3, 7, 11), x(2, 7, 11, dtype=torch.int64)
    picked = Work(0, 2 * 7 * 11)
    assert [work_of(row) for row in rows(Loss(), image, target) if "nll" in row.name] == [picked]
    assert backward(Loss(), image, target)["aten.nll_loss2d_backward"] == picked


# -- equal to torch's counter --------------------------------------------------------------------------------

ZOO: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "convolutions": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 16, 5, 2, 1, groups=4)), (2, 3, 20, 20)),
    "transposed": (lambda: nn.ConvTranspose2d(8, 6, 4, 2, 1, groups=2), (2, 8, 5, 7)),
    "dilated": (lambda: nn.Conv2d(4, 4, 3, dilation=3, padding=2), (1, 4, 12, 12)),
    "three dimensions": (lambda: nn.Sequential(nn.Conv3d(2, 3, 3), nn.ConvTranspose3d(3, 2, 2)), (1, 2, 6, 6, 6)),
    "perceptron": (lambda: nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4)), (2, 5, 8)),
    "encoder": (lambda: nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), (2, 6, 16)),
    "transformer": (lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32), 2), (6, 2, 16)),
    "lstm": (lambda: nn.LSTM(8, 6, 2, bidirectional=True), (5, 2, 8)),
    "gru": (lambda: nn.GRU(8, 6), (5, 2, 8)),
    "einsum": (lambda: Call(lambda a: torch.einsum("bij,bkj->bik", a, a)), (2, 5, 8)),
}


@pytest.mark.parametrize("name", ZOO)
def test_contractions_equal_the_flop_counter(name: str) -> None:
    make, shape = ZOO[name]
    with torch.device("meta"):
        module = make().eval()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        module.train()(x(*shape))  # in training mode, or the encoder is one operator that counts 0
    assert 2 * work(module, x(*shape)).macs == counter.get_total_flops() > 0


class FirstResult(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, a: Any) -> Any:
        out = self.module(a)
        return out[0] if isinstance(out, tuple) else out


# without groups, which torch's counter forgets in one of the two gradients
@pytest.mark.parametrize("name", ["dilated", "three dimensions", "perceptron", "lstm"])
def test_contractions_of_the_backward_equal_the_flop_counter(name: str) -> None:
    make, shape = ZOO[name]
    with torch.device("meta"):
        module = make()
    counter = FlopCounterMode(display=False)
    with counter:
        out = module(x(*shape))
        out = out[0] if isinstance(out, tuple) else out
        out.sum().backward()
    found = [work_of(row) for row in rows(FirstResult(module), x(*shape), mode="training") if row.phase != "optimizer"]
    assert sum(2 * one.macs for one in found if one is not None) == counter.get_total_flops()


# -- the unknown ---------------------------------------------------------------------------------------------


def test_an_unknown_operator_is_listed_and_costs_its_bytes() -> None:
    cost = oracle.profile(Call(torch.linalg.matrix_exp), x(8, 8))
    assert cost.unknown == ("aten.linalg_matrix_exp",)
    assert cost.coverage == (0, 0, 1)
    assert (cost.flops, cost.traffic_bytes) == (0, 2 * 8 * 8 * 4)


def test_an_unknown_operator_is_an_error_under_strict() -> None:
    with pytest.raises(UnknownOperatorError, match=r"operators=aten\.linalg_matrix_exp have no FLOP formula") as caught:
        oracle.profile(Call(torch.linalg.matrix_exp), x(8, 8), strict=True)
    assert caught.value.operators == ("aten.linalg_matrix_exp",)
    assert oracle.profile(nn.Linear(4, 4), x(2, 4), strict=True).macs == 32


def test_a_users_operator_gets_a_formula() -> None:
    library = torch.library.Library("oracle_flops_test", "DEF")
    library.define("scaled_mm(Tensor a, Tensor b, float scale) -> Tensor")
    library.impl("scaled_mm", lambda a, b, scale: a.new_empty(a.shape[0], b.shape[1]), "Meta")
    module = Call(lambda a, b: torch.ops.oracle_flops_test.scaled_mm(a, b, 2.0))

    assert oracle.profile(module, x(3, 4), x(4, 5)).unknown == ("oracle_flops_test.scaled_mm",)

    @oracle.register_flops("oracle_flops_test.scaled_mm", op_class="matmul")
    def scaled_mm(a: Any, b: Any, scale: float, out: Any) -> Work:
        return Work(a[0] * a[1] * b[1], 2 * a[0] * a[1] * b[1] + out[0] * out[1])

    cost = oracle.profile(module, x(3, 4), x(4, 5), devices=["t4"], strict=True)
    (kernel,) = cost.kernels("t4")
    assert (cost.macs, cost.flops, kernel.op_class) == (60, 135, "matmul")

    with pytest.raises(OracleError, match=r"operator=oracle_flops_test\.scaled_mm has a FLOP formula already"):
        register_flops("oracle_flops_test.scaled_mm")(scaled_mm)
    with pytest.raises(OracleError, match="op_class='contraction'"):
        register_flops("oracle_flops_test.other", op_class="contraction")(scaled_mm)


def _softmax_by_hand(a: torch.Tensor) -> torch.Tensor:
    powers = (a - a.amax(0)).exp()
    return powers / powers.sum(0)


@pytest.mark.parametrize(
    ("whole", "by_hand"),
    [
        (F.silu, lambda a: a * a.sigmoid()),
        (F.hardsigmoid, lambda a: (a + 3).clamp(0, 6) / 6),
        (F.hardswish, lambda a: a * F.hardsigmoid(a)),
        (F.mish, lambda a: a * F.softplus(a).tanh()),
        (F.gelu, lambda a: a * 0.5 * (1 + torch.erf(a / 2**0.5))),
        (
            lambda a: F.gelu(a, approximate="tanh"),
            lambda a: 0.5 * a * (1 + torch.tanh(0.79788 * (a + 0.044715 * a.pow(3)))),
        ),
        (F.relu6, lambda a: a.clamp(0, 6)),
        (F.elu, lambda a: torch.where(a > 0, a, (a.exp() - 1) * 1.5)),
        (F.celu, lambda a: torch.where(a > 0, a, ((a / 2).exp() - 1) * 1.5)),
        (F.logsigmoid, lambda a: a.sigmoid().log()),
        (lambda a: torch.lerp(a, a, 0.5), lambda a: a + 0.5 * (a - a)),
        (torch.logit, lambda a: (a / (1 - a)).log()),
        (lambda a: torch.hypot(a, a), lambda a: (a * a + a * a).sqrt()),
        (lambda a: a.softmax(0), _softmax_by_hand),
    ],
    ids="silu hardsigmoid hardswish mish gelu gelu-tanh relu6 elu celu logsigmoid lerp logit hypot softmax".split(),
)
def test_what_is_made_of_others_costs_at_least_its_parts(
    whole: Callable[..., Any], by_hand: Callable[..., Any]
) -> None:
    own = work(whole, x(3, 4)).flops
    parts = work(by_hand, x(3, 4)).flops
    assert parts <= own <= 2 * parts


@pytest.mark.parametrize("name", ["scatter_reduce", "scatter", "scatter_reduce_"])
def test_a_scatter_that_reduces_has_an_operation_per_value(name: str) -> None:
    index = torch.zeros(1000, 64, dtype=torch.int64)
    word = "sum" if "reduce" in name else "add"

    def call(a: torch.Tensor, b: torch.Tensor) -> Any:
        return getattr(a, name)(0, index, b, reduce=word)

    assert work(call, x(1000, 64), x(1000, 64)).flops == 64_000
    assert work(lambda a, b: a.scatter(0, index, b), x(1000, 64), x(1000, 64)).flops == 0


def test_complex_numbers_count_their_real_operations() -> None:
    z = torch.empty(8, 64, dtype=torch.complex64)
    product = work(nn.Linear(64, 64, bias=False, dtype=torch.complex64), z)
    assert (product.macs, product.flops) == (4 * 8 * 64 * 64, 262_144)
    assert work(nn.Linear(64, 64, dtype=torch.complex64), z).flops == 262_144 + 2 * 8 * 64
    assert work(lambda a: a * a, z).flops == 6 * 512
    assert work(lambda a: a + a, z).flops == 2 * 512
    assert work(lambda a: a.sum(), z).flops == 2 * 512
    assert work(lambda a: torch.cat([a, a]), z).flops == 0
