"""Every operator against ONNX's own test cases: what comes out has the shape and the type that ONNX says."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch

from oracle.errors import OracleError
from oracle.sources import open_source
from oracle.sources.onnx.registry import OPERATORS

onnx: Any = pytest.importorskip("onnx", reason="the extra onnx is not installed")

CONTENT = 64
"""Elements up to which integers that are not the first input are part of the file: shapes, axes, indices, masks."""

REFUSED = {
    "Attention": "softcap, caches and further outputs",
    "AveragePool": "dilations",
    "ConvTranspose": "output_shape, and SAME pads",
    "Dropout": "its mask",
    "GRU": "batches first",
    "GatherND": "batch dimensions",
    "LSTM": "batches first, and peepholes",
    "RNN": "batches first",
}
"""Operator -> what no torch operator does, which is said in a line."""

_OF_CONTENT = frozenset({"Constant", "ConstantOfShape", "Upsample"})  # whose only input is a shape


def cases() -> list[Any]:
    """Those of operators that we read, whose data is tensors of types that numpy has."""
    from onnx.backend.test.case.node import collect_testcases
    from onnx.reference.ops import op_pool_common

    # Nobody looks at values: numpy's warnings about them say nothing, and those of pools, window by window, take seconds.
    no_windows = patch.object(op_pool_common, "itertools", SimpleNamespace(product=lambda *_: ()), create=True)
    with warnings.catch_warnings(), no_windows:
        warnings.simplefilter("ignore")
        found = collect_testcases(None)
    return [case for case in found if _is_read(case)]


def _is_read(case: Any) -> bool:
    ops = {node.op_type for node in case.model.graph.node}
    own = not case.model.functions and ops <= OPERATORS.keys() and all(not n.domain for n in case.model.graph.node)
    given, made = case.data_sets[0] if case.data_sets else ((), ())
    plain = all(isinstance(array, np.ndarray) and array.dtype.kind in "biuf" for array in (*given, *made))
    return bool(own and plain and given and all(array.size for array in given) and not ops & _OF_CONTENT)


def saved(case: Any, folder: Path) -> tuple[str, list[torch.Tensor]]:
    """A file that holds what is no data, and the data as shapes."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    given = []
    for place, (value, array) in enumerate(zip(model.graph.input, case.data_sets[0][0], strict=False)):
        if place and array.size <= CONTENT and (array.dtype.kind in "biu" or array.size <= 1 or "resize" in case.name):
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, value.name))
        else:
            given.append(torch.from_numpy(np.ascontiguousarray(array)).to("meta"))
    (folder / "case.onnx").write_bytes(model.SerializeToString())
    return str(folder / "case.onnx"), given


def test_outputs_have_the_shapes_and_types_of_onnx(tmp_path: Path) -> None:
    right, refused = set[str](), set[str]()
    for case in cases():
        path, given = saved(case, tmp_path)
        ops = {node.op_type for node in case.model.graph.node}
        try:
            found = open_source(path).module(*given)
        except OracleError:
            refused |= ops if len(ops) == 1 else set()
            continue
        expected = [(array.shape, str(array.dtype)) for array in case.data_sets[0][1]]
        assert [(tuple(x.shape), str(x.dtype).removeprefix("torch.")) for x in found] == expected, case.name
        right |= ops
    assert refused == set(REFUSED)
    assert len(right) > 110


def test_weights_may_be_constants(tmp_path: Path) -> None:
    """One case of each operator, with what is no first input in Constant nodes, as some exporters write weights."""
    tried = set[str]()
    for case in cases():
        ops = {node.op_type for node in case.model.graph.node}
        if len(ops) != 1 or ops <= tried or len(case.data_sets[0][0]) < 2:
            continue
        path, given = _with_constants(case, tmp_path)
        try:
            found = open_source(path).module(*given)
        except OracleError as error:
            assert "expected " in str(error), case.name  # noqa: PT017 - an attribute that is refused in any form
            continue
        expected = [(array.shape, str(array.dtype)) for array in case.data_sets[0][1]]
        assert [(tuple(x.shape), str(x.dtype).removeprefix("torch.")) for x in found] == expected, case.name
        tried |= ops
    assert tried >= set(
        "Conv ConvTranspose Gemm MatMul LSTM GRU RNN BatchNormalization GridSample PRelu Gather".split()
    )


def _with_constants(case: Any, folder: Path) -> tuple[str, list[torch.Tensor]]:
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    nodes, others = list(model.graph.node), list(model.graph.input)[1:]
    arrays = case.data_sets[0][0]
    for value, array in zip(others, arrays[1:], strict=False):
        model.graph.input.remove(value)
        content = onnx.numpy_helper.from_array(array)
        nodes.insert(0, onnx.helper.make_node("Constant", [], [value.name], value=content))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    (folder / "constants.onnx").write_bytes(model.SerializeToString())
    return str(folder / "constants.onnx"), [torch.from_numpy(np.ascontiguousarray(arrays[0])).to("meta")]
