"""The roofline by hand, and that nothing beats it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.config import list_networks
from oracle.devices import Device, Figure, Peaks, list_devices, load_device
from oracle.errors import DeviceError
from oracle.products import CACHED, PLAIN, Product, Products
from oracle.query import score
from oracle.roofline import BOUNDS, TEXTBOOK, Efficiency, KernelKinds, Roofs, time_at, time_kernels, total_seconds
from oracle.tiling import CACHE, DECODE, PREFILL, Cache, CachedAttention, Tiling
from tests.nightly import examples

_DEVICE = Device(
    name="board",
    title="Board",
    kind="embedded-gpu",
    vector=Peaks((("float32", Figure(1e12)),)),
    matrix=Peaks((("float16", Figure(8e12)),)),
    bandwidth=Figure(1e11),
    llc=Figure(1e6),
    llc_bandwidth=Figure(1e12),
)
_KINDS = KernelKinds(
    ("conv", "activation", "other"), ("float16", "float32", "float32"), ("float16", "float32", "float32")
)


def arrays(*columns: list[int]) -> tuple[np.ndarray, ...]:
    return tuple(np.array(column, dtype=np.int64) for column in columns)


def test_weights_come_at_a_share_of_their_own() -> None:
    efficiency = Efficiency(memory={"activation": 0.5}, weights={"activation": 0.25})
    numbers = arrays([0, 0, 0], [0, 0, 0], [0, 4 * 10**8, 0])
    plain = time_kernels(_KINDS, *numbers, _DEVICE, efficiency)
    heavy = time_kernels(_KINDS, *numbers, _DEVICE, efficiency, np.array([0, 10**8, 0]))
    # A quarter of the bytes takes twice as long.
    assert heavy.latency_s == pytest.approx(1.25 * plain.latency_s)
    roofs = Roofs.of(_KINDS, [False] * 3, [False] * 3, _DEVICE, efficiency)
    assert total_seconds(roofs, *numbers, np.array([0, 10**8, 0])) == pytest.approx(heavy.latency_s)


def test_weights_laid_out_anew_are_moved_again_where_the_cache_does_not_hold_both_copies() -> None:
    kinds = KernelKinds(("conv", "matmul", "conv", "embedding"), ("float16",) * 4, ("float32",) * 4)
    numbers, weights = arrays([0] * 4, [0] * 4, [3 * 10**6] * 4), np.array([4 * 10**5, 5 * 10**5, *[2 * 10**6] * 2])
    # 1 MB of cache at 100 GB/s of memory: of 0.4 and 0.5 MB it holds two copies, of 2 MB 1.5 are moved again.
    # A table that is looked up lies as it is.
    packing = Efficiency(packing=frozenset({"conv", "matmul"}))
    timing = time_kernels(kinds, *numbers, _DEVICE, packing, weights)
    assert timing.total_s.tolist() == pytest.approx([30e-6, 30e-6, 45e-6, 30e-6])
    cacheless = replace(_DEVICE, llc=None, llc_bandwidth=None)
    assert time_kernels(kinds, *numbers, cacheless, packing, weights).total_s[2] == pytest.approx(30e-6)
    places = [(_DEVICE, packing), (_DEVICE, TEXTBOOK), (cacheless, TEXTBOOK)]
    roofs = Roofs.stacked([Roofs.of(kinds, [False] * 4, [False] * 4, *place) for place in places])
    side_by_side = time_at(roofs, np.stack([*numbers, weights]))
    assert side_by_side.total_s[:, 2].tolist() == pytest.approx([45e-6, 30e-6, 30e-6])


def test_each_kernel_takes_its_longest_roof() -> None:
    # conv: 16 GFLOP at 8 TFLOP/s = 2 ms against 10 MB at 100 GB/s = 0.1 ms
    # activation: 1 GFLOP at 1 TFLOP/s = 1 ms against 0.4 GB at 100 GB/s = 4 ms; other: nothing at all
    timing = time_kernels(_KINDS, *arrays([16 * 10**9, 0, 0], [0, 10**9, 0], [10**7, 4 * 10**8, 0]), _DEVICE)
    assert timing.total_s.tolist() == pytest.approx([2e-3, 4e-3, 0.0])
    assert timing.latency_s == pytest.approx(6e-3)
    assert [BOUNDS[index] for index in timing.bound] == ["compute", "memory", "launch"]


@pytest.mark.parametrize("overlap", [0.25, 1.0])
def test_what_does_not_overlap_adds_up(overlap: float) -> None:
    # conv: 2 ms against 0.1 ms; activation: 1 ms against 4 ms, see above
    numbers = arrays([16 * 10**9, 0, 0], [0, 10**9, 0], [10**7, 4 * 10**8, 0])
    efficiency = Efficiency(overlap=overlap)
    timing = time_kernels(_KINDS, *numbers, _DEVICE, efficiency)
    assert timing.total_s.tolist() == pytest.approx([2e-3 + overlap * 1e-4, 4e-3 + overlap * 1e-3, 0.0])
    roofs = [
        Roofs.of(_KINDS, [True, False, False], [False, True, False], _DEVICE, own) for own in (efficiency, TEXTBOOK)
    ]
    alone = total_seconds(roofs[0], *(np.stack([each, each], axis=1) for each in numbers))
    assert alone.tolist() == pytest.approx([timing.latency_s] * 2)
    beside = time_at(Roofs.joined([Roofs.stacked(roofs)]), np.stack([*numbers, numbers[0] * 0]))
    assert beside.total_s.sum(axis=1).tolist() == pytest.approx([timing.latency_s, 6e-3])


def test_a_working_set_that_fits_the_cache_sees_its_roof() -> None:
    timing = time_kernels(_KINDS, *arrays([0, 0, 0], [0, 0, 0], [10**6, 10**6 + 1, 0]), _DEVICE)
    assert timing.memory_s.tolist() == pytest.approx([1e-6, 1.000001e-5, 0.0])


def test_efficiencies_and_launches() -> None:
    efficiency = Efficiency(compute={"conv": 0.5}, memory={"activation": 0.25}, launch_s=1e-3, call_s=5e-3)
    numbers = arrays([16 * 10**9, 0, 0], [0, 10**9, 0], [10**7, 4 * 10**8, 0])
    timing = time_kernels(_KINDS, *numbers, _DEVICE, efficiency)
    assert timing.total_s.tolist() == pytest.approx([5e-3, 17e-3, 1e-3])
    assert timing.latency_s == pytest.approx(28e-3)
    roofs = Roofs.of(_KINDS, [True, False, False], [False, True, False], _DEVICE, efficiency)
    assert total_seconds(roofs, *numbers) == pytest.approx(23e-3)


def test_a_missing_peak_is_an_error_only_where_it_is_needed() -> None:
    kinds = KernelKinds(("conv",), ("bfloat16",), ("float32",))
    with pytest.raises(DeviceError, match="bfloat16"):
        time_kernels(kinds, *arrays([10], [0], [10]), _DEVICE)
    assert time_kernels(kinds, *arrays([0], [0], [10]), _DEVICE).latency_s > 0


_TILING = Tiling(((128, 128), (64, 64)), 4.0, 64.0, 16, 64.0, 1e-7, 1e-6)
_CUTTING = replace(_DEVICE, compute_units=Figure(16), clock=Figure(1e9))
_PRODUCTS = Products.of([Product(PLAIN, (1, 1000, 500, 200, 1)), None, None])
_WORK = [2 * 1000 * 500 * 200, 0, 0], [0, 10**9, 0], [10**7, 4 * 10**8, 0]


def test_products_take_as_long_as_their_tiles() -> None:
    efficiency = Efficiency({"conv": 0.5}, tiling=_TILING)
    timing = time_kernels(_KINDS, *arrays(*_WORK), _CUTTING, efficiency, products=_PRODUCTS)
    expected = _TILING.compute_s(_PRODUCTS.dims[:4], 0.5 * 8e12, 16.0, 1e9)
    assert timing.compute_s.tolist() == [*expected, 1e-3, 0.0]
    assert expected[0] > 2 * 1000 * 500 * 200 / (0.5 * 8e12)


def test_one_row_is_padded_only_where_matrix_units_compute_its_type() -> None:
    kinds = KernelKinds(("conv",) * 2, ("float16", "float32"), ("float32",) * 2)
    product = Product(PLAIN, (1, 1, 500, 200, 1))
    work = [2 * 500 * 200] * 2, [0, 0], [1000, 1000]
    known, flops = Products.of([product, product]), np.array(work[0])
    timing = time_kernels(kinds, *arrays(*work), _CUTTING, Efficiency(tiling=_TILING), products=known)
    sizes = known.dims[:4, :1]
    expected = [_TILING.compute_s(sizes, 8e12, 16.0, 1e9), _TILING.compute_s(sizes, 1e12, 16.0, 1e9, on_vector=True)]
    assert timing.compute_s.tolist() == np.concatenate(expected).tolist()
    roofs = [Roofs.of(kinds, [True] * 2, [False] * 2, _CUTTING, Efficiency(tiling=own)) for own in (_TILING, None)]
    joined = Roofs.joined([Roofs.stacked(roofs)])
    beside = time_at(joined, np.stack([flops, 0 * flops, 0 * flops + 1000, 0 * flops]), known)
    assert beside.compute_s.tolist() == [timing.compute_s.tolist(), (flops / [8e12, 1e12]).tolist()]


@pytest.mark.parametrize(
    ("device", "tiling", "products"),
    [(_DEVICE, _TILING, _PRODUCTS), (_CUTTING, None, _PRODUCTS), (_CUTTING, _TILING, None),
     (_CUTTING, _TILING, Products.of([Product(PLAIN, (1, 1000, 500, 201, 1))])),
     (_CUTTING, _TILING, Products.of([None]))],
    ids=["no units", "no tiling", "no products", "products that do not explain the FLOPs", "none at all"],
)  # fmt: skip
def test_other_products_take_as_long_as_their_flops(
    device: Device, tiling: Tiling | None, products: Products | None
) -> None:
    plain = time_kernels(_KINDS, *arrays(*_WORK), _DEVICE)
    timing = time_kernels(_KINDS, *arrays(*_WORK), device, Efficiency(tiling=tiling), products=products)
    assert timing.total_s.tolist() == plain.total_s.tolist()


def test_devices_side_by_side_cut_products_as_each_does_alone() -> None:
    fitted = [Efficiency({"conv": 0.5}, tiling=_TILING), Efficiency(), Efficiency(tiling=replace(_TILING, wave_s=1e-6))]
    own = [Roofs.of(_KINDS, [True, False, False], [False, True, False], _CUTTING, one) for one in (*fitted, fitted[0])]
    numbers = np.array([*_WORK, [0, 0, 0]])
    together = time_at(Roofs.stacked(own), numbers, _PRODUCTS).total_s
    for roofs, row in zip(own, together, strict=True):
        assert time_at(Roofs.stacked([roofs]), numbers, _PRODUCTS).total_s.tolist() == [row.tolist()]
        assert total_seconds(roofs, *numbers, products=_PRODUCTS) == pytest.approx(row.sum(), rel=1e-12)
        wide = replace(_PRODUCTS, dims=np.repeat(_PRODUCTS.dims[:, :, None], 3, axis=2))
        columns = np.repeat(numbers[:, :, None], 3, axis=2)
        assert total_seconds(roofs, *columns, products=wide).tolist() == [row.sum()] * 3


_CACHED = CachedAttention(PREFILL, DECODE, (0.5, 0.8), (0.25, 0.9), splits_alone=False)
_ATTENTION = KernelKinds(("attention",) * 2, ("float16",) * 2, ("float32",) * 2)


def test_attention_over_a_cache_is_cut_by_how_many_queries_there_are() -> None:
    efficiency = Efficiency({"attention": 0.4}, {"attention": 0.6}, cached_attention=_CACHED)
    dims = (8, 512, 512, 64, 4), (8, 1, 4096, 64, 4)
    flops = np.array([4.0 * heads * query * keys * width for heads, query, keys, width, _ in dims])
    products = Products.of([Product(CACHED, own) for own in dims])
    traffic = np.array([2e6, 1e7])
    timing = time_kernels(_ATTENTION, flops, np.zeros(2), traffic, _CUTTING, efficiency, products=products)
    prefill = PREFILL.compute_s(dims[0][:4], 0.5 * 8e12, 16.0, 1e9, causal=True)
    decode = DECODE.compute_s(dims[1][:4], 0.25 * 8e12, 16.0, 1e9, causal=True, group=4.0)
    assert timing.compute_s == pytest.approx(np.array([prefill, decode]))
    bandwidth = _CUTTING.peak_bandwidth()
    assert timing.memory_s == pytest.approx([2e6 / (0.8 * bandwidth), 1e7 / (0.9 * bandwidth)])
    assert timing.total_s[0] > max(timing.compute_s[0], timing.memory_s[0])


def test_products_come_from_a_cache_that_holds_their_weights_some_times() -> None:
    device = replace(_CUTTING, llc=Figure(1e7), llc_bandwidth=None)
    efficiency = Efficiency({}, {"matmul": 0.5}, cache=Cache(4.0, 1000.0))
    kinds = KernelKinds(("matmul",) * 3, ("float16",) * 3, ("float32",) * 3)
    numbers = [np.zeros(3), np.zeros(3), np.array([3e6, 6e6, 2e7])]
    timing = time_kernels(kinds, *numbers, device, efficiency, np.array([2e6, 3e6, 0.0]))
    slow = 0.5 * device.peak_bandwidth()
    assert timing.memory_s == pytest.approx([3e6 / 16e12, 6e6 / slow, 2e7 / slow])


@given(st.lists(st.tuples(*[st.integers(0, 10**12)] * 3), min_size=3, max_size=3), st.integers(1, 5))
def test_networks_side_by_side_take_what_each_takes_alone(rows: list[tuple[int, int, int]], copies: int) -> None:
    roofs = Roofs.of(_KINDS, [True] * 3, [True] * 3, _DEVICE)
    columns = [np.array(column, dtype=np.float64) for column in zip(*rows, strict=True)]
    alone = total_seconds(roofs, *columns)
    together = total_seconds(roofs, *(np.repeat(column[:, None], copies, axis=1) for column in columns))
    assert together == pytest.approx([alone] * copies)


@examples(60)
@given(
    st.sampled_from(list_networks()),
    st.sampled_from(list_devices()),
    st.sampled_from(["float32", "float16", "bfloat16", "tf32"]),
    st.sampled_from(["eager", "compiled", "engine"]),
    st.sampled_from([1, 32]),
)
def test_no_prediction_beats_the_roof(name: str, device: str, dtype: str, runtime: str, batch: int) -> None:
    place = load_device(device)
    try:
        cost = score(name, [place], dtype=dtype, runtime=runtime, batch_size=batch)
    except DeviceError:
        assert place.calibrate_only or dtype not in place.dtypes or "float32" not in place.vector
        return
    # The fastest unit at any dtype, doing everything; all bytes at the bandwidth.
    fastest = max(figure.value for peaks in (place.matrix, place.vector) for figure in peaks.values())
    bandwidth = max(place.peak_bandwidth(), place.llc_bandwidth.value if place.llc_bandwidth else 0)
    if place.compute_units and place.clock and place.kind == "datacenter-gpu":  # products may run from the cache
        bandwidth = max(bandwidth, float(CACHE.bandwidth(place.compute_units.value, place.clock.value)))
    latency_s = cost.latency_ms[place.name] / 1e3
    assert latency_s >= cost.executed_flops / (2 * fastest) * (1 - 1e-9)
    assert latency_s >= cost.traffic_bytes / bandwidth * (1 - 1e-9)
    for kernel in cost.kernels(place.name):
        assert kernel.time_ms >= max(kernel.compute_ms, kernel.memory_ms) * (1 - 1e-9)
        assert kernel.achieved_bytes_per_s <= bandwidth * (1 + 1e-9)
    assert cost.latency_ms[place.name] >= cost.roofline_ms[place.name] * (1 - 1e-9)
    call = cost.times[place.name].call_ms / cost.latency_ms[place.name]  # the share of what is in no kernel
    assert sum(kernel.share for kernel in cost.kernels(place.name)) + call == pytest.approx(1)


def test_weights_come_through_the_flashs_own_port() -> None:
    """9 bytes, 4 of them weights: 5 at 10 byte/s beside 4 at 2 byte/s; without the port all 9 at 10 byte/s."""
    device = replace(_flat(), flash_bandwidth=Figure(2.0))
    numbers = [np.array([value]) for value in (0.0, 1e-9, 9.0)]
    kinds = KernelKinds(("conv",), ("float32",), ("float32",))
    beside = time_kernels(kinds, *numbers, device, weight_bytes=np.array([4.0]))
    assert beside.memory_s.tolist() == [2.0]
    most = time_kernels(kinds, *numbers, device, weight_bytes=np.array([0.5]))
    assert most.memory_s.tolist() == [0.85]
    assert time_kernels(kinds, *numbers, _flat(), weight_bytes=np.array([4.0])).memory_s.tolist() == [0.9]
    both = Roofs.stacked([Roofs.of(kinds, [False], [True], place) for place in (device, _flat())])
    together = time_at(both, np.array([[0], [1], [9], [4]]))
    assert together.memory_s.tolist() == [[2.0], [0.9]]


def _flat() -> Device:
    peaks = Peaks((("float32", Figure(1e15)),))
    return Device("flat", "Flat", "npu", vector=peaks, bandwidth=Figure(10.0))
