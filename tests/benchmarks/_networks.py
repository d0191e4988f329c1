"""Measured networks from the data folder, as kernels: what calibrate.py and validate.py work on.

timm's models are traced here, so that part needs timm beside torch (see the data's README). A cache folder keeps the
traces, for all of them take an hour, and below it what was counted in them: delete `kernels` there when counting or
the classes of kernels have changed.
"""

from __future__ import annotations

import csv
import json
import pickle
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import oracle
from oracle._frozen import Frozen
from oracle.calibration import Prior, RoofTimes, general_prior, kernel_class, roof_times
from oracle.calibration.domain import Domain
from oracle.counting import KernelCount, count
from oracle.counting.networks import count_net, count_table
from oracle.devices import Device
from oracle.imports.points import products_of
from oracle.measure import Measurement, read_measurements
from oracle.optable import OpTable
from oracle.products import NO_PRODUCTS, Products
from oracle.roofline import TEXTBOOK, Efficiency, KernelKinds
from oracle.spec import NetSpec, Workload
from oracle.trace import trace_module

TIMM = "huggingface/pytorch-image-models results, {0}"
NEUSIGHT = "sitar-lab/NeuSight single kernels, torch 2.1, event-timed"
HELP = "HayeonLee/HELP, {0}"

# The published runs name no switches, but their figures do: GMACs of the 4090's table are those of
# reparameterised models, and models with layer or group norm are twice as fast as float32 norms would allow.
# Training ran on torch 1.12, which had no fused attention; torch 2.4 (RTX 3090) computed the scores of attention that
# no fused kernel takes in half precision, later versions in float32.
_REPARAMETERISED = "rtx-4090"
_HALF_SCORES = "rtx-3090"
_CUT = ("kernels", "kinds", "dims")  # of the products
_NORMS = frozenset({"layer_norm", "native_layer_norm", "rms_norm", "group_norm"})


class Kernels(NamedTuple):
    """A network's kernels, free of any device."""

    kinds: KernelKinds
    matrix_flops: Any
    vector_flops: Any
    traffic_bytes: Any
    weight_bytes: Any
    products: Products = NO_PRODUCTS

    def at(self, device: Device, cut: Efficiency = TEXTBOOK) -> RoofTimes:
        """The same on a device that cuts products so."""
        numbers = self.matrix_flops, self.vector_flops, self.traffic_bytes
        return roof_times(self.kinds, *numbers, device, self.weight_bytes, cut=cut, products=self.products)


class Group(NamedTuple):
    """Measurements of one device under one workload (but for the batch size).

    `spaces` are those of the networks, where a device measured several; `families` are left out whole, spaces are not.
    `cut` says how products of the networks are cut.
    """

    device: Device
    workload: Workload
    source: str
    licence: str
    names: list[str]
    families: list[str]
    batches: list[int]
    networks: list[RoofTimes]
    seconds: np.ndarray[Any, np.dtype[np.float64]]
    images: Sequence[int] = ()
    spaces: Sequence[str] = ()
    cut: Efficiency = TEXTBOOK

    def prior(self, host_s: float) -> Prior:
        """What is believed before any of them, of a host that takes so long to launch a kernel."""
        found = general_prior(self.device.kind, self.workload.runtime, host_s)
        return replace(found, efficiency=in_tiles(found.efficiency, self.cut)) if self.cut.tiled else found

    @property
    def domain(self) -> Domain:
        """Batch sizes and image sizes; no limits for single kernels, which have no image."""
        return Domain.of(self.batches, self.images) if self.images else Domain()

    def part(self, chosen: Sequence[int]) -> Group:
        """Some of them."""
        return self._replace(
            names=[self.names[index] for index in chosen],
            families=[self.families[index] for index in chosen],
            batches=[self.batches[index] for index in chosen],
            networks=[self.networks[index] for index in chosen],
            seconds=self.seconds[list(chosen)],
            images=[self.images[index] for index in chosen] if self.images else (),
            spaces=[self.spaces[index] for index in chosen] if self.spaces else (),
        )


def in_tiles(base: Efficiency, cut: Efficiency) -> Efficiency:
    """Shares of a device that cuts products as another does."""
    ways = {name: getattr(cut, name) for name in ("tiling", "attention_tiling", "cached_attention", "cache")}
    return replace(base, compute=widened(base.compute), **ways)


def widened(compute: Mapping[str, float]) -> Mapping[str, float]:
    """Shares of the peak where tiles say what narrow groups cost: grouped convolutions reach what others do."""
    return Frozen({**compute, "grouped": max(compute["grouped"], compute["conv"])})


def timm_groups(
    data: Path,
    cache: Path,
    file: str = "timm_inference.csv",
    cut: Callable[[Device, Workload], Efficiency] = lambda *_: TEXTBOOK,
) -> Iterator[Group]:
    """The inference or training table, by device, dtype, layout and runtime, which cut products so."""
    column = "step_ms" if "training" in file else "latency_ms"
    tables: dict[tuple[str, str, str, str], list[dict[str, str]]] = {}
    for row in _rows(data / file):
        tables.setdefault((row["device"], row["dtype"], row["layout"], row.get("compiled", "0")), []).append(row)
    for (device_name, dtype, layout, compiled), rows in tables.items():
        device = oracle.load_device(device_name)
        workload = Workload(
            dtype=dtype,
            layout=layout,
            runtime="compiled" if compiled == "1" else "eager",
            mode="training" if "training" in file else "inference",
        )
        found = [(row, _timm(row, workload, cache)) for row in rows]
        kept = [(row, kernels) for row, kernels in found if kernels is not None]
        tiles = cut(device, workload)
        yield Group(
            device,
            workload,
            TIMM.format(f"{device_name} {'AMP' if workload.autocast_dtype else dtype}"),
            "Apache-2.0",
            [f"{row['model']}@{row['image_size']}" for row, _ in kept],
            [timm_family(row["model"]) for row, _ in kept],
            [int(row["batch_size"]) for row, _ in kept],
            [kernels.at(device, tiles) for _, kernels in kept],
            np.array([float(row[column]) for row, _ in kept]) * 1e-3,
            [int(row["image_size"]) for row, _ in kept],
        )


def timm_family(model: str) -> str:
    """The letters a model's name begins with, those of a port left out: resnetv, convnext, efficientnet."""
    found = re.match("[a-z]+", re.sub("^(tf|legacy)_", "", model.lower()))
    return found.group(0) if found else model


def _timm(row: dict[str, str], workload: Workload, cache: Path) -> Kernels | None:
    """A model's kernels, from the cache or by tracing; None for one that this timm does not have or we cannot trace."""
    asked = workload.with_(batch_size=int(row["batch_size"]))
    variant = "reparam" if row["device"] == _REPARAMETERISED else "plain"
    if row["device"] == _HALF_SCORES and not asked.training:
        variant += "half"
    words = (row["model"], row["image_size"], row["batch_size"], asked.dtype, asked.mode, variant, asked.layout)
    name = "_".join(words)
    file = cache / "kernels" / f"{name}_{asked.runtime}.npz"
    if file.exists():
        with np.load(file) as stored:
            kinds = KernelKinds(*(tuple(stored[name].tolist()) for name in ("classes", "matrix", "vector")))
            return Kernels(kinds, *stored["numbers"], Products(*(stored[name] for name in _CUT)))
    table = _table(row, asked, variant.startswith("reparam"), cache / f"{name}.pkl")
    if table is None:
        return None
    counted = count(table, asked).kernels
    kernels = _kernels([(table, kernel) for kernel in counted], asked.runner)
    kernels = kernels._replace(products=products_of(counted, table))
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        file,
        classes=np.array(kernels.kinds.op_classes),
        matrix=np.array(kernels.kinds.matrix_dtypes),
        vector=np.array(kernels.kinds.vector_dtypes),
        numbers=np.stack(kernels[1:5]),
        **{name: getattr(kernels.products, name) for name in _CUT},
    )
    return kernels


def _table(row: dict[str, str], workload: Workload, reparameterised: bool, file: Path) -> OpTable | None:
    """A model's trace, from a file that an earlier run wrote, or made and written there."""
    if file.exists():
        table: OpTable = pickle.loads(zlib.decompress(file.read_bytes()))  # noqa: S301 (our own file)
        return table
    with _software(row["device"], workload):
        traced = _traced(row["model"], int(row["image_size"]), workload, reparameterised)
    if traced is None:
        return None
    table = replace(traced, calls=(), functions=())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(zlib.compress(pickle.dumps(table)))
    return table


@contextmanager
def _software(device: str, workload: Workload) -> Iterator[None]:
    """What the versions of torch that measured a device did otherwise than this one."""
    try:
        import torch
        from timm.layers import set_fused_attn
    except ImportError:  # what the cache holds still serves
        yield
        return
    cuda = torch.backends.cuda
    before = cuda.fp16_bf16_reduction_math_sdp_allowed()
    cuda.allow_fp16_bf16_reduction_math_sdp(device == _HALF_SCORES)
    set_fused_attn(not workload.training)
    try:
        yield
    finally:
        cuda.allow_fp16_bf16_reduction_math_sdp(before)
        set_fused_attn(True)


def _traced(model: str, image: int, workload: Workload, reparameterised: bool) -> OpTable | None:
    import torch

    from oracle.errors import OracleError
    from oracle.trace import autocast, trace

    try:
        import timm  # type: ignore[import-not-found]
    except ImportError:  # what the cache holds still serves
        return None

    own = autocast.FLOAT32, autocast.HALF
    if workload.autocast_dtype:  # timm's fast norms, which ask the device's autocast state and find none on meta
        autocast.FLOAT32, autocast.HALF = autocast.FLOAT32 - _NORMS, autocast.HALF | _NORMS
    try:
        with torch.device("meta"):
            try:
                net = timm.create_model(model, pretrained=False, img_size=image)
            except TypeError:
                net = timm.create_model(model, pretrained=False)
            net = net.train(workload.training)
            if reparameterised:
                net = timm.utils.reparameterize_model(net)
        x = torch.empty(workload.batch_size, 3, image, image, device="meta")
        if workload.layout == "nhwc":
            x = x.contiguous(memory_format=torch.channels_last)
        return trace(net, (x,), {}, workload, loss=_cross_entropy if workload.training else None).table
    except (OracleError, RuntimeError) as error:
        print(f"{model}: left out: {str(error)[:100]}")
        return None
    finally:
        autocast.FLOAT32, autocast.HALF = own


def _cross_entropy(output: Any) -> Any:
    import torch

    scores = output[0] if isinstance(output, (tuple, list)) else output
    target = torch.empty(scores.shape[0], dtype=torch.int64, device=scores.device)
    return torch.nn.functional.cross_entropy(scores, target)


def _kernels(counted: Sequence[tuple[OpTable, KernelCount]], runner: str) -> Kernels:
    kernels = [kernel for _, kernel in counted]
    return Kernels(
        KernelKinds(
            tuple(kernel_class(table, kernel.rows, runner) for table, kernel in counted),
            tuple(kernel.matrix_dtype for kernel in kernels),
            tuple(kernel.vector_dtype for kernel in kernels),
        ),
        np.array([kernel.matrix_flops for kernel in kernels], dtype=np.float64),
        np.array([kernel.vector_flops for kernel in kernels], dtype=np.float64),
        np.array([kernel.read_bytes + kernel.write_bytes for kernel in kernels], dtype=np.float64),
        np.array([kernel.weight_bytes for kernel in kernels], dtype=np.float64),
    )


# -- design spaces -----------------------------------------------------------------------------------------------

# column of the table: device, batch size, runtime
_SPACES: dict[str, tuple[str, int, str]] = {
    "1080ti": ("gtx-1080-ti", 0, "eager"),
    "2080ti": ("rtx-2080-ti", 0, "eager"),
    "gold_6226": ("gold-6226", 1, "eager"),
    "pixel2": ("pixel-2", 1, "eager"),  # one kernel per operator explains both phones better than fused ones
    "raspi4": ("raspberry-pi-4", 1, "engine"),
    "samsung_a50": ("samsung-a50", 1, "eager"),
}


def space_groups(data: Path, space: str, limit: int, seed: int = 0) -> Iterator[tuple[str, Group]]:
    """(column, group) for every column of nasbench201 or fbnet, for a random part of its rows."""
    rows = _rows(data / f"{space}_latency_ms.csv")
    chosen = [rows[index] for index in np.random.default_rng(seed).permutation(len(rows))[:limit]]
    specs = [_spec(space, row["arch"]) for row in chosen]
    for column in (name for name in chosen[0] if name != "arch"):
        key = column if column in _SPACES else column.rpartition("_")[0]
        name, batch, runtime = _SPACES[key]
        workload = Workload(batch_size=batch or int(column.rpartition("_")[2]), runtime=runtime)
        device = oracle.load_device(name)
        yield (
            column,
            Group(
                device,
                workload,
                HELP.format(f"{space} {column}"),
                "MIT",
                [row["arch"] for row in chosen],
                [space] * len(chosen),
                [workload.batch_size] * len(chosen),
                [_of_spec(spec, workload).at(device) for spec in specs],
                np.array([float(row[column]) for row in chosen]) * 1e-3,
                [32] * len(chosen),
            ),
        )


def _of_spec(spec: NetSpec, workload: Workload) -> Kernels:
    counted = count_net(spec, workload)
    return _kernels([(counted.table, kernel) for kernel in counted.kernels], workload.runner)


def _spec(space: str, arch: str) -> NetSpec:
    if space == "nasbench201":
        return oracle.to_spec(oracle.load_cfg("NB201-ResNet", ["NB201.ARCH", arch]))
    # HELP calls them ImageNet's, but its GPU columns lie below the roofline of 224 x 224 images from 64 on, while the
    # networks for CIFAR-100 explain every column: rank correlations of .95 to .99 instead of .65 to .79 at batches of
    # 32 and 64.
    cifar = ["TRAIN.DATASET", "cifar100", "TRAIN.IM_SIZE", 32, "MODEL.NUM_CLASSES", 100]
    return oracle.to_spec(oracle.load_cfg("FBNet-C", ["FBNET.OPS", [int(word) for word in arch.split()], *cifar]))


# -- torchvision networks on a Jetson -----------------------------------------------------------------------------

TORCH2TRT = "NVIDIA-AI-IOT/torch2trt results, {0}"


def jetson_groups(data: Path, cut: Efficiency = TEXTBOOK) -> Iterator[Group]:
    """Eager PyTorch, then TensorRT, which cuts products so, both with `model.half()`; needs torchvision beside torch."""
    import torch
    import torchvision  # type: ignore[import-not-found]

    rows, device = _rows(data / "jetson_tensorrt.csv"), oracle.load_device("jetson-nano")
    for runtime, column, software, own in (
        ("eager", "pytorch_ms", "PyTorch", TEXTBOOK),
        ("engine", "tensorrt_ms", "TensorRT", cut),
    ):
        workload = Workload(dtype="float16", runtime=runtime)
        networks = []
        for row in rows:
            with torch.device("meta"):
                module = torchvision.models.get_model(row["torchvision_model"], weights=None).eval().half()
                x = torch.empty(*map(int, row["input"].split("x")), dtype=torch.float16)
            counted = count_table(trace_module(module, (x,), {}, workload), workload)
            kernels = _kernels([(counted.table, kernel) for kernel in counted.kernels], runtime)
            kernels = kernels._replace(products=products_of(counted.kernels, counted.table))
            networks.append(kernels.at(device, own))
        names = [row["torchvision_model"] for row in rows]
        yield Group(
            device,
            workload,
            TORCH2TRT.format(software),
            "MIT",
            names,
            [timm_family(name) for name in names],
            [1] * len(rows),
            networks,
            np.array([float(row[column]) for row in rows]) * 1e-3,
            [224] * len(rows),
            cut=own,
        )


# -- single kernels ----------------------------------------------------------------------------------------------

KERNELS = ("conv", "linear", "bmm", "add", "gelu", "softmax", "ln")
_DEVICES = {"t4": "t4", "p4": "p4", "v100-pcie-32gb": "v100-pcie"}


def kernel_groups(data: Path) -> Iterator[tuple[str, Group]]:
    """(operator, group) for every table of single kernels and device; all float32."""
    for operator in KERNELS:
        rows = _rows(data / "kernels" / f"{operator}.csv")
        for word, name in _DEVICES.items():
            device, own = oracle.load_device(name), [row for row in rows if row["device"] == word]
            singles = [_single(operator, row) for row in own]
            yield (
                operator,
                Group(
                    device,
                    Workload(),
                    NEUSIGHT,
                    "MIT",
                    [operator] * len(own),
                    [operator] * len(own),
                    [1] * len(own),
                    [kernels.at(device) for kernels in singles],
                    np.array([float(row["Latency"]) for row in own]) * 1e-3,
                ),
            )


# -- a folder of gpu_truth.py -------------------------------------------------------------------------------------

_BYTES = {"float32": 4, "tf32": 4, "float16": 2, "bfloat16": 2, "float8": 1}
_RESULT = {"float8": 2}  # a product's, in bfloat16


def truth_device(folder: Path) -> Device:
    """The device that a folder is of: a shipped one of that name, for its sheet, or else the one that was probed."""
    name = json.loads((folder / "machine.json").read_text(encoding="utf-8"))["asked"]["name"]
    return oracle.load_device(name if name in oracle.list_devices() else folder / f"{name}.yaml")


def truth_networks(folder: Path) -> Iterator[tuple[str, Group]]:
    """(title, group) for each workload, but for the batch size, of the networks that gpu_truth.py measured."""
    device = truth_device(folder)
    for place in ("", "graphs", "half"):
        if not (folder / place / "networks.csv").exists():
            continue
        tables: dict[Workload, list[Measurement]] = {}
        for item in read_measurements(folder / place):
            tables.setdefault(item.workload.with_(batch_size=1), []).append(item)
        for workload, items in tables.items():
            cfgs = [oracle.load_cfg(item.network) for item in items]
            kernels = [_of_spec(oracle.to_spec(cfg), item.workload) for cfg, item in zip(cfgs, items, strict=True)]
            words = (place, workload.runtime, workload.mode, workload.dtype, workload.layout)
            yield (
                ".".join(filter(None, words)),
                Group(
                    device,
                    workload,
                    f"gpu_truth.py on {device.title}",
                    "own",
                    [item.network for item in items],
                    [str(cfg.MODEL.TYPE) for cfg in cfgs],
                    [item.workload.batch_size for item in items],
                    [own.at(device) for own in kernels],
                    np.array([item.latency_ms for item in items]) * 1e-3,
                ),
            )


def truth_kernels(folder: Path) -> Iterator[tuple[str, Group]]:
    """(title, group) for each table of single kernels and dtype that the device has a peak for."""
    device = truth_device(folder)
    for path in sorted((folder / "gpu_kernels").glob("*.csv")):
        tables: dict[str, list[dict[str, str]]] = {}
        for row in _rows(path):
            tables.setdefault(row["dtype"], []).append(row)
        for dtype, rows in tables.items():
            if dtype not in device.dtypes:
                continue
            singles = [_truth_kernel(path.stem, row) for row in rows]
            yield (
                f"{path.stem} {dtype}",
                Group(
                    device,
                    Workload(),
                    f"gpu_truth.py on {device.title}",
                    "own",
                    [path.stem] * len(rows),
                    [path.stem] * len(rows),
                    [1] * len(rows),
                    [kernels.at(device) for kernels in singles],
                    np.array([float(row["latency_ms"]) for row in rows]) * 1e-3,
                ),
            )


def _truth_kernel(table: str, row: dict[str, str]) -> Kernels:
    """A row of gpu_truth.py: FLOPs, and bytes of what it reads and writes once."""

    def size(name: str, other: str = "") -> int:
        return int(row.get(name) or row[other])

    dtype, width = row["dtype"], _BYTES[row["dtype"]]
    if table == "gemm":
        m, n, k = (size(name) for name in "mnk")
        traffic = width * (m + n) * k + _RESULT.get(dtype, width) * m * n
        return _one("matmul", 2 * m * n * k, 0, traffic, width * n * k, dtype)
    batch = size("batch_size")
    if table == "convolution":
        w_in, w_out, window, groups = (size(name) for name in ("w_in", "w_out", "kernel", "groups"))
        image = size("image_size")
        out = (image + 2 * (window // 2) - window) // size("stride") + 1
        filters = w_out * w_in // groups * window**2
        kind = (
            "depthwise"
            if 1 < groups == w_in
            else "grouped"
            if groups > 1
            else "conv"
            if window > 1
            else "pointwise_conv"
        )
        elements = batch * (w_in * image**2 + w_out * out**2) + filters
        return _one(kind, 2 * batch * out**2 * filters, 0, width * elements, width * filters, dtype)
    heads, queries, dim = size("num_heads"), size("query_length"), size("head_dim")
    keys = queries + (size("past_length") if table == "attention_decode" else 0)
    seen = queries * (queries + 1) // 2 if table == "attention_prefill" else queries * keys
    cached = 2 * size("num_key_value_heads", "num_heads") * keys
    traffic = width * batch * dim * (2 * heads * queries + cached)
    return _one("attention", 4 * batch * heads * seen * dim, 0, traffic, 0, dtype)


def _single(operator: str, row: dict[str, str]) -> Kernels:
    def size(name: str) -> int:
        return int(float(row[name]))

    matrix = vector = 0
    if operator == "conv":
        batch, w_in, w_out, kernel = (size(n) for n in ("B", "Input_Channel", "Output_Channel", "Kernel_Szie"))
        side = size("Input_Size")
        out = (side + 2 * size("Padding") - kernel) // size("Stride") + 1
        matrix = 2 * batch * w_out * out * out * w_in * kernel * kernel
        filters = w_out * w_in * kernel * kernel
        elements = batch * w_in * side * side + filters + batch * w_out * out * out
        return _one("conv", matrix, 0, 4 * elements, 4 * filters)
    if operator in ("linear", "bmm"):
        # The grids of the measured kernels say that the column N is what is summed over, and K what comes out.
        b, m, k, n = (size(name) for name in "BMNK")
        weights = k * n + n if operator == "linear" else b * k * n
        elements = b * m * k + weights + b * m * n
        return _one("matmul", 2 * b * m * n * k, 0, 4 * elements, 4 * weights if operator == "linear" else 0)
    elements = size("B") * size("H")
    kind, vector, tensors = {
        "add": ("elementwise", 1, 3),
        "gelu": ("activation", 8, 2),
        "softmax": ("softmax", 5, 2),
        "ln": ("layer_norm", 8, 2),
    }[operator]
    return _one(kind, 0, vector * elements, 4 * tensors * elements)


def _one(kind: str, matrix: int, vector: int, traffic: int, weights: int = 0, dtype: str = "float32") -> Kernels:
    kinds = KernelKinds((kind,), (dtype,), ("float32",))
    return Kernels(kinds, *(np.array([float(number)]) for number in (matrix, vector, traffic, weights)))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
