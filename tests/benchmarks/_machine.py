"""What a measurement depends on beside the code: host, driver, clocks, power limit, versions."""

from __future__ import annotations

import platform
from typing import Any

import torch

from oracle._versions import today
from oracle.measure.host import affinity, cpu_name, ranges
from oracle.measure.machine import gpu_facts


def machine_facts(device: str) -> dict[str, Any]:
    """Plain data: host, software, and of a CUDA device what torch and nvidia-smi say of it; clocks are those of now."""
    found: dict[str, Any] = {
        "date": today(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cpu": cpu_name(),
        "cpus": ranges(affinity()),
        "torch_threads": torch.get_num_threads(),
        "device": device,
    }
    if device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(device)
        found |= {
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
            "compute_capability": f"{properties.major}.{properties.minor}",
            "compute_units": properties.multi_processor_count,
            "memory_bytes": properties.total_memory,
            "l2_bytes": int(getattr(properties, "L2_cache_size", 0)),
            "gpu": gpu_facts(str(getattr(properties, "uuid", ""))),
        }
    return found
