"""What the system says about this host: processor, caches, memory, and the CPUs we may use."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_CPU = Path("/sys/devices/system/cpu")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


@dataclass(frozen=True, slots=True)
class Caches:
    """Bytes of a core's private level before the last, and of the shared last level; 0 if not known."""

    inner: int
    last: int


def cpu_name() -> str:
    """The processor's name as the system has it, or its architecture."""
    for key in ("model name", "Model", "Hardware"):
        found = re.search(rf"^{key}\s*:\s*(.+)$", _read(Path("/proc/cpuinfo")), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine() or "CPU"


def cpu_kind(name: str) -> str:
    """The kind of device (see `oracle.devices.KINDS`) that a processor's name suggests."""
    if re.search(r"xeon|epyc|neoverse|graviton|ampere|opteron|power\d", name, re.IGNORECASE):
        return "server-cpu"
    return "mobile-cpu" if re.search(r"raspberry|cortex|snapdragon", name, re.IGNORECASE) else "desktop-cpu"


def clock_hz() -> float | None:
    """The clock that the system reports now."""
    found = re.search(r"^cpu MHz\s*:\s*([\d.]+)$", _read(Path("/proc/cpuinfo")), re.MULTILINE)
    return float(found[1]) * 1e6 if found else None


def affinity() -> tuple[int, ...]:
    """The CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def ranges(numbers: Iterable[int]) -> str:
    """`0-3,8` for (0, 1, 2, 3, 8)."""
    spans: list[list[int]] = []
    for number in sorted(set(numbers)):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in spans)


def memory_bytes() -> int | None:
    """Installed memory."""
    return _meminfo("MemTotal") or _sysconf("SC_PHYS_PAGES")


def available_memory() -> int | None:
    """Memory to be had without swapping, the control group's limit included; None if not known."""
    free = _meminfo("MemAvailable") or _sysconf("SC_AVPHYS_PAGES")
    limit, used = (_read(Path("/sys/fs/cgroup") / name).strip() for name in ("memory.max", "memory.current"))
    if free is not None and limit.isdigit() and used.isdigit():
        return max(0, min(free, int(limit) - int(used)))
    return free


def caches(root: Path = _CPU) -> Caches:
    """Caches of the first CPU as sysfs has them."""
    by_level: dict[int, int] = {}
    for index in sorted((root / "cpu0" / "cache").glob("index*")):
        size = re.fullmatch(r"(\d+)([KMG])", _read(index / "size").strip())
        level = _read(index / "level").strip()
        if size and level.isdigit() and _read(index / "type").strip() != "Instruction":
            by_level[int(level)] = int(size[1]) * _UNITS[size[2]]
    levels = sorted(by_level)
    last = by_level[levels[-1]] if levels else 0
    return Caches(by_level[levels[-2]] if len(levels) > 1 else 0, last)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _meminfo(key: str) -> int | None:
    found = re.search(rf"^{key}:\s*(\d+) kB$", _read(Path("/proc/meminfo")), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _sysconf(pages: str) -> int | None:
    try:
        return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # no POSIX, or a name it does not know
        return None
