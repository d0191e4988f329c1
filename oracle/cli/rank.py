"""`oracle rank`: which of several networks is fastest, on every device."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING, Any

from oracle.cli._flags import add_output, add_scoring, natural
from oracle.cli._messages import complain
from oracle.cli._output import deliver
from oracle.cli._scoring import score_all
from oracle.errors import OracleError

if TYPE_CHECKING:
    from oracle.query import Cost

_EXAMPLES = """\
examples:
  oracle rank configs/networks/regnetx --device rtx-4090 --device jetson-agx-orin
  oracle rank regnetx regnety effnet -d pixel-4 --top 10
  oracle rank candidates/ -d t4 --dtype int8 --runtime engine --format csv -o ranked.csv

Kendall tau and Spearman rho say how far two devices agree on the order. A network is dominated
where another has at least as many MACs (the usual stand-in for accuracy before training) and is no
slower."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "rank",
        help="order networks per device, and how far devices agree",
        description="Order networks by predicted latency on every device, mark those that no other beats,\n"
        "and say how far the devices agree.",
        epilog=_EXAMPLES,
    )
    add_scoring(command)
    command.add_argument("--top", type=natural, metavar="N", help="show the N fastest on each device")
    add_output(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    costs, code = score_all(args)
    costs, code = _comparable(costs, code, args.keep_going)
    from oracle.query.ranking import ranking_of
    from oracle.query.resolving import check_one_workload
    from oracle.report.rows import ranking_rows
    from oracle.report.table.ranking import ranking_tables

    check_one_workload({cost.workload: cost.name for cost in costs})
    ranking = ranking_of(costs, _common_devices(costs))
    deliver(
        args,
        table=lambda: ranking_tables(ranking, args.top),
        data=ranking.to_dict,
        rows=lambda: [row for row in ranking_rows(ranking) if not args.top or row["rank"] <= args.top],
    )
    return code


def _comparable(costs: list[Cost], code: int, keep_going: bool) -> tuple[list[Cost], int]:
    """Under `--keep-going` the networks of the workload that most are of, the others named; all of them otherwise."""
    counted = Counter(cost.workload for cost in costs)
    if len(counted) < 2 or not keep_going:
        return costs, code
    (most, _), *_ = counted.most_common(1)
    for cost in costs:
        if cost.workload != most:
            own, other = cost.workload.to_dict(), most.to_dict()
            name = next(name for name in own if own[name] != other[name])
            complain(f"{cost.name}: {name}={own[name]!r}, where most have {other[name]!r}: not ranked among them")
    return [cost for cost in costs if cost.workload == most], 2


def _common_devices(costs: list[Cost]) -> list[str]:
    """The devices that every network was scored for."""
    if len({tuple(sorted(cost.times)) for cost in costs}) > 1:
        raise OracleError("the networks' COST.DEVICES differ; say --device to rank them on the same ones")
    if not costs[0].times:
        raise OracleError("rank needs a device; say --device NAME (`oracle devices` lists them)")
    return list(costs[0].times)
