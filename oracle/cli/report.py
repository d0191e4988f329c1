"""`oracle report`: one HTML page about networks on devices."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from oracle.cli._flags import add_scoring
from oracle.cli._output import add_page, deliver_page
from oracle.cli._scoring import Candidate, Scored, model_words, rescored, scored
from oracle.errors import OracleError
from oracle.spec import MODES

if TYPE_CHECKING:
    from oracle.devices import Device
    from oracle.query import Cost, Fit
    from oracle.report.facts import DecodingFacts, Runtimes, TrainingFacts

_Out = TypeVar("_Out")

_EXAMPLES = """\
examples:
  oracle report ResNet-50 -d rtx-4090 -d t4 --batch 64 --dtype float16 -o page.html
  oracle report regnetx -d t4 -d pixel-4 --brief -o page.html   # twelve networks side by side
  oracle report torchvision:resnet50 -d rtx-4090 -o page.html

The page holds all it needs: it opens without a network, in any browser, and prints."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "report",
        help="one HTML page: rooflines, where the time goes, training, every kernel",
        description="One self-contained HTML page about networks on devices: rooflines, where time and memory go,\n"
        "eager against compiled against engine, a training step, every kernel, and what the numbers\nrest on.",
        epilog=_EXAMPLES,
    )
    add_scoring(command)
    add_page(command).add_argument(
        "--brief", action="store_true", help="the workload alone: no other runtimes, no training step, no largest batch"
    )
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from oracle.report.console import tracked
    from oracle.report.page import DETAILED, Detail, cost_page

    found, code = scored(args)
    model = model_words(args)
    devices = {device.name: device for item in found for device in item.candidate.devices}
    compared = 0 if args.brief else DETAILED
    details = [Detail(item.cost, *_more(args, model, item, devices)) for item in tracked(found[:compared], "comparing")]
    details += [Detail(item.cost) for item in found[compared:]]
    deliver_page(args.output, cost_page(details, devices, shlex.join(["oracle", *args.argv])))
    return code


def _more(
    args: argparse.Namespace, model: Mapping[str, Any], item: Scored, devices: Mapping[str, Device]
) -> tuple[Runtimes | None, TrainingFacts | None, DecodingFacts | None]:
    """The network under every runtime, what training it takes, and of a decoder both of its phases."""
    from oracle.report.facts import runtime_facts, training_facts

    found = {runtime: _under(args, model, item, runtime=runtime) for runtime in item.cost.workload.runtimes}
    costs = [cost for cost, _ in found.values() if cost is not None]
    runtimes = runtime_facts(costs, {runtime: reasons for runtime, (_, reasons) in found.items() if reasons})
    shown = runtimes if runtimes.times else None
    if item.cost.tokens:
        return shown, None, _decoding(args, model, item, devices)
    step, reasons = _under(args, model, item, mode="training")
    fits, missing = _fits(item.candidate)
    return shown, training_facts(step, fits, [*reasons, *missing]), None


def _decoding(
    args: argparse.Namespace, model: Mapping[str, Any], item: Scored, devices: Mapping[str, Device]
) -> DecodingFacts | None:
    """A prompt, a decode step, and that of more sequences at once; None where the network's config is not at hand."""
    from oracle.config import with_call
    from oracle.families import to_spec
    from oracle.query.curves import BATCH_SIZES
    from oracle.report.facts import decoding_facts

    cfg = item.candidate.cfg
    if cfg is None or item.cost.workload.training:
        return None

    def cost(batch_size: int, **call: Any) -> Cost:
        net = to_spec(with_call(cfg, call))
        return rescored(args, model, item.candidate._replace(net=net), batch_size=batch_size)

    size = item.cost.workload.batch_size
    prompt, step = cost(size, phase="prefill", past=0), cost(size, phase="decode")
    batches = [cost(batch, phase="decode") for batch in sorted({*BATCH_SIZES[:9], size})]
    return decoding_facts(prompt, step, batches, devices)


def _under(
    args: argparse.Namespace, model: Mapping[str, Any], item: Scored, **words: str
) -> tuple[Cost | None, list[str]]:
    """The cost under another word of the workload, on the devices that can; and why others cannot."""
    ((name, word),) = words.items()
    if getattr(item.cost.workload, name) == word:
        return item.cost, []

    def on(devices: list[Device]) -> Cost | str:
        return _attempt(partial(rescored, args, model, item.candidate._replace(devices=devices), **words))

    cost = on(item.candidate.devices)
    if not isinstance(cost, str):
        return cost, []
    alone = [(device, on([device])) for device in item.candidate.devices]
    reasons = list(dict.fromkeys(found for _, found in alone if isinstance(found, str))) or [cost]
    able = [device for device, found in alone if not isinstance(found, str)]
    some = on(able) if able else ""
    return (None if isinstance(some, str) else some), reasons


def _fits(candidate: Candidate) -> tuple[list[Fit], list[str]]:
    """The largest batches, and why some are missing."""
    from oracle.query import fit

    words = {name: word for name, word in candidate.workload.to_dict().items() if name not in ("batch_size", "mode")}
    sized = [device for device in candidate.devices if device.sized]
    missing = [f"{device.name} states no memory size." for device in candidate.devices if device not in sized]
    found: list[Fit] = []
    for mode in MODES if sized else ():
        batches = _attempt(partial(fit, candidate.net, sized, modes=(mode,), **words))
        if isinstance(batches, str):
            missing.append(f"No largest batch in {mode}: {batches}")
        else:
            found += batches
    return found, missing


def _attempt(function: Callable[[], _Out]) -> _Out | str:
    """What it returns, or why it cannot."""
    try:
        return function()
    except OracleError as error:
        return str(error)
