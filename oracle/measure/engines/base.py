"""What an engine does for us, which there are, and what each can run here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from oracle.errors import MissingDependencyError, WorkloadError
from oracle.spec import GENERIC, NetSpec, Workload

if TYPE_CHECKING:
    from oracle.imports.engines import Layer
    from oracle.measure.engines.models import Models


class Session(Protocol):
    """A network that an engine has loaded, with its images."""

    def __call__(self) -> Any:
        """One call: the scores, an array (N, classes) or what numpy makes one of."""

    def profile(self, repeats: int) -> tuple[Layer, ...]:
        """The nodes that ran in so many further calls, in order of execution; of a session loaded to be profiled."""


class Engine(Protocol):
    """How networks get into an engine."""

    def session(
        self, net: NetSpec, workload: Workload, threads: int, models: Models, *, profiled: bool = False
    ) -> Session:
        """Export the network (once per folder of models), quantise it on request, and load it.

        Args:
            net, workload: what is to run; `check_engine` has passed.
            threads: that a call may use.
            models: where exported files are kept.
            profiled: whether `Session.profile` will be called, which can make calls slower.

        Raises:
            OracleError: it is to be profiled, and has no profiler with a Python interface.
        """


class _Entry(NamedTuple):
    """What is known of an engine before its packages are imported.

    Attributes:
        module, name: where its adapter is.
        modules: what has to be importable, by the name of the package that brings it.
        dtypes, layouts: what it runs here. float16 and bfloat16 are storage and arithmetic where the processor has it.
        quantiser: further packages that int8 needs.
        device: where it runs: cpu or cuda.
    """

    module: str
    name: str
    modules: Mapping[str, str]
    dtypes: tuple[str, ...]
    layouts: tuple[str, ...] = ("nchw",)
    quantiser: Mapping[str, str] = {}
    device: str = "cpu"


_ONNX = {"onnx": "onnx", "onnxscript": "onnxscript"}
_ENTRIES = {
    "onnxruntime": _Entry("onnxruntime", "OnnxRuntime", {**_ONNX, "onnxruntime": "onnxruntime"}, ("float32", "int8")),
    "openvino": _Entry(
        "openvino",
        "OpenVino",
        {**_ONNX, "openvino": "openvino"},
        ("float32", "bfloat16", "float16", "int8"),
        quantiser={"nncf": "nncf"},
    ),
    "litert": _Entry(
        "litert",
        "LiteRt",
        {"ai-edge-litert": "ai_edge_litert", "litert-torch": "litert_torch"},
        ("float32", "int8"),
        ("nchw", "nhwc"),
        quantiser={"ai-edge-quantizer": "ai_edge_quantizer"},
    ),
    "ncnn": _Entry("ncnn", "Ncnn", {"ncnn": "ncnn", "pnnx": "pnnx"}, ("float32", "float16")),
    "tensorrt": _Entry(
        "tensorrt",
        "TensorRt",
        {**_ONNX, "tensorrt": "tensorrt"},
        ("float32", "tf32", "float16", "bfloat16", "int8"),
        quantiser={"onnxruntime": "onnxruntime"},
        device="cuda",
    ),
}
_ELSEWHERE = {
    "tensorrt": "; or run trtexec --exportTimes or --exportProfile there, and read that with `oracle import`",
    "coreml": "time it in Xcode's performance report on the device, and write a CSV for `oracle calibrate`",
}


def engine_of(name: str) -> Engine:
    """The adapter of an engine; `check_engine` says what is wrong with a name that has none."""
    entry = _ENTRIES[name]
    found: Engine = getattr(import_module(f"oracle.measure.engines.{entry.module}"), entry.name)()
    return found


def release_of(name: str) -> str:
    """The versions of an engine and of what makes its models: `onnxruntime 1.32.0, onnx 1.23.2, ...`."""
    entry = _ENTRIES[name]
    packages = sorted({**entry.modules, **entry.quantiser}, key=lambda package: package != name)
    return ", ".join(f"{package} {_version(package)}" for package in packages if _version(package))


def check_engine(workload: Workload, device: str) -> None:
    """Refuse what no engine runs here, before anything is built.

    Raises:
        WorkloadError: no engine is named, or it cannot be measured here, or not under this workload.
        MissingDependencyError: its packages are not installed.
    """
    name = workload.engine
    if name == GENERIC:
        raise WorkloadError(f"runtime='engine': no engine is named; expected engine={', '.join(_ENTRIES)}")
    if name not in _ENTRIES:
        raise WorkloadError(f"engine={name!r} cannot be measured here: {_ELSEWHERE[name]}")
    entry = _ENTRIES[name]
    if device.partition(":")[0] != entry.device:
        where = f"engine={name!r} is measured on {'the cpu' if entry.device == 'cpu' else entry.device}, got {device=}"
        raise WorkloadError(where + _ELSEWHERE.get(name, ""))
    for key, words in (("mode", ("inference",)), ("dtype", entry.dtypes), ("layout", entry.layouts)):
        value = getattr(workload, key)
        if value not in words:
            raise WorkloadError(f"{key}={value!r}: expected {' or '.join(words)} with engine={name!r} here")
    if workload.weights:
        raise WorkloadError(f"weights={workload.weights!r}: engine={name!r} is measured with the usual weights here")
    needed = {**entry.modules, **(entry.quantiser if workload.is_quantised else {})}
    missing = [package for package, module in needed.items() if find_spec(module) is None]
    if missing:
        raise MissingDependencyError(
            f"engine={name!r} needs {' and '.join(missing)}: pip install {' '.join(missing)}"
            + (", or 'nas-cost-oracle[engines]'" if entry.device == "cpu" else "")
        )


def check_dtypes(net: NetSpec, workload: Workload) -> None:
    """Refuse types by stage that no engine runs here.

    Raises:
        WorkloadError: another engine than ONNX Runtime, or other types than its float32 and int8.
    """
    entry = _ENTRIES["onnxruntime"]
    if net.dtypes and (workload.engine != "onnxruntime" or not set(net.stated_dtypes) <= set(entry.dtypes)):
        raise WorkloadError(
            f"dtypes={dict(net.dtypes)}: types by stage are measured with engine='onnxruntime' and "
            f"{' or '.join(entry.dtypes)}, got engine={workload.engine!r}"
        )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
