"""`oracle serving`: what users of a decoder see that an inference engine serves."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from oracle.cli._flags import add_output, natural
from oracle.cli._messages import complain
from oracle.cli._output import deliver
from oracle.errors import DeviceError

if TYPE_CHECKING:
    from oracle.devices import Device

_EXAMPLES = """\
examples:
  oracle serving Llama-3.1-8B -d h100-sxm --input 1024 --output-tokens 256 --concurrency 1 4 16 64
  oracle serving Llama-3.1-70B -d h200 --input 8192 --output-tokens 1024 --tp 4 --weights float8 --engine tensorrt-llm
  oracle serving gpt-oss-20b -d b200 --input 1024 --output-tokens 1024 --weights float4 --format json

The state is a closed loop: so many requests are always in flight, a new one coming as soon as one is done.
Of several devices, one that cannot hold the network is named, the others are shown, and the exit code is 2.
docs/serving.md says what is modelled, and how far off it was."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "serving",
        help="time to first token, time per output token and throughput of a served decoder",
        description="Time to first token, time per output token and tokens per second of a decoder that an engine\n"
        "serves on one or several GPUs, by requests in flight.",
        epilog=_EXAMPLES,
    )
    command.add_argument(
        "network", metavar="NET", help="name of a shipped decoder, a YAML file, or hf:PATH of a config.json"
    )
    command.add_argument("-d", "--device", action="append", required=True, metavar="DEVICE", help="may be repeated")
    mix = command.add_argument_group("requests")
    mix.add_argument("--input", "--input-tokens", type=natural, required=True, metavar="TOKENS", help="of a prompt")
    mix.add_argument("--output-tokens", type=natural, required=True, metavar="TOKENS", help="that are generated")
    mix.add_argument(
        "--concurrency", type=_naturals, nargs="+", default=[(1, 4, 16, 64)], metavar="N", help="in flight (1 4 16 64)"
    )
    mix.add_argument(
        "--in-step",
        type=float,
        metavar="SHARE",
        help="of requests that are of equal lengths: 1 in some load tests, 0 for users, whose lengths differ"
        " (default: what was least off over both)",
    )
    mix.add_argument(
        "--cached",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="of a prompt's tokens that are in the cache of prefixes when it comes (0)",
    )
    engine = command.add_argument_group("engine")
    engine.add_argument("--engine", default="vllm", metavar="NAME", help="vllm (default), tensorrt-llm or sglang")
    engine.add_argument("--tp", type=natural, metavar="N", help="GPUs that cut every layer (COST.PARALLEL)")
    engine.add_argument("--pp", type=natural, metavar="N", help="GPUs in a row, each with some layers")
    engine.add_argument("--ep", type=natural, metavar="N", help="GPUs that share out experts")
    engine.add_argument(
        "--dp", type=natural, default=1, metavar="N", help="groups of GPUs, each with its own sequences"
    )
    engine.add_argument("--weights", metavar="TYPE", help="bfloat16 (default), float8, int8, int4 or float4")
    engine.add_argument("--kv", metavar="TYPE", help="of the cache: bfloat16 or float8 (default: the engine's)")
    add_output(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from oracle.config import load_cfg
    from oracle.query.devices import find_devices
    from oracle.report.rows import serving_rows
    from oracle.report.table.servings import serving_tables
    from oracle.serving import Serving, serve_latency

    cfg = load_cfg(args.network)
    words = {
        name: getattr(args, name) for name in ("engine", "tp", "pp", "ep", "dp", "weights", "kv", "in_step", "cached")
    }
    found: list[Serving] = []
    refused: list[DeviceError] = []

    def serve(device: Device) -> None:
        try:
            found.append(
                serve_latency(
                    cfg,
                    device,
                    input_tokens=args.input,
                    output_tokens=args.output_tokens,
                    concurrency=[number for some in args.concurrency for number in some],
                    **words,
                )
            )
        except DeviceError as error:
            refused.append(error)

    for device in find_devices(args.device):
        serve(device)
    if found:
        deliver(
            args,
            table=lambda: serving_tables(found),
            data=lambda: {"servings": [item.to_dict() for item in found]},
            rows=lambda: [row for item in found for row in serving_rows(item)],
        )
    for error in refused:
        complain(str(error))
    return 2 if refused else 0


def _naturals(text: str) -> tuple[int, ...]:
    """`1,4` as integers, for argparse; `1 4` comes word by word."""
    return tuple(natural(part) for part in text.split(","))
