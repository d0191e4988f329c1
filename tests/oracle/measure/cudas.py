"""A stand-in for `torch.cuda`: a GPU that takes as long as it is told to, and writes down what it was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["FakeCuda"]


class FakeCuda:
    """Kernels are launched with `launch(name, ms)`; what ran when stands in `ran`, and in `log` with all else."""

    def __init__(self) -> None:
        self.now_ms = 0.0
        self.waited = True
        self.log: list[str] = []
        self.capturing: FakeGraph | None = None

    @property
    def ran(self) -> list[str]:
        """Names of the kernels in the order they ran in."""
        return [line.removeprefix("run ") for line in self.log if line.startswith("run ")]

    def launch(self, name: str, ms: float) -> None:
        if self.capturing is not None:
            self.capturing.kernels.append((name, ms))
            return
        self.log.append(f"run {name}")
        self.now_ms += ms
        self.waited = False

    def synchronize(self) -> None:
        if self.capturing is not None:
            raise RuntimeError("operation not permitted when stream is capturing\nand more")
        self.waited = True

    def Event(self, *, enable_timing: bool) -> FakeEvent:  # noqa: N802 - torch's name
        assert enable_timing
        return FakeEvent(self)

    def Stream(self) -> FakeStream:  # noqa: N802 - torch's name
        return FakeStream(self, "side")

    def current_stream(self) -> FakeStream:
        return FakeStream(self, "current")

    @contextmanager
    def stream(self, stream: FakeStream) -> Iterator[None]:
        self.log.append(f"enter {stream.name}")
        yield
        self.log.append(f"leave {stream.name}")

    def CUDAGraph(self) -> FakeGraph:  # noqa: N802 - torch's name
        return FakeGraph(self)

    @contextmanager
    def graph(self, graph: FakeGraph) -> Iterator[None]:
        self.capturing = graph
        try:
            yield
        finally:
            self.capturing = None


class FakeEvent:
    """Says when it was recorded, once somebody waited."""

    def __init__(self, cuda: FakeCuda) -> None:
        self.cuda, self.at_ms = cuda, -1.0

    def record(self) -> None:
        self.at_ms = self.cuda.now_ms

    def elapsed_time(self, other: FakeEvent) -> float:
        if not self.cuda.waited:
            raise RuntimeError("Both events must be completed before calculating elapsed time.")
        return other.at_ms - self.at_ms


class FakeStream:
    """A name."""

    def __init__(self, cuda: FakeCuda, name: str) -> None:
        self.cuda, self.name = cuda, name

    def wait_stream(self, other: FakeStream) -> None:
        self.cuda.log.append(f"{self.name} waits for {other.name}")


class FakeGraph:
    """Kernels that were captured."""

    def __init__(self, cuda: FakeCuda) -> None:
        self.cuda = cuda
        self.kernels: list[tuple[str, Any]] = []

    def replay(self) -> None:
        run: Callable[[str, float], None] = self.cuda.launch
        for name, ms in self.kernels:
            run(name, ms)
