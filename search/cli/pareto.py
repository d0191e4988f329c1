"""`oracle-search pareto`: the candidates that no other beats, and how far devices agree about them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from oracle.cli._flags import add_output, natural
from oracle.cli._output import deliver
from oracle.errors import OracleError
from search.cli._sources import add_source, candidates_asked, is_candidates, results_asked
from search.cli._studies import add_plain, records_out

if TYPE_CHECKING:
    from search.cli._fronts import Table
    from search.study import Record, Results

__all__ = ["add"]

_EXAMPLES = """\
examples:
  oracle-search pareto out/regnetx
  oracle-search pareto out/regnetx --objective 'min latency_ms' --objective 'max params' --top 10
  oracle-search pareto out/regnetx --objective 'min latency_ms@t4' --format csv -o fastest.csv
  oracle-search pareto trials.csv --objective 'min latency_ms@t4' --objective 'max accuracy'
  oracle-search pareto digits --configs out/front   # a study; a YAML of each
  oracle-search pareto digits --objective 'min latency_ms' --objective 'max quality'

An objective is min or max and a column of the file, or a score of the study. `latency_ms` without
@DEVICE stands for the latency on each device in turn: one front per device. A study's own
objectives are the default for it. Where candidates share all objectives, all of them are listed."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "pareto",
        help="the candidates that no other beats, per device, and how far devices agree",
        description="Exact Pareto fronts of a sweep, a study, or any CSV or Parquet file of candidates: one per\n"
        "device, the candidates on all of them, and how far the devices agree on which are fast.",
        epilog=_EXAMPLES,
    )
    add_source(command)
    command.add_argument(
        "--objective",
        action="append",
        default=[],
        metavar="'min|max COLUMN'",
        help="may be repeated (default: 'min latency_ms' and 'max macs'; of a study, its own)",
    )
    command.add_argument(
        "-d", "--device", action="append", default=[], metavar="DEVICE", help="look at these only; may be repeated"
    )
    command.add_argument("--top", type=natural, metavar="N", help="list the first N of each front")
    command.add_argument(
        "--configs",
        metavar="DIR",
        help="of a study: write the config of each as trial-N.yaml, with the study's workload",
    )
    add_plain(command, "--configs")
    add_output(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if args.plain and not args.configs:
        raise OracleError("--plain is about --configs, which was not given")
    if is_candidates(args.source):
        if args.configs:
            raise OracleError(f"--configs is about studies, and {args.source} is a sweep or a file of candidates")
        return _fronts(args, candidates_asked(args), args.objective)
    results = results_asked(args)
    results.found()
    if args.objective or args.device:
        if args.configs:
            raise OracleError(
                "--configs writes the front of the study's own objectives: leave out --objective, --device"
            )
        from search.study.table import Trials

        own = [f"{'max' if o.maximise else 'min'} {o.name}" for o in results.plan.objectives]
        return _fronts(args, Trials(results), args.objective or own)
    front = results.front()[: args.top]
    if args.configs:
        _write(results, front, args)
    records_out(args, results, front, f"{len(front)} on the front")
    return 0


def _fronts(args: argparse.Namespace, table: Table, objectives: Sequence[str]) -> int:
    from search.cli._fronts import front_data, front_rows, fronts_of
    from search.cli._tables import pareto_tables

    found = fronts_of(table, objectives, args.device)
    deliver(
        args,
        table=lambda: pareto_tables(found, args.top),
        data=lambda: front_data(found, args.top),
        rows=lambda: front_rows(found, args.top),
    )
    return 0


def _write(results: Results, records: Sequence[Record], args: argparse.Namespace) -> None:
    """The config of each."""
    from pathlib import Path

    from oracle.report.export import write_text

    directory = Path(args.configs)
    directory.mkdir(parents=True, exist_ok=True)
    for record in records:
        write_text(directory / f"trial-{record.number}.yaml", results.config(record, plain=args.plain))
