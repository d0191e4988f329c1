"""Print how far the kernel model with tiles is from measured matrix products, attention and convolutions.

    python -m tests.benchmarks.products DATA [--only PART ...] [--seed N]

DATA holds gpu_kernels/*.csv (ai-dynamo/aiconfigurator, Apache-2.0) and kernels/*.csv (sitar-lab/NeuSight, MIT). For each
part: every GPU fitted on a random half of its rows and asked for the other; one GPU left out, of which only the sheet
is known (its reach is the mean of the others'); all GPUs at once, sharing all but their reach, whose values
`oracle.tiling` and the calibrations hold; and the same two again with one term less. Errors are mean absolute relative
errors in percent.

What is fitted is said by name: the tiling's own parameters; `share` and `memory`, the reach of a GPU (parts of its peak
and of its bandwidth), and `store`, ns per element, which a GPU left out is taken to have none of; `copies` and `cycle_bytes` of the cache; `launch`, in seconds at 1.83 GHz like every latency.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

import oracle
from oracle.calibration import conformal
from oracle.calibration.shipped import calibration_of, prior_calibration
from oracle.closedform.calibrated import CalibratedDevice
from oracle.products import ATTENTION, CACHED, PLAIN, Products
from oracle.roofline import KernelKinds, time_kernels
from oracle.spec import Workload
from oracle.tiling import CACHE, CLOCK_HZ, PRODUCTS, AttentionTiling, Cache, Quantising, Tiling
from tests.benchmarks._kernel_rows import Floats, Rows, conv_rows, gpu_rows, matrix_rows

Values = dict[str, float]

TILES = ((256, 128), (128, 256), (128, 128), (128, 64), (64, 128), (64, 64), (32, 32))
SMALL_TILES = ((128, 128), (128, 64), (64, 128), (64, 64), (128, 32), (32, 128), (32, 32))
CUTLASS = ((16, 64), (32, 64), (64, 64), (64, 128), (128, 128))
ROWS = (16.0, 32.0, 64.0, 256.0, np.inf)
SPLIT_LIMIT = 16.0
SPLIT_K = 400.0  # of half precision and less: two GPUs alone do not tell it from the bandwidth of the cache
REACH = ("share", "memory", "store")
NEVER = 1e12
SCORED = ("bfloat16", "encoder", "prefill", "decode")
_SCORED = 3000  # rows at most


Model = Callable[[Rows, Mapping[str, Any]], Floats]


@dataclass(frozen=True)
class Part:
    """A kind of kernel.

    Attributes:
        rows: reads them from the folder of data.
        model: seconds of rows, given values.
        start: where the fit of shared values starts; latencies in microseconds.
        reach: where the fit of a GPU's own values starts; a part whose GPUs share them has none.
        without: what takes a term out of the model, by name of the term.
    """

    rows: Callable[[Path], Rows]
    model: Model
    start: Values
    reach: Values
    without: Mapping[str, Values] = field(default_factory=dict)


# -- models -----------------------------------------------------------------------------------------------------


def tiling_of(values: Mapping[str, Any], tiles: tuple[tuple[int, int], ...] = TILES) -> Tiling:
    """The tiling that values speak of."""
    return Tiling(
        tiles,
        SPLIT_LIMIT,
        values.get("split_k", SPLIT_K),
        16,
        values["width"],
        values["wave"] * 1e-6,
        values["split"] * 1e-6,
        values["gather"],
        values["overlap"],
        values.get("store", 0.0) * 1e-9,
    )


def attention_of(values: Mapping[str, Any]) -> AttentionTiling:
    """The attention that values speak of."""
    return AttentionTiling(
        64,
        64,
        16,
        values["softmax"] * 1e-12,
        32.0 if "split" in values else 1.0,
        values["wave"] * 1e-6,
        values.get("split", 0.0) * 1e-6,
        values["overlap"],
    )


def together(rows: Rows, values: Mapping[str, Any], compute_s: Floats, traffic: Floats, weights: Floats) -> Floats:
    """Seconds of kernels, given those at the compute roof, their bytes, and those of them that are weights."""
    cache = Cache(values["copies"], values["cycle_bytes"])
    memory = values["memory"] * rows.bandwidth
    near = np.maximum(memory, cache.bandwidth(rows.units, rows.clock))
    memory_s = traffic / np.where(cache.holds(weights, traffic - weights, rows.cache), near, memory)
    busy_s = np.maximum(compute_s, memory_s) + values["overlap"] * np.minimum(compute_s, memory_s)
    return busy_s + values["launch"] * 1e-6 * CLOCK_HZ / rows.clock


def products(rows: Rows, values: Mapping[str, Any], element: float = 2.0) -> Floats:
    """Matrix products; results take two bytes an element."""
    m, n, k = rows["m"], rows["n"], rows["k"]
    tiling = tiling_of(values, TILES if not values.get("one_tile") else ((128, 128),))
    if element == 1.0 and not values.get("best"):
        tiling = replace(tiling, tiles=CUTLASS, rows=ROWS, split_limit=1.0)
    dims = np.stack([np.ones_like(m), m, n, k])
    compute_s = tiling.compute_s(dims, values["share"] * rows.peak, rows.units, rows.clock)
    weights = element * n * k
    return together(rows, values, compute_s, weights + element * m * k + 2.0 * m * n, weights)


def quantised(rows: Rows, values: Mapping[str, Any]) -> Floats:
    """Matrix products in float8, whose left operand is made float8 first."""
    m, k = rows["m"], rows["k"]
    making = Quantising(values["row"] * 1e-6, values["element"] * 1e-9, 5.0)
    traffic = np.where(3.0 * m * k <= rows.cache, 0.0, making.reads * m * k)
    memory_s = traffic / (values["memory"] * rows.bandwidth)
    extra_s = np.maximum(making.compute_s(m, k, rows.units, rows.clock), memory_s)
    return products(rows, values, 1.0) + extra_s + values["launch_too"] * 1e-6 * CLOCK_HZ / rows.clock


def as_in_half(rows: Rows, values: Mapping[str, Any]) -> Floats:
    """The same where a library has the tiles of half precision in float8, and takes the fastest; see `PRODUCTS`."""
    return quantised(rows, {**_HALF, **values})


def attention(rows: Rows, values: Mapping[str, Any], causal: bool = True) -> Floats:
    """Attention of new queries to all keys; where there is a cache of keys and values, they are written there."""
    batch, query, heads, width = (rows[name] for name in ("batch_size", "query_length", "num_heads", "head_dim"))
    shared = rows.columns.get("num_key_value_heads", heads)
    key = rows["past_length"] + 1.0 if "past_length" in rows.columns else query
    limit = rows.columns.get("window_size", np.zeros_like(key))
    window = np.where(limit > 0.0, limit, np.inf)
    group = heads / shared
    splits = (rows.device == "h100-sxm") | (rows["kv_bytes"] < 2.0) | ((group > 1.0) & (limit == 0.0))
    dims = np.stack([batch * heads, query, key, width])
    compute_s = attention_of(values).compute_s(
        dims,
        values["share"] * rows.peak,
        rows.units,
        rows.clock,
        causal=causal,
        window=window,
        group=group,
        splits=splits,
        packs=rows.device != "a100-sxm-80gb",
    )
    seen = np.where(query == 1.0, np.minimum(key, window), key)
    cached = 2.0 * rows["kv_bytes"] * batch * seen * shared * width
    seconds = together(rows, values, compute_s, cached + 4.0 * batch * query * heads * width, cached)
    slower = CLOCK_HZ / rows.clock
    if "float8" in values:  # queries are quantised, too
        seconds = seconds + np.where(rows["kv_bytes"] < 2.0, values["float8"] * 1e-6, 0.0) * slower
    if "regroup" in values:  # FlashAttention-2 lays the queries of a group out anew
        moved = splits & (rows.device != "h100-sxm") & (rows["kv_bytes"] == 2.0) & (shared > 1.0)
        seconds = seconds + np.where(moved, values["regroup"] * 1e-6, 0.0) * slower
    if "written" in values:
        near = np.maximum(values["memory"] * rows.bandwidth, values["cycle_bytes"] * rows.units * rows.clock)
        written = values["written"] * cached
        seconds = seconds + written / np.where(written <= rows.cache, near, values["memory"] * rows.bandwidth)
    return seconds


def single(rows: Rows, values: Mapping[str, Any]) -> Floats:
    """Operators in float32 on the vector units, timed one by one; FLOPs per joule limit the clock."""
    dims = np.stack([rows[name] for name in ("batch", "m", "n", "k")])
    peak = np.minimum(values["share"] * rows.peak, values["gflops_per_joule"] * 1e9 * rows.watts)
    for name, factor in rows.columns.items():
        if name.startswith("is_"):
            peak = np.where(factor > 0.0, peak * values[name], peak)
    compute_s = tiling_of(values, SMALL_TILES).compute_s(dims, peak, rows.units, rows.clock)
    traffic = rows["bytes"]
    with_cache = together(rows, {**values, "launch": 0.0}, compute_s, traffic, 0.0 * traffic)
    return with_cache + values["launch"] * 1e-6


_REACH = {"share": 0.9, "memory": 0.85}
_CACHE = {"copies": 5.5, "cycle_bytes": 5.4}
_PRODUCTS = {"width": 84.0, "wave": 0.33, "split": 2.0, "gather": 11.0, "overlap": 0.3, "launch": 2.4}
_ATTENTION = {"softmax": 5.0, "wave": 1.6, "overlap": 0.3, "launch": 8.0, "copies": 1.0, "cycle_bytes": 9.0}
_SINGLE = {"width": 30.0, "wave": 2.0, "split": 5.0, "gather": 10.0, "split_k": 300.0, "overlap": 0.5, "launch": 36.0}
_ALONE = {"share": 0.9, "memory": 0.7, "gflops_per_joule": 50.0, "copies": 1.0, "cycle_bytes": 5.0}

_HALF = {"best": 1.0, "width": PRODUCTS.width, "wave": PRODUCTS.wave_s * 1e6, "split": PRODUCTS.split_s * 1e6}
_HALF |= {"gather": PRODUCTS.gather, "overlap": PRODUCTS.overlap, "launch": 2.43}
_HALF |= {"copies": CACHE.copies, "cycle_bytes": CACHE.cycle_bytes}

_STORES = ("store:h100-sxm", "store:l40s")
PARTS: dict[str, Part] = {
    "bfloat16": Part(
        lambda data: gpu_rows(data, "gemm"),
        products,
        {**_PRODUCTS, **_CACHE},
        _REACH,
        {
            "overlap": {"overlap": 0.0},
            "cache": {"cycle_bytes": 0.0},
            "copies": {"copies": 1.0},
            "split-K": {"split_k": NEVER},
            "gather": {"gather": NEVER},
            "wave": {"wave": 0.0},
            "width": {"width": 0.0},
            "choice of tiles": {"one_tile": 1.0},
        },
    ),
    "float8": Part(
        lambda data: gpu_rows(data, "gemm", "float8"),
        quantised,
        {**_PRODUCTS, **_CACHE, "row": 0.9, "element": 0.2, "launch_too": 2.4, "width": 75.0},
        {"share": 0.8, "memory": 0.8, "store": 0.1},
        {
            "quantising": {"row": 0.0, "element": 0.0},
            "a tile by rows": {"best": 1.0},
            "storing": {"store": 0.0, **dict.fromkeys(_STORES, 0.0)},
        },
    ),
    "float8 in tiles of half precision": Part(
        lambda data: gpu_rows(data, "gemm", "float8"),
        as_in_half,
        {"row": 0.9, "element": 0.2, "launch_too": 2.4},
        {"share": 0.7, "memory": 0.8},
    ),
    "encoder": Part(
        lambda data: gpu_rows(data, "attention_encoder"),
        lambda rows, values: attention(rows, values, causal=False),
        _ATTENTION,
        {"share": 0.6, "memory": 0.75},
        {"softmax": {"softmax": 0.0}, "wave": {"wave": 0.0}, "overlap": {"overlap": 0.0}},
    ),
    "prefill": Part(
        lambda data: gpu_rows(data, "attention_prefill"),
        attention,
        {**_ATTENTION, "written": 3.0},
        {"share": 0.6, "memory": 0.9},
        {"softmax": {"softmax": 0.0}, "wave": {"wave": 0.0}, "overlap": {"overlap": 0.0}},
    ),
    "decode": Part(
        lambda data: gpu_rows(data, "attention_decode"),
        attention,
        {**_ATTENTION, "split": 2.4, "float8": 2.9, "regroup": 3.3},
        {"share": 0.8, "memory": 0.9},
        {"softmax": {"softmax": 0.0}, "wave": {"wave": 0.0}, "overlap": {"overlap": 0.0}},
    ),
    "linear": Part(lambda data: matrix_rows(data, "linear"), single, {**_SINGLE, **_ALONE}, {}),
    "bmm": Part(lambda data: matrix_rows(data, "bmm"), single, {**_SINGLE, **_ALONE}, {}),
    "conv": Part(
        conv_rows,
        single,
        {**_SINGLE, **_ALONE, "launch": 110.0, "split": 27.0, "gflops_per_joule": 85.0, "is_winograd": 1.2}
        | {"is_wide": 0.85, "overlap": 1.2, "share": 1.3},
        {},
        {"FLOPs per joule": {"gflops_per_joule": NEVER}},
    ),
}


# -- fitting ----------------------------------------------------------------------------------------------------


def error(part: Part, rows: Rows, values: Mapping[str, Any]) -> float:
    """Mean absolute relative error, in percent."""
    return float(100.0 * np.abs(part.model(rows, values) / rows.seconds - 1.0).mean())


def fit(part: Part, rows: Rows, start: Values, fixed: Values, tries: int = 2) -> Values:
    """Values that make the mean over devices of the error least (Nelder and Mead, 1965, on logarithms).

    A value `share:NAME` or `memory:NAME` is that of one device.
    """
    names = [name for name in start if name not in fixed]
    own = sorted({name.split(":")[1] for name in names if ":" in name})
    weight = 1.0 / np.array([np.count_nonzero(rows.device == device) for device in rows.device])

    def values_at(point: Floats) -> dict[str, Any]:
        found = dict(zip(names, np.exp(point).tolist(), strict=True))
        return {name: min(value, 1.0) if name.startswith(REACH[:2]) else value for name, value in found.items()} | fixed

    def loss(point: Floats) -> float:
        values = values_at(point)
        for reach in part.reach if own else ():
            values[reach] = np.select([rows.device == d for d in own], [values[f"{reach}:{d}"] for d in own], 1.0)
        errors = np.abs(part.model(rows, values) / rows.seconds - 1.0)
        return float((errors * weight).sum() / weight.sum())

    point = np.log([start[name] for name in names])
    for turn in range(tries):
        steps = 0.3 * np.eye(len(names)) * np.where((np.arange(len(names)) + turn) % 2, 1.0, -1.0)
        simplex = np.vstack([point, point + steps])
        options = {"initial_simplex": simplex, "maxfev": 80 * len(names), "fatol": 1e-6, "adaptive": True}
        point = minimize(loss, point, method="Nelder-Mead", options=options).x
    return values_at(point)


def at_once(part: Part, rows: Rows, fixed: Values, tries: int = 2) -> Values:
    """Values of all devices in `rows`; each has its own reach."""
    own = {f"{reach}:{device}": value for reach, value in part.reach.items() for device in np.unique(rows.device)}
    return fit(part, rows, {**part.start, **own}, fixed, tries)


def of_device(values: Values, device: str, known: bool = True) -> Values:
    """The values of one device, with the mean reach of the others where its own is not known."""
    found = {name: value for name, value in values.items() if ":" not in name}
    for reach in REACH:
        each = {name.split(":")[1]: value for name, value in values.items() if name.startswith(f"{reach}:")}
        if each:
            others = [value for name, value in each.items() if name != device]
            found[reach] = each[device] if known else float(np.mean(others)) * (reach in REACH[:2])
    return found


# -- tables -----------------------------------------------------------------------------------------------------


def table(name: str, part: Part, rows: Rows, seed: int) -> None:
    """All that is printed of a part."""
    half = np.random.default_rng(seed).random(len(rows.seconds)) < 0.5
    devices = [str(device) for device in np.unique(rows.device)]
    print(f"\n== {name}: {len(rows.seconds)} kernels; " + ", ".join(devices))
    everything = at_once(part, rows.at(half), {})
    held = [error(part, _of(rows.at(~half), d), of_device(everything, d)) for d in devices]
    print(f"{'all at once, other half':34s} {_line(held)}")
    if name in SCORED:
        usual = np.flatnonzero((rows["kv_bytes"] == 2.0) & (rows.columns.get("window_size", 0.0 * rows.seconds) == 0.0))
        some = rows.at(np.random.default_rng(seed).permutation(usual)[:_SCORED])
        written_s = _write_s(some) if name == "prefill" else 0.0
        off = np.abs((as_scored(name, some) + written_s) / some.seconds - 1.0)
        errors = [100.0 * off[some.device == device].mean() for device in devices]
        print(f"{'as scored, of all':34s} {_line(errors)}", flush=True)
    alone = []
    for device in devices:
        mine = fit(part, _of(rows.at(half), device), of_device(everything, device), {})
        alone.append(error(part, _of(rows.at(~half), device), mine))
    print(f"{'fitted to its half, other half':34s} {_line(alone)}")
    print(f"{'left out':34s} {_line(left_out(part, rows, half, devices, {}))}", flush=True)
    for term, fixed in part.without.items():
        print(f"{'left out, without ' + term:34s} {_line(left_out(part, rows, half, devices, fixed))}", flush=True)
    if name == "bfloat16":
        print(f"{'weights of at most 16 rows reach':34s} {_line([weights_reach(_of(rows, d)) for d in devices])}")
    if name in SCORED:
        intervals(part, rows, half, devices, everything)
    final = at_once(part, rows, {})
    print("  values of all: " + ", ".join(f"{key} {value:.4g}" for key, value in final.items()), flush=True)


def intervals(part: Part, rows: Rows, half: Any, devices: Sequence[str], values: Values) -> None:
    """What share of rows 80 % intervals hold: on a GPU itself, and on one left out by those of GPUs left out before it.

    In brackets the least and the most of kernels that are predicted to take 12 us at most, 50 at most, and longer.
    """
    own, new = [], []
    for device in devices:
        known = of_device(values, device)
        ratio, _ = _ratios(part, _of(rows.at(half), device), known)
        own.append(_held(*_ratios(part, _of(rows.at(~half), device), known), conformal(ratio)))
        ends = []
        others = [name for name in devices if name != device]
        for other in others:  # each from the rest, so that nothing has seen this device
            rest = np.isin(rows.device, [name for name in others if name != other])
            if rest.any():
                guess = of_device(at_once(part, rows.at(half & rest), {}, tries=1), other, known=False)
                ends.append(conformal(_ratios(part, _of(rows, other), guess)[0]))
        if ends:
            guess = of_device(at_once(part, rows.at(half & (rows.device != device)), {}, tries=1), device, known=False)
            widest = min(low for low, _ in filter(None, ends)), max(high for _, high in filter(None, ends))
            new.append(_held(*_ratios(part, _of(rows, device), guess), widest))
    print(f"{'80 % interval of its half holds':34s} {'  '.join(own)}")
    if new:
        print(f"{'left out, widest of the others':34s} {'  '.join(new)}", flush=True)


def _ratios(part: Part, rows: Rows, values: Mapping[str, Any]) -> tuple[Floats, Floats]:
    """Measured over predicted, and predicted seconds."""
    predicted = part.model(rows, values)
    return rows.seconds / predicted, predicted


def _held(ratio: Floats, predicted: Floats, ends: tuple[float, float] | None) -> str:
    low, high = ends or (1.0, 1.0)
    inside, sizes = (ratio >= low) & (ratio <= high), np.digitize(predicted, (12e-6, 50e-6))
    each = [100.0 * inside[sizes == size].mean() for size in np.unique(sizes)]
    return f"{100.0 * inside.mean():.0f} [{min(each):.0f}-{max(each):.0f}] of {low:.2f}-{high:.2f}"


def as_scored(name: str, rows: Rows, network_bytes: int = 0) -> Floats:
    """Seconds of kernels as `oracle.score` times them: by the shipped calibration of each device, calls left out.

    `network_bytes` are those of all weights of the network that they are in, as far as they are not theirs.
    """
    kind = {"bfloat16": PLAIN, "encoder": ATTENTION}.get(name, CACHED)
    one = np.ones_like(rows.seconds)
    if kind == PLAIN:
        m, n, k = rows["m"], rows["n"], rows["k"]
        dims = np.stack([one, m, n, k, one])
        flops, weights = 2.0 * m * n * k, 2.0 * n * k
        traffic = weights + 2.0 * m * (n + k)
    else:
        batch, query, heads, width = (rows[name] for name in ("batch_size", "query_length", "num_heads", "head_dim"))
        shared = rows.columns.get("num_key_value_heads", heads)
        key = rows["past_length"] + 1.0 if "past_length" in rows.columns else query
        dims = np.stack([batch * heads, query, key, width, heads / shared])
        flops, weights = 4.0 * batch * heads * query * key * width, 0.0 * one
        traffic = 2.0 * batch * width * (rows["kv_bytes"] * key * shared + 2.0 * query * heads)
    op_class = "matmul" if kind == PLAIN else "attention"
    found = np.zeros_like(rows.seconds)
    for device in np.unique(rows.device):
        for which in np.flatnonzero(rows.device == device):
            place = _place(str(device)).holding(int(weights[which]) + network_bytes)
            kinds = KernelKinds((op_class,), ("bfloat16",), ("float32",))
            product = Products(np.zeros(1, dtype=np.intp), np.array([kind]), dims[:, [which]])
            numbers = (np.array([column[which]]) for column in (flops, 0.0 * one, traffic))
            timing = time_kernels(
                kinds, *numbers, place.device, place.efficiency, np.array([weights[which]]), products=product
            )
            found[which] = timing.total_s[0]
    return found


def weights_reach(rows: Rows) -> float:
    """Per cent of the bandwidth, in the median, in products of few rows whose weights are four times the cache."""
    m, n, k = rows["m"], rows["n"], rows["k"]
    streamed = (m <= 16.0) & (2.0 * n * k >= 4.0 * rows.cache)
    reached = 2.0 * (n * k + m * (n + k)) / rows.bandwidth / rows.seconds
    return float(100.0 * np.median(reached[streamed]))


def _write_s(rows: Rows) -> Floats:
    """Seconds of the write to the cache, which is timed with prefill, and in networks a part of another kernel."""
    batch, query, shared, width = (rows[n] for n in ("batch_size", "query_length", "num_key_value_heads", "head_dim"))
    found = np.zeros_like(rows.seconds)
    for device in np.unique(rows.device):
        own, place = rows.device == device, _place(str(device))
        bandwidth = place.efficiency.memory["copy"] * place.device.peak_bandwidth()
        moved = 8.0 * batch * query * shared * width  # keys and values, read and written, two bytes each
        found[own] = place.efficiency.launches["copy"] + moved[own] / bandwidth
    return found


@lru_cache(maxsize=8)
def _place(name: str) -> CalibratedDevice:
    device = oracle.load_device(name)
    workload = Workload(dtype="bfloat16", weights="bfloat16", runtime="compiled")
    shipped = calibration_of(device, workload) or prior_calibration(device.kind, workload)
    if shipped is None:
        raise SystemExit(f"{name}: no calibration")
    return CalibratedDevice(device, shipped.efficiency)


def left_out(part: Part, rows: Rows, half: Any, devices: Sequence[str], fixed: Values) -> list[float]:
    """The error on each device of what was fitted to half of the others' rows."""
    errors = []
    for device in devices:
        values = at_once(part, rows.at(half & (rows.device != device)), fixed, tries=1)
        errors.append(error(part, _of(rows, device), of_device(values, device, known=False)))
    return errors


def _of(rows: Rows, device: str) -> Rows:
    return rows.at(rows.device == device)


def _line(errors: Sequence[float]) -> str:
    return "  ".join(f"{value:5.1f}" for value in errors)


def main() -> None:
    """Every table that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for name in asked.only:
        table(name, PARTS[name], PARTS[name].rows(asked.data), asked.seed)


if __name__ == "__main__":
    main()
