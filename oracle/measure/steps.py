"""A network made real: weights, input, and the call that is timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FunctionType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from oracle.build import build, initialise
from oracle.closedform import network_form, shared_store
from oracle.errors import OracleError, WorkloadError
from oracle.measure.engines import Models, Session, check_engine, engine_of
from oracle.measure.host import available_memory
from oracle.spec import GENERIC, NetSpec, Workload

_SHARE = 0.9  # workspaces and the allocator's rounding are not part of a predicted peak


def check_workload(workload: Workload, device: str) -> None:
    """Refuse what torch cannot run here.

    Raises:
        WorkloadError: TF32 off CUDA, or what an engine does not run here.
        MissingDependencyError: the packages of an engine are not installed.
    """
    if workload.runtime == "engine":
        check_engine(workload, device)
    if workload.dtype == "tf32" and not device.startswith("cuda"):
        raise WorkloadError(f"dtype='tf32' needs a CUDA device, got {device!r}")


def check_memory(networks: list[tuple[NetSpec, Workload]], device: str, available: int | None = None) -> None:
    """Refuse networks that do not fit: what stays of all of them, and the activations of the largest.

    Args:
        networks: to be held together, since their repeats are interleaved.
        device: whose memory counts.
        available: bytes; what is free now if None.

    Raises:
        OracleError: they do not fit; the message names the network and both figures.
    """
    free = free_bytes(device) if available is None else available
    if free is None:
        return
    held = extra = 0
    for net, workload in networks:
        # of engines in general: a named one's rules move memory little, and its closed forms may have to be made first
        peak = network_form(shared_store(), net, workload.with_(engine=GENERIC)).memory
        if peak.peak_bytes > _SHARE * free:
            raise OracleError(
                f"network={net.name!r}: needs {_gib(peak.peak_bytes)} GiB at its peak, and {device} has "
                f"{_gib(free)} GiB free; choose a smaller batch"
            )
        stays = peak.weights_bytes + peak.states_bytes + peak.gradients_bytes
        held, extra = held + stays, max(extra, peak.peak_bytes - stays)
    if held + extra > _SHARE * free:
        raise OracleError(
            f"{len(networks)} networks need {_gib(held + extra)} GiB together, and {device} has "
            f"{_gib(free)} GiB free; measure fewer at a time"
        )


def step_of(
    net: NetSpec, workload: Workload, device: str, seed: int = 0, *, capturable: bool = False
) -> Callable[[], Any]:
    """The call to be timed: a forward pass, or in training forward, backward and optimiser step.

    Args:
        net, workload, device: what runs where.
        seed: of weights and images.
        capturable: whether a CUDA graph is to hold it, so that an optimiser's step counter has to be on the GPU.

    Raises:
        OracleError: the network cannot be built, or torch.compile does not work here.
    """
    module: Any = initialise(build(net), device, seed=seed)
    module.train(workload.training)
    shape = (workload.batch_size, *net.input_shape)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device)
    if workload.weights:
        dtype = getattr(torch, workload.weights)
        module, x = module.to(dtype), x.to(dtype)
    if workload.layout == "nhwc":
        module = module.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    optimizer = _optimizer(workload.optimizer, module, capturable) if workload.training else None
    called = _compiled(module) if workload.runtime == "compiled" else module
    step = _inference(called, x, workload) if optimizer is None else _training(called, x, workload, optimizer)
    try:
        step()  # compiles
    except Exception as error:
        if workload.runtime != "compiled":
            raise OracleError(f"network={net.name!r} does not run on {device}: {first_line(error)}") from error
        raise OracleError(
            f"network={net.name!r}: runtime='compiled': torch.compile fails here: {first_line(error)}"
        ) from error
    return step


def engine_step_of(
    net: NetSpec, workload: Workload, threads: int, models: Models, *, profiled: bool = False
) -> Session:
    """The call to be timed of a network that an engine has loaded.

    Args:
        net, workload: what runs; `check_workload` has passed.
        threads: that the engine may use.
        models: where exported networks are kept.
        profiled: whether its nodes are to be told apart.

    Raises:
        OracleError: the network cannot be exported, quantised or loaded, or the engine gets it wrong.
    """
    what = f"network={net.name!r}: engine={workload.engine!r}"
    try:
        step = engine_of(workload.engine).session(net, workload, threads, models, profiled=profiled)
        sound = bool(np.isfinite(step()).all())
    except OracleError:
        raise
    except Exception as error:
        raise OracleError(f"{what} cannot run it in {workload.dtype}: {first_line(error)}") from error
    if not sound:
        raise OracleError(f"{what} in {workload.dtype} gives scores that are no numbers")
    return step


def matmul_precision(workload: Workload) -> AbstractContextManager[None]:
    """On CUDA, TF32 if and only if the workload says so: torch's own default allows it in convolutions."""
    return tf32_allowed(workload.dtype == "tf32")


@contextmanager
def tf32_allowed(allowed: bool) -> Iterator[None]:
    """Whether float32 products and convolutions may use TF32 units, for a while."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def _compiled(module: Any) -> Any:
    """The module under torch.compile, by a function with code of its own.

    Of one piece of code, such as a module's `forward`, torch.compile keeps eight graphs, and runs further networks
    eagerly without a word.
    """

    def call(x: Any) -> Any:
        return module(x)

    own = FunctionType(call.__code__.replace(), call.__globals__, closure=call.__closure__)
    return torch.compile(own, fullgraph=True, dynamic=False)


def _inference(module: Any, x: Any, workload: Workload) -> Callable[[], Any]:
    def step() -> Any:
        with torch.inference_mode(), _autocast(x, workload):
            return module(x)

    return step


def _training(module: Any, x: Any, workload: Workload, optimizer: Any) -> Callable[[], Any]:
    target = torch.zeros(x.shape[0], dtype=torch.int64, device=x.device)

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        with _autocast(x, workload):
            loss = F.cross_entropy(module(x), target)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss

    return step


def _optimizer(name: str, module: Any, capturable: bool) -> Any:
    # a rate so small that the weights stay what they are: the arithmetic costs the same
    if name == "adamw":
        return torch.optim.AdamW(module.parameters(), lr=1e-8, capturable=capturable)
    return torch.optim.SGD(module.parameters(), lr=1e-8, momentum=0.9)


def _autocast(x: Any, workload: Workload) -> AbstractContextManager[Any]:
    if workload.autocast_dtype is None:
        return nullcontext()
    return torch.autocast(x.device.type, dtype=getattr(torch, workload.autocast_dtype))


def free_bytes(device: str) -> int | None:
    """Memory to be had on a device, what torch's allocator keeps for later included; None if not known."""
    if device.startswith("cuda"):
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    return available_memory()


def _gib(size: float) -> str:
    return f"{size / 2**30:.3g}"


def first_line(error: Exception) -> str:
    """What an error of torch says first, for a message of one line."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
