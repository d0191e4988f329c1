"""The recorder: a dispatch mode that turns what reaches the dispatcher into rows of an `OpTable`."""

from __future__ import annotations

import sys
import weakref
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from oracle.opclasses import (
    ALLOCATIONS,
    DEQUANTISE,
    SHAPE_ONLY,
    VIEWS_IN_PLACE,
    WRITE_ONLY,
    class_of,
    hidden_writes,
    is_pointwise,
    packet_name,
    written_results,
)
from oracle.optable import ModuleCall, OpTable, Row, Storage, Use, Value
from oracle.trace.dims import dim_of, dims_of, shapes_of
from oracle.trace.factorisations import FACTORISATIONS, VALUES_ALONE, values_alone
from oracle.trace.functions import CallRecorder
from oracle.trace.placement import META
from oracle.trace.selections import COUNTS, SELECTS, Selections
from oracle.trace.shapes import SHORTCUTS
from oracle.trace.truths import truth_of

__all__ = ["Recorder"]

_TO_COPY = torch.ops.aten._to_copy.default
# Lengths of sequences that are packed are numbers on the host, which torch looks at; nothing else is done with them.
_PACK = "aten._pack_padded_sequence"
_ON_LENGTHS = frozenset({"aten.lift_fresh", "aten.sort", "aten.select"})
_COMPUTES_LENGTHS = frozenset({"_pad_packed_sequence"})
_NUMBERS = 1024  # of the forward's own in a tensor, at most, that are computed with
_CASTS = DEQUANTISE | {"aten._to_copy"}


class Recorder(TorchDispatchMode):
    """Records operators, and the memory they read and write, while it is entered.

    Attributes:
        phase, module, cell: what the next rows are labelled with; hooks keep `module` and `cell` current.
        failure: the last error that left a module, and the path of the innermost one.
    """

    def __init__(self, calls: CallRecorder, selected: int | None = None) -> None:
        super().__init__()
        self.phase = "forward"
        self.module = ""
        self.cell = 0
        self.module_calls: list[ModuleCall] = []
        self._calls = calls
        self._calls.truth, self._calls.made = self._truth, self._made
        self.notes: dict[str, None] = {}  # what was taken for granted
        self.failure: tuple[BaseException | None, str] = None, ""
        self._around: list[tuple[str, int, Any]] = []  # of each running module: module, cell and error around it
        self._rows: list[Row] = []
        self._values: list[Value] = []
        self._storages: list[Storage] = []
        self._index: dict[int, int] = {}  # storage address -> index
        self._current: list[int] = []  # storage index -> its latest value
        self._numels: list[Any] = []  # elements of each storage, as torch has them
        self._alive: list[Any] = []  # weak references to storages, which say when the program lets go of them
        self._released: dict[int, int] = {}  # storage index -> rows that had run by then
        self._blank: set[int] = set()  # values that nobody has written
        self._numbers: dict[int, Any] = {}  # value -> what is in it, of those that the forward made of own numbers
        self._twins: dict[Any, tuple[Any, Any]] = {}  # of real tensors, on meta
        self._origin: dict[int, _Origin] = {}  # autograd sequence number -> who made the node
        self._seen = torch._C._autograd._get_sequence_nr()
        self._latest = ""  # class of the latest row
        self._selections = Selections(selected, self.value_of, self._rows, self._values)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # True, the default, imports all of torch._dynamo at the first operator: 1.6 s

    # -- modules -------------------------------------------------------------------------------------------

    def enter(self, path: str, cell: int) -> None:
        """A module begins."""
        self._around.append((self.module, self.cell, sys.exc_info()[1]))
        self.module, self.cell = path, cell

    def leave(self) -> bool:
        """The module that began last ends; returns whether it ended well."""
        path = self.module
        self.module, self.cell, before = self._around.pop()
        error = sys.exc_info()[1]
        if error is not before and error is not self.failure[0]:
            self.failure = error, path
        return error is before

    # -- memory --------------------------------------------------------------------------------------------

    def give(self, tensor: Any, kind: str) -> int:
        """Register memory that exists before the call; returns the index of its storage."""
        storage = tensor.untyped_storage()
        index = self._index.get(storage._cdata)
        if index is None:
            index = len(self._storages)
            self._index[storage._cdata] = index
            let_go = partial(_release, storage._cdata, index, self._index, self._released, self._rows)
            self._alive.append(weakref.ref(storage, let_go))
            self._numels.append(tensor.numel())
            shape, stride = dims_of(tensor.shape), dims_of(tensor.stride())
            elements = Use(-1, shape, stride, 0, "").elements
            self._storages.append(Storage(elements, _dtype(tensor), kind, tensor.requires_grad))
            self._current.append(len(self._values))
            self._values.append(Value(index, -1))
        return index

    def mark_gradient(self, tensor: Any) -> None:
        """Say that a tensor is the gradient of a parameter."""
        index = self.give(tensor, "gradient")
        self._storages[index] = self._storages[index]._replace(kind="gradient")

    def value_of(self, tensor: Any) -> int:
        """The value a tensor holds now."""
        return self._current[self.give(tensor, "constant")]

    def _use(self, tensor: Any) -> Use:
        value = self.value_of(tensor)
        return Use(
            value, dims_of(tensor.shape), dims_of(tensor.stride()), dim_of(tensor.storage_offset()), _dtype(tensor)
        )

    # -- operators -----------------------------------------------------------------------------------------

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if self.phase != "backward":  # the call that led here has left the function mode
            return self._execute(func, args, kwargs or {})
        with torch._C.DisableTorchFunction():  # autograd has not: our own questions about tensors are no calls
            return self._execute(func, args, kwargs or {})

    def _execute(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        name = packet_name(func)
        if kwargs.get("device") not in (None, META) and self._calls.function not in _COMPUTES_LENGTHS:
            kwargs = {**kwargs, "device": META}
        given = _tensors((args, kwargs))
        if given and not any(tensor.is_meta or tensor.dim() for tensor in given):
            return func(*args, **kwargs)  # a sum of the forward's own numbers, which it may look at
        if name in _ON_LENGTHS and all(_is_lengths(tensor) for tensor in given):
            return func(*args, **kwargs)
        if not all(tensor.is_meta for tensor in given) and name != _PACK:
            args, kwargs = self._moved(args), self._moved(kwargs)
            given = _tensors((args, kwargs))
            if func is _TO_COPY and kwargs.get("dtype") in (None, args[0].dtype):
                return args[0]  # moved to where the network runs
        number = self._number(func, name, args, kwargs, given)
        if name == "aten._local_scalar_dense":
            return func(*args, **kwargs) if number is None else number
        changed = number is not None and _facts(func).writes
        whole = self._numbers[self._value(args[0])] if changed else None
        out = self._run(func, name, args, kwargs, given)
        if whole is not None:
            self._numbers[self._value(args[0])] = whole  # of which a part was changed
        elif name in COUNTS and self._selections.most is not None:
            number = self._counted(out) if number is None else number
        if number is not None and whole is None and isinstance(out, torch.Tensor) and out.is_contiguous():
            self._numbers.setdefault(self.value_of(out), torch.as_tensor(number).contiguous())
        return out

    def _run(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], given: list[Any]) -> Any:
        self._latest = ""
        if name in FACTORISATIONS and self._calls.function in VALUES_ALONE:
            name, args, kwargs = values_alone(name, args, kwargs)
        out = self._recorded(func, name, args, kwargs, given)
        if self.phase == "forward" and _tensors(out):  # questions about sizes come in between
            self._claim_nodes()
        return out

    def _claim_nodes(self) -> None:
        """Autograd made these nodes since the last operator, so they are this one's; views make nodes, too."""
        number = torch._C._autograd._get_sequence_nr()
        for node in range(self._seen, number):
            self._origin[node] = _Origin(self.module, self.cell, self._latest)
        self._seen = number

    def _moved(self, tree: Any) -> Any:
        """Real tensors, which the forward holds or makes, replaced by constants on meta."""
        if isinstance(tree, torch.Tensor):
            if tree.is_meta:
                return tree
            key = tree.untyped_storage()._cdata, tree.shape, tree.stride(), tree.storage_offset(), tree.dtype
            if key not in self._twins:
                twin = torch.empty_strided(tree.shape, tree.stride(), dtype=tree.dtype, device=META)
                self._twins[key] = twin, tree  # kept, so that no address is used twice
            return self._twins[key][0]
        if isinstance(tree, (list, tuple)):
            return type(tree)(self._moved(item) for item in tree)
        return {key: self._moved(item) for key, item in tree.items()} if isinstance(tree, dict) else tree

    def _recorded(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], given: list[Any]) -> Any:
        facts = _facts(func)
        before = [self._use(tensor) for tensor in given]
        op_class = class_of(name, args, facts.pointwise)
        out = SHORTCUTS[name](*args, **kwargs) if name in SHORTCUTS else NotImplemented
        if name in SELECTS:
            out = self._selections.result(name, args)
            if out is not NotImplemented:
                self.notes[self._selections.note] = None
        if out is NotImplemented:
            out = func(*args, **kwargs)
        results = [tensor for tensor in written_results(name, args, _tensors(out)) if tensor.is_meta]
        if name in VIEWS_IN_PLACE:
            return out
        if name == "oracle.resident":  # memory that is there before the call
            self.give(out, args[-1])
            return out
        if name in ALLOCATIONS:
            for tensor in results:
                self.give(tensor, "activation")
                self._blank.add(self.value_of(tensor))
                if tensor.dtype == torch.int64 and _is_small(tensor):  # sizes, which are to be put into it
                    self._numbers[self.value_of(tensor)] = torch.zeros(tensor.numel(), dtype=tensor.dtype)
            return out
        mutated = _tensors(facts.pick_mutated(args, kwargs)) if facts.writes else []
        fresh = [tensor for tensor in results if tensor.untyped_storage()._cdata not in self._index]
        if not mutated and not fresh:
            return out  # a view, or a question about shapes
        self._append(name, op_class, facts, args, kwargs, out, before, mutated, fresh)
        return out

    def _append(
        self,
        name: str,
        op_class: str,
        facts: _Facts,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        out: Any,
        before: list[Use],
        mutated: list[Any],
        fresh: list[Any],
    ) -> None:
        index = len(self._rows)
        reads = _distinct(self._read(name, facts, before, mutated))
        writes = [self._overwrite(tensor, index) for tensor in mutated]
        for tensor in fresh:
            storage = self.give(tensor, "activation")
            self._values[self._current[storage]] = Value(storage, index)
            use = self._use(tensor)
            if 0 not in use.shape:
                writes.append(use)
        writes += [self._overwrite(tensor, index) for tensor in _tensors(hidden_writes(name, args))]
        module, cell, linear = self.module, self.cell, False
        if self.phase == "forward":
            origin = None
        else:
            node = torch._C._current_autograd_node()
            origin = self._origin.get(node._sequence_nr()) if node is not None else None
        if origin is not None:
            module, cell, linear = origin.module, origin.cell, origin.op_class == "linear"
            self.module, self.cell = module, cell  # accumulation has no origin: it belongs to what ran last
        elif op_class == "linear":
            linear = any(self._weights(use) for use in reads)
        if op_class == "linear" and not linear:
            op_class = "matmul"
        row = Row(
            name,
            op_class,
            module,
            self.phase,
            cell,
            self._calls.call,
            self._calls.function,
            shapes_of(args),
            {key: shapes_of(value) for key, value in kwargs.items() if key not in facts.out_names},
            shapes_of(out),
            reads,
            tuple(writes),
            facts.pointwise,
        )
        self._rows.append(row)
        self._latest = op_class

    def _read(self, name: str, facts: _Facts, given: list[Use], mutated: list[Any]) -> list[Use]:
        """Those of the tensors an operator was given that it reads."""
        if name in SHAPE_ONLY:
            return []
        if facts.writes_out or name in WRITE_ONLY:
            given = list(given)
            for tensor in mutated:
                given.remove(self._use(tensor))  # once: the tensor may be an input as well
        return given

    def _overwrite(self, tensor: Any, row: int) -> Use:
        """Make a new value for the storage of a tensor that a row changes in place."""
        storage, before = self.give(tensor, "constant"), self.value_of(tensor)
        self._current[storage] = len(self._values)
        self._values.append(Value(storage, row))
        use = self._use(tensor)
        # Compared as torch has them: of two symbols, it knows by now whether they are equal.
        partly = self._storages[storage].kind == "cache" or tensor.numel() != self._numels[storage]
        if partly and before not in self._blank:
            self._values[-1] = Value(storage, row, before)
        return use

    def _made(self, tensor: Any, number: Any) -> None:
        """The forward has made a tensor of numbers."""
        if tensor.is_meta and _is_small(tensor):
            with (
                suppress(TypeError, ValueError, RuntimeError),
                _disable_current_modes(),
            ):  # other tensors are no numbers
                self._numbers[self.value_of(tensor)] = torch.tensor(number, dtype=tensor.dtype, device="cpu")

    def _number(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], given: list[Any]) -> Any:
        """What an operator makes of the forward's own numbers, or of a mask that is counted; None where it cannot."""
        if name == "aten.scalar_tensor" and type(args[0]) in (bool, int, float):
            return torch.tensor(args[0], dtype=kwargs.get("dtype"))
        number = self._computed(func, args, kwargs) if self._numbers and given else None
        if number is None and name == "aten._local_scalar_dense":
            number = self._counted(args[0])
        return number

    def _computed(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What an operator makes of the forward's own numbers; None where it is given others."""
        given = _tensors((args, kwargs))
        if any(self._value(tensor) not in self._numbers for tensor in given):
            return None
        if _facts(func).writes and _facts(func).mutated_positions != (0,):
            return None

        def held(tree: Any) -> Any:
            if isinstance(tree, torch.Tensor):
                return self._held(tree)
            return type(tree)(map(held, tree)) if isinstance(tree, (list, tuple)) else tree

        named = {key: held(item) for key, item in kwargs.items() if key != "device"}
        out = func(*held(args), **named)
        return out if not isinstance(out, torch.Tensor) or out.numel() <= _NUMBERS else None

    def _held(self, tensor: Any) -> Any:
        """What is in a tensor of the forward's own numbers, or in a view of one."""
        return self._numbers[self._value(tensor)].as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())

    def _counted(self, tensor: Any) -> int | None:
        """What a count of a mask is where the number of rows that selections keep was stated."""
        is_one = isinstance(tensor, torch.Tensor) and tensor.is_meta and not tensor.dim()
        number = self._selections.counted(tensor) if is_one else None
        if number is not None:
            self.notes[self._selections.note] = None
        return number

    def _value(self, tensor: Any) -> int:
        """The value that a tensor holds now; -1 where it was never seen."""
        index = self._index.get(tensor.untyped_storage()._cdata)
        return -1 if index is None else self._current[index]

    def _truth(self, tensor: Any) -> bool | None:
        """Whether a tensor of one boolean is true; see `oracle.trace.truths`."""
        if self._value(tensor) in self._numbers:
            return bool(self._held(tensor))
        answer = truth_of(self.value_of(tensor), self._rows, self._values, self._storages)
        if answer is not None:
            where = f" at {self.module}" if self.module else ""
            why = "masks mask something, what is computed is right"
            self.notes[f"a test of values{where} was taken to be {answer}: {why}"] = None
        return answer

    def _weights(self, use: Use) -> bool:
        """Whether a use is a parameter, or a parameter that a cast has copied, or that was dequantised."""
        value = self._values[use.value]
        if value.producer >= 0 and self._rows[value.producer].name in _CASTS:
            return self._weights(self._rows[value.producer].reads[0])
        return self._storages[value.storage].kind == "parameter"

    def table(self, outputs: list[Any], *, unread: bool = False, **ends: Any) -> OpTable:
        """Freeze what was recorded.

        Args:
            outputs: tensors that the caller holds after the call.
            unread: whether it may hold others, too: then all that nobody in the module reads.
            ends: tensors (or None) for `boundary_in`, `boundary_out`, `grad_in` and `grad_out`.
        """
        held = frozenset(self.value_of(tensor) for tensor in outputs) | (self._unread() if unread else frozenset())
        storages = {name: -1 if end is None else self.give(end, "activation") for name, end in ends.items()}
        return OpTable(
            tuple(self._rows),
            tuple(self._values),
            tuple(self._storages),
            held,
            tuple(self.module_calls),
            tuple(self._calls.functions),
            **storages,
            notes=tuple(self.notes),
            released=tuple([self._released.get(index, len(self._rows)) for index in range(len(self._storages))]),
        )

    def _unread(self) -> frozenset[int]:
        """Values of the forward pass that no row reads."""
        table = OpTable(tuple(self._rows), tuple(self._values), tuple(self._storages), frozenset(), ())
        read = {part for row in self._rows for use in row.reads for part in table.lineage(use.value)}
        made = [value for value in self._current if self._values[value].producer >= 0 and value not in read]
        return frozenset(v for v in made if self._rows[self._values[v].producer].phase == "forward")


def _release(
    address: int, index: int, known: dict[int, int], released: dict[int, int], rows: list[Row], _: Any
) -> None:
    """The program lets go of a storage, whose address may be used again."""
    released[index] = len(rows)
    del known[address]


class _Origin(NamedTuple):
    """The forward operator that an autograd node belongs to."""

    module: str
    cell: int
    op_class: str


class _Facts:
    """What an operator's schema says, read once."""

    __slots__ = ("mutated_names", "mutated_positions", "out_names", "pointwise", "writes", "writes_out")

    def __init__(self, func: Any) -> None:
        written = [
            (position, argument.name)
            for position, argument in enumerate(func._schema.arguments)
            if argument.alias_info is not None and argument.alias_info.is_write
        ]
        self.mutated_positions = tuple(position for position, _ in written)
        self.mutated_names = tuple(name for _, name in written)
        self.out_names = frozenset(argument.name for argument in func._schema.arguments if argument.is_out)
        self.writes = bool(written)
        self.writes_out = bool(self.out_names)
        self.pointwise = is_pointwise(func)

    def pick_mutated(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        picked = [args[position] for position in self.mutated_positions if position < len(args)]
        return picked + [kwargs[name] for name in self.mutated_names if name in kwargs]


@lru_cache(maxsize=4096)
def _facts(func: Any) -> _Facts:
    return _Facts(func)


def _is_lengths(tensor: Any) -> bool:
    """Whether a tensor may be lengths of sequences: a real vector of integers."""
    return not tensor.is_meta and tensor.dim() == 1 and tensor.dtype == torch.int64


def _is_small(tensor: Any) -> bool:
    """Whether a tensor may hold numbers of the forward's own that are computed with; no question about symbols."""
    return type(tensor.numel()) is int and tensor.numel() <= _NUMBERS


def _distinct(uses: list[Use]) -> tuple[Use, ...]:
    """Each piece of memory once, also where an operator sees it twice, such as `x @ x.T`."""
    if len({use.value for use in uses}) == len(uses):
        return tuple(uses)
    return tuple({use.memory: use for use in reversed(uses)}.values())[::-1]


def _tensors(tree: Any) -> list[Any]:
    """All tensors in nested tuples, lists and dicts."""
    found: list[Any] = []
    _collect(tree, found)
    return found


def _collect(tree: Any, found: list[Any]) -> None:
    if isinstance(tree, torch.Tensor):
        found.append(tree)
    elif isinstance(tree, (list, tuple)):
        for item in tree:
            if item is not None and type(item) is not int:
                _collect(item, found)
    elif isinstance(tree, dict):
        for item in tree.values():
            _collect(item, found)


def _dtype(tensor: Any) -> str:
    return str(tensor.dtype)[6:]  # "torch.float32" -> "float32"
