"""What a network and its workload are, as frozen, hashable values.

A network is a chain of cells: stem, blocks, head. A cell is a kind (the name of an nn.Module in
`oracle.cells`) and that module's arguments; families do all arithmetic on config values, so that a cell
sees final integers only. Two candidates that are equal as specs are the same network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from numbers import Integral
from typing import Any

from oracle.errors import WorkloadError

__all__ = [
    "CELL_NAMES",
    "DELTA_CHUNK",
    "DTYPES",
    "ENGINES",
    "GENERIC",
    "HALVES",
    "LAYOUTS",
    "LOSS",
    "MODES",
    "MXFP4",
    "OPTIMIZERS",
    "QUANTISED_WEIGHTS",
    "RUNTIMES",
    "TOKEN_DTYPE",
    "TOKEN_RANK",
    "WEIGHTS",
    "WEIGHT_GROUPS",
    "CellSpec",
    "NetSpec",
    "Scalar",
    "Workload",
    "checked_dtypes",
    "implied",
    "workload_with",
]

Scalar = int | float | bool | str

TOKEN_DTYPE = "int64"  # noqa: S105 - no password
TOKEN_RANK = 2
"""What a batch of inputs of one dimension is: (sequences, tokens), numbers of a vocabulary."""

DTYPES = ("float32", "tf32", "float16", "bfloat16", "float8", "int8")
MODES = ("inference", "training")
RUNTIMES = ("eager", "compiled", "engine")
GENERIC = "generic"
ENGINES = (GENERIC, "onnxruntime", "openvino", "litert", "ncnn", "tensorrt", "coreml")
LAYOUTS = ("nchw", "nhwc")
OPTIMIZERS = ("sgd", "adamw")
HALVES = ("float16", "bfloat16")
MXFP4 = "float4"
"""The weights of experts alone in four bits (OCP Microscaling formats, 2023), as gpt-oss has them."""
QUANTISED_WEIGHTS = ("int8", "int4", "float8", MXFP4)
WEIGHTS = ("", "float32", *HALVES, *QUANTISED_WEIGHTS)
CELL_NAMES = re.compile(r"(stem|block|head)[0-9]*|s[0-9]+(_b[0-9]+)?")
"""What cells, stages and all cells of a role may be called."""

WEIGHT_GROUPS = {"int4": 128, MXFP4: 32}
"""Inputs of a linear layer, or of an expert, that share a scale where weights alone are in four bits."""

DELTA_CHUNK = 64
"""Tokens that the chunked delta rule takes at once, in flash-linear-attention and in transformers."""


@dataclass(frozen=True, slots=True)
class CellSpec:
    """One cell: a kind and the keyword arguments of its module, in the order the family gave them."""

    kind: str
    params: tuple[tuple[str, Scalar], ...]

    @classmethod
    def make(cls, kind: str, **params: Scalar) -> CellSpec:
        """`CellSpec.make("simple_stem_in", w_in=3, w_out=32)`."""
        return cls(kind, tuple(params.items()))

    @property
    def kwargs(self) -> dict[str, Scalar]:
        """The arguments as a new dict."""
        return dict(self.params)

    def __getitem__(self, name: str) -> Scalar:
        for key, value in self.params:
            if key == name:
                return value
        raise KeyError(name)


LOSS = CellSpec("cross_entropy", ())
"""The cell that training appends to every network."""


@dataclass(frozen=True, slots=True)
class NetSpec:
    """A chain of cells and the shape of one input.

    Attributes:
        cells: stem, blocks and head, in the order of execution.
        input_shape: (channels, height, width) of one image, or (tokens,) of one sequence.
        name: for people; two specs that differ in name only are equal.
        dtypes: of cells or stages that compute in another type than the workload's: (name, dtype) pairs, by name; a
            mapping is taken as well. A name is that of a cell as tables have it (`s3_b1`), of a stage (`s3`), or stem,
            block or head for all of these; the nearest counts. An engine that runs it quantises and casts between
            cells, see `oracle.closedform.mixed`.
        notes: lines for people on what of the network its cells leave out.
        others: the other parts of a pipeline of which this is one, where they differ (`oracle.query.parts`).

    Raises:
        WorkloadError: a name that no cell has, or an unknown dtype.
    """

    cells: tuple[CellSpec, ...]
    input_shape: tuple[int, ...]
    name: str = field(default="", compare=False)
    dtypes: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)
    others: tuple[NetSpec, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if self.dtypes:
            object.__setattr__(self, "dtypes", checked_dtypes(self.dtypes))

    @property
    def stated_dtypes(self) -> tuple[str, ...]:
        """The types that some of its cells may have beside the workload's."""
        return tuple(dict.fromkeys(dtype for _, dtype in self.dtypes))


def checked_dtypes(dtypes: Mapping[str, str] | Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """What `NetSpec.dtypes` holds, sorted.

    Raises:
        WorkloadError: as `NetSpec`.
    """
    pairs = sorted(dict(dtypes).items())
    for name, dtype in pairs:
        if not CELL_NAMES.fullmatch(name):
            raise WorkloadError(
                f"dtypes.{name}={dtype!r}: expected a stage or cell, such as stem, s3, s3_b1, block or head"
            )
        if dtype not in DTYPES:
            raise WorkloadError(f"dtypes.{name}={dtype!r}: expected one of {', '.join(DTYPES)}")
    return tuple(pairs)


@dataclass(frozen=True, slots=True)
class Workload:
    """Who runs the network and how; every cost is stated for one workload.

    Attributes:
        batch_size: images per call, >= 1.
        dtype: float32; tf32 (float32 storage, TF32 matrix units); float16 or bfloat16 (autocast, which keeps some
            operators in float32; nothing is autocast where `weights` are of that type, too); float8 or int8 (tensors
            quantised to one byte, but for vectors: `oracle.counting.quantised`; `engine` inference only).
        mode: inference (forward), or training (forward, backward and optimiser step).
        runtime: eager, compiled or engine, see `oracle.counting.fusion`.
        layout: memory order of images, nchw or nhwc (channels last).
        optimizer: sgd (momentum) or adamw; only training looks at it.
        weights: the type that a module's parameters, buffers and images are stored in. "" is the usual one: float32,
            which autocast casts at every call (an engine casts weights once, when it is built: see `weights_dtype`).
            float16 or bfloat16, with that dtype: what `module.half()` gives, without autocast and its casts; in
            training without float32 masters, gradients and optimiser state in half precision as well. int8, float8
            or int4: an engine keeps the weights of products quantised, and computes in `dtype`; float4: those of a
            decoder's experts (`oracle.counting.quantised`). The usual one by its name, or None, is "".
        engine: which engine runs it, where the runtime is `engine`: what it fuses and keeps apart differs. generic
            stands for what all of them do. `with_` and the keywords of `oracle.score` choose the runtime with it.
        threads: of a processor, that run it; 0 for as many as the device's stated peak needs. Other devices have none.
        host: the processor that launches a GPU's kernels, by the name or the path of its device file; "" for the one
            that each device is taken to have (`oracle.devices.hosts`). Times alone depend on it.
        cuda_graphs: whether a GPU replays kernels that were recorded once, so that no host launches them: what
            `torch.compile(mode="reduce-overhead")` and `torch.cuda.graph` do, torch.compile's default mode does not,
            and engines do anyway. Times alone depend on it.
        causal: how causal attention counts: full (all scores, as torch's FlopCounterMode), or half (those under
            the diagonal, which is what kernels that skip masked blocks compute).
    """

    batch_size: int = 1
    dtype: str = "float32"
    mode: str = "inference"
    runtime: str = "eager"
    layout: str = "nchw"
    optimizer: str = "sgd"
    causal: str = "full"
    weights: str = ""
    engine: str = GENERIC
    threads: int = 0
    host: str = ""
    cuda_graphs: bool = False

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("threads", 0)):
            object.__setattr__(self, name, _whole(name, getattr(self, name), least))
        domains: Mapping[str, tuple[str, ...]] = {
            "dtype": DTYPES,
            "mode": MODES,
            "runtime": RUNTIMES,
            "layout": LAYOUTS,
            "optimizer": OPTIMIZERS,
            "causal": ("full", "half"),
            "weights": WEIGHTS,
            "engine": ENGINES,
        }
        if self.weights is None:
            object.__setattr__(self, "weights", "")
        if not isinstance(self.host, str):
            raise WorkloadError(f"host={self.host!r}: expected the name of a processor")
        if not isinstance(self.cuda_graphs, bool):
            raise WorkloadError(f"cuda_graphs={self.cuda_graphs!r}: expected true or false")
        for name, domain in domains.items():
            value = getattr(self, name)
            if value not in domain:
                raise WorkloadError(f"{name}={value!r}: expected one of {', '.join(filter(None, domain))}")
        if self.engine != GENERIC and self.runtime != "engine":
            raise WorkloadError(f"engine={self.engine!r}: expected runtime='engine', got runtime={self.runtime!r}")
        if self.is_quantised and (self.runtime, self.mode) != ("engine", "inference"):
            raise WorkloadError(
                f"dtype={self.dtype!r} needs runtime='engine' and mode='inference', "
                f"got runtime={self.runtime!r} and mode={self.mode!r}"
            )
        if self.weights:
            self._check_weights()

    def _check_weights(self) -> None:
        """Refuse weights that no runtime has with the dtype; the usual ones are "", so that equal workloads are."""
        if self.weights in HALVES and self.weights == self.dtype:
            return
        usual = self.with_(weights="").weights_dtype
        if self.weights in QUANTISED_WEIGHTS and not self.is_quantised:
            if (self.runtime, self.mode) != ("engine", "inference"):
                raise WorkloadError(
                    f"weights={self.weights!r} needs runtime='engine' and mode='inference', "
                    f"got runtime={self.runtime!r} and mode={self.mode!r}"
                )
            return
        if self.weights != usual:
            half = f", or dtype={self.weights!r}" if self.weights in HALVES else ""
            half = f", or {self.dtype!r}" if self.dtype in HALVES else half
            raise WorkloadError(
                f"weights={self.weights!r}: with dtype={self.dtype!r}, runtime={self.runtime!r} weights "
                f"are in {usual}; expected none{half}"
            )
        object.__setattr__(self, "weights", "")

    @property
    def is_quantised(self) -> bool:
        """Whether weights and activations are stored in one byte."""
        return self.dtype in ("float8", "int8")

    @property
    def autocast_dtype(self) -> str | None:
        """The half precision that autocast chooses, or None."""
        return self.dtype if self.dtype in HALVES and self.weights not in HALVES else None

    @property
    def unquantised(self) -> Workload:
        """The workload before weights alone are quantised: all of a network in half precision is, in half precision."""
        if self.weights not in QUANTISED_WEIGHTS:
            return self
        return self.with_(weights=self.dtype if self.dtype in HALVES else "")

    @property
    def module_dtype(self) -> str:
        """The type of a module's parameters and images, before anything is cast."""
        weights = self.unquantised.weights
        return weights if weights in HALVES else "float32"

    def input_dtype(self, rank: int) -> str:
        """The type of an input of so many dimensions, its batch included: tokens are numbers."""
        return TOKEN_DTYPE if rank == TOKEN_RANK else self.module_dtype

    @property
    def weights_dtype(self) -> str:
        """The type that weights are stored in where the network runs: an engine keeps those that its kernels read."""
        if self.weights in QUANTISED_WEIGHTS:
            return self.weights
        if self.weights or self.runtime != "engine" or self.training:
            return self.module_dtype
        return "float32" if self.dtype == "tf32" else self.dtype

    @property
    def runner(self) -> str:
        """What runs it in a word: the engine where one is named, else the runtime."""
        return self.runtime if self.engine == GENERIC else self.engine

    @property
    def training(self) -> bool:
        """Whether a backward pass and an optimiser step are part of a call."""
        return self.mode == "training"

    @property
    def runtimes(self) -> tuple[str, ...]:
        """The runtimes that there are for its mode: engines deploy, they do not train."""
        return tuple(runtime for runtime in RUNTIMES if runtime != "engine" or not self.training)

    def to_dict(self) -> dict[str, Any]:
        """Its fields: plain data for JSON, and the words that `oracle.score` takes."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def in_dtype(self, dtype: str) -> Workload:
        """The workload of a network, or of a cell, that computes in another type.

        Weights in half precision follow to another half, and quantised ones stay where nothing else is quantised.
        """
        if dtype == self.dtype:
            return self
        halves = self.weights in HALVES
        weights = dtype if halves and dtype in HALVES else "" if halves or dtype in ("float8", "int8") else self.weights
        return workload_with({**self.to_dict(), "dtype": dtype, "weights": weights})

    def with_(self, **changes: Any) -> Workload:
        """A copy with some fields changed; None means unchanged.

        An engine that is named brings its runtime along, and another runtime has no engine.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        return workload_with({**self.to_dict(), **implied(given), **given})


def implied(given: Mapping[str, Any]) -> dict[str, Any]:
    """What fields of a workload say of others that are not given: an engine its runtime, a runtime that it has none."""
    if given.get("engine", GENERIC) != GENERIC:
        return {"runtime": "engine"}
    return {"engine": GENERIC} if given.get("runtime", "engine") != "engine" else {}


def workload_with(fields: Mapping[str, Any]) -> Workload:
    """The workload of some fields; those that are equal are one object, for checking takes longer than finding.

    Raises:
        WorkloadError: as `Workload`.
    """
    try:
        return _kept(tuple(fields.items()), tuple(map(type, fields.values())))
    except TypeError:  # a list, say, or no field of a workload
        return Workload(**fields)


def _whole(name: str, value: Any, least: int) -> int:
    """A field as a plain integer, where numpy's or another was given."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise WorkloadError(f"{name}={value!r}: expected an integer of at least {least}")
    return int(value)


@lru_cache(maxsize=1024)
def _kept(fields: tuple[tuple[str, Any], ...], _types: tuple[type, ...]) -> Workload:  # True equals 1
    return Workload(**dict(fields))
