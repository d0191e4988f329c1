from __future__ import annotations

from functools import partial

import pytest

from oracle.errors import OracleError
from oracle.measure.graphs import captured
from oracle.measure.timers import EventTimer
from tests.oracle.measure.cudas import FakeCuda


def test_a_graph_is_warmed_up_on_a_side_stream_captured_and_replayed() -> None:
    cuda = FakeCuda()
    replay = captured(partial(cuda.launch, "kernel", 2.0), calls=4, cuda=cuda)
    warm = ["side waits for current", "enter side", *["run kernel"] * 3, "leave side", "current waits for side"]
    assert cuda.log == warm  # capturing runs nothing
    replay()
    assert cuda.ran == ["kernel"] * 7
    assert EventTimer(cuda).block(replay, 2) == pytest.approx(4 * 2e-3)


def test_what_waits_for_the_gpu_cannot_be_captured() -> None:
    cuda = FakeCuda()
    with pytest.raises(OracleError, match="graph=True: cannot be captured in a CUDA graph: operation not permitted"):
        captured(cuda.synchronize, cuda=cuda)
    assert cuda.capturing is None
