"""Networks that are no configs, on their way to columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.errors import WorkloadError
from oracle.query.models import image_size_of, latency_models
from oracle.sources import Source, inputs_of, is_reference, open_source
from oracle.spec import HALVES, Workload

if TYPE_CHECKING:
    from oracle.calibration import Calibration
    from oracle.counting.networks import NetCount
    from oracle.devices import Device
    from oracle.query.cost import Cost


def source_of(
    network: Any, inputs: Iterable[str], batch_size: int | None, selected: int | None = None
) -> Source | None:
    """The network as a source, opened if it is a reference; None for a config, a spec or the name of one.

    Raises:
        OracleError: it cannot be opened; or inputs or `selected` were given for a config, which says its own.
    """
    if isinstance(network, Source):
        return network.with_batch(batch_size).selecting(selected)
    given = inputs_of(inputs)
    if is_reference(network):
        workload = Workload() if batch_size is None else Workload(batch_size=batch_size)  # checks it
        opened = open_source(network, given, None if batch_size is None else workload.batch_size)
        return opened.selecting(selected)
    if selected is not None:
        raise WorkloadError(f"selected={selected!r}: a config selects nothing by values, a network by reference may")
    if given:
        shown = ", ".join(map(str, given))
        raise WorkloadError(
            f"inputs={shown}: a config says its own input; set TRAIN.IM_SIZE and the batch size instead"
        )
    return None


def score_source(
    source: Source,
    devices: Sequence[Device],
    words: Mapping[str, Any],
    convention: str | None = None,
    strict: bool = False,
    model: str = "best",
    calibrations: Iterable[Calibration | str | Path] = (),
) -> Cost:
    """Trace, count and time a source; arguments as those of `oracle.score`, `words` being fields of `Workload`.

    Raises:
        TraceError: its forward or backward pass cannot be traced.
    """
    from oracle.query.traced import score_count

    workload = source_workload(source, words)
    side = image_size_of(next((item.shape[1:] for item in source.inputs), ()))
    models = latency_models(devices, workload, model, calibrations, side)
    cost = score_count(count_source(source, workload), source.name, workload, models, convention, strict)
    return replace(cost, origin=source.origin)


def source_workload(source: Source, words: Mapping[str, Any]) -> Workload:
    """The workload of a source: without a request, its parameters decide which type it computes in.

    Args:
        source: the network.
        words: fields of `Workload`; None leaves one at its default.

    Raises:
        WorkloadError: a value that no field has, or a dtype that the source's parameters are not of.
    """
    from oracle.query.storing import stored_words

    stored = stored_words(
        source.module, [source.args, source.kwargs], words.get("dtype"), words.get("weights"), converts=True
    )
    return Workload(batch_size=source.batch_size).with_(**{**words, **stored})


def count_source(source: Source, workload: Workload) -> NetCount:
    """Trace and count a source, converted to the type of the workload's weights unless most parameters are.

    Raises:
        TraceError: its forward or backward pass cannot be traced.
    """
    from oracle.counting.networks import count_table
    from oracle.trace import trace_module
    from oracle.trace.storing import stored_dtype

    requested = workload.weights if workload.weights in HALVES else ""
    dtype = requested if requested and stored_dtype(source.module) != requested else None
    table = trace_module(source.module, source.args, source.kwargs, workload, dtype=dtype, selected=source.selected)
    return count_table(table, workload)
