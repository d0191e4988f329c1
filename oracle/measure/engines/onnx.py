"""Networks as ONNX files: exported by torch, and quantised by ONNX Runtime."""

from __future__ import annotations

import ast
from functools import partial
from pathlib import Path
from typing import Any

import torch

from oracle.closedform.library import role_of
from oracle.measure.engines.models import Models, images_of, module_of, quietly
from oracle.naming import cell_dtypes, cell_names
from oracle.spec import NetSpec

INPUT = "images"
_CALIBRATED = 2  # batches of random images: we time, we do not predict accuracy


def exported(net: NetSpec, batch_size: int, models: Models) -> Path:
    """The network in float32, as `torch.onnx.export` has it: batch norms folded, shapes fixed."""
    return models.made(net, batch_size, "onnx", partial(_export, net, batch_size))


def _export(net: NetSpec, batch_size: int, path: Path) -> None:
    with quietly(), torch.no_grad():
        torch.onnx.export(
            module_of(net),
            (images_of(net, batch_size),),
            path,
            input_names=[INPUT],
            output_names=["scores"],
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def modules_of(path: Path) -> dict[str, str]:
    """Name of a node, or of what it makes -> path of the module that it came from, as the exporter noted it."""
    import onnx

    found: dict[str, str] = {}
    for node in onnx.load(path, load_external_data=False).graph.node:
        notes = {note.key: note.value for note in node.metadata_props}
        scopes = ast.literal_eval(
            notes.get("pkg.torch.onnx.name_scopes", "[]")
        )  # modules from the outside, an operator
        if len(scopes) > 1:
            found |= dict.fromkeys((node.name, *node.output), scopes[-2])
    return found


def quantised(net: NetSpec, batch_size: int, models: Models, dtype: str = "int8", *, symmetric: bool = False) -> Path:
    """The network in int8, as ONNX Runtime's static quantiser makes it; cells of another type it leaves out.

    Q/DQ pairs around every operator it knows; weights symmetric in int8, one scale per output channel; activations in
    uint8 with a zero point, one scale per tensor, which is the pairing that x86's VNNI multiplies; or `symmetric`, in
    int8 without one and biases in float, which is all that TensorRT knows.
    """
    source, suffix = exported(net, batch_size, models), f"mixed-{dtype}.onnx" if net.dtypes else "int8.onnx"
    suffix = f"symmetric-{suffix}" if symmetric else suffix
    return models.made(net, batch_size, suffix, partial(_quantise, net, batch_size, source, dtype, symmetric))


def _others(net: NetSpec, dtype: str, path: Path) -> list[str]:
    """The nodes of a file that belong to cells in another type than int8."""
    quantises = {
        name
        for name, own in zip(cell_names(net, role_of), cell_dtypes(net, dtype, role_of), strict=True)
        if own == "int8"
    }
    import onnx

    modules = modules_of(path)
    nodes = [node.name for node in onnx.load(path, load_external_data=False).graph.node]
    return [name for name in nodes if modules.get(name, "").split(".")[0] not in quantises]


class _Images:
    """What the quantiser calibrates with; it asks until there is no more."""

    def __init__(self, batches: list[Any]) -> None:
        self._left = batches

    def get_next(self) -> dict[str, Any] | None:
        return {INPUT: self._left.pop()} if self._left else None


def _quantise(net: NetSpec, batch_size: int, source: Path, dtype: str, symmetric: bool, path: Path) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with quietly():
        prepared = path.with_suffix(".prepared.onnx")
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            path,
            _Images([images_of(net, batch_size, seed).numpy() for seed in range(_CALIBRATED)]),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"ActivationSymmetric": True, "QuantizeBias": False} if symmetric else {},
            nodes_to_exclude=_others(net, dtype, prepared) if net.dtypes else None,
        )
        prepared.unlink()
