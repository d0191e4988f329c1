"""Calls captured in CUDA graphs: the GPU runs the kernels again, the host launches one thing instead of hundreds."""

from __future__ import annotations

from typing import Any

import torch

from oracle.errors import OracleError
from oracle.measure.steps import first_line
from oracle.measure.timers import Step

_WARM_UP = 3  # calls on a side stream, as torch asks for before a capture: libraries choose kernels and workspaces


def captured(step: Step, calls: int = 1, cuda: Any = torch.cuda) -> Step:
    """A call that replays a number of calls of `step` from a CUDA graph.

    Args:
        step: launches the same kernels on the same memory every time, and waits for nothing.
        calls: that the graph holds.
        cuda: `torch.cuda`, or what stands for it in a test.

    Raises:
        OracleError: it cannot be captured, as when it waits for the GPU.
    """
    side, current = cuda.Stream(), cuda.current_stream()
    side.wait_stream(current)
    try:
        with cuda.stream(side):
            for _ in range(_WARM_UP):
                step()
        current.wait_stream(side)
        graph = cuda.CUDAGraph()
        with cuda.graph(graph):
            for _ in range(calls):
                step()
    except RuntimeError as error:
        raise OracleError(f"graph=True: cannot be captured in a CUDA graph: {first_line(error)}") from error
    replay: Step = graph.replay
    return replay
