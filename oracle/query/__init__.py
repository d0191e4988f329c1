"""The facade: score a network, profile any module, rank candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle._lazy import lazy
from oracle.errors import OracleError, TraceError, WorkloadError
from oracle.query.choosing import loaded
from oracle.query.devices import find_devices
from oracle.query.models import image_size_of, latency_models, models_for
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
        "oracle.query.calibrating": "calibrate",
        "oracle.query.capacity": "Fit fit",
        "oracle.query.comparing": "Case Comparison compare",
        "oracle.query.cost": "Cost DeviceTime KernelCost PhaseCost",
        "oracle.query.curves": "BatchCurve BatchPoint batch_curve",
        "oracle.query.many": "Scores score_many",
        "oracle.query.ranking": "Ranking",
        "oracle.query.sensitivity": "Effect Sensitivity",
    },
)


def score(
    network: CfgNode | NetSpec | Source | str | Path,
    devices: Iterable[str | Path | Device] | None = None,
    *,
    inputs: Iterable[str] = (),
    batch_size: int | None = None,
    dtype: str | None = None,
    dtypes: Mapping[str, str] | None = None,
    mode: str | None = None,
    runtime: str | None = None,
    layout: str | None = None,
    optimizer: str | None = None,
    causal: str | None = None,
    weights: str | None = None,
    engine: str | None = None,
    threads: int | None = None,
    host: str | None = None,
    cuda_graphs: bool | None = None,
    phase: str | None = None,
    prompt: int | None = None,
    past: int | None = None,
    kv_dtype: str | None = None,
    kv_block: int | None = None,
    logits: str | None = None,
    parallel: Mapping[str, int] | None = None,
    convention: str | None = None,
    strict: bool = False,
    model: str = "best",
    calibrations: Iterable[Calibration | str | Path] = (),
    selected: int | None = None,
    transfer: Measured | None = None,
) -> Cost:
    """Compute what a network costs on devices, from its config alone.

    Nothing is trained, built, run or downloaded. A config needs no torch; a network by reference is traced on meta.

    Args:
        network: a shipped name, the path of a YAML file, a config (`oracle.load_cfg`) or a spec (`oracle.to_spec`); or
            a network by reference: `torchvision:resnet50`, `timm:convnext_tiny`, a .pt2 or .onnx file (data), or
            `package.module:callable(args)` (code, which is run: name what you trust).
        devices: names of shipped devices, paths of device files, or `oracle.Device` values. Default: the config's
            COST.DEVICES.
        inputs: of a network by reference, one text per input: `["1x3x224x224", "1x128:int64"]`. Default: its own.
        batch_size: images per call. Default: the config's COST.BATCH_SIZE, and likewise for the keywords that follow.
        dtype: float32, tf32, float16, bfloat16 (both autocast), float8 or int8 (both under an engine only).
        dtypes: of stages that compute in another type, under an engine: `{"stem": "float16", "s3": "int8"}`; see
            `oracle.NetSpec`.
        mode: inference (one forward pass), or training (forward, backward and optimiser step).
        runtime: eager, compiled or engine: who runs the network, and so which operators become one kernel.
        layout: nchw, or nhwc (channels last).
        optimizer: sgd or adamw, of a training step.
        causal: full or half: whether causal attention counts all scores, or those that are kept.
        weights: the type that weights are stored in: float16 or bfloat16 as after `module.half()`; int8, float8
            or int4 for quantised weights under an engine, float4 for those of experts. A network by reference is
            converted to it, and so are its inputs.
        engine: onnxruntime, openvino, litert, ncnn, tensorrt, coreml or generic; implies runtime engine.
        threads: of a processor; 0 for as many as its stated peak needs.
        host: the processor that launches a GPU's kernels, a name or a path as in `devices`; "" for the one that each
            is taken to have (`oracle.devices.hosts`).
        cuda_graphs: whether a GPU replays recorded kernels without its host, as `torch.compile` does in its mode
            reduce-overhead, and in its default mode does not. Engines always do.
        phase: of a decoder, what of each sequence a call computes: prefill of `prompt` tokens after `past`, decode of
            one token after `past`, or training; see `oracle.families.decoder`.
        prompt: tokens per sequence that a prefill or a training step computes.
        past: tokens per sequence that the cache of keys and values holds already.
        kv_dtype: the type of that cache.
        kv_block: tokens per block of a paged cache; 0 for one that is not paged.
        logits: of which positions a prefill computes logits: last or all.
        parallel: GPUs that share a decoder, such as `{"TP": 4}`: all numbers are of one of them, and what they send one
            another are kernels; see `oracle.families.sharding`.
        convention: count as fvcore, thop, ptflops, torch, pycls or note does. Default: the oracle's own rules.
        strict: raise if an operator has no FLOP formula, instead of naming it in `Cost.unknown`.
        model: what predicts latency. best: the best model there is for each device: your own calibration, the one that
            ships, the prior of its kind, or the lower bound where nothing was measured. roofline: the lower bound
            alone.
            calibrated: as best, but an error where there is only the bound.
        calibrations: calibrations of your own, or paths of their files; they replace those that ship for their devices.
        selected: of a network by reference that selects by values (boolean masks, `nonzero`, non-maximum suppression),
            the number of rows that each selection keeps, or all where there are fewer; such as a detector's proposals.
        transfer: device -> measurements on it (path of a CSV file, or rows). A network that they hold is predicted by
            its residual there, carried over; `DeviceTime.model` is then "transfer".

    Returns:
        Counts for the whole batch, and per device the latency in milliseconds per call with its lower bound, interval
        and expected error.

    Raises:
        ConfigError: a config that cannot be read, or describes no network; it carries the dotted key.
        DeviceError: an unknown device, or one without a peak for the dtype.
        WorkloadError: a keyword outside of its domain, or a combination that no runtime offers.
        UnknownOperatorError: under `strict`, an operator without a formula.
        TraceError: a network by reference that cannot be traced.

    Examples:
        >>> import oracle
        >>> cost = oracle.score("RegNetX-400MF", ["rtx-4090", "t4"], batch_size=64, dtype="float16")
        >>> cost.macs, cost.params
        (25451364352, 5157512)
        >>> all(cost.latency_ms[name] > cost.roofline_ms[name] for name in ("rtx-4090", "t4"))
        True
        >>> cost.times["rtx-4090"].bound
        'memory'
    """
    if isinstance(batch_size, (list, tuple)):
        raise WorkloadError(f"batch_size={batch_size!r}: expected one; `oracle.batch_curve` takes several")
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
        "host": host,
        "cuda_graphs": cuda_graphs,
    }
    call = {
        "phase": phase,
        "prompt": prompt,
        "past": past,
        "kv_dtype": kv_dtype,
        "kv_block": kv_block,
        "logits": logits,
        "parallel": parallel,
    }
    source = source_of(network, inputs, batch_size, selected)
    if source is not None:
        check_no_call(call, source.reference)
        if dtypes:
            raise WorkloadError(f"dtypes={dtypes!r}: only configs have stages; got {source.reference!r}")
        if transfer:
            raise WorkloadError(f"transfer: expected a config, for measurements name those; got {source.reference!r}")
        return score_source(source, find_devices(devices or ()), words, convention, strict, model, calibrations)
    net, workload, requested = resolve(network, batch_size=batch_size, dtypes=dtypes, **words, **call)
    places = find_devices(requested if devices is None else devices)
    if not transfer:
        return score_net(net, workload, models_for(net, places, workload, model, calibrations), convention, strict)
    from oracle.query.transferring import carry, elsewhere, here_and_there

    there = elsewhere(transfer)
    own, others = here_and_there(calibrations, there, places)
    cost = score_net(net, workload, models_for(net, places, workload, model, own), convention, strict)
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
    host: str | None = None,
    cuda_graphs: bool | None = None,
    convention: str | None = None,
    strict: bool = False,
    model: str = "best",
    calibrations: Iterable[Calibration | str | Path] = (),
    selected: int | None = None,
    kwargs: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Cost:
    """Compute what any module costs on given inputs. The module stays untouched, and nothing is computed.

    Args:
        module: on any device, in any mode. `mode` says whether it trains, not its own `training` flag.
        inputs: tensors of any shape, of which only shapes and dtypes count, or nested lists, tuples and dicts of them.
            Their batch size is that of the call.
        devices: as in `oracle.score`.
        dtype: float32, tf32, float16, bfloat16 (both autocast), float8 or int8 (both under an engine only).
        mode: inference (one forward pass), or training (forward, backward and optimiser step).
        runtime: eager, compiled or engine: who runs the network, and so which operators become one kernel.
        layout: nchw, or nhwc (channels last).
        optimizer: sgd or adamw, of a training step.
        causal: full or half: whether causal attention counts all scores, or those that are kept.
        weights: the type that weights are stored in: float16 or bfloat16 as after `module.half()`; int8, float8
            or int4 for quantised weights under an engine. Default: the type of the module's own parameters.
        engine: onnxruntime, openvino, litert, ncnn, tensorrt, coreml or generic; implies runtime engine.
        threads: of a processor; 0 for as many as its stated peak needs.
        host: the processor that launches a GPU's kernels, as in `oracle.score`.
        cuda_graphs: whether a GPU replays recorded kernels without its host, as in `oracle.score`.
        convention: count as fvcore, thop, ptflops, torch, pycls or note does.
        strict: raise if an operator has no FLOP formula.
        model: best, roofline or calibrated, as in `oracle.score`.
        calibrations: calibrations of your own, or paths of their files, as in `oracle.score`.
        selected: as in `oracle.score`; without it, a forward that selects by values is refused.
        kwargs: keyword inputs of its forward.
        name: for results. Default: the name of its class.

    Returns:
        As `oracle.score`; `Cost.notes` names what of the module was assumed.

    Raises:
        TraceError: no module; its forward fails, or depends on the values of its inputs; inputs that are sparse or
            nested tensors.
        OracleError: as `oracle.score`; also a dtype or weights that the module's parameters are not of.

    Examples:
        >>> import torch, oracle
        >>> cost = oracle.profile(torch.nn.Linear(64, 10), torch.empty(8, 64), devices=["t4"])
        >>> cost.macs, cost.params, cost.unknown
        (5120, 650, ())
    """
    from torch import nn

    from oracle.counting.networks import count_table  # need torch, as the module does
    from oracle.query.storing import stored_words
    from oracle.query.traced import score_count
    from oracle.trace import isolated, trace_module
    from oracle.trace.meta import to_meta

    if not isinstance(module, nn.Module):
        name, but = (module.__name__, ", not a class") if isinstance(module, type) else (type(module).__name__, "")
        raise TraceError(f"module={name}: expected an instance of torch.nn.Module{but}")
    with isolated():
        inputs, kwargs = to_meta((inputs, dict(kwargs or {})))  # what has no shape is refused here
    words: dict[str, Any] = {"mode": mode, "runtime": runtime, "layout": layout, "optimizer": optimizer}
    words |= {"causal": causal, "engine": engine, "threads": threads, "host": host, "cuda_graphs": cuda_graphs}
    words |= stored_words(module, [inputs, kwargs], dtype, weights)
    workload = Workload(batch_size=_batch_of([inputs, kwargs]) or 1).with_(**words)
    side = image_size_of(next((tuple(item.shape[1:]) for item in inputs if hasattr(item, "shape")), ()))
    models = latency_models(find_devices(devices), workload, model, calibrations, side)
    counted = count_table(trace_module(module, inputs, kwargs, workload, selected=selected), workload)
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
    """Order networks by latency on every device, compare the devices' orders, and mark Pareto-dominated networks.

    Args:
        networks: as in `oracle.score`.
        devices: at least one.
        quality: accuracy, or any value of which more is better, per network: in their order, or by name. Default: MACs.
        progress: called with (done, total) after each network.
        model: best, roofline or calibrated, as in `oracle.score`.
        calibrations: calibrations of your own, or paths of their files, as in `oracle.score`.
        workload: further keywords of `oracle.score`.

    Raises:
        OracleError: as `oracle.score`; also no network, no device, configs of different workloads, or a network without
            a quality.

    Examples:
        >>> import oracle
        >>> ranking = oracle.rank(["ResNet-50", "RegNetX-400MF"], ["t4"], batch_size=64, dtype="float16")
        >>> [ranking.costs[position].name for position in ranking.order["t4"]]
        ['RegNetX-400MF', 'ResNet-50']
    """
    candidates, places = several(networks), find_devices(devices)
    if not candidates or not places:
        raise WorkloadError(f"rank needs networks and devices, got {len(candidates)} and {len(places)}")
    from oracle.query.ranking import ranking_of

    costs, own = [], loaded(calibrations)
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
    """Change every number of a config by one step up and down, and compute what that changes.

    The numbers are widths, depths, group widths, ratios and the image size: what the config's family depends on.

    Args:
        network: a config, the name of a shipped network, or the path of a YAML file.
        devices: as in `oracle.score`.
        model: best, roofline or calibrated, as in `oracle.score`.
        calibrations: calibrations of your own, or paths of their files, as in `oracle.score`.
        workload: fields of `oracle.Workload`, as in `oracle.score`.

    Returns:
        An effect per step: changes of latency (ms), traffic (bytes), FLOPs and MACs.

    Raises:
        OracleError: as `oracle.score`; also a spec, which has no keys any more, or a family without such numbers.

    Examples:
        >>> import oracle
        >>> found = oracle.knobs("RegNetX-400MF", ["t4"])
        >>> sorted({effect.knob for effect in found.effects})[:3]
        ['depth of stage 1', 'depth of stage 2', 'depth of stage 3']
    """
    if isinstance(network, Source) or is_reference(network):
        raise OracleError(f"network={str(network)!r}: only configs have knobs")
    if isinstance(network, NetSpec):
        raise OracleError(f"network={network.name or 'NetSpec'}: a spec has no knobs; pass its config, name or path")
    from oracle.query.sensitivity import sensitivity_of

    cfg = parsed(network)[1] if isinstance(network, (str, Path)) else network
    _, requested, places = resolve(cfg, **workload)
    return sensitivity_of(cfg, places if devices is None else devices, requested, model, calibrations)


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
