"""What nvidia-smi says of a GPU: driver, clocks, power limit."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from typing import Any

# nvidia-smi's name -> ours, with the unit of nvidia-smi's `nounits`
_QUERIES = {
    "name": "name",
    "driver_version": "driver",
    "vbios_version": "vbios",
    "pstate": "performance_state",
    "clocks.sm": "sm_clock_mhz",
    "clocks.mem": "memory_clock_mhz",
    "clocks.max.sm": "max_sm_clock_mhz",
    "clocks.max.mem": "max_memory_clock_mhz",
    "power.draw": "power_draw_w",
    "power.limit": "power_limit_w",
    "power.default_limit": "default_power_limit_w",
    "temperature.gpu": "temperature_c",
    "memory.total": "memory_mib",
    "ecc.mode.current": "ecc",
}
_PATIENCE_S = 20


def gpu_facts(uuid: str = "") -> dict[str, Any]:
    """What nvidia-smi says of the GPU with a UUID (of the first one without); empty where it is not to be had."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return {}
    query = [program, f"--query-gpu=uuid,{','.join(_QUERIES)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return parsed_gpu_facts(done.stdout, uuid) if done.returncode == 0 else {}


def parsed_gpu_facts(text: str, uuid: str = "") -> dict[str, Any]:
    """A line of nvidia-smi's as plain data: numbers as such, and None for what the GPU does not report."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if len(row) == len(_QUERIES) + 1]
    own = [row for row in rows if uuid and row[0].removeprefix("GPU-") == uuid.removeprefix("GPU-")] or rows
    return {name: _value(cell) for name, cell in zip(_QUERIES.values(), own[0][1:], strict=True)} if own else {}


def _value(cell: str) -> str | float | None:
    if cell.startswith(("[", "N/A")):  # [N/A], [Not Supported]
        return None
    try:
        return float(cell)
    except ValueError:
        return cell
