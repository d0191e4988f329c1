"""Our kernels beside the nodes of real engines' optimised graphs: python -m tests.benchmarks.engine_graphs [NET...].

Every network is exported to ONNX and loaded by ONNX Runtime (all optimisations, its graph written out) and OpenVINO
(its runtime model) on this processor. Norms get random weights, as engines drop a scale of 1 and a shift of 0. Views
(Reshape, Squeeze, ...) are no nodes; neither are OpenVINO's layout changes (Reorder, Transpose) nor, beside them, our
copies. Needs onnx, onnxscript, onnxruntime, openvino, and torchvision for four of the networks.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

import oracle
from oracle.counting.networks import count_table
from oracle.spec import Workload
from oracle.trace import trace_module

OURS = ("RegNetX-400MF", "RegNetY-400MF", "ResNet-50", "EfficientNet-B0", "ViT-S-16", "RegNetX-1.6GF")
TORCHVISION = ("densenet121", "swin_t", "mobilenet_v3_large", "convnext_tiny")
VIEWS = frozenset(
    "Reshape Squeeze Unsqueeze Flatten Identity Constant Shape Input Output Const Result Parameter".split()
)
LAYOUTS = frozenset({"Reorder", "Transpose"})
COPIES = frozenset({"aten.clone", "oracle.reorder", "oracle.transpose"})


def network(name: str) -> nn.Module:
    """A network with weights."""
    if name in TORCHVISION:
        import torchvision

        net: nn.Module = getattr(torchvision.models, name)(weights=None)
    else:
        net = oracle.initialise(oracle.build(name), seed=0)
    return with_random_norms(net)


def with_random_norms(net: nn.Module) -> nn.Module:
    """The network in evaluation mode, scales and shifts of its norms drawn."""
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for part in net.modules():
            tensors: list[Any] = (
                [*part.parameters(recurse=False), *part.buffers(recurse=False)] if _is_norm(part) else []
            )
            tensors += [part.layer_scale] if isinstance(getattr(part, "layer_scale", None), nn.Parameter) else []
            for tensor in tensors:
                if tensor.is_floating_point():
                    tensor.copy_(torch.rand(tensor.shape, generator=draw) + 0.5)
    return net.eval()


def _is_norm(part: nn.Module) -> bool:
    return "Norm" in type(part).__name__


def onnxruntime_nodes(file: Path) -> Counter[str]:
    """Operators of ONNX Runtime's optimised graph."""
    onnx, onnxruntime = import_module("onnx"), import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(file.with_suffix(".optimised"))
    options.log_severity_level = 3
    onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)


def openvino_nodes(file: Path) -> Counter[str]:
    """Primitives of OpenVINO's runtime model."""
    core = import_module("openvino").Core()
    model = core.compile_model(core.read_model(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    kinds = (node.get_rt_info()["layerType"] for node in model.get_runtime_model().get_ordered_ops())
    return Counter(str(getattr(kind, "value", kind)) for kind in kinds)


GRAPHS: dict[str, Callable[[Path], Counter[str]]] = {
    "onnxruntime": onnxruntime_nodes,
    "openvino": openvino_nodes,
}


def nodes(net: nn.Module, image: torch.Tensor, engine: str) -> Counter[str]:
    """What an engine runs, without views."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "net.onnx"
        torch.onnx.export(net, (image,), file, dynamo=True, external_data=False, verbose=False)
        found = GRAPHS[engine](file)
    left = VIEWS | (LAYOUTS if engine == "openvino" else set())
    return Counter({kind: number for kind, number in found.items() if kind not in left})


def kernels(net: nn.Module, image: torch.Tensor, engine: str) -> tuple[Counter[str], int]:
    """What we say that it runs, and the bytes that this moves."""
    workload = Workload(runtime="engine", engine=engine)
    found = count_table(trace_module(net, (image,), {}, workload), workload).kernels
    left = COPIES if engine == "openvino" else frozenset[str]()
    names = Counter(kernel.name for kernel in found if kernel.name.split(" ")[0] not in left)
    return names, sum(kernel.read_bytes + kernel.write_bytes for kernel in found)


def main(names: list[str]) -> int:
    """Print a table, and return the exit code: 1 where a count is more than 10 % off."""
    worst = 0.0
    print(f"{'network':20} {'engine':12} {'ours':>5} {'theirs':>6} {'off':>7} {'moved MB':>9}")
    for name in names or [*OURS, *TORCHVISION]:
        net, image = network(name), torch.rand(1, 3, 224, 224)
        generic = kernels(net, image, "generic")
        print(f"{name:20} {'generic':12} {generic[0].total():5} {'':6} {'':7} {generic[1] / 1e6:9.1f}", flush=True)
        for engine in GRAPHS:
            ours, moved = kernels(net, image, engine)
            theirs = nodes(net, image, engine)
            off = ours.total() / theirs.total() - 1
            worst = max(worst, abs(off))
            print(f"{'':20} {engine:12} {ours.total():5} {theirs.total():6} {off:+7.1%} {moved / 1e6:9.1f}", flush=True)
    return int(worst > 0.1)


def _quiet(_: Any = None) -> None:
    import logging
    import warnings

    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)


if __name__ == "__main__":
    _quiet()
    sys.exit(main(sys.argv[1:]))
