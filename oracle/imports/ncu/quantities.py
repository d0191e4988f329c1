"""From counters to a measured kernel: time, bytes at each level, FLOPs."""

from __future__ import annotations

from collections.abc import Callable

from oracle.errors import OracleError
from oracle.imports.kernels import MeasuredKernel
from oracle.imports.ncu.counters import Counters
from oracle.imports.ncu.work import work_of

_SECTOR = 32.0  # bytes, on every chip so far
_RATE = ("byte/second",)


def kernel_of(counters: Counters) -> MeasuredKernel:
    """What was measured of one launch.

    Raises:
        OracleError: a number or unit that cannot be read, with file and line.
    """
    launch = counters.launch
    time_s = time_of(counters)
    dram, l2, l1 = (level(counters, time_s) for level in (_dram, _l2, _l1))
    work = work_of(counters, time_s)
    missing = []
    if time_s is None:
        missing.append(("time_s", "needs gpu__time_duration.sum"))
    if dram is None:
        missing.append(("dram_bytes", "needs dram__bytes.sum, or reads and writes"))
    if l2 is None:
        missing.append(("l2_bytes", "needs lts__t_bytes.sum"))
    if l1 is None:
        missing.append(("l1_bytes", "needs l1tex__t_bytes.sum"))
    if work.unknown:
        missing.append(("flops", "; ".join(work.unknown)))
    return MeasuredKernel(
        name=launch.columns.get("Kernel Name", ""),
        source=f"{counters.file}:{launch.line}",
        time_s=time_s,
        dram_bytes=dram,
        l2_bytes=l2,
        l1_bytes=l1,
        flops=None if work.unknown else sum(value for _, value in work.by_kind),
        flops_by_kind=work.by_kind,
        invocations=_invocations(counters),
        device=counters.text("device__attribute_display_name") or launch.columns.get("Device", ""),
        missing=tuple(missing),
        notes=(
            *dict.fromkeys(counters.notes),
            "isolated: ncu flushes caches and fixes clocks unless told not to",
        ),
    )


def time_of(counters: Counters) -> float | None:
    """Seconds of one launch."""
    for name in (
        "gpu__time_duration.sum",
        "gpu__time_duration.avg",
        "Duration",
        "gpu__time_active.avg",
        "gpu__time_active.sum",
    ):
        found = counters.get(name, ("second",))
        if found is not None:
            if "active" in name:
                counters.notes.append(f"time is {name}")
            return found
    for cycles_name, rate_name in (
        ("sm__cycles_elapsed.avg", "sm__cycles_elapsed.avg.per_second"),
        ("sm__cycles_elapsed.max", "sm__cycles_elapsed.avg.per_second"),
        ("Elapsed Cycles", "SM Frequency"),
    ):
        cycles = counters.get(cycles_name, ("cycle", ""))
        rate = counters.get(rate_name, ("cycle/second",))
        if cycles is not None and rate:
            counters.notes.append(f"time is {cycles_name} over {rate_name}")
            return cycles / rate
    return None


def _dram(counters: Counters, time_s: float | None) -> float | None:
    both = counters.get("dram__bytes.sum", ("byte",))
    if both is not None:
        return both
    sides = [_side(counters, side) for side in ("read", "write")]
    if None not in sides:
        return sum(side for side in sides if side is not None)
    sectors = counters.get("dram__sectors.sum", ("sector", ""))
    if sectors is not None:
        counters.notes.append("DRAM bytes are sectors x 32")
        return sectors * _SECTOR
    if time_s is None:
        return None
    rate = counters.get("dram__bytes.sum.per_second", _RATE)
    if rate is None:
        rates = [counters.get(f"dram__bytes_{side}.sum.per_second", _RATE) for side in ("read", "write")]
        rate = None if None in rates else sum(part for part in rates if part is not None)
    if rate is None:
        # the details page; its other "Memory Throughput", of the speed-of-light section, is a percentage
        rate = counters.get("Memory Throughput", _RATE, "Memory Workload Analysis")
    if rate is None:
        return None
    counters.notes.append("DRAM bytes are throughput times duration")
    return rate * time_s


def _side(counters: Counters, side: str) -> float | None:
    for name in (f"dram__bytes_{side}.sum", f"dram__bytes_op_{side}.sum"):
        found = counters.get(name, ("byte",))
        if found is not None:
            if "_op_" in name:
                counters.notes.append(f"DRAM bytes from {name}")
            return found
    sectors = counters.get(f"dram__sectors_{side}.sum", ("sector", ""))
    if sectors is None:
        return None
    counters.notes.append("DRAM bytes are sectors x 32")
    return sectors * _SECTOR


def _level(bytes_stem: str, sectors_stem: str, rate_name: str) -> Callable[[Counters, float | None], float | None]:
    def level(counters: Counters, time_s: float | None) -> float | None:
        found = counters.total(bytes_stem, ("byte",), time_s)
        if found is not None:
            return found
        sectors = counters.total(sectors_stem, ("sector", ""), time_s)
        if sectors is not None:
            counters.notes.append(f"{sectors_stem}.sum x 32 byte")
            return sectors * _SECTOR
        rate = counters.get(rate_name, _RATE)
        if rate is None or time_s is None:
            return None
        counters.notes.append(f"{rate_name} times duration")
        return rate * time_s

    return level


_l2 = _level("lts__t_bytes", "lts__t_sectors", "derived__lts__lts2xbar_bytes.sum.per_second")
_l1 = _level("l1tex__t_bytes", "l1tex__t_sectors", "derived__l1tex__lsu_writeback_bytes_mem_lg.sum.per_second")


def _invocations(counters: Counters) -> int:
    text = counters.launch.invocations
    digits = "".join(letter for letter in text if letter.isdigit())
    if not digits or not int(digits):
        raise OracleError(
            f"{counters.file}:{counters.launch.line}: Invocations={text!r}: expected a count of at least 1"
        )
    return int(digits)
