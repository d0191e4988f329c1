"""FLOPs per launch, by the unit and type that did them.

Per executed thread instruction, after NVIDIA's own counting: add and multiply 1, fused multiply-add 2; packed
float32 of Blackwell (fadd2, fmul2, ffma2) twice that; float16 is packed in pairs (half2), so 2, 2 and 4.
Tensor units count their operations themselves on chips since GA100; on older ones instructions times the
operations of the one shape that is known for the chip are an estimate, marked as such.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from oracle.imports.ncu.counters import Counters

_VECTOR = {
    "float32": {"fadd": 1, "fmul": 1, "ffma": 2},
    "float64": {"dadd": 1, "dmul": 1, "dfma": 2},
    "float16": {"hadd": 2, "hmul": 2, "hfma": 4},
}
_PACKED = {"fadd2": 2, "fmul2": 2, "ffma2": 4}
_PER_INSTRUCTION = {"7.0": 512.0, "8.0": 4096.0}
"""Compute capability -> FLOPs of a tensor instruction: HMMA.884 of V100, HMMA.16816 of A100."""

_TENSOR = re.compile(
    r"sm__ops_path_tensor_src_(?P<src>[a-z]+\d+)(?P<dst>_dst_[a-z0-9]+)?(?P<sparse>_sparsity_(?:on|off))?\.sum(?:\.per_\w+)?"
)
_TYPES = {
    "fp16": "float16",
    "bf16": "bfloat16",
    "tf32": "tf32",
    "fp8": "float8",
    "int8": "int8",
    "fp64": "float64",
}
_BLACKWELL = 10.0
_COUNT = ("inst", "thread", "op", "")


class Work(NamedTuple):
    """Operations by kind ("vector float32"), and why the kinds that are absent are unknown."""

    by_kind: tuple[tuple[str, float], ...]
    unknown: tuple[str, ...]


def work_of(counters: Counters, time_s: float | None) -> Work:
    """Operations of one launch.

    A kind is known if all its counters are; if none of them was collected or one is not available, it is
    unknown.
    """
    known: dict[str, float] = {}
    unknown: list[str] = []
    for dtype, weights in _VECTOR.items():
        found = _vector(counters, weights, time_s)
        if isinstance(found, str):
            unknown.append(f"vector {dtype}: {found}")
        else:
            known[f"vector {dtype}"] = found
    if known.get("vector float16"):
        counters.notes.append("vector float16: hadd and hmul x2, hfma x4 (packed half2)")
    if "vector float32" in known:
        packed = _packed(counters, time_s)
        if isinstance(packed, str):
            unknown.append(f"vector float32: {packed}")
            del known["vector float32"]
        else:
            known["vector float32"] += packed
    tensor = _tensor(counters, time_s)
    if isinstance(tensor, str):
        unknown.append(f"matrix: {tensor}")
    else:
        known |= tensor
    return Work(tuple(known.items()), tuple(unknown))


def has_tensor_units(capability: str) -> bool | None:
    """Whether chips of a compute capability have tensor units; None if it is not known which it is."""
    number = _number(capability)
    return None if number is None else number >= 7.0


def _vector(counters: Counters, weights: dict[str, int], time_s: float | None) -> float | str:
    """The weighted sum, or what is missing for it."""
    total, missing = 0.0, []
    for name, weight in weights.items():
        found = _instructions(counters, name, time_s)
        if found is None:
            missing.append(name)
        else:
            total += weight * found
    return f"op_{', op_'.join(missing)} not available" if missing else total


def _instructions(counters: Counters, name: str, time_s: float | None) -> float | None:
    for unit in ("smsp", "sm"):
        found = counters.total(f"{unit}__sass_thread_inst_executed_op_{name}_pred_on", _COUNT, time_s)
        if found is not None:
            return found
    # the roofline section of ncu asks for fused multiply-adds twice counted already
    doubled = f"derived__{{}}__sass_thread_inst_executed_op_{name}_pred_on_x2"
    for unit in ("smsp", "sm"):
        per_cycle = counters.get(doubled.format(unit), ("", "inst/cycle", "inst"))
        cycles = _cycles(counters, unit, time_s)
        if per_cycle is not None and cycles is not None:
            counters.notes.append(f"op_{name}: per-cycle rate times cycles elapsed")
            return per_cycle * cycles / 2
    return None


def _cycles(counters: Counters, unit: str, time_s: float | None) -> float | None:
    rate = counters.get(f"{unit}__cycles_elapsed.avg.per_second", ("cycle/second",))
    if rate is not None and time_s is not None:
        return rate * time_s
    return counters.get(f"{unit}__cycles_elapsed.avg", ("cycle", ""))


def _packed(counters: Counters, time_s: float | None) -> float | str:
    """Packed float32 operations: 0 on chips that have none."""
    capability = _number(counters.launch.columns.get("CC", ""))
    stems = [f"{unit}__sass_thread_inst_executed_op_{{}}_pred_on" for unit in ("smsp", "sm")]
    requested = any(counters.requested(stem.format(name)) for stem in stems for name in _PACKED)
    if (capability is not None and capability < _BLACKWELL) or (capability is None and not requested):
        return 0.0
    return _vector(counters, _PACKED, time_s)


def _tensor(counters: Counters, time_s: float | None) -> dict[str, float] | str:
    """Operations of tensor units by kind; no kinds where there were none; or why they are unknown."""
    capability = counters.launch.columns.get("CC", "")
    if has_tensor_units(capability) is False:
        return {}
    counted = _counted(counters, time_s)
    if counted is not None:
        return counted
    return _estimated(counters, capability, time_s)


def _counted(counters: Counters, time_s: float | None) -> dict[str, float] | str | None:
    """From the counters of operations; None if there are none of them."""
    paths: dict[str, dict[str, set[str]]] = {}
    for name in counters.launch.metrics:
        match = _TENSOR.fullmatch(name)
        if match:
            paths.setdefault(match["src"], {}).setdefault(match["dst"] or "", set()).add(match["sparse"] or "")
    if not paths:
        return None
    known: dict[str, float] = {}
    for src, by_dst in paths.items():
        # without a destination the counter is the sum over all of them
        chosen = {"": by_dst[""]} if "" in by_dst else by_dst
        for dst, kinds in chosen.items():
            parts = [""] if "" in kinds else sorted(kinds)
            for part in parts:
                stem = f"sm__ops_path_tensor_src_{src}{dst}{part}"
                found = counters.total(stem, _COUNT, time_s)
                if found is None:
                    return f"{stem} not available"
                kind = f"matrix {_TYPES.get(src, src)}"
                known[kind] = known.get(kind, 0.0) + found
    return known


def _estimated(counters: Counters, capability: str, time_s: float | None) -> dict[str, float] | str:
    for stem in ("sm__inst_executed_pipe_tensor_op_hmma", "sm__inst_executed_pipe_tensor"):
        found = counters.total(stem, _COUNT, time_s)
        if found == 0:
            return {}
        if found is not None:
            if capability not in _PER_INSTRUCTION:
                known = " and ".join(_PER_INSTRUCTION)
                return f"operations per tensor instruction are known for CC {known}, not for {capability or '?'}"
            each = _PER_INSTRUCTION[capability]
            counters.notes.append(f"estimate: {stem} x {each:g} FLOPs, taken as float16")
            return {"matrix float16": found * each}
    return "no sm__ops_path_tensor_* or sm__inst_executed_pipe_tensor* available"


def _number(capability: str) -> float | None:
    try:
        return float(capability)
    except ValueError:
        return None
