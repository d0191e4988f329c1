"""Measured kernels from other people's profilers: Nsight Compute CSV and torch.profiler traces.

A counter that is missing stays missing: its quantity is None, with the reason beside it, and `require` raises it.
"""

from __future__ import annotations
