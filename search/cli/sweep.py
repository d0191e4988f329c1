"""`oracle-search sweep`: score a whole population and export it."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from oracle.cli._flags import add_devices, add_model, add_workload, model_of, natural, whole, workload_of
from oracle.cli._messages import complain

from ._interrupts import resumable
from ._parser import PROGRAM

if TYPE_CHECKING:
    from ..space import Tally
    from ..sweep import SweepResult

_WIDTH = 96  # columns, beside an indent

_EXAMPLES = """\
examples:
  oracle-search sweep anynet-grid -d t4 --out out/grid --samples 60000
  oracle-search sweep regnetx -d t4 -d pixel-4 --n 1000 --out out/regnetx --workers 2 --top 5
  oracle-search sweep regnetx --out out/fast --limit 'latency_ms@t4 <= 2 at 90%'
  oracle-search sweep my/space.yaml --out out/mine --format both --batch 64 --dtype float16
  oracle-search sweep regnetx --samples 5000000 --out out/big --dask tcp://scheduler:8786

DIR gets candidates.csv (or .parquet) and manifest.json: the space, the workload, the devices with
their figures, versions, and what became of the candidates that were drawn. Interrupted in whatever
way, the same command with --resume goes on behind the last chunk that was finished, and ends with
the same files. Where no candidate is feasible the exit code is 2, and the message says which limits
rejected how many, and how near the nearest came."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "sweep",
        help="draw candidates from a space, score them on every device, keep the feasible, export",
        description="Draw candidates from a design space, score each on every device by closed forms,\n"
        "keep those that obey the space's limits, and write them as CSV or Parquet.",
        epilog=_EXAMPLES,
    )
    command.add_argument("space", metavar="SPACE", help="name of a shipped space, or YAML file")
    command.add_argument("--out", required=True, metavar="DIR", help="directory to write")
    command.add_argument(
        "--n", type=whole, metavar="N", help="stop after N feasible candidates (default: NUM_CONFIGS, 0 for all)"
    )
    command.add_argument(
        "--samples", type=natural, metavar="N", help="draw at most N candidates (default: NUM_SAMPLES)"
    )
    command.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="'SCORE <= X'",
        help="beside the space's limits: 'params <= 30e6', 'latency_ms@t4 <= 2 at 90%%'; may be repeated",
    )
    add_devices(command)
    add_model(command)
    group = command.add_argument_group("running")
    group.add_argument("--workers", type=natural, default=1, metavar="N", help="processes (default: 1)")
    group.add_argument("--dask", metavar="ADDRESS", help="work on a dask.distributed cluster: tcp://host:port")
    group.add_argument(
        "--ray",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="work on a Ray cluster: auto, ray://host:port, or on this machine (default: local)",
    )
    group.add_argument("--joblib", action="store_true", help="work by joblib, with --workers jobs")
    group.add_argument("--resume", action="store_true", help="go on with what DIR holds, if it holds anything")
    group = command.add_argument_group("output")
    group.add_argument("--format", choices=("csv", "parquet", "both"), default="csv", help="default: csv")
    group.add_argument("--top", type=natural, metavar="N", help="show the N fastest candidates on each device")
    add_workload(command, overrides=False, counting=False)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    with resumable(_resume_command(args)):
        result = _swept(args)
    return _report(args, result)


def nothing_feasible(out: str, tally: Tally, why: Mapping[str, str]) -> list[str]:
    """What to say of a sweep without candidates: the limits, the tightest first, in lines that fit a terminal.

    Args:
        out: where it is.
        tally: what became of the candidates.
        why: what the family says of one that a key makes impossible.
    """
    from ..space.limits import OVERLAP, PYCLS, counts_as_pycls

    total, *reasons = tally.explain(why).splitlines()
    notes = [OVERLAP] * tally.overlaps + [PYCLS] * counts_as_pycls(tally.rejected)
    lines = [f"{out}: {total}; what rejects most stands first", *reasons, *notes]
    return [lines[0], *(part for line in lines[1:] for part in wrap(line, _WIDTH, subsequent_indent="  "))]


def _resume_command(args: argparse.Namespace) -> str:
    """The same command; without --resume it would refuse to touch what an interrupted one left."""
    return shlex.join(["oracle-search", *args.argv, *([] if args.resume else ["--resume"])])


def _swept(args: argparse.Namespace) -> SweepResult:
    from oracle.cli._sources import devices_of

    from ..sweep import sweep
    from ._watching import bar

    with bar("sweeping") as progress:
        return sweep(
            args.space,
            devices_of(args.device),
            args.n,
            args.out,
            progress=progress,
            samples=args.samples,
            workers=args.workers,
            dask=args.dask,
            ray=args.ray,
            joblib=args.joblib,
            formats=("csv", "parquet") if args.format == "both" else (args.format,),
            resume=args.resume,
            limits=args.limit,
            **model_of(args),
            **{name: value for name, value in workload_of(args).items() if value is not None},
        )


def _report(args: argparse.Namespace, result: SweepResult) -> int:
    from oracle.report.console import show

    from ..report.tables import sweep_tables

    if not result.count:
        complain(*nothing_feasible(args.out, result.tally, _reasons(args, result.tally)), program=PROGRAM)
        return 2
    show([*sweep_tables(result, args.n), *_top(result, args.top)])
    return 0


def _reasons(args: argparse.Namespace, tally: Tally) -> dict[str, str]:
    from ..space import load_space
    from ..space.reasons import reasons

    return reasons(load_space(args.space), tally.rejected)


def _top(result: SweepResult, top: int | None) -> list[Any]:
    if not top or not result.devices:
        return []
    from ..report.tables import fastest_tables
    from ..sweep import read_candidates

    return fastest_tables(read_candidates(result.files[0]), result.devices, top)
