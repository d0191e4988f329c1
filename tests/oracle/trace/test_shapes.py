from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import TraceError
from oracle.query import profile
from oracle.trace.shapes import SHORTCUTS
from tests.nightly import examples

Call = tuple[tuple[Any, ...], dict[str, Any]]

DTYPES = st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64])
SIZES = st.integers(1, 6)


def meta(*shape: int, dtype: Any = torch.float32, order: str = "contiguous") -> torch.Tensor:
    """A tensor on meta in one of the orders that networks lay tensors out in."""
    if order == "permuted" and len(shape) > 2 and 1 not in shape:
        return torch.empty((*shape[:1], *shape[:0:-1]), dtype=dtype, device="meta").permute(
            0, *range(len(shape) - 1, 0, -1)
        )
    if order == "sliced":
        return torch.empty((*shape[:-1], 2 * shape[-1]), dtype=dtype, device="meta")[..., ::2]
    tensor = torch.empty(shape, dtype=dtype, device="meta")
    if order == "channels_last" and len(shape) in (4, 5):
        return tensor.to(memory_format=torch.channels_last if len(shape) == 4 else torch.channels_last_3d)
    return tensor


ORDERS = st.sampled_from(["contiguous", "channels_last", "permuted", "sliced"])


@st.composite
def tensors(draw: st.DrawFn, low: int = 1, high: int = 5, **fixed: Any) -> torch.Tensor:
    shape = draw(st.lists(SIZES, min_size=low, max_size=high))
    return meta(*shape, dtype=fixed.get("dtype") or draw(DTYPES), order=draw(ORDERS))


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[Any, ...]:
    """Arguments of `aten.convolution` that fit each other."""
    dims, groups, transposed = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.booleans())
    w_in, w_out = groups * draw(st.integers(2, 3)), groups * draw(st.integers(1, 3))  # one channel has no order

    def each(low: int, high: int) -> list[int]:
        return draw(st.lists(st.integers(low, high), min_size=dims, max_size=dims))

    kernel, stride, padding, dilation = each(1, 3), each(1, 3), each(0, 2), each(1, 2)
    # torch wants the extra rows of a transposed convolution to be fewer than its stride or dilation
    extra = [draw(st.integers(0, max(s, d) - 1)) if transposed else 0 for s, d in zip(stride, dilation, strict=True)]
    sizes = [
        draw(st.integers(max(2, d * (k - 1) + 1 - 2 * p), 9)) for k, p, d in zip(kernel, padding, dilation, strict=True)
    ]
    if transposed:
        sizes = [n + 2 * p for n, p in zip(sizes, padding, strict=True)]
    dtype = draw(st.sampled_from([torch.float32, torch.bfloat16]))
    order = draw(ORDERS)
    x = meta(draw(SIZES), w_in, *sizes, dtype=dtype, order=order)
    shape = (w_in, w_out // groups) if transposed else (w_out, w_in // groups)
    weight = meta(*shape, *kernel, dtype=dtype, order="channels_last" if order == "channels_last" else "contiguous")
    bias = draw(st.sampled_from([None, meta(w_out, dtype=dtype)]))
    return x, weight, bias, stride, padding, dilation, transposed, extra, groups


@st.composite
def convolution_calls(draw: st.DrawFn) -> Call:
    return draw(convolutions()), {}


@st.composite
def convolution_backward_calls(draw: st.DrawFn) -> Call:
    x, weight, bias, *options = draw(convolutions())
    out = torch.ops.aten.convolution(x, weight, bias, *options)
    mask = draw(st.tuples(st.booleans(), st.booleans(), st.just(bias is not None)))
    grad = meta(*out.shape, dtype=out.dtype, order=draw(ORDERS))
    return (grad, x, weight, [out.shape[1]], *options, mask), {}


@st.composite
def batch_norm_parts(draw: st.DrawFn) -> tuple[Any, Any, Any, bool]:
    x = draw(tensors(low=2).filter(lambda x: x.numel() > x.shape[1]))  # else torch divides by 0
    parameters = torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype
    statistics = meta(x.shape[1], dtype=parameters)
    weight = draw(st.sampled_from([None, statistics]))
    return x, weight, statistics, draw(st.booleans())


@st.composite
def batch_norm_calls(draw: st.DrawFn) -> Call:
    x, weight, statistics, training = draw(batch_norm_parts())
    return (x, weight, weight, statistics, statistics, training, 0.1, 1e-5), {}


@st.composite
def batch_norm_backward_calls(draw: st.DrawFn) -> Call:
    x, weight, statistics, training = draw(batch_norm_parts())
    saved = statistics if training else statistics[:0]
    mask = (True, weight is not None, weight is not None)
    return (torch.empty_like(x), x, weight, statistics, statistics, saved, saved, training, 1e-5, mask), {}


@st.composite
def max_pool_calls(draw: st.DrawFn) -> Call:
    x = meta(*draw(st.lists(SIZES, min_size=4, max_size=4)), dtype=draw(DTYPES), order=draw(ORDERS))
    kernel = draw(st.lists(st.integers(1, min(x.shape[2:])), min_size=2, max_size=2))
    stride = draw(st.sampled_from([[], [1, 1], [2, 2], [2]]))
    padding = draw(st.integers(0, min(kernel) // 2))
    return (x, kernel, stride, [padding], [1], draw(st.booleans())), {}


@st.composite
def mean_calls(draw: st.DrawFn) -> Call:
    x = draw(tensors())
    dims = draw(st.sets(st.integers(0, x.dim() - 1)))
    signed = [draw(st.sampled_from([dim, dim - x.dim()])) for dim in sorted(dims)]
    wide = {"dtype": torch.float32} if draw(st.booleans()) else {}
    return (x, signed, draw(st.booleans())), wide


@st.composite
def softmax_calls(draw: st.DrawFn) -> Call:
    x = draw(tensors())
    return (x, draw(st.integers(-x.dim(), x.dim() - 1)), draw(st.booleans()) and x.dtype == torch.float16), {}


@st.composite
def grouped_calls(draw: st.DrawFn) -> Call:
    """In a half type, for torch's own takes no other, and sizes of whole 16 bytes."""
    groups, m, n, k = (draw(st.integers(1, 4)) * step for step in (1, 8, 8, 8))
    half = torch.bfloat16
    ends = meta(groups, dtype=torch.int32)
    way = draw(st.sampled_from(["rows", "columns", "inner", "batched"]))
    if way == "batched":
        return (meta(groups, m, k, dtype=half), meta(groups, k, n, dtype=half)), {}
    if way == "rows":
        return (meta(m, k, dtype=half), meta(groups, k, n, dtype=half)), {"offs": ends}
    left = meta(groups, m, k, dtype=half) if way == "columns" else meta(m, k, dtype=half)
    return (left, meta(n, k, dtype=half).t()), {"offs": ends}


@st.composite
def addmm_calls(draw: st.DrawFn) -> Call:
    m, k, n, dtype = draw(SIZES), draw(SIZES), draw(SIZES), draw(DTYPES)
    a = draw(st.sampled_from([meta(m, k, dtype=dtype), meta(k, m, dtype=dtype).t()]))
    b = draw(st.sampled_from([meta(k, n, dtype=dtype), meta(n, k, dtype=dtype).t()]))
    return (draw(st.sampled_from([meta(n, dtype=dtype), meta(m, n, dtype=dtype), meta(1, dtype=dtype)])), a, b), {}


@st.composite
def binary_calls(draw: st.DrawFn) -> Call:
    """Two tensors of every combination of orders, one of them maybe broadcast, or a tensor and a number."""
    x = draw(tensors())
    kind = draw(st.sampled_from(["same", "narrow", "number", "other dtype", "integers"]))
    if kind == "number":
        return (x, draw(st.sampled_from([2, 0.5]))), {}
    if kind == "integers":
        return (x.to(torch.int64), draw(st.sampled_from([2, x]))), {}
    shape = [draw(st.sampled_from([1, size])) for size in x.shape] if kind == "narrow" else list(x.shape)
    other = meta(*shape, dtype=torch.float32 if kind == "other dtype" else x.dtype, order=draw(ORDERS))
    return (x, other), {}


@st.composite
def in_place_calls(draw: st.DrawFn) -> Call:
    (x, other), options = draw(binary_calls())
    return (x if x.is_floating_point() else x.float(), other), options


@st.composite
def backward_calls(draw: st.DrawFn) -> Call:
    grad = draw(tensors())
    return (grad, meta(*grad.shape, dtype=grad.dtype, order=draw(ORDERS))), {}


@st.composite
def threshold_backward_calls(draw: st.DrawFn) -> Call:
    (grad, x), options = draw(backward_calls())
    return (grad, x, 0), options


@st.composite
def unary_calls(draw: st.DrawFn) -> Call:
    return (draw(tensors()),), {}


def foreach_calls(*more: Any) -> Any:
    @st.composite
    def calls(draw: st.DrawFn) -> Call:
        dtype = draw(DTYPES)
        lists = draw(st.lists(tensors(dtype=dtype), min_size=1, max_size=3))
        others = [[torch.empty_like(tensor) for tensor in lists] if more_of == "list" else more_of for more_of in more]
        return (lists, *others), {}

    return calls()


CALLS: dict[str, Any] = {
    "aten.convolution": convolution_calls(),
    "aten.convolution_backward": convolution_backward_calls(),
    "aten.native_batch_norm": batch_norm_calls(),
    "aten.native_batch_norm_backward": batch_norm_backward_calls(),
    "aten.max_pool2d_with_indices": max_pool_calls(),
    "aten.mean": mean_calls(),
    "aten._softmax": softmax_calls(),
    "aten._log_softmax": softmax_calls(),
    "aten.addmm": addmm_calls(),
    "aten._grouped_mm": grouped_calls(),
    "aten.threshold_backward": threshold_backward_calls(),
    "aten._foreach_add": foreach_calls("list"),
    "aten._foreach_add_": foreach_calls("list"),
    "aten._foreach_sqrt": foreach_calls(),
    "aten._foreach_mul_": foreach_calls(0.5),
    "aten._foreach_div_": foreach_calls(0.5),
    "aten._foreach_lerp_": foreach_calls("list", 0.5),
    "aten._foreach_addcmul_": foreach_calls("list", "list"),
    "aten._foreach_addcdiv_": foreach_calls("list", "list"),
    **{f"aten.{name}": binary_calls() for name in ("add", "sub", "mul", "div")},
    **{f"aten.{name}_": in_place_calls() for name in ("add", "sub", "mul", "div")},
    **{f"aten.{name}_backward": backward_calls() for name in ("sigmoid", "silu", "gelu")},
    **{
        f"aten.{name}{suffix}": unary_calls()
        for name in ("relu", "sigmoid", "silu", "gelu", "hardswish", "hardsigmoid")
        for suffix in ("", "_")
    },
}


def forms(tree: Any) -> Any:
    """Shape, strides and type of each tensor in a result; the stride of a dimension of one element means nothing."""
    if isinstance(tree, torch.Tensor):
        strides = [step for size, step in zip(tree.shape, tree.stride(), strict=True) if size != 1]
        return tuple(tree.shape), strides, tree.dtype
    return [forms(item) for item in tree] if isinstance(tree, (list, tuple)) else tree


def on_cpu(tree: Any) -> Any:
    """Real tensors of the same strides: only a real convolution has a backend that chooses the layout."""
    if isinstance(tree, torch.Tensor):
        return torch.empty_strided(tree.shape, tree.stride(), dtype=tree.dtype)
    return tuple(on_cpu(item) for item in tree) if isinstance(tree, tuple) else tree


def test_every_shortcut_is_tested() -> None:
    assert CALLS.keys() == SHORTCUTS.keys()


@pytest.mark.parametrize("name", SHORTCUTS)
def test_a_shortcut_answers_like_torch(name: str) -> None:
    packet = getattr(torch.ops.aten, name.removeprefix("aten."))

    @examples(150 if "conv" in name else 60)
    @given(CALLS[name])
    def compare(call: Call) -> None:
        args, kwargs = call
        found = SHORTCUTS[name](*args, **kwargs)
        if found is not NotImplemented:
            expected = packet(*(on_cpu(args) if "convolution" in name else args), **kwargs)
            if name == "aten.native_batch_norm" and not args[5]:  # torch's meta saves statistics nobody reads
                found, expected = found[:1], expected[:1]
            if name == "aten.convolution_backward":  # a CPU computes more than it was asked for
                expected = [grad if asked else None for grad, asked in zip(expected, args[-1], strict=True)]
                found = list(found)
            assert forms(found) == forms(expected)
            answered.append(True)

    answered: list[bool] = []
    compare()
    assert answered


def conv(x: Any, weight: Any, groups: int = 1) -> Callable[[], Any]:
    return lambda: SHORTCUTS["aten.convolution"](x, weight, None, [1, 1], [0, 0], [1, 1], False, [0, 0], groups)


def batch_norm(x: Any, channels: int) -> Callable[[], Any]:
    weight = meta(channels)
    return lambda: SHORTCUTS["aten.native_batch_norm"](x, weight, weight, weight, weight, False, 0.1, 1e-5)


@pytest.mark.parametrize(
    "call",
    [
        conv(meta(1, 4, 8, 8), meta(4, 3, 1, 1)),
        conv(meta(1, 4, 8, 8), meta(4, 4, 1, 1), groups=2),
        conv(meta(1, 4, 2, 2), meta(4, 4, 3, 3)),
        batch_norm(meta(2, 4, 3, 3), 5),
    ],
    ids=["channels", "group width", "kernel", "batch norm"],
)
def test_what_does_not_fit_is_an_error(call: Callable[[], Any]) -> None:
    with pytest.raises(RuntimeError, match=r"channels|does not fit"):
        call()


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("aten.add_", (meta(2, 3), meta(4, 3))),
        ("aten.add", (meta(2, 3), meta(3, 2))),
        ("aten.addmm", (meta(5), meta(2, 3), meta(3, 4))),
        ("aten.addmm", (meta(4), meta(2, 3), meta(4, 4))),
        ("aten.mean", (meta(2, 3, dtype=torch.int64), [0])),
        ("aten.mean", (meta(2, 3), [1, -1])),
        ("aten.max_pool2d_with_indices", (meta(1, 1, 2, 2), [3, 3])),
    ],
    ids=["broadcast in place", "shapes", "bias", "inner size", "integers", "dimension twice", "kernel"],
)
def test_torch_is_asked_about_what_cannot_be(name: str, args: tuple[Any, ...]) -> None:
    assert SHORTCUTS[name](*args) is NotImplemented
    with pytest.raises(RuntimeError):
        getattr(torch.ops.aten, name.removeprefix("aten."))(*args)


@pytest.mark.parametrize("call", ["mean(2)", "mean((0, -3))", "softmax(2)", "log_softmax(-3)"])
def test_a_dimension_that_is_not_there_is_an_error(call: str) -> None:
    class Net(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            return eval(f"x.{call}")  # noqa: S307 (from the list above)

    with pytest.raises(IndexError):
        Net()(torch.zeros(2, 3))
    with pytest.raises(TraceError, match="Dimension out of range"):
        profile(Net(), torch.zeros(2, 3))
