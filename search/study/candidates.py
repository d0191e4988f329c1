"""From a config to what a study must know before it spends an evaluation: is it a network, and may it cost that?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from oracle.errors import ConfigError
from oracle.families import to_spec
from oracle.families.many.groups import overlaid
from oracle.spec import NetSpec

from ..limits import OracleLimits
from ..space import Space
from ..space.expressions import columns_of
from ..space.stages import stage_excess
from .files import StudyPlan
from .grid import Grid
from .keys import Keys
from .params import Parameters
from .words import STRUCTURE


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
        limits: to obey; they say what scores are for, and what predicts them.
        trained: whether candidates have a quality, so that keys of their training distinguish them.
        grid, keys: of the space.
    """

    space: Space = field(repr=False)
    limits: OracleLimits
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
            names = (STRUCTURE, *(limit.name for limit in self.limits.limits))
            return Candidate(config, "", {}, dict.fromkeys(names, 1.0), str(error))
        scored = self.limits.scores([spec])
        scores = {name: column.item() for name, column in columns_of(scored).items()}
        violations = {STRUCTURE: stage_excess(cfg, self.space.num_stages)}
        violations |= {limit.name: limit.violation(limit.column(scored).item()) for limit in self.limits.limits}
        feasible = all(value <= 0 for value in violations.values())
        return Candidate(config, self.keys.of(spec, config) if feasible else "", scores, violations)

    def network(self, config: Mapping[str, Any]) -> NetSpec:
        """The network of one config.

        Raises:
            ConfigError: it describes none.
        """
        return to_spec(overlaid(self.space.base, config))


def gate_of(plan: StudyPlan) -> Gate:
    """The check that the candidates of a study pass."""
    trained = plan.quality["TYPE"] == "call"  # the only quality that sees more of a config than its network
    return Gate(plan.space, plan.limits, trained)
