"""`oracle fit`: the largest batch that a device's memory holds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from oracle.cli._flags import add_devices, add_networks, add_output, add_workload, workload_of
from oracle.cli._messages import complain
from oracle.cli._output import deliver
from oracle.cli._scoring import each_source
from oracle.cli._sources import devices_of
from oracle.errors import OracleError

if TYPE_CHECKING:
    from oracle.devices import Device

_EXAMPLES = """\
examples:
  oracle fit ResNet-50 --device t4 --device rtx-4090
  oracle fit ViT-B-16 -d rtx-4090 --mode training --dtype float16 --optimizer adamw --reserve 1.5
  oracle fit torchvision:resnet50 -d jetson-orin-nano --mode inference
  oracle fit R-56 -d stm32f746 --dtype int8 --runtime engine --mode inference
  oracle fit Llama-3.1-8B Qwen3-8B -d rtx-4090 -d l40s --context --batch 8 --reserve 2

On a microcontroller weights lie in flash and tensors in SRAM: a network fits if it fits both.

With --context, of decoders: the longest sequences that fit while --batch of them are decoded.

A device whose file states no memory size has no row; the others are shown, it is named, and the exit
code is 2.

The answer is exact for the peak memory that the oracle counts: weights, live tensors, gradients and
optimiser state. Workspace of kernels, rounding by the allocator and the framework's own context are
not in it; --reserve leaves room for them."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "fit",
        help="the largest batch that fits each device's memory",
        description="The largest batch that fits each device's memory, in inference and in training,\n"
        "with its peak memory and that of the next larger batch; on microcontrollers, SRAM and flash.",
        epilog=_EXAMPLES,
    )
    add_networks(command)
    add_devices(command)
    command.add_argument(
        "--reserve", type=_gib, default=0, metavar="GIB", help="memory to leave free, in GiB (default: 0)"
    )
    command.add_argument(
        "--context",
        action="store_true",
        help="of decoders, the most tokens of a sequence instead, of --batch sequences (default: 1)",
    )
    command.add_argument(
        "--arena",
        action="store_true",
        help="on microcontrollers, what TFLite-Micro's memory planner needs, not what is alive at once (needs torch)",
    )
    add_workload(command, counting=False)
    add_output(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from oracle.config import load_cfg
    from oracle.query.capacity import Fit, fit
    from oracle.report.rows import fit_rows
    from oracle.report.table.fits import fit_tables
    from oracle.sources import is_reference

    if args.context:
        return _run_context(args)
    if args.batch_size is not None:
        raise OracleError(f"--batch {args.batch_size}: the batch is what fit looks for")
    words = {name: word for name, word in workload_of(args).items() if name not in ("batch_size", "mode")}
    modes = None if args.mode is None else (args.mode,)
    devices = devices_of(args.device)
    sizeless: dict[str, None] = {}  # devices, in order

    def fitted(source: str) -> tuple[Fit, ...]:
        network: Any = source
        if not is_reference(source):
            network = load_cfg(source, [part for pair in args.overrides for part in pair])
        elif args.overrides:
            raise OracleError(f"{source}: --set {args.overrides[0][0]} is about configs, and this is none")
        places = _places(devices, network)
        sized = [device for device in places if device.sized]
        if sized:  # else it complains
            sizeless.update(dict.fromkeys(device.name for device in places if not device.sized))
            places = sized
        return fit(
            network, places, modes=modes, reserve_bytes=args.reserve, arena=args.arena, inputs=args.inputs, **words
        )

    by_source, code = each_source(args, fitted, "fitting")
    found = [item for some in by_source.values() for item in some]
    deliver(
        args,
        table=lambda: fit_tables(found),
        data=lambda: {"fits": [item.to_dict() for item in found]},
        rows=lambda: fit_rows(found),
    )
    for device in sizeless:
        complain(
            f"device={device!r} states no memory size: it has no row; add MEMORY_GIB (or SRAM_KIB and FLASH_KIB) to a "
            "device file of your own"
        )
    return 2 if sizeless else code


def _run_context(args: argparse.Namespace) -> int:
    from oracle.config import load_cfg
    from oracle.query.contexts import ContextFit, fit_context
    from oracle.report.rows import context_rows
    from oracle.report.table.fits import context_tables
    from oracle.sources import is_reference

    words = {name: word for name, word in workload_of(args).items() if name != "mode"}
    if args.arena or args.mode == "training":
        raise OracleError("--context is about decoding: expected neither --arena nor --mode training")
    devices = devices_of(args.device)

    def fitted(source: str) -> tuple[ContextFit, ...]:
        if is_reference(source):
            raise OracleError(f"{source}: expected a decoder's config, for --context")
        cfg = load_cfg(source, [part for pair in args.overrides for part in pair])
        return fit_context(cfg, _places(devices, cfg), reserve_bytes=args.reserve, **words)

    by_source, code = each_source(args, fitted, "fitting")
    found = [item for some in by_source.values() for item in some]
    deliver(
        args,
        table=lambda: context_tables(found),
        data=lambda: {"contexts": [item.to_dict() for item in found]},
        rows=lambda: context_rows(found),
    )
    return code


def _places(devices: Sequence[Device], network: Any) -> Sequence[Device]:
    """The devices that were named, or else those of a config."""
    places = devices or (devices_of(network.COST.DEVICES) if hasattr(network, "COST") else ())
    if not places:
        raise OracleError("fit needs a device; say --device NAME (`oracle devices` lists them)")
    return places


def _gib(text: str) -> int:
    """GiB as bytes, for argparse."""
    try:
        size = float(text)
    except ValueError:
        size = -1.0
    if not 0 <= size < 2**40:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size in GiB")
    return round(size * 2**30)
