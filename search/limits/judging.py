"""Limits on what a network costs and where it may come from, as a frozen value for any loop."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from yacs.config import CfgNode

from oracle._resources import closest
from oracle.calibration import Calibration
from oracle.config import load_cfg, workload_of
from oracle.devices import Device
from oracle.errors import ConfigError, OracleError
from oracle.families import to_spec
from oracle.families.many import population_of
from oracle.families.many.groups import overlaid
from oracle.families.population import Population
from oracle.query.choosing import checked_calibrations
from oracle.query.devices import find_devices
from oracle.query.many import Scores, score_many
from oracle.query.models import latency_models
from oracle.query.resolving import check_words
from oracle.query.trust import Trust
from oracle.spec import NetSpec, Workload

from ..space import Limit, Space, load_space
from ..space.certainty import bound_notes, check_confidence
from ..space.expressions import limits_of_texts
from ..space.limits import judge
from ..space.membership import excess, strays
from ..space.stages import NUM_STAGES, likely_rows, stage_excess, stages_text

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

    from ..study.params import Parameters

Network: TypeAlias = "CfgNode | Mapping[str, Any] | NetSpec | str | Path"
"""A loaded config, values of dotted keys over the base of the space, a spec, a shipped name or a path."""

Columns: TypeAlias = Mapping[str, NDArray[Any]]
Mask: TypeAlias = NDArray[np.bool_]

_SPACE, _STRUCTURE = "space", "structure"
_CONFIG = "config"  # the attribute of a trial that holds its config, as studies of ours write it


class Violation(NamedTuple):
    """What is wrong with a network.

    Attributes:
        name: of the limit, a dotted key of the config, or REGNET.NUM_STAGES; `structure` where there is no network.
        value: of the network.
        expected: in words.
        excess: how far off, as a share of what was expected: 0.1 for 10 %.
    """

    name: str
    value: Any
    expected: str
    excess: float

    def __str__(self) -> str:
        value = self.value
        if isinstance(value, float):
            value = f"{value:,.0f}" if value >= 1e6 else f"{value:,.6g}"
        return f"{self.name}: {value}, expected {self.expected}"


class _Examined(NamedTuple):
    """A network as far as it is known without its costs.

    Attributes:
        spec: None where the config describes none.
        outside: what keeps it out of the space.
        broken: of its structure.
    """

    spec: NetSpec | None
    outside: tuple[Violation, ...]
    broken: tuple[Violation, ...]

    @property
    def sound(self) -> bool:
        return self.spec is not None and not self.outside and not self.broken


@dataclass(frozen=True, eq=False)
class OracleLimits:
    """Limits to obey: see `oracle_limits`, which makes them.

    Attributes:
        limits: on scores.
        space: whose members networks must be; None for any.
        devices: that latencies are of.
        workload: what every score is for, whatever the COST section of a config says.
        model, calibrations: what predicts latency, as in `oracle.score`.
    """

    limits: tuple[Limit, ...]
    space: Space | None
    devices: tuple[Device, ...] = field(repr=False)
    workload: Workload
    model: str = "best"
    calibrations: tuple[Calibration, ...] = field(default=(), repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """What `constraints` has a value for: `space` where there is one, `structure`, and each limit."""
        return (*((_SPACE,) if self.space else ()), _STRUCTURE, *(limit.name for limit in self.limits))

    @cached_property
    def trust(self) -> Mapping[str, Trust]:
        """Device -> how far to trust its latencies; nothing where they are bounds."""
        side = self.space.image_size if self.space else None
        mixed = self.space.stated_dtypes if self.space else ()
        return latency_models(self.devices, self.workload, self.model, self.calibrations, side, mixed).trust

    def __str__(self) -> str:
        where = f" in space {self.space.name}" if self.space else ""
        return f"{'; '.join(f'{limit.name}: {limit}' for limit in self.limits) or 'no limits'}{where}"

    def scores(self, networks: Population | Sequence[NetSpec]) -> Scores:
        """The columns of `oracle.score_many` under the workload and on the devices of the limits."""
        words = self.workload.to_dict()
        return score_many(networks, self.devices, model=self.model, calibrations=self.calibrations, **words)

    # -- one network ------------------------------------------------------------------------------------------------

    def feasible(self, network: Network) -> bool:
        """Whether a network is in the space and within all limits.

        Args:
            network: a config, dotted keys with their values over the base of the space, a spec, a name or a path. A
                spec has no keys: its costs alone are judged.

        Raises:
            OracleError: a network that cannot be read or scored.

        Example:
            >>> oracle_limits("params <= 30e6").feasible("ResNet-50")
            True
        """
        return not self.explain(network)

    def explain(self, network: Network) -> tuple[Violation, ...]:
        """Why a network is not feasible; nothing where it is.

        Args:
            network: as in `feasible`.

        Raises:
            OracleError: as `feasible`.

        Example:
            >>> print(*oracle_limits("params <= 20e6").explain("ResNet-50"))
            params: 25,557,032, expected at most 20,000,000
        """
        examined = self._examined(network)
        found = [*examined.outside, *examined.broken]
        if examined.spec is not None:
            for limit, value in self._values(examined.spec):
                over = limit.violation(value)
                if not over <= 0:
                    found.append(Violation(limit.name, value, str(limit), over))
        return tuple(found)

    def constraints(self, network: Network) -> dict[str, float]:
        """Name -> at most 0 where it is obeyed, else how far off; the numbers that optuna's samplers take.

        A config without a network breaks its structure and every limit by 1.

        Args:
            network: as in `feasible`.

        Raises:
            OracleError: as `feasible`.
        """
        examined = self._examined(network)
        found = {_SPACE: _worst(examined.outside)} if self.space else {}
        found[_STRUCTURE] = _worst(examined.broken)
        if examined.spec is None:
            return found | {limit.name: 1.0 for limit in self.limits}
        return found | {limit.name: limit.violation(value) for limit, value in self._values(examined.spec)}

    # -- many networks ----------------------------------------------------------------------------------------------

    def filter(self, networks: Iterable[Network]) -> list[Network]:
        """The feasible ones of some networks, in their order.

        Args:
            networks: each as in `feasible`.

        Raises:
            OracleError: as `feasible`.
        """
        found = list(networks)
        return [network for network, keep in zip(found, self.mask(found), strict=True) if keep]

    def mask(self, candidates: Population | Columns | Iterable[Network]) -> Mask:
        """(n,) which of many candidates are feasible; by closed forms, hundreds of thousands a second.

        Args:
            candidates: networks, each as in `feasible`; or dotted key -> (n,) values, (n, length) for lists, as
                `Space.sample` draws them, where keys without a column have the value of the space's base; or a
                population, whose cells have no keys, so that its costs alone are judged.

        Raises:
            OracleError: as `feasible`; columns without a space, or of different lengths.

        Example:
            >>> limits = oracle_limits("params <= 30e6", space="regnetx")
            >>> limits.mask(limits.space.sample(0, 100_000)).sum()
        """
        if isinstance(candidates, Population):
            return self._within(candidates, candidates.size)
        if isinstance(candidates, Mapping):
            return self._mask_of_columns(candidates)
        examined = [self._examined(network) for network in candidates]
        rows = [row for row, one in enumerate(examined) if one.sound]
        found = np.zeros(len(examined), dtype=np.bool_)
        if rows:
            found[rows] = self._within([spec for row in rows if (spec := examined[row].spec) is not None], len(rows))
        return found

    def _mask_of_columns(self, columns: Columns) -> Mask:
        space = self.space
        if space is None:
            raise OracleError("columns of keys need the space that they are of: oracle_limits(..., space=...)")
        sizes = {len(column) for column in columns.values()}
        if len(sizes) != 1:
            raise OracleError(f"columns of lengths {sorted(sizes)}: expected one length")
        size, samplers = sizes.pop(), dict(space.samplers)
        inside = np.ones(size, dtype=np.bool_)
        for key, column in columns.items():
            inside &= excess(samplers[key], column) == 0 if key in samplers else self._as_base(space, key, column)
        if not all(key in columns or not _sampled(space, key) for key in samplers):
            missing = next(key for key in samplers if key not in columns and _sampled(space, key))
            raise OracleError(f"columns: no {missing}, which is no value of the base of space {space.name!r}")
        rows = np.flatnonzero(inside)
        chosen = {key: column[rows] for key, column in columns.items() if key in samplers}
        if space.num_stages and len(rows):  # most members of a space of RegNets break the rule, and are soon known
            likely, _ = likely_rows(chosen, space.base, space.num_stages, len(rows))
            rows, chosen = rows[likely], {key: column[likely] for key, column in chosen.items()}
        population, kept, _ = population_of(space.base, chosen, space.num_stages)
        found = np.zeros(size, dtype=np.bool_)
        found[rows[kept]] = self._within(population, population.size)
        return found

    @staticmethod
    def _as_base(space: Space, key: str, column: NDArray[Any]) -> Mask:
        section, _, name = key.partition(".")
        if section not in space.base or name not in space.base[section]:
            raise ConfigError(f"no key of the networks of space {space.name!r}", key=key)
        value = space.base[section][name]
        return np.array([one == value for one in column.tolist()], dtype=np.bool_)

    def _within(self, networks: Population | list[NetSpec], count: int) -> Mask:
        if not count or not self.limits:
            return np.ones(count, dtype=np.bool_)
        return judge(self.limits, self.scores(networks), count)[0]

    # -- a trial of optuna's ----------------------------------------------------------------------------------------

    def suggest(self, trial: Trial) -> CfgNode:
        """The config of a member of the space, its parameters suggested by a trial.

        Args:
            trial: gets a parameter for every key that varies, and the config as its attribute `config`.

        Raises:
            OracleError: limits without a space.
        """
        space, parameters = self._space_of_trials(), self._parameters
        suggested = {name: _suggested(trial, name, kind) for name, kind in parameters.distributions.items()}
        config = parameters.config(suggested)
        trial.set_user_attr(_CONFIG, config)
        return space.cfg({key: _one(value) for key, value in config.items()}, 0)

    def constrain(self, trial: Trial, network: Network | None = None) -> bool:
        """Write the constraints of a trial, from which optuna's samplers learn; whether it is feasible.

        Args:
            trial: of a running objective.
            network: of the trial, as in `feasible`; read from it as by `constraints_func` if None.

        Raises:
            OracleError: as `constraints_func`.

        Example:
            >>> def objective(trial):
            ...     cfg = limits.suggest(trial)
            ...     if not limits.constrain(trial, cfg):
            ...         raise optuna.TrialPruned
            ...     return accuracy(cfg)
        """
        found = self.constraints(self._network_of(trial) if network is None else network)
        for name, value in found.items():
            trial.set_constraint(name, value)
        return all(value <= 0 for value in found.values())

    def constraints_func(self, trial: FrozenTrial) -> tuple[float, ...]:
        """The constraints of a finished trial, in the order of `names`, each at most 0 where it is obeyed.

        It is what samplers of optuna take as `constraints_func` (deprecated from optuna 5 on: see `constrain`).

        Args:
            trial: its config is its attribute `config` (dotted keys, or a nested mapping), or its parameters, by
                dotted keys or by the names that `suggest` gives them.

        Raises:
            OracleError: neither is there, or a parameter is no key of the space.
        """
        return tuple(self.constraints(self._network_of(trial)).values())

    @cached_property
    def _parameters(self) -> Parameters:
        from ..study.params import Parameters

        return Parameters.of(self._space_of_trials())

    def _space_of_trials(self) -> Space:
        if self.space is None:
            raise OracleError("a trial's parameters need the space that they are of: oracle_limits(..., space=...)")
        return self.space

    def _network_of(self, trial: Trial | FrozenTrial) -> Mapping[str, Any]:
        config = trial.user_attrs.get(_CONFIG)
        if config is not None:
            return dict(config)
        space, parameters = self._space_of_trials(), self._parameters
        if set(parameters.distributions) <= set(trial.params):
            return parameters.config(trial.params)
        keys = [key for key, _ in space.samplers]
        found = {key: value for key, value in trial.params.items() if key in keys}
        if not found:
            raise OracleError(
                f"trial {trial.number}: expected the attribute `config`, or parameters by the keys of space "
                f"{space.name!r} ({', '.join(keys)}); found {', '.join(trial.params) or 'none'}"
            )
        return found

    # -- within -----------------------------------------------------------------------------------------------------

    def _values(self, spec: NetSpec) -> Iterator[tuple[Limit, float]]:
        if not self.limits:
            return
        scores = self.scores([spec])
        for limit in self.limits:
            yield limit, limit.column(scores).item()

    def _examined(self, network: Network) -> _Examined:
        if isinstance(network, NetSpec):
            return _Examined(network, (), ())
        cfg = self._cfg(network)
        outside: tuple[Violation, ...] = ()
        if self.space is not None:
            outside = tuple(Violation(*stray) for stray in strays(self.space, cfg))
        try:
            spec = to_spec(cfg)
        except ConfigError as error:
            return _Examined(None, outside, (Violation(error.key or _STRUCTURE, "no network", str(error), 1.0),))
        rule = self.space.num_stages if self.space else None
        off = stage_excess(cfg, rule) if rule and cfg["MODEL"]["TYPE"] == "regnet" else 0.0
        if not rule or off <= 0:
            return _Examined(spec, outside, ())
        return _Examined(spec, outside, (Violation(NUM_STAGES, _stages(cfg), stages_text(rule), off),))

    def _cfg(self, network: Network) -> Any:
        if isinstance(network, (str, Path)):
            return load_cfg(network)
        if isinstance(network, CfgNode):
            return network
        if isinstance(network, Mapping):
            return self._overlaid(network)
        raise OracleError(
            f"network={type(network).__name__}: expected a config, dotted keys with values, a NetSpec, a name or a path"
        )

    def _overlaid(self, values: Mapping[str, Any]) -> Any:
        """The base of the space with some dotted keys replaced; sections may be nested."""
        base = self._space_of_trials().base
        flat: dict[str, Any] = {}
        for key, value in values.items():
            nested = isinstance(value, Mapping)
            flat |= {f"{key}.{name}": item for name, item in value.items()} if nested else {key: value}
        for key in flat:
            section, _, name = key.partition(".")
            if section not in base or name not in base[section]:
                known = [f"{other}.{own}" for other, keys in base.items() if isinstance(keys, Mapping) for own in keys]
                raise ConfigError(f"no key of a network{closest(key, known, 1)}", key=key)
        return overlaid(base, flat)


def oracle_limits(
    *limits: str,
    space: Space | str | Path | None = None,
    devices: Iterable[str | Path | Device] = (),
    model: str = "best",
    calibrations: Iterable[Calibration | str | Path] = (),
    **workload: Any,
) -> OracleLimits:
    """Make limits for a search loop of one's own: as constraints of optuna, as a filter, as a mask.

    Args:
        limits: `SCORE <= number`, `SCORE >= number` or `number <= SCORE <= number`; scores are `macs`, `params`,
            `peak_memory_bytes`, `latency_ms@t4`, `roofline_ms@t4`, ... A limit on `latency_ms` is judged by the
            prediction, or, with a confidence (`latency_ms@t4 <= 2 at 90%`), by what the latency stays below with that
            probability.
        space: whose members networks must be, its own limits and its rule about stages among what they must obey; a
            space, a shipped name or a path; None for any network.
        devices: of one's own, as names or files, beside the shipped ones that limits name.
        model: best, roofline or calibrated, as in `oracle.score`.
        calibrations: calibrations of one's own, or paths of their files, as in `oracle.score`.
        workload: fields of `oracle.Workload`: batch_size, dtype, runtime, engine, ...; what is absent is the space's.

    Returns:
        A frozen value.

    Raises:
        OracleError: anything wrong with the arguments; a confidence where predictions state no error.

    Warns:
        UserWarning: a limit on `latency_ms` that is judged by the roofline's lower bound, for want of measurements.

    Examples:
        >>> import oracle
        >>> limits = oracle.search.oracle_limits("latency_ms@t4 <= 30 at 90%", "params <= 30e6", batch_size=8)
        >>> limits.feasible("RegNetX-400MF")
        True
        >>> print(*limits.explain("ResNet-50"))
        latency_ms@t4 at 90%: 36.0503, expected at most 30
    """
    check_words(workload)
    own = find_devices(devices)
    chosen = space if isinstance(space, Space) or space is None else load_space(space)
    names = [device.name for device in own]
    found = limits_of_texts(list(limits), chosen.limits if chosen else (), names, key="limits")
    spoken = dict.fromkeys(limit.device for limit in found if limit.device and limit.device not in names)
    places = (*own, *find_devices(spoken))
    wanted = workload_of(chosen.base, **workload) if chosen else Workload().with_(**workload)
    made = OracleLimits(found, chosen, places, wanted, model, checked_calibrations(model, calibrations, places))
    for place in places:
        place.ridge("matrix", wanted.dtype)  # complains of a device that could time no network
    check_confidence(found, made.trust)
    for note in bound_notes(found, made.trust):
        warnings.warn(note.removeprefix("Warning: "), UserWarning, stacklevel=2)
    return made


def _worst(violations: Iterable[Violation]) -> float:
    return max((one.excess for one in violations), default=0.0)


def _stages(cfg: Any) -> str:
    from oracle.families.regnet import stages_of

    return f"{len(stages_of(cfg))}"


def _sampled(space: Space, key: str) -> bool:
    """Whether the base of a space has no value that members may have under a key."""
    section, _, name = key.partition(".")
    return bool(excess(dict(space.samplers)[key], _one(space.base[section][name]))[0])


def _one(value: Any) -> NDArray[Any]:
    """A column of one value."""
    column = np.empty(1, dtype=object)
    column[0] = value
    return column


def _suggested(trial: Trial, name: str, distribution: Any) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    low, high, step, log = distribution.low, distribution.high, distribution.step, distribution.log
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(name, low, high, step=step, log=log)
    return trial.suggest_int(name, low, high, step=step, log=log)
