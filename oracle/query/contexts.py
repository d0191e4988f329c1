"""The longest sequences that a device's memory holds of a decoder, and the most of them at a length."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle._shown import Shown
from oracle.closedform import network_form, shared_store
from oracle.config import CALL_WORDS, load_cfg, with_call, workload_of
from oracle.devices import Device
from oracle.errors import WorkloadError
from oracle.families import to_spec
from oracle.families._checks import MAX_TOKENS
from oracle.families.caches import cache_bytes
from oracle.families.sharding import shard_of
from oracle.query.capacity import largest_batch, memory_of
from oracle.query.devices import find_devices
from oracle.query.parts import largest_part
from oracle.spec import NetSpec, Workload

if TYPE_CHECKING:
    from oracle.config import CfgNode


@dataclass(frozen=True, slots=True)
class ContextFit(Shown):
    """How many tokens of each sequence a device holds while it decodes.

    Attributes:
        network, device: names.
        workload: its batch size is how many sequences there are.
        context: the most tokens of a sequence, the one that is decoded included; 0 where not one fits.
        peak_memory_bytes: with so many; 0 where none fits.
        kv_cache_bytes: the part of it that is caches of keys and values.
        limit: tokens that the network takes by its config; 0 where it states none.
        memory_bytes: of the device, by its file.
        reserve_bytes: kept free.
        least_bytes: the peak of the shortest sequences, which says what is too large where none fits.
        notes: as in `Fit`.
    """

    network: str
    device: str
    workload: Workload
    context: int
    peak_memory_bytes: int
    kv_cache_bytes: int
    limit: int
    memory_bytes: int
    reserve_bytes: int
    least_bytes: int = 0
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def fit_context(
    network: CfgNode | str | Path,
    devices: Iterable[str | Path | Device],
    *,
    reserve_bytes: int = 0,
    **words: Any,
) -> tuple[ContextFit, ...]:
    """The longest sequences that each device holds while it decodes: exact, and no longer than the network takes.

    `oracle.fit` answers for the number of sequences, given `phase="decode"` and `past`.

    Args:
        network: a decoder's config, the name of a shipped one, a path, or `hf:` and the path of a config.json.
        devices: names, paths or devices, each with a memory size.
        reserve_bytes: memory that must stay free, such as for workspace of kernels and what the allocator rounds up.
        words: of the workload, with `batch_size` for how many sequences, and kv_dtype, kv_block: as in `oracle.score`.

    Raises:
        WorkloadError: a network that is no decoder; a phase, prompt or past, which this looks for; a negative reserve.
        OracleError: as `oracle.score`.

    Example:
        >>> fit_context("Llama-3.1-8B", ["rtx-4090"], batch_size=8, reserve_bytes=2 * 2**30)[0].context
        7200
    """
    call = {name: words.pop(name) for name in CALL_WORDS if name in words}
    requested = [name for name in ("phase", "prompt", "past") if name in call]
    if requested:
        raise WorkloadError(f"{requested[0]}={call[requested[0]]!r}: the tokens of a sequence are what is looked for")
    if reserve_bytes < 0:
        raise WorkloadError(f"reserve_bytes={reserve_bytes}: expected 0 or more")
    cfg = load_cfg(network) if isinstance(network, (str, Path)) else network
    cfg = with_call(cfg, {**call, "phase": "decode"})
    workload = workload_of(cfg, **words)
    limit = min([most for most in (cfg.DECODER.POSITIONS, cfg.DECODER.CONTEXT) if most], default=0)
    return tuple([_fitted(cfg, workload, device, limit, reserve_bytes) for device in find_devices(devices)])


def _fitted(cfg: CfgNode, workload: Workload, device: Device, limit: int, reserve_bytes: int) -> ContextFit:
    store, memory_bytes = shared_store(), memory_of(device)

    def spec(context: int) -> NetSpec:
        return largest_part(to_spec(with_call(cfg, {"past": context - 1})), workload)

    def peak(context: int) -> int:
        return network_form(store, spec(context), workload).peak_memory_bytes

    room, most = memory_bytes - reserve_bytes, limit or MAX_TOKENS
    if peak(most) <= room:
        context = most
    elif peak(2) > room:  # the least that has a past
        context = 0
    else:
        context, _ = largest_batch(lambda tokens: peak(min(tokens + 1, most)), room)
        context += 1
    found = spec(context) if context else None
    shared = shard_of(spec(2).cells)
    return ContextFit(
        network=cfg.COST.NAME,
        device=device.name,
        workload=workload,
        context=context,
        peak_memory_bytes=peak(context) if context else 0,
        kv_cache_bytes=cache_bytes(found, workload) if found else 0,
        limit=limit,
        memory_bytes=memory_bytes,
        reserve_bytes=reserve_bytes,
        least_bytes=peak(2),
        notes=(*(found.notes if found else ()), *([] if shared is None else [shared.note])),
    )
