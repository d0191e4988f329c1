"""Tiles by hand, that nothing beats its peak, and the values that ship on measured kernels."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle import tiling
from oracle.devices import load_device
from oracle.tiling import (
    CACHE,
    CLOCK_HZ,
    DECODE,
    ENCODER,
    PREFILL,
    PRODUCTS,
    AttentionTiling,
    Cache,
    CachedAttention,
    Quantising,
    Tiling,
)

SQUARE = Tiling(((128, 128),), split_limit=4, split_k=256, step_k=32, width=0, wave_s=0, split_s=0)
FLASH = AttentionTiling(64, 64, 16, 0, 8, 0, 0)
PEAK, UNITS = 1e14, 100
UNIT = PEAK / UNITS

sizes = st.integers(1, 10**5)


def of(found: Tiling, *dims: float, units: float = UNITS, clock_hz: float = CLOCK_HZ) -> float:
    return float(found.compute_s(dims, PEAK, units, clock_hz))


def test_a_tile_takes_as_long_as_one_unit_needs() -> None:
    assert of(SQUARE, 1, 128, 128, 64) == pytest.approx(2 * 128 * 128 * 64 / UNIT)


def test_what_is_left_of_a_tile_or_of_a_step_counts_whole() -> None:
    assert of(SQUARE, 1, 1, 100, 33) == of(SQUARE, 1, 128, 128, 64)


def test_vector_units_multiply_one_row_without_a_tile_of_them() -> None:
    wide = replace(SQUARE, width=200)
    one, two = (float(wide.compute_s((1, m, 128, 64), PEAK, UNITS, on_vector=True)) for m in (1, 2))
    assert one == pytest.approx(2 * 1 * 128 * 64 / UNIT)
    assert two == of(wide, 1, 2, 128, 64) == pytest.approx(2 * 128 * 128 * 64 / UNIT)
    units = np.array([False, True, True])
    rows = np.array([1.0, 1.0, 2.0])
    found = wide.compute_s(np.stack([rows**0, rows, rows * 0 + 128, rows * 0 + 64]), PEAK, UNITS, on_vector=units)
    assert found.tolist() == [of(wide, 1, 1, 128, 64), one, two]


def test_the_last_wave_counts_whole() -> None:
    one, two = of(SQUARE, UNITS, 128, 128, 64), of(SQUARE, UNITS + 1, 128, 128, 64)
    assert one == of(SQUARE, 1, 128, 128, 64)
    assert two == 2 * one


@pytest.mark.parametrize(
    ("batch", "k", "units"),
    [
        (1, 4096, 4),  # no more than the limit
        (1, 600, 2),  # no less than 256 each
        (40, 4096, 2),  # as many as are free
        (60, 4096, 1),  # none is
        (1, 200, 1),  # too little work
    ],
)
def test_units_without_a_tile_share_one(batch: int, k: int, units: int) -> None:
    deep = -(-k // 32) * 32
    assert of(SQUARE, batch, 128, 128, k) == pytest.approx(2 * 128 * 128 * deep / units / UNIT)


def test_split_products_are_added_up() -> None:
    slow = replace(SQUARE, split_s=3e-6, gather=2.0)
    adding = 3e-6 + 4 * (4 * 128 * 128) / (2 * UNITS * CLOCK_HZ)
    assert of(slow, 1, 128, 128, 4096) - of(SQUARE, 1, 128, 128, 4096) == pytest.approx(adding)
    assert of(slow, 60, 128, 128, 4096) == of(SQUARE, 60, 128, 128, 4096)


def test_a_small_tile_waits_for_its_operands() -> None:
    narrow = replace(SQUARE, tiles=((64, 64),), width=96)
    assert of(narrow, 1, 64, 64, 64) == pytest.approx(2 * 64 * 96 * 64 / UNIT)
    assert of(replace(narrow, width=64), 1, 64, 64, 64) == pytest.approx(2 * 64 * 64 * 64 / UNIT)


def test_the_best_tile_is_taken() -> None:
    both = replace(SQUARE, tiles=((128, 128), (32, 256)))
    assert of(both, 1, 32, 256, 64) == pytest.approx(2 * 32 * 256 * 64 / UNIT)
    assert of(both, 1, 128, 128, 64, units=1) == pytest.approx(2 * 128 * 128 * 64 / PEAK)
    assert of(both, 1, 128, 128, 64) == pytest.approx(2 * 32 * 256 * 64 / UNIT)  # four of the other at once


def test_latencies_are_cycles() -> None:
    slow = replace(SQUARE, wave_s=1e-6, split_s=5e-6)
    work = of(SQUARE, 60, 128, 128, 4096)
    assert of(slow, 60, 128, 128, 4096) - work == pytest.approx(1e-6)
    assert of(slow, 60, 128, 128, 4096, clock_hz=CLOCK_HZ / 2) - work == pytest.approx(2e-6)


def test_few_products_and_many_come_out_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    dims = np.random.default_rng(0).integers(1, 10**4, (4, 7, 1))
    devices = np.array([1e14, 9e14]), np.array([40.0, 132.0]), np.array([1.2e9, 1.8e9])
    few = PRODUCTS.compute_s(dims, *devices)
    monkeypatch.setattr(tiling, "_FEW", 0)
    assert few.shape == (7, 2)
    assert (few == PRODUCTS.compute_s(dims, *devices)).all()
    assert few[3, 1] == PRODUCTS.compute_s(dims[:, 3, 0], 9e14, 132, 1.8e9)


@given(sizes, st.one_of(st.just(1), sizes), sizes, sizes, st.integers(1, 300), st.booleans())
def test_no_product_beats_its_peak(batch: int, m: int, n: int, k: int, units: int, on_vector: bool) -> None:
    found = float(PRODUCTS.compute_s((batch, m, n, k), PEAK, units, on_vector=on_vector))
    assert found >= 2 * batch * m * n * k / PEAK * (1 - 1e-12)


def attend(*dims: float, flash: AttentionTiling = FLASH, **options: float | bool) -> float:
    return float(flash.compute_s(dims, PEAK, UNITS, **options))


def test_attention_by_hand() -> None:
    block = 4 * 64 * 48 * 128 / UNIT  # 64 queries, 40 channels padded to 48, 100 keys to 128
    assert attend(UNITS, 64, 100, 40, splits=False) == pytest.approx(block)
    assert attend(UNITS, 65, 100, 40, splits=False) == pytest.approx(2 * block)


def test_vector_units_attend_to_one_query_and_its_group_alone() -> None:
    scores = 4 * 64 * 128 / UNIT  # of a query and 100 keys, padded to 128
    options = {"splits": False, "on_vector": True}
    assert attend(UNITS, 1, 100, 64, **options) == pytest.approx(scores)
    assert attend(UNITS, 2, 100, 64, **options) == pytest.approx(64 * scores)
    assert attend(8 * UNITS, 1, 100, 64, group=8.0, on_vector=True) == pytest.approx(8 * scores)


def test_scores_cost_beside_products() -> None:
    flash = replace(FLASH, softmax_s=1e-10)
    extra = attend(1, 64, 64, 64, flash=flash) - attend(1, 64, 64, 64)
    assert extra == pytest.approx(64 * 64 * 1e-10)


@pytest.mark.parametrize(("query", "key", "window"), [(640, 640, np.inf), (640, 1280, np.inf), (640, 640, 64)])
def test_causal_blocks_see_what_their_queries_may(query: int, key: int, window: float) -> None:
    heads = 1000  # enough that no unit waits
    blocks = 0.0
    for first in range(0, query, 64):
        last_seen = key - query + first + 64
        first_seen = max(0.0, key - query + first + 1 - window)
        blocks += last_seen - first_seen
    exact = heads * blocks * 4 * 64 * 64 / UNIT / UNITS
    assert attend(heads, query, key, 64, causal=True, window=window) == pytest.approx(exact, rel=0.2)


def test_a_single_query_sees_all_keys_of_its_window() -> None:
    assert attend(100, 1, 512, 64, causal=True) == attend(100, 1, 512, 64)
    assert attend(100, 1, 512, 64, causal=True, window=128) == attend(100, 1, 128, 64)


def test_a_group_works_together_and_splits_its_keys() -> None:
    plain = {"group": 8.0, "splits": False}
    assert attend(8 * UNITS, 1, 1024, 64, **plain) == 8 * attend(8 * UNITS, 1, 1024, 64, group=8.0)
    assert attend(8, 1, 1024, 64, **plain) == 8 * attend(8, 1, 1024, 64, group=8.0)  # eight units, 128 keys each
    later = replace(FLASH, split_s=5e-6)
    assert attend(8, 1, 1024, 64, flash=later) - attend(8, 1, 1024, 64) == pytest.approx(5e-6)


@given(st.integers(1, 300), st.integers(1, 9000), st.integers(1, 64), st.booleans(), st.integers(1, 200))
def test_more_sequences_never_take_less_time(heads: int, keys: int, group: int, splits: bool, units: int) -> None:
    """Where keys cease to be split among units, too."""
    batches = np.arange(1, 200)
    dims = np.stack(np.broadcast_arrays(batches * heads * group, 1.0, keys, 128.0))
    seconds = DECODE.compute_s(dims, PEAK, units, causal=True, group=group, splits=splits)
    assert (np.diff(seconds) >= -1e-12 * seconds[1:]).all()


@given(
    st.sampled_from(["past", "queries", "batch"]),
    st.tuples(st.integers(1, 300), st.integers(1, 400), st.integers(0, 9000), st.sampled_from([64, 128, 256])),
    st.sampled_from([1, 3, 8]),
    st.sampled_from([np.inf, 100.0, 4096.0]),
    st.tuples(*[st.floats(0.3, 1.0)] * 4),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.tuples(st.floats(1e12, 1e15), st.integers(1, 200), st.floats(1e11, 5e12)),
)
def test_more_to_attend_never_takes_less_time(
    grown: str,
    sizes: tuple[int, int, int, int],
    group: int,
    window: float,
    shares: tuple[float, float, float, float],
    habits: tuple[bool, bool, bool],
    device: tuple[float, int, float],
) -> None:
    """Keys before a call, queries (one as a decoding step, several as a prompt) and sequences, at both roofs."""
    batch, queries, past, width = (np.full(160, size, dtype=float) for size in sizes)
    steps = np.arange(160.0)
    past, queries, batch = (
        past + 7 * steps * (grown == "past"),
        queries * (grown != "queries") + (1 + steps) * (grown == "queries"),
        batch + steps * (grown == "batch"),
    )
    peak, units, bandwidth = device
    *library, on_vector = habits
    way = CachedAttention(PREFILL, DECODE, shares[:2], shares[2:], *library)
    dims = np.stack([group * batch, queries, past + queries, width, np.full(160, float(group))])
    compute_s, overlap, longer = way.reached(dims, peak, units, CLOCK_HZ, (1.0, 1.0), window, on_vector)
    read = np.minimum(past + queries, np.where(queries == 1.0, window, window + queries))
    memory_s = longer * 4.0 * batch * width * (read + group * queries) / bandwidth
    seconds = np.maximum(compute_s, memory_s) + overlap * np.minimum(compute_s, memory_s)
    assert (np.diff(seconds) >= -1e-12 * seconds[1:]).all()


@given(
    st.integers(1, 4),
    st.integers(1, 4096),
    st.integers(1, 20_000),
    st.integers(1, 200),
    st.floats(1e12, 1e16),
    st.booleans(),
)
def test_more_rows_never_take_less_time(batch: int, n: int, k: int, units: int, peak: float, on_vector: bool) -> None:
    """Where products cease to be split among units, too."""
    dims = np.stack(np.broadcast_arrays(batch, np.arange(1, 2000, 7), n, k)).astype(float)
    seconds = PRODUCTS.compute_s(dims, peak, units, on_vector=on_vector)
    assert (np.diff(seconds) >= -1e-12 * seconds[1:]).all()


@given(
    sizes,
    st.one_of(st.just(1), sizes),
    sizes,
    st.integers(1, 512),
    st.sampled_from([ENCODER, PREFILL, DECODE]),
    st.booleans(),
)
def test_no_attention_beats_its_peak(
    heads: int, query: int, key: int, width: int, flash: AttentionTiling, on_vector: bool
) -> None:
    least = 4 * heads * query * key * width / PEAK
    assert attend(heads, query, key, width, flash=flash, on_vector=on_vector) >= least * (1 - 1e-12)


def test_weights_are_used_again_only_after_others() -> None:
    cache = Cache(copies=5, cycle_bytes=4)
    assert cache.holds(10, 50, 100)
    assert not cache.holds(20, 10, 100)
    assert cache.bandwidth(100, 1e9) == 4e11


def test_quantising_takes_a_time_per_row_and_per_element() -> None:
    assert Quantising(1e-6, 1e-9, 5).compute_s(200, 1000, 100, CLOCK_HZ / 2) == pytest.approx(2 * 2 * 2e-6)


@pytest.mark.parametrize(
    ("name", "share", "memory", "most"),
    [("a100-sxm-80gb", 0.936, 0.790, 0.11), ("h100-sxm", 0.954, 0.934, 0.10), ("l40s", 0.748, 0.859, 0.13)],
)
def test_measured_products(name: str, share: float, memory: float, most: float, shared_data: Path) -> None:
    """Mean absolute relative error of bfloat16 products, at the reach that the GPU was fitted to."""
    with (shared_data / "gpu_kernels" / "gemm.csv").open() as file:
        lines = [line for line in csv.DictReader(file) if line["device"] == name and line["dtype"] == "bfloat16"]
    m, n, k, milliseconds = np.array([[float(line[key]) for key in ("m", "n", "k", "latency_ms")] for line in lines]).T
    device = load_device(name)
    assert device.compute_units
    assert device.clock
    assert device.llc
    units, clock, slow = device.compute_units.value, device.clock.value, memory * device.peak_bandwidth()
    peak = share * device.peak_flops("matrix", "bfloat16")
    compute_s = PRODUCTS.compute_s(np.stack([np.ones_like(m), m, n, k]), peak, units, clock)
    near = CACHE.holds(2 * n * k, 2 * m * (k + n), device.llc.value)
    memory_s = 2 * (n * k + m * k + m * n) / np.where(near, np.maximum(slow, CACHE.bandwidth(units, clock)), slow)
    busy_s = np.maximum(compute_s, memory_s) + PRODUCTS.overlap * np.minimum(compute_s, memory_s)
    predicted = busy_s + 2.43e-6 * CLOCK_HZ / clock
    assert np.abs(predicted / (milliseconds / 1e3) - 1).mean() < most
