"""From a config to what a study must know before it spends an evaluation: is it a network, and may it cost that?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oracle.calibration import Calibration
from oracle.devices import Device
from oracle.errors import ConfigError
from oracle.families import to_spec
from oracle.families.many.groups import overlaid
from oracle.families.population import Population
from oracle.query.many import Scores, score_many
from oracle.spec import NetSpec, Workload

from ..space import Space
from ..space.limits import Limit
from ..space.stages import stage_excess
from .files import StudyPlan
from .grid import Grid
from .keys import Keys
from .params import Parameters
from .words import SCORES, STRUCTURE

__all__ = ["Candidate", "Gate", "gate_of", "plain"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A config that was looked at.

    Attributes:
        config: dotted key -> value.
        key: of a feasible network, equal for equal ones that are trained alike; "" for others, which need none.
        scores: `params`, `latency_ms@t4`, ... -> value, on every device of the study.
        violations: constraint -> at most 0 where it is obeyed, else how far off, relative to the limit.
        reason: why there is no network, "" where there is one.
    """

    config: Mapping[str, Any]
    key: str
    scores: Mapping[str, float]
    violations: Mapping[str, float]
    reason: str = ""

    @property
    def feasible(self) -> bool:
        """Whether all constraints are obeyed."""
        return all(value <= 0 for value in self.violations.values())


@dataclass(frozen=True, slots=True)
class Gate:
    """The check that every candidate passes before anything is spent on it.

    Attributes:
        space: whose members are checked.
        bounds: to obey.
        devices, workload: what scores are for.
        model, calibrations: what predicts latency, as in `oracle.score`.
        trained: whether candidates have a quality, so that keys of their training distinguish them.
        grid, keys: of the space.
    """

    space: Space = field(repr=False)
    bounds: Sequence[Limit]
    devices: Sequence[Device] = field(repr=False)
    workload: Workload
    model: str = "best"
    calibrations: Sequence[Calibration] = field(default=(), repr=False)
    trained: bool = True
    grid: Grid = field(init=False, repr=False)
    keys: Keys = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", Grid(Parameters.of(self.space)))
        object.__setattr__(self, "keys", Keys(self.space, self.grid, trained=self.trained))

    def check(self, config: Mapping[str, Any]) -> Candidate:
        """Everything about one config; a config without a network breaks every constraint by 1.

        Raises:
            OracleError: a network that exists and cannot be scored.
        """
        cfg = overlaid(self.space.base, config)
        try:
            spec = to_spec(cfg)
        except ConfigError as error:
            names = (STRUCTURE, *(bound.name for bound in self.bounds))
            return Candidate(config, "", {}, dict.fromkeys(names, 1.0), str(error))
        scored = self.score([spec])
        scores, violations = plain(scored, 0), {STRUCTURE: stage_excess(cfg, self.space.num_stages)}
        violations |= {bound.name: bound.violation(bound.column(scored).item()) for bound in self.bounds}
        feasible = all(value <= 0 for value in violations.values())
        return Candidate(config, self.keys.of(spec, config) if feasible else "", scores, violations)

    def network(self, config: Mapping[str, Any]) -> NetSpec:
        """The network of one config.

        Raises:
            ConfigError: it describes none.
        """
        return to_spec(overlaid(self.space.base, config))

    def scores(self, spec: NetSpec) -> dict[str, float]:
        """All scores of a network by name, on all devices."""
        return plain(self.score([spec]), 0)

    def score(self, networks: Population | Sequence[NetSpec]) -> Scores:
        """The columns of `oracle.score_many`."""
        words = self.workload.to_dict()
        return score_many(networks, self.devices, model=self.model, calibrations=self.calibrations, **words)


def gate_of(plan: StudyPlan) -> Gate:
    """The check that the candidates of a study pass."""
    trained = plan.quality["TYPE"] == "call"  # the only quality that sees more of a config than its network
    return Gate(plan.space, plan.bounds, plan.devices, plan.workload, plan.model, plan.calibrations, trained)


def plain(scores: Scores, row: int) -> dict[str, float]:
    """The scores of one row by name."""
    found = {name: getattr(scores, name)[row].item() for name in SCORES if name != "latency_ms"}
    return found | {f"latency_ms@{device}": column[row].item() for device, column in scores.latency_ms.items()}
