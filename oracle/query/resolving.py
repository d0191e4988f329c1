"""What networks stand for, however they were named: spec, workload, devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from oracle._resources import closest
from oracle.config import CALL_WORDS, load_cfg, with_call, workload_of
from oracle.errors import OracleError, WorkloadError
from oracle.families import to_spec
from oracle.families.population import CellArray, Population
from oracle.families.sharding import EXPERTS
from oracle.naming import cell_names, near_names
from oracle.sources import Source, is_reference
from oracle.spec import MXFP4, CellSpec, NetSpec, Workload, checked_dtypes

if TYPE_CHECKING:
    from oracle.config import CfgNode

_FIELDS = frozenset(Workload.__dataclass_fields__)


def check_words(words: Mapping[str, Any]) -> None:
    """Complain of words that no workload and no call has.

    Raises:
        WorkloadError: the first of them.
    """
    known = (*Workload.__dataclass_fields__, *CALL_WORDS, "dtypes")
    for name, value in words.items():
        if name not in known:
            hint = closest(name, known, 1) or f"; expected one of {', '.join(known)}"
            raise WorkloadError(f"{name}={value!r}: no field of a workload{hint}")


def resolve(network: CfgNode | NetSpec | str | Path, **changes: Any) -> tuple[NetSpec, Workload, Sequence[str]]:
    """The spec, workload and devices that a network, however it was named, stands for.

    Args:
        network: as in `score`.
        changes: fields of `Workload`, `dtypes` as in `NetSpec`, and of a decoder's config `CALL_WORDS`, that overrule
            the config's; None leaves one alone.
    """
    dtypes = changes.pop("dtypes", None)
    call = {name: value for name in CALL_WORDS if (value := changes.pop(name, None)) is not None}
    if isinstance(network, NetSpec):
        check_no_call(call, network.name or "NetSpec")
        net, workload = _with_dtypes(network, dtypes), _workload(changes)
        check_cells([net], workload)
        return net, workload, ()
    if isinstance(network, (str, Path)):
        net, cfg = parsed(network, call, changes.get("mode"))
    elif hasattr(network, "COST"):
        cfg = with_call(network, call, changes.get("mode"))
        net = to_spec(cfg)
    else:
        raise OracleError(
            f"network={type(network).__name__}: expected a config, a NetSpec, a name or a path; "
            "any nn.Module goes to oracle.profile"
        )
    net, workload = _with_dtypes(net, dtypes), workload_of(cfg, **changes)
    check_cells([net], workload)
    return net, workload, tuple(cfg.COST.DEVICES)


def _with_dtypes(net: NetSpec, dtypes: Mapping[str, str] | None) -> NetSpec:
    """The network with types by stage in place of its own, if any are given; all are of cells that it has.

    Raises:
        WorkloadError: no mapping; a name that no cell of it goes by.
    """
    if dtypes is not None:
        net = replace(net, dtypes=stages_of(dtypes))
    if net.dtypes:
        from oracle.closedform.library import role_of

        known = dict.fromkeys(near for name in cell_names(net, role_of) for near in reversed(near_names(name)))
        for name, dtype in net.dtypes:
            if name not in known:
                stages = [near for near in known if "_b" not in near]
                raise WorkloadError(f"dtypes.{name}={dtype!r}: {net.name or 'the network'} has {', '.join(stages)}")
    return net


def stages_of(dtypes: Any) -> tuple[tuple[str, str], ...]:
    """Types by stage as a spec has them.

    Raises:
        WorkloadError: no mapping of words; a name that no cell has, or an unknown type.
    """
    if not isinstance(dtypes, Mapping) or not all(isinstance(name, str) for name in dtypes):
        raise WorkloadError(f"dtypes={dtypes!r}: expected types by stage, such as {{'stem': 'float16'}}")
    return checked_dtypes(dtypes)


def _workload(changes: Mapping[str, Any]) -> Workload:
    """What a spec runs under, which says nothing of its own."""
    try:
        return _kept_workload(**changes)
    except TypeError:  # a list, say, or no field of a workload
        return Workload().with_(**changes)


@lru_cache(maxsize=1024, typed=True)  # True equals 1
def _kept_workload(**changes: Any) -> Workload:
    return Workload().with_(**changes)


def resolve_all(networks: Iterable[Any], **changes: Any) -> tuple[list[NetSpec], Workload]:
    """The specs of networks, and the workload that all of them are scored under.

    Args:
        networks: configs, specs, names and paths. Specs state no workload and take that of the others.
        changes: as in `resolve`.

    Raises:
        OracleError: as `resolve`; also configs whose COST sections differ where `changes` do not overrule them, and
            networks by reference, for which there are no closed forms.
    """
    items = several(networks)
    specs, bare, stated = [], list[NetSpec](), dict[Workload, str]()
    call = {name: changes.get(name) for name in CALL_WORDS}
    for item in items:
        if isinstance(item, NetSpec):
            check_no_call(call, item.name or "NetSpec")
            specs.append(_with_dtypes(item, changes.get("dtypes")))
            bare.append(specs[-1])
            continue
        if isinstance(item, Source) or is_reference(item):
            raise WorkloadError(
                f"networks={str(item)!r}: only configs have closed forms; oracle.score takes any network"
            )
        net, workload, _ = resolve(item, **changes)
        stated.setdefault(workload, net.name)
        specs.append(net)
    check_one_workload(stated)
    given = {name: value for name, value in changes.items() if value is not None and name in _FIELDS}
    requested = next(iter(stated), None) or Workload().with_(**given)
    check_cells(bare, requested)  # the others were, as they were resolved
    return specs, requested


def check_cells(networks: Iterable[NetSpec] | Population, workload: Workload) -> None:
    """Complain of networks that cannot run so; of a population, where no candidate can.

    A decoder that was made for training has no room for a cache; and experts' matrices in a format of their own need
    experts.

    Raises:
        WorkloadError: the first of them.
    """
    if isinstance(networks, Population):
        cells = [group for place in networks.places for group in place]
        parts: Iterable[tuple[str, int, Sequence[CellSpec | CellArray]]]
        parts = [("the population", len(networks.input_shape), cells)]
    else:
        parts = ((net.name or "the network", len(net.input_shape), net.cells) for net in networks)
    for who, dims, own in parts:
        if workload.mode == "inference" and dims == 1 and not _has_room(own):
            raise WorkloadError(
                f"mode='inference': {who} was made for COST.PHASE training, without room for a cache of keys and "
                "values; expected mode='training', or a config of COST.PHASE prefill or decode"
            )
        if workload.weights == MXFP4 and not any(cell.kind in EXPERTS for cell in own):
            raise WorkloadError(
                f"weights='float4': {who} has no experts, which alone are stored so; int4 is of all layers"
            )


def _has_room(cells: Iterable[CellSpec | CellArray]) -> bool:
    """Whether the first attention that may have a cache has room for one."""
    found = (value for cell in cells for name, value in cell.params if name == "capacity")
    return bool(np.any(next(found, 1)))


def check_no_call(call: Mapping[str, Any], network: str) -> None:
    """Complain of words about a call for what is no config any more.

    Raises:
        WorkloadError: the first of them.
    """
    for name, value in call.items():
        if value is not None:
            raise WorkloadError(f"{name}={value!r}: {network} is of one call already; expected a decoder's config")


def check_one_workload(stated: Mapping[Workload, str]) -> None:
    """Complain where there are several workloads; each is given with the name of a network that states it.

    Raises:
        WorkloadError: what they differ in.
    """
    if len(stated) < 2:
        return
    one, other = list(stated)[:2]
    name = next(name for name in Workload.__dataclass_fields__ if getattr(one, name) != getattr(other, name))
    raise WorkloadError(
        f"{name}: {stated[one]} states {getattr(one, name)!r}, {stated[other]} {getattr(other, name)!r}; expected one "
        f"workload for all, such as {name}={getattr(one, name)!r} in the call"
    )


def several(networks: Iterable[Any]) -> list[Any]:
    """The networks as a list.

    Raises:
        WorkloadError: a single one, whose letters or keys would be taken for networks.
    """
    if isinstance(networks, (str, Path, NetSpec, Source)) or hasattr(networks, "COST"):
        shown = networks if isinstance(networks, str) else getattr(networks, "name", None) or type(networks).__name__
        raise WorkloadError(f"networks={str(shown)!r}: expected several, such as a list of one")
    return list(networks)


def parsed(
    source: str | Path, call: Mapping[str, Any] = MappingProxyType({}), mode: str | None = None
) -> tuple[NetSpec, CfgNode]:
    """The spec and config of a name or path, for a call of a decoder; `mode` is as in `oracle.config.with_call`."""
    cfg = with_call(load_cfg(source), call, mode)
    return to_spec(cfg), cfg
