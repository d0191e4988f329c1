"""What is believed before anything is measured: a mean and a covariance of the parameters.

Parameters of one device err together: a power-capped board reaches less of every peak, a slow host launches every
kernel later. So the covariance has, beside each parameter's own spread, a spread that all compute shares have in
common, one that all memory shares have, and one that all launches have. A few measurements settle these three; more
settle single classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from oracle._frozen import Frozen
from oracle.calibration.classes import CLASSES, CONTRACTIONS
from oracle.calibration.factors import Factors
from oracle.calibration.model import CALL, DISPATCH, FLOOR, LAUNCH, WEIGHTS, Floats, efficiency_of, refitted, vector_of
from oracle.devices import Device
from oracle.devices.hosts import HOSTS, dispatch_of, named_host
from oracle.roofline import Efficiency

_COUNT = len(CLASSES)

# Of the vector peak, in depthwise convolutions, and per kernel: what ONNX Runtime and OpenVINO take on one Zen 4 lies
# at .7 to .9 and 2 to 9 us (`tests/benchmarks/host_engines.py`).
_ENGINES_DEPTHWISE, _ENGINES_LAUNCH_S = 0.6, 5e-6

# Of the bandwidth, in products of at most 16 rows whose weights no cache holds: .75 on an A100, .88 on an H100, .83 on
# an L40S (`tests/benchmarks/products.py`). Other cards were fitted to networks under autocast, which do not tell:
# products read what a cast made of their weights. Linear layers of eager PyTorch reach less with images.
_CARDS, _CARDS_PRODUCTS = frozenset({"consumer-gpu", "workstation-gpu"}), 0.82

PRODUCTS = ("matmul", "pointwise_conv")
"""Classes that libraries run as matrix products and nothing else."""

# Shares of streaming kernels lie close together on every device; those of contractions differ with the library.
_STREAMING = frozenset(CLASSES) - frozenset(CONTRACTIONS)


@dataclass(frozen=True)
class Prior:
    """A normal distribution of the parameters (logits of shares, logarithms of constants).

    Attributes:
        efficiency: its mean, in natural units.
        own: spread of each parameter by itself, by the name `compute.conv`, `memory.pool`, `weights.conv`,
            `launch.conv`, `call`, `floor` or `dispatch`; a default where absent.
        common_compute, common_memory, common_weights, common_launch: spread that all of a kind have in common.
        source: what it was learnt from, for people.
        error: mean relative error of its mean on devices it was not learnt from; None if nobody checked.
        interval: of measured / predicted there, 80 % of cases.
        factors: how it differs from the device, where it is of a processor's relatives; None where nobody knows.
    """

    efficiency: Efficiency
    own: Mapping[str, float] = field(default_factory=dict)
    common_compute: float = 1.0
    common_memory: float = 1.0
    common_weights: float = 1.0
    common_launch: float = 1.0
    source: str = "general knowledge"
    error: float | None = None
    interval: tuple[float, float] | None = None
    factors: Factors | None = None

    def at(self, vector: Floats) -> Prior:
        """The same around another mean."""
        return replace(self, efficiency=refitted(self.efficiency, vector))

    @property
    def mean(self) -> Floats:
        """The mean as a vector."""
        return vector_of(self.efficiency)

    @property
    def precision(self) -> Floats:
        """The inverse of the covariance."""
        spread = np.array([self._own(f"compute.{name}", name) for name in CLASSES])
        spread = np.concatenate(
            [
                spread,
                [self._own(f"memory.{name}", name) for name in CLASSES],
                [self._own(f"weights.{name}", name) for name in CLASSES],
                [self.own.get(f"launch.{name}", 0.5) for name in CLASSES],
                [self.own.get("call", 1.5), self.own.get("floor", 1.0), self.own.get("dispatch", 0.7)],
            ]
        )
        covariance = np.diag(spread**2)
        covariance[:_COUNT, :_COUNT] += self.common_compute**2
        covariance[_COUNT:WEIGHTS, _COUNT:WEIGHTS] += self.common_memory**2
        covariance[WEIGHTS:LAUNCH, WEIGHTS:LAUNCH] += self.common_weights**2
        covariance[LAUNCH:CALL, LAUNCH:CALL] += self.common_launch**2
        return np.linalg.inv(covariance)

    def _own(self, key: str, name: str) -> float:
        if key in self.own:
            return self.own[key]
        if name == "depthwise":
            return 1.0
        return 0.6 if name in _STREAMING and key.startswith("memory") else 0.8


def limited_classes(device: Device, dtype: str) -> tuple[str, ...]:
    """Classes whose share of the peak is what a device's power sustains, where it says so.

    On vector units products alone: fast algorithms, Winograd's above all, multiply less than convolutions count.
    """
    if device.sustained(dtype) == 1.0:
        return ()
    return CONTRACTIONS if dtype in device.matrix else (*PRODUCTS, "attention")


def prior_from(
    devices: Sequence[Efficiency],
    source: str,
    kind: str = "",
    runtime: str = "eager",
    limited: Sequence[Sequence[str]] = (),
) -> Prior:
    """What calibrated devices of one kind teach about another: the mean of their parameters.

    General knowledge counts as one more device: one device alone says little about its kind, and a share that its
    measurements left open, or that its software spoilt, should not be the next device's. Nor should one that its power
    decides: `limited` are the classes of each device, see `limited_classes`.
    """
    general = general_prior(kind, runtime).efficiency
    known = np.array([vector_of(efficiency) for efficiency in (*devices, general)])
    for vector, names in zip(known, limited, strict=False):
        vector[[CLASSES.index(name) for name in names]] = np.nan
    return Prior(refitted(general, np.nanmean(known, axis=0)), source=source)


def general_prior(kind: str = "", runtime: str = "eager", dispatch_s: float | None = None) -> Prior:
    """What is believed of a device of whose kind nothing was calibrated yet.

    Args:
        kind: one of `oracle.devices.KINDS`; no host launches the kernels of processors. PyTorch dispatches each by
            itself and starts it on all cores by a barrier, which takes longer than a launch on a GPU, and lays weights
            out anew; engines have prepared theirs. Consumer and workstation GPUs read weights as data-centre GPUs do.
        runtime: one of `oracle.spec.RUNTIMES`.
        dispatch_s: seconds that the host takes to launch one kernel; None for the usual host of the kind, see
            `oracle.devices.hosts`.
    """
    if not kind:
        return GENERAL
    efficiency = replace(
        GENERAL.efficiency, dispatch_s=usual_dispatch(kind, runtime) if dispatch_s is None else dispatch_s
    )
    if kind in _CARDS:
        efficiency = replace(efficiency, weights=Frozen(dict.fromkeys(CLASSES, _CARDS_PRODUCTS)))
        if runtime != "eager":
            memory = {**efficiency.memory, **dict.fromkeys(PRODUCTS, _CARDS_PRODUCTS)}
            efficiency = replace(efficiency, memory=Frozen(memory))
    if kind.endswith("-cpu"):
        if runtime == "engine":
            compute = {**efficiency.compute, "depthwise": _ENGINES_DEPTHWISE}
            efficiency = replace(efficiency, launches=dict.fromkeys(CLASSES, _ENGINES_LAUNCH_S), compute=compute)
        else:
            efficiency = replace(efficiency, launches=dict.fromkeys(CLASSES, 2e-5), packing=frozenset(CONTRACTIONS))
    return replace(GENERAL, efficiency=efficiency)


def usual_dispatch(kind: str, runtime: str) -> float:
    """Seconds that the usual host of a kind of device takes to launch one kernel; 0 where none does."""
    host = HOSTS.get(kind)
    return 0.0 if host is None else dispatch_of(named_host(host.name), runtime)


def _general() -> Efficiency:
    """Shares that GPUs and CPUs commonly reach; the spread above says how little that means."""
    vector = np.empty(DISPATCH + 1)
    vector[DISPATCH] = np.log(1e-9)  # none: it depends on the kind of device
    for index, name in enumerate(CLASSES):
        compute = {"depthwise": 0.06, "grouped": 0.4}.get(name, 0.6)
        # A bias that is a pass of its own reads and writes the output once more.
        memory = 0.85 if name in _STREAMING else 0.4 if name == "biased_conv" else 0.7
        vector[index], vector[_COUNT + index] = np.log(compute / (1 - compute)), np.log(memory / (1 - memory))
    vector[WEIGHTS:LAUNCH] = 0.0  # half
    vector[LAUNCH:CALL], vector[CALL], vector[FLOOR] = np.log(3e-6), np.log(3e-4), np.log(5e-6)
    return efficiency_of(vector)


GENERAL = Prior(_general())
"""For any device; `general_prior` tells processors from the rest."""
