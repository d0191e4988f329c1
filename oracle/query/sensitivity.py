"""Sensitivity: what one step of each knob changes, on every device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle._frozen import Frozen
from oracle._shown import Shown
from oracle.calibration import Calibration
from oracle.devices import Device
from oracle.families import to_spec
from oracle.families.knobs import Turn, turns_of
from oracle.query.devices import find_devices
from oracle.query.many import Scores, score_many
from oracle.query.trust import Trust
from oracle.spec import Workload

if TYPE_CHECKING:
    from oracle.config import CfgNode


@dataclass(frozen=True, slots=True)
class Effect:
    """One step of one knob; every `delta_` is the turned network minus the network itself.

    Attributes:
        knob, key, index: what was turned.
        before, after: its value.
        delta_latency_ms: per device.
        ms_per_gmac: per device, latency bought (or paid) per 10^9 MACs; nan where the step changes no MACs.
    """

    knob: str
    key: str
    index: int | None
    before: Any
    after: Any
    delta_macs: int
    delta_flops: int
    delta_params: int
    delta_traffic_bytes: int
    delta_peak_memory_bytes: int
    delta_latency_ms: Mapping[str, float]

    def ms_per_gmac(self, device: str) -> float:
        """Latency change per 10^9 MACs changed."""
        return self.delta_latency_ms[device] / self.delta_macs * 1e9 if self.delta_macs else float("nan")


@dataclass(frozen=True, slots=True)
class Sensitivity(Shown):
    """All effects around one network.

    Attributes:
        name, workload: of the network.
        macs, flops, traffic_bytes: of the network itself.
        latency_ms: of the network itself, per device.
        effects: knob by knob, a step up before a step down.
        trust: device name -> the model that predicts, and how far to trust it; empty for the textbook's bound.
    """

    name: str
    workload: Workload
    macs: int
    flops: int
    traffic_bytes: int
    latency_ms: Mapping[str, float]
    effects: tuple[Effect, ...]
    trust: Mapping[str, Trust] = field(default_factory=Frozen)

    def best(self, device: str) -> tuple[Effect, ...]:
        """Steps that make it faster on a device, most latency per MAC given up first."""
        faster = [effect for effect in self.effects if effect.delta_latency_ms[device] < 0]
        return tuple(sorted(faster, key=lambda effect: -_worth(effect, device)))


def sensitivity_of(
    cfg: CfgNode,
    devices: Iterable[str | Path | Device],
    workload: Workload,
    model: str = "best",
    calibrations: Iterable[Calibration | str | Path] = (),
) -> Sensitivity:
    """Turn every knob of a config one step up and one step down; model and calibrations as in `score`.

    Raises:
        OracleError: as `score`; also a family without knobs.
    """
    turns = list(turns_of(cfg, to_spec))
    places = find_devices(devices)
    net = to_spec(cfg)
    scores = score_many(
        [net, *(turn.network for turn in turns)], places, model=model, calibrations=calibrations, **workload.to_dict()
    )
    effects = tuple(_effect(turn, scores, row) for row, turn in enumerate(turns, start=1))
    return Sensitivity(
        net.name,
        workload,
        _at(scores, "macs", 0),
        _at(scores, "flops", 0),
        _at(scores, "traffic_bytes", 0),
        Frozen({name: float(column[0]) for name, column in scores.latency_ms.items()}),
        effects,
        scores.trust,
    )


def _effect(turn: Turn, scores: Scores, row: int) -> Effect:
    deltas: dict[str, Any] = {
        f"delta_{name}": _delta(scores, name, row)
        for name in ("macs", "flops", "params", "traffic_bytes", "peak_memory_bytes")
    }
    latency = {name: float(column[row] - column[0]) for name, column in scores.latency_ms.items()}
    return Effect(
        knob=turn.knob.name,
        key=turn.knob.key,
        index=turn.knob.index,
        before=turn.before,
        after=turn.after,
        **deltas,
        delta_latency_ms=Frozen(latency),
    )


def _delta(scores: Scores, name: str, row: int) -> int:
    return _at(scores, name, row) - _at(scores, name, 0)


def _at(scores: Scores, name: str, row: int) -> int:
    return int(getattr(scores, name)[row])


def _worth(effect: Effect, device: str) -> float:
    """Milliseconds saved per MAC given up; a step that saves time and gives up none is worth most."""
    return -effect.delta_latency_ms[device] / -effect.delta_macs if effect.delta_macs < 0 else float("inf")
