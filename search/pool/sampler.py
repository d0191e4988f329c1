"""A sampler of optuna that chooses among the feasible members of a space."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial
from yacs.config import CfgNode

from oracle._resources import closest
from oracle.calibration import Calibration
from oracle.devices import Device
from oracle.errors import ConfigError, OracleError
from oracle.families import to_spec
from oracle.query.devices import find_devices
from oracle.spec import NetSpec

from ..limits import OracleLimits, oracle_limits
from ..space import Space, load_space, space_of
from ..space.checks import one_of
from ..space.expressions import SCORES, score_of
from ..study.params import Parameters
from ..study.pool import nothing_feasible
from .blas import one_thread
from .choosing import Candidates, choose, opening, shortlist
from .described import Aims, Described
from .history import Ledger, Look, Note, Past, is_shared, noted
from .learning import Learning
from .members import Members, Source, united
from .moves import neighbours
from .warm import Earlier, Prior, earlier_of, proxied

Floats = NDArray[np.float64]

_INCUMBENTS = 2  # whose neighbours are candidates, where the pool is not the whole space
_OPENING = 3  # evaluations of the opening, per objective
_WARM = 3  # of them at most, where something was evaluated before
_NEIGHBOURS = 48  # of each
_KEPT = 64  # members whose neighbours are remembered
_TRIES = 100  # choices that others may have taken meanwhile


@dataclass(frozen=True, slots=True)
class Member:
    """What a trial is to evaluate.

    Attributes:
        config: dotted key -> value.
        cfg: the whole config, for `oracle.build`.
        scores: `params`, `latency_ms@t4`, ... -> value: objectives that need no evaluation.
    """

    config: Mapping[str, Any]
    cfg: CfgNode = field(repr=False)
    scores: Mapping[str, float]

    @property
    def spec(self) -> NetSpec:
        """The network."""
        return to_spec(self.cfg)


class ExhaustedError(OracleError):
    """Every feasible member that can be found has been suggested."""


class PoolSampler(BaseSampler):
    """Chooses the feasible network whose evaluation promises most, out of a pool of them.

    A pool is drawn by the closed form on first use: members that obey the space's rules and all limits, each once,
    described by their parameters and by what the oracle knows. A Gaussian process is fitted to what was evaluated.
    Chosen is the member with the largest expected improvement of the best value, of the area that the front dominates
    (two objectives), or of a weighted Chebyshev distance whose weights change from trial to trial (three and more).
    Running trials count as if they had brought what is expected, so that workers choose different members.

    A choice depends on the study's trials, the arguments and nothing else: a study that is resumed goes on as it would
    have. No network is chosen twice, whoever else works on the study.

    Args:
        space: a `Space`, the name of a shipped one, a path, or a mapping with SETUP.
        limits: as `search.oracle_limits` takes them (`latency_ms@t4 <= 2 at 90%`), beside the space's own; or what it
            returns for that space, which says all about devices, model, calibrations and workload as well.
        devices: whose latencies describe members, beside those of limits and objectives.
        objectives: per value that the objective function returns: the name of a score (`latency_ms@t4`), which is then
            known for every member, or any other word for what must be evaluated. None: all must be.
        seed: of the pool, and of weights.
        pool_size: members to draw; 10^4 to 10^6.
        startup: evaluations before the first model; they spread over the pool. None: three per objective. Three of
            them at most, with a warm start.
        training_keys: whether sampled keys that cost nothing, such as a learning rate, distinguish members; else one
            network is one member, whatever they are.
        warm: what was evaluated before and goes with what is evaluated now, to start from: another study of this space
            (of optuna, with one objective that is evaluated), the name of a zero-cost proxy (`synflow`, `naswot`,
            `grad_norm`), which is computed for 128 members before the first trial, or an `Earlier`.
        pool: that of another sampler with the same space, limits and devices, which saves drawing it again.
        model, calibrations: what predicts latency, as in `oracle.score`.
        workload: fields of `oracle.Workload`, those of the space's config by default.

    Raises:
        OracleError: a space, limit, objective, device or workload that cannot be used.

    Example:
        >>> sampler = search.PoolSampler("nasbench201", ["params <= 1e6"], objectives=["accuracy", "latency_ms@t4"])
        >>> def objective(trial):
        ...     member = sampler.suggest(trial)
        ...     return train(oracle.build(member.cfg)), member.scores["latency_ms@t4"]
        >>> study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
        >>> study.optimize(objective, n_trials=100)
    """

    def __init__(
        self,
        space: Space | str | Path | Mapping[str, Any],
        limits: str | Iterable[str] | OracleLimits = (),
        *,
        devices: Iterable[str | Path | Device] = (),
        objectives: Sequence[str] | None = None,
        seed: int = 0,
        pool_size: int = 20_000,
        startup: int | None = None,
        training_keys: bool = True,
        warm: Iterable[str | Study | Earlier] = (),
        pool: Members | None = None,
        model: str = "best",
        calibrations: Iterable[Calibration | str | Path] = (),
        **workload: Any,
    ) -> None:
        self.space = _space(space)
        _least("pool_size", pool_size, 1)
        if startup is not None:
            _least("startup", startup, 1)
        _least("seed", seed, 0)
        given = find_devices(devices)
        names = [device.name for device in given]
        self._known = None if objectives is None else tuple(_known(text, names) for text in objectives)
        spoken = [name.partition("@")[2] for name in self._known or ()]
        places = [*given, *(name for name in spoken if name and name not in names)]
        if isinstance(limits, OracleLimits):
            obeyed = limits
        else:
            texts = [limits] if isinstance(limits, str) else list(limits)
            words = {"devices": places, "model": model, "calibrations": calibrations, **workload}
            obeyed = oracle_limits(*texts, space=self.space, **words)
        missing = [name for name in spoken if name and name not in [device.name for device in obeyed.devices]]
        if missing or obeyed.space != self.space:
            why = f"no latency on device={missing[0]!r}" if missing else f"of another space, {obeyed.space}"
            raise ConfigError(f"value {str(obeyed)!r}: {why}", key="limits")
        self._source = Source(self.space, obeyed, training_keys)
        self._labels = {limit.name: limit.label for limit in obeyed.limits}
        self._parameters = Parameters.of(self.space)
        place = None if self._known is None or "" not in self._known else self._known.index("")
        self._warm = tuple(self._earlier(source, place) for source in warm)
        self._seed, self._size, self._startup = seed, pool_size, startup
        self._given = pool
        self._forget()

    def _forget(self) -> None:
        """All that follows from the arguments and from trials is found anew when it is needed."""
        self._parameters = Parameters.of(self.space)
        self._ledger = Ledger(self._source, self._parameters)
        self._independent = RandomSampler(seed=self._seed)
        self._lock = threading.RLock()
        self._pool: Described | None = None
        self._beside: dict[str, Members] = {}  # key -> its neighbours
        self._learning = Learning()

    def __getstate__(self) -> dict[str, Any]:
        kept = ("space", "_known", "_source", "_labels", "_seed", "_size", "_startup", "_warm")
        drawn = self._given if self._pool is None else self._pool.members
        return {name: getattr(self, name) for name in kept} | {"_given": drawn}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    # What people call.

    def suggest(self, trial: Trial) -> Member:
        """The member that a trial is to evaluate; suggests every parameter of the space.

        Args:
            trial: as the objective function gets it. One with fixed parameters (`enqueue_trial`) gets what these say.

        Raises:
            OracleError: fixed parameters that describe no feasible member.
        """
        suggestions = {
            name: trial._suggest(name, distribution)  # noqa: SLF001 - suggest_int, _float and _categorical are this
            for name, distribution in self._parameters.distributions.items()
        }
        config = self._parameters.config(suggestions)
        with self._lock:
            look = self._ledger.look(suggestions, config)
        if look is None:
            raise OracleError(
                f"trial {trial.number}: {suggestions}: not a feasible member of space {self.space.name!r}; "
                "expected the parameters of one, all of them"
            )
        scores = {name: float(column[look.row]) for name, column in look.members.scores.items()}
        return Member(config, self.space.cfg(look.members.columns, look.row), scores)

    @property
    def pool(self) -> Members:
        """The members that are chosen from, drawn on first use; those beside the best evaluated are not among them."""
        with self._lock:
            return self._drawn().members

    # What optuna calls.

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002
        """The parameters of the space."""
        return self._parameters.distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The parameters of the member that promises most.

        Raises:
            ConfigError: nothing is feasible.
        ExhaustedError: every feasible member has been suggested.
        """
        if trial.system_attrs.get("fixed_params", {}).keys() >= search_space.keys():
            return {}
        with self._lock, one_thread():
            self._drawn(study=study)  # before trials are read: a prior is a feature of their members, too
            for _ in range(_TRIES):
                past = self._ledger.past(study, trial.number)
                note = self._choice(study, trial.number, past)
                noted(study, trial, note)
                if not is_shared(study, trial.number, note.key, past.settled):
                    self._ledger.chose(note)
                    return dict(note.suggestions)
        raise OracleError(f"trial {trial.number}: other workers took {_TRIES} choices in a row; try again")

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value, of parameters that are not the space's."""
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """Nothing for members, which depend on the study alone."""
        self._independent.reseed_rng()

    # The choice.

    def _choice(self, study: Study, number: int, past: Past) -> Note:
        known = ("",) * len(study.directions) if self._known is None else self._known
        if len(known) != len(study.directions):
            raise ConfigError(
                f"value {list(known)}: expected one per direction of the study, which has {len(study.directions)}",
                key="objectives",
            )
        aims = Aims(known, np.array([1.0 if d == StudyDirection.MAXIMIZE else -1.0 for d in study.directions]))
        pool = self._drawn()
        free = pool.free(past.taken)
        while not free.any():
            before = len(pool.members)
            pool = pool if pool.members.whole else self._drawn(2 * before)
            if len(pool.members) == before:
                seen = "" if pool.members.whole else f" among {pool.members.tally.drawn:,} candidates"
                raise ExhaustedError(
                    f"trial {number} has nothing to evaluate: every feasible member{seen} of space "
                    f"{self.space.name!r}, {before:,}, has been suggested"
                )
            free = pool.free(past.taken)
        members, row = self._chosen(pool, free, past, aims, number)
        return Note(members.keys[row], self._parameters.suggestions(members.config(row)))

    def _chosen(
        self, pool: Described, free: NDArray[np.bool_], past: Past, aims: Aims, number: int
    ) -> tuple[Members, int]:
        flat = np.fromiter(chain.from_iterable(past.values), dtype=np.float64)
        values = aims.signs * flat.reshape(-1, len(aims.signs))
        rng = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(number,)))
        startup = self._opening(aims)
        if not aims.sure.all() and len(values) < startup:
            rows = np.flatnonzero(free)
            rows = np.sort(rng.choice(rows, -(-len(rows) // 2), replace=False))  # another opening for another seed
            promise = self._promise(pool.members.take(rows))
            candidates = pool.candidates(aims).take(rows)
            return pool.members, int(rows[opening(candidates, pool.scaled([*past.done, *past.running]), promise)])
        done = self._learning.evaluations(pool, past.done, values)
        rows = shortlist(pool.candidates(aims), done, rng)
        rows = rows[free[rows]] if free[rows].any() else np.flatnonzero(free)
        candidates = pool.candidates(aims).take(rows)
        beside = self._beside_best(pool, past, values)
        if beside is not None:
            candidates = candidates.joined(Candidates.of(pool.scaling(beside.blocks), aims.known_of(beside)))
        running = Candidates.of(pool.scaled(past.running), aims.known_at(past.running))
        factors = self._learning.factors(pool, past.done, values, aims, startup)
        chosen = choose(candidates, done, running, factors, rng)
        return (pool.members, int(rows[chosen])) if chosen < len(rows) else (beside or pool.members, chosen - len(rows))

    def _opening(self, aims: Aims) -> int:
        """Evaluations before the first model."""
        startup = self._startup or _OPENING * len(aims.signs)
        return min(startup, _WARM) if self._warm else startup

    def _promise(self, members: Members) -> Floats:
        """(n,) what should grow with quality, before anything is evaluated: what was evaluated before, or MACs."""
        if not self._warm:
            return np.log(np.maximum(members.scores["macs"], 1.0))
        expected = members.blocks[-1].astype(np.float64)
        return np.asarray((expected / np.maximum(expected.std(axis=0), 1e-12)).mean(axis=1))

    def _beside_best(self, pool: Described, past: Past, values: Floats) -> Members | None:
        """Members beside the best evaluated that the pool does not hold and nobody has taken; None where none are."""
        if pool.members.whole or not len(values):
            return None
        parts = []
        for place in _best(values):
            look = past.done[place]
            if look.key not in self._beside:
                if len(self._beside) >= _KEPT:
                    self._beside.pop(next(iter(self._beside)))
                self._beside[look.key] = self._neighbours(look)
            parts.append(self._beside[look.key])
        found = united([part for part in parts if len(part)]) if any(map(len, parts)) else None
        if found is None:
            return None
        self._ledger.add(found)
        new = [row for row, key in enumerate(found.keys) if key not in past.taken and key not in pool.rows]
        return found.take(np.array(new, dtype=np.int64)) if new else None

    def _neighbours(self, look: Look) -> Members:
        """Members beside one: all, or as many as do not take too long."""
        near = list(neighbours(self._parameters, self._parameters.suggestions(look.members.config(look.row))))
        if len(near) > _NEIGHBOURS:
            picked = np.random.default_rng(self._seed).choice(len(near), _NEIGHBOURS, replace=False)
            near = [near[place] for place in np.sort(picked).tolist()]
        members, _ = self._source.of_configs([self._parameters.config(own) for own in near])
        return members

    def _drawn(self, size: int = 0, study: Study | None = None) -> Described:
        """The pool, at least so large if there are as many members; a study keeps the proxies that are computed."""
        if self._pool is None or size > len(self._pool.members):
            given = self._given if self._pool is None else None
            members = self._source.drawn(max(size, self._size), self._seed) if given is None else given
            if not len(members):
                raise nothing_feasible(members.tally, self._labels)
            if len(self._source.priors) < len(self._warm):
                priors = tuple(
                    Prior.of(self._computed(earlier, members, study), self._source) for earlier in self._warm
                )
                self._source = replace(self._source, priors=priors)
                self._ledger = Ledger(self._source, self._parameters)
                members = members.expecting(priors)
            self._pool = Described.of(members)
            self._ledger.add(members)
        return self._pool

    # Where it starts from.

    def _earlier(self, source: str | Study | Earlier, place: int | None) -> str | Earlier:
        """Evaluations of another time; the name of a proxy, which needs members."""
        if isinstance(source, Study):
            several = len(source.directions) == len(self._known or ())
            return earlier_of(source, self._parameters, place if several else None)
        if isinstance(source, Earlier):
            return source
        from ..objectives.proxies import PROXIES

        return one_of(source, "warm", tuple(PROXIES))

    def _computed(self, earlier: str | Earlier, members: Members, study: Study | None) -> Earlier:
        """The same, proxies too: by this process, unless the study has them already."""
        if isinstance(earlier, Earlier):
            return earlier
        name = f"pool:{earlier}"
        kept = study.user_attrs.get(name) if study is not None else None
        found = proxied(earlier, self._source, members, self._seed) if kept is None else Earlier(**kept)
        if study is not None and kept is None:
            study.set_user_attr(name, found.to_dict())
        return found


def _best(values: Floats) -> list[int]:
    """Positions of the best evaluations: of one objective the first ones, of several those at the ends of the front."""
    if values.shape[1] == 1:
        return np.argsort(-values[:, 0], kind="stable")[:_INCUMBENTS].tolist()  # type: ignore[no-any-return]
    return list(dict.fromkeys(int(column.argmax()) for column in values.T))


def _space(space: Any) -> Space:
    if isinstance(space, Space):
        return space
    return space_of(space, "inline") if isinstance(space, Mapping) else load_space(space)


def _least(name: str, value: Any, low: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise ConfigError(f"value {value!r}: expected an integer of at least {low}", key=name)


def _known(text: Any, devices: Sequence[str]) -> str:
    """The score that an objective is, "" for what must be evaluated; a misspelt score is an error."""
    if not isinstance(text, str) or not text:
        raise ConfigError(
            f"value {text!r}: expected the name of a score, or a word for what is evaluated", key="objectives"
        )
    score, at, device = text.partition("@")
    if score in SCORES:
        score, device = score_of(text, devices, "objectives", SCORES)
        return f"{score}@{device}" if device else score
    if at or closest(score, SCORES, 1):
        raise ConfigError(
            f"unknown score {text!r}{closest(score, SCORES)}; there are {', '.join(SCORES)}", key="objectives"
        )
    return ""
