"""Each convention against its tool, on a zoo of small modules; the textbook's table against hand values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache, partial
from typing import Any

import pytest
import thop
import torch
import torch.nn.functional as F
from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis, parameter_count
from hypothesis import given
from hypothesis import strategies as st
from ptflops import get_model_complexity_info
from torch import Tensor, nn
from torch.nn.functional import elu
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from oracle.counting.conventions import CONVENTIONS, Recount, recount
from oracle.errors import WorkloadError
from oracle.optable import OpTable
from oracle.spec import Workload
from oracle.trace import trace_module
from tests.nightly import examples


class Net(nn.Module):
    """A module out of layers and a function of them and the input."""

    def __init__(self, run: Callable[[Any, Tensor], Any], **layers: Any) -> None:
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Tensor) -> Any:
        return self.run(self, x)


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(shape))


def shared_by_two() -> nn.Module:
    inner = nn.Conv2d(3, 3, 1)
    return nn.Sequential(Net(lambda m, x: m.conv(x), conv=inner), Net(lambda m, x: m.conv(x), conv=inner))


def under_two_names() -> nn.Module:
    inner = nn.Linear(4, 4)
    return Net(lambda m, x: m.b(m.a(x)), a=inner, b=inner)


def with_buffer() -> nn.Module:
    module = Net(lambda m, x: (m.seen.copy_(m.b(x)), m.a(x))[1], a=nn.Linear(4, 4), b=nn.Linear(4, 4))
    module.register_buffer("seen", torch.zeros(2, 4))
    return module


def written_in_parts(m: Any, x: Tensor) -> Tensor:
    y = x.new_zeros(x.shape[0], 8)
    y[:, :4] = m.a(x)
    y[:, 4:] = m.b(x)
    m.c(x).add_(1)  # to no purpose
    return y


def convnext(m: Any, x: Tensor) -> Tensor:
    y: Tensor = m.scale * m.down(F.gelu(m.up(m.ln(m.dw(x).permute(0, 2, 3, 1)))))
    return x + y.permute(0, 3, 1, 2)


def embedded(m: Any, x: Tensor) -> Any:
    return m.fc(m.table(x.long().abs().clamp(max=9)))


def resized(_: Any, x: Tensor) -> Tensor:
    x = F.interpolate(F.interpolate(x, 7), scale_factor=1.5, mode="bilinear")
    return F.interpolate(x, scale_factor=(2.5, 3))


def sampled(m: Any, x: Tensor) -> Tensor:
    return F.grid_sample(m.conv(x), x.permute(0, 2, 3, 1)[..., :2], align_corners=False)


def attend(q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, **options)


def attend_to_itself(m: Any, x: Tensor, **options: Any) -> Tensor:
    n, length, width = x.shape
    q, k, v = m.qkv(x).reshape(n, length, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
    y: Tensor = m.out(attend(q, k, v, **options).transpose(1, 2).flatten(2))
    return y


def multiplied(m: Any, x: Tensor) -> Tensor:
    y: Tensor = (x @ m.w).matmul(m.w).mm(m.w) + torch.mm(x, m.w) + torch.matmul(x, m.w)
    return y


def multiplied_in_batches(m: Any, x: Tensor) -> Tensor:
    y: Tensor = torch.bmm(x, m.w).bmm(m.w) + torch.baddbmm(x, x, m.w) + x.baddbmm(x, m.w)
    return y


def multiplied_and_added(m: Any, x: Tensor) -> Tensor:
    y: Tensor = torch.addmm(x, x, m.w).addmm(x, m.w, beta=0.5) + torch.addmm(x, x, m.w, beta=0)
    return y


def multiplied_without_rules(m: Any, x: Tensor) -> Tensor:
    y: Tensor = torch.addbmm(m.w, x, x) + torch.tensordot(x, m.w, 1).sum() + torch.mv(m.w, m.w[0]).sum()
    return y


def contracted(m: Any, x: Tensor) -> Tensor:
    return (
        torch.einsum("bij,bik->bjk", x, m.w).sum()
        + torch.einsum("bij,bkj->bki", x, m.w).sum()
        + torch.einsum("b i j, j k, bkl->bil", [x, m.v, m.w]).sum()
        + torch.einsum("...i,ij->...j", x, m.v).sum()
        + torch.einsum(x, [0, 1, 2], m.v, [2, 3], [0, 1, 3]).sum()
    )


def functional(m: Any, x: Tensor) -> Tensor:
    return F.softmax(F.silu(F.relu6(F.gelu(F.relu(F.linear(x, m.w))))), -1).softmax(-1)


def dead_branch(*layers: nn.Module) -> nn.Module:
    alive, dead = nn.Conv2d(4, 4, 1), nn.Sequential(*layers)
    return Net(lambda m, x: (m.dead(x), m.alive(x))[1], dead=dead, alive=alive)


chain = nn.Sequential
# fmt: off
ZOO: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    # convolutions
    "conv 1d": (nn.Conv1d(4, 6, 3), (2, 4, 9)),
    "conv 2d": (chain(nn.Conv2d(4, 8, 3, groups=2, bias=False), nn.Conv2d(8, 8, 3, 2, groups=8, dilation=2)),
                (2, 4, 11, 11)),
    "conv 3d": (chain(nn.Conv3d(2, 4, (1, 2, 3)), nn.ConvTranspose3d(4, 2, 2)), (2, 2, 4, 5, 6)),
    "conv padded by word": (chain(nn.Conv2d(4, 8, 3, padding="same"), nn.Conv2d(8, 4, 3, padding="valid"),
                                  nn.Conv2d(4, 4, 3, padding="same", padding_mode="circular")),
                            (2, 4, 11, 11)),
    "conv transposed": (chain(nn.ConvTranspose2d(4, 8, 3, stride=2),
                              nn.ConvTranspose2d(8, 4, 2, groups=2, output_padding=1, stride=2, bias=False)),
                        (2, 4, 5, 6)),
    "conv without batch": (nn.Conv2d(4, 8, 3), (4, 9, 9)),
    # layers without products
    "norms": (chain(nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False), nn.InstanceNorm2d(4),
                    nn.InstanceNorm2d(4, affine=True), nn.GroupNorm(2, 4), nn.GroupNorm(2, 4, affine=False),
                    nn.LayerNorm((5, 5)), nn.LayerNorm(5, elementwise_affine=False), nn.RMSNorm(5)),
              (2, 4, 5, 5)),
    "norms 1d": (chain(nn.BatchNorm1d(4), nn.LocalResponseNorm(2)), (3, 4, 6)),
    "activations": (chain(nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.LeakyReLU(), nn.PReLU(), nn.ELU(),
                          nn.GELU(), nn.SiLU(), nn.Hardswish(), nn.Sigmoid(), nn.Tanh(), nn.Softmax(dim=1),
                          nn.LogSoftmax(1), nn.Softplus(), nn.Mish(), nn.Identity(), nn.Hardsigmoid(),
                          nn.SELU(), nn.Softmax2d(), nn.GLU(1)), (2, 4, 5, 5)),
    "pools 1d": (chain(nn.MaxPool1d(2, 1), nn.AvgPool1d(2, 1), nn.LPPool1d(2, 2, 1), nn.AdaptiveAvgPool1d(7),
                       nn.AdaptiveMaxPool1d(5)), (2, 4, 13)),
    "pools 2d": (chain(nn.MaxPool2d(2, 1), nn.AvgPool2d(2, 1), nn.LPPool2d(2, 2, 1), nn.AdaptiveAvgPool2d(7),
                       nn.AdaptiveMaxPool2d(5), nn.AdaptiveAvgPool2d((3, 2)), nn.AdaptiveAvgPool2d(1)),
                 (2, 4, 11, 13)),
    "pools 3d": (chain(nn.MaxPool3d(2, 1), nn.AvgPool3d(2, 1), nn.AdaptiveAvgPool3d(3),
                       nn.AdaptiveMaxPool3d(2)), (2, 4, 5, 6, 7)),
    "max-pool with indices": (Net(lambda m, x: m.p(x)[0], p=nn.MaxPool2d(2, return_indices=True)),
                              (2, 4, 8, 8)),
    "upsampling": (chain(nn.Upsample(scale_factor=2), nn.Upsample(size=(9, 10), mode="bilinear"),
                         nn.Upsample(scale_factor=1.5, mode="bicubic"), nn.UpsamplingNearest2d(size=7),
                         nn.UpsamplingBilinear2d(scale_factor=2)), (2, 3, 4, 4)),
    "upsampling 1d": (chain(nn.Upsample(scale_factor=2, mode="linear"), nn.Upsample(size=30)), (2, 3, 5)),
    "interpolation": (Net(resized), (2, 3, 4, 4)),
    "grid sampling": (Net(sampled, conv=nn.Conv2d(3, 4, 1)), (2, 3, 4, 4)),
    "embedding": (Net(embedded, table=nn.Embedding(10, 4), fc=nn.Linear(4, 3)), (2, 5)),
    "dropout": (chain(nn.Dropout(0.5), nn.Linear(4, 4), nn.Dropout2d(0.1)), (2, 4, 4, 4)),
    "shapes": (chain(nn.PixelShuffle(2), nn.ZeroPad2d(1), nn.Flatten(), nn.Linear(36, 2)), (2, 4, 2, 2)),
    # recurrent layers
    "lstm": (Net(lambda m, x: m.r(x)[0], r=nn.LSTM(4, 5, 2, bidirectional=True, batch_first=True)),
             (2, 7, 4)),
    "lstm projected": (Net(lambda m, x: m.r(x)[0], r=nn.LSTM(4, 5, 2, proj_size=3)), (7, 2, 4)),
    "gru": (Net(lambda m, x: m.r(x)[0], r=nn.GRU(4, 5, 3)), (7, 2, 4)),
    "rnn": (Net(lambda m, x: m.r(x)[0], r=nn.RNN(4, 5, bias=False, nonlinearity="relu")), (7, 2, 4)),
    "recurrent cells": (Net(lambda m, x: m.a(x)[0] + m.b(x) + m.c(x), a=nn.LSTMCell(4, 5),
                            b=nn.GRUCell(4, 5, bias=False), c=nn.RNNCell(4, 5)), (3, 4)),
    # attention
    "mha": (Net(lambda m, x: m.a(x, x, x)[0], a=nn.MultiheadAttention(8, 2)), (5, 3, 8)),
    "mha without weights": (Net(lambda m, x: m.a(x, x, x, need_weights=False)[0],
                                a=nn.MultiheadAttention(8, 2, batch_first=True, bias=False)), (3, 5, 8)),
    "mha of three widths": (Net(lambda m, x: m.a(x, m.k(x), m.v(x))[0], k=nn.Linear(8, 6), v=nn.Linear(8, 4),
                                a=nn.MultiheadAttention(8, 2, kdim=6, vdim=4, add_bias_kv=True)), (5, 3, 8)),
    "encoder layer": (nn.TransformerEncoderLayer(8, 2, 16), (5, 3, 8)),
    "encoder": (nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.1, "gelu", batch_first=True), 2),
                (3, 5, 8)),
    "decoder layer": (Net(lambda m, x: m.d(x, x), d=nn.TransformerDecoderLayer(8, 2, 16)), (5, 3, 8)),
    "sdpa": (Net(attend_to_itself, qkv=nn.Linear(8, 24), out=nn.Linear(8, 8)), (3, 5, 8)),
    "sdpa causal": (Net(partial(attend_to_itself, is_causal=True), qkv=nn.Linear(8, 24), out=nn.Linear(8, 8)),
                    (3, 5, 8)),
    "sdpa grouped": (Net(lambda m, x: attend(m.q(x), m.q(x)[:, :2], m.q(x)[:, :2], enable_gqa=True),
                         q=nn.Linear(8, 8)), (3, 4, 5, 8)),
    "sdpa of 3 dimensions": (Net(lambda m, x: attend(m.q(x), x, m.q(x), dropout_p=0.1), q=nn.Linear(8, 8)),
                             (3, 5, 8)),
    "sdpa, no gradient": (Net(lambda m, x: m.o(attend(x, x, x)), o=nn.Linear(8, 8)), (3, 2, 5, 8)),
    "sdpa, gradient of q": (Net(lambda m, x: attend(m.q.expand(3, 2, 4, 8), x, x), q=weight(1, 2, 4, 8)),
                            (3, 2, 5, 8)),
    "sdpa, gradient of k": (Net(lambda m, x: attend(x, m.k(x), x), k=nn.Linear(8, 8)), (3, 2, 5, 8)),
    "sdpa, gradient of v": (Net(lambda m, x: attend(x, x, m.v(x)), v=nn.Linear(8, 6)), (3, 2, 5, 8)),
    "sdpa, gradient of mask": (Net(lambda m, x: attend(x, x, x, attn_mask=m.mask), mask=weight(5, 5)),
                               (3, 2, 5, 8)),
    # products
    "linear": (chain(nn.Linear(4, 6), nn.Linear(6, 2, bias=False)), (2, 5, 4)),
    "linear by keyword": (Net(lambda m, x: m.fc(input=x), fc=nn.Linear(4, 4)), (2, 4)),
    "linear of a transposed input": (Net(lambda m, x: m.fc(x.mT), fc=nn.Linear(5, 3)), (2, 5, 4)),
    "bilinear": (Net(lambda m, x: m.b(x, x), b=nn.Bilinear(4, 4, 3)), (2, 4)),
    "products": (Net(multiplied, w=weight(4, 4)), (2, 4)),
    "products of batches": (Net(multiplied_in_batches, w=weight(3, 4, 4)), (3, 4, 4)),
    "products with addition": (Net(multiplied_and_added, w=weight(4, 4)), (4, 4)),
    "products broadcast": (Net(lambda m, x: torch.matmul(x, m.w) + torch.matmul(m.w, x), w=weight(4, 4)),
                           (2, 3, 4, 4)),
    "products without rules": (Net(multiplied_without_rules, w=weight(4, 4)), (3, 4, 4)),
    "einsum": (Net(contracted, w=weight(2, 5, 6), v=weight(6, 5)), (2, 5, 6)),
    # how functions are called
    "functional": (Net(functional, w=weight(3, 4)), (2, 5, 4)),
    "of torch itself": (Net(lambda m, x: torch.relu(torch.softmax(x, -1)).sigmoid().prelu(m.w), w=weight(1)),
                        (2, 5, 4)),
    "taken hold of before": (Net(lambda m, x: elu(m.act(x)), act=F.relu), (2, 5, 4)),
    "operators": (Net(lambda _, x: 2 - (1 + x) * x / 3 + x @ x.T.pow(2) @ x), (3, 3)),
    "additions by name": (Net(lambda m, x: torch.add(x, 1) + x.mul(x) * 2 + torch.mul(m.b, x),
                              b=weight(4, 1)), (2, 4, 4)),
    "additions by sum": (Net(lambda _, x: sum([x, x, x * x])), (2, 5)),
    "in place": (Net(lambda m, x: m.fc(x).add_(x).mul_(2), fc=nn.Linear(4, 4)), (3, 4)),
    "ConvNeXt block": (Net(convnext, dw=nn.Conv2d(4, 4, 7, padding=3, groups=4), ln=nn.LayerNorm(4),
                           up=nn.Linear(4, 16), down=nn.Linear(16, 4), scale=weight(4)), (2, 4, 8, 8)),
    # modules and their parameters
    "a layer itself": (nn.Linear(4, 3), (2, 4)),
    "an activation itself": (nn.ReLU(), (2, 4)),
    "shared by two modules": (shared_by_two(), (2, 3, 4, 4)),
    "under two names": (under_two_names(), (2, 4)),
    "called twice": (Net(lambda m, x: m.act(m.fc(m.act(m.fc(x)))), fc=nn.Linear(4, 4), act=nn.ReLU()),
                     (2, 4)),
    "never called": (Net(lambda m, x: m.a(x), a=nn.Linear(4, 4), b=nn.Linear(4, 3)), (2, 4)),
    "frozen": (chain(nn.Linear(4, 4).requires_grad_(False), nn.Linear(4, 3)), (2, 4)),
    "parametrised": (nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), (2, 4)),
    # what the output does not need
    "dead branch": (dead_branch(nn.Conv2d(4, 4, 1), nn.ReLU()), (2, 4, 3, 3)),
    "dead but for its statistics": (dead_branch(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)), (2, 4, 3, 3)),
    "dead without statistics": (dead_branch(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4, track_running_stats=False)),
                                (2, 4, 3, 3)),
    "dead but for a buffer": (with_buffer(), (2, 4)),
    "output in parts": (Net(written_in_parts, a=nn.Linear(4, 4), b=nn.Linear(4, 4), c=nn.Linear(4, 4)),
                        (2, 4)),
    "two outputs": (Net(lambda m, x: (m.a(x), {"b": m.b(x)}), a=nn.Linear(4, 4), b=nn.Linear(4, 3)), (2, 4)),
}
# fmt: on
TRAINABLE = [name for name, (module, _) in ZOO.items() if any(True for _ in module.parameters())]

zoo = pytest.mark.parametrize("name", ZOO)
trainable = pytest.mark.parametrize("name", TRAINABLE)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on small tensors, more would wait for each other
    yield
    torch.set_num_threads(threads)


@cache
def table(name: str, mode: str = "inference") -> OpTable:
    module, shape = ZOO[name]
    return trace_module(module, (torch.zeros(shape),), {}, Workload(mode=mode))


def real(name: str) -> tuple[nn.Module, Tensor]:
    module, shape = ZOO[name]
    return deepcopy(module), torch.zeros(shape)


def total(analysis: Any) -> int:
    found: int = analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total()
    return found


@zoo
def test_fvcore(name: str) -> None:
    module, x = real(name)
    module.eval()
    expected = Recount(
        macs=total(FlopCountAnalysis(module, (x,))),
        params=parameter_count(module)[""],
        activations=total(ActivationCountAnalysis(module, (x,))),
    )
    assert recount(table(name), "fvcore") == expected


@trainable
def test_fvcore_in_training(name: str) -> None:
    module, x = real(name)
    counted = recount(table(name, "training"), "fvcore")
    assert counted.macs == total(FlopCountAnalysis(module, (x,)))
    assert counted.activations == total(ActivationCountAnalysis(module, (x,)))


@zoo
def test_thop(name: str) -> None:
    module, x = real(name)
    macs, params = thop.profile(module, (x,), verbose=False)
    assert recount(table(name), "thop") == Recount(macs=macs, params=params)


@pytest.mark.parametrize("name", [name for name in ZOO if name != "linear by keyword"])  # on which it fails
def test_ptflops(name: str) -> None:
    module, x = real(name)
    assert recount(table(name), "ptflops") == Recount(*ask_ptflops(module, x))


def ask_ptflops(module: nn.Module, x: Tensor | dict[str, Tensor]) -> tuple[Any, None, Any]:
    macs, params = get_model_complexity_info(
        module, (1,), as_strings=False, print_per_layer_stat=False, input_constructor=lambda _: x
    )
    return macs, None, params


@pytest.mark.parametrize("name", ["activations", "mha", "sdpa", "ConvNeXt block"])
def test_thop_and_ptflops_look_at_the_forward_pass_only(name: str) -> None:
    for convention in ("thop", "ptflops"):
        assert recount(table(name, "training"), convention) == recount(table(name), convention)


@zoo
def test_torch_in_inference(name: str) -> None:
    module, x = real(name)
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        module.to("meta").eval()(x.to("meta"))
    flops = counter.get_total_flops()
    assert recount(table(name), "torch") == Recount(macs=flops // 2, flops=flops)


@trainable
def test_torch_in_training(name: str) -> None:
    module, x = real(name)
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        out = [y for y in tree_leaves(module.to("meta")(x.to("meta"))) if y.requires_grad]
        torch.autograd.backward(out, [torch.empty_like(y) for y in out])
    assert recount(table(name, "training"), "torch").flops == counter.get_total_flops()


@given(
    n=st.integers(1, 3),
    groups=st.integers(1, 3),
    widths=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    bias=st.booleans(),
    transposed=st.booleans(),
)
@examples(20)
def test_any_convolution(
    n: int, groups: int, widths: tuple[int, int], kernel: int, stride: int, dilation: int, bias: bool,
    transposed: bool,
) -> None:  # fmt: skip
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    w_in, w_out = (groups * width for width in widths)
    layer = kind(w_in, w_out, kernel, stride, kernel // 2, groups=groups, dilation=dilation, bias=bias)
    x = torch.zeros(n, w_in, 11, 9)
    tables = [trace_module(layer, (x,), {}, Workload(mode=mode)) for mode in ("inference", "training")]
    assert recount(tables[0], "fvcore").macs == total(FlopCountAnalysis(layer, (x,)))
    assert recount(tables[0], "ptflops") == Recount(*ask_ptflops(deepcopy(layer), x))
    assert recount(tables[0], "thop").macs == thop.profile(deepcopy(layer), (x,), verbose=False)[0]
    with FlopCounterMode(display=False) as counter:
        torch.autograd.backward(layer.to("meta")(x.to("meta")).sum())
    assert recount(tables[1], "torch").flops == counter.get_total_flops()


# -- pycls and the textbook, by hand -------------------------------------------------------------------------


def counted(module: nn.Module, *shape: int, convention: str, **workload: Any) -> Recount:
    return recount(trace_module(module, (torch.zeros(shape),), {}, Workload(**workload)), convention)


note = partial(counted, convention="note")
pycls = partial(counted, convention="pycls")


@pytest.mark.parametrize(
    ("module", "shape", "operations"),
    [
        (nn.ReLU(), (1, 3, 8, 9), 3 * 8 * 9),
        (nn.ReLU(inplace=True), (2, 3, 8, 9), 2 * 3 * 8 * 9),
        (nn.Sigmoid(), (1, 3, 8, 9), 4 * 3 * 8 * 9),
        (nn.Conv2d(3, 16, 3, padding=1), (1, 3, 8, 9), 3**2 * 3 * 16 * 8 * 9),
        (nn.Conv2d(3, 16, 5, stride=2), (1, 3, 9, 9), 5**2 * 3 * 16 * 3 * 3),
        (nn.Conv2d(6, 12, 3, groups=3, padding=1), (1, 6, 8, 8), 3**2 * 6 * 12 * 8 * 8 // 3),
        (nn.Conv2d(6, 6, 3, groups=6, padding=1), (1, 6, 8, 8), 3**2 * 6 * 8 * 8),
        (nn.Linear(20, 30), (1, 20), 20 * 30),
        (nn.Linear(20, 30, bias=False), (4, 5, 20), 4 * 5 * 20 * 30),
        (nn.MaxPool2d(2), (1, 3, 8, 6), 3 * 8 * 6),
        (nn.AvgPool2d(2, 1), (1, 3, 8, 6), 3 * 8 * 6),
        (nn.AdaptiveAvgPool2d(1), (1, 3, 8, 6), 3 * 8 * 6),
        (nn.AdaptiveAvgPool2d(2), (1, 3, 8, 6), 3 * 8 * 6),
        (nn.Sequential(nn.BatchNorm2d(3), nn.SiLU(), nn.Softmax(1), nn.Flatten()), (1, 3, 8, 6), 0),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Sigmoid()), (1, 3, 2, 2), 3 * 4 * 4 + 5 * 4 * 4),
    ],
    ids=str,
)
def test_note_by_hand(module: nn.Module, shape: tuple[int, ...], operations: int) -> None:
    assert note(module, *shape) == Recount(flops=operations)


def test_note_is_of_the_forward_pass() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    assert note(module, 1, 3, mode="training") == note(module, 1, 3) == Recount(flops=3 * 4 + 4)


def test_pycls_by_hand() -> None:
    conv, fc = 9 * 3 * 4 * 64 + 4 * 64, 4 * 5 + 5
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(4, 5),
    )  # fmt: skip
    params = (27 * 4 + 4) + 2 * 4 + (4 * 5 + 5)
    expected = Recount(macs=conv + fc, params=params, activations=4 * 64 + 4 * 16 + 5)
    assert pycls(module, 1, 3, 8, 8) == pycls(module, 1, 3, 8, 8, mode="training") == expected
    assert pycls(module, 3, 3, 8, 8).macs == 3 * (conv + fc)


def test_pycls_counts_the_products_of_attention() -> None:
    module, (batch, length, width) = ZOO["sdpa"]
    projections = batch * length * (width * 3 * width + 3 * width + width * width + width)
    scores = batch * 2 * length * length
    found = pycls(module, batch, length, width)
    assert found.macs == projections + 2 * scores * (width // 2)
    assert found.activations == batch * length * (3 * width + width + width) + scores


def test_pycls_counts_a_bias_however_it_is_added() -> None:
    module = Net(lambda m, x: m.fc(x.mT), fc=nn.Linear(5, 3))
    assert pycls(module, 2, 5, 4).macs == 2 * 4 * (5 * 3 + 3)


# -- the interface -------------------------------------------------------------------------------------------


def test_every_convention_reports_something_and_only_integers() -> None:
    for convention in CONVENTIONS:
        found = recount(table("ConvNeXt block"), convention)
        figures = [found.macs, found.flops, found.params, found.activations]
        assert {type(figure) for figure in figures} <= {int, type(None)}
        assert any(figures)


@pytest.mark.parametrize("options", [{"dtype": "float16"}, {"dtype": "bfloat16"}, {"layout": "nhwc"}], ids=str)
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_autocast_and_layout_change_nothing(convention: str, options: dict[str, str]) -> None:
    module, shape = ZOO["ConvNeXt block"]
    assert counted(module, *shape, convention=convention, **options) == recount(table("ConvNeXt block"), convention)


def test_unknown_convention() -> None:
    with pytest.raises(WorkloadError, match=r"convention='fvcor'.*fvcore, thop, ptflops, torch, pycls, note"):
        recount(table("linear"), "fvcor")


def test_what_fvcore_fails_on_is_an_error() -> None:
    for module, shape in (
        (Net(lambda m, x: torch.matmul(x, m.w), w=weight(4)), (3, 4)),
        (nn.LayerNorm(2), (1, 1, 1, 1, 1, 2)),
    ):
        with pytest.raises((AssertionError, IndexError)):
            total(FlopCountAnalysis(module, (torch.zeros(shape),)))
        with pytest.raises(WorkloadError, match="'fvcore': the tool fails on"):
            counted(module, *shape, convention="fvcore")


@pytest.mark.filterwarnings("ignore:Implicit dimension choice")
def test_what_thop_fails_on_is_an_error() -> None:
    for module in (nn.Softmax(), Net(lambda m, x: m.norm(input=x), norm=nn.LayerNorm(4))):
        with pytest.raises((IndexError, TypeError)):
            thop.profile(module, (torch.zeros(3, 4),), verbose=False)
        with pytest.raises(WorkloadError, match="'thop': the tool fails on module"):
            counted(module, 3, 4, convention="thop")


def test_what_ptflops_fails_on_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    mha = nn.MultiheadAttention(4, 2)
    for module in (
        Net(lambda m, x: m.mha(query=x, key=x, value=x)[0], mha=mha),
        Net(lambda m, x: m.fc(input=x), fc=nn.Linear(4, 4)),
    ):
        assert ask_ptflops(module, torch.zeros(3, 2, 4)) == (None, None, None)
        assert "not finished successfully" in capsys.readouterr().out
        with pytest.raises(WorkloadError, match="'ptflops': the tool fails on module"):
            counted(module, 3, 2, 4, convention="ptflops")


def test_ptflops_takes_inputs_by_keyword_for_one_image() -> None:
    class Keyword(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.fc(x)
            return y

    x = torch.zeros(6, 4)
    found = recount(trace_module(Keyword(), (), {"x": x}, Workload()), "ptflops")
    assert found == Recount(*ask_ptflops(Keyword(), {"x": x})) == Recount(macs=6 * (4 * 3 + 3), params=15)
