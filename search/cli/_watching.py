"""How far a command is: a bar or a table that moves on a terminal; lines about a study elsewhere."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ._interrupts import resumable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ..study import Progress

_EVERY_S = 30.0
_PROBING_EVERY_S = 5.0
_STEPS = 10


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """A function of (done, total) that moves a bar; None where nobody would see it."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def watching(resume: str) -> Generator[Callable[[Progress], None], None, None]:
    """A watcher that shows a table on a terminal; elsewhere it writes lines to standard error.

    Args:
        resume: the command that goes on with the study, printed for who interrupts it.
    """
    with resumable(resume), _view() as watch:
        yield watch


@contextmanager
def _view() -> Generator[Callable[[Progress], None], None, None]:
    from oracle.cli._messages import warn

    if sys.stderr is None or not sys.stderr.isatty():
        yield teller(_say, lambda message: warn(message, "oracle-search"))
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), refresh_per_second=4, transient=True) as live:

        def watch(progress: Progress) -> None:
            if progress.message:
                live.console.print(progress.message, markup=False, highlight=False)
            live.update(_shown(progress))

        yield watch


def _shown(progress: Progress) -> RenderableType:
    """A run at this moment."""
    from rich.console import Group

    from oracle.report.texts import Text

    broken = sorted(progress.rejected.items(), key=lambda item: -item[1])[:5]
    others = {word: count for word, count in progress.outcomes.items() if word != "rejected"}
    lines = [
        *([("probing", "the space: {:,} of {:,}".format(*progress.probed))] if progress.probed else []),
        ("evaluated", progress.evaluations),
        ("rejected", f"{progress.outcomes.get('rejected', 0):,}  {', '.join(f'{n} {c:,}' for n, c in broken)}"),
        ("outcomes", ", ".join(f"{word} {count:,}" for word, count in sorted(others.items()))),
        ("best feasible", ", ".join(f"{name} {value:.6g}" for name, value in progress.best.items()) or "none yet"),
        ("front", f"{progress.front:,}"),
        ("seconds", ", ".join(f"{part} {seconds:.1f}" for part, seconds in progress.seconds.items())),
    ]
    return Group(Text(progress.study, style="bold"), *(Text(f"  {label:<14}{value}") for label, value in lines))


def resume_command(name: str, storage: str) -> str:
    """What goes on with a study; a storage's password is left out."""
    from ..study.labels import storage_label
    from ..study.storage import default_storage

    words = ["oracle-search", "resume", name]
    if storage not in ("", default_storage(name)):
        words += ["--storage", storage_label(storage)]
    return shlex.join(words)


def teller(
    say: Callable[[str], None], warn: Callable[[str], None], clock: Callable[[], float] = time.monotonic
) -> Callable[[Progress], None]:
    """A watcher for logs: a line for every tenth of the evaluations, and one if half a minute had none.

    A probe that takes more than some seconds is reported more often: nothing else is seen meanwhile.

    Args:
        say: takes lines.
        warn: takes messages of the study.
        clock: seconds.
    """
    last_tenth, last_time = 0, clock()

    def watch(progress: Progress) -> None:
        nonlocal last_tenth, last_time
        if progress.message:
            warn(progress.message)
        if progress.probed:
            if clock() - last_time >= _PROBING_EVERY_S:
                last_time = clock()
                say(f"{progress.study}: probing the space: {progress.probed[0]:,} of {progress.probed[1]:,}")
            return
        tenth = progress.spent * _STEPS // progress.wanted
        if tenth > last_tenth or clock() - last_time >= _EVERY_S:
            last_tenth, last_time = max(tenth, last_tenth), clock()
            say(progress_line(progress))

    return watch


def progress_line(progress: Progress) -> str:
    """A study at some moment, in one line."""
    broken = sorted(progress.rejected.items(), key=lambda item: -item[1])[:3]
    reasons = f" ({', '.join(f'{name} {count:,}' for name, count in broken)})" if broken else ""
    best = ", ".join(f"{name} {value:.6g}" for name, value in progress.best.items())
    parts = [
        f"{progress.study}: {progress.evaluations} evaluated",
        f"{progress.outcomes.get('rejected', 0):,} rejected{reasons}",
        f"best {best}" if best else "none feasible yet",
        f"{progress.front:,} on the front",
        "seconds: " + ", ".join(f"{part} {seconds:.1f}" for part, seconds in progress.seconds.items()),
    ]
    return "; ".join(parts)


def _say(line: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
