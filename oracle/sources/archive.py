"""What a file of torch.export says of its program, read from its JSON alone.

Weights, constants and example inputs stay where they are: the program's JSON states the size, type and strides of every
tensor, and what symbolic dimensions were when it was exported. Nothing is unpickled, and no expression is evaluated.
"""

from __future__ import annotations

import json
import reprlib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from oracle._files import MEBIBYTE
from oracle.errors import TraceError

_PROGRAM = ("models/model.json", "serialized_exported_program.json")  # since torch 2.8, and before
_WEIGHTS = "data/weights/model_weights_config.json"
_LARGEST_JSON = 256 * MEBIBYTE
_MOST_DIMS = 64  # torch's own limit
_DEEPEST = 100  # modules in modules
_NUMBERS = {"Infinity": float("inf"), "-Infinity": float("-inf"), "NaN": float("nan")}  # as torch writes them


class Ref(NamedTuple):
    """The result of an earlier step, as an argument."""

    name: str


class Meta(NamedTuple):
    """A tensor, as it was when the program was exported.

    Attributes:
        dtype, layout: numbers of torch's schema.
        sizes, strides: elements.
        free: positions of dimensions that are symbolic.
    """

    dtype: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    free: frozenset[int]


class Given(NamedTuple):
    """An input of the program.

    Attributes:
        kind: user_input, parameter, buffer, tensor_constant, or constant_input for what is no tensor.
        name: within the program.
        path: of a parameter, buffer or constant, in the module.
        value: of a constant input.
        tied: equal for parameters that share their memory; None where nothing is known of it.
    """

    kind: str
    name: str
    path: str = ""
    value: Any = None
    tied: str | None = None


class Node(NamedTuple):
    """A call.

    Attributes:
        name: of the whole result.
        target: such as `torch.ops.aten.add.Tensor`.
        args, kwargs: plain values, `Ref`s, and `("dtype" | "layout" | "memory_format" | "device", value)` as `Word`s.
        parts: names of the entries of a result that is several; "" for one that nobody names.
        module: the dotted path of the module that it stands in.
    """

    name: str
    target: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    parts: tuple[str, ...]
    module: str


class Word(NamedTuple):
    """A value of torch that a file states by number or name."""

    kind: str
    value: Any


class Program(NamedTuple):
    """An exported program."""

    inputs: tuple[Given, ...]
    results: tuple[str, ...]
    nodes: tuple[Node, ...]
    tensors: Mapping[str, Meta]


def read_program(path: Path) -> Program:
    """The program in a `.pt2` archive.

    Raises:
        zipfile.BadZipFile: no such archive.
        TraceError: it holds no program, or one that is not understood.
    """
    with zipfile.ZipFile(path) as archive:
        content = _json(archive, _PROGRAM)
        if content is None:
            raise TraceError("failed locating file models/model.json: an archive without a program")
        weights = _json(archive, (_WEIGHTS,)) or {}
    try:
        return _program(content["graph_module"], weights.get("config") or {})
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, StopIteration) as error:
        raise TraceError(f"the program's JSON is not as torch writes it ({type(error).__name__}: {error})") from None


def _json(archive: zipfile.ZipFile, ends: tuple[str, ...]) -> Any:
    """The content of the one member of these names, below the archive's own folder; None where there is none."""
    found = [
        info
        for info in archive.infolist()
        if any(info.filename == end or info.filename.partition("/")[2] == end for end in ends)
    ]
    if not found:
        return None
    if len(found) > 1:
        raise TraceError(f"the archive holds {len(found)} programs; expected one, called model")
    with archive.open(found[0]) as stream:
        raw = stream.read(_LARGEST_JSON + 1)
    if len(raw) > _LARGEST_JSON:
        raise TraceError(f"{found[0].filename} is larger than {_LARGEST_JSON // MEBIBYTE} MiB")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise TraceError(f"{found[0].filename} is broken JSON: {error}") from None


def _program(module: Any, weights: Mapping[str, Any]) -> Program:
    graph, signature = module["graph"], module["signature"]
    inputs = tuple(_given(spec, weights) for spec in signature["input_specs"])
    results = tuple(_results(signature["output_specs"]))
    tensors = {_text(name): _meta(meta) for name, meta in graph["tensor_values"].items()}
    return Program(inputs, results, tuple(_node(node) for node in graph["nodes"]), tensors)


def _given(spec: Any, weights: Mapping[str, Any]) -> Given:
    kind, value = _union(spec)
    if kind == "user_input":
        what, named = _union(value["arg"])
        if what == "as_tensor":
            return Given(kind, _text(named["name"]))
        if what in ("as_int", "as_float", "as_string", "as_bool", "as_none"):
            return Given("constant_input", "", value=_argument(value["arg"]))
        raise TraceError(f"an input of the program is {what.removeprefix('as_')}, expected tensors and numbers")
    if kind == "constant_input":
        return Given(kind, _text(value["name"]), value=_argument(value["value"]))
    paths = {"parameter": "parameter_name", "buffer": "buffer_name", "tensor_constant": "tensor_constant_name"}
    if kind not in paths:
        name = str(value.get("custom_obj_name") or kind) if isinstance(value, dict) else kind
        raise TraceError(f"input {name!r} of the program is a {kind}, which has no shape")
    path = _path(value[paths[kind]])
    return Given(kind, _text(value["arg"]["name"]), path, tied=_tied(weights.get(path)))


def _tied(stored: Any) -> str | None:
    """What two names of one stored tensor agree in."""
    if not isinstance(stored, dict):
        return None
    return json.dumps([stored.get("path_name"), stored.get("tensor_meta")], sort_keys=True)


def _results(specs: Any) -> Iterator[str]:
    for spec in specs:
        kind, value = _union(spec)
        if kind == "user_output":
            what, named = _union(value["arg"])
            if what in ("as_tensor", "as_sym_int", "as_sym_float", "as_sym_bool"):
                name = named.get("name", named.get("as_name"))
                if name is not None:  # a number that is known is no result of a step
                    yield _text(name)


def _meta(meta: Any) -> Meta:
    sizes, strides = meta["sizes"], meta["strides"]
    if not len(sizes) == len(strides) <= _MOST_DIMS:
        raise ValueError(f"{len(sizes)} sizes and {len(strides)} strides of a tensor")
    free = frozenset(place for place, size in enumerate(sizes) if _union(size)[0] == "as_expr")
    return Meta(_integer(meta["dtype"]), tuple(map(_size, sizes)), tuple(map(_size, strides)), free)


def _size(size: Any) -> int:
    """A dimension; of a symbolic one, what it was at export, for expressions are not looked at."""
    kind, value = _union(size)
    if kind == "as_int":
        return _integer(value)
    hint = value.get("hint")
    return 0 if hint is None else _integer(_union(hint)[1])


def _node(node: Any) -> Node:
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for given in node["inputs"]:
        value, name = _argument(given["arg"]), _text(given["name"])
        # 1 is positional; files before torch 2.6 do not say, and put what has no default first
        if given.get("kind") == 1 or not name:
            args.append(value)
        else:
            kwargs[name] = value
    outputs = [_union(item) for item in node["outputs"]]
    single = len(outputs) == 1 and outputs[0][0] not in ("as_tensors", "as_optional_tensors")
    parts: tuple[str, ...] = ()
    if single:
        name = _named(outputs[0])
    else:
        several = outputs[0][1] if len(outputs) == 1 else None
        listed = several if isinstance(several, list) else None
        parts = tuple(map(_part, listed)) if listed is not None else tuple(map(_named, outputs))
        name = _text(node.get("name") or f"{parts[0] if parts else 'nothing'}.all")
    return Node(name, _text(node["target"]), tuple(args), kwargs, parts, _module(node.get("metadata") or {}))


def _named(output: tuple[str, Any]) -> str:
    kind, value = output
    if kind == "as_none":
        return ""
    if kind not in ("as_tensor", "as_sym_int", "as_sym_float", "as_sym_bool", "as_optional_tensor"):
        raise TraceError(f"a result of the program is {kind.removeprefix('as_')}, expected tensors and sizes")
    if kind == "as_optional_tensor":
        return _part(value)
    return _text(value["name"] if kind == "as_tensor" else value.get("as_name", ""))


def _part(item: Any) -> str:
    """The name of an entry of a list of tensors, or of optional ones."""
    if "name" in item:
        return _text(item["name"])
    kind, value = _union(item)
    return _text(value["name"]) if kind == "as_tensor" else ""


def _module(metadata: Any) -> str:
    """The path of the innermost module: the last entry of `key,path,type;key,path,type`, types having commas, too."""
    stack = metadata.get("nn_module_stack")
    if not stack:
        return ""
    path = _text(stack).split(";")[-1].split(",")[1]
    return _path(path)


def _argument(argument: Any) -> Any:
    kind, value = _union(argument)
    if kind == "as_graph":
        raise TraceError("a node of the program holds a program of its own, which cannot be traced")
    if kind in _ARGUMENTS:
        return _ARGUMENTS[kind](value)
    if kind.endswith("s") and kind[:-1] in _ARGUMENTS:
        return [_ARGUMENTS[kind[:-1]](item) for item in value]
    raise TraceError(f"an argument of the program is {kind.removeprefix('as_')}, expected tensors, numbers and words")


def _symbolic(argument: Any) -> Any:
    kind, value = _union(argument)
    return Ref(_text(value)) if kind == "as_name" else _plain(value)


def _union(value: Any) -> tuple[str, Any]:
    """The kind and value of what can be one of several things: the one field that is set."""
    if not isinstance(value, dict):
        raise TypeError(f"expected one of several kinds, found {reprlib.repr(value)}")
    kinds = [(kind, item) for kind, item in value.items() if item is not None and isinstance(kind, str)]
    if len(kinds) != 1:
        raise ValueError(f"expected one of several kinds, found {len(kinds)}")
    return kinds[0]


def _plain(value: Any) -> Any:
    if isinstance(value, (bool, str)):
        return value
    return _integer(value) if isinstance(value, int) else _float(value)


def _float(value: Any) -> float:
    number = _NUMBERS.get(value, value) if isinstance(value, str) else value
    if not isinstance(number, (int, float)):
        raise TypeError(f"expected a number, found {reprlib.repr(value)}")
    return float(number)


def _integer(value: Any) -> int:
    if not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise ValueError(f"expected an integer of 64 bits, found {reprlib.repr(value)}")
    return int(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a name, found {reprlib.repr(value)}")
    return value


def _path(value: Any) -> str:
    path = _text(value)
    if path.count(".") >= _DEEPEST:
        raise ValueError(f"modules nested more than {_DEEPEST} deep")
    return path


_ARGUMENTS: Mapping[str, Callable[[Any], Any]] = {
    "as_none": lambda _: None,
    "as_int": _plain,
    "as_bool": _plain,
    "as_string": _plain,
    "as_float": _float,
    "as_tensor": lambda value: Ref(_text(value["name"])),
    "as_optional_tensor": lambda value: Ref(_part(value)) if _part(value) else None,
    "as_sym_int": _symbolic,
    "as_sym_float": _symbolic,
    "as_sym_bool": _symbolic,
    "as_complex": lambda value: complex(_float(value["real"]), _float(value["imag"])),
    "as_scalar_type": lambda value: Word("scalar_type", _integer(value)),
    "as_layout": lambda value: Word("layout", _integer(value)),
    "as_memory_format": lambda value: Word("memory_format", _integer(value)),
    "as_device": lambda _: Word("device", None),
}
"""Kind of an argument -> what its value stands for; lists of most are kinds of their own, by their plural."""
