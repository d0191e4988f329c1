"""Networks whose cells compute in different types: cells of uniform networks, with conversions where types meet.

The rule: a cell of a mixed network is that cell of the network that computes in its type throughout, with all that it
reads, writes and stores there. Where two neighbours store the tensor between them in different types, one kernel more
reads it as the first wrote it and writes it as the second reads it (QuantizeLinear or DequantizeLinear of ONNX Runtime,
a reformat of TensorRT): its bytes count, and no FLOPs. Both tensors are alive while it runs. It counts with the class
and the shares of the roofs of casts under the type of the cell that reads. Images and scores are what the uniform
networks of the first and of the last cell have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.inputs import workload_key
from oracle.closedform.library import role_of
from oracle.closedform.program import Program, Step
from oracle.closedform.template import SUMS, Format, KernelMeta, KernelNumbers, Template, TemplateKey
from oracle.errors import WorkloadError
from oracle.families.population import CellArray, Population, Rows
from oracle.memory import CellMemory
from oracle.optable import ITEMSIZE
from oracle.spec import NetSpec, Workload

Ints = NDArray[np.int64]

CONVERSION = "conversion"
"""The kind of a cell that is nothing but the change of type between two others."""

_NAME = "oracle.convert"


def check_mixed(workload: Workload, input_shape: Sequence[Any] = ()) -> None:
    """Refuse types by cell where nobody runs them.

    Args:
        workload: of the network.
        input_shape: of the network, if it is known.

    Raises:
        WorkloadError: no engine, training, or a network of tokens.
    """
    if (workload.runtime, workload.mode) != ("engine", "inference"):
        raise WorkloadError(
            "dtypes: types by stage need runtime='engine' and mode='inference', "
            f"got runtime={workload.runtime!r} and mode={workload.mode!r}"
        )
    if len(input_shape) == 1:
        raise WorkloadError("dtypes: types by stage are for networks of images; a decoder has dtype, weights, kv_dtype")


def check_stages(population: Population) -> None:
    """Complain of types by stage that no cell of any candidate goes by.

    Raises:
        WorkloadError: the first of them, with the stages that there are.
    """
    requested = [(name, own, _Request.of(name, own, ())) for name, own in population.dtypes]
    whole = unrolled(population) if _may_part(population, [item for _, _, item in requested]) else population
    cells = [found for place in _placed(whole) for found in place if len(found.rows)]
    for name, own, item in requested:
        if cells and not any(np.any(item.means(found)) for found in cells):
            numbers = {number for found in cells if found.word == "s" for number in np.unique(found.numbers).tolist()}
            stages = [*dict.fromkeys(found.role for found in cells), *(f"s{number}" for number in sorted(numbers))]
            word = str(np.ravel(own)[0])
            raise WorkloadError(f"dtypes.{name}={word!r}: no candidate has it; there are {', '.join(stages)}")


def dtypes_note(net: NetSpec, workload: Workload) -> str:
    """In words, which stages of a network compute in another type."""
    stated = ", ".join(f"{name} in {dtype}" for name, dtype in net.dtypes)
    return f"{net.name or 'it'} has {stated}, else {workload.dtype}"


def dtype_of(template: Template) -> str:
    """The type that a template's cell computes in."""
    return dict(template.key.workload)["dtype"]


def stored_dtype(form: Format, workload: Workload) -> str:
    """The type that a tensor between cells is stored in under a workload."""
    return workload.dtype if workload.is_quantised else form.dtype


@lru_cache(maxsize=256)
def conversion(before: str, after: str, form: Format, workload: Workload) -> Template:
    """The closed form of a conversion, over the dimensions d0, d1, ... of the tensor.

    Args:
        before, after: types that it is stored in.
        form: as the next cell sees it.
        workload: of the next cell.
    """
    symbols = tuple(f"d{axis}" for axis in range(len(form.order)))
    steps: list[Step] = [("symbol", axis, 0) for axis in range(len(symbols))]

    def step(operation: str, a: int, b: int = 0) -> int:
        steps.append((operation, a, b))
        return len(steps) - 1

    elements = 0
    for axis in range(1, len(symbols)):
        elements = step("mul", elements, axis)
    zero = step("const", 0)
    read, written = (step("mul", elements, step("const", _itemsize(dtype))) for dtype in (before, after))
    moved = step("add", read, written)
    sizes = dict.fromkeys(CellMemory.__dataclass_fields__, zero)
    sizes |= {"forward": moved, "forward_held": moved, "input": read, "output": written}
    key = TemplateKey(CONVERSION, (("from", before), ("to", after)), (), form, None, False, workload_key(workload))
    dims = tuple(range(len(symbols)))
    return Template(
        key=key,
        program=Program(symbols, tuple(steps)),
        guards=(),
        kernels=(KernelMeta(_NAME, "copy", "cast", CONVERSION, "forward", "float32", "float32"),),
        numbers=KernelNumbers((zero,), (zero,), (zero,), (read,), (written,), (zero,)),
        shapes=(((dims,), (dims,)),),
        traffic=(moved,),
        sums=tuple(moved if name == "traffic_bytes" else zero for name in SUMS),
        memory=CellMemory(**{**sizes, "output_retained": False, "input_retained": False}),
        output=dims,
        output_format=form,
        input_gradient=None,
        unknown=(),
        coverage=(0, 1, 0),
    )


def _itemsize(dtype: str) -> int:
    return 1 if dtype == "float8" else ITEMSIZE[dtype]


def place_codes(population: Population, dtype: str) -> tuple[Population, tuple[str, ...], list[Ints]]:
    """The types of all cells of a population: `oracle.naming.cell_dtypes`, as arrays.

    Args:
        population: with types by stage.
        dtype: of cells that it says nothing of.

    Returns:
        population: the same; equal cells in a row stand at places of their own where they may differ in type.
        words: the types that some cell has.
        codes: per place (size,) which of them each candidate's cell there has, -1 where it has none.
    """
    words = list(dict.fromkeys([dtype, *(word for _, own in population.dtypes for word in np.unique(own) if word)]))
    requested = sorted(
        (_Request.of(name, own, words) for name, own in population.dtypes), key=lambda item: item.nearness
    )
    if _may_part(population, requested):
        population = unrolled(population)
    codes = []
    for found in _placed(population):
        own = np.full(population.size, -1, dtype=np.int64)
        for cells in found:
            chosen = np.zeros(len(cells.rows), dtype=np.int64)
            for item in requested:
                given = item.codes[cells.rows] if isinstance(item.codes, np.ndarray) else item.codes
                chosen = np.where(item.means(cells) & (given >= 0), given, chosen)
            own[cells.rows] = chosen
        codes.append(own)
    used = [code for code in range(len(words)) if any((own == code).any() for own in codes)]
    renumbered = np.full(len(words) + 1, -1, dtype=np.int64)  # the last stands for -1
    renumbered[used] = np.arange(len(used))
    return population, tuple(words[code] for code in used), [renumbered[own] for own in codes]


class _Request(NamedTuple):
    """A name of `NetSpec.dtypes`, taken apart, and what candidates say of it: codes of types, -1 for nothing."""

    role: str
    number: int
    inner: int
    codes: Any

    @classmethod
    def of(cls, name: str, own: Any, words: Sequence[str]) -> _Request:
        """The parts of a name, 0 for those that it has not."""
        stage, _, inner = name.partition("_b")
        role = stage.rstrip("0123456789")
        codes: Any = np.full(np.shape(own), -1, dtype=np.int64)
        for code, word in enumerate(words):
            codes[np.asarray(own) == word] = code
        return cls(role, int(stage[len(role) :] or 0), int(inner or 0), codes if np.ndim(own) else int(codes))

    @property
    def nearness(self) -> int:
        """How much it leaves open; what is nearer to a cell counts last, and so decides."""
        return bool(self.number) + bool(self.inner)

    def means(self, cells: _Cells) -> Any:
        """Which of some cells it means."""
        if not self.number:
            return self.role == cells.role
        if self.role != cells.word:
            return False
        return (cells.numbers == self.number) & ((cells.inner == self.inner) | (not self.inner))


class _Cells(NamedTuple):
    """Cells of one kind at a place: the candidates that have one, and what these cells are called.

    Attributes:
        rows: of the candidates.
        role: stem, block or head.
        word, numbers, inner: their names are the word and the number, and of blocks in stages `_b` and another; 0
            where a cell is the only one of its role.
    """

    rows: Ints
    role: str
    word: str
    numbers: Ints
    inner: Ints


def _placed(population: Population) -> Iterator[list[_Cells]]:
    """Per place, its cells with their names, as `oracle.naming.cell_names` has them."""
    size = population.size
    totals = {role: np.zeros(size, dtype=np.int64) for role in ("stem", "block", "head")}
    for group in (group for place in population.places for group in place):
        totals[role_of(group.kind)][group.rows] += group.counts
    counted = {role: np.zeros(size, dtype=np.int64) for role in totals}
    stage, inner = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    for place in population.places:
        found = []
        for group in place:
            there = np.flatnonzero(group.counts)
            rows, role = group.rows[there], role_of(group.kind)
            counts = group.counts[there]
            if role == "block" and "stride" in dict(group.params):
                begins = _begins(group)
                begins = (begins[there] if isinstance(begins, np.ndarray) else begins) | (stage[rows] == 0)
                stage[rows] += begins
                inner[rows] = np.where(begins, 1, inner[rows] + 1)
                found.append(_Cells(rows, role, "s", stage[rows], inner[rows]))
                inner[rows] += counts - 1
                continue
            counted[role][rows] += 1
            alone = (totals[role][rows] == 1) & (role != "block")
            found.append(_Cells(rows, role, role, np.where(alone, 0, counted[role][rows]), np.zeros_like(rows)))
            counted[role][rows] += counts - 1
        yield found


def _begins(group: CellArray) -> Any:
    """Which blocks begin a stage wherever they stand: resolution or width change."""
    given: dict[str, Any] = dict(group.params)
    return (given["stride"] != 1) | (given.get("w_in") != given.get("w_out"))


def _may_part(population: Population, requested: Sequence[_Request]) -> bool:
    """Whether cells of one run may be called apart."""
    if any(item.inner or (item.number and item.role != "s") for item in requested):
        return True
    return any(
        bool(np.any((group.counts > 1) & _begins(group)))
        for place in population.places
        for group in place
        if role_of(group.kind) == "block" and "stride" in dict(group.params)
    )


def unrolled(population: Population) -> Population:
    """The same networks with one cell at each place at the most."""
    places = []
    for place in population.places:
        for repeat in range(max((int(group.counts.max(initial=0)) for group in place), default=0)):
            own = []
            for group in place:
                there = np.flatnonzero(group.counts > repeat)
                if len(there):
                    part = group.at(Rows(there), group.rows[there])
                    own.append(replace(part, counts=np.ones_like(part.rows)))
            places.append(tuple(own))
    return replace(population, places=tuple(places))
