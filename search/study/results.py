"""What a study has found: read from its storage, at any time, without running anything."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from optuna import Study

from oracle._files import is_file
from oracle._resources import find_config
from oracle.config import CALL_WORDS, cfg_from_dict, cost_values, to_yaml
from oracle.config.schema import DEFAULTS
from oracle.devices import Device
from oracle.errors import OracleError
from oracle.families import to_spec
from oracle.families.fingerprint import fingerprint
from oracle.query.devices import find_devices
from oracle.query.trust import Trust
from oracle.spec import GENERIC, NetSpec

from ..limits import OracleLimits
from ..pareto import non_dominated
from ..pareto.ties import tie_ratios, tied_with
from .coverage import Coverage
from .files import StudyPlan, load_study
from .keys import NETWORK_DIGITS
from .labels import storage_label
from .records import EVALUATED, FAILED, Record, record_of
from .storage import default_storage, open_storage, readable
from .store import load, plan_of
from .words import Objective


@dataclass(frozen=True, slots=True)
class Ranked:
    """An evaluated network on another device.

    Attributes:
        record: its trial.
        latency_ms: there.
        on_front: whether no other network of the study is better there: in the objectives of the study, with
            this device's latency in the place of the others'.
    """

    record: Record
    latency_ms: float
    on_front: bool


class Results:
    """A view of a study; trials that finish later appear in the next one.

    Attributes:
        study: optuna's.
        plan: what it was made with.
    """

    def __init__(self, study: Study, plan: StudyPlan) -> None:
        self.study = study
        self.plan = plan

    def _repr_html_(self) -> str:
        from oracle.report.notebook import tables_html

        from ..report.study_tables import run_tables

        return tables_html(run_tables(self))

    @cached_property
    def trials(self) -> list[Record]:
        """All trials, by number."""
        quality = self.plan.quality_place
        with readable(f"study {self.plan.name!r}: its storage holds a trial that is none"):
            return [record_of(trial, quality) for trial in self.study.get_trials(deepcopy=False)]

    @property
    def evaluated(self) -> list[Record]:
        """Feasible trials with a whole evaluation, each network once."""
        done = [trial for trial in self.trials if trial.outcome == EVALUATED and trial.feasible]
        return [trial for trial in done if len(trial.values) == len(self.plan.objectives)]

    @property
    def coverage(self) -> Coverage | None:
        """How much of the space was looked at, where it was enumerated."""
        with readable(f"study {self.plan.name!r}: its storage holds a coverage that is none"):
            return Coverage.of(self.study)

    def found(self) -> list[Record]:
        """The same; complains where there are none.

        Raises:
            OracleError: no feasible trial has been evaluated yet; the message has the last failure.
        """
        if self.evaluated:
            return self.evaluated
        message = f"study {self.plan.name!r} has no feasible evaluated trial yet"
        failed = [trial for trial in self.trials if trial.outcome == FAILED]
        if failed:
            reason = " ".join(failed[-1].reason.split())
            message += f": {len(failed):,} failed, the last, trial {failed[-1].number}, by {reason}"
        raise OracleError(message)

    def best(self, objective: str = "") -> Record:
        """The best feasible trial.

        Args:
            objective: name of the objective that decides, ties going to the others in turn; the first if empty.

        Raises:
            OracleError: no such objective, or no feasible trial yet.
        """
        return self.ranked(objective)[0]

    def ranked(self, objective: str = "") -> list[Record]:
        """Feasible trials, the best first; see `best`."""
        order = list(self.plan.objectives)
        if objective:
            first = next((o for o in order if o.name == objective), None)
            if first is None:
                names = ", ".join(o.name for o in order)
                raise OracleError(f"objective {objective!r}: expected one of {names}")
            order.sort(key=lambda o: o.name != objective)
        places = [self.plan.objectives.index(o) for o in order]

        def rank(record: Record) -> list[float]:
            signs = (-1.0 if self.plan.objectives[place].maximise else 1.0 for place in places)
            return [sign * record.values[place] for sign, place in zip(signs, places, strict=True)]

        return sorted(self.found(), key=rank)

    def front(self) -> list[Record]:
        """Feasible trials that no other dominates, by the first objective, the best first."""
        found = self.evaluated
        first = self.plan.objectives[0]
        kept = _on_front(
            [[record.values[i] for record in found] for i in range(len(self.plan.objectives))],
            [o.maximise for o in self.plan.objectives],
        )
        chosen = [record for record, keep in zip(found, kept, strict=True) if keep]
        return sorted(chosen, key=lambda record: record.values[0], reverse=first.maximise)

    def tied(self, front: Sequence[Record]) -> dict[int, list[int]] | None:
        """For the trials of a front, the numbers of those that the error of latencies does not distinguish from it.

        Args:
            front: of this study.

        Returns:
            Trial -> trials, see `search.pareto.ties`; None where no error of a latency that is an objective is known.
        """
        objectives = self.plan.objectives
        ratios = tie_ratios([objective.name for objective in objectives], self.plan.trust)
        if ratios is None or not front:
            return None if ratios is None else {}
        columns = [np.array([record.values[i] for record in front], dtype=np.float64) for i in range(len(objectives))]
        places = tied_with(columns, [objective.maximise for objective in objectives], ratios)
        return {
            record.number: [front[place].number for place in found] for record, found in zip(front, places, strict=True)
        }

    def spec(self, record: Record) -> NetSpec:
        """The network of a trial.

        Raises:
            OracleError: it has none; or its config means another network to this version of the oracle.
        """
        spec = to_spec(self._cfg(record))
        if record.key and "".join(f"{word:016x}" for word in fingerprint(spec)) != record.key[:NETWORK_DIGITS]:
            raise OracleError(
                f"trial {record.number}: its config is another network to this version of the oracle than to the "
                "one that ran the study"
            )
        return spec

    def config(self, record: Record, *, plain: bool = False) -> str:
        """A trial's network as YAML with the workload of the study, so that `oracle score` says what the study says.

        Args:
            record: of the trial.
            plain: leave out the COST section, which pycls does not know and refuses.

        Raises:
            OracleError: the trial has no network.
        """
        if plain:
            return to_yaml(self._cfg(record))
        workload = self.plan.workload
        optimizer = {"OPTIM.OPTIMIZER": workload.optimizer} if workload.training else {}
        usual = ("", 0, GENERIC)  # weights, threads and engine that nobody set
        cost = [f"{name}: {value}" for name, value in cost_values(workload).items() if value not in usual]
        cfg = self._cfg(record, optimizer)
        if cfg.COST.DTYPES:
            cost.append(f"DTYPES: {{{', '.join(f'{name}: {word}' for name, word in cfg.COST.DTYPES.items())}}}")
        cost += _call_of(cfg)
        model = "" if self.plan.model == "best" else f"# Its latencies are by `--model {self.plan.model}`.\n"
        return (
            f"# Trial {record.number} of study {self.plan.name}. COST is the workload that its costs are for, "
            f"and unknown to pycls.\n{model}"
            f"{to_yaml(cfg)}"
            f"COST: {{{', '.join(cost)}}}\n"
        )

    def _cfg(self, record: Record, changes: Mapping[str, Any] | None = None) -> Any:
        if not record.config:
            raise OracleError(f"trial {record.number} has no network: {record.reason or record.state.name.lower()}")
        flat = [part for pair in {**record.config, **(changes or {})}.items() for part in pair]
        return cfg_from_dict(self.plan.space.base, flat)

    def rerank(self, device: str | Path | Device) -> list[Ranked]:
        """Evaluated networks by their latency on another device, the fastest first; nothing is evaluated.

        The model of the study predicts it.

        Raises:
            OracleError: an unknown device, no feasible evaluated trial, or as `spec`.
        """
        (place,) = find_devices([device])
        found = self.found()
        scores = self._limits_on(place).scores([self.spec(record) for record in found])
        latency = scores.latency_ms[place.name].tolist()
        kept = _on_front(*_with_latency(self.plan.objectives, found, latency))
        rows = [Ranked(*row) for row in zip(found, latency, kept, strict=True)]
        return sorted(rows, key=lambda row: row.latency_ms)

    def trust_on(self, device: str | Path | Device) -> Mapping[str, Trust]:
        """How far to trust latencies on a device, by its name; nothing where they are bounds."""
        (place,) = find_devices([device])
        return self._limits_on(place).trust

    def _limits_on(self, place: Device) -> OracleLimits:
        """No limits, on another device: by the model of the study, with those of its calibrations that are of it."""
        own = tuple(item for item in self.plan.calibrations if item.device == place.name)
        return OracleLimits((), self.plan.space, (place,), self.plan.workload, self.plan.model, own)

    def rows(self) -> list[dict[str, Any]]:
        """Every trial as a flat mapping: what exports write."""
        return [self._row(record) for record in self.trials]

    def _row(self, record: Record) -> dict[str, Any]:
        names = [objective.name for objective in self.plan.objectives]
        labels = self.plan.labels
        return {
            "trial": record.number,
            "state": record.state.name.lower(),
            "outcome": record.outcome,
            "feasible": record.feasible,
            "origin": record.origin,
            "reused_from": record.reused_from,
            "reason": record.reason,
            "fingerprint": record.key,
            "quality": record.quality,
            **{f"objective {name}": record.value(i) for i, name in enumerate(names)},
            **{name: record.scores.get(name) for name in self._score_names},
            **{f"constraint {labels.get(name, name)}": record.constraints.get(name) for name in self._constraint_names},
            **{key: record.config.get(key) for key, _ in self.plan.space.samplers},
        }

    @cached_property
    def _score_names(self) -> list[str]:
        return list(next((record.scores for record in self.trials if record.scores), {}))

    @cached_property
    def _constraint_names(self) -> list[str]:
        return list(next((record.constraints for record in self.trials if record.constraints), {}))


def _on_front(columns: Sequence[Sequence[float]], maximise: Sequence[bool]) -> list[bool]:
    if not columns[0]:
        return []
    kept: list[bool] = non_dominated([np.asarray(column) for column in columns], maximise).tolist()
    return kept


def _with_latency(
    objectives: Sequence[Objective], records: Sequence[Record], latency: Sequence[float]
) -> tuple[list[Sequence[float]], list[bool]]:
    """Columns and directions of the objectives, with one latency instead of all others."""
    kept = [(i, o) for i, o in enumerate(objectives) if o.score != "latency_ms"]
    columns: list[Sequence[float]] = [[record.values[i] for record in records] for i, _ in kept]
    return [*columns, latency], [*(o.maximise for _, o in kept), False]


def find_study(source: str, storage: str = "") -> tuple[str, str]:
    """The name and the storage of a study that a person means.

    Args:
        source: name of a study, of a shipped study file, path of one, or of a journal file.
        storage: path or URL; the study file's own if empty, else NAME.journal.

    Raises:
        OracleError: a journal with several studies, or a broken study file.
    """
    path = Path(source)
    if path.suffix in (".yaml", ".yml") or (find_config("studies", source) and not storage and not path.exists()):
        plan = load_study(source)
        return plan.name, storage or plan.storage or default_storage(plan.name)
    if not storage and is_file(path):
        with readable(f"storage {source}: cannot be read"):
            names = [study.study_name for study in open_storage(source, create=False).get_all_studies()]
        if len(names) != 1:
            raise OracleError(f"{source}: expected one study in it, found {', '.join(sorted(names)) or 'none'}")
        return names[0], source
    return source, storage or default_storage(source)


def open_results(source: str, storage: str = "") -> Results:
    """Open the results of a study from its storage.

    Args:
        source: name of a study, path of its file, or path of a journal.
        storage: path or URL. Default: that of the study.

    Raises:
        OracleError: no such study, or one of another program.
    """
    name, place = find_study(source, storage)
    label = storage_label(place)
    with readable(f"storage {label}: cannot be read"):
        study = load(name, open_storage(place, create=False), label)
        return Results(study, plan_of(study))


def _call_of(cfg: Any) -> list[str]:
    """What a decoder's config says of the call and of GPUs, as YAML."""
    if cfg.MODEL.TYPE != "decoder":
        return []
    values = {name: cfg.COST[name] for name in map(str.upper, CALL_WORDS) if cfg.COST[name] != DEFAULTS["COST"][name]}
    plain = {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}
    return [f"{name}: {json.dumps(value)}" for name, value in plain.items()]
