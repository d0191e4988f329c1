"""`oracle roofline`: the roofline of a network on devices, as a figure for a paper."""

from __future__ import annotations

import argparse
from typing import Any

from oracle.cli._flags import add_scoring
from oracle.cli._output import add_figure, deliver_figure
from oracle.cli._scoring import scored
from oracle.errors import OracleError

_EXAMPLES = """\
examples:
  oracle roofline ResNet-50 -d rtx-4090 -d t4 --batch 64 --dtype float16 -o fig.svg
  oracle roofline ViT-B-16 -d t4 --mode training --batch 32 -o fig.pdf --width 3.5
  oracle roofline torchvision:resnet50 -d rtx-4090 -o fig.png

Every mark is a kernel, its area its share of the time; a pale mark behind is the sum of equal ones
that lie on one spot. Where a device states the bandwidth of its cache, it has a roof of its own.
Fonts are those of your matplotlibrc."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "roofline",
        help="the roofline of a network as SVG, PNG or PDF",
        description="Every kernel of a network under the roofs of devices, a panel for each, as a figure for papers;\n"
        "needs matplotlib: pip install 'nas-cost-oracle[plot]'.",
        epilog=_EXAMPLES,
    )
    add_scoring(command)
    add_figure(command, "roofline.svg")
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    found, code = scored(args)
    if len(found) != 1:
        raise OracleError(f"roofline takes one network, here are {len(found)}")
    ((candidate, cost),) = found
    if not candidate.devices:
        raise OracleError("roofline needs a device; say --device NAME (`oracle devices` lists them)")
    from oracle.report.facts import device_facts, network_facts
    from oracle.report.plot import roofline_figure

    devices = {device.name: device for device in candidate.devices}
    facts = [device_facts(device) for device in devices.values()]
    deliver_figure(args, lambda: roofline_figure(network_facts(cost, devices), facts, args.width))
    return code
