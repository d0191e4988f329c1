"""`oracle-search plot`: the figures of the page of a sweep or a study, for papers."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from oracle.cli._output import add_figure, deliver_figure
from oracle.errors import OracleError

from ._sources import add_pictured, candidates_of, is_candidates, pictured_results

if TYPE_CHECKING:
    from oracle.report.page import PageFacts

    from ..report.about import About

_EXAMPLES = """\
examples:
  oracle-search plot out/regnetx --figure front -o fig.pdf
  oracle-search plot out/regnetx --figure flips -d t4 -d pixel-4 -o fig.svg --width 3.5
  oracle-search plot trials.csv --figure front --objective 'max accuracy' -o fig.png
  oracle-search plot digits --figure growth -o fig.svg

front: latency against what it buys, per device. flips: ranks on two devices. knobs: what the best
have in common. Of a study besides: growth (of the front), limits (what they turned away), parallel
(knobs and objectives together). Fonts are those of your matplotlibrc."""

_CANDIDATES = ("front", "flips", "knobs")
_STUDY = ("growth", "limits", "parallel")


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "plot",
        help="fronts, rank flips, knobs, a study's progress, as SVG, PNG or PDF",
        description="Figures of a sweep or a study for papers; needs matplotlib:\npip install 'nas-cost-oracle[plot]'.",
        epilog=_EXAMPLES,
    )
    add_pictured(command)
    command.add_argument("--figure", choices=(*_CANDIDATES, *_STUDY), default="front", help="default: front")
    command.add_argument(
        "-d", "--device", action="append", default=[], metavar="DEVICE", help="of flips: two of those there are"
    )
    add_figure(command, "plot.svg")
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if args.device and args.figure != "flips":
        raise OracleError(f"--device is about --figure flips, and this is {args.figure}")
    if not is_candidates(args.source):
        from ..report import study_page
        from ..report.about import about_study

        results = pictured_results(args)
        page, about = study_page(results), about_study(results)
    elif args.figure in _STUDY:
        raise OracleError(f"--figure {args.figure} is about studies, and {args.source} is a sweep or a file")
    else:
        from ..pareto import objectives_of
        from ..report import sweep_page
        from ..report.about import about_candidates
        from ..report.manifests import manifest_beside

        candidates = candidates_of(args)
        page = sweep_page(candidates, objectives_of(args.objective))
        about = about_candidates(args.source, manifest_beside(candidates.file))
    deliver_figure(args, _figure(args, page, about))
    return 0


def _figure(args: argparse.Namespace, page: PageFacts, about: About) -> Callable[[], Any]:
    """What makes the requested figure."""
    from oracle.report import plot

    found, study = page.population, page.study
    if found is None:
        raise OracleError(f"{args.source}: holds no candidates")
    titles = {device.name: device.title for device in page.devices}
    makers: dict[str, Callable[[], Any]] = {
        "front": lambda: plot.front_figure(
            found, titles, width=args.width, about=(about.heading, about.footing(tuple(found.latency_ms)))
        ),
        "flips": lambda: plot.flips_figure(found, args.device, args.width),
        "knobs": lambda: plot.knobs_figure(found, width=args.width),
    }
    if study is not None:
        makers |= {
            "growth": lambda: plot.growth_figure(study, args.width),
            "limits": lambda: plot.limits_figure(study, args.width),
            "parallel": lambda: plot.parallel_figure(study, found, args.width),
        }
    return makers[args.figure]
