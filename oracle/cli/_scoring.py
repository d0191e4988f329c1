"""Score the networks of a command, one after the other, and say which one failed."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from oracle.cli._flags import batch_sizes_of, model_of, transfer_of, workload_of
from oracle.cli._messages import complain, warn
from oracle.cli._sources import devices_of, expand
from oracle.errors import OracleError
from oracle.spec import Workload

if TYPE_CHECKING:
    from oracle.config import CfgNode
    from oracle.devices import Device
    from oracle.query import BatchCurve, Cost
    from oracle.sources import Source
    from oracle.spec import NetSpec

_Out = TypeVar("_Out")


class Candidate(NamedTuple):
    """A network to score: a spec, or one that is no config; and of a decoder, which has other calls, the config."""

    net: NetSpec | Source
    workload: Workload
    devices: list[Device]
    cfg: CfgNode | None = None


class Scored(NamedTuple):
    """A network and what it costs."""

    candidate: Candidate
    cost: Cost


def score_all(args: argparse.Namespace) -> tuple[list[Cost], int]:
    """Costs of all networks that the arguments name, and the exit code; see `scored`."""
    found, code = scored(args)
    return [item.cost for item in found], code


def scored(args: argparse.Namespace) -> tuple[list[Scored], int]:
    """All networks that the arguments name with their costs, and the exit code.

    Everything is parsed and checked before the first network is counted. A failure ends the command before
    anything is printed; under `--keep-going` it is named on standard error and the exit code is 2.

    Raises:
        OracleError: an unknown device, a network that failed, or none that did not.
    """
    from oracle.report.console import tracked

    devices, model = devices_of(args.device), model_words(args)
    sources = _sources(args)
    candidates = _each(sources, lambda source: candidate_of(source, args, devices), args)
    with closing(tracked(list(candidates), "scoring")) as ticking:
        costs = _each(ticking, lambda source: _cost(candidates[source], args, model), args)
    if not costs:
        raise OracleError(f"none of {len(sources)} networks could be scored")
    for operator in sorted({name for cost in costs.values() for name in cost.unknown}):
        where = ", ".join(cost.name for cost in costs.values() if operator in cost.unknown)
        warn(f"operator={operator} has no FLOP formula: it counts 0 FLOPs and its bytes (in {where})")
    found = [Scored(candidates[source], cost) for source, cost in _told_apart(costs).items()]
    return found, 2 if len(costs) < len(sources) else 0


def curves_of(args: argparse.Namespace, max_latency_ms: float | None) -> tuple[list[BatchCurve], int]:
    """Curves over batch sizes of all networks that the arguments name, and the exit code; failures as in `scored`.

    Raises:
        OracleError: as `scored`; also no device, or a limit that is no positive number.
    """
    from oracle.query.curves import BATCH_SIZES, curve_of

    first, *others = batch_sizes_of(args) or ((args.batch_size,) if args.batch_size else BATCH_SIZES)
    found, code = scored(argparse.Namespace(**{**vars(args), "batch_size": first}))
    model, items = model_words(args), {item.cost.name: item for item in found}

    def curve(name: str) -> BatchCurve:
        item = items[name]
        costs = [replace(rescored(args, model, item.candidate, batch_size=size), name=name) for size in others]
        return curve_of([item.cost, *costs], max_latency_ms)

    curves = _each(items, curve, args)
    if not curves:
        raise OracleError(f"none of {len(items)} networks could be scored at every batch size")
    return list(curves.values()), code if len(curves) == len(items) else 2


def rescored(args: argparse.Namespace, model: Mapping[str, Any], candidate: Candidate, **changes: Any) -> Cost:
    """What a network would cost under another workload, all else being as the arguments say.

    Args:
        args: parsed.
        model: what `model_words` makes of them.
        candidate: the network.
        changes: fields of `Workload`.

    Raises:
        OracleError: it cannot be scored so.
    """
    return _cost(candidate._replace(workload=candidate.workload.with_(**changes)), args, model)


def model_words(args: argparse.Namespace) -> dict[str, Any]:
    """What predicts latency, as keywords of `oracle.query.score`; files are read once."""
    return {**model_of(args), "transfer": _elsewhere(args)}


def _elsewhere(args: argparse.Namespace) -> dict[Any, Any]:
    """What was measured on other devices, read once."""
    files: dict[Any, Any] = {**transfer_of(args)}
    if not files:
        return {}
    from oracle.query.transferring import elsewhere

    return {place.device: place.rows for place in elsewhere(files)}


def each_source(args: argparse.Namespace, function: Callable[[str], _Out], label: str) -> tuple[dict[str, _Out], int]:
    """A function of every network that the arguments name, and the exit code; failures as in `score_all`.

    Raises:
        OracleError: a network that failed, or none that did not.
    """
    from oracle.report.console import tracked

    sources = _sources(args)
    with closing(tracked(sources, label)) as ticking:
        found = _each(ticking, function, args)
    if not found:
        raise OracleError(f"none of {len(sources)} networks could be scored")
    return found, 2 if len(found) < len(sources) else 0


def _sources(args: argparse.Namespace) -> list[str]:
    return list(dict.fromkeys(expand(args.networks)))


def _each(sources: Iterable[str], function: Callable[[str], _Out], args: argparse.Namespace) -> dict[str, _Out]:
    """The function of every source; a failure names it."""
    found: dict[str, _Out] = {}

    def attempt(source: str) -> None:
        try:
            found[source] = function(source)
        except OracleError as error:
            message = str(error) if source in str(error) else f"{source}: {error}"
            if not args.keep_going:
                raise OracleError(message) from error
            complain(message)

    for source in sources:
        attempt(source)
    return found


def candidate_of(source: str, args: argparse.Namespace, devices: list[Device]) -> Candidate:
    """The network, workload and devices that a source and the flags stand for.

    Raises:
        OracleError: anything wrong with the config or the flags.
    """
    from oracle.config import load_cfg
    from oracle.query import resolve
    from oracle.query.sourced import source_of

    words = workload_of(args)
    opened = source_of(source, getattr(args, "inputs", ()), words["batch_size"], getattr(args, "selected", None))
    if opened is not None:
        if args.overrides:
            raise OracleError(f"{source}: --set {args.overrides[0][0]} is about configs, and this is none")
        return Candidate(opened, Workload().with_(**{**words, "batch_size": opened.batch_size}), devices)
    cfg = load_cfg(source, [part for pair in args.overrides for part in pair])
    net, workload, stated = resolve(cfg, **words)
    return Candidate(net, workload, devices or devices_of(stated), cfg if len(net.input_shape) == 1 else None)


def _cost(candidate: Candidate, args: argparse.Namespace, model: Mapping[str, Any]) -> Cost:
    from oracle.query import score

    workload = candidate.workload.to_dict()
    return score(candidate.net, candidate.devices, **workload, **model, convention=args.convention, strict=args.strict)


def _told_apart(costs: Mapping[str, Cost]) -> dict[str, Cost]:
    """Networks that share a name go by what the user called them."""
    names = Counter(cost.name for cost in costs.values())
    return {source: replace(cost, name=source) if names[cost.name] > 1 else cost for source, cost in costs.items()}
