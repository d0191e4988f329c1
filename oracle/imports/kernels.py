"""What a profiler measured of one kernel, in SI units, and what it did not."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.devices import Device
from oracle.errors import OracleError
from oracle.imports.replay import OperatorCall


@dataclass(frozen=True, slots=True)
class MeasuredKernel:
    """One launch of a kernel, or the average launch of several. None means not measured, never zero.

    Attributes:
        name: as the profiler has it.
        source: file and line (or event) it was read from.
        time_s: seconds per launch.
        dram_bytes, l2_bytes, l1_bytes: bytes that crossed each level's border per launch.
        flops: all floating-point (and tensor-unit integer) operations per launch; None unless every kind of
            operation the chip has was counted.
        flops_by_kind: "vector float32", "matrix float16", ... -> operations, for the kinds that were counted.
        invocations: launches that the figures are averages of.
        operator: the framework's operator that launched it, "" if unknown.
        device: as the profiler has it.
        missing: (quantity, why) for what is None.
        notes: estimates, fallbacks, and rules that were applied to read it.
    """

    name: str
    source: str
    time_s: float | None = None
    dram_bytes: float | None = None
    l2_bytes: float | None = None
    l1_bytes: float | None = None
    flops: float | None = None
    flops_by_kind: tuple[tuple[str, float], ...] = ()
    invocations: int = 1
    operator: str = ""
    device: str = ""
    missing: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def require(self, quantity: str) -> float:
        """The value of `time_s`, `dram_bytes`, `l2_bytes`, `l1_bytes` or `flops`.

        Raises:
            OracleError: it was not measured; the message says which counters it needs.
        """
        if quantity not in ("time_s", "dram_bytes", "l2_bytes", "l1_bytes", "flops"):
            raise OracleError(f"quantity={quantity!r}: expected time_s, dram_bytes, l2_bytes, l1_bytes or flops")
        value: float | None = getattr(self, quantity)
        if value is None:
            why = dict(self.missing).get(quantity, "not measured")
            raise OracleError(f"{self.source}: {quantity} of kernel {self.name!r} is unknown: {why}")
        return value

    @property
    def achieved_flops_per_s(self) -> float | None:
        """FLOP/s, where both FLOPs and time are known."""
        return self.flops / self.time_s if self.flops is not None and self.time_s else None

    @property
    def achieved_bytes_per_s(self) -> float | None:
        """Byte/s from and to memory, where both bytes and time are known."""
        return self.dram_bytes / self.time_s if self.dram_bytes is not None and self.time_s else None

    @property
    def intensity(self) -> float | None:
        """FLOP per byte of memory, where both are known and there are bytes."""
        return self.flops / self.dram_bytes if self.flops is not None and self.dram_bytes else None


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file held.

    Attributes:
        kernels: one per launch (or per summary row), in the order of the file.
        operators: the framework's outermost operator calls with their time, where the file knows them.
        device: made of the figures in the file, where it has any.
        notes: rules that were applied to the file as a whole, and what it did not have.
    """

    kernels: tuple[MeasuredKernel, ...]
    operators: tuple[OperatorCall, ...] = ()
    device: Device | None = None
    notes: tuple[str, ...] = ()
