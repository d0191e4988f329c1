"""What a device is: sourced figures in SI units, and the rules that pick the peak an operator can reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from oracle._shown import Shown
from oracle.errors import DeviceError
from oracle.spec import DTYPES

# a laptop counts as a desktop, a phone or a single-board computer as mobile
KINDS = (
    "datacenter-gpu",
    "workstation-gpu",
    "consumer-gpu",
    "embedded-gpu",
    "mobile-gpu",
    "tpu",
    "server-cpu",
    "desktop-cpu",
    "mobile-cpu",
    "accelerator",
    "npu",
    "microcontroller",
)
UNITS = ("matrix", "vector")


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in SI units (FLOP/s, byte/s, byte, Hz, s, W, or a count) and where it is from."""

    value: float
    source: str = "unsourced"

    @property
    def unsourced(self) -> bool:
        """Whether the figure, or something it was derived from, has no source."""
        return "unsourced" in self.source


@dataclass(frozen=True, slots=True)
class Peaks(Mapping[str, Figure]):
    """Dense peaks of one unit in FLOP/s by dtype word: a mapping that can be hashed and pickled."""

    pairs: tuple[tuple[str, Figure], ...] = ()

    def __getitem__(self, dtype: str) -> Figure:
        for word, figure in self.pairs:
            if word == dtype:
                return figure
        raise KeyError(dtype)

    def __iter__(self) -> Iterator[str]:
        return (word for word, _ in self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Equal cores of a processor.

    Attributes:
        kind: their micro-architecture, a name of `oracle.devices.cores.CORES`.
        count: how many.
        clock: Hz, of all of them at work.
        boost: Hz, of one alone; None where it is the same, or not stated.
    """

    kind: str
    count: int
    clock: Figure
    boost: Figure | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """The processor that launches a device's kernels: the name or the path of its device file, and who says so."""

    name: str
    source: str = "unsourced"


@dataclass(frozen=True, slots=True)
class Links:
    """How a device reaches others of its kind; byte/s in one direction. Data sheets often add both directions up.

    Attributes:
        nvlink: all NVLinks of a GPU together.
        nvlink_gpus: GPUs that reach one another at that rate: those on one board or in one rack.
        pcie: the slot.
        network: a GPU's share of its node's network cards.
    """

    nvlink: Figure | None = None
    nvlink_gpus: Figure | None = None
    pcie: Figure | None = None
    network: Figure | None = None


@dataclass(frozen=True, slots=True)
class Device(Shown):
    """One device. All figures are SI; None means that nobody states it.

    Attributes:
        name: the file's name without suffix.
        title: the name for people.
        kind: one of `KINDS`.
        vector: peaks of the ordinary ALUs (CUDA cores, SIMD units).
        matrix: peaks of tensor, matrix or systolic units; on GeForce with float32 accumulation.
        matrix_fp16_accumulate: GeForce tensor units in the faster mode that frameworks do not use; no peak.
        bandwidth: memory bandwidth, byte/s.
        memory: memory size, byte.
        llc: last-level cache size, byte.
        llc_bandwidth: last-level cache bandwidth, byte/s.
        compute_units: SMs, CUs or cores.
        clock: Hz.
        launch: measured time of one tiny kernel called alone, s. Above what a kernel costs in a queue that is
            kept full, so no lower bound.
        power: W.
        cores: of a processor, those that its figures count, the fastest first; see `oracle.devices.threads`.
        idle_cores: cores that its figures leave out: little ones, until threads ask for them.
        links: to other devices of its kind.
        host: the processor that launches its kernels, where its file names one; see `oracle.devices.hosts`.
        aliases: other names of a shipped device.
        calibrate_only: no trustworthy peaks are public; such a device has to be measured.
        notes: conflicts between sources, and what else to know.
        sram, flash: sizes of a microcontroller's two memories, byte: what a call computes lies in SRAM, what never
            changes in flash. `memory` is that of devices with one memory for both.
        flash_bandwidth: byte/s at which weights come from the flash, through a port of its own; `bandwidth` is the
            SRAM's then. None where they share one.
        sustained_matrix, sustained_vector: the share of that unit's peaks at which matrix products compute for as long
            as one likes, where the power limit allows no more; None where nobody says so. Predictions heed it, bounds
            do not: a short call may run at the full clock.
    """

    name: str
    title: str
    kind: str
    vector: Peaks = Peaks()
    matrix: Peaks = Peaks()
    matrix_fp16_accumulate: Peaks = Peaks()
    bandwidth: Figure | None = None
    memory: Figure | None = None
    llc: Figure | None = None
    llc_bandwidth: Figure | None = None
    compute_units: Figure | None = None
    clock: Figure | None = None
    launch: Figure | None = None
    power: Figure | None = None
    aliases: tuple[str, ...] = ()
    calibrate_only: bool = False
    notes: str = ""
    sram: Figure | None = None
    flash: Figure | None = None
    flash_bandwidth: Figure | None = None
    cores: tuple[Cluster, ...] = ()
    idle_cores: tuple[Cluster, ...] = ()
    links: Links = Links()
    host: Host | None = None
    sustained_matrix: Figure | None = None
    sustained_vector: Figure | None = None

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The dtypes with a peak for matrix-class work; empty for a calibrate-only device."""
        if self.calibrate_only:
            return ()
        return tuple(dtype for dtype in (*DTYPES, "float64") if dtype in self.matrix or dtype in self.vector)

    def peak_flops(self, unit: str, dtype: str) -> float:
        """The peak in FLOP/s for operators of a class in a dtype.

        - "matrix" (convolution, linear, matmul, attention): the matrix unit's peak; where it has none for the
          dtype, the vector unit's if that states the dtype, because there these operators really run
          (float32 convolutions on a V100, float16 on a P100).
        - "vector" (the rest): the vector unit's peak.

        On the vector unit values narrower than float32 may be widened in registers, so its peak for them is
        float32's where that is higher or their own is not stated. Frameworks do so in pointwise operators and
        norms on half-precision tensors, and cuBLAS on GPUs whose native float16 is slow (P4, GTX 1080 Ti).

        float32 never means TF32, which is a dtype of its own. An NPU without floating point does in its integers what
        a quantised network does beside its products, whatever type their formulas name.

        Raises:
            DeviceError: no such unit, no peak for the dtype, or a calibrate-only device.
        """
        self._require_peaks()
        if unit not in UNITS:
            raise DeviceError(f"unit={unit!r}: expected one of {', '.join(UNITS)}")
        if unit == "matrix" and dtype in self.matrix:
            return self.matrix[dtype].value
        if unit == "vector" and self.kind == "npu" and not {dtype, "float32"} & set(self.vector):
            dtype = "int8"
        native = (dtype,) if dtype in self.vector else ()
        widened = ("float32",) if dtype in DTYPES and "float32" in self.vector else ()
        if not (native or (widened and unit == "vector")):
            stated = ", ".join(self.dtypes if unit == "matrix" else self.vector) or "nothing"
            raise DeviceError(f"device={self.name!r} has no {unit} peak for dtype={dtype!r}, only for {stated}")
        return max(self.vector[word].value for word in (*native, *widened))

    def sustained(self, dtype: str) -> float:
        """The share of their peak in a dtype at which products may compute for long; 1 where no limit is stated."""
        figure = self.sustained_matrix if dtype in self.matrix else self.sustained_vector
        return 1.0 if figure is None else figure.value

    def peak_bandwidth(self) -> float:
        """Memory bandwidth in byte/s.

        Raises:
            DeviceError: a calibrate-only device, or one made without a bandwidth.
        """
        self._require_peaks()
        if self.bandwidth is None:
            raise DeviceError(f"device={self.name!r} has no memory bandwidth")
        return self.bandwidth.value

    @property
    def sized(self) -> bool:
        """Whether any memory's size is stated, so that `holds` has an answer."""
        return any(size is not None for size in (self.memory, self.sram, self.flash))

    def holds(self, peak_memory_bytes: int, flash_bytes: int) -> bool | None:
        """Whether a network fits every memory whose size is stated; None where none is.

        Args:
            peak_memory_bytes: all that is alive at once, weights included.
            flash_bytes: the part of it that never changes, and lies in flash where the device has one.
        """
        in_sram = peak_memory_bytes - (flash_bytes if self.flash is not None else 0)
        needs = (self.memory, peak_memory_bytes), (self.sram, in_sram), (self.flash, flash_bytes)
        found = [need <= size.value for size, need in needs if size is not None]
        return all(found) if found else None

    def ridge(self, unit: str, dtype: str) -> float:
        """The ridge point in FLOP/byte: the intensity from which on compute, not memory, is the bound."""
        return self.peak_flops(unit, dtype) / self.peak_bandwidth()

    def _require_peaks(self) -> None:
        if self.calibrate_only:
            raise DeviceError(
                f"device={self.name!r} is calibrate-only: no trustworthy peaks are public; measure it and calibrate"
            )
