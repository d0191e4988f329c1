"""Flags that several commands share: networks, devices, workload, output."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from oracle.cli._output import check_output
from oracle.errors import OracleError
from oracle.spec import DTYPES, ENGINES, LAYOUTS, MODES, OPTIMIZERS, RUNTIMES, WEIGHTS

_SELECTION = {"dtype": DTYPES, "mode": MODES, "runtime": RUNTIMES, "engine": ENGINES, "layout": LAYOUTS}
_WORKLOAD = (
    *("batch_size", "dtype", "mode", "runtime", "layout", "optimizer", "causal", "weights", "engine", "threads"),
    *("host", "cuda_graphs"),
)


def add_networks(parser: argparse.ArgumentParser) -> None:
    """Several networks, and what to do when one fails."""
    parser.add_argument(
        "networks",
        nargs="+",
        metavar="NET",
        help="name of a shipped network, YAML file, directory (all YAML below it), or shipped directory; or any other "
        "network: torchvision:NAME, timm:NAME, package.module:callable(args), which is code and is run, or a .pt2 or "
        ".onnx file, which is data",
    )
    add_inputs(parser)
    parser.add_argument(
        "--keep-going",
        action="store_true",
        help="when a network fails, name it and go on with the others; the exit code is 2 all the same",
    )


def add_scoring(parser: argparse.ArgumentParser, *, batches: bool = False) -> None:
    """All that says which networks to score, where, under which workload (see `add_workload`) and by which model."""
    add_networks(parser)
    add_devices(parser)
    add_model(parser)
    add_transfer(parser)
    add_workload(parser, batches=batches)


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """The inputs of a network that is no config."""
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        dest="inputs",
        metavar="SHAPE",
        help="of a network that is no config: 1x3x224x224, 1x128:int64, mask=1x128:bool; once per input, in order "
        "(default: what the network is published for or was exported with). --batch replaces every first dimension",
    )
    parser.add_argument(
        "--selected",
        type=int,
        metavar="N",
        help="of a network that selects by values (masks, nonzero, non-maximum suppression; a detector's proposals): "
        "rows that each selection keeps, or all where there are fewer (default: such a network is refused)",
    )


def add_devices(parser: argparse.ArgumentParser) -> None:
    """Devices to predict for."""
    parser.add_argument(
        "-d",
        "--device",
        action="append",
        default=[],
        metavar="DEVICE",
        help="name of a shipped device or path of a device file; may be repeated (default: COST.DEVICES)",
    )


class _Batch(argparse.Action):
    """A batch size, which is given once."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, self.joined(before, _batches_in(self, str(values))))

    def joined(self, before: Any, sizes: tuple[int, ...]) -> Any:
        """What the flag stands for, given what it stood for before."""
        if before is not None or len(sizes) > 1:
            given = ",".join(map(str, (*(() if before is None else (before,)), *sizes)))
            raise argparse.ArgumentError(self, f"{given}: expected one batch size (`oracle score` takes several)")
        return sizes[0]


class _Batches(_Batch):
    """The same for several: `--batch 1,8` and `--batch 1 --batch 8` are equal; an integer where there is one."""

    def joined(self, before: Any, sizes: tuple[int, ...]) -> Any:
        known = () if before is None else before if isinstance(before, tuple) else (before,)
        found = tuple(dict.fromkeys((*known, *sizes)))
        return found if len(found) > 1 else found[0]


class _Dtypes(argparse.Action):
    """`--dtypes stem=float16,s3=int8` is `--set COST.DTYPES stem=float16,s3=int8`."""

    def __call__(self, _parser: Any, namespace: argparse.Namespace, values: Any, _option: Any = None) -> None:
        """Add it to the overrides."""
        namespace.overrides = [*namespace.overrides, ["COST.DTYPES", values]]


def _batches_in(action: argparse.Action, text: str) -> tuple[int, ...]:
    """The batch sizes in `8` or `1,8,64`; what is wrong with one, the workload says."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentError(action, f"{text!r}: expected integers, such as 8 or 1,8,64") from None


def batch_sizes_of(args: argparse.Namespace) -> tuple[int, ...] | None:
    """The batch sizes where there are several, ascending; None for one, or for the config's."""
    return tuple(sorted(args.batch_size)) if isinstance(args.batch_size, tuple) else None


def add_workload(
    parser: argparse.ArgumentParser, *, overrides: bool = True, counting: bool = True, batches: bool = False
) -> None:
    """The workload: each flag replaces a key of the config's COST section.

    Args:
        overrides: whether other keys can be replaced too.
        counting: whether there is a flag for a convention.
        batches: whether several batch sizes can be, see `batch_sizes_of`.
    """
    group = parser.add_argument_group("workload (default: the config's COST section)")
    group.add_argument(
        *("-b", "--batch", "--batch-size"),
        dest="batch_size",
        action=_Batches if batches else _Batch,
        metavar="N,..." if batches else "N",
        help="images per call" + ("; or several, such as 1,8,64" if batches else ""),
    )
    group.add_argument("--dtype", choices=DTYPES, help="float16 and bfloat16 mean autocast, but with --weights")
    group.add_argument(
        "--weights",
        choices=WEIGHTS[1:],
        help="the type that weights are stored in: with float16 or bfloat16, as in --dtype, nothing is cast; in int8, "
        "float8 or int4 an engine keeps them quantised and computes in --dtype, in float4 (MXFP4) those of experts "
        "(default: float32)",
    )
    group.add_argument("--mode", choices=MODES, help="training: forward, backward and optimiser step")
    group.add_argument(
        "--runtime",
        choices=RUNTIMES,
        help="who runs it: PyTorch, torch.compile or XLA, or an inference engine",
    )
    group.add_argument("--engine", choices=ENGINES, help="which engine runs it; the runtime is engine then")
    group.add_argument("--threads", type=natural, metavar="N", help="of a processor (default: what its peak needs)")
    group.add_argument(
        "--host", metavar="DEVICE", help="the processor that launches a GPU's kernels (default: each GPU's usual one)"
    )
    group.add_argument(
        "--cuda-graphs",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="replay recorded kernels, without a host: torch.compile's mode reduce-overhead (default: no; engines do)",
    )
    group.add_argument("--layout", choices=LAYOUTS, help="memory order of images")
    group.add_argument("--optimizer", choices=OPTIMIZERS, help="of a training step")
    group.add_argument("--causal", choices=("full", "half"), help="count causal attention in full or the half kept")
    if overrides:
        group.add_argument(
            "--dtypes",
            action=_Dtypes,
            metavar="STAGE=TYPE,...",
            help="of stages that compute in another type, under an engine, such as stem=float16,s3=int8",
        )
        _add_overrides(parser.add_argument_group("config"))
    if counting:
        _add_counting(parser.add_argument_group("counting"))


def _add_overrides(group: Any) -> None:
    group.add_argument(
        "--set",
        nargs=2,
        action="append",
        default=[],
        dest="overrides",
        metavar=("KEY", "VALUE"),
        help="replace a key of the config, such as TRAIN.IM_SIZE 288; may be repeated",
    )


def _add_counting(group: Any) -> None:
    group.add_argument("--convention", metavar="C", help="count as fvcore, thop, ptflops, torch, pycls or note would")
    group.add_argument("--strict", action="store_true", help="an operator without a FLOP formula is an error")


def add_model(parser: argparse.ArgumentParser) -> None:
    """What predicts latency."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        choices=("best", "roofline", "calibrated"),
        default="best",
        help="best: the prediction by the best model there is for each device, the bound where nothing was measured; "
        "roofline: the textbook's lower bound alone; calibrated: as best, but an error where there is only the bound "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--calibration",
        action="append",
        default=[],
        metavar="FILE",
        help="of your own, from `oracle calibrate`, in place of the device's shipped one; may be repeated",
    )


def model_of(args: argparse.Namespace) -> dict[str, Any]:
    """The model flags as keywords of `oracle.query.score`."""
    if not args.calibration:
        return {"model": args.model, "calibrations": []}
    from oracle.calibration import load_calibration

    return {"model": args.model, "calibrations": [load_calibration(path) for path in args.calibration]}


def add_transfer(parser: argparse.ArgumentParser) -> None:
    """Measurements on other devices."""
    parser.add_argument(
        "--transfer",
        action="append",
        default=[],
        metavar="DEVICE=FILE",
        help="CSV measured on another device: networks in it are predicted by their residual there; may be repeated",
    )


def transfer_of(args: argparse.Namespace) -> dict[str, str]:
    """The flag of `add_transfer`: device -> file.

    Raises:
        OracleError: a value that is no DEVICE=FILE, or two for one device.
    """
    found: dict[str, str] = {}
    for text in getattr(args, "transfer", []):  # `oracle ops` shows kernels, which are not carried over
        device, _, file = text.partition("=")
        if not device or not file:
            raise OracleError(f"transfer={text!r}: expected DEVICE=FILE, such as rtx-3090=m.csv")
        if found.setdefault(device, file) != file:
            raise OracleError(f"transfer={text!r}: another file was given for device={device!r}")
    return found


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Which rows of a table of measurements count."""
    group = parser.add_argument_group("which measurements (where the file has several workloads)")
    for name, words in _SELECTION.items():
        group.add_argument(f"--{name}", choices=words)
    group.add_argument("--threads", type=natural, metavar="N")


def selection_of(args: argparse.Namespace) -> dict[str, Any]:
    """The flags of `add_selection` as keywords of `oracle.query.calibrate`."""
    return {name: getattr(args, name) for name in (*_SELECTION, "threads")}


def add_place(parser: argparse.ArgumentParser, *, threads: bool = True) -> None:
    """Where on this host something runs, and by which clock; `threads` unless they are part of the workload."""
    group = parser.add_argument_group("this host")
    group.add_argument("--on", default="cpu", metavar="PLACE", help="cpu (default), cuda, cuda:N or mps")
    if threads:
        group.add_argument("--threads", type=natural, metavar="N", help="of the CPU (default: torch's choice)")
    group.add_argument(
        "--clock",
        choices=("wall", "cpu", "events"),
        help="cpu: for one thread on a busy host; events: of a CUDA stream (default: events on CUDA, else wall)",
    )


def natural(text: str) -> int:
    """A positive integer, for argparse."""
    if not (text.isascii() and text.isdigit() and int(text[:10]) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def whole(text: str) -> int:
    """A positive integer, or 0."""
    return 0 if text == "0" else natural(text)


def workload_of(args: argparse.Namespace) -> dict[str, Any]:
    """The workload flags as keywords of `oracle.query.resolve`; None where a flag was not given."""
    return {name: getattr(args, name) for name in _WORKLOAD}


def add_output(parser: argparse.ArgumentParser) -> None:
    """Format and file."""
    group = parser.add_argument_group("output")
    group.add_argument(
        "--format",
        choices=("table", "json", "csv"),
        help="default: what the suffix of the file says, else table",
    )
    group.add_argument(
        "-o", "--output", metavar="FILE", help="write a file (csv, json, txt) instead of standard output"
    )
    parser.set_defaults(check=check_output)
