"""Print how far the latency of served decoders is from measured rows, beside what published analytic tools say.

    python -m tests.benchmarks.llm_serving DATA [--fit] [--splits] [--peers] [--unfitted] [--in-step]

DATA is llm_serving.csv (ai-dynamo/aiconfigurator, Apache-2.0): TTFT and TPOT of vLLM, TensorRT-LLM and SGLang on H100
SXM and H200. Prints the errors of the shipped values by model; then those of values fitted to all other models, and to
the other device: rows not fitted; each by what is known of its load, and as a question that says nothing of it is
answered. `--fit` prints values fitted to all rows, `--in-step` what share of requests in step suits engines. Values are fitted to logarithms, so that a
row twice and a row half as long as measured count the same, and far-off rows (soft L1) less than by their square.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache, partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import least_squares

import oracle
from oracle._ranks import kendall_tau_b
from oracle.errors import OracleError
from oracle.serving.engines import ENGINES, engine_named, reach_in_engines
from oracle.serving.latency import Seconds, Served, Steps, formats_of, latencies
from oracle.serving.steps import Figures, Kernels, Reach, figures_of
from tests.benchmarks._serving_peers import PEERS
from tests.benchmarks._serving_rows import NETWORKS, UNFITTED, Row, config_of, read_rows

Floats = np.ndarray[Any, np.dtype[np.float64]]
Values = dict[str, float]
Share = Callable[[Row], float | None]
_SECTIONS = {**NETWORKS, **UNFITTED}

PRIORS = {
    "product": 30.0,
    "narrow": 20.0,
    "prefilling": 20.0,
    "memory": 60.0,
    "cache": 30.0,
    "gap_s": 2.0,
    "reduce": 3.0,
    "skew": 1.0,
}
"""How much a value's logarithm, squared, weighs against one row: kernels measured alone say what is plausible."""

_STEPS = len(Seconds._fields)  # of a row
_ENGINE = ("step_s", "sequence_s", "request_s", "steps_waited", "queue")
_TPOT = (*PRIORS, *(f"{name}:{engine}" for engine in ENGINES for name in _ENGINE[:2]))
_TTFT = tuple(f"{name}:{engine}" for engine in ENGINES for name in _ENGINE[2:])


@dataclass(frozen=True, eq=False)
class Prepared:
    """Rows with their steps, and all kernels in one column.

    Attributes:
        rows: those that fit the memory.
        steps: of each.
        kernels, figures: of all steps of all rows.
        owner: which step each kernel belongs to, as many a row as `Seconds` has.
        sending: (steps, 2) seconds of collectives, and the part of them that is latency of all-reduces.
    """

    rows: list[Row]
    steps: list[Steps]
    kernels: Kernels
    figures: Figures
    owner: Any
    sending: Floats

    def at(self, which: Any) -> Prepared:
        """Some of the rows, by their numbers."""
        steps = (_STEPS * np.asarray(which)[:, None] + np.arange(_STEPS)).ravel()
        place = np.full(_STEPS * len(self.rows), -1)
        place[steps] = np.arange(len(steps))
        own = place[self.owner] >= 0
        columns = {field.name: getattr(self.kernels, field.name)[..., own] for field in fields(Kernels)}
        return Prepared(
            [self.rows[row] for row in which],
            [self.steps[row] for row in which],
            Kernels(**columns),
            Figures(*(column[own] for column in self.figures)),
            place[self.owner][own],
            self.sending[steps],
        )

    @lru_cache(maxsize=8)  # noqa: B019 - a script; values of engines change while reach stays
    def seconds(self, reach: Reach) -> Floats:
        """(rows, steps) of each step."""
        each = reach.seconds(self.kernels, self.figures) * self.kernels.counts
        own: Floats = np.bincount(self.owner, each, _STEPS * len(self.rows)).astype(np.float64)
        total: Floats = own + self.sending[:, 0] - (1.0 - reach.reduce) * self.sending[:, 1]
        return total.reshape(-1, _STEPS)

    def predicted(self, values: Mapping[str, float], share: Share = attrgetter("in_step")) -> Floats:
        """(2, rows) TPOT and TTFT in seconds, where a question says such a share of requests in step, or None."""
        reach = Reach(**{name: values[name] for name in Reach.__dataclass_fields__})
        engines = {
            name: replace(engine_named(name), **{key: values[f"{key}:{name}"] for key in _ENGINE}) for name in ENGINES
        }
        found = []
        for row, steps, own in zip(self.rows, self.steps, self.seconds(reach), strict=True):
            seconds, groups = Seconds(*own.tolist()), row.parallel.dp
            tpot, ttft, _ = latencies(engines[row.engine], row.mix, steps, seconds, share(row), groups)
            found.append((tpot, ttft))
        return np.array(found).T

    @property
    def measured(self) -> Floats:
        """(2, rows) the same, measured."""
        return np.array([(row.tpot_s, row.ttft_s) for row in self.rows]).T


def prepare(rows: Sequence[Row], told: bool = True) -> Prepared:
    """The steps of rows; one that does not fit the memory is named and left out.

    Args:
        rows: measured.
        told: whether to say of a load what its figures alone say: what is cached, and in what type.
    """
    kept, steps, works, devices = [], [], [], []
    for row in rows:
        cfg, device, engine = config_of(row.network), oracle.load_device(row.device), engine_named(row.engine)
        try:
            formats = formats_of(cfg, engine, row.weights, row.kv if told else None)
            served = Served(cfg, device, engine, row.parallel, formats)
            own = served.steps(row.mix if told else row.mix._replace(cached=0.0))
        except OracleError as error:
            print(f"left out: {row.model} on {row.device}, {row.parallel}: {error}")
            continue
        kept.append(row)
        steps.append(own)
        for work in (getattr(own, name) for name in Seconds._fields):
            works.append((served, work))
            devices.append(figures_of(device, formats))
    sizes = [len(work.kernels.counts) for _, work in works]
    figures = Figures(*(np.repeat(column, sizes) for column in zip(*devices, strict=True)))
    sending = []
    for served, work in works:
        whole = served.sending_s(work, 1.0)
        sending.append((whole, whole - served.sending_s(work, 0.0)))
    kernels = Kernels.joined([work.kernels for _, work in works])
    return Prepared(kept, steps, kernels, figures, np.repeat(np.arange(len(works)), sizes), np.array(sending))


def shipped() -> Values:
    """The values that ship."""
    reach, _ = reach_in_engines()
    found = {name: float(getattr(reach, name)) for name in Reach.__dataclass_fields__}
    return found | {f"{key}:{name}": float(getattr(engine_named(name), key)) for name in ENGINES for key in _ENGINE}


PLAUSIBLE: Values = {
    "product": 0.85, "narrow": 0.65, "skew": 2.0, "prefilling": 0.65, "decoding": 0.6, "memory": 0.93, "cache": 0.9,
    "gap_s": 2e-6, "reduce": 0.65,
} | {
    f"{key}:{name}": value
    for name in ENGINES
    for key, value in zip(_ENGINE, (1e-3, 15e-6, 0.03, 2.0, 2.0), strict=True)
}  # fmt: skip


def fitted(data: Prepared, train: Any, most: int = 200, seed: int = 0) -> Values:
    """Values fitted to some of the rows, those that are not `odd` (at most so many of them, drawn): of TPOT, then of TTFT."""
    usual = train & ~np.array([odd(row) for row in data.rows])
    drawn = np.random.default_rng(seed).permutation(np.flatnonzero(usual))[:most]
    values, own = dict(PLAUSIBLE), data.at(drawn)
    for names, answer in ((_TPOT, 0), (_TTFT, 1)):
        start = np.log([values[name] for name in names])
        limits = np.log([1.0 if name in PRIORS and not name.endswith(("_s", "skew")) else 1e3 for name in names])
        off = partial(_off, own, values, names, answer, start)
        found = least_squares(off, start, bounds=(-30.0, limits), loss="soft_l1", f_scale=0.1, ftol=1e-4, xtol=1e-4)
        values = values | dict(zip(names, np.exp(found.x).tolist(), strict=True))
    return values


def _off(data: Prepared, values: Values, names: Sequence[str], answer: int, start: Floats, point: Floats) -> Floats:
    """Logarithms of predicted over measured, and how far values are from plausible ones, which counts as `PRIORS`."""
    here = values | dict(zip(names, np.exp(point).tolist(), strict=True))
    off = np.log(data.predicted(here)[answer] / data.measured[answer])
    weights = np.array([PRIORS.get(name, 0.5) for name in names]) * (len(data.rows) / 653) ** 0.5
    return np.concatenate([off, weights * (point - start)])


def table(title: str, data: Prepared, ratio: Floats) -> None:
    """Errors by model, device and engine, given (2, rows) predicted over measured."""
    print(f"\n== {title}\n{'':58s} rows   TPOT: mean median    tau   TTFT: mean median")
    keys = [(row.model, row.device, row.engine) for row in data.rows]
    for key in sorted(set(keys)):
        _line(" ".join(key), data, ratio, np.array([own == key for own in keys]))
    dense = np.array(["EXPERTS" not in _SECTIONS[row.network] for row in data.rows])
    _line("dense", data, ratio, dense)
    _line(
        "dense, without rows of cached prompts",
        data,
        ratio,
        dense & ~np.array([row.has_cached_prompts for row in data.rows]),
    )
    _line("mixtures of experts", data, ratio, ~dense)
    for engine in ENGINES:
        own = np.array([row.engine == engine for row in data.rows])
        _line(f"dense, {engine}", data, ratio, own & dense)
        _line(f"mixtures of experts, {engine}", data, ratio, own & ~dense)
    _line("mixtures of experts, without odd rows", data, ratio, ~dense & ~np.array([odd(row) for row in data.rows]))


def odd(row: Row) -> bool:
    """Whether a row is of no use to a fit; errors are of all rows.

    vLLM 0.12 takes 34 to 58 ms per token for Qwen3 235B whatever the batch: the host's time, or kernels that nobody
    tuned. With 512 requests in flight engines ran far fewer, which their TTFT says, by a limit of their own.
    """
    untuned = row.engine == "vllm" and "235B" in row.network
    return row.has_cached_prompts or untuned or row.mix.concurrency >= 512


def _line(name: str, data: Prepared, ratio: Floats, which: Any) -> None:
    if not which.any():
        return
    off = 100.0 * np.abs(ratio[:, which] - 1.0)
    measured = data.measured[0, which]
    tau = kendall_tau_b(measured, ratio[0, which] * measured) if which.sum() > 1 else float("nan")
    print(
        f"{name:58s} {which.sum():4d}  {off[0].mean():9.1f} {np.median(off[0]):7.1f} {tau:7.3f}"
        f"   {off[1].mean():9.1f} {np.median(off[1]):7.1f}"
    )


def peers(data: Prepared) -> None:
    """What others say of the rows, and of those that llm-analysis has."""
    answers = {"this oracle": data.predicted(shipped())} | {name: ask(data) for name, ask in PEERS.items()}
    known = {name: found for name, found in answers.items() if found is not None}
    print(f"\n== peers\n{'':58s} rows   TPOT: mean median    tau   TTFT: mean median")
    every = np.ones(len(data.rows), dtype=bool)
    both = np.all([~np.isnan(found[0]) for found in known.values()], axis=0)
    for title, which in (("all rows", every), ("rows of llm-analysis", both)):
        for name, found in known.items():
            if not np.isnan(found[0, which]).any():
                _line(f"{name}, {title}", data, found / data.measured, which)


def left_out(data: Prepared, group: Callable[[Row], str], asked: Sequence[Asked]) -> list[Floats]:
    """(2, rows) predicted over measured, of each row by values fitted to the rows of all other groups; as asked."""
    groups = np.array([group(row) for row in data.rows])
    ratios = [np.full((2, len(data.rows)), np.nan) for _ in asked]
    for name in np.unique(groups):
        own = groups == name
        values = fitted(data, ~own)
        for ratio, (_, rows, share) in zip(ratios, asked, strict=True):
            ratio[:, own] = (rows.predicted(values, share) / data.measured)[:, own]
    return ratios


Asked = tuple[str, Prepared, Share]
"""How questions are put, the rows so prepared, and the share of requests in step that they say."""

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def source(row: Row) -> str:
    """Who measured it: rows of a source were measured under one kind of load."""
    return f"{row.engine} {row.version or 'of no version'}, {row.network}"


def in_step(data: Prepared) -> None:
    """How far off engines are by share of requests in step, and the best shares without one source of rows."""
    off = [np.abs(data.predicted(shipped(), lambda _, own=share: own) / data.measured - 1.0) for share in SHARES]
    sources = np.array([source(row) for row in data.rows])
    for answer, name in enumerate(("TPOT", "TTFT")):
        print(f"\n== {name} off by so many %, by share in step\n{'':58s} rows   {SHARES}")
        for engine in ENGINES:
            names = sorted({source(row) for row in data.rows if row.engine == engine})
            means = 100.0 * np.array([[each[answer, sources == own].mean() for each in off] for own in names])
            for own, line in zip(names, means, strict=True):
                print(f"{own:58s} {(sources == own).sum():4d}  ", *(f"{value:6.1f}" for value in line))
            print(
                f"{f'{engine}, mean of sources':58s} {len(names):4d}  ", *(f"{value:6.1f}" for value in means.mean(0))
            )
            best = [SHARES[np.delete(means, out, axis=0).mean(0).argmin()] for out in range(len(names))]
            print(f"best without one of them: {sorted(best)}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="llm_serving.csv")
    parser.add_argument("--fit", action="store_true", help="print values fitted to all rows, and no more")
    parser.add_argument("--peers", action="store_true", help="what published analytic tools say of the same rows")
    parser.add_argument("--unfitted", action="store_true", help="networks that nothing was fitted to, and no more")
    parser.add_argument("--splits", action="store_true", help="errors on models and devices not fitted to")
    parser.add_argument("--in-step", action="store_true", help="TTFT by share of requests in step, and no more")
    args = parser.parse_args()
    if args.in_step:
        in_step(prepare(read_rows(args.data, _SECTIONS)[0]))
        return
    rows, others = read_rows(args.data, UNFITTED if args.unfitted else NETWORKS)
    print("rows of models that the family does not have:", others)
    data = prepare(rows)
    if args.fit:
        values = fitted(data, np.ones(len(data.rows), dtype=bool), most=len(data.rows))
        print({name: float(f"{value:.4g}") for name, value in values.items()})
        table("fitted to all rows", data, data.predicted(values) / data.measured)
        return
    asked: list[Asked] = [
        ("loads known", data, attrgetter("in_step")),
        ("loads known but for requests in step", data, lambda _: None),
        ("nothing said of loads", prepare(rows, told=False), lambda _: None),
    ]
    for words, own, share in asked:
        title = f"as shipped{', fitted to none of these' if args.unfitted else ''}; {words}"
        table(title, data, own.predicted(shipped(), share) / data.measured)
    if args.unfitted:
        return
    if args.peers:
        peers(data)
    if args.splits:
        for title, group in (("model", attrgetter("network")), ("device", attrgetter("device"))):
            for (words, *_), ratio in zip(asked, left_out(data, group, asked), strict=True):
                table(f"leave one {title} out; {words}", data, ratio)


if __name__ == "__main__":
    main()
