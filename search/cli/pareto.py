"""`oracle-search pareto`: the candidates that no other beats, and how far devices agree about them."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from oracle._units import counted
from oracle.cli._flags import add_output, natural
from oracle.cli._output import deliver
from oracle.errors import OracleError

from ._sources import add_source, candidates_of, is_candidates, results_of
from ._studies import add_plain, records_out

if TYPE_CHECKING:
    from ..pareto import Fronts
    from ..report.about import About
    from ..report.manifests import Manifest
    from ..study import Record, Results

_EXAMPLES = """\
examples:
  oracle-search pareto out/regnetx
  oracle-search pareto out/regnetx --objective 'min latency_ms' --objective 'max params' --top 10
  oracle-search pareto out/regnetx --objective 'min latency_ms@t4' --format csv -o fastest.csv
  oracle-search pareto trials.csv --objective 'min latency_ms@t4' --objective 'max accuracy'
  oracle-search pareto out/regnetx --top 5 --configs front   # a YAML of each: oracle score front
  oracle-search pareto digits --configs out/front            # a study; a YAML of each
  oracle-search pareto digits --objective 'min latency_ms' --objective 'max quality'

An objective is min or max and a column of the file, or a score of the study. `latency_ms` without
@DEVICE stands for the latency on each device in turn: one front per device. A study's own
objectives are the default for it. Where candidates share all objectives, all of them are listed.
Tied counts the members of the front that are no worse but for latencies within the stated error."""


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
        help="of a sweep or a study: write the config of each with its workload, as row-N.yaml or trial-N.yaml",
    )
    add_plain(command, "--configs")
    add_output(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if args.plain and not args.configs:
        raise OracleError("--plain is about --configs, which was not given")
    if is_candidates(args.source):
        return _of_candidates(args)
    results = results_of(args)
    results.found()
    if args.objective or args.device:
        return _of_study(args, results)
    from ..report.tables import front_title

    members = results.front()
    front = members[: args.top]
    notes = _write_trials(args, results, front) if args.configs else []
    records_out(args, results, front, "; ".join([front_title(len(front), len(members)), *notes]), front=True)
    return 0


def _of_candidates(args: argparse.Namespace) -> int:
    from ..pareto import fronts_of
    from ..report.about import about_candidates
    from ..report.manifests import manifest_beside

    candidates = candidates_of(args)
    manifest = manifest_beside(candidates.file)
    if args.configs and manifest is None:
        raise OracleError(f"--configs needs the space of a sweep, and no manifest.json is beside {candidates.file}")
    found = fronts_of(candidates, args.objective, args.device, manifest.trust if manifest else {})
    notes = _write_rows(args, manifest, found.members(args.top)) if args.configs and manifest else []
    return _deliver(args, found, about_candidates(args.source, manifest), notes)


def _of_study(args: argparse.Namespace, results: Results) -> int:
    """Fronts of other objectives than the study's own, or of some of its devices."""
    from ..pareto import fronts_of
    from ..report.about import about_study
    from ..study.table import Trials

    own = [f"{'max' if o.maximise else 'min'} {o.name}" for o in results.plan.objectives]
    found = fronts_of(Trials(results), args.objective or own, args.device, results.plan.trust)
    notes = []
    if args.configs:
        numbers = {row["trial"] for row in found.members(args.top)}
        notes = _write_trials(args, results, [record for record in results.evaluated if record.number in numbers])
    return _deliver(args, found, about_study(results), notes)


def _deliver(args: argparse.Namespace, found: Fronts, about: About, notes: Sequence[str]) -> int:
    from ..report.tables import pareto_tables

    deliver(
        args,
        table=lambda: pareto_tables(found, about, args.top, notes),
        data=lambda: found.to_dict(args.top),
        rows=lambda: found.to_rows(args.top),
    )
    return 0


def _write_rows(args: argparse.Namespace, manifest: Manifest, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The configs of candidates; notes on them."""
    from ._configs import configs_of, foreign_devices, write_configs

    texts = configs_of(manifest, rows, plain=args.plain)
    write_configs(args.configs, texts)
    written = f"{counted(len(texts), 'config')} in {args.configs}"
    if args.plain:
        return [f"{written}, without the workload of the sweep."]
    words = ["oracle", "score", args.configs, *([] if manifest.model == "best" else ["--model", manifest.model])]
    lines = [f"{written}; the same numbers: {shlex.join(words)}"]
    if manifest.own:
        lines.append(f"Calibrations to give beside, by --calibration, as other ones ship: {', '.join(manifest.own)}")
    foreign = foreign_devices(manifest)
    return [*lines, f"Not in them, being no shipped devices: {', '.join(foreign)}"] if foreign else lines


def _write_trials(args: argparse.Namespace, results: Results, records: Sequence[Record]) -> list[str]:
    """The config of each; notes on them."""
    from ._configs import write_configs

    texts = {f"trial-{record.number}": results.config(record, plain=args.plain) for record in records}
    write_configs(args.configs, texts)
    return [f"{counted(len(texts), 'config')} in {args.configs}"]
