"""Make the templates that ship; `make_templates.py` runs it.

The networks of `tests.benchmarks.templates.specimens` are costed under their workloads; the templates that this takes are
written, one file per kind of cell (see `oracle.closedform.library`). Each is checked on the way against a trace of the
cell with plain integers and a batch of 1.

Weights in half precision are requested nowhere: their templates come from the symbolic traces in float32, given the
types that a trace in half precision has with plain integers, against which they are checked likewise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from oracle.cells import cell_role
from oracle.cells.registry import own_arguments
from oracle.closedform.answers import answer, values_of
from oracle.closedform.canonical import canonical_key
from oracle.closedform.halving import half_key
from oracle.closedform.inputs import Visit
from oracle.closedform.library import BATCH_OF_ONE
from oracle.closedform.network import network_form
from oracle.closedform.store import TemplateStore, fingerprint, torch_version
from oracle.closedform.symbolic import Recording, concrete_template, counted_template, record, traced_cell
from oracle.closedform.template import Template, TemplateKey
from oracle.errors import OracleError
from oracle.optable import Use
from oracle.spec import LOSS, CellSpec, Workload
from tests.benchmarks.templates.specimens import BATCH, networks, workloads_of
from tests.benchmarks.templates.writing import write_file


class _Request(NamedTuple):
    """A cell that a template was made for."""

    key: TemplateKey
    params: tuple[tuple[str, Any], ...]
    dims: tuple[int, ...]
    workload: Workload
    traced: Recording

    def with_batch(self, size: int) -> _Request:
        """The same cell on a batch of another size."""
        return self._replace(dims=(size, *self.dims[1:]))


class _Maker(TemplateStore):
    """A store that counts one trace for all runtimes, and remembers what was requested.

    Attributes:
        requested: for each template, in the order they were made, the cell that it was made for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.requested: dict[TemplateKey, list[_Request]] = {}
        self._recordings: dict[Any, list[Recording]] = {}

    def start_over(self) -> None:
        """Drop the templates: the next workload has others."""
        self._templates.clear()
        self.requested.clear()

    def forget(self) -> None:
        """Drop the traces, which no workload to come shares."""
        self._recordings.clear()

    def make(
        self,
        key: TemplateKey,
        params: Sequence[tuple[str, Any]],
        dims: Sequence[int],
        workload: Workload,
    ) -> Template | None:
        """A template for a cell."""
        values = values_of(params, dims)
        traces = self._recordings.setdefault(key._replace(workload=()), [])
        fitting = next((traced for traced in traces if traced.holds(values)), None)
        if fitting is None:
            fitting = record(key, params, dims, workload)
            traces.append(fitting)
        template = counted_template(key, fitting, workload, values)
        self._templates.setdefault(key, []).append(template)
        self.requested.setdefault(key, []).append(_Request(key, tuple(params), tuple(dims), workload, fitting))
        return template


def made(name: str) -> dict[TemplateKey, tuple[list[Template], bool]]:
    """The templates of some networks: canonical key -> templates, and whether they answer for a batch of 1."""
    nets, found = networks()[name], dict[TemplateKey, tuple[list[Template], bool]]()
    before = None
    maker = _Maker()
    for workload in workloads_of(name):
        shared = workload.layout, workload.mode, workload.autocast_dtype, workload.optimizer
        if shared != before:
            maker.forget()
            before = shared
        maker.start_over()
        for net in nets:
            network_form(maker, net, workload)
        for key, several in list(maker.requested.items()):
            canonical, _ = canonical_key(key)
            if canonical not in found:  # the other optimiser's inference, say
                found |= _entries(maker, key, several)
    # Copies, for what templates have worked out is functions, which do not travel between processes.
    return {key: ([replace(template) for template in several], covers) for key, (several, covers) in found.items()}


def _entries(
    maker: _Maker, key: TemplateKey, several: Sequence[_Request]
) -> dict[TemplateKey, tuple[list[Template], bool]]:
    """What is stored for some cells of a key: their templates, those of a batch of 1 if they are others, and halves."""
    several, templates = _holding(key, several, maker.known(key))
    if not several:
        return {}
    covers = _covers_one(templates, several)
    found = {canonical_key(key)[0]: (templates, covers)}
    cells = {canonical_key(key)[0]: several}
    if not covers:
        for requested, template in zip(several, templates, strict=True):
            _check(template, requested)
    if not covers and several[0].dims[0] == BATCH:
        pinned = key._replace(pinned=(*key.pinned, BATCH_OF_ONE))
        single = [own for requested in several if (own := _pinned(maker, pinned, requested))]
        if single:
            found[canonical_key(pinned)[0]] = single, False
            cells[canonical_key(pinned)[0]] = maker.requested[pinned]
    if several[0].workload.dtype == "float32":
        found |= {half_key(name): _halves(own, found[name][1]) for name, own in cells.items()}
    return found


def _holding(
    key: TemplateKey, several: Sequence[_Request], templates: Sequence[Template]
) -> tuple[list[_Request], list[Template]]:
    """Cells and their templates without those that say something else than a trace: sizes of 1 hide what is equal."""
    pairs = list(zip(several, templates, strict=True))
    if key.pinned:
        pairs = [(requested, own) for requested, own in pairs if answer(own, _values(requested)) == _traced(requested)]
    return [requested for requested, _ in pairs], [own for _, own in pairs]


def _halves(several: Sequence[_Request], covers: bool) -> tuple[list[Template], bool]:
    """The templates with weights in half precision of cells that were traced in float32.

    Args:
        several: the cells.
        covers: whether their templates answer for a batch of 1, as these then do, too.

    Raises:
        OracleError: a template does not say what the trace does.
    """
    found = []
    for requested in several:
        workload = requested.workload.with_(dtype="float16", weights="float16")
        half = requested._replace(key=half_key(requested.key), workload=workload)
        template = counted_template(half.key, _retyped(requested.traced, half), workload, _values(half))
        for cell in (half, half.with_batch(1)) if covers else (half,):
            _check(template, cell)
        found.append(template)
    return found, covers


def _retyped(found: Recording, half: _Request) -> Recording:
    """A recording of a cell with the types that a trace of it with plain integers has in half precision.

    Raises:
        OracleError: the two run other operators.
    """
    key = half.key
    visit = Visit(CellSpec(key.kind, half.params), half.dims, key.input, key.gradient, key.first)
    traced = traced_cell(visit, half.workload)

    def uses(ours: Sequence[Use], theirs: Sequence[Use]) -> tuple[Use, ...]:
        return tuple([own._replace(dtype=other.dtype) for own, other in zip(ours, theirs, strict=True)])

    rows = []
    for own, other in zip(found.table.rows, traced.table.rows, strict=True):
        if (own.name, own.phase) != (other.name, other.phase):
            raise OracleError(f"{key}: runs {other.name} where it runs {own.name} in float32")
        types = {name: value for name, value in other.kwargs.items() if isinstance(value, torch.dtype)}
        rows.append(
            own._replace(
                kwargs={**own.kwargs, **types},
                reads=uses(own.reads, other.reads),
                writes=uses(own.writes, other.writes),
            )
        )
    storages = zip(found.table.storages, traced.table.storages, strict=True)
    table = replace(
        found.table,
        rows=tuple(rows),
        storages=tuple([own._replace(dtype=other.dtype) for own, other in storages]),
    )
    gradient = traced.input_gradient
    return replace(
        found,
        table=table,
        output_format=found.output_format._replace(dtype=traced.output.dtype),
        input_gradient=found.input_gradient and gradient and found.input_gradient._replace(dtype=gradient.dtype),
    )


def _pinned(maker: _Maker, key: TemplateKey, requested: _Request) -> Template | None:
    try:
        return maker.make(key, requested.params, (1, *requested.dims[1:]), requested.workload)
    except OracleError:  # a batch norm that trains on one value
        return None


def _check(template: Template, requested: _Request) -> None:
    if answer(template, _values(requested)) != _traced(requested):
        raise OracleError(f"{requested.key} at {requested.dims}: the template does not say what the trace does")


def _covers_one(templates: Sequence[Template], several: Sequence[_Request]) -> bool:
    if any(requested.dims[0] != BATCH for requested in several):
        return False  # pinned already
    for template, requested in zip(templates, several, strict=True):
        one = requested.with_batch(1)
        try:
            if answer(template, _values(one)) != _traced(one):
                return False
        except OracleError:  # a batch norm that trains on one value: a trace of that very cell will say so
            return False
    return True


def _values(requested: _Request) -> dict[str, int]:
    return values_of(requested.params, requested.dims)


def _traced(requested: _Request) -> tuple[Any, ...] | None:
    return answer(concrete_template(requested.key, requested.params, requested.dims, requested.workload), {})


def write(
    entries: Mapping[TemplateKey, tuple[list[Template], bool]], directory: Path, only: str = ""
) -> Iterator[Path]:
    """Replace the files of a directory, and name each that was written.

    Args:
        entries: canonical key -> templates, and whether they answer for a batch of 1.
        directory: of the files.
        only: what the kinds begin with whose files are replaced; all if "".
    """
    kinds: dict[str, dict[TemplateKey, tuple[list[Template], bool]]] = {}
    for key, several in entries.items():
        if not key.kind.startswith(only):
            continue
        kinds.setdefault(key.kind, {})[key] = several
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob(f"{only}*.templates"):
        old.unlink()
    for kind, own in sorted(kinds.items()):
        file = directory / f"{kind}.templates"
        words = {"role": "loss" if kind == LOSS.kind else cell_role(kind), "params": list(own_arguments(kind) or ())}
        write_file(file, {**made_of(kind), **words}, own)
        yield file


def made_of(kind: str) -> dict[str, str]:
    """What decides the content of the templates of a kind made here and now."""
    return {"torch": torch_version(), "sources": fingerprint(kind)}
