"""The facade: score a network, profile any module, rank candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle._lazy import lazy
from oracle.errors import OracleError, WorkloadError
from oracle.query.devices import find_devices
from oracle.query.models import image_size_of, latency_models
from oracle.query.resolving import check_no_call, check_one_workload, parsed, resolve, several
from oracle.query.scoring import score_net
from oracle.query.sourced import score_source, source_of
from oracle.sources import Source, is_reference
from oracle.spec import NetSpec, Workload

if TYPE_CHECKING:
    from torch import nn

    from oracle.calibration import Calibration
    from oracle.config import CfgNode
    from oracle.devices import Device
    from oracle.query.calibrating import calibrate
    from oracle.query.capacity import Fit, fit
    from oracle.query.comparing import Case, Comparison, compare
    from oracle.query.cost import Cost, DeviceTime, KernelCost, PhaseCost
    from oracle.query.curves import BatchCurve, BatchPoint, batch_curve
    from oracle.query.many import Scores, score_many
    from oracle.query.ranking import Ranking
    from oracle.query.sensitivity import Effect, Sensitivity
    from oracle.query.transferring import Measured

__all__ = [
    "BatchCurve",
    "BatchPoint",
    "Case",
    "Comparison",
    "Cost",
    "DeviceTime",
    "Effect",
    "Fit",
    "KernelCost",
    "PhaseCost",
    "Ranking",
    "Scores",
    "Sensitivity",
    "batch_curve",
    "calibrate",
    "compare",
    "fit",
    "knobs",
    "profile",
    "rank",
    "resolve",
    "score",
    "score_many",
]

# What no score needs is loaded on first use.
lazy(
    __name__,
    {
        "oracle.query.calibrating": ("calibrate",),
        "oracle.query.capacity": ("Fit", "fit"),
        "oracle.query.comparing": ("Case", "Comparison", "compare"),
        "oracle.query.cost": ("Cost", "DeviceTime", "KernelCost", "PhaseCost"),
        "oracle.query.curves": ("BatchCurve", "BatchPoint", "batch_curve"),
        "oracle.query.many": ("Scores", "score_many"),
        "oracle.query.ranking": ("Ranking",),
        "oracle.query.sensitivity": ("Effect", "Sensitivity"),
    },
)


def score(
    network: CfgNode | NetSpec | Source | str | Path,
    devices: Iterable[str | Path | Device] | None = None,
    *,
    inputs: Iterable[str] = (),
    batch_size: int | None = None,
    dtype: str | None = None,
    mode: str | None = None,
    runtime: str | None = None,
    layout: str | None = None,
    optimizer: str | None = None,
    causal: str | None = None,
    weights: str | None = None,
    engine: str | None = None,
    threads: int | None = None,
    phase: str | None = None,
    prompt: int | None = None,
    past: int | None = None,
    kv_dtype: str | None = None,
    kv_block: int | None = None,
    logits: str | None = None,
    convention: str | None = None,
    strict: bool = False,
    model: str = "best",
    calibrations: Iterable[Calibration | str | Path] = (),
    transfer: Measured | None = None,
) -> Cost:
    """What a network costs, from its config alone: no weights, no memory, no device.

    Args:
        network: a config, a spec, the name of a shipped network, or the path of a YAML file; or any other network by
            reference: `torchvision:resnet50`, `timm:convnext_tiny`, `package.module:callable(args)`, a .pt2 or .onnx
            file (see `oracle.sources`; what a package or file holds may run, so name those you trust).
        inputs: of a network by reference, such as `["1x3x224x224", "1x128:int64"]`; its own default if empty. The
            batch size replaces the first dimension of each.
        devices: names of shipped devices, paths of device files, or devices; the config's COST.DEVICES if None.
        batch_size, dtype, mode, runtime, layout, optimizer, causal, weights, engine, threads: see `oracle.Workload`;
            each replaces the config's COST key where it is given. A network by reference is converted to `weights`,
            and so are its inputs. `oracle.batch_curve` takes several batch sizes.
        phase, prompt, past, kv_dtype, kv_block, logits: of a decoder, on what of each sequence a call works: prefill of
            `prompt` tokens after `past`, decode of one token after `past`, or training; each replaces the COST key of
            its name, see `oracle.families.decoder`.
        convention: count as fvcore, thop, ptflops, torch, pycls or note would.
        strict: an operator without a FLOP formula is an error.
        model: what `Cost.latency_ms` is. best: the prediction by the best model that there is for each device, which is
            your own calibration, the device's shipped one, what others of its kind teach, or the bound where nothing
            was measured; roofline: the textbook's lower bound alone; calibrated: as best, but an error where there
            is only the bound. `Cost.times` says which it is, and how far to trust it; `Cost.roofline_ms` is always the
            bound.
        calibrations: of your own (or their files), which overrule the shipped ones of their devices.
        transfer: other device -> its measurements (a CSV file, see `oracle.measure`, or rows). A network that they hold
            under the same workload is predicted by its residual there, carried over; `DeviceTime.model` then says so.

    Raises:
        OracleError: with a message that names the key, the value and what was expected.

    Example:
        >>> cost = score("RegNetX-400MF", ["rtx-4090"], batch_size=64, dtype="float16")
        >>> cost.macs, cost.latency_ms["rtx-4090"], cost.times["rtx-4090"].bound
    """
    words = {
        "dtype": dtype,
        "mode": mode,
        "runtime": runtime,
        "layout": layout,
        "optimizer": optimizer,
        "causal": causal,
        "weights": weights,
        "engine": engine,
        "threads": threads,
    }
    call = {
        "phase": phase,
        "prompt": prompt,
        "past": past,
        "kv_dtype": kv_dtype,
        "kv_block": kv_block,
        "logits": logits,
    }
    source = source_of(network, inputs, batch_size)
    if source is not None:
        check_no_call(call, source.reference)
        if transfer:
            raise WorkloadError(f"transfer: expected a config, for measurements name those; got {source.reference!r}")
        return score_source(source, find_devices(devices or ()), words, convention, strict, model, calibrations)
    net, workload, asked = resolve(network, batch_size=batch_size, **words, **call)
    places = find_devices(asked if devices is None else devices)
    if not transfer:
        models = latency_models(places, workload, model, calibrations, image_size_of(net.input_shape))
        return score_net(net, workload, models, convention, strict)
    from oracle.query.transferring import carry, elsewhere, here_and_there

    there = elsewhere(transfer)
    own, others = here_and_there(calibrations, there, places)
    models = latency_models(places, workload, model, own, image_size_of(net.input_shape))
    cost = score_net(net, workload, models, convention, strict)
    return carry(cost, net, there, places, model, [*own, *others])


def profile(
    module: nn.Module,
    *inputs: Any,
    devices: Iterable[str | Path | Device] = (),
    dtype: str | None = None,
    mode: str | None = None,
    runtime: str | None = None,
    layout: str | None = None,
    optimizer: str | None = None,
    causal: str | None = None,
    weights: str | None = None,
    engine: str | None = None,
    threads: int | None = None,
    convention: str | None = None,
    strict: bool = False,
    model: str = "best",
    calibrations: Iterable[Calibration | str | Path] = (),
    kwargs: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Cost:
    """What any module costs on given inputs. The module is left untouched; nothing is computed.

    Args:
        module: on any device, in any mode; its own `training` flag does not matter, `mode` does.
        inputs: tensors (only their shapes and dtypes count), or nested lists, tuples and dicts of them.
        kwargs: keyword inputs of its forward.
        name: for the report; the class name if None.
        devices, dtype, mode, runtime, layout, optimizer, causal, weights, engine, threads, convention, strict, model,
            calibrations: as in `score`. The batch size is what the inputs have. The module's own parameters decide
            about `weights`: a `.half()` module is one of dtype and weights float16, which nothing is autocast in.

    Raises:
        OracleError: as `score`; also a dtype or weights that the module's parameters are not of; TraceError where
            the forward fails, or depends on data, and for inputs that are sparse or nested tensors.
    """
    from oracle.counting.networks import count_table  # need torch, as the module does
    from oracle.query.storing import stored_words
    from oracle.query.traced import score_count
    from oracle.trace import isolated, trace_module
    from oracle.trace.meta import to_meta

    with isolated():
        inputs, kwargs = to_meta((inputs, dict(kwargs or {})))  # what has no shape is refused here
    words: dict[str, Any] = {"mode": mode, "runtime": runtime, "layout": layout, "optimizer": optimizer}
    words |= {"causal": causal, "engine": engine, "threads": threads}
    words |= stored_words(module, [inputs, kwargs], dtype, weights)
    workload = Workload(batch_size=_batch_of([inputs, kwargs]) or 1).with_(**words)
    side = image_size_of(next((tuple(item.shape[1:]) for item in inputs if hasattr(item, "shape")), ()))
    models = latency_models(find_devices(devices), workload, model, calibrations, side)
    counted = count_table(trace_module(module, inputs, kwargs, workload), workload)
    return score_count(counted, name or type(module).__name__, workload, models, convention, strict)


def rank(
    networks: Iterable[CfgNode | NetSpec | Source | str | Path],
    devices: Iterable[str | Path | Device],
    *,
    quality: Mapping[str, float] | Sequence[float] | None = None,
    progress: Callable[[int, int], None] | None = None,
    model: str = "best",
    calibrations: Iterable[Calibration | str | Path] = (),
    **workload: Any,
) -> Ranking:
    """Order candidates on every device, say how far the devices agree, and mark the dominated.

    Args:
        networks: as in `score`.
        devices: at least one.
        quality: accuracy (or any value, more is better) per network, in their order or by name; without it MACs
            stand for it.
        progress: called with (done, total) after each network.
        model, calibrations: as in `score`.
        workload: further keywords of `score`.

    Raises:
        OracleError: as `score`; also no network, no device, configs of different workloads, or a network without a
            quality.
    """
    candidates, places = several(networks), find_devices(devices)
    if not candidates or not places:
        raise WorkloadError(f"rank needs networks and devices, got {len(candidates)} and {len(places)}")
    from oracle.calibration import Calibration, load_calibration
    from oracle.query.ranking import ranking_of

    costs = []
    own = [item if isinstance(item, Calibration) else load_calibration(item) for item in calibrations]
    for done, network in enumerate(candidates, start=1):
        costs.append(score(network, places, model=model, calibrations=own, **workload))
        if progress is not None:
            progress(done, len(candidates))
    check_one_workload({cost.workload: cost.name for cost in costs})
    values = None if quality is None else _qualities(costs, quality)
    return ranking_of(costs, [device.name for device in places], values)


def knobs(
    network: CfgNode | str | Path,
    devices: Iterable[str | Path | Device] | None = None,
    *,
    model: str = "best",
    calibrations: Iterable[Calibration | str | Path] = (),
    **workload: Any,
) -> Sensitivity:
    """How much latency, bytes and FLOPs change per step of each knob: widths, depths, group widths, resolution.

    Args:
        network: a config, the name of a shipped network, or the path of a YAML file.
        devices, model, calibrations: as in `score`.
        workload: fields of `oracle.Workload`, as in `score`.

    Raises:
        OracleError: as `score`; also a spec (which has no knobs any more), or a family without them.
    """
    if isinstance(network, Source) or is_reference(network):
        raise OracleError(f"network={str(network)!r}: only configs have knobs")
    if isinstance(network, NetSpec):
        raise OracleError(f"network={network.name or 'NetSpec'}: a spec has no knobs; pass its config, name or path")
    from oracle.query.sensitivity import sensitivity_of

    cfg = parsed(network)[1] if isinstance(network, (str, Path)) else network
    _, asked, places = resolve(cfg, **workload)
    return sensitivity_of(cfg, places if devices is None else devices, asked, model, calibrations)


def _qualities(costs: Sequence[Cost], quality: Mapping[str, float] | Sequence[float]) -> list[float]:
    if isinstance(quality, Mapping):
        missing = [cost.name for cost in costs if cost.name not in quality]
        if missing:
            raise WorkloadError(f"quality={', '.join(missing)}: expected a number for every network")
        return [float(quality[cost.name]) for cost in costs]
    if len(quality) != len(costs):
        raise WorkloadError(f"quality has {len(quality)} numbers: expected {len(costs)}, one per network")
    return [float(value) for value in quality]


def _batch_of(inputs: Any) -> int:
    """The leading dimension of the first tensor that has one; 0 where there is none."""
    if hasattr(inputs, "shape"):
        return int(inputs.shape[0]) if len(inputs.shape) else 0
    items = inputs.values() if isinstance(inputs, Mapping) else inputs if isinstance(inputs, (list, tuple)) else ()
    return next((batch for item in items if (batch := _batch_of(item))), 0)
