"""From an ONNX file to a graph and the shapes of its weights."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn

from oracle._files import is_file
from oracle.errors import MissingDependencyError, OracleError
from oracle.sources.building import reason
from oracle.sources.inputs import InputSpec
from oracle.sources.onnx.dtypes import dtype_of
from oracle.sources.onnx.graph import Graph, OnnxNet, Output
from oracle.sources.onnx.quantised import TABLES, WEIGHTS, packed_shape
from oracle.sources.onnx.registry import Node
from oracle.sources.opened import Opened
from oracle.sources.references import Reference

_Wired: TypeAlias = tuple[str, Sequence[str], Sequence[str]]
"""A node: its operator, its inputs, its outputs."""

_LARGEST_REAL = 65_536
"""Elements of a constant that is kept with its content: index tables and shapes, no weights."""

_LARGEST_MASK = 2**24
"""Elements up to which a tensor is looked at for what tells a mask: one of 4096 tokens."""

_CONTENT = ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data")
_MOST_ELEMENTS = 10**15
_MOST_NODES = 200_000
_LONGEST = 10_000  # characters of the names of a node's scopes

_RUNNING = {"BatchNormalization": (3, 4)}  # inputs that are statistics, no parameters
_SETTINGS = {"Resize": (1, 2, 3), "Upsample": (1,), "Pad": (1, 2, 3), "Clip": (1, 2), "Dropout": (1, 2)}
_PLACES = {
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm", "LayerNormalization", "GroupNormalization"), (1, 2)),
    **dict.fromkeys(("InstanceNormalization", "RMSNormalization", "SimplifiedLayerNormalization", "PRelu"), (1, 2)),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), (1, 2, 3, 5, 6)),
    "BatchNormalization": (1, 2, 3, 4),
    "MatMul": (0, 1),
    **{op: (*places, *TABLES.get(op, ())) for op, places in WEIGHTS.items()},
}
"""Inputs that are weights, also where a file has them as constants."""
_STATES = dict.fromkeys(("LSTM", "GRU", "RNN"), (5, 6))  # which begin as zeros, unless they are learnt
_BIASED = ("Conv", "ConvTranspose", "Gemm", "MatMul")  # what is added to them is a weight
_VIEWS = ("Cast", "Expand", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
_OWN = ("", "ai.onnx")


def open_onnx(reference: Reference) -> Opened:
    """An ONNX file; symbolic dimensions are 1 unless the caller says otherwise, if only the first ones are symbolic.

    Raises:
        OracleError: no such file, not ONNX, or onnx is not installed.
    """
    path = Path(reference.name)
    if not is_file(path):
        raise OracleError(f"network={reference.text!r}: no such file")
    try:
        import onnx
        from onnx import inliner, shape_inference
    except ImportError as error:
        raise MissingDependencyError(
            f"ONNX files need onnx: pip install 'nas-cost-oracle[onnx]' or pip install onnx ({error})"
        ) from error
    try:
        return _opened(path, onnx, inliner, shape_inference)
    except OracleError as error:
        raise OracleError(f"network={reference.text!r}: {error}") from None
    except Exception as error:
        raise OracleError(f"network={reference.text!r}: not a usable ONNX file: {reason(error)}") from error


def _opened(path: Path, onnx: Any, inliner: Any, shape_inference: Any) -> Opened:
    model = onnx.load(path, load_external_data=False)
    if model.functions:
        _check_functions(model)
        model = inliner.inline_local_functions(model)
    _with_weights(model.graph)
    masks = _masks(model.graph)
    _without_content(model)
    stated = shape_inference.infer_shapes(model).graph
    if not model.graph.node:
        raise OracleError("not a usable ONNX file: its graph is empty")
    graph = _graph(model, stated)
    weights = dict(_weights(model.graph, graph, masks))
    specs = tuple(_spec(value) for value in _given(model.graph))
    free = tuple(frozenset(i for i, size in enumerate(dims) if not isinstance(size, int)) for dims in graph.dims)
    known = all(free_dims <= {0} for free_dims in free)
    return Opened(OnnxNet(graph, weights), specs if known else (), "file", ("onnx",), free if known else None)


def _check_functions(model: Any) -> None:
    """Complain of functions of functions that are too many nodes once they are written out, or never end."""
    bodies = {(item.domain, item.name): list(item.node) for item in model.functions}
    sizes: dict[Any, int] = {}
    for root in bodies:
        stack = [root]
        while stack:
            inner = [(n.domain, n.op_type) for n in bodies[stack[-1]] if (n.domain, n.op_type) in bodies]
            missing = [key for key in inner if key not in sizes]
            if any(key in stack for key in missing):
                raise OracleError(f"function {stack[-1][1]!r} of the ONNX file calls itself")
            if missing:
                stack.append(missing[0])
            else:
                key = stack.pop()
                sizes[key] = len(bodies[key]) + sum(sizes[item] for item in inner)
    nodes = sum(sizes.get((n.domain, n.op_type), 1) for n in model.graph.node)
    if nodes > _MOST_NODES:
        raise OracleError(f"its functions are {nodes:,} nodes once written out; expected at most {_MOST_NODES:,}")


def _given(graph: Any) -> list[Any]:
    """Inputs that are no weights."""
    held = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in held]


def _spec(value: Any) -> InputSpec:
    dims = _dims(value)
    dtype = str(dtype_of(value.type.tensor_type.elem_type)).removeprefix("torch.")
    return InputSpec(tuple(size if isinstance(size, int) else 1 for size in dims), dtype)


def _dims(value: Any) -> tuple[int | str | None, ...]:
    dims = value.type.tensor_type.shape.dim
    return tuple(
        int(dim.dim_value) if dim.HasField("dim_value") and dim.dim_value > 0 else dim.dim_param or None for dim in dims
    )


def _with_weights(graph: Any) -> None:
    """Make initialisers of constants that are weights: all real ones where weights are in no other form, else by use.

    They may be transposed, or cast, on the way to where they are used.
    """
    made = {node.output[0]: tensor for node in graph.node if (tensor := _constant(node)) is not None}
    wanted = _used_as_weights(graph.node)
    if made.keys() & wanted and not any(map(_is_array, graph.initializer)):
        wanted.update(name for name, tensor in made.items() if _is_array(tensor))
    found = made.keys() & wanted
    if not found:
        return
    for name in found:
        made[name].name = name
    kept = [node for node in graph.node if not (node.output and node.output[0] in found)]
    del graph.node[:]
    graph.node.extend(kept)
    graph.initializer.extend(made[name] for name in made if name in found)


def _used_as_weights(nodes: Sequence[Any]) -> set[str]:
    """Values that stand where weights do, and what they are views of."""
    products = {node.output[0] for node in nodes if node.op_type in _BIASED}
    added = {name for node in nodes if node.op_type == "Add" and products & {*node.input} for name in node.input}
    wired = [(_op(node), node.input, node.output) for node in nodes]
    return _traced(wired, _PLACES, added)


def _traced(nodes: Sequence[_Wired], places: Mapping[str, Sequence[int]], more: Iterable[str] = ()) -> set[str]:
    """The names of values that nodes take in some places, of `more`, and of what all these are views of."""
    found = {*more}
    for op, inputs, outputs in reversed(nodes):
        found.update(inputs[place] for place in places.get(op, ()) if place < len(inputs))
        if op in _VIEWS and found & {*outputs}:
            found.update(inputs[:1])
    return found


def _constant(node: Any) -> Any:
    """The tensor of a constant that might be a weight; None of another node."""
    from onnx import TensorProto, helper

    for item in node.attribute if node.op_type == "Constant" else ():
        if item.name == "value" and item.HasField("t"):
            return item.t
        if item.name == "value_floats":
            return helper.make_tensor("", TensorProto.FLOAT, [len(item.floats)], item.floats)
    return None


def _is_array(tensor: Any) -> bool:
    """Whether a tensor is more than one real number, as weights are."""
    return bool(tensor.dims) and dtype_of(tensor.data_type).is_floating_point


def _without_content(model: Any) -> None:
    """Drop the content of large weights: shapes are all that is needed, and shape inference has a limit of 2 GB."""
    for tensor in model.graph.initializer:
        if _elements(tensor) > _LARGEST_REAL or _is_elsewhere(tensor):
            for field in _CONTENT:
                tensor.ClearField(field)


def _graph(model: Any, stated: Any) -> Graph:
    versions = {item.domain: item.version for item in model.opset_import}
    nodes = tuple(_node(node, versions) for node in model.graph.node)
    settings = _named(nodes, _SETTINGS)
    stored = _named(nodes, WEIGHTS) | _named(nodes, TABLES)
    real = {
        t.name: _tensor(t)
        for t in model.graph.initializer
        if _is_real(t, t.name in settings) and (t.name not in stored or _elements(t) == 1)
    }
    given = _given(model.graph)
    values = [*stated.value_info, *stated.output]
    return Graph(
        nodes,
        tuple(value.name for value in given),
        tuple(value.name for value in model.graph.output),
        tuple(_dims(value) for value in given),
        real,
        {
            v.name: Output(v.type.tensor_type.elem_type, _dims(v))
            for v in values
            if v.type.tensor_type.HasField("shape")
        },
    )


def _weights(graph: Any, parsed: Graph, masks: set[str]) -> Iterator[tuple[str, torch.Tensor]]:
    others = _named(parsed.nodes, _RUNNING) | _named(parsed.nodes, TABLES) | _dynamic_scales(parsed.nodes)
    states = _traced([(node.op, node.inputs, node.outputs) for node in parsed.nodes], _STATES)
    buffers = {value.name for value in graph.value_info if _is_buffer(value)}
    integers = _named(parsed.nodes, WEIGHTS) - others
    packed = {node.inputs[1]: packed_shape(node) for node in parsed.nodes if node.op == "com.microsoft.MatMulNBits"}
    for tensor in graph.initializer:
        if tensor.name in parsed.real:
            continue
        shape, dtype = packed.get(tensor.name, (tuple(tensor.dims), dtype_of(tensor.data_type)))
        twin = torch.empty(shape, dtype=dtype, device="meta")
        is_state = tensor.name in states and not _is_learnt(tensor)
        is_buffer = is_state or tensor.name in buffers or tensor.name in masks
        is_real = twin.is_floating_point() and tensor.name not in others and not is_buffer
        is_parameter = tensor.name in integers or is_real
        yield tensor.name, nn.Parameter(twin, twin.is_floating_point()) if is_parameter else twin


def _masks(graph: Any) -> set[str]:
    """Initialisers that are masks of attention: minus infinity, or the lowest number of their type, is no weight."""
    from onnx import numpy_helper

    weights = _traced([(_op(node), node.input, node.output) for node in graph.node], _PLACES)
    found = set()
    for tensor in graph.initializer:
        dtype = dtype_of(tensor.data_type)
        if tensor.name in weights or _is_elsewhere(tensor) or not dtype.is_floating_point or dtype.itemsize < 2:
            continue
        if 0 < _elements(tensor) <= _LARGEST_MASK and any(len(getattr(tensor, field)) for field in _CONTENT):
            least = float(numpy_helper.to_array(tensor).min())
            found.update([tensor.name] if least <= torch.finfo(dtype).min else [])
    return found


def _is_learnt(tensor: Any) -> bool:
    """Whether a first state is anything but zeros."""
    return not _is_elsewhere(tensor) and _elements(tensor) <= _LARGEST_REAL and bool(_tensor(tensor).any())


def _is_buffer(value: Any) -> bool:
    """Whether torch's exporter says that an initialiser was a buffer."""
    kinds = (item.value for item in value.metadata_props if item.key.endswith("InputSpec.kind"))
    return "BUFFER" in kinds


def _dynamic_scales(nodes: Sequence[Node]) -> set[str]:
    """Scales of weights, which dynamic quantisation multiplies by those that it finds on the way."""
    found = {node.outputs[1] for node in nodes if node.op == "DynamicQuantizeLinear"}
    return {name for node in nodes if node.op == "Mul" and found & {*node.inputs} for name in node.inputs}


def _named(nodes: Iterable[Node], places: Mapping[str, Sequence[int]]) -> set[str]:
    """The names of values that nodes take in some places, by their operator."""
    return {node.inputs[place] for node in nodes for place in places.get(node.op, ()) if place < len(node.inputs)}


def _is_real(tensor: Any, setting: bool) -> bool:
    """Whether an initialiser is a number or an index table rather than a weight."""
    if _is_elsewhere(tensor) or _elements(tensor) > _LARGEST_REAL:
        return False
    return setting or not tensor.dims or not dtype_of(tensor.data_type).is_floating_point


def _is_elsewhere(tensor: Any) -> bool:
    """Whether the content is in a file of its own, which is never opened."""
    from onnx import TensorProto

    return bool(tensor.external_data) or tensor.data_location == TensorProto.EXTERNAL


def _elements(tensor: Any) -> int:
    count = math.prod(int(size) for size in tensor.dims)
    if any(size < 0 for size in tensor.dims) or count > _MOST_ELEMENTS:
        shape = "x".join(map(str, tensor.dims))
        raise OracleError(
            f"tensor {tensor.name!r:.60} of {shape:.60}: expected dimensions of at least 0, no more than "
            f"{_MOST_ELEMENTS:,} entries in all"
        )
    return count


def _tensor(tensor: Any) -> torch.Tensor:
    from onnx import numpy_helper

    dtype = dtype_of(tensor.data_type)
    if _is_elsewhere(tensor) or _elements(tensor) > _LARGEST_REAL:
        return torch.empty(tuple(tensor.dims), dtype=dtype, device="meta")
    array = numpy_helper.to_array(tensor)
    plain = array.astype("float32") if dtype.is_floating_point else array
    return torch.tensor(plain.tolist(), dtype=dtype).reshape(tuple(tensor.dims))


def _node(node: Any, versions: dict[str, int]) -> Node:
    own = node.domain in _OWN
    attributes = {item.name: _attribute(item) for item in node.attribute}
    version = versions.get("" if own else node.domain, versions.get("ai.onnx", 1))
    return Node(_op(node), node.name, attributes, tuple(node.input), tuple(node.output), _module(node), version)


def _op(node: Any) -> str:
    """Its operator, with its domain if that is not ONNX's own."""
    return str(node.op_type if node.domain in _OWN else f"{node.domain}.{node.op_type}")


def _attribute(attribute: Any) -> Any:
    from onnx import TensorProto, helper

    value = helper.get_attribute_value(attribute)
    if isinstance(value, TensorProto):
        return _tensor(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in value]
    return value


def _module(node: Any) -> str:
    """The module a node stands in, as torch's exporters tell: in its metadata, or in a name like `/a/a.0/conv/Conv`."""
    for item in node.metadata_props:
        if item.key == "pkg.torch.onnx.name_scopes":
            try:
                scopes = ast.literal_eval(item.value) if len(item.value) < _LONGEST else None
            except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
                break
            if isinstance(scopes, list) and len(scopes) > 1:
                return str(scopes[-2])
    if not node.name.startswith("/"):
        return ""
    path: list[str] = []
    before = ""
    for part in node.name.strip("/").split("/")[:-1]:
        path.append(part.removeprefix(f"{before}.") if before else part)
        before = part
    return ".".join(path)
