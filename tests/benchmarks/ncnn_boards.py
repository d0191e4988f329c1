"""Refit the calibrations of ncnn by micro-architecture, and say how well they predict boards that were left out.

    python -m tests.benchmarks.ncnn_boards DATA [--out configs/calibrations] [--folds 5]

DATA holds edge_ncnn.csv. One model for all boards, shares of roofs by class of kernel (see `oracle.calibration`):

    share / (1 - share) = e_class x e_group x e_(group, class) x e_core x e_(core, class)

and likewise, with fewer terms, for memory and, as it is, for the cycles of a launch; computing and moving add up (`OVERLAP`);
what threads change is one law of `oracle.calibration.threading` per group. In int8, cores with a dot product are groups
of their own: other kernels run on them. Releases of ncnn before the newest take longer by a factor per group, which
says why int8 on x86 differs threefold between boards; calibrations, and boards left out, are of the newest. Every term but the first is drawn to 1, the more strongly the finer it is:
a core on which few boards were measured stays near its group. Boards that throttled or were busy (a whole setting off
by more than e^0.6 from the first fit) are left out of the second.

Boards are left out in folds, whole; the others of their micro-architecture stay in. What is judged is what the
package says of them: by the calibration of their cores or of the nearest kin, and with five measurements as
`oracle.calibrate` fits them.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from oracle._frozen import Frozen
from oracle._ranks import kendall_tau_b
from oracle._versions import today
from oracle.calibration import Calibration, Origin, save_calibration
from oracle.calibration.classes import CLASSES
from oracle.calibration.domain import Domain
from oracle.calibration.factors import BOARDS, ENOUGH
from oracle.calibration.fitting import settled_vector
from oracle.calibration.model import Floats, RoofTimes, Stack, refitted, vector_of
from oracle.calibration.prior import Prior
from oracle.calibration.shipped import file_name
from oracle.calibration.threading import Threading, at_cores
from oracle.calibration.validation import COVERAGE
from oracle.devices.cores import CORES, LITTLE
from oracle.roofline import Efficiency, textbook_of
from tests.benchmarks._ncnn_networks import INPUTS, NETWORKS
from tests.benchmarks._ncnn_rows import NEWEST, Row, read_rows, workload_of

ROOT = Path(__file__).resolve().parents[2]
GHZ = 1e9
MOST_THREADS = 16  # beyond them only servers were measured, whose memory and clocks differ as their cores do not
BUSY = 0.6  # of |log(predicted / measured)|, median of a setting
HUBER = 0.15
SPREAD2 = 0.04
LARGEST_SHARE = 0.9999
OVERLAP = 1.0  # ncnn packs, transforms, computes and writes one after the other
_DRAWS = 12
_WIDE = {"activation": "elementwise", "cast": "copy"}
_WIDE |= dict.fromkeys(("softmax", "layer_norm", "reduction", "embedding"), "other")
_PRODUCTS = ("conv", "winograd", "pointwise_conv", "depthwise", "grouped", "matmul", "attention")
_PARTS = (*_PRODUCTS, "elementwise", "pool", "concat", "copy", "other", "stream")
_X86 = "zen1 zen2 zen3 zen4 zen5 haswell skylake skylake-server cascade-lake ice-lake ice-lake-server golden-cove "
_GROUPS: Mapping[str, frozenset[str]] = {
    "arm-32": frozenset("cortex-a5 cortex-a7 cortex-a9 cortex-a15 cortex-a17".split()),
    "arm-little": frozenset(LITTLE - {"cortex-a7", "gracemont", "icestorm"}),
    "x86": frozenset(f"{_X86} golden-cove-server gracemont nehalem".split()),
    "x86-small": frozenset("tremont silvermont yonah".split()),
    "risc-v": frozenset("c906 c910 x60 u74".split()),
    "loongson": frozenset("la264 la364 la464 la664 gs264 gs464e gs464v".split()),
}
_REST = "arm-big"
_DOT = "-dot"  # of a group: its cores with a dot product, in int8
GROUPS = (*_GROUPS, _REST, *(f"{name}{_DOT}" for name in ("arm-little", "arm-big", "x86")))
KINDS = {"mobile-cpu": "cortex-a76", "desktop-cpu": "golden-cove", "server-cpu": "golden-cove-server"}
# how strongly a term is drawn to 1
_PRIORS = {"e_group": 2, "e_group_class": 10, "e_core": 4, "e_core_class": 30, "m_group": 2, "l_group": 2}
_PRIORS |= {"m_core": 5, "l_core": 5, "serial_group": 3, "older": 3}


def group_of(core: str, dtype: str) -> str:
    """The group of micro-architectures that a core belongs to."""
    own = next((name for name, cores in _GROUPS.items() if core in cores), _REST)
    dots = CORES[core].int8 >= 4 * CORES[core].fp32 and (CORES[core].fp16 or own == "x86")
    return f"{own}{_DOT}" if dtype == "int8" and dots and f"{own}{_DOT}" in GROUPS else own


def part_of(name: str) -> int:
    """Which of the fitted classes a class of kernels belongs to."""
    part = _WIDE.get(name, name)
    return _PARTS.index(part if part in _PARTS else "stream")


class Table(NamedTuple):
    """Rows as padded arrays, (rows,) and (rows, kernels)."""

    parts: Tensor
    compute_s: Tensor
    memory_s: Tensor
    repeats: Tensor
    threads: Tensor
    balance: Tensor
    clock: Tensor
    core: Tensor
    group: Tensor
    release: Tensor
    log_s: Tensor
    weight: Tensor


_CORES = tuple(CORES)
_PART_OF = np.array([part_of(name) for name in CLASSES])


def table_of(rows: Sequence[Row]) -> Table:
    """The kernels of each row at the roofs of its device; boards with many rows count less per row."""
    kept = [row.at_roofs() for row in rows]
    longest = max(len(own.count) for own in kept)
    many: dict[str, int] = defaultdict(int)
    for row in rows:
        many[row.board] += 1

    def padded(columns: Sequence[Any]) -> Tensor:
        return torch.tensor(np.stack([np.pad(column, (0, longest - len(column))) for column in columns]))

    def plain(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64)

    return Table(
        *(padded([_PART_OF[own.classes] for own in kept]), padded([own.compute_s for own in kept])),
        *(padded([own.memory_s for own in kept]), padded([own.count for own in kept])),
        *(plain([row.threads for row in rows]), plain([row.balance for row in rows])),
        plain([row.clock for row in rows]),
        torch.tensor([_CORES.index(row.core) for row in rows]),
        torch.tensor([GROUPS.index(group_of(row.core, row.dtype)) for row in rows]),
        torch.tensor([row.release for row in rows]),
        plain([np.log(row.seconds) for row in rows]),
        plain([min(1.0, 40 / many[row.board]) for row in rows]),
    )


Parameters = dict[str, Tensor]


def start() -> Parameters:
    """Where the descent begins: cycles for launches and the call, logarithms of everything."""
    parts, groups, cores = len(_PARTS), len(GROUPS), len(_CORES)
    shapes = {
        "e": parts, "m": parts, "l": parts, "e_group": (groups, 1), "e_group_class": (groups, parts),
        "m_group": (groups, 1), "l_group": (groups, 1), "e_core": (cores, 1), "e_core_class": (cores, parts),
        "m_core": (cores, 1), "l_core": (cores, 1), "serial": 1, "serial_group": groups, "barrier": 1, "uneven": 1,
        "call": 1, "older": (NEWEST, groups),
    }  # fmt: skip
    found = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in shapes.items()}
    at = {"e": 0.4, "m": 0.6, "l": 2e4, "serial": 0.05, "barrier": 0.3, "call": 1e5}
    for name, value in at.items():
        found[name] += float(np.log(value))
    found["e"][_PARTS.index("winograd")] -= float(np.log(textbook_of("ncnn").savings["winograd"] / 2))
    return found


def reached(found: Parameters, core: Any, group: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Shares of peak and bandwidth, cycles of a launch; of a core, or of a group if the core is None."""
    compute = found["e"] + found["e_group"][group] + found["e_group_class"][group]
    memory, launch = found["m"] + found["m_group"][group], found["l"] + found["l_group"][group]
    if core is not None:
        compute = compute + found["e_core"][core] + found["e_core_class"][core]
        memory, launch = memory + found["m_core"][core], launch + found["l_core"][core]
    return torch.sigmoid(compute), torch.sigmoid(memory), torch.exp(launch)


def measured(found: Parameters, table: Table) -> Tensor:
    """Logarithms of seconds, as the release took that ran a board."""
    longer = torch.cat([found["older"], torch.zeros_like(found["older"][:1])])
    return predicted(found, table) + longer[table.release, table.group]


def predicted(found: Parameters, table: Table) -> Tensor:
    """Logarithms of seconds of the newest release; the same arithmetic as `at_cores` and `time_kernels`."""
    every = reached(found, table.core, table.group)
    serial = torch.exp(found["serial"] + found["serial_group"][table.group])
    reach = table.balance ** torch.sigmoid(found["uneven"]) / (1 + serial * (table.threads - 1))
    longer = (1 + torch.exp(found["barrier"]) * torch.log2(table.threads)) / table.clock
    own = [torch.gather(column, 1, table.parts) for column in every]
    busy_s = table.compute_s / (own[0] * reach[:, None]) + table.memory_s / own[1]
    total = (table.repeats * (busy_s + own[2] * longer[:, None])).sum(1)
    return torch.log(total + torch.exp(found["call"]) / table.clock)


def descended(table: Table, steps: int) -> Parameters:
    """The parameters of some rows."""
    found = start()
    for value in found.values():
        value.requires_grad_()
    optimiser = torch.optim.Adam(list(found.values()), lr=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, total_steps=steps)
    for _ in range(steps):
        optimiser.zero_grad()
        error = (measured(found, table) - table.log_s).abs()
        loss = torch.where(error < HUBER, error**2 / 2, HUBER * error - HUBER**2 / 2)
        away = sum(strength * (found[name] ** 2).sum() for name, strength in _PRIORS.items())
        away = away + ((found["m"] - np.log(0.6)) ** 2).sum()
        ((table.weight * loss).sum() / SPREAD2 + away).backward()
        optimiser.step()
        schedule.step()
    return {name: value.detach() for name, value in found.items()}


def fitted(rows: Sequence[Row], steps: int = 250) -> Parameters:
    """The parameters of some rows, settings that were busy or throttled left out."""
    table = table_of(rows)
    found = descended(table, steps)
    off = defaultdict(list)
    for row, error in zip(rows, (measured(found, table) - table.log_s).tolist(), strict=True):
        off[row.setting].append(error)
    busy = {setting for setting, errors in off.items() if abs(np.median(errors)) > BUSY}
    return descended(table_of([row for row in rows if row.setting not in busy]), steps)


class Judged(NamedTuple):
    """How well a setting is predicted."""

    row: Row
    reached: Efficiency
    networks: tuple[RoofTimes, ...]
    measured_s: Floats
    predicted_s: Floats
    threading: Threading

    @property
    def error(self) -> float:
        """Mean, relative."""
        return float(np.abs(self.predicted_s / self.measured_s - 1).mean())

    @property
    def tau(self) -> float:
        """Of the order."""
        many = len(self.networks) > 2
        return float(kendall_tau_b(self.measured_s, self.predicted_s)) if many else float("nan")


def judged(rows: Sequence[Row], found: Parameters, cores: Collection[str]) -> list[Judged]:
    """Each setting by itself, as the calibrations of some cores predict it."""
    settings: dict[object, list[Row]] = defaultdict(list)
    for row in rows:
        settings[row.setting].append(row)
    items = []
    for own in settings.values():
        reached, networks = reached_by(found, own[0], cores), tuple(row.at_roofs() for row in own)
        predicted_s = Stack(networks, reached.overlap).seconds(vector_of(reached))
        measured_s = np.array([row.seconds for row in own])
        items.append(Judged(own[0], reached, networks, measured_s, predicted_s, threading_by(found, own[0], cores)))
    return items


def reached_by(found: Parameters, row: Row, cores: Collection[str]) -> Efficiency:
    """What a board reaches as the calibration of its cores says, or of their nearest kin; else as its group does."""
    core = nearest_of(row, cores)
    group = group_of(core or row.core, row.dtype)
    return at_cores(efficiency_of(found, core, group), threading_of(found, group), row.device)


def threading_by(found: Parameters, row: Row, cores: Collection[str]) -> Threading:
    """What threads change on a board, by the same."""
    return threading_of(found, group_of(nearest_of(row, cores) or row.core, row.dtype))


def nearest_of(row: Row, cores: Collection[str]) -> str | None:
    """Of some cores, the board's own or their nearest kin."""
    return next((name for name in (row.core, *CORES[row.core].kin) if name in cores), None)


def left_out(rows: Sequence[Row], folds: int) -> list[Judged]:
    """Every board predicted by the others."""
    boards = sorted({row.board for row in rows})
    order = np.random.default_rng(0).permutation(len(boards))
    found = []
    for fold in range(folds):
        out = {boards[index] for index in order[fold::folds]}
        there, here = [row for row in rows if row.board not in out], [row for row in rows if row.board in out]
        found += judged(here, fitted(there, steps=150), {row.core for row in there})
    return found


def efficiency_of(found: Parameters, core: str | None, group: str) -> Efficiency:
    """Shares of one core at 1 GHz."""
    place = None if core is None else _CORES.index(core)
    compute, memory, launch = (each.tolist() for each in reached(found, place, GROUPS.index(group)))
    return Efficiency(
        Frozen({name: min(LARGEST_SHARE, compute[part_of(name)]) for name in CLASSES}),
        Frozen({name: min(LARGEST_SHARE, memory[part_of(name)]) for name in CLASSES}),
        call_s=float(torch.exp(found["call"])) / GHZ,
        launches=Frozen({name: launch[part_of(name)] / GHZ for name in CLASSES}),
        savings=textbook_of("ncnn").savings,
        overlap=OVERLAP,
    )


def threading_of(found: Parameters, group: str) -> Threading:
    """What threads change in a group."""
    serial = torch.exp(found["serial"] + found["serial_group"][GROUPS.index(group)])
    return Threading(GHZ, float(serial), float(torch.sigmoid(found["uneven"])), float(torch.exp(found["barrier"])))


def calibrations(rows: Sequence[Row], found: Parameters, errors: Sequence[Judged]) -> list[tuple[str, Calibration]]:
    """One per micro-architecture that was measured, and one per kind of processor."""
    dtype = rows[0].dtype
    sides = [INPUTS.get(name, 224) for name in NETWORKS]
    base = Calibration("", "engine", "inference", dtype, "nchw", Efficiency(), engine="ncnn")
    made = []
    for core in sorted({row.core for row in rows}):
        own = [row for row in rows if row.core == core]
        mine = [item for item in errors if item.row.core == core]
        domain = Domain.of([1] * len(sides), sides)._replace(threads=(1, max(row.threads for row in own)))
        boards = ", ".join(sorted({row.device.name for row in own}))
        group = group_of(core, dtype)
        made.append(
            _with(
                base,
                device=core,
                efficiency=efficiency_of(found, core, group),
                threading=threading_of(found, group),
                measurements=len(own),
                error=_mean_of_boards(mine) if mine else None,
                protocol="leave-board-out",
                interval=interval_of(errors) if errors else None,
                origin=_origin(boards),
                domain=domain,
            )
        )
    for kind, core in KINDS.items():
        group = group_of(core, dtype)
        own_efficiency = at_four_cores(efficiency_of(found, None, group), threading_of(found, group))
        origin = _origin(f"mean of {group} cores, four of them at 2 GHz")
        made.append(_with(base, device=kind, efficiency=own_efficiency, origin=origin))
    return [(item.device, item) for item in made]


def at_four_cores(own: Efficiency, threading: Threading) -> Efficiency:
    """For processors whose files state no cores: four, equal, at 2 GHz."""
    share, longer = 1 / (1 + 3 * threading.serial), (1 + 2 * threading.barrier) / 2
    return _with(
        own,
        compute=Frozen({name: value * share for name, value in own.compute.items()}),
        launches=Frozen({name: value * longer for name, value in own.launches.items()}),
        call_s=own.call_s / 2,
    )


def _with(value: Any, **changes: Any) -> Any:
    from dataclasses import replace

    return replace(value, **changes)


def _origin(what: str) -> Origin:
    return Origin(f"Tencent/ncnn benchmark: {what}", "BSD-3-Clause", today())


def _mean_of_boards(items: Sequence[Judged]) -> float:
    boards = defaultdict(list)
    for item in items:
        boards[item.row.board].append(item.error)
    return float(np.mean([np.mean(errors) for errors in boards.values()]))


def interval_of(items: Sequence[Judged]) -> tuple[float, float]:
    """What measured over predicted lies between on four of five boards that were left out.

    Boards, not networks, are what the next board is alike to: networks of a board are off together. So each board counts
    once, the next one as one more (`oracle.calibration.validation.conformal`), and all count: the two or three of a core
    say by how much they were off, not by how much the next will be.
    """
    ratios: dict[str, list[float]] = defaultdict(list)
    for item in items:
        ratios[item.row.board] += (item.measured_s / item.predicted_s).tolist()
    return between(list(ratios.values()))


def between(ratios: Sequence[Sequence[float]]) -> tuple[float, float]:
    """The range of `interval_of`, given what each board has."""
    weights = np.concatenate([np.full(len(each), 1 / len(each)) for each in ratios]) / (len(ratios) + 1)
    values = np.concatenate(ratios)
    order = np.argsort(values)
    low, high = (
        values[way][np.searchsorted(np.cumsum(weights[way]), COVERAGE / 2 + 0.5 - 1e-9)] for way in (order[::-1], order)
    )
    return float(low), float(high)


def told_coverage(title: str, items: Sequence[Judged]) -> None:
    """Print how much of a board the intervals of all others hold."""
    held = []
    for board in {item.row.board for item in items}:
        own, others = ([i for i in items if (i.row.board == board) is mine] for mine in (True, False))
        low, high = interval_of(others)
        ratios = np.concatenate([item.measured_s / item.predicted_s for item in own])
        held.append(float(((low <= ratios) & (ratios <= high)).mean()))
    print(f"{title}: 80 % intervals from the other boards hold {np.mean(held):.0%} of a board's networks")


def told(title: str, items: Sequence[Judged]) -> None:
    """Print how far off boards are, the worst last."""
    boards: dict[str, list[Judged]] = defaultdict(list)
    for item in items:
        boards[item.row.board].append(item)
    errors = np.array([np.mean([item.error for item in own]) for own in boards.values()])
    taus = np.array([np.nanmean([item.tau for item in own]) for own in boards.values()])
    spread = ", ".join(f"{np.quantile(errors, q):.0%}" for q in (0.1, 0.25, 0.5, 0.75, 0.9))
    print(
        f"{title}: {len(boards)} boards; error at 10, 25, 50, 75, 90 %: {spread}; median tau {np.nanmedian(taus):.3f}"
    )
    for name, error, tau in sorted(zip(boards, errors, taus, strict=True), key=lambda one: one[1]):
        print(f"  {name[:60]:60s} {error:6.0%}  tau {tau:5.2f}")


def told_of_five(title: str, items: Sequence[Judged]) -> None:
    """Print how far off boards that were left out are once five of their networks are measured, as `calibrate` fits."""
    rng, errors = np.random.default_rng(0), defaultdict[str, list[tuple[float, float]]](list)
    ratios = defaultdict[str, list[float]](list)
    for item in items:
        prior, many = Prior(item.reached, factors=BOARDS), len(item.networks)
        for _ in range(_DRAWS if many > ENOUGH + 1 else 0):
            order = rng.permutation(many)
            some, others = order[:ENOUGH], order[ENOUGH:]
            vector = settled_vector([item.networks[index] for index in some], item.measured_s[some], prior)
            found_s = Stack(item.networks, item.reached.overlap).seconds(vector)
            off = [np.abs(each[others] / item.measured_s[others] - 1).mean() for each in (found_s, item.predicted_s)]
            errors[item.row.board].append((float(off[0]), float(off[1])))
            ratios[item.row.board] += (item.measured_s[others] / found_s[others]).tolist()
    means = [np.mean(own, axis=0)[0] for own in errors.values()]
    more = np.array([found - before for own in errors.values() for found, before in own])
    worse = more[more > 0.005]
    spread = ", ".join(f"{np.quantile(means, q):.1%}" for q in (0.25, 0.5, 0.75))
    low, high = between(list(ratios.values()))
    print(
        f"{title}: {len(means)} boards; error at 25, 50, 75 %: {spread}; 80 % interval {low:.2f} to {high:.2f}; "
        f"draws worse than before: {len(worse) / len(more):.1%}, by {np.median(worse):.1%} in the median"
    )


def told_of_threads(title: str, items: Sequence[Judged]) -> None:
    """Print how far off boards that were left out are with other threads than five of their networks were measured with.

    As `oracle.query.models` has it: what was fitted, moved by what threads change of the others, or as it is.
    """
    rng, errors = np.random.default_rng(0), defaultdict[str, list[list[float]]](list)
    low, high = interval_of(items)
    pairs = [
        (a, b) for a in items for b in items if a.row.board == b.row.board and a.row.setting[2] == b.row.setting[2]
    ]
    for there, here in pairs:
        if there.row.threads == here.row.threads or len(there.networks) <= ENOUGH:
            continue
        some = rng.permutation(len(there.networks))[:ENOUGH]
        prior = Prior(there.reached, factors=BOARDS)
        vector = settled_vector([there.networks[index] for index in some], there.measured_s[some], prior)
        fit = refitted(there.reached, vector)
        moved = at_cores(fit, there.threading, here.row.device, there.row.device)
        ratios = [here.measured_s / Stack(here.networks, OVERLAP).seconds(vector_of(own)) for own in (fit, moved)]
        held = ((min(low, BOARDS.interval[0]) <= ratios[1]) & (ratios[1] <= max(high, BOARDS.interval[1]))).mean()
        errors[here.row.board].append([*(float(np.abs(1 / each - 1).mean()) for each in ratios), float(held)])
    plain, moved_error, held_share = np.mean([np.mean(own, axis=0) for own in errors.values()], axis=0)
    print(
        f"{title}: {len(errors)} boards; mean error {plain:.1%} as fitted, {moved_error:.1%} with what threads change; "
        f"the interval of boards holds {held_share:.0%}"
    )


def main() -> None:
    """Fit, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "configs" / "calibrations")
    parser.add_argument("--folds", type=int, default=5, help="0 leaves no board out, and states no errors")
    asked = parser.parse_args()
    every = read_rows(asked.data / "edge_ncnn.csv", NETWORKS)
    for dtype in ("float32", "int8"):
        rows = [row for row in every if row.dtype == dtype and row.threads <= MOST_THREADS]
        errors = left_out(rows, asked.folds) if asked.folds else []
        if errors:
            told(f"{dtype}, boards left out", errors)
            told_coverage(f"{dtype}, boards left out", errors)
            told_of_five(f"{dtype}, five networks of a board left out measured, the others", errors)
            told_of_threads(f"{dtype}, five networks of a board left out measured, with other threads", errors)
        found = fitted(rows)
        told(f"{dtype}, all boards fitted", judged(rows, found, {row.core for row in rows}))
        for name, calibration in calibrations(rows, found, errors):
            save_calibration(calibration, asked.out / f"{file_name(name, workload_of(dtype))}.yaml")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
