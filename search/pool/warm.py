"""What was evaluated before, and goes with what a study evaluates: other studies, and zero-cost proxies.

A Gaussian process learns those values over the same features, and what it expects of a member is a feature more: the
surrogate of a study learns by its own evaluations how much that says, as in the auto-regressive model of Kennedy and
O'Hagan (Biometrika 87, 2000), and nothing is lost but a few evaluations where it says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from oracle.errors import ConfigError, OracleError
from oracle.families import to_spec

from ..study.params import Parameters
from .choosing import subset, tamed
from .features import Scaling
from .members import Members, Source
from .surrogate import Factor, Fitted, shape_of

_FEWEST = 5  # evaluations that say anything
_MOST = 256  # that are learnt from
_SHAPED = 128  # that decide the shape of the surrogate
_PROXIED = 128  # members whose proxy is computed
_AT_ONCE = 8_192  # members to predict at a time


@dataclass(frozen=True, slots=True)
class Earlier:
    """Evaluations of another time.

    Attributes:
        name: of the study, or of the proxy.
        configs: dotted key -> value of each.
        values: of each, larger being better.
    """

    name: str
    configs: Sequence[Mapping[str, Any]] = field(repr=False)
    values: Sequence[float] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for a storage."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """What earlier evaluations make one expect of a member.

    Attributes:
        scaling: of the features.
        fitted: to the earlier values.
    """

    scaling: Scaling
    fitted: Fitted

    @classmethod
    def of(cls, earlier: Earlier, source: Source) -> Prior:
        """Learnt from earlier evaluations of members of a space, whether within the limits or not.

        Raises:
            ConfigError: too few are.
        """
        free = replace(source, limits=replace(source.limits, limits=()), priors=())
        keys = {key for key, _ in source.space.samplers}
        whole = [place for place, config in enumerate(earlier.configs) if keys <= config.keys()]
        members, rows = free.of_configs([earlier.configs[place] for place in whole]) if whole else (None, whole)
        if members is None or len(rows) < _FEWEST:
            raise ConfigError(
                f"{earlier.name}: {len(rows)} of its evaluations are of members of space {source.space.name!r}, "
                f"expected at least {_FEWEST}",
                key="warm",
            )
        values = np.array(earlier.values, dtype=np.float64)[whole][rows]
        kept = subset(values[:, None], _MOST)
        scaling = Scaling.of([block[kept] for block in members.blocks])
        blocks, values = scaling([block[kept] for block in members.blocks]), tamed(values[kept])
        few = subset(values[:, None], _SHAPED)
        shape = shape_of([block[few] for block in blocks], values[few])
        return cls(scaling, Factor.of(blocks, shape).fit(values))

    def __call__(self, blocks: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """(n,) what is expected of members with these features."""
        parts = [
            self.fitted.mean(self.scaling([block[start : start + _AT_ONCE] for block in blocks]))
            for start in range(0, len(blocks[0]), _AT_ONCE)
        ]
        return np.concatenate(parts or [np.empty(0)]).astype(np.float32)


def earlier_of(study: Study, parameters: Parameters, place: int | None = None) -> Earlier:
    """The evaluations of a study whose trials have the parameters of a space.

    Args:
        study: of optuna, ours or not.
        parameters: of the space.
        place: which objective; the only one if None.

    Raises:
        ConfigError: the study has several objectives, and none is named.
    """
    if place is None and len(study.directions) > 1:
        raise ConfigError(
            f"study {study.study_name!r} has {len(study.directions)} objectives: expected one, or as many as the new "
            "one",
            key="warm",
        )
    place = place or 0
    sign = 1.0 if study.directions[place] == StudyDirection.MAXIMIZE else -1.0
    names = parameters.distributions.keys()
    trials = [
        trial for trial in study.get_trials(deepcopy=False) if names <= trial.params.keys() and _is_evaluated(trial)
    ]
    return Earlier(
        study.study_name,
        [parameters.config(trial.params) for trial in trials],
        [sign * trial.values[place] for trial in trials],
    )


def _is_evaluated(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.COMPLETE and bool(np.isfinite(trial.values).all())


def proxied(name: str, source: Source, members: Members, seed: int) -> Earlier:
    """A zero-cost proxy of some members, drawn by lot.

    Args:
        name: synflow, naswot or grad_norm.
        source: of the members.
        members: to draw from.
        seed: of the lot, of weights and of images.

    Raises:
        ConfigError: no such proxy.
    """
    from ..objectives import Builder, check_quality
    from ..objectives.proxies import quality

    proxy = quality(check_quality({"TYPE": "proxies", "PROXY": name}, Path()), source.space)
    lot = np.random.default_rng(seed).permutation(len(members))[:_PROXIED]
    configs, values = [], []
    for row in np.sort(lot).tolist():
        spec = to_spec(source.space.cfg(members.columns, row))
        try:
            value = float(proxy(spec, Builder(spec, seed), SimpleNamespace(seed=seed)))
        except OracleError:  # a network that the proxy does not fit
            continue
        if np.isfinite(value):
            configs.append(members.config(row))
            values.append(value)
    return Earlier(name, configs, values)
