"""The largest batch whose peak memory a device holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from oracle._frozen import Frozen
from oracle._shown import Shown
from oracle.closedform import network_form, shared_store
from oracle.closedform.mixed import check_mixed, dtypes_note
from oracle.config import load_cfg
from oracle.devices import Device
from oracle.errors import ConfigError, DeviceError, TraceError, WorkloadError
from oracle.families.sharding import shard_of
from oracle.query.arenas import net_arena, table_arena
from oracle.query.devices import find_devices
from oracle.query.parts import largest_part
from oracle.query.resolving import resolve
from oracle.query.sourced import count_source, source_of, source_workload
from oracle.sources import Source
from oracle.sources.origin import Origin
from oracle.spec import MODES, NetSpec, Workload

if TYPE_CHECKING:
    from oracle.config import CfgNode

_LARGEST = 2**40  # a batch beyond is no batch

_Needs: TypeAlias = Callable[[int], tuple[int, int]]
"""Batch size -> bytes alive at the peak, and those of them that never change."""


@dataclass(frozen=True, slots=True)
class Fit(Shown):
    """How many images at a time a device's memory holds.

    Not counted, as in every peak of the oracle: workspace of kernels, what the allocator rounds up or fragments, the
    framework's own context and code on the device, and whatever else runs there. `reserve_bytes` leaves room for them.

    Attributes:
        network, device: names.
        workload: of the largest batch (of a batch of 1 where none fits).
        batch_size: the largest whose peak is no more than the memory without the reserve; 0 where none is.
        peak_memory_bytes: its peak; 0 where none fits.
        next_batch_size: the smallest batch that does not fit; None where a file fixes its batch, and that one fits.
        next_peak_memory_bytes: the peak of that one.
        memory_bytes: of the device, by its file.
        reserve_bytes: kept free.
        origin: as in `Cost`.
        flash_bytes, flash_memory_bytes: where the device keeps in flash what never changes: how much that is of the
            network, and how much flash there is; there the memory is its SRAM, and the peaks are of the rest. None
            elsewhere.
        arena: whether these peaks are what a planner of a tensor arena needs, and not what is alive at once.
        tokens: of a decoder, tokens of each sequence that a call works on; 0 for a network of images.
        dtypes: as in `Cost`.
        notes: which stages compute in another type; whose numbers these are, where several GPUs share a decoder; that a
            file fixes its batch.
    """

    network: str
    device: str
    workload: Workload
    batch_size: int
    peak_memory_bytes: int
    next_batch_size: int | None
    next_peak_memory_bytes: int | None
    memory_bytes: int
    reserve_bytes: int
    origin: Origin | None = None
    flash_bytes: int | None = None
    flash_memory_bytes: int | None = None
    arena: bool = False
    tokens: int = 0
    dtypes: Mapping[str, str] = field(default_factory=Frozen)
    notes: tuple[str, ...] = ()

    @property
    def fits_flash(self) -> bool | None:
        """Whether the flash holds its part of the network; None where the device has none. Without it nothing fits."""
        if self.flash_bytes is None or self.flash_memory_bytes is None:
            return None
        return self.flash_bytes <= self.flash_memory_bytes

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        origin = self.origin and self.origin.to_dict()
        return {**asdict(self), "dtypes": dict(self.dtypes), "origin": origin, "fits_flash": self.fits_flash}


def fit(
    network: CfgNode | NetSpec | Source | str | Path,
    devices: Iterable[str | Path | Device],
    *,
    modes: Sequence[str] | None = None,
    reserve_bytes: int = 0,
    arena: bool = False,
    inputs: Iterable[str] = (),
    selected: int | None = None,
    **workload: Any,
) -> tuple[Fit, ...]:
    """Find the largest batch that each device's memory holds, in inference and in training.

    The answer is exact: the peak memory of that batch fits, and that of the next one does not. On a microcontroller,
    flash has to hold what never changes, and SRAM decides on the batch. Of a file that fixes its batch, only that one
    is looked at.

    Args:
        network: as in `oracle.score`.
        devices: names, paths or devices, each with a memory size.
        modes: inference, training, or both. Default: that of a decoder's phase, where it is decode or training; else
            both, or inference where the workload cannot train, as in int8 or with types by stage, or the network has
            nothing to train, or is not built in training, as decoders with softcaps are not.
        reserve_bytes: memory that stays free.
        arena: on microcontrollers, use what TFLite-Micro's memory planner needs instead of what is alive at once.
            Traces the network, and so needs torch.
        inputs, selected: of a network by reference, as in `oracle.score`.
        workload: dtype, runtime, layout, optimizer, causal, weights, engine: as in `oracle.score`.

    Returns:
        One `Fit` per device and mode, with peaks in bytes.

    Raises:
        DeviceError: a device whose memory size nobody states; `arena` without a device with SRAM and flash.
        OracleError: as `oracle.score`; also a negative reserve.

    Examples:
        >>> import oracle
        >>> inference, training = oracle.fit("ResNet-50", ["t4"], dtype="float16")
        >>> inference.batch_size > training.batch_size > 0
        True
    """
    if reserve_bytes < 0:
        raise WorkloadError(f"reserve_bytes={reserve_bytes}: expected 0 or more")
    if workload.pop("batch_size", None) is not None or "mode" in workload:
        raise WorkloadError("fit looks for the batch size, in modes=...: expected neither batch_size nor mode")
    places = find_devices(devices)
    _check_places(places, arena)
    source = source_of(network, inputs, None, selected)
    only = None if source is None else source.fixed_batch
    network = load_cfg(network) if source is None and isinstance(network, (str, Path)) else network
    found = []
    for mode in _modes_of(source or network, workload) if modes is None else modes:
        words = {**workload, "mode": mode}
        try:
            if source is not None:
                requested, name, origin = source_workload(source, words), source.name, source.origin
                needs, planned = _source_needs(source, requested), _source_arena(source, requested)
            else:
                net, requested, _ = resolve(network, **words)
                if net.dtypes:
                    check_mixed(requested, net.input_shape)
                name, origin, needs, planned = net.name, None, _net_needs(net, requested), _net_arena(net, requested)
        except (ConfigError, WorkloadError):
            if modes is None and mode != MODES[0]:
                continue  # what nobody requested, and the workload or the network, fine in inference, cannot do
            raise
        needs, planned = lru_cache(maxsize=None)(needs), lru_cache(maxsize=None)(planned)
        fits = [
            _fitted(device, name, requested, needs, planned if arena else None, reserve_bytes, origin, only)
            for device in places
        ]
        found += fits if source is not None else [replace(item, **_stated(net, requested)) for item in fits]
    return tuple(sorted(found, key=lambda item: [device.name for device in places].index(item.device)))


def _modes_of(network: Any, words: Mapping[str, Any]) -> tuple[str, ...]:
    """The mode of a decoder's phase, where only one has it; that of a file without weights to train; else all."""
    if isinstance(network, Source):
        return MODES if any(param.requires_grad for param in network.module.parameters()) else MODES[:1]
    decodes = hasattr(network, "COST") and network.MODEL.TYPE == "decoder"
    phase = words.get("phase") or (network.COST.PHASE if decodes else "")
    return {"decode": ("inference",), "training": ("training",)}.get(phase, MODES)


def _stated(net: NetSpec, workload: Workload) -> dict[str, Any]:
    """What a `Fit` says of a network beside its name."""
    shared = shard_of(net.cells)
    return {
        "tokens": net.input_shape[0] if len(net.input_shape) == 1 else 0,
        "dtypes": Frozen(dict(net.dtypes)),
        "notes": (
            *([] if net.others else net.notes),
            *([dtypes_note(net, workload)] if net.dtypes else []),
            *([] if shared is None else [shared.note]),
        ),
    }


def _fitted(
    device: Device,
    name: str,
    requested: Workload,
    needs: _Needs,
    arena: Callable[[int], int] | None,
    reserve_bytes: int,
    origin: Origin | None,
    only: int | None,
) -> Fit:
    """What a device holds of a network.

    Args:
        device, name, requested, reserve_bytes, origin: as in `Fit`.
        needs: the peak at a batch size, and what of that never changes.
        arena: what takes the place of the rest of the peak where the device has flash; None if nothing does.
        only: the batch size that the network has; None if it may be any.
    """
    memory_bytes = memory_of(device)
    flash = None if device.flash is None else int(device.flash.value)

    def peak(batch_size: int) -> int:
        if flash is not None and arena is not None:
            return arena(batch_size)
        whole, constant = needs(batch_size)
        return whole if flash is None else whole - constant

    first, limit = only or _smallest(peak), memory_bytes - reserve_bytes
    flash_bytes = None if flash is None else needs(first)[1]
    following: int | None
    if (flash_bytes or 0) > (flash or 0) or (only and peak(only) > limit):
        most, following = 0, first
    elif only:
        most, following = only, None
    else:
        most, following = largest_batch(peak, limit)
    return Fit(
        name,
        device.name,
        requested.with_(batch_size=most or 1),
        most,
        peak(most) if most else 0,
        following,
        None if following is None else peak(following),
        memory_bytes,
        reserve_bytes,
        origin,
        flash_bytes,
        flash,
        flash is not None and arena is not None,
        notes=(f"{name} fixes its batch at {only}",) if only else (),
    )


def largest_batch(peak: Callable[[int], int], limit: int) -> tuple[int, int]:
    """The largest batch with a peak of at most `limit`, 0 if none; and the smallest that was found not to fit.

    Peaks grow with the batch, and but for the smallest almost along a line: interpolation between what fits and what
    does not finds the edge in a few steps, and halving takes over where it does not.

    Args:
        peak: bytes at a batch size; raises TraceError where the network cannot run with it.
        limit: in bytes.
    """
    first = _smallest(peak)
    if peak(first) > limit:
        return 0, first
    fits, fails = first, 2 * first
    while peak(fails) <= limit:
        step = max(1, (peak(fails) - peak(fits)) // (fails - fits))
        # Not too far at once: where the optimiser's step is the peak, small batches say nothing of large ones.
        fits, fails = fails, max(2 * fails, min(16 * fails, fails + (limit - peak(fails)) // step + 1))
        if fails > _LARGEST:
            raise WorkloadError(f"its peak memory hardly grows with the batch: {fits} still fit into {limit} bytes")
    rounds = 0
    while fails - fits > 1:
        rounds += 1
        slope = (peak(fails) - peak(fits)) / (fails - fits)
        guess = fits + int((limit - peak(fits)) / slope) if slope > 0 and rounds % 3 else (fits + fails) // 2
        guess = min(max(guess, fits + 1), fails - 1)
        fits, fails = (guess, fails) if peak(guess) <= limit else (fits, guess)
        if fits == guess and fails - fits > 1 and peak(fits + 1) > limit:
            fails = fits + 1
    return fits, fails


def _smallest(peak: Callable[[int], int]) -> int:
    """1, or 2 where a batch of 1 cannot run, as with a batch norm that trains on one value."""
    try:
        peak(1)
    except TraceError:
        peak(2)
        return 2
    return 1


def _net_needs(net: NetSpec, workload: Workload) -> _Needs:
    def needs(batch_size: int) -> tuple[int, int]:
        sized = workload.with_(batch_size=batch_size)
        form = network_form(shared_store(), largest_part(net, sized), sized)
        return form.peak_memory_bytes, form.flash_bytes

    return needs


def _source_needs(source: Source, workload: Workload) -> _Needs:
    def needs(batch_size: int) -> tuple[int, int]:
        memory = count_source(_sized(source, batch_size), workload.with_(batch_size=batch_size)).memory
        return int(memory.peak_bytes), 0 if workload.training else int(memory.weights_bytes)

    return needs


def _sized(source: Source, batch_size: int) -> Source:
    """With another batch, unless it is fixed: which inputs have one need not be clear then."""
    return source if source.fixed_batch else source.with_batch(batch_size)


def _check_places(places: Sequence[Device], arena: bool) -> None:
    """Complain of what has no answer before anything is counted."""
    for device in places:
        memory_of(device)
    if not places:
        raise DeviceError("fit needs a device")
    if arena and all(device.flash is None for device in places):
        raise DeviceError(
            f"a tensor arena lies in SRAM: expected a device with SRAM_KIB and FLASH_KIB, got {places[0].name!r}"
        )


def _net_arena(net: NetSpec, workload: Workload) -> Callable[[int], int]:
    return lambda batch_size: net_arena(net, workload.with_(batch_size=batch_size))


def _source_arena(source: Source, workload: Workload) -> Callable[[int], int]:
    def arena(batch_size: int) -> int:
        sized = workload.with_(batch_size=batch_size)
        return table_arena(count_source(_sized(source, batch_size), sized).table, sized)

    return arena


def memory_of(device: Device) -> int:
    """The size of what batches fill: the SRAM of a microcontroller, the memory of any other device."""
    size = device.sram or device.memory
    if size is None:
        raise DeviceError(
            f"device={device.name!r} states no memory size; add MEMORY_GIB (or SRAM_KIB and FLASH_KIB) to a device "
            "file of your own"
        )
    return int(size.value)
