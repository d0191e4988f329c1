"""The operators that an engine really runs, where they are others than the framework's.

An engine's graph has what a trace does not show: attention taken apart, layer norm in several primitives, tensors
that are copied into another order of dimensions or cut into parts (views to the framework), and convolutions that
want their channels in blocks, so that images are laid out anew wherever another operator needs them as they were.
Tables are written anew with these rows; a table to which nothing of that happens is returned as it is. In training
nothing is lowered, for engines do not train.

Between cells an image is in blocks if its channels fill them; a cell knows no more of its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from oracle.counting.fusion.blocks import NATURAL, Blocks, Decide, decided
from oracle.counting.fusion.constants import constant_rows
from oracle.counting.fusion.engines import EngineRules
from oracle.optable import Dim, OpTable, Row, Shape, Storage, Use, Value, equal, prod

__all__ = ["lowered"]

_COPIES = frozenset({"aten.clone", "aten.cat", "aten.stack", "aten._to_copy"})
_SILU = frozenset({"aten.silu", "aten.silu_"})
_OPERANDS = 3  # query, key, value; one tensor that is several of them is read once
_TRANSPOSING = frozenset({"aten.mm", "aten.addmm", "aten.bmm", "aten.baddbmm"})
"""Products read either operand in either order of its last two dimensions."""


def lowered(
    table: OpTable,
    rules: EngineRules,
    hint: Callable[[Dim], int] = int,
    decide: Decide = decided,
) -> OpTable:
    """The table of the operators that an engine runs.

    Args:
        table: of a trace.
        rules: of the engine.
        hint: a size as a number, where only its rank among others is looked at.
        decide: answers what the layouts ask of sizes; it may take note, for the table depends on it.
    """
    if not rules.lowers or any(row.phase != "forward" for row in table.rows):
        return table
    return _Writer(table, rules, hint, decide).written()


class _Writer:
    def __init__(self, table: OpTable, rules: EngineRules, hint: Callable[[Dim], int], decide: Decide) -> None:
        self._table, self._rules, self._hint = table, rules, hint
        self._rows: list[Row] = []
        self._values, self._storages = list(table.values), list(table.storages)
        self._places: dict[int, int] = {}  # row there -> row here
        self._made: dict[int, Use] = {}  # value -> how its row wrote it
        self._copies: dict[Any, Use] = {}
        self._blocks = Blocks(rules.block, decide)
        self._constant = constant_rows(table)
        self._added: set[int] = set()  # values that rows of ours make

    def written(self) -> OpTable:
        """The new table."""
        for index, row in enumerate(self._table.rows):
            self._row(row, constant=index in self._constant)
            self._places[index] = len(self._rows) - 1
        if len(self._rows) == len(self._table.rows):
            return self._table
        values = tuple(
            value
            if value.producer < 0 or number in self._added
            else value._replace(producer=self._places[value.producer])
            for number, value in enumerate(self._values)
        )
        return replace(self._table, rows=tuple(self._rows), values=values, storages=tuple(self._storages))

    def _row(self, row: Row, *, constant: bool) -> None:
        if not constant:
            wanted, given = self._blocks.wanted(row, self._format)
            reads = tuple([self._arranged(row, use, wanted) for use in row.reads])
            row = row._replace(reads=reads)
            for use in row.writes:
                self._blocks.formats[use.value] = given
        expand = self._expansion(row)
        if expand is None:
            self._rows.append(row)
        else:
            expand(row)
        for use in row.writes:
            self._made[use.value] = use

    def _expansion(self, row: Row) -> Callable[[Row], None] | None:
        if row.name == "oracle.attention" and not self._rules.attention:
            return self._attention
        if row.name == "oracle.attention" and self._rules.attention_scales:
            return self._scaled_attention
        if row.name == "aten.native_layer_norm" and self._rules.layer_norm != (1, 1):
            return self._layer_norm
        if row.name in _SILU and self._rules.silu > 1:
            return self._silu
        return self._roll if row.name == "aten.roll" and self._rules.splits else None

    # -- how tensors are arranged ----------------------------------------------------------------------------------

    def _format(self, use: Use, cell: int) -> str:
        """How a tensor is stored where it is read: between cells, as all agree on."""
        made = self._values[use.value]
        crosses = made.producer < 0 or (use.value not in self._added and self._table.rows[made.producer].cell != cell)
        if crosses and not self._storages[made.storage].is_weight:
            return self._blocks.between_cells(use.shape)
        return self._blocks.formats.get(use.value, NATURAL)

    def _arranged(self, row: Row, use: Use, wanted: str) -> Use:
        """The tensor as a row needs it, by copies before it."""
        value = self._values[use.value]
        if self._storages[value.storage].is_weight or value.producer in self._constant:
            return use
        if use.value not in self._made and value.producer < 0 and self._format(use, row.cell) == NATURAL:
            return use  # what enters comes as it is requested
        stored = self._format(use, row.cell)
        if self._rules.splits and stored == NATURAL and self._is_part(use) and row.name not in _COPIES - {"aten.clone"}:
            use = self._part(row, use)
        if stored != wanted and len(use.shape) > 1:
            return self._copy(row, use, "oracle.reorder", wanted)
        if self._rules.transposes and stored == NATURAL and self._is_transposed(row, use):
            if self._rules.together and self._is_part(use):
                return self._whole_copy(row, use)
            return self._copy(row, use, "oracle.transpose", NATURAL)
        return use

    def _is_part(self, use: Use) -> bool:
        value = self._values[use.value]
        whole = self._storages[value.storage].elements
        return value.base < 0 and not equal(use.elements, whole) and all(step != 0 for step in use.stride)

    def _is_transposed(self, row: Row, use: Use) -> bool:
        if row.name in _COPIES or len(use.shape) < 2 or use.value not in self._made:
            return False
        made = self._made[use.value]
        if (made.shape, made.stride) == (use.shape, use.stride):
            return False
        strides = self._strides(use)
        if row.name in _TRANSPOSING and len(strides) == len(use.shape):
            strides[-2:] = sorted(strides[-2:], reverse=True)
        return strides != sorted(strides, reverse=True) or self._strides(made) != sorted(
            self._strides(made), reverse=True
        )

    def _strides(self, use: Use) -> list[int]:
        pairs = zip(use.shape, use.stride, strict=True)
        return [self._hint(step) for size, step in pairs if size != 1 and step != 0]

    def _part(self, row: Row, use: Use) -> Use:
        """A copy of the part of a tensor; all parts of a tensor are cut in one go."""
        key = "part", use.value, row.cell
        if key not in self._copies:
            whole = self._made.get(use.value, use)
            self._copies[key] = self._new(row, "oracle.split", "copy", (whole,), whole.shape, whole.dtype)
        return use._replace(value=self._copies[key].value)

    def _copy(self, row: Row, use: Use, name: str, form: str) -> Use:
        key = name, use.value, use.shape, use.stride, use.offset, form, row.cell
        if key not in self._copies:
            self._copies[key] = self._new(row, name, "copy", (use,), use.shape, use.dtype)
            self._blocks.formats[self._copies[key].value] = form
        return self._copies[key]

    def _whole_copy(self, row: Row, use: Use) -> Use:
        """The part of a tensor, of which all of it was copied into that order."""
        key = "whole", use.value, row.cell
        if key not in self._copies:
            whole = self._made[use.value]
            self._copies[key] = self._new(row, "oracle.transpose", "copy", (whole,), whole.shape, whole.dtype)
        return use._replace(value=self._copies[key].value, stride=_strides_of(use.shape))

    # -- rows ------------------------------------------------------------------------------------------------------

    def _new(
        self, row: Row, name: str, op_class: str, reads: Sequence[Use], shape: Sequence[Dim], dtype: str, *args: Any
    ) -> Use:
        """Run an operator that makes a tensor of its own."""
        self._storages.append(Storage(prod(shape), dtype, "activation"))
        self._values.append(Value(len(self._storages) - 1, len(self._rows)))
        made = Use(len(self._values) - 1, tuple(shape), _strides_of(shape), 0, dtype)
        self._added.add(made.value)
        self._made[made.value] = made
        self._emit(row, name, op_class, reads, (made,), args)
        return made

    def _emit(
        self, row: Row, name: str, op_class: str, reads: Sequence[Use], writes: Sequence[Use], args: tuple[Any, ...]
    ) -> None:
        out = Shape(writes[0].shape)
        shapes = args or tuple(Shape(use.shape) for use in reads)
        pointwise = op_class == "elementwise"
        self._rows.append(
            row._replace(
                name=name,
                op_class=op_class,
                args=shapes,
                kwargs={},
                out=out,
                reads=tuple(reads),
                writes=tuple(writes),
                pointwise=pointwise,
            )
        )

    def _attention(self, row: Row) -> None:
        """Scores, mask, softmax and values, each written; the scale is the product's own."""
        operands = list(row.reads)
        mask = [operands.pop()] if isinstance(row.args[3], Shape) else []
        q, k, v = operands if len(operands) == _OPERANDS else (operands[0], operands[0], operands[-1])
        batch, length, context = prod(q.shape[:-2]), q.shape[-2], k.shape[-2]
        left, right = Shape((batch, length, q.shape[-1])), Shape((batch, k.shape[-1], context))
        scores = (*q.shape[:-2], length, context)
        found = self._new(row, "aten.bmm", "matmul", (q, k), scores, q.dtype, left, right)
        found = self._with_out(found, (batch, length, context))
        if mask:
            found = self._new(row, "aten.add", "elementwise", (found, mask[0]), scores, q.dtype)
        found = self._new(row, "aten._softmax", "softmax", (found,), scores, q.dtype)
        out = (batch, length, v.shape[-1])
        args = Shape((batch, length, context)), Shape((batch, context, v.shape[-1]))
        self._emit(row, "aten.bmm", "matmul", (found, v), row.writes[:1], args)
        self._with_out(found, out)

    def _scaled_attention(self, row: Row) -> None:
        """One kernel, whose operands are scaled apart."""
        count = self._rules.attention_scales
        scaled = [self._new(row, "aten.mul", "elementwise", (use,), use.shape, use.dtype) for use in row.reads[:count]]
        self._rows.append(row._replace(reads=(*scaled, *row.reads[count:])))

    def _with_out(self, found: Use, shape: Sequence[Dim]) -> Use:
        """Products of batches have three dimensions, whatever the tensors had."""
        self._rows[-1] = self._rows[-1]._replace(out=Shape(shape))
        return found

    def _layer_norm(self, row: Row) -> None:
        """Mean and variance, then scale and shift; over images the mean is subtracted apart, too."""
        images = len(row.args[0]) > 3
        x, *affine = row.reads
        parts = self._rules.layer_norm[0 if images else 1]
        shape, dtype = x.shape, x.dtype
        if parts > 2:
            middle = (*shape[:-1], 1)
            mean = self._new(row, "aten.mean", "reduction", (x,), middle, dtype)
            x = self._new(row, "aten.sub", "elementwise", (x, mean), shape, dtype)
        if not affine:
            self._emit(row, row.name, row.op_class, (x,), row.writes[:1], (*row.args[:2], None, None, *row.args[4:]))
            return
        args = (*row.args[:2], None, None, *row.args[4:])
        x = self._new(row, row.name, row.op_class, (x,), shape, dtype, *args)
        for number, weight in enumerate(affine):
            name = "aten.mul" if number == 0 and row.args[2] is not None else "aten.add"
            if number == len(affine) - 1:
                self._emit(row, name, "elementwise", (x, weight), row.writes[:1], ())
            else:
                x = self._new(row, name, "elementwise", (x, weight), shape, dtype)

    def _silu(self, row: Row) -> None:
        """Its sigmoid, and what it multiplies."""
        x = row.reads[0]
        share = self._new(row, "aten.sigmoid", "activation", (x,), x.shape, x.dtype)
        self._emit(row, "aten.mul", "elementwise", (x, share), row.writes, ())

    def _roll(self, row: Row) -> None:
        """Along each dimension: cut in two, and put together the other way round."""
        x = row.reads[0]
        dims = row.args[2] if len(row.args) > 2 else (0,)
        for number in range(len(dims)):
            x = self._new(row, "oracle.split", "copy", (x,), x.shape, x.dtype)
            if number == len(dims) - 1:
                self._emit(row, "aten.cat", "copy", (x,), row.writes, ())
            else:
                x = self._new(row, "aten.cat", "copy", (x,), x.shape, x.dtype)


def _strides_of(shape: Sequence[Dim]) -> tuple[Dim, ...]:
    strides: list[Dim] = []
    step: Dim = 1
    for size in reversed(shape):
        strides.append(step)
        step = step * size
    return tuple(reversed(strides))
