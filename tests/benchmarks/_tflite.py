"""A torch module as a quantised TFLite file: int8 with per-channel weights, as post-training quantisation leaves it.

What is timed and laid out depends on shapes, not on values, so weights are drawn at random. Convolutions are padded
"same", as in networks that were trained in TensorFlow, where PyTorch pads both sides alike: the shapes are equal, and no
padding operator is needed. Batch norms are folded, activations fused into the convolution, sum or linear layer before
them where nothing else reads that.

Needs `pip install tflite-micro`, whose wheel has the schema of TFLite (Apache-2.0) as Python classes.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import fx, nn

_WEIGHT_SPREAD = 32.0  # of int8 weights: per-channel scales put the largest of some hundred at 127
_RELU, _RELU6 = 1, 3
_ACTIVATIONS = {"aten.relu": _RELU, "aten.relu6": _RELU6, "aten.hardtanh": _RELU6}
_SAME = 0


def quantised(module: nn.Module, shape: Sequence[int], seed: int = 0) -> bytes:
    """The content of a .tflite file.

    Args:
        module: on any device, the meta device included.
        shape: of its input, (N, C, H, W) or (N, features).
        seed: of the weights.

    Raises:
        NotImplementedError: an operator that has no rule here.
    """
    return _Writer(module, shape, seed).content()


def _without_repeats(graph: fx.Graph) -> None:
    """Leave one of activations that are computed twice, as LiteRT's own converter does."""
    first: dict[Any, fx.Node] = {}
    for node in list(graph.nodes):
        if str(node.target).rpartition(".")[0] in _ACTIVATIONS:
            kept = first.setdefault((node.target, node.args), node)
            if kept is not node:
                node.replace_all_uses_with(kept)
                graph.erase_node(node)


class _Writer:
    """One graph on its way from ATen to TFLite; tensors are numbered in the order they are made."""

    def __init__(self, module: nn.Module, shape: Sequence[int], seed: int) -> None:
        from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

        self.schema = schema
        self.random = np.random.default_rng(seed)
        self.buffers = [schema.BufferT()]
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: list[int] = []
        self.known: dict[fx.Node, int] = {}  # activations: node -> tensor
        self.sizes: dict[fx.Node, tuple[int, ...]] = {}
        program = torch.export.export(module.eval().to("meta"), (torch.empty(tuple(shape), device="meta"),))
        decompositions = torch.export.default_decompositions()
        for kept in ("hardswish", "hardsigmoid", "silu"):
            decompositions.pop(getattr(torch.ops.aten, kept).default, None)
        self.graph = program.run_decompositions(decompositions).graph_module.graph
        _without_repeats(self.graph)
        self.zeros: set[fx.Node] = set()
        self.inputs: list[int] = []
        self.outputs: list[int] = []
        self._walk()

    def content(self) -> bytes:
        """The model, packed."""
        import flatbuffers

        schema = self.schema
        graph = schema.SubGraphT()
        graph.tensors, graph.operators, graph.name = self.tensors, self.operators, "main"
        graph.inputs, graph.outputs = self.inputs, self.outputs
        model = schema.ModelT()
        model.version, model.description = 3, "random weights"
        model.subgraphs, model.buffers = [graph], self.buffers
        model.operatorCodes = []
        for code in self.codes:
            entry = schema.OperatorCodeT()
            entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), 3
            model.operatorCodes.append(entry)
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    # --- tensors --------------------------------------------------------------------------------------------

    def _tensor(
        self, shape: Sequence[int], scale: Any = 0.05, zero: int = -128, data: Any = None, dtype: int = 9
    ) -> int:
        schema = self.schema
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.name = list(map(int, shape)), dtype, f"t{len(self.tensors)}"
        if scale is not None:
            quantisation = schema.QuantizationParametersT()
            scales = np.atleast_1d(np.asarray(scale, dtype=np.float32))
            quantisation.scale, quantisation.zeroPoint = scales.tolist(), [zero] * len(scales)
            tensor.quantization = quantisation
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), dtype=np.uint8)
            tensor.buffer = len(self.buffers)
            self.buffers.append(buffer)
        else:
            tensor.buffer = 0
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def _weights(self, shape: Sequence[int], axis: int) -> int:
        values = np.clip(np.rint(self.random.normal(0, _WEIGHT_SPREAD, tuple(shape))), -127, 127).astype(np.int8)
        index = self._tensor(shape, np.full(shape[axis], 0.01), 0, values)
        self.tensors[index].quantization.quantizedDimension = axis
        return index

    def _bias(self, count: int) -> int:
        values = self.random.integers(-1000, 1000, count).astype(np.int32)
        return self._tensor([count], np.full(count, 0.05 * 0.01), 0, values, dtype=2)

    def _activation(self, node: fx.Node, **words: Any) -> int:
        """A new tensor in the place of a node: channels last."""
        shape = tuple(node.meta["val"].shape)
        self.sizes[node] = shape if len(shape) != 4 else (shape[0], shape[2], shape[3], shape[1])
        self.known[node] = self._tensor(self.sizes[node], **words)
        return self.known[node]

    # --- operators ------------------------------------------------------------------------------------------

    def _add(self, name: str, inputs: Sequence[int], output: int, options: Any = None) -> None:
        code = getattr(self.schema.BuiltinOperator, name)
        if code not in self.codes:
            self.codes.append(code)
        entry = self.schema.OperatorT()
        entry.opcodeIndex, entry.inputs, entry.outputs = self.codes.index(code), list(inputs), [output]
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            entry.builtinOptions, entry.builtinOptionsType = options, getattr(self.schema.BuiltinOptions, kind)
        self.operators.append(entry)

    def _options(self, kind: str, **values: Any) -> Any:
        options = getattr(self.schema, f"{kind}OptionsT")()
        for name, value in values.items():
            assert hasattr(options, name), (kind, name)
            setattr(options, name, value)
        return options

    def _walk(self) -> None:
        for node in self.graph.nodes:
            if node.op == "placeholder":
                if node.target == "x" or (str(node.target).startswith(("x", "input", "image")) and node.users):
                    self.inputs.append(self._activation(node))
            elif node.op == "call_function":
                self._call(node)
            elif node.op == "output":
                self.outputs = [self.known[one] for one in node.args[0]]

    def _call(self, node: fx.Node) -> None:
        name = "getitem" if node.target is operator.getitem else str(node.target).rpartition(".")[0]
        rule = getattr(self, "_" + name.replace(".", "_"), None)
        if node in self.known:  # fused into what makes its input
            return
        if name in _ACTIVATIONS:
            self._unfused(node, name)
        elif rule is None:
            raise NotImplementedError(f"{name}: no rule for it")
        else:
            rule(node, *node.args, **node.kwargs)

    def _same(self, node: fx.Node, source: fx.Node) -> None:
        self.known[node], self.sizes[node] = self.known[source], self.sizes[source]

    def _unfused(self, node: fx.Node, name: str) -> None:
        source = self.known[node.all_input_nodes[0]]
        self._add("RELU" if _ACTIVATIONS[name] == _RELU else "RELU6", [source], self._activation(node))

    def _fused(self, node: fx.Node) -> tuple[fx.Node, int]:
        """The last node whose work the operator that makes `node` does, and its activation."""
        last = node
        while len(last.users) == 1 or all(user.target is operator.getitem for user in last.users):
            following = next((user for user in last.users if user.users), None)
            name = "" if following is None else str(following.target).rpartition(".")[0]
            folds = name.startswith("aten._native_batch_norm") and "convolution" in str(node.target)
            if following is None or not (folds or following.target is operator.getitem):
                break
            last = following
        if len(last.users) == 1:
            (user,) = last.users
            name = str(user.target).rpartition(".")[0] if user.op == "call_function" else ""
            if name in _ACTIVATIONS:
                return user, _ACTIVATIONS[name]
        return last, 0

    def _settle(self, node: fx.Node, last: fx.Node) -> int:
        """One tensor for all that an operator does at once."""
        made = self._activation(last)
        while node is not last:
            self.known[node], self.sizes[node] = made, self.sizes[last]
            node = next(user for user in node.users if user.users)
        return made

    def _getitem(self, node: fx.Node, source: fx.Node, index: int) -> None:
        if source in self.known and index == 0:
            self._same(node, source)

    def _aten_convolution(self, node: fx.Node, x: fx.Node, weight: fx.Node, bias: Any, stride: Any, *rest: Any) -> None:
        out, per_group, *window = weight.meta["val"].shape
        groups, channels = rest[-1], self.sizes[x][-1]
        last, activation = self._fused(node)
        depthwise = groups == channels and groups > 1
        filters = (1, *window, out) if depthwise else (out, *window, per_group)
        inputs = [self.known[x], self._weights(filters, 3 if depthwise else 0), self._bias(out)]
        words = {
            "padding": _SAME,
            "strideH": stride[0],
            "strideW": stride[1],
            "dilationHFactor": rest[1][0],
            "dilationWFactor": rest[1][1],
            "fusedActivationFunction": activation,
        }
        if depthwise:
            options = self._options("DepthwiseConv2D", depthMultiplier=out // channels, **words)
        else:
            options = self._options("Conv2D", **words)
        self._add("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", inputs, self._settle(node, last), options)

    def _aten__native_batch_norm_legit_no_training(self, node: fx.Node, x: fx.Node, *_: Any) -> None:
        """One that stands alone: a product and a sum with constants of the channels."""
        last, activation = self._fused(next(user for user in node.users if user.users))
        channels = self.sizes[x][-1]
        middle = self._tensor(self.sizes[x])
        self._add("MUL", [self.known[x], self._constant([channels])], middle, self._options("Mul"))
        made = self._activation(last)
        for one in (node, next(user for user in node.users if user.users)):
            self.known[one], self.sizes[one] = made, self.sizes[last]
        options = self._options("Add", fusedActivationFunction=activation)
        self._add("ADD", [middle, self._constant([channels])], made, options)

    def _constant(self, shape: Sequence[int]) -> int:
        values = self.random.integers(-127, 127, tuple(shape)).astype(np.int8)
        return self._tensor(shape, 0.05, -128, values)

    def _aten_add(self, node: fx.Node, one: fx.Node, other: Any) -> None:
        nothing = [addend in self.zeros for addend in (one, other)]
        if any(nothing):
            if all(nothing):
                self.zeros.add(node)
            else:
                self._same(node, other if nothing[0] else one)
            return
        last, activation = self._fused(node)
        inputs = [self.known[one], self.known[other] if isinstance(other, fx.Node) else self._constant([1])]
        self._add("ADD", inputs, self._settle(node, last), self._options("Add", fusedActivationFunction=activation))

    def _aten_mul(self, node: fx.Node, one: fx.Node, other: Any) -> None:
        if other == 0.0:  # what NAS-Bench-201 calls `none`: a converter drops it, and sums with it
            self.zeros.add(node)
            return
        inputs = [self.known[one], self.known[other] if isinstance(other, fx.Node) else self._constant([1])]
        self._add("MUL", inputs, self._activation(node), self._options("Mul"))

    def _aten_sigmoid(self, node: fx.Node, x: fx.Node) -> None:
        self._add("LOGISTIC", [self.known[x]], self._activation(node, scale=1 / 256))

    def _aten_hardsigmoid(self, node: fx.Node, x: fx.Node) -> None:
        self._aten_sigmoid(node, x)

    def _aten_hardswish(self, node: fx.Node, x: fx.Node) -> None:
        self._add("HARD_SWISH", [self.known[x]], self._activation(node), self._options("HardSwish"))

    def _aten_silu(self, node: fx.Node, x: fx.Node) -> None:
        gate = self._tensor(self.sizes[x], 1 / 256)
        self._add("LOGISTIC", [self.known[x]], gate)
        self._add("MUL", [self.known[x], gate], self._activation(node), self._options("Mul"))

    def _aten_mean(self, node: fx.Node, x: fx.Node, dims: Sequence[int], keep: bool = False) -> None:
        axes = self._tensor([2], None, 0, np.array([1, 2], dtype=np.int32), dtype=2)
        self._add("MEAN", [self.known[x], axes], self._activation(node), self._options("Reducer", keepDims=keep))

    def _aten_view(self, node: fx.Node, x: fx.Node, shape: Sequence[int]) -> None:
        target = self._tensor(
            [len(node.meta["val"].shape)], None, 0, np.array(node.meta["val"].shape, np.int32), dtype=2
        )
        made = self._activation(node)
        options = self._options("Reshape", newShape=list(node.meta["val"].shape))
        self._add("RESHAPE", [self.known[x], target], made, options)

    def _pooled(self, name: str, node: fx.Node, x: fx.Node, window: Sequence[int], stride: Sequence[int]) -> None:
        words = {"filterHeight": window[0], "filterWidth": window[1], "strideH": stride[0], "strideW": stride[1]}
        self._add(name, [self.known[x]], self._activation(node), self._options("Pool2D", padding=_SAME, **words))

    def _aten_avg_pool2d(self, node: fx.Node, x: fx.Node, window: Any, stride: Any, *_: Any) -> None:
        self._pooled("AVERAGE_POOL_2D", node, x, window, stride)

    def _aten_max_pool2d_with_indices(self, node: fx.Node, x: fx.Node, window: Any, stride: Any, *_: Any) -> None:
        (first,) = (user for user in node.users if user.args[1] == 0)
        self._pooled("MAX_POOL_2D", first, x, window, stride)

    def _aten_cat(self, node: fx.Node, parts: Sequence[fx.Node], axis: int = 0) -> None:
        options = self._options("Concatenation", axis=-1 if axis == 1 else axis)
        self._add("CONCATENATION", [self.known[one] for one in parts], self._activation(node), options)

    def _aten_permute(self, node: fx.Node, x: fx.Node, dims: Sequence[int]) -> None:
        """Of a weight, which a linear layer reads as it is."""

    def _aten_addmm(self, node: fx.Node, bias: Any, x: fx.Node, weight: fx.Node) -> None:
        features, out = weight.meta["val"].shape
        last, activation = self._fused(node)
        inputs = [self.known[x], self._weights((out, features), 0), self._bias(out)]
        options = self._options("FullyConnected", fusedActivationFunction=activation)
        self._add("FULLY_CONNECTED", inputs, self._settle(node, last), options)

    def _aten_mm(self, node: fx.Node, x: fx.Node, weight: fx.Node) -> None:
        self._aten_addmm(node, None, x, weight)
