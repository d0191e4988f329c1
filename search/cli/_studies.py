"""What the commands on studies share: flags and the summary."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from oracle.cli._flags import add_output, natural
from oracle.cli._output import deliver

if TYPE_CHECKING:
    from ..study import Record, Results, StudyPlan

STORAGE_HELP = "journal file, or any URL of optuna: sqlite:///FILE, postgresql://..., mysql://..., grpc://HOST:PORT"


def add_study(parser: argparse.ArgumentParser, *, output: bool = True) -> None:
    """Which study, where it is kept, and where the result goes."""
    parser.add_argument(
        "study", metavar="STUDY", help="name of a study, shipped study file, YAML file, or journal file"
    )
    parser.add_argument(
        "--storage",
        default="",
        metavar="FILE|URL",
        help=f"{STORAGE_HELP} (default: the study file's, else NAME.journal)",
    )
    if output:
        add_output(parser)


def add_accept(parser: argparse.ArgumentParser) -> None:
    """Whether a quality function may be another than it was."""
    parser.add_argument(
        "--accept-changed-quality",
        action="store_true",
        help="go on although the file of the quality function, or its table, is not what it was",
    )


def add_workers(parser: argparse.ArgumentParser) -> None:
    """How many processes work on a study."""
    parser.add_argument(
        "--workers",
        type=natural,
        default=1,
        metavar="N",
        help="processes of this machine that work on the study; `worker` adds those of others (default: 1)",
    )


def helpers_of(args: argparse.Namespace, plan: StudyPlan) -> int:
    """Processes to start beside this one.

    Raises:
        ConfigError: nobody can help with an enumeration.
    """
    from oracle.errors import ConfigError

    from ..study.files import EXACT

    if args.workers > 1 and plan.sampler["TYPE"] == EXACT:
        raise ConfigError(
            f"value {args.workers}: SAMPLER exact enumerates the space, which workers cannot share; expected 1",
            key="--workers",
        )
    return int(args.workers) - 1


def add_plain(parser: argparse.ArgumentParser, of: str) -> None:
    """Whether configs that a flag writes are to load in pycls."""
    parser.add_argument(
        "--plain",
        action="store_true",
        help=f"of {of}: without the COST section of the workload, which pycls refuses as an unknown key",
    )


def opened(args: argparse.Namespace) -> Results:
    """The results of the study that the flags name."""
    from ..study import open_results

    return open_results(args.study, args.storage)


def records_out(
    args: argparse.Namespace, results: Results, records: list[Record], title: str, *, front: bool = False
) -> None:
    """Trials as a table, JSON or CSV; those of a front with what they are tied with."""
    from ..report.study_tables import record_tables

    numbers = {record.number for record in records}

    def rows() -> list[dict[str, Any]]:
        by_number = {row["trial"]: row for row in results.rows() if row["trial"] in numbers}
        found = [by_number[record.number] for record in records]
        if not front:
            return found
        tied = results.tied(results.front())
        return [row | {"tied_with": None if tied is None else tied[row["trial"]]} for row in found]

    deliver(
        args,
        table=lambda: record_tables(results, records, title, front=front),
        data=lambda: {"study": results.plan.name, "trials": rows()},
        rows=rows,
    )


def summarise(args: argparse.Namespace, results: Results) -> int:
    """What a run has found; 2 where that is nothing."""
    from ..report.study_tables import run_tables

    deliver(
        args,
        table=lambda: run_tables(results),
        data=lambda: _summary(results),
        rows=results.rows,
    )
    return 0 if results.evaluated else 2


def _summary(results: Results) -> dict[str, Any]:
    from ..space.certainty import bound_notes

    front = results.front()
    return {
        "study": results.plan.name,
        "front": [record.number for record in front],
        "tied_with": results.tied(front),
        "notes": bound_notes(results.plan.bounds, results.plan.trust),
        **({"coverage": asdict(results.coverage)} if results.coverage else {}),
    }
